//! The screen: when a frame is drawn, what comes from the person, and the effects that concern the terminal.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{Event, EventStream};
use crossterm::queue;
use futures_util::StreamExt as _;
use ratatui::backend::CrosstermBackend;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use super::app::{App, Moment};
use super::input::{Effect, Input, Seek};
use super::notices;
use super::pace::Pace;
use super::terminal::Terminal;
use crate::live::sink::{Buffer, Sink};
use crate::stream;

/// A text for a ticket is for everybody, as far as the umask lets it be.
const TEXT_MODE: u32 = 0o666;
/// The terminal has this long to take what gives it back.
const LAST: Duration = Duration::from_millis(500);

/// Why [`Screen::wait`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The person did something.
    Input(Input),
    /// Something changed.
    Changed,
    /// A frame, or something else, is due.
    Due,
    /// The shell continued us: the terminal may be in any state.
    Continued,
}

/// What is left to do for whoever runs the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing.
    Nothing,
    /// Move in the recording.
    Seek(Seek),
    /// Write a recording: see [`Screen::record`].
    Record(PathBuf, Option<String>),
    /// End.
    Quit,
}

impl Left {
    /// Whether what is left to do changes what is to be drawn: a frame before it would show what was, and nobody would
    /// draw another.
    const fn comes_first(&self) -> bool {
        matches!(self, Self::Seek(_) | Self::Record(..))
    }
}

/// The terminal, drawn on through the output's thread.
pub struct Screen {
    // restores the modes: to be dropped before anything is printed
    terminal: Terminal,
    drawing: ratatui::Terminal<CrosstermBackend<Buffer>>,
    out: Buffer,
    events: EventStream,
    continued: Signal,
    pace: Pace,
}

impl Screen {
    /// Takes the terminal. What is written to `out` must reach it.
    ///
    /// # Errors
    /// When there is no terminal.
    pub fn open(out: Buffer) -> io::Result<Self> {
        let continued = signal(SignalKind::from_raw(libc::SIGCONT))?;
        let terminal = Terminal::take(out.clone())?;
        let drawing = ratatui::Terminal::new(CrosstermBackend::new(out.clone()))?;
        let mut pace = Pace::default();
        pace.schedule(Instant::now());
        Ok(Self { terminal, drawing, out, events: EventStream::new(), continued, pace })
    }

    /// Whether a frame is to be drawn soon.
    #[must_use]
    pub const fn is_scheduled(&self) -> bool {
        self.pace.is_scheduled()
    }

    /// A frame is to be drawn as soon as one may be.
    pub fn schedule(&mut self) {
        self.pace.schedule(Instant::now());
    }

    /// Waits for whatever comes first. Safe to cancel.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub async fn wait(&mut self) -> io::Result<Woken> {
        let due = self.pace.due();
        loop {
            tokio::select! {
                biased;
                event = self.events.next() => {
                    let gone = || io::Error::new(ErrorKind::UnexpectedEof, "the terminal is gone");
                    let input = match event.ok_or_else(gone)?? {
                        Event::Key(key) => Input::Key(key),
                        Event::Mouse(mouse) => Input::Mouse(mouse),
                        Event::Resize(columns, lines) => Input::Resize(columns, lines),
                        Event::FocusGained | Event::FocusLost | Event::Paste(_) => continue,
                    };
                    return Ok(Woken::Input(input));
                }
                Some(()) = self.continued.recv() => return Ok(Woken::Continued),
                () = sleep_until(due) => return Ok(Woken::Due),
            }
        }
    }

    /// Does what came of a wait, and draws when a frame is due and the terminal has taken the one before. What is left to
    /// do comes before the frame: it is drawn on the next turn.
    ///
    /// # Errors
    /// Those of the terminal.
    pub async fn step(
        &mut self,
        woken: Woken,
        app: &mut App,
        moment: &Moment<'_>,
        sink: &mut Sink,
    ) -> io::Result<Left> {
        let left = match woken {
            Woken::Input(input) => {
                let effect = app.input(input, moment);
                self.perform(effect, app, sink).await?
            }
            Woken::Changed => {
                self.schedule();
                Left::Nothing
            }
            Woken::Continued => {
                self.again()?;
                Left::Nothing
            }
            Woken::Due => Left::Nothing,
        };
        if !left.comes_first() {
            self.draw_if_due(app, moment, sink)?;
        }
        Ok(left)
    }

    fn draw_if_due(&mut self, app: &mut App, moment: &Moment<'_>, sink: &Sink) -> io::Result<()> {
        let now = Instant::now();
        if self.pace.is_said(now) {
            app.hush();
        }
        if !self.pace.is_saying()
            && let Some(notice) = notices::next()
        {
            app.say(notice);
            self.schedule();
        }
        if self.pace.draws(now, !sink.is_idle()) {
            self.drawing.draw(|frame| app.render(frame, moment))?;
            let changes_in = app.next(moment).map(|at| Duration::from_nanos(at.since(moment.now)));
            self.pace.drew(now, changes_in, app.notice().is_some());
        }
        Ok(())
    }

    async fn perform(&mut self, effect: Effect, app: &mut App, sink: &mut Sink) -> io::Result<Left> {
        if effect == Effect::Pass {
            return Ok(Left::Nothing);
        }
        // what is said next is said for its whole time
        self.pace.say();
        match effect {
            Effect::Pass | Effect::Draw | Effect::Show(..) => {}
            Effect::Say(notice) => app.say(notice),
            Effect::Copy(text) => {
                queue!(self.out, CopyToClipboard::to_clipboard_from(&text))?;
                app.say("copied, if the terminal allows it (OSC 52)".to_owned());
            }
            Effect::Save(path, text) => app.say(save(&path, text.as_bytes(), TEXT_MODE)),
            Effect::Record(path, container) => {
                self.schedule();
                return Ok(Left::Record(path, container));
            }
            Effect::Mouse(ours) => self.terminal.set_mouse(ours)?,
            Effect::Suspend => self.suspend(sink).await?,
            Effect::Seek(seek) => {
                self.schedule();
                return Ok(Left::Seek(seek));
            }
            Effect::Quit => return Ok(Left::Quit),
        }
        self.schedule();
        Ok(Left::Nothing)
    }

    /// Gives the terminal back, stops until the shell continues us, and takes it again. The whole process group stops,
    /// as with Ctrl-Z in any other program: a script or sudo that waits for us must come back to its shell, too.
    async fn suspend(&mut self, sink: &mut Sink) -> io::Result<()> {
        self.terminal.leave()?;
        sink.drain(LAST).await?;
        self.terminal.release()?;
        let group = nix::unistd::Pid::from_raw(0);
        nix::sys::signal::kill(group, nix::sys::signal::Signal::SIGTSTP)?;
        self.again()
    }

    /// Takes the terminal, in whatever state it is, and draws all of it.
    fn again(&mut self) -> io::Result<()> {
        self.terminal.enter()?;
        let area = self.drawing.size()?.into();
        self.drawing.resize(area)?;
        self.schedule();
        Ok(())
    }

    /// Writes a recording into a file that is not there yet, and says what came of it.
    pub fn record(&mut self, path: &Path, recording: io::Result<Vec<u8>>, app: &mut App) {
        app.say(match recording {
            Ok(recording) => save(path, &recording, stream::MODE),
            Err(error) => format!("cannot write a recording: {error}"),
        });
        self.pace.say();
        self.schedule();
    }

    /// Gives the terminal back.
    ///
    /// # Errors
    /// When its modes cannot be set.
    pub async fn close(mut self, sink: &mut Sink) -> io::Result<()> {
        self.terminal.leave()?;
        let drained = sink.drain(LAST).await;
        self.terminal.release()?;
        drained
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Writes a file that is not there yet. Returns what to say of it.
///
/// Without its capabilities root may not write where another user works, which is where sudo leaves us: then it goes to
/// the directory for temporary files.
fn save(path: &Path, text: &[u8], mode: u32) -> String {
    let refused =
        |error: &io::Error| matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem);
    let elsewhere = path.file_name().map(|name| std::env::temp_dir().join(name));
    let (path, written) = match (write_new(path, text, mode), elsewhere) {
        (Err(error), Some(elsewhere)) if refused(&error) => {
            let written = write_new(&elsewhere, text, mode);
            (elsewhere, written)
        }
        (written, _) => (path.to_owned(), written),
    };
    match written {
        Ok(()) => format!("saved as {}", path.display()),
        Err(error) => format!("cannot save {}: {error}", path.display()),
    }
}

fn write_new(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Until then what was scheduled stays scheduled.
    #[test]
    fn what_moves_in_a_recording_is_done_before_a_frame_is_drawn() {
        assert!(Left::Seek(Seek::Start).comes_first());
        assert!(Left::Record(PathBuf::from("a.rec"), None).comes_first());
        assert!(!Left::Nothing.comes_first() && !Left::Quit.comes_first());
    }

    #[test]
    fn nothing_that_is_there_is_written_over() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("finding.md");
        let save = |path: &Path, text: &str| save(path, text.as_bytes(), TEXT_MODE);
        assert_eq!(save(&path, "one"), format!("saved as {}", path.display()));
        assert!(save(&path, "two").starts_with(&format!("cannot save {}", path.display())));
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), "one");
        assert!(save(&dir.path().join("no/such/place.md"), "three").starts_with("cannot save"));
    }
}
