//! A cgroup was removed; told when it was tracked. Its entry stays: zombies may outlive the directory, and user space
//! removes it when they are gone.
//!
//! ```c
//! TP_PROTO(struct cgroup *cgrp, const char *path)
//! ```
//! <https://github.com/torvalds/linux/blob/v6.18/include/trace/events/cgroup.h>

use tracer_common::{CgroupRecord, kind};

use crate::{
    cgroup::{self, Tracked},
    kernel::Addr,
    output::{Urgency, emit},
    probe::{cgroup_mkdir::fill, raw_tracepoint},
};

raw_tracepoint! {
    /// `cgroup_rmdir`
    cgroup_rmdir(ctx) {
        let removed = Addr::new(ctx.arg(0));
        let Some(key) = cgroup::key(removed) else { return };
        if Tracked::find(key).is_none() {
            return;
        }
        let parent = cgroup::key(cgroup::parent(removed)).unwrap_or(0);
        emit(kind::CGROUP_RMDIR, |record: &mut CgroupRecord| {
            fill(record, key, parent, 0, Addr::new(ctx.arg(1)));
            Urgency::Later
        });
    }
}
