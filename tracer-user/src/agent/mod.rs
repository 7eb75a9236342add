//! The agent: traces for days, remembers what matters, and serves it to whoever attaches.
//!
//! Its place is beside the fold: a [`Hub`] sees every event that the pipeline takes, before and after it is folded, and
//! passes it on to the history, to clients and to recordings. What was folded comes out as changes like everywhere else;
//! whoever wants those (metrics, Kubernetes events) is a [`Sink`].

pub mod client;
pub mod config;
mod ends;
pub mod history;
pub mod limits;
pub mod metrics;
pub mod protocol;
mod queue;
mod rotation;
pub mod server;
mod sinks;
mod socket;
mod thin;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::event::{BootNs, Event, What};
use crate::live::{Pipeline, Tap, boot_now, wall_clock};
use crate::model::Node;
use crate::stream::{FORMAT, Start};

pub use ends::Ends;
pub use rotation::{Rotation, Rotator};
pub use sinks::{Sink, Sinks};
pub use socket::{BindError, Bound, listen};

use history::History;
use limits::Bounds;
use metrics::{Own, Seen};
use protocol::{PROTOCOL, Welcome};
use queue::Queue;
use server::{Request, Subscription};
use thin::Kept;

/// What the agent does beside folding. Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub struct Hub(Rc<RefCell<Inner>>);

#[derive(Debug)]
struct Inner {
    history: History,
    queues: Vec<Arc<Queue>>,
    /// Of the batch that is being folded, for those who are attached.
    batch: Vec<Kept>,
    seq: u64,
    since: BootNs,
    boot_to_wall_ns: i64,
    filters: Vec<String>,
    /// All events, by kind.
    seen: Seen,
    /// What those missed who are attached no longer.
    missed: u64,
}

/// A clock that is off by more than this was set, ns.
const CLOCK_SET_NS: u64 = 5_000_000;

impl Hub {
    /// Remembers as much as `bounds` allow. `filters` is what to say of what is not traced.
    #[must_use]
    pub fn new(bounds: Bounds, filters: Vec<String>) -> Self {
        let history = History::new(bounds);
        let inner = Inner {
            history,
            queues: Vec::new(),
            batch: Vec::new(),
            seq: 0,
            since: boot_now(),
            boot_to_wall_ns: wall_clock().boot_to_wall_ns,
            filters,
            seen: Seen::default(),
            missed: 0,
        };
        Self(Rc::new(RefCell::new(inner)))
    }

    /// Other bounds from now on.
    pub fn set_bounds(&self, bounds: Bounds) {
        self.0.borrow_mut().history.set_bounds(bounds);
    }

    /// How much is remembered.
    #[must_use]
    pub fn size(&self) -> history::Size {
        self.0.borrow().history.size()
    }

    /// What there is to tell of itself, but for what the session knows.
    #[must_use]
    pub fn own(&self) -> Own {
        let inner = self.0.borrow();
        let size = inner.history.size();
        let missed = inner.queues.iter().map(|queue| queue.missed()).sum::<u64>();
        Own {
            clients: inner.queues.iter().filter(|queue| queue.is_clients() && queue.is_open()).count(),
            missed: inner.missed + missed,
            terminations: size.terminations,
            bytes: size.bytes,
            seen: inner.seen,
            ..Own::default()
        }
    }

    /// Answers who wants events. To be called between two batches.
    pub fn subscribe(&self, request: Request, pipeline: &Pipeline, start: &Start) {
        let inner = &mut *self.0.borrow_mut();
        let Request { present_only, replaces, reply } = request;
        if let Some(before) = replaces {
            before.close();
            inner.missed += before.missed();
            inner.queues.retain(|queue| !Arc::ptr_eq(queue, &before));
        }
        let mut history = if present_only { inner.history.present() } else { inner.history.all() };
        // so that what was due by now has happened
        history.push(Arc::new(Event(pipeline.node.now(), What::Tick {})));
        let queue = Arc::new(Queue::new(!present_only));
        inner.queues.push(Arc::clone(&queue));
        let welcome = Welcome {
            protocol: PROTOCOL,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            format: FORMAT,
            pid: std::process::id(),
            since: inner.since,
            history: history.len() as u64,
            terminations: inner.history.size().terminations as u64,
            filters: inner.filters.clone(),
        };
        let start = Start { boot_to_wall_ns: inner.clock(), ..start.clone() };
        if let Err(Subscription { queue, .. }) = reply.send(Subscription { start, history, queue, welcome }) {
            inner.queues.retain(|other| !Arc::ptr_eq(other, &queue));
        }
    }

    /// Nothing more will come: who is attached gets the rest.
    pub fn close(&self) {
        let inner = &mut *self.0.borrow_mut();
        inner.pass_on();
        inner.queues.drain(..).for_each(|queue| queue.close());
    }
}

impl Inner {
    /// From time since boot to the time on the wall: the same for all, until the clock is set.
    fn clock(&mut self) -> i64 {
        let now = wall_clock().boot_to_wall_ns;
        if now.abs_diff(self.boot_to_wall_ns) > CLOCK_SET_NS {
            self.boot_to_wall_ns = now;
        }
        self.boot_to_wall_ns
    }

    fn pass_on(&mut self) {
        if !self.batch.is_empty() {
            let Self { batch, queues, missed, .. } = self;
            queues.retain(|queue| {
                let wanted = queue.push(batch);
                *missed += if wanted { 0 } else { queue.missed() };
                wanted
            });
            batch.clear();
        }
    }
}

impl Tap for Hub {
    fn before(&mut self, event: &Event, node: &Node) {
        let inner = &mut *self.0.borrow_mut();
        inner.seen.count(&event.1);
        let event = Arc::new(event.clone());
        inner.history.before(&event, node);
        if !inner.queues.is_empty() {
            inner.seq += 1;
            inner.batch.push(Kept { seq: inner.seq, event });
        }
    }

    fn after(&mut self, node: &Node) {
        self.0.borrow_mut().history.after(node.now(), node);
    }

    fn settled(&mut self) {
        self.0.borrow_mut().pass_on();
    }
}
