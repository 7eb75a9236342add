//! Small real containers of our own: a cgroup, and pid, mount and uts namespaces, without any container runtime.
//!
//! What runs inside are built-in stand-ins ([`actors`]) that behave as well-known programs do, so that the demo needs
//! nothing but our own binary. They are made by running this binary again with a hidden subcommand:
//!
//! - `tracer demo-init shim SPEC` stays outside the container. It is the parent of the container's first process and
//!   sends it the signals, as `containerd-shim` and `runc` do. It ends the container when the demo goes away, however
//!   that happens: its standard input is a pipe that closes with the demo.
//! - `tracer demo-init enter SPEC` is that first process: it joins the cgroup, unshares, mounts `/proc` and becomes
//!   the entrypoint.
//! - `tracer demo-actor NAME` is a stand-in.
//!
//! `main` calls [`hidden`] before it does anything else: an actor must be a single thread with untouched signals.

use std::ffi::OsString;
use std::process::ExitCode;

pub mod actors;
pub mod cgroup;
pub mod sandbox;
pub mod scenarios;
pub mod stage;
mod sys;

pub use scenarios::{SCENARIOS, Scenario};
pub use stage::{Container, Ended, Stage};

/// Runs one of the hidden subcommands, when `args` (with the program's name first) ask for one.
#[must_use]
pub fn hidden(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    let command = args.next()?;
    let rest: Vec<String> = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    match (command.to_str()?, rest.as_slice()) {
        (sandbox::COMMAND, [role, spec]) => Some(sandbox::run(role, spec)),
        (actors::COMMAND, [name]) => Some(actors::run(name)),
        (sandbox::COMMAND | actors::COMMAND, _) => Some(ExitCode::from(2)),
        _ => None,
    }
}
