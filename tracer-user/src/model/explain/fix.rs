//! What to change: for an end that happened, and for one that an audit foresees.

use crate::event::PidNamespace;
use crate::signal::{Signal, SignalSet};

use super::super::grace::Reading;
use super::super::names::{Cause, Verdict};
use super::super::program::Program;
use super::super::signals::handles_another;
use super::super::words::period;
use super::Story;

/// What an init that is put before a program is called, and how to have one.
const AN_INIT: &str =
    "put an init before it that forwards signals (docker run --init; or ENTRYPOINT [\"tini\", \"--\", …])";

/// What is to be mended: everything that decides which advice helps. An audit fills it with what would happen.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Fault<'a> {
    /// Why the container ended the way it did, or would.
    pub verdict: Verdict,
    /// More about why.
    pub cause: Option<Cause>,
    /// Kind of the first process's program.
    pub program: Program,
    /// The stop signal; `None` when there was none.
    pub stop_signal: Option<Signal>,
    /// Signals that the first process has handlers for, where that is known.
    pub caught: Option<SignalSet>,
    /// The first process in a sentence: `sh (PID 1)`. From strangers.
    pub first: &'a str,
    /// The grace period, ms, where it is known.
    pub grace_ms: Option<u64>,
    /// The stop signal waited for a handler that could not run: the process was stopped, frozen, or in the kernel.
    pub kept_from_running: bool,
    /// The pid namespace it was configured to have, where that is known.
    pub pid_namespace: Option<PidNamespace>,
    /// Its pod is a static one: its manifest is a file on the node.
    pub static_pod: bool,
    /// The configured grace period when somebody asked for a shorter one, ms.
    pub cut_short_of_ms: Option<u64>,
}

impl<'a> Fault<'a> {
    /// With nothing known but what every advice needs; `first` is the first process in a sentence: `sh (PID 1)`.
    #[must_use]
    pub const fn new(
        verdict: Verdict,
        cause: Option<Cause>,
        program: Program,
        stop_signal: Option<Signal>,
        first: &'a str,
    ) -> Self {
        Self {
            verdict,
            cause,
            program,
            stop_signal,
            caught: None,
            first,
            grace_ms: None,
            kept_from_running: false,
            pid_namespace: None,
            static_pod: false,
            cut_short_of_ms: None,
        }
    }

    /// With the signals that the first process has handlers for.
    #[must_use]
    pub const fn with_caught(mut self, caught: SignalSet) -> Self {
        self.caught = Some(caught);
        self
    }

    /// With the grace period, ms, where it is known.
    #[must_use]
    pub const fn with_grace(mut self, grace_ms: Option<u64>) -> Self {
        self.grace_ms = grace_ms;
        self
    }

    fn stop(&self) -> String {
        self.stop_signal.map_or_else(|| "the stop signal".to_owned(), |signal| signal.to_string())
    }
}

/// What to change, in a sentence; `None` where nothing is to be changed. Holds [`Fault::first`] as it is: not safe for
/// a terminal.
#[must_use]
pub fn fix_for(fault: &Fault<'_>) -> Option<String> {
    let fix = advice(fault)?;
    let of_the_pod = matches!(fault.cause, Some(Cause::StopSignalMismatch | Cause::PreStopUsedItAll))
        || (fault.verdict == Verdict::TooSlow && fault.cause.is_none() && !fault.kept_from_running);
    let note = " It is a static pod: change its manifest on the node, not its mirror in the API.";
    Some(if fault.static_pod && of_the_pod { fix + note } else { fix })
}

fn advice(fault: &Fault<'_>) -> Option<String> {
    match fault.verdict {
        Verdict::SigtermDropped => dropped(fault),
        Verdict::SigtermIgnored => Some(ignored(&fault.stop())),
        Verdict::SigtermBlocked => Some(format!(
            "Unblock {} (pthread_sigmask), or take it with sigwait or a signalfd; a blocked signal mask is inherited from whoever started the program.",
            fault.stop()
        )),
        Verdict::NotForwarded => Some(not_forwarded(fault)),
        Verdict::TooSlow => Some(too_slow(fault)),
        Verdict::DefaultAction => Some(default_action(fault)),
        Verdict::OomKilled => {
            Some("Raise the memory limit, or find what uses the memory; this was no shutdown.".to_owned())
        }
        Verdict::Killed if fault.cause == Some(Cause::NeverSignalled) => {
            Some("Use docker stop or kubectl delete with a grace period instead of a forced removal.".to_owned())
        }
        Verdict::Crashed => Some("Look at the program's own logs and at its core dump if there is one.".to_owned()),
        Verdict::Graceful | Verdict::Exited | Verdict::Killed => None,
    }
}

fn dropped(fault: &Fault<'_>) -> Option<String> {
    let stop = fault.stop();
    let advice = fault.program.handler_advice(&stop);
    Some(match fault.cause {
        Some(Cause::StopSignalMismatch) => {
            let (caught, signal) = fault.caught.zip(fault.stop_signal)?;
            let other = handles_another(caught, signal, fault.program)?;
            format!(
                "Make the stop signal one that it handles: STOPSIGNAL {other} in the Dockerfile (docker run --stop-signal {other}; lifecycle.stopSignal: {other} in the pod), or handle {stop} too."
            )
        }
        Some(Cause::HandlerReraised) => {
            let advice = advice.unwrap_or_else(|| {
                format!(
                    "give the program a handler of its own that exits (Go: signal.Notify(c, syscall.{stop}); Node: process.on('{stop}', …))"
                )
            });
            format!("The program has no handler of its own, only its runtime has: {advice}; or {AN_INIT}.")
        }
        _ if fault.program.is_shell() => format!(
            "Let the program replace the shell: exec PROGRAM as the last line of the script, or the exec form in the Dockerfile (CMD [\"PROGRAM\", \"ARG\"], not CMD PROGRAM ARG). Or {AN_INIT}. Or pass it on in the shell ({}).",
            shell_recipe(&stop)
        ),
        _ => match advice {
            Some(advice) => {
                format!("Handle {stop} in the program: {advice}; or {AN_INIT}, which at least ends it at once.")
            }
            None => {
                format!("Handle {stop} in the program, or {AN_INIT}: not being PID 1, it then dies by {stop} at once.")
            }
        },
    })
}

fn ignored(stop: &str) -> String {
    let name = stop.trim_start_matches("SIG");
    format!(
        "Do not ignore {stop}: look for signal({stop}, SIG_IGN) in the program, trap '' {name} in a script, or nohup; children inherit it."
    )
}

fn not_forwarded(fault: &Fault<'_>) -> String {
    let (first, stop) = (fault.first, fault.stop());
    match fault.cause {
        Some(Cause::NotWaitedFor) => {
            format!("Let {first} wait for its children before it exits: they got {stop} and were finishing.")
        }
        _ if fault.program == Program::Init => "Let the init signal the whole group: tini -g -- …, or dumb-init (which does so unless --single-child); or let its only child be the program itself, started with exec.".to_owned(),
        _ if fault.program.is_shell() => format!(
            "Pass it on in the trap and wait there: {}. Or start the program with exec.",
            shell_recipe(&stop)
        ),
        _ => {
            let shared = matches!(fault.pid_namespace, Some(PidNamespace::Pod | PidNamespace::Host));
            let instead = if shared { "it is the container's first process" } else { "it is PID 1 itself" };
            format!("Let {first} pass {stop} on to its children and wait for them; or start the program with exec so that {instead}.")
        }
    }
}

fn too_slow(fault: &Fault<'_>) -> String {
    match fault.cause {
        Some(Cause::TrapDeferred) => format!(
            "Run the program in the background, so that the trap runs at once, and wait for it there: {}. Or start it with exec.",
            shell_recipe(&fault.stop())
        ),
        Some(Cause::PreStopUsedItAll) => "Make terminationGracePeriodSeconds longer than the preStop hook and the shutdown together: the hook counts against it.".to_owned(),
        _ if fault.kept_from_running => "Find out what kept it from running: a SIGSTOP, a debugger, a paused container (docker pause), or storage that does not answer. A longer grace period would not help.".to_owned(),
        _ if let Some(configured) = fault.cut_short_of_ms => format!(
            "Make the shutdown faster, or give it its time: it was stopped with less than the {} configured.",
            period(configured)
        ),
        _ => {
            let budget = fault.grace_ms.map_or_else(String::new, |budget| format!(" than {}", period(budget)));
            format!(
                "Make the shutdown faster, or the grace period longer{budget} (docker run --stop-timeout; terminationGracePeriodSeconds in the pod)."
            )
        }
    }
}

fn default_action(fault: &Fault<'_>) -> String {
    let stop = fault.stop();
    let how = fault.program.handler_advice(&stop).map_or_else(String::new, |advice| format!(": {advice}"));
    format!(
        "Nothing, if it has nothing to clean up: {stop} ends it at once. Otherwise handle {stop} in the program{how}."
    )
}

/// How a shell passes a signal on and waits until the program has cleaned up. `wait` returns when the trap runs: without the
/// one within the trap the shell would exit at once, and as PID 1 take the program along.
fn shell_recipe(stop: &str) -> String {
    let name = stop.trim_start_matches("SIG");
    format!("PROGRAM & pid=$!; trap 'kill -{name} $pid; wait $pid' {name}; wait $pid")
}

/// What to change after this end.
pub(in crate::model) fn fix(story: &Story<'_>) -> Option<String> {
    let termination = story.termination;
    let first = story.first();
    let cut_short_of_ms = match story.patience.reading {
        Reading::Other { gave_ms, configured_ms } if gave_ms < configured_ms => Some(configured_ms),
        _ => None,
    };
    let fault = Fault {
        pid_namespace: story.container.pid_namespace(),
        static_pod: story.static_source().is_some(),
        cut_short_of_ms,
        caught: story.facts.caught,
        grace_ms: termination.grace.budget_ms,
        kept_from_running: story.was_kept_from_running(),
        ..Fault::new(
            termination.verdict,
            termination.cause,
            story.facts.program,
            story.signal.map(|signal| signal.signal),
            &first,
        )
    };
    fix_for(&fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is known or not: advice for what is to be mended, none for what is in order.
    #[test]
    fn every_verdict_has_its_advice_without_a_termination() {
        for &verdict in Verdict::ALL {
            let fault = Fault::new(verdict, None, Program::Other, Some(Signal::TERM), "app (PID 1)");
            let in_order = matches!(verdict, Verdict::Graceful | Verdict::Exited | Verdict::Killed);
            assert_eq!(fix_for(&fault).is_none(), in_order, "{verdict}");
        }
    }

    #[test]
    fn the_advice_is_for_the_program_and_its_signal() {
        let fault = |program| Fault::new(Verdict::SigtermDropped, None, program, Some(Signal::QUIT), "app (PID 1)");
        let advice = |program| fix_for(&fault(program)).expect("advice");
        assert!(advice(Program::Shell).contains("kill -QUIT $pid"));
        assert!(advice(Program::Python).contains("signal.SIGQUIT"));
        assert!(advice(Program::Other).contains("dies by SIGQUIT at once"));
        let mismatch = Fault {
            cause: Some(Cause::StopSignalMismatch),
            caught: Some(SignalSet::from_iter([Signal::INT])),
            ..fault(Program::Other)
        };
        assert!(fix_for(&mismatch).is_some_and(|fix| fix.contains("STOPSIGNAL SIGINT")));
    }
}
