//! What is to be traced, and how: fixed when the programs are loaded.

use std::time::Duration;

/// How long records that nobody waits for may stay in the ring while a person watches.
pub const DRAIN_INTERVAL_LIVE: Duration = Duration::from_millis(100);

/// What is fixed at load.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches")]
pub struct Settings {
    /// Stream every signal, also those that are only counted otherwise.
    pub all_signals: bool,
    /// Size of the ring in bytes: a power of two of at least one page.
    pub ring_bytes: u32,
    /// Single processes will be followed ([`super::Probe::follow_pid`]).
    pub pids: bool,
    /// Let the kernel programs tell what goes wrong through [`super::Probe::kernel_log`].
    pub log: bool,
    /// The cgroup v1 hierarchy to look cgroups up in when a task's v2 cgroup is not tracked.
    pub cgroup_v1: Option<CgroupV1>,
    /// Track every new cgroup on trial until it is confirmed or untracked.
    pub try_new_cgroups: bool,
    /// Programs that read memory by plain loads, where the kernel takes them. Without, for tests: those for other kernels.
    pub typed: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            all_signals: false,
            ring_bytes: tracer_common::RING_BYTES,
            pids: false,
            log: false,
            cgroup_v1: None,
            try_new_cgroups: false,
            typed: true,
        }
    }
}

/// A cgroup v1 hierarchy that the runtime uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupV1 {
    /// One of its controllers, as `/proc/cgroups` calls it.
    pub controller: String,
    /// Its number, first column of `/proc/self/cgroup`.
    pub hierarchy: u32,
}
