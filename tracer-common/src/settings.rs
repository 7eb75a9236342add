//! What user space tells the kernel programs: map names, map values, and constants set before load.

/// Value in the map of tracked cgroups. The kernel adds to the counters; user space reads them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrackedCgroup {
    /// Bits of [`tracked`].
    pub flags: u32,
    /// Zero.
    pub pad: u32,
    /// `SIGCHLD`s generated or delivered to this cgroup and not streamed.
    pub child_signals: u64,
    /// `SIGURG`s, likewise.
    pub urgent_signals: u64,
    /// Other signals whose default action is to be ignored, likewise.
    pub other_signals: u64,
}

/// Bits of [`TrackedCgroup::flags`].
pub mod tracked {
    /// Known to belong to a traced container.
    pub const CONFIRMED: u32 = 1;
    /// Just made; streamed until user space has looked at its path.
    pub const ON_TRIAL: u32 = 1 << 1;
}

const _: () = assert!(size_of::<TrackedCgroup>() == 32);

/// Room in the map of tracked cgroups.
pub const TRACKED_CGROUPS: u32 = 16_384;
/// Room in the map of followed processes.
pub const FOLLOWED_PIDS: u32 = 16_384;
/// Size of the ring unless user space asks for another, bytes.
pub const RING_BYTES: u32 = 4 << 20;

/// Names of the maps, as both sides spell them.
pub mod map {
    /// Ring buffer of records.
    pub const RING: &str = "RING";
    /// One word, see [`super::wake`].
    pub const WAKE: &str = "WAKE";
    /// Per-CPU counters of lost records, indexed by [`crate::loss`].
    pub const LOST: &str = "LOST";
    /// Cgroup number to [`super::TrackedCgroup`].
    pub const TRACKED: &str = "TRACKED";
    /// Host pid (tgid) to anything: followed processes.
    pub const PIDS: &str = "PIDS";
    /// The read-only [`crate::Offsets`].
    pub const OFFSETS: &str = "OFFSETS";
}

/// Values of the wake-up word: when the kernel rings the doorbell. It sets the word back to [`wake::NEVER`] as it
/// rings, so that one arming causes one wake-up; user space arms it again before it drains the ring, so that nothing
/// committed afterwards goes unheard.
pub mod wake {
    /// Not at all: user space was rung and has not come yet.
    pub const NEVER: u64 = 0;
    /// At the next record: user space sleeps.
    pub const NEXT: u64 = 1;
    /// When the ring is more than half full, or at a record a person waits for: user space drains on a timer.
    pub const HALF_FULL: u64 = 2;
}

/// Bits of [`crate::Offsets::features`]: switches set before load.
pub mod features {
    /// Stream every signal, also those that are only counted otherwise.
    pub const ALL_SIGNALS: u64 = 1;
    /// A cgroup v1 hierarchy is in use beside or instead of v2.
    pub const CGROUP_V1: u64 = 1 << 1;
    /// Single processes are followed (`--pid`).
    pub const PIDS: u64 = 1 << 2;
    /// Kernel-side diagnostics through aya-log.
    pub const LOG: u64 = 1 << 3;
    /// `sched_process_exit` has the `group_dead` argument (6.16).
    pub const EXIT_GROUP_DEAD: u64 = 1 << 4;
    /// `mark_victim` gives the task and not its pid (6.8).
    pub const OOM_TASK: u64 = 1 << 5;
    /// New cgroups are tracked on trial until user space has looked at them.
    pub const TRY_NEW_CGROUPS: u64 = 1 << 6;
}
