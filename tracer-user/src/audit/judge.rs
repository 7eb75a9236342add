//! From a subject to a finding: what would become of the stop signal, what else is wrong, what to change. Pure.

use serde::Serialize;

use crate::event::Foreseen;
use crate::model::{Cause, Fault, Program, Verdict, fix_for, in_time, zombie_fix};
use crate::signal::Signal;

use super::fate::{Fate, fate, program};
use super::known;
use super::notes::{is_taken_to_reexecute, meaning, notes, runs, runs_several};
use super::subject::{Process, Sight, Subject, Thread, Waits};

/// What an audit says of a container.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What would become of the stop signal at the first process.
    pub foreseen: Foreseen,
    /// The verdict that a stop would end with, where that can be told: `None` is neither good nor bad. A signal that is
    /// caught or taken promises no graceful end.
    pub verdict: Option<Verdict>,
    /// More about why.
    pub cause: Option<Cause>,
    /// Nothing is assumed that was not seen.
    pub certain: bool,
    /// It may be the state of a moment: look again.
    pub passing: bool,
    /// Why, in a sentence. Not safe for a terminal.
    pub explanation: String,
    /// What was seen, fact by fact. Not safe for a terminal.
    pub evidence: Vec<String>,
    /// What to change. Not safe for a terminal.
    pub fix: Option<String>,
    /// The init made for containers, if there is one among the container's processes.
    pub init: Option<Init>,
    /// What else there is to say.
    pub notes: Vec<Note>,
    /// What to do about zombies, where there are any. Not safe for a terminal.
    pub zombie_fix: Option<String>,
}

/// An init made for containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Init {
    /// What it is called: `tini`.
    pub name: String,
    /// 0 when it is the container's first process, 1 when it is a child of it, and so on.
    pub depth: usize,
}

/// A remark beside the finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What it is about, as one word of a closed set.
    pub note: NoteKind,
    /// In a sentence. Not safe for a terminal.
    pub text: String,
}

/// What a remark is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoteKind {
    /// The entrypoint is a shell that runs the program as its child.
    ShellForm,
    /// An init is there, but not as the first process.
    InitNotFirst,
    /// What the init's child would do with the signal that is forwarded.
    Forwarded,
    /// A shell's trap waits for its foreground child.
    TrapDeferred,
    /// The first process is not init of its pid namespace.
    NotInit,
    /// It takes the signal, and does something else than to end.
    OtherMeaning,
    /// The first process is stopped.
    Stopped,
}

impl Note {
    pub(super) const fn new(note: NoteKind, text: String) -> Self {
        Self { note, text }
    }
}

impl NoteKind {
    /// The fixed spelling.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        match self {
            Self::ShellForm => "shell-form",
            Self::InitNotFirst => "init-not-first",
            Self::Forwarded => "forwarded",
            Self::TrapDeferred => "trap-deferred",
            Self::NotInit => "not-init",
            Self::OtherMeaning => "other-meaning",
            Self::Stopped => "stopped",
        }
    }
}

/// What would become of the stop signal, and all the rest.
#[must_use]
pub fn judge(subject: &Subject) -> Finding {
    let signal = subject.stop.signal;
    let fate = fate(&subject.first, signal, subject.sight);
    let verdict = verdict(&fate, signal);
    Finding {
        foreseen: fate.foreseen,
        verdict,
        cause: fate.cause,
        // it may be stopped by another signal
        certain: fate.certain && !subject.stop.is_assumed(),
        passing: fate.passing,
        evidence: evidence(subject),
        fix: fix(subject, &fate, verdict),
        init: known::init_of(subject),
        notes: notes(subject, &fate),
        zombie_fix: zombies(subject),
        explanation: format!("{}.", fate.why),
    }
}

/// How a stop would end, where that follows.
fn verdict(fate: &Fate, signal: Signal) -> Option<Verdict> {
    match fate.foreseen {
        Foreseen::Dropped => Some(Verdict::SigtermDropped),
        Foreseen::Ignored => Some(Verdict::SigtermIgnored),
        Foreseen::Blocked => Some(Verdict::SigtermBlocked),
        Foreseen::Default if signal == Signal::KILL => Some(Verdict::Killed),
        Foreseen::Default if signal.default_is_stop() => None,
        Foreseen::Default => Some(Verdict::DefaultAction),
        Foreseen::Unknown | Foreseen::Caught | Foreseen::Taken => None,
    }
}

fn fix(subject: &Subject, fate: &Fate, verdict: Option<Verdict>) -> Option<String> {
    let signal = subject.stop.signal;
    if signal == Signal::KILL || (fate.foreseen == Foreseen::Default && signal.default_is_stop()) {
        return Some(format!(
            "{signal} leaves the program no time to clean up: make the stop signal one that it can handle (STOPSIGNAL SIGTERM in the Dockerfile)."
        ));
    }
    if fate.foreseen == Foreseen::Ignored && !subject.first.ignored.has(signal) {
        return Some(format!(
            "Make the stop signal one that the program handles (STOPSIGNAL in the Dockerfile), or handle {signal} in it."
        ));
    }
    if is_taken_to_reexecute(&subject.first, signal, fate) {
        return meaning(&subject.first, signal, fate).map(|meaning| in_time(meaning.fix, subject.grace_ms));
    }
    let (called, runs) = (subject.first.called(), runs(subject));
    let fault = Fault::new(verdict?, fate.cause, kind(subject), Some(signal), &called)
        .with_caught(subject.first.caught)
        .with_grace(subject.grace_ms)
        .with_below(runs.as_deref())
        .with_several(runs_several(subject))
        .with_pod(subject.container.pod.is_some())
        .foreseen();
    fix_for(&fault)
}

/// The kind of program that decides which advice helps: a Go program has no advice but Go's own.
fn kind(subject: &Subject) -> Program {
    if subject.first.go.is_some() { Program::Other } else { program(&subject.first) }
}

fn zombies(subject: &Subject) -> Option<String> {
    let worst = subject.zombies.parents.first()?;
    let own = zombie_fix(&worst.comm, false);
    Some(match worst.ns_pid {
        // whose children they were nobody can see any more
        Some(1) => format!("{own} If they are orphans that it adopted: {}", lower(&zombie_fix(&worst.comm, true))),
        _ => own,
    })
}

/// A sentence as the continuation of another.
fn lower(sentence: &str) -> String {
    let mut rest = sentence.chars();
    rest.next().map_or_else(String::new, |first| first.to_lowercase().chain(rest).collect())
}

/// The facts behind it, as `/proc` would spell them.
fn evidence(subject: &Subject) -> Vec<String> {
    let (first, signal) = (&subject.first, subject.stop.signal);
    let mut facts = vec![
        if first.init { "init of its pid namespace".to_owned() } else { "not init of its pid namespace".to_owned() },
        format!("SigCgt {:016x} ({})", first.caught.0, has(first.caught.has(signal), signal)),
        format!("SigIgn {:016x} ({})", first.ignored.0, has(first.ignored.has(signal), signal)),
        blocked(first, signal),
    ];
    facts.extend(first.threads.iter().filter_map(|thread| waiting(thread, signal)).take(4));
    let fds = first.signalfds.iter().flatten().take(8);
    facts
        .extend(fds.map(|fd| format!("signalfd {}: {:016x} ({})", fd.fd, fd.mask.0, has(fd.mask.has(signal), signal))));
    if let Some(actions) = first.actions.filter(|_| first.caught.has(signal)) {
        facts.push(format!("sa_flags of {signal}: {:#x}", actions.of(signal).flags));
    }
    if first.signalfds.is_none() {
        facts.push("its file descriptors cannot be read".to_owned());
    }
    if subject.sight == Sight::Proc {
        facts.push("seen through /proc alone".to_owned());
    }
    facts
}

fn has(holds: bool, signal: Signal) -> String {
    if holds { format!("with {signal}") } else { format!("without {signal}") }
}

fn blocked(process: &Process, signal: Signal) -> String {
    let live = process.threads.iter().filter(|thread| !thread.exiting);
    let (blocking, all) = live.fold((0, 0), |(n, all), thread| (n + usize::from(thread.blocked.has(signal)), all + 1));
    match (blocking, all) {
        (0, 1) => format!("its one thread does not block {signal}"),
        (_, 1) => format!("its one thread blocks {signal}"),
        (n, all) => format!("{n} of {all} threads block {signal}"),
    }
}

fn waiting(thread: &Thread, signal: Signal) -> Option<String> {
    let tid = thread.tid;
    match thread.waits {
        Waits::For(signals) => Some(format!(
            "thread {tid} sits in sigtimedwait for {:016x} ({})",
            signals.0,
            has(signals.has(signal), signal)
        )),
        Waits::Somehow => Some(format!("thread {tid} sits in sigtimedwait; for which signals cannot be read")),
        Waits::Unseen => Some(format!("the system call of thread {tid} cannot be read")),
        Waits::No => None,
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
