//! Whether an agent is asked, or the kernel.

use std::path::{Path, PathBuf};

use crate::agent::client::{AttachError, Connection};
use crate::agent::protocol::USUAL_SOCKET;
use crate::event::BootNs;
use crate::live::boot_now;
use crate::printable;

use super::UNSUITABLE;
use super::options::{Failure, note};

/// Who does the tracing.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Agent")]
pub(super) struct Attach {
    /// Show what an agent tells (tracer agent), its history first; without probes of one's own. What is done anyway where
    /// one answers on /run/tracer/agent.sock
    #[arg(long, value_name = "SOCKET", num_args = 0..=1, default_missing_value = USUAL_SOCKET)]
    attach: Option<PathBuf>,
    /// Trace with probes of one's own, even where an agent answers
    #[arg(long, conflicts_with = "attach")]
    no_attach: bool,
}

impl Attach {
    /// The agent that is to be asked, if one is. `own` is an option that needs probes of our own.
    pub(super) fn connect(&self, own: Option<&str>) -> anyhow::Result<Option<Connection>> {
        match (&self.attach, own) {
            (Some(_), Some(option)) => {
                let message = format!("an agent cannot do {option} for us: leave out --attach, or {option}");
                Err(Failure::new(super::USAGE, message).into())
            }
            (Some(socket), None) => match Connection::open(socket) {
                Ok(connection) => Ok(Some(connection)),
                Err(error @ AttachError::Denied(_)) => Err(Failure::new(UNSUITABLE, error.to_string()).into()),
                Err(error) => Err(error.into()),
            },
            (None, _) if self.no_attach => Ok(None),
            (None, Some(_)) => Ok(None),
            (None, None) => match Connection::open(Path::new(USUAL_SOCKET)) {
                Ok(connection) => Ok(Some(connection)),
                Err(AttachError::Nobody(_) | AttachError::Denied(_)) => Ok(None),
                Err(error) => {
                    note(&format!("{:#}; tracing without it", anyhow::Error::new(error)));
                    Ok(None)
                }
            },
        }
    }
}

/// Who tells what is shown, in a few words.
pub(super) fn told(connection: &Connection) -> String {
    let welcome = &connection.welcome;
    let filters = match welcome.filters.as_slice() {
        [] => String::new(),
        filters => format!(", which traces only {}", printable::text(&filters.join(" "))),
    };
    format!(
        "attached to agent {} (tracer {}, tracing for {}){filters}; --no-attach for probes of one's own",
        welcome.pid,
        printable::text(&welcome.tool),
        so_long(welcome.since)
    )
}

/// `3 min`
fn so_long(since: BootNs) -> String {
    let seconds = boot_now().ms_since(since) / 1_000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
