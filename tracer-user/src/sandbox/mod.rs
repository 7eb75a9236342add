//! Small real containers of our own: a cgroup, and pid, mount and uts namespaces, without any container runtime. What
//! `tracer demo` and `tracer check` run their programs in.
//!
//! They are made by running this binary again with a hidden subcommand:
//!
//! - `tracer sandbox-init shim SPEC` stays outside the container. It is the parent of the container's first process and
//!   sends it the signals, as `containerd-shim` and `runc` do. It ends the container when whoever wants it goes away,
//!   however that happens: its standard input is a pipe that closes then.
//! - `tracer sandbox-init enter SPEC` is that first process: it joins the cgroup, unshares, mounts `/proc` and becomes
//!   the entrypoint.
//! - `tracer sandbox-init probe SPEC` and `probe-inside SPEC` run a command in a container that is there, as an exec
//!   probe does.
//!
//! `main` calls `hidden` before it does anything else: what becomes a container must be a single thread with
//! untouched signals.

use std::process::ExitCode;

pub mod cgroup;
mod probe;
pub mod shim;
pub mod stage;
pub(crate) mod sys;

pub use probe::Probe;
pub use shim::User;
pub use stage::{Announced, Cgroup, Container, Ended, Prepared, Setup, Stage, Stop};

/// Runs a hidden subcommand of this module, when `command` is one.
pub(crate) fn hidden(command: &str, args: &[&str]) -> Option<ExitCode> {
    match (command, args) {
        (shim::COMMAND, [role, spec]) => Some(shim::run(role, spec)),
        (shim::COMMAND, _) => Some(ExitCode::from(2)),
        _ => None,
    }
}
