//! What happened, in a sentence or two with the numbers of the case.

use crate::event::PidNamespace;
use crate::signal::Signal;

use super::super::change::ExitStatus;
use super::super::names::{Cause, Outcome, Role, Verdict};
use super::super::process::{Process, Receipt};
use super::super::signals::handles_another;
use super::super::words::{count, period, seconds};
use super::budget::budget;
use super::{Story, chain, ended, is_elsewhere, names, sent_by};

/// What happened.
pub(in crate::model) fn what(story: &Story<'_>) -> String {
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
        (Verdict::SigtermIgnored, _) if does_nothing(story) => format!(
            "{sender} sent {stop} to {first}, which has no handler for it: without one {stop} does nothing; {}.",
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
            None => out_of_memory(story),
        },
        (Verdict::Killed, cause) => killed(story, cause),
        (Verdict::Crashed, _) => {
            let how = termination.exit.map_or_else(|| "died".to_owned(), ended);
            match story.sender_of_fault() {
                Some(sender) => format!("{first} {how}, which {sender} sent it: nothing that the program itself did."),
                None if story.signal.is_some() => {
                    format!(
                        "{first} {how} {} after {stop} from {sender}: a fault of the program itself as it ended.",
                        seconds(story.took())
                    )
                }
                None => format!("{first} {how}: a fault of the program itself, no stop was asked for."),
            }
        }
        (Verdict::Exited, _) if termination.exit.is_none() => {
            format!("{first} is gone, and nobody saw how it ended.")
        }
        (Verdict::Exited, _) => {
            let how = termination.exit.map_or_else(|| "exited".to_owned(), ended);
            format!(
                "{first} {how} by itself: nobody sent it a signal that could be the reason.{}{}{}",
                chain::followed(story),
                chain::took_along(story),
                shown_as(termination.exit)
            )
        }
    };
    let text = text + &meaning(story) + &story.init_below() + &budget(story);
    if termination.certain {
        text
    } else {
        format!("{text} Not all that happened in this container was seen, so this may not be the whole story.")
    }
}

/// What the program takes the signal for, where it took it and that is not what was meant.
fn meaning(story: &Story<'_>) -> String {
    let said = matches!(story.termination.verdict, Verdict::TooSlow | Verdict::NotForwarded)
        && !matches!(story.termination.cause, Some(Cause::PreStopUsedItAll | Cause::TrapDeferred))
        && !story.was_kept_from_running();
    let meaning = story.signal.and_then(|signal| story.facts.program.meaning(signal.signal)).filter(|_| said);
    meaning.map_or_else(String::new, |meaning| format!(" {}.", meaning.what))
}

/// The stop signal is one that does nothing where it has no handler.
fn does_nothing(story: &Story<'_>) -> bool {
    story.signal.is_some_and(|signal| signal.signal.default_is_ignore())
}

fn graceful(story: &Story<'_>) -> String {
    let termination = story.termination;
    let (first, stop, sender) = (story.first(), story.stop(), story.sender());
    let how = if termination.taken { "waits for signals, took" } else { "caught" };
    let of = termination.grace.budget_ms.map_or_else(String::new, |budget| format!(" of {}", period(budget)));
    let end = termination.exit.map_or_else(|| "exited".to_owned(), ended);
    let reraised = if story.facts.stop.as_ref().and_then(|fact| fact.reraised).is_some_and(|reraise| reraise.at_last) {
        format!(" At last it raised {stop} at itself, to die by it, which the kernel dropped: an init does not.")
    } else {
        String::new()
    };
    format!(
        "{first} {how} {stop} from {sender}, and {end} after {}{of}.{reraised}{}",
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
        if story.facts.below.iter().filter(|fact| fact.killed).all(|fact| fact.later) {
            return format!(
                "{first} {took} {stop} from {sender} and exited after {} without waiting for what it had started since: {} died by SIGKILL with its namespace.",
                seconds(story.took()),
                names(&killed)
            );
        }
        return format!(
            "{first} {took} {stop} from {sender} and passed it on, but exited after {} without waiting: {} had not finished and died by SIGKILL with its namespace.",
            seconds(story.took()),
            names(&killed)
        );
    }
    let killed = story.killed(true);
    let swallowed = chain::swallowed_by(story).map_or_else(String::new, |process| {
        format!(" {} got it, died of it, and passed nothing on.", names(&[process]))
    });
    let text = match &story.termination.kill {
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
    };
    text + &swallowed
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
            let hook = termination.pre_stop.as_ref();
            let name = match hook.map(|hook| (&hook.process, hook.kind)) {
                Some((Some(process), _)) => format!(" ({})", process.comm),
                Some((None, kind)) => format!(" ({}, which kubelet does itself)", kind.in_pod_spec()),
                None => String::new(),
            };
            let used = hook.map_or(0, |hook| hook.used_ms);
            format!(
                "The preStop hook{name} used {} of the grace period; {first} got {stop} only then and had {} left before {killer} sent SIGKILL.",
                seconds(used),
                seconds(after)
            )
        }
        _ if story.was_kept_from_running() => format!(
            "{stop} from {sender} was queued for {first}, which has a handler for it but never came to run it: it was stopped (SIGSTOP), frozen, or waiting inside the kernel; {killer} sent SIGKILL {} later.",
            seconds(after)
        ),
        _ => format!(
            "{first} {took} {stop} from {sender} and was still running when {killer} sent SIGKILL {} later.{}",
            seconds(after),
            dropped_below(story)
        ),
    }
}

/// ` main (pid 7) below it was sent SIGTERM, too, and …`, where the first process passed it on to an init of a nested namespace.
fn dropped_below(story: &Story<'_>) -> String {
    let Some(signal) = story.signal else { return String::new() };
    let first = story.termination.processes.first().map(|first| first.process.pid);
    let dropped = |process: &&&Process| {
        let of_it = |r: &Receipt| r.signal == signal.signal && r.at >= signal.at && r.outcome == Outcome::Dropped;
        Some(process.task.pid) != first && process.received.iter().any(of_it)
    };
    let inits: Vec<_> = story.members.iter().filter(dropped).copied().collect();
    if inits.is_empty() {
        return String::new();
    }
    format!(
        " {} below it got {}, too, and the kernel dropped it there: an init of a nested pid namespace never gets a signal it has no handler for.",
        names(&inits),
        signal.signal
    )
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
    let is_init = termination.processes.first().is_some_and(|first| first.process.is_init);
    let why = match signal.outcome {
        Outcome::Caught => {
            "its handler only set the default action again and raised it at itself; it is not init of its pid namespace"
                .to_owned()
        }
        // complete_signal() does not ask whether it is an init: see `may_be_fatal_to_init` of the audit
        Outcome::Blocked if is_init => format!(
            "it has no handler for {}, which its first thread blocks and another thread does not; then this kernel does not spare even an init",
            signal.signal
        ),
        _ => "it has no handler and is not init of its pid namespace".to_owned(),
    };
    format!(
        "{first} died by {} from {sender} after {}: {why}{}, so the default action ended it. Nothing was cleaned up.{rest}",
        signal.signal,
        seconds(story.took()),
        whose_namespace(story.container.pid_namespace())
    )
}

/// Who is init where the container is not in a pid namespace of its own.
fn whose_namespace(mode: Option<PidNamespace>) -> &'static str {
    match mode {
        Some(PidNamespace::Pod) => " (shareProcessNamespace: PID 1 is the pod's pause process)",
        Some(PidNamespace::Host) => " (hostPID: PID 1 is the node's init)",
        Some(PidNamespace::Target) => " (it is in that of another container)",
        Some(PidNamespace::Container) | None => "",
    }
}

/// Whom the OOM killer chose, who asked for the memory that was not there, and who was killed along.
fn out_of_memory(story: &Story<'_>) -> String {
    let first = story.first();
    let Some(group) = story.oom_group() else {
        return format!("The kernel's OOM killer killed {first}: the memory limit was reached.");
    };
    let chosen = names(&[group.chosen]);
    let how = if group.asked.pid == group.chosen.task.pid {
        format!("{chosen} reached the memory limit, and the kernel's OOM killer chose it")
    } else {
        let asked = group.asked.ns_pid.unwrap_or(group.asked.pid);
        format!(
            "{} (pid {asked}) reached the memory limit, and the kernel's OOM killer chose {chosen}",
            group.asked.comm
        )
    };
    format!(
        "{how}; as memory.oom.group is set, it killed the whole container with it: {}.",
        count(group.died, "process", "processes")
    )
}

fn killed(story: &Story<'_>, cause: Option<Cause>) -> String {
    let first = story.first();
    let Some(kill) = &story.termination.kill else {
        return format!("{first} died by SIGKILL; who sent it was not seen.");
    };
    let by = sent_by(&kill.sender);
    match (kill.sender.role, cause) {
        (Role::Runtime | Role::Host, None) if !story.termination.certain => format!(
            "{by} sent SIGKILL to {first}. No stop signal was seen before it: there was none, or it came before tracer looked, and a grace period ran out."
        ),
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
