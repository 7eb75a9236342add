#![expect(unsafe_code, reason = "values of the map of tracked cgroups are reached by pointer")]
//! Which cgroup a task is in, and whether it is traced.

use aya_ebpf::{bindings::BPF_NOEXIST, macros::map, maps::HashMap};
use tracer_common::{CGROUP_V1, FOLLOWED_PIDS, TRACKED_CGROUPS, TrackedCgroup, features, tracked};

use crate::{
    kernel::{Addr, Pointer, at, count_one, enabled, is_nonzero},
    sigaction::{SIGCHLD, SIGURG},
};

#[map]
static TRACKED: HashMap<u64, TrackedCgroup> = HashMap::with_max_entries(TRACKED_CGROUPS, 0);

#[map]
static PIDS: HashMap<u32, u8> = HashMap::with_max_entries(FOLLOWED_PIDS, 0);

/// Number of the root cgroup of the v2 hierarchy: on a v1 host every task is in it.
const V2_ROOT: u64 = 1;

/// A cgroup in the map of tracked ones.
#[derive(Clone, Copy)]
pub(crate) struct Tracked(*mut TrackedCgroup);

impl Tracked {
    /// Looks it up.
    #[inline(always)]
    pub(crate) fn find(key: u64) -> Option<Self> {
        TRACKED.get_ptr_mut(key).map(Self)
    }

    /// Whether it belongs to a container for sure.
    #[inline(always)]
    pub(crate) fn is_confirmed(self) -> bool {
        // SAFETY: the pointer is the map's and stays valid while the program runs; the verifier checks the bounds.
        unsafe { (*self.0).flags & tracked::CONFIRMED != 0 }
    }

    /// Counts a signal that is not worth a record.
    #[inline(always)]
    pub(crate) fn count(self, signal: u32) {
        // SAFETY: as above; programs on all CPUs add to them, through `count_one` only.
        unsafe {
            match signal {
                SIGCHLD => count_one(&raw mut (*self.0).child_signals),
                SIGURG => count_one(&raw mut (*self.0).urgent_signals),
                _ => count_one(&raw mut (*self.0).other_signals),
            }
        }
    }

    /// Adds a cgroup; false when the table is full.
    #[inline(always)]
    pub(crate) fn insert(key: u64, flags: u32) -> bool {
        const EEXIST: i32 = -17;
        let value = TrackedCgroup { flags, pad: 0, child_signals: 0, urgent_signals: 0, other_signals: 0 };
        matches!(TRACKED.insert(key, value, u64::from(BPF_NOEXIST)), Ok(()) | Err(EEXIST))
    }
}

/// Where a task is.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Number of its cgroup: of the tracked one if there is one, else as good as can be.
    pub(crate) key: u64,
    /// The entry, if tracked.
    pub(crate) tracked: Option<Tracked>,
}

impl Place {
    /// Looks a task's cgroup up. On a hybrid host the chosen v1 hierarchy comes first: a runtime that uses v1 may leave
    /// v2 alone, and then a container inside another one has the outer one's cgroup there. Runtimes that use v2 alone
    /// leave their containers where nothing is tracked in v1.
    #[inline(always)]
    pub(crate) fn of(task: impl Pointer) -> Self {
        let set = cgroups(task);
        Self::look_up(in_v1(set), || in_v2(set))
    }

    /// The key alone, of a task of which it does not matter whether it is tracked. Where there is one hierarchy, nothing
    /// needs to be looked up.
    #[inline(always)]
    pub(crate) fn key_of(task: impl Pointer) -> u64 {
        if enabled(features::CGROUP_V1) { Self::of(task).key } else { v2_key(task) }
    }

    #[inline(always)]
    fn look_up(v1: u64, v2: impl FnOnce() -> u64) -> Self {
        if v1 != 0 {
            let found = Tracked::find(v1);
            if found.is_some() {
                return Self { key: v1, tracked: found };
            }
        }
        let v2 = v2();
        let found = Tracked::find(v2);
        let key = if found.is_none() && v2 <= V2_ROOT && v1 != 0 { v1 } else { v2 };
        Self { key, tracked: found }
    }
}

/// Whether a task is to be told about: by its cgroup, or as a followed process.
#[inline(always)]
pub(crate) fn is_wanted(task: impl Pointer, place: &Place) -> bool {
    place.tracked.is_some() || is_followed(task)
}

/// Whether a task's process is followed on its own.
#[inline(always)]
pub(crate) fn is_followed(task: impl Pointer) -> bool {
    enabled(features::PIDS) && PIDS.get_ptr(task.load::<u32>(at!(task_tgid))).is_some()
}

/// Follows a new process; false when the table is full.
#[inline(always)]
pub(crate) fn follow(tgid: u32) -> bool {
    PIDS.insert(tgid, 1, 0).is_ok()
}

/// Follows a process no longer.
#[inline(always)]
pub(crate) fn unfollow(tgid: u32) {
    // that it is not in the map is no failure
    PIDS.remove(tgid).unwrap_or(());
}

/// A task's cgroups in all hierarchies: its `css_set`.
#[inline(always)]
fn cgroups<P: Pointer>(task: P) -> P {
    task.follow(at!(task_cgroups))
}

/// Number of a task's cgroup in the v2 hierarchy, 0 when unreadable.
#[inline(always)]
pub(crate) fn v2_key(task: impl Pointer) -> u64 {
    in_v2(cgroups(task))
}

/// Number of a task's cgroup in the chosen v1 hierarchy, 0 when unreadable or none is chosen.
#[inline(always)]
pub(crate) fn v1_key(task: impl Pointer) -> u64 {
    in_v1(cgroups(task))
}

#[inline(always)]
fn in_v2(set: impl Pointer) -> u64 {
    number(set.follow(at!(css_set_dfl_cgrp)))
}

#[inline(always)]
fn in_v1(set: impl Pointer) -> u64 {
    if !enabled(features::CGROUP_V1) {
        return 0;
    }
    let number = number(set.follow(at!(v1_subsys)).follow(at!(css_cgroup)));
    // without a number there is no key
    number | (is_nonzero(number) * CGROUP_V1)
}

/// Key of a `struct cgroup`, if it is of the v2 hierarchy (number 0) or of the chosen v1 one.
#[inline(always)]
pub(crate) fn key(cgroup: Addr) -> Option<u64> {
    let hierarchy = cgroup.follow(at!(cgroup_root)).get::<u32>(at!(root_hierarchy_id))?;
    if hierarchy == 0 {
        Some(number(cgroup))
    } else if enabled(features::CGROUP_V1) && hierarchy == at!(v1_hierarchy) {
        Some(number(cgroup) | CGROUP_V1)
    } else {
        None
    }
}

/// The parent of a `struct cgroup`.
#[inline(always)]
pub(crate) fn parent(cgroup: Addr) -> Addr {
    cgroup.follow(at!(cgroup_self) + at!(css_parent)).follow(at!(css_cgroup))
}

/// `kn->id`: the inode number of its directory, 0 when unreadable.
#[inline(always)]
fn number(cgroup: impl Pointer) -> u64 {
    cgroup.follow(at!(cgroup_kn)).load(at!(kernfs_id))
}
