//! What every daemon of a test has in common: a directory, a mount namespace, and a shell script that runs the daemon
//! in there until the test ends.

use super::{PATIENCE, output};
use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Which cgroup hierarchies a daemon sees, and so which ones it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cgroups {
    /// cgroup v2 alone, whatever the host has: mounted in the daemon's mount namespace.
    PureV2,
    /// What the host has: v1, hybrid or v2.
    Host,
}

/// What a daemon is, to the one who starts it.
pub(crate) struct Kind {
    /// For messages.
    pub(crate) name: &'static str,
    /// Runs it, after cgroups.sh.
    pub(crate) script: &'static str,
    /// Its log files.
    pub(crate) logs: &'static [&'static str],
}

/// The script, running. Dropping it ends the daemon and everything that it started.
pub(crate) struct Helper {
    dir: TempDir,
    script: Child,
    /// As long as this is open the daemon runs; the kernel closes it when the test ends, however it ends. What is
    /// written to it are orders for the script.
    lifeline: Option<ChildStdin>,
    kind: &'static Kind,
}

impl Helper {
    /// Starts the script in a mount namespace of its own.
    #[track_caller]
    pub(crate) fn start(kind: &'static Kind, cgroups: Cgroups) -> Self {
        let dir = tempfile::Builder::new().prefix("tracer-lab-").tempdir().expect("a temporary directory can be made");
        let mode = match cgroups {
            Cgroups::PureV2 => "pure-v2",
            Cgroups::Host => "host",
        };
        let text = format!("{}\n{}", include_str!("cgroups.sh"), kind.script);
        let mut script = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", &text, kind.name])
            .arg(dir.path())
            .arg(mode)
            .env("PATH", search_path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("unshare starts");
        let lifeline = script.stdin.take();
        Self { dir, script, lifeline, kind }
    }

    /// Waits until a command, that asks the daemon something, succeeds.
    #[track_caller]
    pub(crate) fn wait_until_it_answers(&mut self, mut ask: impl FnMut() -> Command) {
        let started = Instant::now();
        while !output(&mut ask()).status.success() {
            let ended = self.script.try_wait().expect("the script can be waited for");
            let waited = started.elapsed();
            let hopeful = ended.is_none() && waited < PATIENCE;
            assert!(hopeful, "no {} after {waited:?} (script: {ended:?}):\n{}", self.kind.name, self.logs());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The directory for all that is written.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Tells the script what to do.
    #[track_caller]
    pub(crate) fn order(&self, order: &str) {
        let mut lifeline = self.lifeline.as_ref().expect("it is open until the drop");
        writeln!(lifeline, "{order}").expect("the script takes orders");
    }

    /// The number in a pid file of the daemon's.
    #[track_caller]
    pub(crate) fn pid(&self, file: &str) -> u32 {
        let pid = std::fs::read_to_string(self.dir().join(file)).expect("the daemon runs");
        pid.trim().parse().expect("a pid file has a number")
    }

    /// A command that runs in the daemon's mount namespace: there it sees the cgroups that the daemon sees.
    /// (Outside, an ordinary `Command` sees the host's.)
    pub(crate) fn enter(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--mount").arg("--target").arg(self.script.id().to_string()).arg("--").arg(program.as_ref());
        command
    }

    /// The ends of the logs, for a failure's message.
    pub(crate) fn logs(&self) -> String {
        let end = |name: &&str| {
            let text = std::fs::read_to_string(self.dir().join(name)).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            format!("--- {name}\n{}\n", lines[lines.len().saturating_sub(20)..].join("\n"))
        };
        self.kind.logs.iter().map(end).collect()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let started = Instant::now();
        while let Ok(None) = self.script.try_wait() {
            if started.elapsed() > PATIENCE {
                eprintln!("{} did not end in {PATIENCE:?}:\n{}", self.kind.name, self.logs());
                // A panic in a drop during a panic aborts the run: leave it at the message.
                drop(self.script.kill());
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The search path for root's daemons, even if the one who tests has a shorter one.
fn search_path() -> String {
    format!("/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin:{}", std::env::var("PATH").unwrap_or_default())
}

/// Drops a daemon, and panics if it leaves what it must not: its directory, and processes of its containers or with that directory in
/// their command lines.
#[track_caller]
pub(crate) fn drop_leaves_nothing<D>(daemon: D, dir: &Path, container: &str, pid: u32) {
    drop(daemon);
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{container} outlives its daemon");
    assert!(!dir.exists(), "{} is still there", dir.display());
    let search = r#"grep -lsF "$1" /proc/[0-9]*/cmdline"#;
    let named = output(Command::new("sh").args(["-c", search, "x"]).arg(dir)).stdout;
    let own = format!("/proc/{}/", std::process::id());
    let left = std::str::from_utf8(&named).expect("paths of numbers").lines().filter(|file| !file.starts_with(&own));
    // The searching shell and grep name the directory themselves and are gone by now.
    let left: Vec<_> = left.filter(|file| Path::new(file).exists()).collect();
    assert!(left.is_empty(), "{left:?} still run with {}", dir.display());
}
