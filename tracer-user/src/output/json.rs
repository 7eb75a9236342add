//! JSON lines for machines: one object a line, a contract that other tools rely on.
//!
//! `"kind"` comes first, then `"time"`. What is not known is null and never left out. New fields may be added after
//! the existing ones of an object; none is renamed, retyped or removed.

mod audit;
mod check;
mod ending;
mod escape;
mod shape;

#[cfg(test)]
mod tests;

use std::io::{self, Write};

use serde::Serialize;

use super::{Clock, View};
use crate::audit::Audited;
use crate::check::Report;
use crate::event::BootNs;
use crate::model::{Change, News};

/// Writes one JSON object a line.
#[derive(Debug)]
pub struct JsonLines<W> {
    out: W,
    clock: Clock,
    /// The line in the making. Kept, so that a line costs no allocation, and whole before it is written, so that
    /// an error never leaves half an object that this program could have avoided.
    line: Vec<u8>,
}

impl<W: Write> JsonLines<W> {
    /// Lines go to `out`, which should be buffered; their times are told by `clock`.
    pub fn new(out: W, clock: Clock) -> Self {
        Self { out, clock, line: Vec::with_capacity(1024) }
    }

    /// Gives the writer back, unflushed.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// Writes down what an audit found.
    ///
    /// # Errors
    /// Whatever the writer below says.
    pub fn audited(&mut self, at: BootNs, audited: &Audited) -> io::Result<()> {
        self.line(at, "audit", audit::Audit::new(audited))
    }

    /// Writes down what came of a check.
    ///
    /// # Errors
    /// Whatever the writer below says.
    pub fn checked(&mut self, report: &Report) -> io::Result<()> {
        self.line(report.time.1, "check", check::Check::new(report, self.clock))
    }

    fn line(&mut self, at: BootNs, kind: &'static str, fields: impl Serialize) -> io::Result<()> {
        self.line.clear();
        let mut json = serde_json::Serializer::with_formatter(&mut self.line, escape::Printable);
        Line { kind, time: shape::Time(self.clock, at), fields }.serialize(&mut json)?;
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }
}

impl<W: Write> View for JsonLines<W> {
    fn show(&mut self, change: &Change) -> io::Result<()> {
        let at = change.at;
        match &change.news {
            News::Signal(news) => self.line(at, "signal", shape::SignalFields::new(news)),
            News::Deliver(news) => self.line(at, "deliver", shape::DeliverFields::new(news)),
            News::Exit(news) => self.line(at, "exit", shape::ExitFields::new(news)),
            News::Exec(news) => self.line(at, "exec", shape::ProcessFields::new(news)),
            News::Fork(news) => self.line(at, "fork", shape::ProcessFields::new(news)),
            News::Zombie(news) => self.line(at, "zombie", shape::ZombieFields::new(news)),
            News::Container(news) => self.line(at, "container", shape::ContainerFields::new(news)),
            News::Termination(news) => self.line(at, "termination", ending::Termination::new(news, self.clock)),
            News::Condition(news) => self.line(at, "condition", ending::Condition(news)),
            News::Lost(lost) => self.line(at, "lost", shape::LossFields::new(lost)),
            // The contract knows terminations only once they are complete, and every container has its own lines.
            News::Stopping(_) | News::Pod(_) | News::Restarted(_) | News::Foreseen(_) => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What every line begins with.
#[derive(Serialize)]
struct Line<T> {
    kind: &'static str,
    time: shape::Time,
    #[serde(flatten)]
    fields: T,
}
