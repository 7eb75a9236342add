//! A task was reaped some milliseconds ago: this is the RCU callback that drops the last reference of the kernel's
//! own, so it runs in the context of anyone.
//!
//! ```c
//! TP_PROTO(struct task_struct *p)
//! ```
//! <https://github.com/torvalds/linux/blob/v6.18/include/trace/events/sched.h>

use tracer_common::{FreeRecord, features, kind};

use crate::{
    cgroup::{Place, is_wanted, unfollow},
    kernel::{Addr, at, enabled},
    output::{Urgency, emit},
    probe::raw_tracepoint,
    task,
};

raw_tracepoint! {
    /// `sched_process_free`
    sched_process_free(ctx) {
        let gone = Addr::new(ctx.arg(0));
        if !task::is_leader(gone) {
            return;
        }
        let place = Place::of(gone);
        if !is_wanted(gone, &place) {
            return;
        }
        if enabled(features::PIDS)
            && let Some(tgid) = gone.get::<u32>(at!(task_tgid))
        {
            unfollow(tgid);
        }
        emit(kind::FREE, |record: &mut FreeRecord| {
            task::describe(gone, place.key, &mut record.task);
            Urgency::Later
        });
    }
}
