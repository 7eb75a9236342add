//! The sentences: what happened, with the numbers of the case; why; what to change. All of them live here.

use std::collections::HashMap;

use crate::event::TaskKey;
use crate::signal::Signal;

use super::change::{ExitStatus, Hint, Sender, Termination};
use super::limits;
use super::names::{Cause, HintKind, Outcome, Role, Verdict};
use super::outcome::names_runtime;
use super::process::{Place, Process, Receipt};
use super::program::Program;
use super::signals::handles_another;
use super::verdict::Facts;
use super::words::{count, period, seconds};

/// What the sentences are made of.
pub(super) struct Story<'a> {
    pub(super) termination: &'a Termination,
    pub(super) facts: &'a Facts,
    pub(super) members: &'a [&'a Process],
    pub(super) places: &'a HashMap<TaskKey, Place>,
    pub(super) signal: Option<&'a Receipt>,
}

impl Story<'_> {
    /// `sh (PID 1)`, or `sh (pid 4123)` where it is not an init.
    fn first(&self) -> String {
        match self.termination.processes.first() {
            Some(first) if first.process.ns_pid == Some(1) => format!("{} (PID 1)", first.process.comm),
            Some(first) => format!("{} (pid {})", first.process.comm, first.process.pid),
            None => "the first process".to_owned(),
        }
    }

    fn stop(&self) -> String {
        self.signal.map_or_else(|| "the stop signal".to_owned(), |signal| signal.signal.to_string())
    }

    fn sender(&self) -> String {
        self.termination.sender.as_ref().map_or_else(|| "somebody".to_owned(), sent_by)
    }

    /// From the stop signal (or the first sign) to the exit of the first process, ms.
    fn took(&self) -> u64 {
        let from = self.signal.map_or(self.termination.started, |signal| signal.at);
        self.termination.exited.map_or(self.termination.grace.used_ms, |exited| exited.ms_since(from))
    }

    /// `until runc sent SIGKILL 3.0 s later`, or how else it ended.
    fn until_the_end(&self) -> String {
        match (&self.termination.kill, self.termination.exit) {
            (Some(kill), _) => {
                let after = self.signal.map_or(0, |signal| kill.at.ms_since(signal.at));
                format!("it ran on until {} sent SIGKILL {} later", sent_by(&kill.sender), seconds(after))
            }
            (None, Some(status)) => format!("it {} {} later", ended(status), seconds(self.took())),
            (None, None) => "it is still running".to_owned(),
        }
    }

    /// The stop signal waited for a handler that never ran. After a loss nobody knows.
    fn was_kept_from_running(&self) -> bool {
        self.termination.certain
            && self.signal.is_some_and(|signal| signal.outcome == Outcome::Caught && !signal.delivered)
    }

    /// Processes below the first that were killed: those that never were asked, or all.
    fn killed(&self, unasked_only: bool) -> Vec<&Process> {
        let first = self.termination.processes.first().map(|first| (first.process.pid, first.process.start));
        self.members
            .iter()
            .filter(|process| Some((process.task.pid, process.task.start)) != first)
            .filter(|process| matches!(self.places.get(&process.key()), Some(Place::Below(_))))
            .zip(&self.facts.below)
            .filter(|(_, fact)| fact.killed && !(unasked_only && fact.asked))
            .map(|(process, _)| *process)
            .collect()
    }

    fn foreground_child(&self) -> Option<&Process> {
        let first = self.termination.processes.first().map(|first| (first.process.pid, first.process.start));
        self.members
            .iter()
            .filter(|process| Some((process.task.pid, process.task.start)) != first)
            .filter(|process| matches!(self.places.get(&process.key()), Some(Place::Below(_))))
            .zip(&self.facts.below)
            .find(|(_, fact)| fact.waited_for)
            .map(|(process, _)| *process)
    }
}

/// A sender in a sentence: `runc`, `cron (pid 812, a process of the host)`, `the kernel`.
fn sent_by(sender: &Sender) -> String {
    let comm = &sender.party.comm;
    let pid = sender.party.pid;
    match sender.role {
        Role::Runtime => match sender.ancestors.first() {
            Some(parent) if !names_runtime(*comm) => {
                format!("{comm} (child of {})", parent.comm)
            }
            _ => comm.to_string(),
        },
        Role::Kernel => "the kernel".to_owned(),
        Role::Own => format!("{comm} itself"),
        Role::Inside => match sender.party.ns_pid {
            Some(ns_pid) => format!("{comm} (pid {ns_pid} in the container)"),
            None => format!("{comm} (inside the container)"),
        },
        Role::Host if is_elsewhere(sender) => format!("{comm} (pid {pid}, in a pid namespace of another container)"),
        Role::Host => match (&sender.party.container, sender.ancestors.first()) {
            (Some(container), _) => {
                format!(
                    "{comm} (pid {pid}, in container {})",
                    container.name.as_deref().unwrap_or(container.short_id())
                )
            }
            (None, Some(parent)) => format!("{comm} (pid {pid} of the host, child of {})", parent.comm),
            (None, None) => format!("{comm} (pid {pid} of the host)"),
        },
    }
}

/// In a pid namespace that is not the host's, of a container that is not traced.
fn is_elsewhere(sender: &Sender) -> bool {
    sender.party.container.is_none() && sender.party.ns_pid.is_some_and(|ns_pid| ns_pid != sender.party.pid)
}

/// `exited with code 0`, `was killed by SIGKILL`.
fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => {
            format!("died by {signal}{}", if status.core_dumped() { " and left a core dump" } else { "" })
        }
        (None, None) => "ended".to_owned(),
    }
}

/// Up to three names, the rest counted: `sleep (pid 7), node (pid 12) and 4 more`.
fn names(processes: &[&Process]) -> String {
    let told: Vec<_> = processes
        .iter()
        .take(3)
        .map(|process| match process.task.ns_pid {
            0 => process.comm().to_string(),
            ns_pid => format!("{} (pid {ns_pid})", process.comm()),
        })
        .collect();
    let more = processes.len().saturating_sub(3);
    match (told.as_slice(), more) {
        ([], _) => "nothing".to_owned(),
        ([one], 0) => one.clone(),
        ([most @ .., last], 0) => format!("{} and {last}", most.join(", ")),
        (all, more) => format!("{} and {more} more", all.join(", ")),
    }
}

/// What happened.
pub(super) fn what(story: &Story<'_>) -> String {
    let termination = story.termination;
    let (first, stop, sender) = (story.first(), story.stop(), story.sender());
    let text = match (termination.verdict, termination.cause) {
        (Verdict::Graceful, _) => graceful(story),
        (Verdict::SigtermDropped, Some(Cause::HandlerReraised)) => {
            let handler = format!(
                "{first} caught {stop} from {sender}, but its handler only set the default action again and raised {stop} at itself; as it is init of its pid namespace, the kernel dropped that"
            );
            match (&termination.kill, termination.exit.and_then(ExitStatus::code)) {
                (None, Some(code)) => {
                    format!(
                        "{handler}, and it gave up with exit code {code} after {}: nothing was cleaned up.",
                        seconds(story.took())
                    )
                }
                _ => format!("{handler}: {}.", story.until_the_end()),
            }
        }
        (Verdict::SigtermDropped, Some(Cause::DroppedAtDelivery)) => format!(
            "{stop} from {sender} was queued for {first} (it was traced, or blocked {stop} at first), and the kernel dropped it when it was taken: an init without a handler never gets it; {}.",
            story.until_the_end()
        ),
        (Verdict::SigtermDropped, Some(Cause::StopSignalMismatch)) => {
            let other = story
                .facts
                .caught
                .zip(story.signal)
                .and_then(|(caught, signal)| handles_another(caught, signal.signal, story.facts.program));
            format!(
                "{sender} sent {stop}, for which {first} has no handler, so the kernel dropped it; {first} does handle {}; {}.",
                other.map_or_else(|| "others".to_owned(), |other| other.to_string()),
                story.until_the_end()
            )
        }
        (Verdict::SigtermDropped, _) => format!(
            "{sender} sent {stop} to {first}, and the kernel dropped it: an init of a pid namespace never gets a signal it has no handler for; {}.",
            story.until_the_end()
        ),
        (Verdict::SigtermIgnored, _) => {
            format!("{sender} sent {stop} to {first}, which ignores it (SIG_IGN); {}.", story.until_the_end())
        }
        (Verdict::SigtermBlocked, _) => {
            format!("{sender} sent {stop} to {first}, which blocks it and never took it; {}.", story.until_the_end())
        }
        (Verdict::NotForwarded, cause) => not_forwarded(story, cause),
        (Verdict::TooSlow, cause) => too_slow(story, cause),
        (Verdict::DefaultAction, _) => default_action(story),
        (Verdict::OomKilled, _) => match &story.facts.oom_victim {
            Some(victim) => format!(
                "The kernel's OOM killer killed {} (pid {}), because the memory limit was reached, and {first} {} after that.",
                victim.comm,
                victim.ns_pid.unwrap_or(victim.pid),
                termination.exit.map_or_else(|| "ended".to_owned(), ended)
            ),
            None => format!("The kernel's OOM killer killed {first}: the memory limit was reached."),
        },
        (Verdict::Killed, cause) => killed(story, cause),
        (Verdict::Crashed, _) => {
            let how = termination.exit.map_or_else(|| "died".to_owned(), ended);
            format!("{first} {how}: a fault of the program itself, no stop was asked for.")
        }
        (Verdict::Exited, _) if termination.exit.is_none() => {
            format!("{first} is gone, and nobody saw how it ended.")
        }
        (Verdict::Exited, _) => {
            let how = termination.exit.map_or_else(|| "exited".to_owned(), ended);
            format!(
                "{first} {how} by itself: nobody sent it a signal that could be the reason.{}",
                shown_as(termination.exit)
            )
        }
    };
    if termination.certain {
        text
    } else {
        format!("{text} Events of this container were lost meanwhile, so this may not be the whole story.")
    }
}

fn graceful(story: &Story<'_>) -> String {
    let termination = story.termination;
    let (first, stop, sender) = (story.first(), story.stop(), story.sender());
    let how = if termination.taken { "waits for signals, took" } else { "caught" };
    let of = termination.grace.budget_ms.map_or_else(String::new, |budget| format!(" of {}", period(budget)));
    let end = termination.exit.map_or_else(|| "exited".to_owned(), ended);
    format!(
        "{first} {how} {stop} from {sender}, and {end} after {}{of}.{}",
        seconds(termination.grace.used_ms),
        shown_as(termination.exit)
    )
}

/// Kubernetes shows a code above 128 for both `exit(143)` and death by SIGTERM.
fn shown_as(exit: Option<ExitStatus>) -> String {
    match exit.and_then(ExitStatus::code) {
        Some(code @ 129..=192) => {
            let signal = Signal::new(code - 128)
                .map_or_else(String::new, |signal| format!(" It called exit({code}): no {signal} killed it."));
            format!("{signal} Kubernetes shows Error for any code but 0.")
        }
        _ => String::new(),
    }
}

fn not_forwarded(story: &Story<'_>, cause: Option<Cause>) -> String {
    let (first, stop, sender) = (story.first(), story.stop(), story.sender());
    let took = if story.termination.taken { "took" } else { "caught" };
    if cause == Some(Cause::NotWaitedFor) {
        let killed = story.killed(false);
        return format!(
            "{first} {took} {stop} from {sender} and passed it on, but exited after {} without waiting: {} had not finished and died by SIGKILL with its namespace.",
            seconds(story.took()),
            names(&killed)
        );
    }
    let killed = story.killed(true);
    match &story.termination.kill {
        Some(kill) => format!(
            "{first} {took} {stop} from {sender}, but {} below it never got it; {} later {} sent SIGKILL and all of it died.",
            names(&killed),
            seconds(story.signal.map_or(0, |signal| kill.at.ms_since(signal.at))),
            sent_by(&kill.sender)
        ),
        None => format!(
            "{first} {took} {stop} from {sender} and was gone after {}, but {} below it never got it and died by SIGKILL when PID 1 was gone.",
            seconds(story.took()),
            names(&killed)
        ),
    }
}

fn too_slow(story: &Story<'_>, cause: Option<Cause>) -> String {
    let termination = story.termination;
    let (first, stop, sender) = (story.first(), story.stop(), story.sender());
    let took = if termination.taken { "took" } else { "caught" };
    let after = termination.kill.as_ref().map_or(0, |kill| {
        let from = story.signal.map_or(termination.started, |signal| signal.at);
        kill.at.ms_since(from)
    });
    let killer = termination.kill.as_ref().map_or_else(|| "somebody".to_owned(), |kill| sent_by(&kill.sender));
    match cause {
        Some(Cause::TrapDeferred) => {
            let child =
                story.foreground_child().map_or_else(|| "its foreground child".to_owned(), |child| names(&[child]));
            format!(
                "{first} caught {stop} from {sender}, but a shell runs its trap only after its foreground child ends, and {child} ran on; {killer} sent SIGKILL {} later.",
                seconds(after)
            )
        }
        Some(Cause::PreStopUsedItAll) => {
            let hook =
                termination.pre_stop.as_ref().map_or_else(String::new, |hook| format!(" ({})", hook.process.comm));
            format!(
                "The preStop hook{hook} used {} of the grace period; {first} got {stop} only then and had {} left before {killer} sent SIGKILL.",
                seconds(story.signal.map_or(0, |signal| signal.at.ms_since(termination.started))),
                seconds(after)
            )
        }
        _ if story.was_kept_from_running() => format!(
            "{stop} from {sender} was queued for {first}, which has a handler for it but never came to run it: it was stopped (SIGSTOP), frozen, or waiting inside the kernel; {killer} sent SIGKILL {} later.",
            seconds(after)
        ),
        _ => format!(
            "{first} {took} {stop} from {sender} and was still running when {killer} sent SIGKILL {} later.",
            seconds(after)
        ),
    }
}

fn default_action(story: &Story<'_>) -> String {
    let termination = story.termination;
    let (first, sender) = (story.first(), story.sender());
    let Some(signal) = story.signal else {
        let how = termination.exit.map_or_else(|| "ended".to_owned(), ended);
        return format!("{first} {how}: it has no handler for that signal, and the default action is to end.");
    };
    let killed = story.killed(false);
    let rest = if killed.is_empty() { String::new() } else { format!(" {} below it died by SIGKILL.", names(&killed)) };
    format!(
        "{first} died by {} from {sender} after {}: it has no handler and is not init of its pid namespace, so the default action ended it. Nothing was cleaned up.{rest}",
        signal.signal,
        seconds(story.took())
    )
}

fn killed(story: &Story<'_>, cause: Option<Cause>) -> String {
    let first = story.first();
    let Some(kill) = &story.termination.kill else {
        return format!("{first} died by SIGKILL; who sent it was not seen.");
    };
    let by = sent_by(&kill.sender);
    match (kill.sender.role, cause) {
        (Role::Runtime, _) => format!(
            "{by} sent SIGKILL to {first} without any stop signal before it: a forced removal, or the grace period was over before a stop signal was sent."
        ),
        (Role::Kernel, _) => {
            format!(
                "The kernel sent SIGKILL to {first} while {} (pid {}) was running: its pid namespace ended, or a limit was reached.",
                kill.sender.party.comm, kill.sender.party.pid
            )
        }
        (Role::Host, _) if kill.sender.party.container.is_none() && !is_elsewhere(&kill.sender) => {
            format!(
                "{by} sent SIGKILL to {first}: a process of the host outside the container runtime. It is neither the OOM killer nor a grace period that ran out."
            )
        }
        _ => format!("{by} sent SIGKILL to {first}."),
    }
}

/// How a shell passes a signal on and waits until the program has cleaned up. `wait` returns when the trap runs: without the
/// one within the trap the shell would exit at once, and as PID 1 take the program along.
fn shell_recipe(stop: &str) -> String {
    let name = stop.trim_start_matches("SIG");
    format!("PROGRAM & pid=$!; trap 'kill -{name} $pid; wait $pid' {name}; wait $pid")
}

/// What to change.
pub(super) fn fix(story: &Story<'_>) -> Option<String> {
    let termination = story.termination;
    let program = story.facts.program;
    let stop = story.stop();
    let init = "put an init before it that forwards signals (docker run --init; or ENTRYPOINT [\"tini\", \"--\", …])";
    Some(match (termination.verdict, termination.cause) {
        (Verdict::SigtermDropped, Some(Cause::StopSignalMismatch)) => {
            let other = story.facts.caught.zip(story.signal).and_then(|(caught, signal)| {
                handles_another(caught, signal.signal, program)
            })?;
            format!("Make the stop signal one that it handles: STOPSIGNAL {other} in the Dockerfile (docker run --stop-signal {other}; lifecycle.stopSignal: {other} in the pod), or handle {stop} too.")
        }
        (Verdict::SigtermDropped, Some(Cause::HandlerReraised)) => {
            let advice = program.handler_advice(&stop).unwrap_or_else(|| {
                format!("give the program a handler of its own that exits (Go: signal.Notify(c, syscall.{stop}); Node: process.on('{stop}', …))")
            });
            format!("The program has no handler of its own, only its runtime has: {advice}; or {init}.")
        }
        (Verdict::SigtermDropped, _) if program.is_shell() => {
            format!("Let the program replace the shell: exec PROGRAM as the last line of the script, or the exec form in the Dockerfile (CMD [\"PROGRAM\", \"ARG\"], not CMD PROGRAM ARG). Or {init}. Or pass it on in the shell ({}).", shell_recipe(&stop))
        }
        (Verdict::DefaultAction, _) => {
            let how = program.handler_advice(&stop).map_or_else(String::new, |advice| format!(": {advice}"));
            format!("Nothing, if it has nothing to clean up: it was gone at once. Otherwise handle {stop} in the program{how}.")
        }
        (Verdict::SigtermDropped, _) => match program.handler_advice(&stop) {
            Some(advice) => format!("Handle {stop} in the program: {advice}; or {init}, which at least ends it at once."),
            None => format!("Handle {stop} in the program, or {init}: not being PID 1, it then dies by {stop} at once."),
        },
        (Verdict::SigtermIgnored, _) => format!("Do not ignore {stop}: look for signal({stop}, SIG_IGN) in the program, trap '' {} in a script, or nohup; children inherit it.", stop.trim_start_matches("SIG")),
        (Verdict::SigtermBlocked, _) => format!("Unblock {stop} (pthread_sigmask), or take it with sigwait or a signalfd; a blocked signal mask is inherited from whoever started the program."),
        (Verdict::NotForwarded, Some(Cause::NotWaitedFor)) => format!("Let {} wait for its children before it exits: they got {stop} and were finishing.", story.first()),
        (Verdict::NotForwarded, _) if program == Program::Init => "Let the init signal the whole group: tini -g -- …, or dumb-init (which does so unless --single-child); or let its only child be the program itself, started with exec.".to_owned(),
        (Verdict::NotForwarded, _) if program.is_shell() => format!("Pass it on in the trap and wait there: {}. Or start the program with exec.", shell_recipe(&stop)),
        (Verdict::NotForwarded, _) => format!("Let {} pass {stop} on to its children and wait for them; or start the program with exec so that it is PID 1 itself.", story.first()),
        (Verdict::TooSlow, Some(Cause::TrapDeferred)) => format!("Run the program in the background, so that the trap runs at once, and wait for it there: {}. Or start it with exec.", shell_recipe(&stop)),
        (Verdict::TooSlow, Some(Cause::PreStopUsedItAll)) => "Make terminationGracePeriodSeconds longer than the preStop hook and the shutdown together: the hook counts against it.".to_owned(),
        (Verdict::TooSlow, _) if story.was_kept_from_running() => "Find out what kept it from running: a SIGSTOP, a debugger, a paused container (docker pause), or storage that does not answer. A longer grace period would not help.".to_owned(),
        (Verdict::TooSlow, _) => {
            let budget = termination.grace.budget_ms.map_or_else(String::new, |budget| format!(" than {}", period(budget)));
            format!("Make the shutdown faster, or the grace period longer{budget} (docker run --stop-timeout; terminationGracePeriodSeconds in the pod).")
        }
        (Verdict::OomKilled, _) => "Raise the memory limit, or find what uses the memory; this was no shutdown.".to_owned(),
        (Verdict::Killed, Some(Cause::NeverSignalled)) => "Use docker stop or kubectl delete with a grace period instead of a forced removal.".to_owned(),
        (Verdict::Graceful | Verdict::Exited | Verdict::Killed, _) => return None,
        (Verdict::Crashed, _) => "Look at the program's own logs and at its core dump if there is one.".to_owned(),
    })
}

/// Remarks beside the verdict.
pub(super) fn hints(story: &Story<'_>) -> Vec<Hint> {
    let termination = story.termination;
    let mut hints = Vec::new();
    let took = story.took();
    if termination.verdict == Verdict::Graceful && termination.pre_stop.is_none() && took < limits::TOO_EARLY_MS {
        hints.push(Hint {
            kind: HintKind::TooEarly,
            text: format!(
                "It exited {} after {}. If it is a server, load balancers may still send it requests, which now fail; a preStop sleep of a few seconds gives them time.",
                seconds(took),
                story.stop()
            ),
        });
    }
    let left: Vec<_> = story
        .members
        .iter()
        .filter(|process| matches!(story.places.get(&process.key()), Some(Place::Outside)))
        .filter(|process| process.started_program && process.exit.is_none_or(|(_, s)| s.signal() == Some(Signal::KILL)))
        .filter(|process| termination.pre_stop.as_ref().is_none_or(|hook| hook.process.pid != process.task.pid))
        .copied()
        .collect();
    if !left.is_empty() {
        hints.push(Hint {
            kind: HintKind::LeftBehind,
            text: format!(
                "{} {} not below the first process (started by an exec): no stop signal goes there.",
                names(&left),
                if left.len() == 1 { "is" } else { "are" }
            ),
        });
    }
    if let Some(text) = twice(story) {
        hints.push(Hint { kind: HintKind::Twice, text });
    }
    hints
}

/// A process that got the stop signal from two senders.
fn twice(story: &Story<'_>) -> Option<String> {
    let signal = story.signal?;
    story.members.iter().find_map(|process| {
        let mut senders: Vec<_> = process
            .received
            .iter()
            .filter(|receipt| receipt.signal == signal.signal && receipt.at >= signal.at && receipt.role != Role::Own)
            .map(|receipt| (receipt.sender.pid, receipt.sender.comm))
            .collect();
        senders.dedup();
        let [(_, one), (_, other), ..] = senders.as_slice() else { return None };
        Some(format!(
            "{} got {} {}, from {one} and from {other}: many programs take the second one as the order to quit at once.",
            names(&[*process]),
            signal.signal,
            count(senders.len(), "time", "times")
        ))
    })
}
