//! What waits to be sent. It is bounded: while nobody takes traces, the last ends are kept, and the others are counted.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use super::exporter::Summary;
use super::limits;
use super::spans::Ending;

/// Ends on their way out. The tracing thread pushes and never waits.
#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    wake: Notify,
    closed: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    ends: VecDeque<Ending>,
    weight: usize,
    /// Those for which there was no room.
    dropped: u64,
    /// What became of the others.
    sent: u64,
    refused: u64,
}

impl Default for Queue {
    fn default() -> Self {
        Self { state: Mutex::default(), wake: Notify::new(), closed: watch::Sender::new(false) }
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one. The oldest have to go if there is no room.
    pub fn push(&self, ending: Ending) {
        let mut state = self.state();
        state.weight += weight(&ending);
        state.ends.push_back(ending);
        while state.ends.len() > limits::QUEUE || (state.weight > limits::QUEUE_WEIGHT && state.ends.len() > 1) {
            if let Some(oldest) = state.ends.pop_front() {
                state.weight -= weight(&oldest);
                state.dropped += 1;
            }
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Nothing comes any more; what waits is still to be had.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// How many had to go so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.state().dropped
    }

    /// So many were taken from here, and a collector took them.
    pub(super) fn sent(&self, number: u64) {
        self.state().sent += number;
    }

    /// So many were taken from here, and a collector will not take them.
    pub(super) fn refused(&self, number: u64) {
        self.state().refused += number;
    }

    /// What became of all that was decided so far; others wait, or are on their way.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let state = self.state();
        Summary { sent: state.sent, lost: state.dropped + state.refused }
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state().ends.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state().ends.is_empty()
    }

    pub(super) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// Waits until nothing more will come.
    pub(super) async fn closed(&self) {
        // it lives as long as we look at it
        drop(self.closed.subscribe().wait_for(|closed| *closed).await);
    }

    /// Waits until there is something, or nothing will come. Safe to cancel.
    pub(super) async fn ready(&self) {
        loop {
            let woken = self.wake.notified();
            if !self.is_empty() || self.is_closed() {
                return;
            }
            tokio::select! {
                () = woken => {}
                () = self.closed() => {}
            }
        }
    }

    /// The oldest; none if none waits.
    pub fn take(&self) -> Option<Ending> {
        let mut state = self.state();
        let oldest = state.ends.pop_front()?;
        state.weight -= weight(&oldest);
        Some(oldest)
    }
}

/// What it takes, in processes and signals.
fn weight(ending: &Ending) -> usize {
    1 + ending.termination.processes.iter().map(|process| 1 + process.received.len()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::Termination;
    use crate::output::fixtures;

    fn ending(termination: Termination, at: u64) -> Ending {
        let started = crate::event::BootNs(at);
        Ending { termination: Arc::new(Termination { started, ..termination }), image: None }
    }

    #[test]
    fn with_too_many_the_oldest_go_and_are_counted() {
        let queue = Queue::default();
        (0..limits::QUEUE as u64 + 10).for_each(|at| queue.push(ending(fixtures::graceful(), at)));
        assert_eq!((queue.len(), queue.dropped()), (limits::QUEUE, 10));
        assert_eq!(queue.take().expect("there are many").termination.started.0, 10);
    }

    #[test]
    fn few_may_be_too_much_but_one_is_always_kept() {
        let queue = Queue::default();
        // 2 n + 3 of weight each
        let huge = || fixtures::not_forwarded(u32::try_from(limits::QUEUE_WEIGHT / 6).expect("small"));
        (0..4).for_each(|at| queue.push(ending(huge(), at)));
        assert_eq!((queue.len(), queue.dropped()), (2, 2));
        let queue = Queue::default();
        queue.push(ending(fixtures::not_forwarded(u32::try_from(limits::QUEUE_WEIGHT).expect("small")), 0));
        assert_eq!((queue.len(), queue.dropped()), (1, 0));
        drop(queue.take());
        assert!(queue.is_empty() && queue.take().is_none());
        assert_eq!(queue.state().weight, 0);
    }
}
