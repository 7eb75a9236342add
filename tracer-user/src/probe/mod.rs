//! Loading the kernel programs, and turning their records into events.
//!
//! [`Probe::load`] attaches; [`Probe::open_ring`] gives the [`Ring`] the records come through; [`Probe::snapshot`]
//! tells what was there before. Attach first, then take the snapshot, then merge by `(pid, start)`: nothing is missed.
//!
//! [`Survey`] attaches nothing: it shows what there is, with all that decides what would become of a signal.

mod btf;
mod decode;
mod error;
pub(crate) mod fuzzing;
mod load;
mod offsets;
mod peak;
mod pod;
mod programs;
mod ring;
mod settings;
mod survey;

pub use btf::BtfError;
pub use decode::{CgroupMade, DecodeError, Record, TaskSeen};
pub use error::ProbeError;
pub use load::{Info, KernelLog, Probe};
pub use offsets::KernelMismatch;
pub use ring::{Drained, Ring};
pub use settings::{CgroupV1, DRAIN_INTERVAL_LIVE, Settings};
pub use survey::{Actions, SignalAction, Survey, Surveyed, ThreadSeen};
