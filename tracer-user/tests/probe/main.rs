//! The kernel programs on the running kernel, with real processes. As root: `cargo xtask test`.

mod cgroups;
mod lifecycle;
mod ring;
mod signals;
mod support;
mod typed;
