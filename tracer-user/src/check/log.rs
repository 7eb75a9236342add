//! What the checked program prints: shown on standard error as it comes, each line behind a mark, so that nobody takes
//! it for ours; the last lines are kept.
//!
//! A thread of its own reads it. A reader of our standard error that stalls holds up the program, as any log does, and
//! not the tracing.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How many lines are kept.
const KEPT: usize = 40;
/// A line that is longer is several, bytes.
const LONGEST: u64 = 4096;
/// What stands before each line.
const MARK: &str = "| ";

/// The program's output.
#[derive(Debug)]
pub struct Log {
    kept: Arc<Mutex<Kept>>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<String>,
    /// What is waited for, and whether it came.
    awaited: Option<String>,
    seen: bool,
}

impl Log {
    /// Begins to read, and returns where to write. `awaited` is a text to look for.
    ///
    /// # Errors
    /// When there can be no pipe or no thread.
    pub fn start(awaited: Option<String>) -> io::Result<(Self, OwnedFd)> {
        let (reader, writer) = io::pipe()?;
        let kept = Arc::new(Mutex::new(Kept { awaited, ..Kept::default() }));
        let shared = Arc::clone(&kept);
        let thread = std::thread::Builder::new().name("tracer-log".to_owned()).spawn(move || {
            let mut reader = BufReader::new(reader);
            let mut line = Vec::new();
            while (&mut reader).take(LONGEST).read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                shared.lock().unwrap_or_else(PoisonError::into_inner).take(&line);
                let shown = format!("{MARK}{}\n", presentable(&line));
                // where there is no standard error there is nobody to show it to
                io::stderr().lock().write_all(shown.as_bytes()).unwrap_or_default();
                line.clear();
            }
        })?;
        Ok((Self { kept, thread }, writer.into()))
    }

    /// Whether the awaited text has come.
    #[must_use]
    pub fn has_come(&self) -> bool {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).seen
    }

    /// Waits until everybody has closed the other end and all is shown, or for as long as it may take. Returns the last
    /// lines.
    pub async fn end(self, patience: Duration) -> Vec<String> {
        let deadline = Instant::now() + patience;
        while !self.thread.is_finished() && Instant::now() < deadline {
            sleep(Duration::from_millis(5)).await;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut kept.lines).into()
    }
}

impl Kept {
    fn take(&mut self, line: &[u8]) {
        let line = presentable(line);
        self.seen |= self.awaited.as_ref().is_some_and(|awaited| line.contains(awaited));
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}

/// A line as it can be shown: without its end and its colours, and with nothing in it that a terminal obeys.
fn presentable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let plain = without_colors(text.trim_end_matches(['\n', '\r'])).replace('\t', "    ");
    crate::printable::text(&plain).into_owned()
}

/// Leaves out what sets colours (`ESC [ … m`).
fn without_colors(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\x1b[") {
        let (before, sequence) = rest.split_at(at);
        plain.push_str(before);
        let end = sequence[2..].find(|c: char| !c.is_ascii_digit() && c != ';').map(|length| length + 2);
        if let Some(end) = end.filter(|&end| sequence[end..].starts_with('m')) {
            rest = &sequence[end + 1..];
        } else {
            plain.push('\x1b');
            rest = &sequence[1..];
        }
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_left_out_and_nothing_else_reaches_a_terminal_raw() {
        assert_eq!(presentable(b"\x1b[1;32mINFO\x1b[0m up\tnow\r\n"), "INFO up    now");
        assert_eq!(presentable(b"\x1b[2Ja\x1b[1;\x1b[mb\x07"), "\\x1b[2Ja\\x1b[1;b\\x07");
        assert_eq!(presentable("\u{1b}[é".as_bytes()), "\\x1b[é");
    }

    #[tokio::test]
    async fn the_last_lines_are_kept_and_what_is_awaited_is_found() {
        let (log, writer) = Log::start(Some("ready to serve".to_owned())).expect("a pipe");
        let mut writer = std::fs::File::from(writer);
        for number in 0..100 {
            writeln!(writer, "line {number}").expect("it is read");
        }
        assert!(!log.has_come());
        write!(writer, "it is ready to serve {}", "x".repeat(10_000)).expect("it is read");
        drop(writer);
        let kept = Arc::clone(&log.kept);
        let lines = log.end(Duration::from_secs(10)).await;
        assert!(kept.lock().expect("no panic").seen);
        assert_eq!(lines.len(), KEPT);
        assert!(lines.iter().all(|line| line.len() as u64 <= LONGEST), "a long line is several");
        assert!(lines.contains(&"line 99".to_owned()) && !lines.contains(&"line 1".to_owned()), "{lines:?}");
    }
}
