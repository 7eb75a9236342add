//! Plain views: text for people, JSON lines for machines.
//!
//! Architecture invariant: a view only writes down what a [`Change`] carries, to the writer it was given. It looks
//! nothing up, keeps no state of the model, and never panics on what strangers named their processes.

mod clock;
mod json;
mod junit;
pub(crate) mod si_code;
mod text;

#[cfg(test)]
pub(crate) mod fixtures;

use std::io;

use crate::model::Change;

pub use clock::Clock;
pub use json::JsonLines;
pub use junit::junit;
pub(crate) use text::words::exit as exit_words;
pub use text::{Style, Text, audit, audit_wide};
pub(crate) use text::{block, figures, glyphs, is_silent, line, passed_on, picture, pod, words};

/// Something that shows changes as they become known.
pub trait View {
    /// Shows one change.
    ///
    /// # Errors
    /// Whatever the writer below says; [`is_broken_pipe`] tells the harmless case.
    fn show(&mut self, change: &Change) -> io::Result<()>;

    /// Hands over whatever is still buffered: to be called when no event is waiting, and at the end.
    ///
    /// # Errors
    /// Whatever the writer below says.
    fn flush(&mut self) -> io::Result<()>;
}

/// Whether the reader at the other end of a pipe left, as `head` does once it has seen enough: a reason to stop
/// quietly, not to complain.
#[must_use]
pub fn is_broken_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}
