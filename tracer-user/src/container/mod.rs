//! Containers: which cgroup belongs to which, and what their runtimes say about them.

pub mod hierarchy;
pub mod path;
pub mod scan;
