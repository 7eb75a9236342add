//! A task or its whole process was moved to another cgroup; told when that one is tracked. This is how a runtime puts
//! a container's first process, and every exec, into it. Runs in the context of whoever moves it.
//!
//! ```c
//! TP_PROTO(struct cgroup *dst_cgrp, const char *path, struct task_struct *task, bool threadgroup)
//! ```
//! <https://github.com/torvalds/linux/blob/v6.18/include/trace/events/cgroup.h>

use tracer_common::{JoinRecord, kind};

use crate::{
    cgroup::{self, Place, Tracked},
    kernel::Addr,
    output::{Urgency, emit},
    probe::raw_tracepoint,
    task,
};

raw_tracepoint! {
    /// `cgroup_attach_task`
    cgroup_attach_task(ctx) {
        let Some(key) = cgroup::key(Addr::new(ctx.arg(0))) else { return };
        if Tracked::find(key).is_none() {
            return;
        }
        let moved = Addr::new(ctx.arg(2));
        emit(kind::JOIN, |record: &mut JoinRecord| {
            // the look-up again, so that a task goes by the same cgroup in all its records
            task::describe(moved, Place::of(moved).key, &mut record.task);
            task::describe_parent(moved, &mut record.parent);
            Urgency::Later
        });
    }
}
