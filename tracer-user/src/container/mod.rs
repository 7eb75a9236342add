//! Containers: which cgroup belongs to which, and what their runtimes say about them.

pub mod filter;
pub mod hierarchy;
pub mod path;
pub mod runtime;
pub mod scan;
