//! A signal was generated. Runs in the *sender's* context, under the target's `siglock`, interrupts off.
//!
//! ```c
//! TP_PROTO(int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result)
//! ```
//! <https://github.com/torvalds/linux/blob/v6.18/include/trace/events/signal.h>

use aya_ebpf::{EbpfContext, macros::btf_tracepoint, programs::BtfTracePointContext};
use tracer_common::{ForeignSignalRecord, SignalRecord, features, handler, kind, signal_info, task_flags};

use crate::{
    cgroup::{Place, is_wanted},
    kernel::{Addr, Typed, enabled},
    output::{Urgency, emit},
    probe::{diagnose, raw_tracepoint},
    sigaction::{Action, default_is_ignore, is_chatter, si_code},
    task,
};

/// `TRACE_SIGNAL_IGNORED`
const IGNORED: i32 = 1;

raw_tracepoint! {
    /// `signal_generate`, on kernels that refuse [`signal_generate_typed`]
    signal_generate(ctx) {
        let target = Addr::new(ctx.arg(2));
        let place = Place::of(target);
        if is_wanted(target, &place) {
            let args = Args { signal: ctx.arg(0), info: ctx.arg(1), group: ctx.arg(3), result: ctx.arg(4) };
            tell(ctx, &args, target, &place);
        }
    }
}

/// The same, and cheaper for a target that is not traced: to that it costs some plain loads and a look-up.
#[btf_tracepoint(function = "signal_generate")]
#[expect(clippy::needless_pass_by_value, reason = "that is how the attribute calls it")]
fn signal_generate_typed(ctx: BtfTracePointContext) -> u32 {
    let place = Place::of_typed(Typed::new(ctx.arg(2)));
    // from here on all are numbers again, as in the other program: the verifier has enough to do
    if (place.tracked.is_some() || enabled(features::PIDS))
        && let Some([signal, info, target, group, result]) = Addr::new(ctx.as_ptr() as u64).get::<[u64; 5]>(0)
        && is_wanted(Addr::new(target), &place)
    {
        #[expect(clippy::cast_possible_truncation, reason = "each argument has a register, whatever its size")]
        let args = Args { signal: signal as u32, info, group: group as i32, result: result as i32 };
        tell(&ctx, &args, Addr::new(target), &place);
    }
    0
}

/// The tracepoint's arguments, but the target.
struct Args {
    signal: u32,
    info: u64,
    group: i32,
    result: i32,
}

/// Tells of a signal to a target that is traced.
#[inline(always)]
fn tell(ctx: &impl EbpfContext, args: &Args, target: Addr, place: &Place) {
    let signal = args.signal;
    let count_only = !enabled(features::ALL_SIGNALS);
    if count_only && is_chatter(signal) {
        count(place, signal);
        return;
    }
    let action = Action::of(target, signal);
    if action.handler == handler::UNKNOWN {
        diagnose!(ctx, "the handler of signal {} cannot be read", signal);
    }
    let sender = Addr::current();
    let origin = Place::of(sender);
    let foreign = origin.key != place.key;
    if count_only && default_is_ignore(signal) && action.handler == handler::DEFAULT {
        // httpd's stop signal is SIGWINCH: from outside, at an init, even this may be somebody's idea of a stop
        if !(foreign && task::is_init(target)) {
            count(place, signal);
            return;
        }
    }
    let sent = Sent { signal, info: Addr::new(args.info), target, group: args.group, result: args.result, action };
    if foreign {
        emit(kind::FOREIGN_SIGNAL, |record: &mut ForeignSignalRecord| {
            task::ancestors(sender, &mut record.ancestors);
            sent.fill(place, sender, &origin, &mut record.signal)
        });
    } else {
        emit(kind::SIGNAL, |record: &mut SignalRecord| sent.fill(place, sender, &origin, record));
    }
}

#[inline(always)]
fn count(place: &Place, signal: u32) {
    if let Some(tracked) = place.tracked {
        tracked.count(signal);
    }
}

/// The tracepoint's arguments and what was read already.
struct Sent {
    signal: u32,
    info: Addr,
    target: Addr,
    group: i32,
    result: i32,
    action: Action,
}

impl Sent {
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "result is 0 to 4")]
    fn fill(&self, place: &Place, sender: Addr, origin: &Place, record: &mut SignalRecord) -> Urgency {
        let &Self { signal, info, target, group, result, action } = self;
        task::describe(target, place.key, &mut record.target);
        // a first thread that has ended is no end of its process: the others go on, and take its signals
        record.target.flags &= !(task::ended_alone(target) * task_flags::EXITING);
        task::describe(sender, origin.key, &mut record.sender);
        record.signal = signal;
        record.result = result as u8;
        record.handler = action.handler;
        record.sa_flags = action.flags;
        record.group = u8::from(group != 0);
        let (code, has_info) = si_code(info);
        record.code = code;
        let mut bits = if has_info { 0 } else { signal_info::NO_SIGINFO };
        let (blocked, real_blocked) = task::blocked(target);
        record.blocked = blocked | real_blocked;
        // `signal` is 1 to 64; the mask keeps the shift defined for the garbage of a test run
        let bit = 1_u64 << (signal.wrapping_sub(1) & 63);
        if blocked & bit != 0 {
            bits |= signal_info::BLOCKED;
        }
        if real_blocked & bit != 0 {
            bits |= signal_info::REAL_BLOCKED;
        }
        let at_init = record.target.flags & task_flags::INIT != 0;
        let unhandled_at_init = at_init && action.handler == handler::DEFAULT;
        let dropped_at_init = unhandled_at_init && result == IGNORED;
        let from_outside = origin.key != place.key && !default_is_ignore(signal);
        let urgency = Urgency::now_if(dropped_at_init || from_outside);
        // The loop within comes last, when nothing that was compared before matters any more: before 6.3 the verifier
        // walks it again for every combination that does.
        if unhandled_at_init && let Some((caught, ignored)) = crate::masks::read(target, crate::masks::SIGNAL) {
            record.caught = caught;
            record.ignored = ignored;
            bits |= signal_info::MASKS;
        }
        record.info = bits;
        urgency
    }
}
