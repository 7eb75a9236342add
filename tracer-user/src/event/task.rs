//! A process at the moment of an event.

use serde::{Deserialize, Serialize};

use super::{CgroupId, Comm, TaskKey, is_default};

/// A process at the moment of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Process id on the host.
    pub pid: u32,
    /// Thread id on the host; the process id for a single-threaded process.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tid: u32,
    /// Process id in the innermost pid namespace.
    pub ns_pid: u32,
    /// Start, ns since boot.
    pub start: u64,
    /// Its cgroup, 0 when unknown.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cgroup: CgroupId,
    /// Name of the program.
    pub comm: Comm,
    /// Bits of [`tracer_common::task_flags`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub flags: u32,
}

impl Task {
    /// Its identity.
    #[must_use]
    pub const fn key(&self) -> TaskKey {
        TaskKey { pid: self.pid, start: self.start }
    }

    /// Whether a bit of [`tracer_common::task_flags`] is set.
    #[must_use]
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Whether it is init of its innermost pid namespace.
    #[must_use]
    pub const fn is_init(&self) -> bool {
        self.has(tracer_common::task_flags::INIT)
    }
}
