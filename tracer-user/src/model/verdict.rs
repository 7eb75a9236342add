//! The verdict: a pure function of the facts of a termination.

use crate::signal::Signal;

use super::change::{ExitStatus, Party};
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
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each learned from another event")]
pub(super) struct StopFact {
    pub(super) signal: Signal,
    pub(super) fate: Fate,
    /// Dropped, but only when it was taken from the queue.
    pub(super) late: bool,
    /// The handler raised it again and the kernel dropped that.
    pub(super) reraised: bool,
    /// It was queued for a handler that never ran: the process was stopped or frozen.
    pub(super) kept: bool,
    /// The first process sent it to itself afterwards.
    pub(super) raised_itself: bool,
}

/// A process below the first one, as the verdict sees it.
#[derive(Clone, Debug)]
pub(super) struct BelowFact {
    /// It got the stop signal, or another that asks to end.
    pub(super) asked: bool,
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
    let in_order = stop.fate == Fate::Caught || (stop.fate == Fate::Taken && stop.raised_itself);
    if exit_signal == Some(stop.signal) && !in_order {
        return (Verdict::DefaultAction, None);
    }
    match stop.fate {
        Fate::Dropped => (Verdict::SigtermDropped, Some(drop_cause(facts, stop))),
        _ if stop.reraised && !ends_by_reraising(facts) => (Verdict::SigtermDropped, Some(Cause::HandlerReraised)),
        Fate::Ignored => (Verdict::SigtermIgnored, None),
        Fate::Untaken => (Verdict::SigtermBlocked, None),
        // the default action was due and something else ended it: it was stopped or frozen
        Fate::Default if facts.kill.is_some() => (Verdict::TooSlow, None),
        Fate::Default => (Verdict::DefaultAction, None),
        Fate::Caught | Fate::Taken => reached(facts, stop),
    }
}

fn drop_cause(facts: &Facts, stop: &StopFact) -> Cause {
    if stop.reraised {
        Cause::HandlerReraised
    } else if facts.caught.is_some_and(|caught| handles_another(caught, stop.signal, facts.program).is_some()) {
        Cause::StopSignalMismatch
    } else if stop.late {
        Cause::DroppedAtDelivery
    } else {
        Cause::NoHandler
    }
}

/// Whether the handler did what it is there for, and raised the signal once more as the last thing, to die by it, as one
/// should: Ruby does so after `at_exit`, Python after `KeyboardInterrupt`, npm after its script. An init does not die of
/// it and exits by a code of its own. Go's runtime does the same without anything before it: its code is 2.
/// <https://github.com/golang/go/blob/go1.22.0/src/runtime/signal_unix.go#L958>
fn ends_by_reraising(facts: &Facts) -> bool {
    const GO: u32 = 2;
    let code = facts.exit.and_then(ExitStatus::code);
    facts.kill.is_none() && code.is_some_and(|code| code != GO)
}

/// The first process got the stop signal.
fn reached(facts: &Facts, stop: &StopFact) -> (Verdict, Option<Cause>) {
    let killed_below = facts.below.iter().any(|process| process.killed);
    let unreached = facts.below.iter().any(|process| process.killed && !process.asked);
    if facts.kill.is_some() {
        if stop.kept {
            return (Verdict::TooSlow, None);
        }
        if facts.pre_stop_used_it_all {
            return (Verdict::TooSlow, Some(Cause::PreStopUsedItAll));
        }
        let shell_waits = facts.program.is_shell()
            && stop.fate == Fate::Caught
            && facts.below.iter().any(|process| process.waited_for && process.killed);
        return match (shell_waits, unreached && !facts.program.tells_workers_by_pipe()) {
            (true, _) => (Verdict::TooSlow, Some(Cause::TrapDeferred)),
            (false, true) => (Verdict::NotForwarded, None),
            (false, false) => (Verdict::TooSlow, None),
        };
    }
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
    const SIGKILLED: ExitStatus = ExitStatus { raw: 9 };

    fn facts(fate: Option<Fate>, kill: bool, exit: ExitStatus) -> Facts {
        Facts {
            stop: fate.map(|fate| StopFact {
                signal: Signal::TERM,
                fate,
                late: false,
                reraised: false,
                raised_itself: false,
                kept: false,
            }),
            kill: kill.then_some(Role::Runtime),
            exit: Some(exit),
            oom: false,
            oom_victim: None,
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
        taken.stop.as_mut().expect("a stop signal").raised_itself = true;
        check(&taken, Verdict::Graceful, None);
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
            reraised: false,
            raised_itself: false,
            kept: false,
        });
        check(&dropped, Verdict::SigtermDropped, Some(Cause::DroppedAtDelivery));
        let mut reraised = facts(Some(Fate::Caught), true, SIGKILLED);
        reraised.stop = Some(StopFact {
            signal: Signal::TERM,
            fate: Fate::Caught,
            late: false,
            reraised: true,
            raised_itself: false,
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
        reraised.below = vec![BelowFact { asked: false, killed: true, waited_for: false }];
        check(&reraised, Verdict::NotForwarded, None);
    }

    #[test]
    fn processes_below() {
        let below = |asked, killed, waited_for| BelowFact { asked, killed, waited_for };
        let mut exits_at_once = facts(Some(Fate::Caught), false, EXIT_0);
        exits_at_once.below = vec![below(false, true, false)];
        check(&exits_at_once, Verdict::NotForwarded, None);
        exits_at_once.below = vec![below(true, true, false)];
        check(&exits_at_once, Verdict::NotForwarded, Some(Cause::NotWaitedFor));
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
