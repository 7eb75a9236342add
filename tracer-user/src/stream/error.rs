//! What can be wrong with a recording, each in one line that says what to do.

use std::io;

use super::FORMAT;

/// Why a recording cannot be read, or not any further. Everything before the damage has been delivered.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("cannot read line {line} of the recording")]
    Io {
        /// Number of the line, from 1.
        line: u64,
        /// What the system said.
        source: io::Error,
    },
    /// It is something else.
    #[error("not a tracer recording: {looks_like}; record with `tracer --record FILE`")]
    NotARecording {
        /// What it seems to be.
        looks_like: &'static str,
    },
    /// It was written by a later version.
    #[error(
        "recording of format {found}, written by tracer {tool}; this tracer reads up to format {FORMAT}: update tracer"
    )]
    Newer {
        /// Format of the recording.
        found: u32,
        /// Version of the program that wrote it, printable.
        tool: String,
    },
    /// A line is damaged.
    #[error("recording damaged at line {line}, byte {offset}: {what}; good events before that: {events}")]
    Corrupt {
        /// Number of the line, from 1.
        line: u64,
        /// Offset in the file, from 0, of where reading failed.
        offset: u64,
        /// What was wrong, printable.
        what: String,
        /// Events that were read before.
        events: u64,
    },
    /// It stops before its end: the disk was full, or the recording program was killed.
    #[error("recording cut short {place} line {line}, byte {offset}; good events before that: {events}", place = if *.within { "within" } else { "before" })]
    Truncated {
        /// Number of the line that is missing or half there, from 1.
        line: u64,
        /// Length of what is there, bytes.
        offset: u64,
        /// A line stops half-way.
        within: bool,
        /// Events that were read before.
        events: u64,
    },
    /// The end record tells another number of events than there are.
    #[error("recording damaged: its end record tells of {told} event{s}, {events} {are} there", s = if *.told == 1 { "" } else { "s" }, are = if *.events == 1 { "is" } else { "are" })]
    Count {
        /// What the end record says.
        told: u64,
        /// Events that were read.
        events: u64,
    },
}

/// What a file seems to be that does not begin as a recording does.
pub(super) fn looks_like(head: &[u8]) -> &'static str {
    const MAGIC: [(&[u8], &str); 8] = [
        (b"\x1f\x8b", "it is compressed by gzip, unpack it first"),
        (b"\x28\xb5\x2f\xfd", "it is compressed by zstd, unpack it first"),
        (b"\xfd7zXZ", "it is compressed by xz, unpack it first"),
        (b"PK\x03\x04", "it is a zip archive"),
        (b"\x7fELF", "it is a program"),
        (b"{\"kind\":", "it is what `tracer --output json` writes"),
        (b"[", "its start record is missing"),
        (b"{", "it is JSON of another kind"),
    ];
    if head.is_empty() {
        return "it is empty";
    }
    if let Some((_, what)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return what;
    }
    match std::str::from_utf8(head) {
        Ok(text) if !text.chars().any(|c| c.is_control() && !c.is_whitespace()) => "it is text",
        _ => "it is binary data",
    }
}
