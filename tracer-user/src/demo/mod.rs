//! Scenarios in small real containers of our own (see [`crate::sandbox`]).
//!
//! What runs inside are built-in stand-ins ([`actors`]) that behave as well-known programs do, so that the demo needs
//! nothing but our own binary, which is run again with a hidden subcommand: `tracer demo-actor NAME`.

use std::process::ExitCode;

pub mod actors;
pub mod scenarios;
pub mod stage;

pub use crate::sandbox::Ended;
pub use scenarios::{SCENARIOS, Scenario};
pub use stage::{Container, Stage};

/// Runs a hidden subcommand of this module, when `command` is one.
pub(crate) fn hidden(command: &str, args: &[&str]) -> Option<ExitCode> {
    match (command, args) {
        (actors::COMMAND, [name]) => Some(actors::run(name)),
        (actors::COMMAND, _) => Some(ExitCode::from(2)),
        _ => None,
    }
}
