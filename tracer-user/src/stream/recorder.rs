//! Writing recordings.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{End, MAX_LINE, Start, Totals};
use crate::event::Event;

/// A new recording is for its owner: it may hold command lines with secrets.
pub(crate) const MODE: u32 = 0o600;
/// Bytes gathered before they are written.
const BUFFER: usize = 64 * 1024;

/// The file of a recording cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot create the recording {}", path.display())]
pub struct CreateError {
    /// Where it was to be.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Begins a recording in a file. As with the shell's `>`, a file that is there already is replaced;
/// it keeps its mode, and a new one is readable by its owner alone.
///
/// # Errors
/// When the file cannot be created or the start record cannot be written to it.
pub fn create(path: &Path, start: &Start) -> Result<Recorder<File>, CreateError> {
    let failed = |source| CreateError { path: path.to_owned(), source };
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(path).map_err(failed)?;
    let mut recorder = Recorder::new(file, start).map_err(failed)?;
    // A full disk is better told now than after the first events.
    recorder.flush().map_err(failed)?;
    Ok(recorder)
}

/// Writes a recording. It buffers by itself: `out` needs no buffer of its own.
///
/// A recording that is dropped without [`Recorder::finish`] has no end record and reads as cut short, which it is.
#[derive(Debug)]
pub struct Recorder<W: Write> {
    out: W,
    /// Lines not written yet; kept for its memory.
    buffer: Vec<u8>,
    events: u64,
    /// A write failed: what is in the file ends somewhere within a line, so nothing may follow.
    broken: bool,
}

impl Recorder<Vec<u8>> {
    /// Takes what was recorded since the last call: for who sends it on by other ways than [`Write`].
    ///
    /// # Errors
    /// Never: it is memory.
    pub fn take(&mut self) -> io::Result<Vec<u8>> {
        self.flush()?;
        Ok(std::mem::take(&mut self.out))
    }
}

impl<W: Write> Recorder<W> {
    /// Begins a recording with its start record.
    ///
    /// # Errors
    /// When `start` cannot be written.
    pub fn new(out: W, start: &Start) -> io::Result<Self> {
        let mut recorder = Self { out, buffer: Vec::with_capacity(BUFFER + 4096), events: 0, broken: false };
        recorder.line(start)?;
        Ok(recorder)
    }

    /// Adds an event.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] when the event needs a line longer than [`MAX_LINE`]: it is left out, and the
    /// recording may go on. Any other error is of the writer, and the recording is over.
    pub fn record(&mut self, event: &Event) -> io::Result<()> {
        self.line(event)?;
        self.events += 1;
        Ok(())
    }

    /// Events recorded so far.
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// When the writer fails; the recording is over then.
    pub fn flush(&mut self) -> io::Result<()> {
        self.write_out()?;
        self.out.flush()
    }

    /// Writes the end record and gives the writer back.
    ///
    /// # Errors
    /// When the writer fails, now or before.
    pub fn finish(mut self) -> io::Result<W> {
        self.line(&End { end: Totals { events: self.events } })?;
        self.flush()?;
        Ok(self.out)
    }

    fn line(&mut self, record: &impl Serialize) -> io::Result<()> {
        let start = self.buffer.len();
        if let Err(error) = serde_json::to_writer(&mut self.buffer, record) {
            self.buffer.truncate(start);
            return Err(error.into());
        }
        self.buffer.push(b'\n');
        let length = self.buffer.len() - start;
        if length > MAX_LINE {
            self.buffer.truncate(start);
            let what = format!("an event of {length} bytes does not fit into a line of a recording");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        if self.buffer.len() >= BUFFER { self.write_out() } else { Ok(()) }
    }

    fn write_out(&mut self) -> io::Result<()> {
        if self.broken {
            self.buffer.clear();
            return Err(io::Error::other("an earlier write to the recording failed"));
        }
        let result = self.out.write_all(&self.buffer);
        self.buffer.clear();
        self.broken = result.is_err();
        result
    }
}
