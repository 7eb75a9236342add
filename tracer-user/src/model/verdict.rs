//! The verdict: a pure function of the facts of a termination.

use crate::signal::Signal;

use super::change::{ExitStatus, Party};
use super::limits;
use super::names::{Cause, Outcome, Role, Verdict};
use super::program::Program;
use super::signals::handles_another;

/// What became of the stop signal in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Dropped when it was sent, or when it was taken from the queue.
    Dropped,
    /// Ignored by `SIG_IGN`.
    Ignored,
    /// Blocked until the end.
    Untaken,
    /// Reached a handler.
    Caught,
    /// Was blocked and taken by a wait.
    Taken,
    /// Met the default action.
    Default,
}

/// The stop signal, as the verdict sees it.
#[derive(Clone, Debug)]
pub(super) struct StopFact {
    pub(super) signal: Signal,
    pub(super) fate: Fate,
    /// Dropped, but only when it was taken from the queue.
    pub(super) late: bool,
    /// The handler raised it again and the kernel dropped that.
    pub(super) reraised: Option<Reraise>,
    /// It was queued for a handler that never ran: the process was stopped or frozen.
    pub(super) kept: bool,
    /// The first process sent it to itself afterwards.
    pub(super) raised_itself_ms: Option<u64>,
}

/// When the handler raised its signal again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reraise {
    /// So soon that it had done nothing before.
    pub(super) at_once: bool,
    /// As the last thing before the process ended.
    pub(super) at_last: bool,
}

/// A process below the first one, as the verdict sees it.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each learned from another event")]
pub(super) struct BelowFact {
    /// It got the stop signal, or another that asks to end.
    pub(super) asked: bool,
    /// It was started after the stop signal, and could not get it.
    pub(super) later: bool,
    /// Its parent got it so shortly before the first process exited, and died with it, that it may have been about to pass
    /// it on.
    pub(super) on_its_way: bool,
    /// It died by SIGKILL.
    pub(super) killed: bool,
    /// A direct child that was there when the stop signal came and lived until the first process was killed.
    pub(super) waited_for: bool,
}

/// Everything that decides a verdict.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) stop: Option<StopFact>,
    /// Role of who sent SIGKILL to the first process.
    pub(super) kill: Option<Role>,
    pub(super) exit: Option<ExitStatus>,
    /// The OOM killer chose the first process, or one whose death took it along.
    pub(super) oom: bool,
    /// The child it chose, when the first process only gave up because of that.
    pub(super) oom_victim: Option<Party>,
    /// The first process sent a signal or started a process since the stop signal.
    pub(super) acted: bool,
    pub(super) below: Vec<BelowFact>,
    pub(super) program: Program,
    /// Signals the first process has handlers for.
    pub(super) caught: Option<crate::signal::SignalSet>,
    /// The preStop hook left less than a tenth of the grace period.
    pub(super) pre_stop_used_it_all: bool,
}

/// Why the container ended the way it did.
pub(super) fn judge(facts: &Facts) -> (Verdict, Option<Cause>) {
    let exit_signal = facts.exit.and_then(ExitStatus::signal);
    if facts.oom {
        return (Verdict::OomKilled, None);
    }
    if let Some(signal) = exit_signal
        && signal.is_crash()
        && facts.stop.as_ref().is_none_or(|stop| stop.signal != signal)
    {
        return (Verdict::Crashed, None);
    }
    let Some(stop) = &facts.stop else {
        return match exit_signal {
            Some(Signal::KILL) => {
                (Verdict::Killed, (facts.kill == Some(Role::Runtime)).then_some(Cause::NeverSignalled))
            }
            Some(_) => (Verdict::DefaultAction, None),
            None if facts.kill.is_some() && facts.exit.is_none() => (Verdict::Killed, None),
            None => (Verdict::Exited, None),
        };
    };
    // whoever handles it, or waits for it, may let the default action end it afterwards; that is in order
    let in_order = match (stop.fate, stop.raised_itself_ms) {
        (Fate::Caught, Some(after)) => facts.program != Program::Node || after > limits::RERAISE_AT_ONCE_MS,
        (Fate::Caught, None) | (Fate::Taken, Some(_)) => true,
        _ => false,
    };
    if exit_signal == Some(stop.signal) && !in_order {
        return (Verdict::DefaultAction, None);
    }
    match stop.fate {
        Fate::Dropped => (Verdict::SigtermDropped, Some(drop_cause(facts, stop))),
        _ if stop.reraised.is_some_and(|reraise| only_reraised(facts, reraise)) => {
            (Verdict::SigtermDropped, Some(Cause::HandlerReraised))
        }
        Fate::Ignored => (Verdict::SigtermIgnored, None),
        Fate::Untaken => (Verdict::SigtermBlocked, None),
        // the default action was due and something else ended it: it was stopped or frozen
        Fate::Default if facts.kill.is_some() => (Verdict::TooSlow, None),
        Fate::Default => (Verdict::DefaultAction, None),
        Fate::Caught | Fate::Taken => reached(facts, stop),
    }
}

fn drop_cause(facts: &Facts, stop: &StopFact) -> Cause {
    if stop.reraised.is_some() {
        Cause::HandlerReraised
    } else if facts.caught.is_some_and(|caught| handles_another(caught, stop.signal, facts.program).is_some()) {
        Cause::StopSignalMismatch
    } else if stop.late {
        Cause::DroppedAtDelivery
    } else {
        Cause::NoHandler
    }
}

/// Whether all that the handler did was to raise the signal once more. Ruby does so after `at_exit`, Python after
/// `KeyboardInterrupt`, npm after its script: as the last thing, to die by it, as one should; an init does not die of it and
/// exits by a code of its own. Node does so at once and goes on; so does Go's runtime, whose code is 2 then.
/// <https://github.com/golang/go/blob/go1.22.0/src/runtime/signal_unix.go#L958>
fn only_reraised(facts: &Facts, reraise: Reraise) -> bool {
    const GO: u32 = 2;
    let code = facts.exit.and_then(ExitStatus::code).filter(|_| facts.kill.is_none());
    let ended_by_it = reraise.at_last && code.is_some_and(|code| code != GO);
    reraise.at_once && !ended_by_it
}

/// The first process got the stop signal.
fn reached(facts: &Facts, stop: &StopFact) -> (Verdict, Option<Cause>) {
    let killed_below = facts.below.iter().any(|process| process.killed);
    let unreached = facts.below.iter().any(|process| process.killed && !process.asked && !process.later);
    if facts.kill.is_some() {
        if stop.kept {
            return (Verdict::TooSlow, None);
        }
        if facts.pre_stop_used_it_all {
            return (Verdict::TooSlow, Some(Cause::PreStopUsedItAll));
        }
        let shell_waits = facts.program.is_shell()
            && stop.fate == Fate::Caught
            && !facts.acted
            && facts.below.iter().any(|process| process.waited_for && process.killed && !process.asked);
        return match (shell_waits, unreached && !facts.program.tells_workers_by_pipe()) {
            (true, _) => (Verdict::TooSlow, Some(Cause::TrapDeferred)),
            (false, true) => (Verdict::NotForwarded, None),
            (false, false) => (Verdict::TooSlow, None),
        };
    }
    // whether it was passed on in time is a matter of luck; that nobody waited is not
    let unreached =
        facts.below.iter().any(|process| process.killed && !process.asked && !process.later && !process.on_its_way);
    match (unreached, killed_below) {
        (true, _) => (Verdict::NotForwarded, None),
        (false, true) => (Verdict::NotForwarded, Some(Cause::NotWaitedFor)),
        (false, false) => (Verdict::Graceful, None),
    }
}

/// What became of a stop signal, from its outcome and what was learned later.
pub(super) fn fate(outcome: Outcome, taken: bool) -> Fate {
    match outcome {
        Outcome::Dropped => Fate::Dropped,
        Outcome::Ignored | Outcome::Noise => Fate::Ignored,
        Outcome::Caught => Fate::Caught,
        Outcome::Blocked if taken => Fate::Taken,
        Outcome::Blocked => Fate::Untaken,
        Outcome::Default => Fate::Default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::SignalSet;

    const EXIT_0: ExitStatus = ExitStatus { raw: 0 };
    const AT_LAST: Reraise = Reraise { at_once: true, at_last: true };
    const SIGKILLED: ExitStatus = ExitStatus { raw: 9 };

    fn facts(fate: Option<Fate>, kill: bool, exit: ExitStatus) -> Facts {
        Facts {
            stop: fate.map(|fate| StopFact {
                signal: Signal::TERM,
                fate,
                late: false,
                reraised: None,
                raised_itself_ms: None,
                kept: false,
            }),
            kill: kill.then_some(Role::Runtime),
            exit: Some(exit),
            oom: false,
            oom_victim: None,
            acted: false,
            below: vec![],
            program: Program::Other,
            caught: None,
            pre_stop_used_it_all: false,
        }
    }

    fn check(facts: &Facts, verdict: Verdict, cause: Option<Cause>) {
        assert_eq!(judge(facts), (verdict, cause), "{facts:#?}");
    }

    #[test]
    fn the_plain_cases() {
        check(&facts(Some(Fate::Caught), false, EXIT_0), Verdict::Graceful, None);
        check(&facts(Some(Fate::Taken), false, EXIT_0), Verdict::Graceful, None);
        check(&facts(Some(Fate::Caught), true, SIGKILLED), Verdict::TooSlow, None);
        check(&facts(Some(Fate::Dropped), true, SIGKILLED), Verdict::SigtermDropped, Some(Cause::NoHandler));
        check(&facts(Some(Fate::Ignored), true, SIGKILLED), Verdict::SigtermIgnored, None);
        check(&facts(Some(Fate::Untaken), true, SIGKILLED), Verdict::SigtermBlocked, None);
        check(&facts(Some(Fate::Default), false, ExitStatus { raw: 15 }), Verdict::DefaultAction, None);
        check(&facts(None, true, SIGKILLED), Verdict::Killed, Some(Cause::NeverSignalled));
        check(&facts(None, false, SIGKILLED), Verdict::Killed, None);
        check(&facts(None, false, EXIT_0), Verdict::Exited, None);
        check(&facts(None, false, ExitStatus { raw: 143 << 8 }), Verdict::Exited, None);
        check(&facts(None, false, ExitStatus { raw: 0x8b }), Verdict::Crashed, None);
        check(&facts(Some(Fate::Caught), false, ExitStatus { raw: 11 }), Verdict::Crashed, None);
        let oom = Facts { oom: true, ..facts(None, false, SIGKILLED) };
        check(&oom, Verdict::OomKilled, None);
    }

    #[test]
    fn dying_by_the_stop_signal_after_catching_it_is_graceful() {
        check(&facts(Some(Fate::Caught), false, ExitStatus { raw: 15 }), Verdict::Graceful, None);
        let mut taken = facts(Some(Fate::Taken), false, ExitStatus { raw: 15 });
        check(&taken, Verdict::DefaultAction, None);
        taken.stop.as_mut().expect("a stop signal").raised_itself_ms = Some(1);
        check(&taken, Verdict::Graceful, None);
    }

    /// Node without a handler: it raises the signal again at once, and goes on as if nothing had been.
    #[test]
    fn a_signal_raised_again_and_then_nothing_is_dropped_however_it_ends() {
        let mut node = facts(Some(Fate::Caught), false, EXIT_0);
        node.program = Program::Node;
        let stop = node.stop.as_mut().expect("a stop signal");
        stop.reraised = Some(Reraise { at_once: true, at_last: false });
        stop.raised_itself_ms = Some(0);
        check(&node, Verdict::SigtermDropped, Some(Cause::HandlerReraised));
        // who shuts down for seconds, raises it then, and hangs, has a handler
        node.stop.as_mut().expect("a stop signal").reraised = Some(Reraise { at_once: false, at_last: false });
        node.kill = Some(Role::Runtime);
        node.exit = Some(SIGKILLED);
        check(&node, Verdict::TooSlow, None);
    }

    /// The same where it is no init: the second signal ends it.
    #[test]
    fn nodes_own_handler_is_no_handler() {
        let mut node = facts(Some(Fate::Caught), false, ExitStatus { raw: 15 });
        node.stop.as_mut().expect("a stop signal").raised_itself_ms = Some(0);
        check(&node, Verdict::Graceful, None);
        node.program = Program::Node;
        check(&node, Verdict::DefaultAction, None);
        node.stop.as_mut().expect("a stop signal").raised_itself_ms = Some(limits::RERAISE_AT_ONCE_MS + 1);
        check(&node, Verdict::Graceful, None);
    }

    /// The trap ran: it passed the signal on, and what it waits for is too slow.
    #[test]
    fn a_trap_that_ran_is_not_deferred() {
        let child = BelowFact { asked: false, later: false, on_its_way: false, killed: true, waited_for: true };
        let mut shell = Facts { program: Program::Shell, ..facts(Some(Fate::Caught), true, SIGKILLED) };
        shell.below = vec![child.clone()];
        check(&shell, Verdict::TooSlow, Some(Cause::TrapDeferred));
        shell.below = vec![BelowFact { asked: true, ..child.clone() }];
        check(&shell, Verdict::TooSlow, None);
        // it cleans up, and never tells its child
        shell.below =
            vec![child, BelowFact { asked: false, later: true, on_its_way: false, killed: true, waited_for: false }];
        shell.acted = true;
        check(&shell, Verdict::NotForwarded, None);
    }

    #[test]
    fn causes_of_a_drop() {
        let mut dropped = facts(Some(Fate::Dropped), true, SIGKILLED);
        dropped.caught = Some(SignalSet::from_iter([Signal::INT]));
        check(&dropped, Verdict::SigtermDropped, Some(Cause::StopSignalMismatch));
        for handles_it_itself in [Program::Python, Program::Shell] {
            dropped.program = handles_it_itself;
            check(&dropped, Verdict::SigtermDropped, Some(Cause::NoHandler));
        }
        dropped.stop = Some(StopFact {
            signal: Signal::TERM,
            fate: Fate::Dropped,
            late: true,
            reraised: None,
            raised_itself_ms: None,
            kept: false,
        });
        check(&dropped, Verdict::SigtermDropped, Some(Cause::DroppedAtDelivery));
        let mut reraised = facts(Some(Fate::Caught), true, SIGKILLED);
        reraised.stop = Some(StopFact {
            signal: Signal::TERM,
            fate: Fate::Caught,
            late: false,
            reraised: Some(AT_LAST),
            raised_itself_ms: Some(1),
            kept: false,
        });
        check(&reraised, Verdict::SigtermDropped, Some(Cause::HandlerReraised));
        reraised.kill = None;
        let exited = |code: u32| Some(ExitStatus { raw: code << 8 });
        reraised.exit = exited(2);
        check(&reraised, Verdict::SigtermDropped, Some(Cause::HandlerReraised));
        // whatever ran before that, ran
        for code in [0, 1, 130, 143] {
            reraised.exit = exited(code);
            check(&reraised, Verdict::Graceful, None);
        }
        reraised.below =
            vec![BelowFact { asked: false, later: false, on_its_way: false, killed: true, waited_for: false }];
        check(&reraised, Verdict::NotForwarded, None);
    }

    #[test]
    fn processes_below() {
        let below =
            |asked, killed, waited_for| BelowFact { asked, later: false, on_its_way: false, killed, waited_for };
        let mut exits_at_once = facts(Some(Fate::Caught), false, EXIT_0);
        exits_at_once.below = vec![below(false, true, false)];
        check(&exits_at_once, Verdict::NotForwarded, None);
        exits_at_once.below = vec![below(true, true, false)];
        check(&exits_at_once, Verdict::NotForwarded, Some(Cause::NotWaitedFor));
        let child = BelowFact { on_its_way: true, ..below(false, true, false) };
        exits_at_once.below = vec![below(true, true, false), child.clone()];
        check(&exits_at_once, Verdict::NotForwarded, Some(Cause::NotWaitedFor));
        exits_at_once.below = vec![below(true, true, false), child, below(false, true, false)];
        check(&exits_at_once, Verdict::NotForwarded, None);
        exits_at_once.below = vec![below(false, false, false), below(true, false, false)];
        check(&exits_at_once, Verdict::Graceful, None);

        let mut until_the_end = facts(Some(Fate::Caught), true, SIGKILLED);
        until_the_end.below = vec![below(false, true, true)];
        check(&until_the_end, Verdict::NotForwarded, None);
        until_the_end.program = Program::Shell;
        check(&until_the_end, Verdict::TooSlow, Some(Cause::TrapDeferred));
        until_the_end.program = Program::Nginx;
        check(&until_the_end, Verdict::TooSlow, None);
        until_the_end.stop.as_mut().expect("a stop signal").kept = true;
        until_the_end.program = Program::Shell;
        check(&until_the_end, Verdict::TooSlow, None);
        until_the_end.stop.as_mut().expect("a stop signal").kept = false;
        until_the_end.program = Program::Other;
        until_the_end.below = vec![below(true, true, true)];
        check(&until_the_end, Verdict::TooSlow, None);
        until_the_end.pre_stop_used_it_all = true;
        check(&until_the_end, Verdict::TooSlow, Some(Cause::PreStopUsedItAll));
    }
}
