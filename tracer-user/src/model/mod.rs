//! The model: a pure fold from events to processes, terminations, zombies, conditions and verdicts.
//!
//! Architecture invariant: no clock, no I/O, no globals. Time comes from events and from [`Node::tick`].

mod change;
mod names;

pub use change::*;
pub use names::*;
