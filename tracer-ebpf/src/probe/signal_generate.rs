//! A signal was generated. Runs in the *sender's* context, under the target's `siglock`, interrupts off.
//!
//! ```c
//! TP_PROTO(int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result)
//! ```
//! <https://github.com/torvalds/linux/blob/v6.18/include/trace/events/signal.h>

use tracer_common::{ForeignSignalRecord, SignalRecord, features, handler, kind, signal_info, task_flags};

use crate::{
    cgroup::{Place, is_wanted},
    kernel::{Addr, Pointer, enabled, is_nonzero, is_zero},
    output::{Urgency, emit},
    probe::{Context, diagnose, tracepoint},
    sigaction::{Action, default_is_ignore, is_chatter, si_code},
    task::{self, Subject},
};

/// `TRACE_SIGNAL_IGNORED`
const IGNORED: i32 = 1;

tracepoint! {
    /// `signal_generate`
    "signal_generate": signal_generate, signal_generate_typed(ctx) {
        let target = ctx.pointer(2);
        let place = Place::of(target);
        if is_wanted(target, &place) {
            tell(ctx, target, &place);
        }
    }
}

/// Tells of a signal to a target that is traced.
#[inline(always)]
fn tell<C: Context>(ctx: &C, target: C::Pointer, place: &Place) {
    let signal = ctx.number(0);
    let count_only = !enabled(features::ALL_SIGNALS);
    if count_only && is_chatter(signal) {
        count(place, signal);
        return;
    }
    // before anything else branches: see `Typed`
    let target = Subject::of(target);
    let sender = Subject::of(C::current());
    let action = Action::of(target.leader, signal);
    if action.handler == handler::UNKNOWN {
        diagnose!(ctx, "the handler of signal {} cannot be read", signal);
    }
    let origin = sender.key();
    // threads of one process may be in several cgroups
    let foreign = origin != place.key && sender.tgid() != target.tgid();
    if count_only && default_is_ignore(signal) && action.handler == handler::DEFAULT {
        // httpd's stop signal is SIGWINCH: from outside, at an init, even this may be somebody's idea of a stop
        if !(foreign && target.is_init()) {
            count(place, signal);
            return;
        }
    }
    let sent =
        Sent { signal, info: ctx.address(1), target, group: ctx.number(3), result: ctx.number(4), action, foreign };
    if foreign {
        emit(kind::FOREIGN_SIGNAL, |record: &mut ForeignSignalRecord| {
            // By helper: a signal may be made by an interrupt of a task that was reaped already, and of such a one nobody keeps
            // the parent up to date. A plain load there could fault.
            task::ancestors(sender.task.address(), &mut record.ancestors);
            sent.fill(place, &sender, origin, &mut record.signal)
        });
    } else {
        emit(kind::SIGNAL, |record: &mut SignalRecord| sent.fill(place, &sender, origin, record));
    }
}

#[inline(always)]
fn count(place: &Place, signal: u32) {
    if let Some(tracked) = place.tracked {
        tracked.count(signal);
    }
}

/// The tracepoint's arguments and what was read already.
struct Sent<P> {
    signal: u32,
    info: Addr,
    target: Subject<P>,
    group: i32,
    result: i32,
    action: Action,
    foreign: bool,
}

impl<P: Pointer> Sent<P> {
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "result is 0 to 4")]
    fn fill(&self, place: &Place, sender: &Subject<P>, origin: u64, record: &mut SignalRecord) -> Urgency {
        let &Self { signal, info, target, group, result, action, foreign } = self;
        task::describe_subject(&target, place.key, &mut record.target);
        // a first thread that has ended is no end of its process: the others go on, and take its signals
        record.target.flags &= !(target.ended_alone() * task_flags::EXITING);
        task::describe_subject(sender, origin, &mut record.sender);
        record.signal = signal;
        record.result = result as u8;
        record.handler = action.handler;
        record.sa_flags = action.flags;
        record.group = u8::from(group != 0);
        record.code = si_code(info);
        let (blocked, real_blocked) = task::blocked(target.task);
        record.blocked = blocked | real_blocked;
        // `signal` is 1 to 64; the mask keeps the shift defined for the garbage of a test run
        let bit = signal.wrapping_sub(1) & 63;
        let mut bits = ((blocked >> bit & 1) as u8 * signal_info::BLOCKED)
            | ((real_blocked >> bit & 1) as u8 * signal_info::REAL_BLOCKED);
        let at_init = u64::from(record.target.flags & task_flags::INIT);
        let unhandled_at_init = is_nonzero(at_init) & is_zero(action.handler ^ handler::DEFAULT);
        let dropped_at_init = unhandled_at_init & is_zero((result ^ IGNORED) as u32);
        let urgency = Urgency::now_if(foreign && !default_is_ignore(signal) || dropped_at_init != 0);
        // The loop within comes last, when nothing that was compared before matters any more: before 6.3 the verifier
        // walks it again for every combination that does.
        if unhandled_at_init != 0
            && let Some((caught, ignored)) = crate::masks::read(target.task.address(), crate::masks::SIGNAL)
        {
            record.caught = caught;
            record.ignored = ignored;
            bits |= signal_info::MASKS;
        }
        record.info = bits;
        urgency
    }
}
