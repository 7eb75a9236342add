//! A task began to exit; told when it is the last thread of its process. Runs in the context of that thread.
//!
//! ```c
//! TP_PROTO(struct task_struct *p, bool group_dead)   // 6.16 and later
//! TP_PROTO(struct task_struct *p)
//! ```
//! <https://github.com/torvalds/linux/blob/v6.18/include/trace/events/sched.h>

use tracer_common::{ExitRecord, exit_flags, features, kind, task_flags};

use crate::{
    cgroup::{Place, is_wanted},
    kernel::{Addr, Pointer, at, enabled},
    output::{Urgency, emit},
    probe::raw_tracepoint,
    task,
};

raw_tracepoint! {
    /// `sched_process_exit`
    sched_process_exit(ctx) {
        let dying = Addr::new(ctx.arg(0));
        let place = Place::of(dying);
        if !is_wanted(dying, &place) {
            return;
        }
        let exact = enabled(features::EXIT_GROUP_DEAD);
        // only the lowest byte of a bool argument is defined
        let group_dead = if exact { ctx.arg::<u64>(1) & 0xff != 0 } else { no_thread_lives(dying) };
        if !group_dead {
            return;
        }
        let leader = dying.follow(at!(task_group_leader));
        emit(kind::EXIT, |record: &mut ExitRecord| {
            task::describe(leader, place.key, &mut record.task);
            // the thread that ends the process may not be its leader, whose own exit is over
            record.task.flags |= task_flags::EXITING;
            task::describe_parent(leader, &mut record.parent);
            record.status = task::wait_status(leader);
            record.pending = task::pending(leader);
            let mut flags = if exact { exit_flags::EXACT } else { 0 };
            if task::is_autoreaped(leader) {
                flags |= exit_flags::AUTOREAP;
            }
            record.flags = flags;
            Urgency::now_if(record.task.flags & task_flags::INIT != 0)
        });
    }
}

/// `signal->live` counts the threads that have not begun to exit. Two that exit at once may both see 0: hence
/// [`exit_flags::EXACT`], which is missing then.
#[inline(always)]
fn no_thread_lives(dying: Addr) -> bool {
    dying.follow(at!(task_signal)).get::<u32>(at!(signal_live)) == Some(0)
}
