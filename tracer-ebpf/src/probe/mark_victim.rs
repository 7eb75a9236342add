//! The OOM killer chose a victim. Runs in the context of whoever asked for memory.
//!
//! ```c
//! TP_PROTO(struct task_struct *task, uid_t uid)   // 6.8 and later
//! TP_PROTO(int pid)
//! ```
//! <https://github.com/torvalds/linux/blob/v6.18/include/trace/events/oom.h>

use tracer_common::{OomRecord, features, kind, task_flags};

use crate::{
    cgroup::{Place, is_wanted},
    kernel::{Addr, enabled},
    output::{Urgency, emit},
    probe::raw_tracepoint,
    task,
};

raw_tracepoint! {
    /// `mark_victim`
    mark_victim(ctx) {
        if enabled(features::OOM_TASK) {
            let victim = Addr::new(ctx.arg(0));
            let place = Place::of(victim);
            if !is_wanted(victim, &place) {
                return;
            }
            emit(kind::OOM, |record: &mut OomRecord| {
                task::describe(victim, place.key, &mut record.task);
                Urgency::Now
            });
        } else {
            // A pid tells no cgroup. This is rare, so user space, which knows the pids, picks out what concerns it.
            emit(kind::OOM, |record: &mut OomRecord| {
                record.task.tgid = ctx.arg(0);
                record.task.flags = task_flags::INCOMPLETE;
                Urgency::Now
            });
        }
    }
}
