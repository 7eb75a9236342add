//! The stream of events on its way: recordings.
//!
//! A recording is JSON lines: a start record, one event a line, an end record. `docs/recordings.md` is for people.
//!
//! # Compatibility
//! This program reads recordings of its own format and of every older one; it refuses newer ones and says so.
//! [`FORMAT`] changes whenever the shape of an event or of the start record does, and a reader of the old shape
//! stays. Within a format nothing is added or left out: unknown keys are damage, not extensions.

mod about;
mod error;
mod keeper;
mod reader;
mod recorder;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use about::about;
pub use error::ReadError;
pub use keeper::{Keeper, record};
pub use reader::Reader;
pub(crate) use recorder::MODE;
pub use recorder::{CreateError, Recorder, create};

/// Version of the recording format. It changes whenever the shape of an event does.
///
/// 2: [`crate::event::What::Pod`]. All else is as in 1, so one reader reads both.
pub const FORMAT: u32 = 2;

/// Longest line of a recording, bytes, line break included. A longer one is refused when written and taken for
/// damage when read, so that a file without line breaks cannot use up the memory.
pub const MAX_LINE: usize = 1 << 20;

/// The first line of a recording: where, when and how it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// [`FORMAT`] of the program that wrote it.
    #[serde(rename = "tracer-recording")]
    pub format: u32,
    /// Version of that program.
    pub tool: String,
    /// Release of the kernel, as `uname -r` tells it.
    pub kernel: String,
    /// Architecture, as `uname -m` tells it.
    pub arch: String,
    /// `/proc/sys/kernel/random/boot_id`: times and pids of two recordings compare only within one boot.
    pub boot_id: String,
    /// What to add to the times of events to get nanoseconds since 1970-01-01 UTC.
    pub boot_to_wall_ns: i64,
    /// The kernel programs that were attached.
    pub attached: Vec<String>,
    /// Which cgroup hierarchy tells containers apart.
    pub cgroups: Cgroups,
    /// The filters it was made with, as given on the command line.
    pub command: Vec<String>,
}

/// How cgroups are mounted on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cgroups {
    /// The unified hierarchy alone.
    V2,
    /// One hierarchy a controller.
    V1,
    /// Both, with controllers in v1.
    Hybrid,
}

/// The last line of a recording. Without it the recording was cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    end: Totals,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Totals {
    events: u64,
}
