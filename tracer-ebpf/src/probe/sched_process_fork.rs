//! A task was created; told when it is a process of its own. Runs in the context of the one that forks.
//!
//! ```c
//! TP_PROTO(struct task_struct *parent, struct task_struct *child)
//! ```
//! <https://github.com/torvalds/linux/blob/v6.18/include/trace/events/sched.h>

use tracer_common::{ForkRecord, features, kind, loss};

use crate::{
    cgroup::{Place, follow, is_followed},
    kernel::{Addr, at, enabled},
    output::{Urgency, count_loss, emit},
    probe::{diagnose, raw_tracepoint},
    task,
};

raw_tracepoint! {
    /// `sched_process_fork`
    sched_process_fork(ctx) {
        let child = Addr::new(ctx.arg(1));
        if !task::is_leader(child) {
            return;
        }
        let place = Place::of(child);
        let followed = enabled(features::PIDS) && is_followed(Addr::new(ctx.arg(0)));
        if followed
            && let Some(tgid) = child.get::<u32>(at!(task_tgid))
            && !follow(tgid)
        {
            count_loss(loss::UNTRACKED);
            diagnose!(ctx, "process {} is not followed: the table is full", tgid);
        }
        if place.tracked.is_none() && !followed {
            return;
        }
        emit(kind::FORK, |record: &mut ForkRecord| {
            task::describe(child, place.key, &mut record.child);
            task::describe_parent(child, &mut record.parent);
            Urgency::Later
        });
    }
}
