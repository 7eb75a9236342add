//! The events: the only thing that crosses from the world into the model.
//!
//! What the kernel saw, what the snapshot showed at start, what a container runtime said: all are events, all can
//! be recorded, and a recording replays to exactly the same state. Times are `CLOCK_BOOTTIME` nanoseconds, pids
//! are the host's unless their name says `ns_`. This is also the format of recordings and scenario files: a line is
//! `[time, {"kind": {…}}]`. A change of shape needs a new [`crate::stream::FORMAT`].

use serde::{Deserialize, Serialize};

mod cgroup;
mod comm;
mod described;
mod foresight;
mod ids;
mod lost;
#[cfg(test)]
pub(crate) mod made;
mod pod;
mod process;
mod signal;
mod task;

pub use cgroup::{CgroupFigures, CgroupFound, CgroupGone, Counted, Dismissed};
pub use comm::Comm;
pub use described::{Described, Hook, PidNamespace, PodName};
pub use foresight::{Foreseen, Foresight};
pub use ids::{BootNs, CgroupId, TaskKey};
pub use lost::Lost;
pub use pod::{Deletion, Owner, PodTold};
pub use process::{Execed, Exited, Forked, Joined, OomVictim, PendingSeen, ProcessSeen, Reaped, StateSeen};
pub use signal::{Ancestor, Delivered, Handler, SendResult, SignalSent};
pub use task::Task;

/// Something that happened, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event(pub BootNs, pub What);

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A signal was generated (kernel, `signal_generate`).
    Signal(SignalSent),
    /// A signal was taken from the queue (kernel, `signal_deliver`).
    Deliver(Delivered),
    /// The last thread of a process began to exit (kernel, `sched_process_exit`).
    Exit(Exited),
    /// A process was created (kernel, `sched_process_fork`).
    Fork(Forked),
    /// A process runs a new program (kernel, `sched_process_exec`).
    Exec(Execed),
    /// A process was reaped (kernel, `sched_process_free`).
    Reaped(Reaped),
    /// A process was moved into a tracked cgroup (kernel, `cgroup_attach_task`).
    Joined(Joined),
    /// The OOM killer chose a process (kernel, `mark_victim`).
    OomVictim(OomVictim),
    /// A process that was there already (task iterator at start, or again after a loss).
    Process(ProcessSeen),
    /// Pending signals of a process, looked up in `/proc` because the model asked.
    Pending(PendingSeen),
    /// Where a process is stuck, looked up in `/proc` because the model asked.
    State(StateSeen),
    /// A cgroup belongs to a container, or the container's own cgroup was found.
    Cgroup(CgroupFound),
    /// A cgroup was removed (kernel, `cgroup_rmdir`).
    CgroupGone(CgroupGone),
    /// A container is traced no longer: the filters do not ask for it.
    Dismissed(Dismissed),
    /// A runtime described a container.
    Described(Described),
    /// The API of Kubernetes told something of a pod.
    Pod(PodTold),
    /// Figures of a container's cgroup (`pids.current`, `pids.max`).
    CgroupFigures(CgroupFigures),
    /// What would become of a container's stop signal, looked up because the model asked.
    Foreseen(Foresight),
    /// Signals counted in the kernel and not streamed, since the last such event.
    Counted(Counted),
    /// Records that did not fit into the ring.
    Lost(Lost),
    /// Nothing but the passage of time: recorded so that a replay closes what live tracing closed.
    Tick {},
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
