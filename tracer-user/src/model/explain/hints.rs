//! Remarks beside a verdict: what deserves a look although it did not decide.

use crate::event::{BootNs, Comm};
use crate::signal::Signal;

use super::super::change::Hint;
use super::super::container::Container;
use super::super::lifecycle::is_setup;
use super::super::limits;
use super::super::names::{HintKind, Outcome, Role, Verdict};
use super::super::process::{Place, Process, Receipt};
use super::super::program::{Program, in_time};
use super::super::signals::ASKING;
use super::super::words::{count, seconds};
use super::fix::{child_alone, set_stop_signal};
use super::{Story, ended, names};

/// Remarks beside the verdict.
pub(in crate::model) fn hints(story: &Story<'_>) -> Vec<Hint> {
    let termination = story.termination;
    let mut hints = Vec::new();
    let took = story.took();
    let has_hook = termination.pre_stop.is_some() || story.container.unseen_hook().is_some();
    // whoever had to wait for others of its pod is out of the endpoints by then
    let waited = story.patience.late_ms.is_some();
    if termination.verdict == Verdict::Graceful && !has_hook && !waited && took < limits::TOO_EARLY_MS {
        hints.push(Hint {
            kind: HintKind::TooEarly,
            text: format!(
                "It exited {} after {}. If it is a server, load balancers may still send it requests, which now fail; a preStop sleep of a few seconds gives them time.",
                seconds(took),
                story.stop()
            ),
        });
    }
    if let Some(text) = left_behind(story) {
        hints.push(Hint { kind: HintKind::LeftBehind, text });
    }
    if let Some(text) = twice(story) {
        hints.push(Hint { kind: HintKind::Twice, text });
    }
    if let Some(text) = cut_off(story) {
        hints.push(Hint { kind: HintKind::CutOff, text });
    }
    if let Some(text) = only_this_container(story) {
        hints.push(Hint { kind: HintKind::OnlyThisContainer, text });
    }
    if let Some(text) = pre_stop_failed(story) {
        hints.push(Hint { kind: HintKind::PreStopFailed, text });
    }
    if let Some(text) = fast_stop(story).or_else(|| no_time_for_workers(story)) {
        hints.push(Hint { kind: HintKind::FastStop, text });
    }
    hints
}

/// The pod goes on without it. kubelet tells all containers of a pod at once, but those with a preStop hook get their stop
/// signal after that, sidecars get it when the others have ended, and an end at once may have been faster than what tells
/// the others. A sidecar begins before what it serves: one that began later and was never restarted is none.
fn only_this_container(story: &Story<'_>) -> Option<String> {
    let termination = story.termination;
    let told = termination.sender.as_ref().is_some_and(|sender| sender.role == Role::Runtime);
    let waited = termination.exited?.ms_since(termination.started) >= limits::TOLD_LATE_MS;
    let own_start = story.container.first?.start;
    let has_hook = |other: &&Container| other.described.as_ref().is_none_or(|d| d.pre_stop || d.hook.is_some());
    let is_no_sidecar = |other: &&Container| {
        let restarts = other.described.as_ref().and_then(|described| described.restarts);
        restarts == Some(0) && other.first.is_some_and(|first| first.start > own_start)
    };
    if !told || !waited || story.others.iter().any(has_hook) || !story.others.iter().any(is_no_sidecar) {
        return None;
    }
    let others: Vec<_> = story.others.iter().take(3).map(|other| other.name.own()).collect();
    let more = if story.others.len() > others.len() { ", …" } else { "" };
    Some(format!(
        "Only this container of the pod was told to stop, {}{more} went on: kubelet restarts one whose liveness or startup probe failed (look for Unhealthy and Killing in kubectl describe pod).",
        others.join(", ")
    ))
}

fn pre_stop_failed(story: &Story<'_>) -> Option<String> {
    let (hook, status) = story.failed_hook()?;
    let process = hook.process.as_ref()?;
    let what = if is_setup(process.comm) {
        "could not be started (is its command in the image?)".to_owned()
    } else {
        format!("({}) {} after {}", process.comm, ended(status), seconds(hook.used_ms))
    };
    Some(format!("The preStop hook {what}: kubelet tells FailedPreStopHook and goes on with the stop signal."))
}

/// Whoever looks after a process asked it to end, and lost its patience: the container ended in time, the process did not.
fn cut_off(story: &Story<'_>) -> Option<String> {
    let signal = story.signal?;
    story.members.iter().find_map(|process| {
        let since = || process.received.iter().filter(|receipt| receipt.at >= signal.at);
        let kills = |receipt: &&Receipt| receipt.signal == Signal::KILL && receipt.outcome == Outcome::Default;
        let kill = since().filter(kills).find(|receipt| receipt.role == Role::Inside)?;
        let asks = |receipt: &&Receipt| receipt.signal == signal.signal || ASKING.contains(&receipt.signal);
        let asked = since().filter(asks).find(|receipt| receipt.sender.pid == kill.sender.pid)?;
        let waited = kill.at.0.checked_sub(asked.at.0).map(|_| kill.at.ms_since(asked.at))?;
        let why = match asked.outcome {
            Outcome::Ignored => format!("ignores {}", asked.signal),
            _ if waited < limits::PATIENCE_MS => return None,
            _ => format!("had not ended {} after {}", seconds(waited), asked.signal),
        };
        let killer = &kill.sender.comm;
        Some(format!("{} {why}, and {killer} sent it SIGKILL: what it was doing was cut off.", names(&[*process])))
    })
}

/// It ended in time because its stop signal is the one for a fast shutdown: of the first process, or of the child that an init
/// gave it to. What a supervisor sends its programs is the supervisor's to configure.
fn fast_stop(story: &Story<'_>) -> Option<String> {
    let signal = story.signal.filter(|_| story.termination.verdict == Verdict::Graceful)?;
    let took = |process: &&&Process| {
        process.received.iter().any(|r| r.signal == signal.signal && r.at >= signal.at && r.outcome == Outcome::Caught)
    };
    let deepest = u32::from(story.facts.program.forwards());
    let near = |process: &&&Process| matches!(story.places.get(&process.key()), Some(Place::Below(depth)) if *depth <= deepest);
    let (process, gentle) = story.members.iter().filter(near).filter(took).find_map(|process| {
        let program = Program::of(process.comm().as_str(), process.exe.as_deref());
        program.gentle(signal.signal).map(|gentle| (process, gentle))
    })?;
    let with =
        gentle.with.map_or_else(String::new, |with| format!("; {}", in_time(with, story.termination.grace.budget_ms)));
    Some(format!(
        "{} took {} {}. {} lets it finish: {}{with}.",
        process.comm(),
        signal.signal,
        gentle.instead_of,
        gentle.signal,
        set_stop_signal(gentle.signal, story.container.pod.is_some()),
    ))
}

/// php-fpm sends SIGTERM after SIGQUIT when `process_control_timeout` is over, which is 0 unless it is set.
/// <https://github.com/php/php-src/blob/PHP-8.2/sapi/fpm/fpm/fpm_process_ctl.c>
fn no_time_for_workers(story: &Story<'_>) -> Option<String> {
    let signal = story.signal.filter(|signal| signal.signal == Signal::QUIT)?;
    let graceful = story.termination.verdict == Verdict::Graceful;
    if !graceful || story.facts.program != Program::PhpFpm {
        return None;
    }
    let master = story.termination.processes.first()?.process.pid;
    let gap = story.members.iter().find_map(|process| {
        let got = |wanted: Signal| {
            let by_master = |r: &&Receipt| r.signal == wanted && r.sender.pid == master && r.at >= signal.at;
            process.received.iter().find(by_master).map(|receipt| receipt.at)
        };
        let (asked, ended) = (got(Signal::QUIT)?, got(Signal::TERM)?);
        Some(ended.ms_since(asked)).filter(|gap| *gap < limits::PATIENCE_MS)
    })?;
    Some(format!(
        "php-fpm sent its workers SIGTERM {} after SIGQUIT: process_control_timeout is 0 unless it is set, and what they were serving was cut off. {}.",
        seconds(gap),
        in_time(
            "process_control_timeout = {s}s in its configuration gives them time",
            story.termination.grace.budget_ms
        )
    ))
}

/// Processes that an exec brought, and that nobody told to end.
fn left_behind(story: &Story<'_>) -> Option<String> {
    let termination = story.termination;
    let hook = termination.pre_stop.as_ref().and_then(|hook| hook.process.as_ref()).map(|hook| hook.pid);
    let over = termination.ended.or(termination.exited);
    // while the stop goes on it may still end by itself
    let life = |process: &Process| {
        let end = process.exit.map(|(at, _)| at).or(over);
        end.map_or(0, |end| end.ms_since(BootNs(process.task.start)))
    };
    let mut left: Vec<_> = story
        .members
        .iter()
        .filter(|process| matches!(story.places.get(&process.key()), Some(Place::Outside)))
        .filter(|process| process.started_program && process.exit.is_none_or(|(_, s)| s.signal() == Some(Signal::KILL)))
        .filter(|process| hook != Some(process.task.pid) && life(process) >= limits::LEFT_BEHIND_MS)
        .copied()
        .collect();
    left.sort_by_key(|process| std::cmp::Reverse(life(process)));
    let oldest = seconds(life(left.first()?));
    let (are, age) = if left.len() == 1 { ("is", oldest) } else { ("are", format!("up to {oldest}")) };
    Some(format!(
        "{} {are} not below the first process (started by an exec: docker exec, kubectl exec, a probe) and ran for {age}: no stop signal goes there, they are killed with the container.",
        names(&left)
    ))
}

/// A process that got the stop signal from two senders.
fn twice(story: &Story<'_>) -> Option<String> {
    let signal = story.signal?;
    story.members.iter().find_map(|process| {
        let mut senders: Vec<(u32, Comm, Role)> = Vec::new();
        let stops = process
            .received
            .iter()
            .filter(|receipt| receipt.signal == signal.signal && receipt.at >= signal.at && receipt.role != Role::Own);
        for receipt in stops {
            if !senders.iter().any(|(pid, ..)| *pid == receipt.sender.pid) {
                senders.push((receipt.sender.pid, receipt.sender.comm, receipt.role));
            }
        }
        let [(_, one, _), (_, other, _), ..] = senders.as_slice() else { return None };
        let again = "many programs take the second one as the order to quit at once";
        let who = names(&[*process]);
        if senders.iter().all(|(.., role)| *role == Role::Runtime) {
            // each of them is a process of its own, whoever asks for it
            let times = count(senders.len(), "time", "times");
            return Some(format!("{who} was told to stop {times} from outside, by {one}: {again}."));
        }
        let from = if one == other {
            format!("from two processes called {one}")
        } else {
            format!("from {one} and from {other}")
        };
        Some(format!(
            "{who} got {} {}, {from}: {again}.{}",
            signal.signal,
            count(senders.len(), "time", "times"),
            leave_it_to_one(&[*one, *other])
        ))
    })
}

/// How an init that signals a whole group leaves it to its child.
fn leave_it_to_one(senders: &[Comm]) -> String {
    let alone = senders.iter().find_map(|sender| child_alone(Program::of(sender.as_str(), None)));
    alone.map_or_else(String::new, |alone| format!(" {alone} signals its child alone, which looks after its own."))
}
