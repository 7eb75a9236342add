//! A real terminal: tmux, with a server of the test's own and a shell in it.

use super::{PATIENCE, output, read, until};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// What the shell says when it waits for a command.
const PROMPT: &str = "lab$";

/// A shell on a terminal. Dropping it ends the terminal and what runs on it.
pub(crate) struct Screen {
    server: String,
}

impl Screen {
    /// With so many columns and lines.
    #[track_caller]
    pub(crate) fn open(columns: u16, lines: u16) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = format!("tracer-lab-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let screen = Self { server };
        let size = [columns.to_string(), lines.to_string()];
        let shell = format!("exec env -u NO_COLOR LC_ALL=C.UTF-8 PS1='{PROMPT} ' bash --norc --noprofile");
        let open = ["-f", "/dev/null", "new-session", "-d", "-x", &size[0], "-y", &size[1], &shell];
        read(&mut screen.tmux(&open));
        screen.wait_for(PROMPT);
        screen
    }

    fn tmux(&self, args: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.args(["-L", &self.server]).args(args);
        command
    }

    /// Types a line, and Enter.
    #[track_caller]
    pub(crate) fn type_line(&self, line: &str) {
        read(&mut self.tmux(&["send-keys", "-l", line]));
        self.press("Enter");
    }

    /// Presses keys by the names tmux has for them: `q`, `C-z`, `Tab`.
    #[track_caller]
    pub(crate) fn press(&self, keys: &str) {
        read(self.tmux(&["send-keys"]).args(keys.split(' ')));
    }

    /// Gives the terminal another size.
    #[track_caller]
    pub(crate) fn resize(&self, columns: u16, lines: u16) {
        read(&mut self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &lines.to_string()]));
    }

    /// What is on the screen.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        read(&mut self.tmux(&["capture-pane", "-p"]))
    }

    /// The pid of the shell.
    #[track_caller]
    pub(crate) fn shell(&self) -> u32 {
        read(&mut self.tmux(&["display-message", "-p", "#{pane_pid}"])).parse().expect("tmux says a number")
    }

    /// Whether a program has the alternate screen.
    #[track_caller]
    pub(crate) fn is_taken(&self) -> bool {
        read(&mut self.tmux(&["display-message", "-p", "#{alternate_on}"])) == "1"
    }

    /// Waits until all of it is on the screen; returns the screen.
    #[track_caller]
    pub(crate) fn wait_for(&self, wanted: &str) -> String {
        self.wait_until(wanted, |text| text.contains(wanted))
    }

    /// Waits until the screen is as wanted; returns it.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        let started = std::time::Instant::now();
        until(&format!("{what:?} on the screen"), PATIENCE + PATIENCE, || {
            last = self.text();
            assert!(started.elapsed() < PATIENCE, "waited for {what:?}; the screen was:\n{last}");
            wanted(&last).then(|| last.clone())
        })
    }

    /// Runs a command in the shell, waits until it is done, and returns what it printed.
    #[track_caller]
    pub(crate) fn run(&self, command: &str) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mark = format!("done-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.type_line("clear");
        self.wait_until("a clear screen", |text| text.trim() == PROMPT);
        // split, so that what is typed is not taken for what is printed
        let (head, tail) = mark.split_at(3);
        self.type_line(&format!("{command}; echo {head}''{tail}"));
        let screen = self.wait_until(&mark, |text| text.lines().any(|line| line == mark));
        let lines = screen.lines().skip_while(|line| !line.contains(&format!("echo {head}''{tail}"))).skip(1);
        lines.take_while(|line| *line != mark).collect::<Vec<_>>().join("\n")
    }

    /// The modes of the terminal, as `stty -g` tells them.
    #[track_caller]
    pub(crate) fn modes(&self) -> String {
        // longer than a narrow screen
        self.run("stty -g").replace('\n', "")
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        drop(output(&mut self.tmux(&["kill-server"])));
    }
}

/// A command as one types it.
pub(crate) fn typed(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let quoted = words.map(|word| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''")));
    quoted.collect::<Vec<_>>().join(" ")
}
