//! Containers: which cgroup belongs to which, and what their runtimes say about them.

pub mod docker;
pub mod filter;
pub mod hierarchy;
pub mod path;
pub mod scan;
