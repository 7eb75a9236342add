//! A signal was taken from the queue. Runs in the *target's* context, under its `siglock`, interrupts off.
//!
//! ```c
//! TP_PROTO(int sig, struct kernel_siginfo *info, struct k_sigaction *ka)
//! ```
//! <https://github.com/torvalds/linux/blob/v6.18/include/trace/events/signal.h>

use tracer_common::{DeliverRecord, features, handler, kind, task_flags};

use crate::{
    cgroup::{Place, is_wanted},
    kernel::enabled,
    output::{Urgency, emit},
    probe::tracepoint,
    sigaction::{Action, SIGKILL, default_is_ignore, is_chatter, si_code},
    task,
};

tracepoint! {
    /// `signal_deliver`
    "signal_deliver": signal_deliver, signal_deliver_typed(ctx) {
        let target = C::current();
        let place = Place::of(target);
        if !is_wanted(target, &place) {
            return;
        }
        let signal: u32 = ctx.number(0);
        let action = Action::read(ctx.address(2));
        let noise = is_chatter(signal) || (default_is_ignore(signal) && action.handler == handler::DEFAULT);
        if noise && !enabled(features::ALL_SIGNALS) {
            if let Some(tracked) = place.tracked {
                tracked.count(signal);
            }
            return;
        }
        emit(kind::DELIVER, |record: &mut DeliverRecord| {
            task::describe(target, place.key, &mut record.target);
            record.signal = signal;
            record.code = si_code(ctx.address(1));
            record.sa_flags = action.flags;
            record.handler = action.handler;
            let protected = task_flags::INIT | task_flags::UNKILLABLE;
            let dropped = record.target.flags & protected == protected
                && action.handler == handler::DEFAULT
                && signal != SIGKILL
                && !noise;
            Urgency::now_if(dropped)
        });
    }
}
