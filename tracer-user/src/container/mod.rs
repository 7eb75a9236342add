//! Containers: which cgroup belongs to which, and what their runtimes say about them.

pub mod filter;
pub mod hierarchy;
pub mod path;
pub mod runtime;
pub mod scan;

/// `--pid` names nobody.
#[derive(Debug, thiserror::Error)]
#[error("no process has the pid {0}")]
pub struct NoSuchProcess(pub u32);

/// `--pid` names a process that is in no container, where only containers are looked at.
#[derive(Debug, thiserror::Error)]
#[error("process {0} is in no container")]
pub struct InNoContainer(pub u32);
