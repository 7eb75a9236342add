//! Reading recordings, whatever state they are in.

use std::io::{BufRead, Read as _};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::looks_like;
use super::{End, FORMAT, MAX_LINE, ReadError, Start};
use crate::event::Event;
use crate::printable;

/// What a recording of any format, ours or a later one, begins with.
const HEAD: &[u8] = b"{\"tracer-recording\"";

/// Reads a recording: an iterator over its events, which ends after the first error.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    start: Start,
    line: Vec<u8>,
    /// Lines read.
    lines: u64,
    /// Offset of the next line in the file, bytes.
    offset: u64,
    /// Events delivered.
    events: u64,
    /// The end, or an error, was reached.
    done: bool,
}

/// As much of the start record as no format may change.
#[derive(Deserialize)]
struct AnyStart {
    #[serde(rename = "tracer-recording")]
    format: u32,
    #[serde(default)]
    tool: String,
}

impl<R: BufRead> Reader<R> {
    /// Reads the start record.
    ///
    /// # Errors
    /// When `input` is no recording, one of a newer format, or its first line is damaged.
    pub fn new(input: R) -> Result<Self, ReadError> {
        let start = Start {
            format: 0,
            tool: String::new(),
            kernel: String::new(),
            arch: String::new(),
            boot_id: String::new(),
            boot_to_wall_ns: 0,
            attached: Vec::new(),
            cgroups: super::Cgroups::V2,
            command: Vec::new(),
        };
        let mut reader = Self { input, start, line: Vec::new(), lines: 0, offset: 0, events: 0, done: false };
        reader.start = reader.read_start()?;
        Ok(reader)
    }

    /// The start record.
    pub const fn start(&self) -> &Start {
        &self.start
    }

    /// Events delivered so far.
    pub const fn events(&self) -> u64 {
        self.events
    }

    fn read_start(&mut self) -> Result<Start, ReadError> {
        let complete = self.read_line()?;
        if !self.line.starts_with(HEAD) {
            if !self.line.is_empty() && HEAD.starts_with(&self.line) {
                return Err(self.truncated(true));
            }
            return Err(ReadError::NotARecording { looks_like: looks_like(&self.line) });
        }
        // What is newer is refused as such before its unknown keys are taken for damage.
        let any: AnyStart = self.parse(complete)?;
        if any.format > FORMAT {
            return Err(ReadError::Newer { found: any.format, tool: printable::text(&any.tool).into_owned() });
        }
        if any.format == 0 {
            return Err(self.corrupt(0, "there is no format 0"));
        }
        let start = self.parse(complete)?;
        self.next_line();
        Ok(start)
    }

    /// The next event; `None` after a good end record.
    fn read_event(&mut self) -> Result<Option<Event>, ReadError> {
        let complete = self.read_line()?;
        if self.line.is_empty() {
            return Err(self.truncated(false));
        }
        if self.line.starts_with(b"{") {
            let End { end } = self.parse(complete)?;
            self.next_line();
            if self.read_line()? || !self.line.is_empty() {
                return Err(self.corrupt(0, "something follows the end record"));
            }
            if end.events != self.events {
                return Err(ReadError::Count { told: end.events, events: self.events });
            }
            return Ok(None);
        }
        // A line that lacks nothing but its line break is whole: events are closed by a bracket.
        let event = self.parse(complete)?;
        self.next_line();
        self.events += 1;
        Ok(Some(event))
    }

    /// Reads a line without its line break, and tells whether that was there.
    fn read_line(&mut self) -> Result<bool, ReadError> {
        self.line.clear();
        let mut bounded = self.input.by_ref().take(MAX_LINE as u64);
        bounded.read_until(b'\n', &mut self.line).map_err(|source| ReadError::Io { line: self.lines + 1, source })?;
        let complete = self.line.pop_if(|last| *last == b'\n').is_some();
        if !complete && self.line.len() == MAX_LINE {
            if self.lines == 0 && !self.line.starts_with(HEAD) {
                return Err(ReadError::NotARecording { looks_like: looks_like(&self.line[..1024]) });
            }
            return Err(self.corrupt(MAX_LINE, "the line is too long"));
        }
        Ok(complete)
    }

    /// The line was good: on to the next.
    fn next_line(&mut self) {
        self.lines += 1;
        self.offset += self.line.len() as u64 + 1;
    }

    fn parse<T: DeserializeOwned>(&self, complete: bool) -> Result<T, ReadError> {
        serde_json::from_slice(&self.line).map_err(|error| {
            if !complete && error.is_eof() {
                return self.truncated(true);
            }
            // serde_json counts columns from 1, and 0 is none
            let column = error.column().saturating_sub(1).min(self.line.len());
            let what = error.to_string();
            // its "at line 1 column 7" would contradict ours
            let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what);
            self.corrupt(column, what)
        })
    }

    fn corrupt(&self, column: usize, what: &str) -> ReadError {
        ReadError::Corrupt {
            line: self.lines + 1,
            offset: self.offset + column as u64,
            what: printable::text(what).into_owned(),
            events: self.events,
        }
    }

    fn truncated(&self, within: bool) -> ReadError {
        ReadError::Truncated {
            line: self.lines + 1,
            offset: self.offset + self.line.len() as u64,
            within,
            events: self.events,
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Event, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.read_event().transpose();
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<R: BufRead> std::iter::FusedIterator for Reader<R> {}
