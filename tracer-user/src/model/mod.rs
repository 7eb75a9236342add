//! The model: a pure fold from events to processes, terminations, zombies, conditions and verdicts.
//!
//! Architecture invariant: no clock, no I/O, no globals. Time comes from events and from [`Node::tick`]; the same
//! events always lead to the same state and the same news.

mod announce;
mod change;
mod children;
mod closing;
mod container;
mod deletion;
mod dropped;
mod explain;
mod foresight;
mod grace;
mod hook;
mod lifecycle;
pub mod limits;
mod names;
mod node;
mod orphans;
mod outcome;
mod pod;
mod process;
mod program;
mod reaping;
mod respawn;
mod scope;
mod signals;
mod stopping;
mod stuck;
mod termination;
#[cfg(test)]
mod tests;
mod verdict;
mod words;
mod zombies;

pub use change::*;
pub use container::{Attempt, Container, Stop};
pub use explain::{Fault, fix_for};
pub use names::*;
pub use node::{Node, Want};
pub use outcome::{OWN_SHIM, outcome};
pub use pod::{Pod, PodEnd, PodKey, PodNews, PodStop, RestartNews};
pub use process::{ContainerKey, Place, Process, Processes, Receipt};
pub use program::Program;
pub(crate) use program::{Meaning, are_several, command_name, in_time};
pub use reaping::{Negligent, Reaping, Zombie};
pub(crate) use signals::handles_another;
pub(crate) use stuck::EXITS;
pub use zombies::zombie_fix;
