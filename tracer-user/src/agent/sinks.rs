//! The way for changes to whoever wants them: metrics, events for Kubernetes, traces.

use std::io;

use crate::kubernetes;
use crate::model::Change;
use crate::output::View;

/// Somebody who wants to know what becomes known. It runs on the tracing thread: what takes time belongs on another
/// one, behind a bounded queue.
pub trait Sink {
    /// Whether it wants a change; most want ends and conditions only, and nothing is kept for them otherwise.
    fn wants(&self, change: &Change) -> bool;

    /// Takes those of a batch of events that it wants, in order. Never empty.
    fn take(&mut self, changes: &[Change]);
}

/// The agent's view: hands changes on in batches.
#[derive(Default)]
pub struct Sinks(Vec<(Box<dyn Sink>, Vec<Change>)>);

impl Sinks {
    /// Hands them on to all of these.
    #[must_use]
    pub fn new(sinks: Vec<Box<dyn Sink>>) -> Self {
        Self(sinks.into_iter().map(|sink| (sink, Vec::new())).collect())
    }
}

impl View for Sinks {
    fn show(&mut self, change: &Change) -> io::Result<()> {
        for (sink, batch) in &mut self.0 {
            if sink.wants(change) {
                batch.push(change.clone());
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        for (sink, batch) in self.0.iter_mut().filter(|(_, batch)| !batch.is_empty()) {
            sink.take(batch);
            batch.clear();
        }
        Ok(())
    }
}

impl Sink for kubernetes::Events {
    fn wants(&self, change: &Change) -> bool {
        Self::wants(change)
    }

    fn take(&mut self, changes: &[Change]) {
        Self::take(self, changes);
    }
}
