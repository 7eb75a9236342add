//! A cgroup was made. Runs in the context of whoever made it.
//!
//! ```c
//! TP_PROTO(struct cgroup *cgrp, const char *path)
//! ```
//! <https://github.com/torvalds/linux/blob/v6.18/include/trace/events/cgroup.h>

use tracer_common::{CGROUP_PATH_LEN, CgroupRecord, cgroup_flags, features, kind, loss, tracked};

use crate::{
    cgroup::{self, Tracked},
    kernel::{Addr, enabled},
    output::{Urgency, count_loss, emit},
    probe::{diagnose, raw_tracepoint},
};

raw_tracepoint! {
    /// `cgroup_mkdir`
    cgroup_mkdir(ctx) {
        let made = Addr::new(ctx.arg(0));
        let Some(key) = cgroup::key(made) else { return };
        let parent = cgroup::key(cgroup::parent(made)).unwrap_or(0);
        // What is below a container's cgroup belongs to it, at once and for sure: nothing that starts there is missed.
        let flags = if Tracked::find(parent).is_some_and(Tracked::is_confirmed) {
            track(key, tracked::CONFIRMED, cgroup_flags::INHERITED)
        } else if enabled(features::TRY_NEW_CGROUPS) {
            track(key, tracked::ON_TRIAL, cgroup_flags::ON_TRIAL)
        } else {
            0
        };
        if flags == 0 && enabled(features::TRY_NEW_CGROUPS) {
            diagnose!(ctx, "cgroup {} is not tracked: the table is full", key);
        }
        emit(kind::CGROUP_MKDIR, |record: &mut CgroupRecord| {
            fill(record, key, parent, flags, Addr::new(ctx.arg(1)));
            Urgency::Now
        });
    }
}

/// Tracks it; the record's flag for that, or none if the table is full.
#[inline(always)]
fn track(key: u64, as_what: u32, flag: u32) -> u32 {
    if Tracked::insert(key, as_what) {
        return flag;
    }
    count_loss(loss::UNTRACKED);
    0
}

/// Fills the record of a cgroup that is made or removed.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "512")]
pub(crate) fn fill(record: &mut CgroupRecord, key: u64, parent: u64, flags: u32, path: Addr) {
    record.id = key;
    record.parent = parent;
    record.flags = flags;
    if let Some(len) = path.copy_string(&mut record.path) {
        record.path_len = len - 1;
        let last = CGROUP_PATH_LEN as u32 - 1;
        if len > last && path.get::<u8>(last) != Some(0) {
            record.flags |= cgroup_flags::PATH_CUT;
        }
    }
}
