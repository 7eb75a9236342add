//! Metrics for Prometheus, and whether the agent is well, over HTTP.
//!
//! `counts.rs` counts what becomes known, as a sink on the tracing thread. `snapshot.rs` is all that there is to show at one
//! moment, made on that thread when somebody asks; `exposition.rs` writes it down, and `http.rs` asks, on a thread of its
//! own. No lock is shared between the two threads.

mod counts;
mod exposition;
mod family;
mod http;
mod process;
mod seen;
mod snapshot;
#[cfg(test)]
mod tests;
mod workload;

use std::cell::RefCell;
use std::rc::Rc;

use crate::model::Node;

use super::sinks::Sink;
use counts::{Counting, Counts};

pub use http::{Ask, Listening, Server};
pub use seen::Seen;
pub use snapshot::{Own, Snapshot};

/// What is counted. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Rc<RefCell<Counts>>);

impl Metrics {
    /// Nothing is counted yet. With `pod_names`, series tell the pod as well.
    #[must_use]
    pub fn new(pod_names: bool) -> Self {
        Self(Rc::new(RefCell::new(Counts { pod_names, ..Counts::default() })))
    }

    /// What does the counting.
    #[must_use]
    pub fn sink(&self) -> Box<dyn Sink> {
        Box::new(Counting(Rc::clone(&self.0)))
    }

    /// How it stands, for somebody who asks.
    #[must_use]
    pub fn snapshot(&self, node: &Node, own: Own) -> Snapshot {
        Snapshot::new(node, self.0.borrow().clone(), own)
    }
}
