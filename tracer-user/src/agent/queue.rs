//! What waits for one client. It is bounded: whoever is slow misses something, and is told what.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::event::{Event, Lost, What};

use super::limits;
use super::thin::{Kept, thin};

/// Events on their way to a client. The tracing thread pushes and never waits; the client's side takes.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    wake: Notify,
    /// A client's, not a recording's.
    clients: bool,
}

#[derive(Debug, Default)]
struct State {
    events: Vec<Kept>,
    /// Left out so far.
    missed: u64,
    end: Option<End>,
}

/// Why nothing more will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The agent ends, or the queue was taken back.
    Over,
    /// Even what cannot be left out is too much.
    TooFarBehind,
}

/// What was waiting.
#[derive(Debug)]
pub struct Taken {
    /// In order.
    pub events: Vec<Kept>,
    /// Nothing comes after them.
    pub end: Option<End>,
}

impl Queue {
    /// An empty one, of a client or of a recording.
    #[must_use]
    pub fn new(clients: bool) -> Self {
        Self { clients, ..Self::default() }
    }

    /// Whether it is a client's.
    #[must_use]
    pub const fn is_clients(&self) -> bool {
        self.clients
    }

    /// Whether something may still come.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state().end.is_none()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds events. Returns whether somebody still wants them.
    pub fn push(&self, events: &[Kept]) -> bool {
        let mut state = self.state();
        if state.end.is_some() {
            return false;
        }
        state.events.extend_from_slice(events);
        if state.events.len() > limits::QUEUE_EVENTS {
            state.thin();
        }
        drop(state);
        self.wake.notify_one();
        true
    }

    /// Nothing comes any more; what waits is still to be had.
    pub fn close(&self) {
        self.state().end.get_or_insert(End::Over);
        self.wake.notify_one();
    }

    /// Events that were left out so far.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.state().missed
    }

    /// Waits until there is something, or nothing will come. Safe to cancel.
    pub async fn take(&self) -> Taken {
        loop {
            let woken = self.wake.notified();
            {
                let mut state = self.state();
                if !state.events.is_empty() || state.end.is_some() {
                    return Taken { events: std::mem::take(&mut state.events), end: state.end };
                }
            }
            woken.await;
        }
    }
}

impl State {
    /// Leaves out what can be left out, and says so where it was.
    fn thin(&mut self) {
        let left_out = thin(&mut self.events, &HashSet::new(), |_| false);
        self.missed += left_out.lost.total();
        if let Some(first) = left_out.first {
            let told = Event(first, What::Lost(left_out.lost));
            let at = self.events.partition_point(|kept| kept.event.0 < first);
            let seq = self.events.get(at).map_or(0, |kept| kept.seq);
            self.events.insert(at, Kept { seq, event: Arc::new(told) });
            self.mark_ends();
        }
        if self.events.len() > limits::QUEUE_EVENTS / 2 {
            self.events = Vec::new();
            self.end = Some(End::TooFarBehind);
        }
    }

    /// What ends where something is missing must not be judged as if all were there.
    fn mark_ends(&mut self) {
        let mut marked = Vec::with_capacity(self.events.len() * 2);
        for kept in self.events.drain(..) {
            let ends = matches!(kept.event.1, What::Exit(_) | What::Reaped(_) | What::CgroupGone(_));
            let is_marked = |last: &Kept| matches!(last.event.1, What::Lost(_));
            if ends && !marked.last().is_some_and(is_marked) {
                let mark = Event(kept.event.0, What::Lost(Lost::default()));
                marked.push(Kept { seq: kept.seq, event: Arc::new(mark) });
            }
            marked.push(kept);
        }
        self.events = marked;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::made::{Made, at};
    use crate::event::{Exited, Forked};
    use crate::model::Node;
    use crate::signal::SignalSet;
    use std::time::Duration;

    fn kept(seq: u64, event: Event) -> Kept {
        Kept { seq, event: Arc::new(event) }
    }

    /// A process that comes and goes.
    fn passer(number: u32) -> [Event; 3] {
        let made = Made { number: 3 };
        let (child, parent) = (made.task(number + 10, "true"), made.task(1, "sh"));
        let ms = 10 + u64::from(number);
        let exited = Exited { task: child, parent, status: 0, autoreap: false, pending: SignalSet::default() };
        [
            Event(at(ms), What::Fork(Forked { child, parent })),
            Event(at(ms), What::Exit(exited)),
            Event(at(ms), What::Reaped(crate::event::Reaped { task: child })),
        ]
    }

    #[tokio::test]
    async fn who_is_slow_is_told_what_it_missed_and_still_knows_who_is_there() {
        let queue = Queue::default();
        let made = Made { number: 3 };
        for (seq, event) in (1..).zip(made.found("web", None, None, "sh")) {
            assert!(queue.push(&[kept(seq, event)]));
        }
        for number in 0..100_000 {
            let three = passer(number).map(|event| kept(100 + u64::from(number), event));
            assert!(queue.push(&three), "it is slow, and no more than that");
        }
        let taken = queue.take().await;
        assert!(taken.events.len() <= limits::QUEUE_EVENTS, "{}", taken.events.len());
        assert_eq!(taken.end, None);
        let mut node = Node::new();
        taken.events.iter().for_each(|kept| node.apply(&kept.event));
        assert_eq!(node.lost().total(), queue.missed());
        assert!(node.lost().fork > 60_000, "{:?}", node.lost());
        let (key, container) = node.container_by_id(&made.id()).expect("it was told");
        assert_eq!(container.name.name.as_deref(), Some("web"));
        assert_eq!(node.processes().of(key).count(), 1, "the first process alone is there");
    }

    #[tokio::test]
    async fn what_cannot_be_left_out_is_too_much_at_last() {
        let queue = Queue::default();
        let made = Made { number: 3 };
        let mut wanted = true;
        for number in 0..40_000 {
            let parent = made.task(1, "sh");
            let fork = Event(at(1), What::Fork(Forked { child: made.task(number + 10, "true"), parent }));
            wanted = queue.push(&[kept(u64::from(number), fork)]);
        }
        assert!(!wanted, "nobody pushes for it any more");
        let taken = queue.take().await;
        assert_eq!((taken.events.len(), taken.end), (0, Some(End::TooFarBehind)));
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let queue = Arc::new(Queue::default());
        let taking = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.take().await.events.len() }
        });
        tokio::task::yield_now().await;
        queue.push(&[kept(1, Event(at(1), What::Tick {}))]);
        let taken = tokio::time::timeout(Duration::from_secs(30), taking).await;
        assert_eq!(taken.expect("in time").expect("no panic"), 1);
        queue.close();
        assert_eq!(queue.take().await.end, Some(End::Over));
    }
}
