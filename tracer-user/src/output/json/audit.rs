//! A container as an audit finds it: a line of kind `audit`.

use serde::Serialize;

use crate::audit::{Audited, Foreseen, Note, Pids, Sight};
use crate::model::{Cause, Verdict};
use crate::signal::Signal;

use super::shape::{InContainer, Seconds};

/// The fields of the line.
#[derive(Serialize)]
pub(super) struct Audit<'a> {
    container: InContainer<'a>,
    runtime: Option<&'a str>,
    image: Option<&'a str>,
    process: Process<'a>,
    stop_signal: Signal,
    stop_signal_source: &'a str,
    grace_s: Option<Seconds>,
    pre_stop: bool,
    outcome: Foreseen,
    verdict: Option<Verdict>,
    cause: Option<Cause>,
    certain: bool,
    explanation: &'a str,
    evidence: &'a [String],
    evidence_source: &'static str,
    fix: Option<&'a str>,
    init: Option<Init<'a>>,
    notes: &'a [Note],
    zombies: Zombies<'a>,
    pids: Figures,
}

#[derive(Serialize)]
struct Process<'a> {
    pid: u32,
    ns_pid: Option<u32>,
    start: u64,
    comm: &'a str,
    exe: Option<&'a str>,
    command: &'a [String],
    is_init: bool,
}

#[derive(Serialize)]
struct Init<'a> {
    name: &'a str,
    depth: usize,
}

#[derive(Serialize)]
struct Zombies<'a> {
    count: usize,
    oldest_at_most_ms: Option<u64>,
    parents: Vec<Parent<'a>>,
    fix: Option<&'a str>,
}

#[derive(Serialize)]
struct Parent<'a> {
    pid: u32,
    ns_pid: Option<u32>,
    comm: &'a str,
    is_first: bool,
    zombies: usize,
}

#[derive(Serialize)]
struct Figures {
    current: Option<u64>,
    max: Option<u64>,
}

impl<'a> Audit<'a> {
    pub(super) fn new(audited: &'a Audited) -> Self {
        let (subject, finding) = (&audited.subject, &audited.finding);
        let Pids { current, max } = subject.pids;
        Self {
            container: InContainer::new(&subject.container),
            runtime: subject.runtime.as_deref(),
            image: subject.image.as_deref(),
            process: process(&subject.first),
            stop_signal: subject.stop.signal,
            stop_signal_source: &subject.stop.source,
            grace_s: subject.grace_ms.map(Seconds),
            pre_stop: subject.pre_stop,
            outcome: finding.foreseen,
            verdict: finding.verdict,
            cause: finding.cause,
            certain: finding.certain,
            explanation: &finding.explanation,
            evidence: &finding.evidence,
            evidence_source: match subject.sight {
                Sight::Kernel => "kernel",
                Sight::Proc => "proc",
            },
            fix: finding.fix.as_deref(),
            init: finding.init.as_ref().map(|init| Init { name: &init.name, depth: init.depth }),
            notes: &finding.notes,
            zombies: zombies(audited),
            pids: Figures { current, max },
        }
    }
}

fn process(first: &crate::audit::Process) -> Process<'_> {
    Process {
        pid: first.pid,
        ns_pid: first.ns_pid,
        start: first.start,
        comm: &first.comm,
        exe: first.exe.as_deref(),
        command: &first.command,
        is_init: first.init,
    }
}

fn zombies(audited: &Audited) -> Zombies<'_> {
    let zombies = &audited.subject.zombies;
    let parents = zombies.parents.iter().map(|parent| Parent {
        pid: parent.pid,
        ns_pid: parent.ns_pid,
        comm: &parent.comm,
        is_first: parent.first,
        zombies: parent.zombies,
    });
    Zombies {
        count: zombies.count,
        oldest_at_most_ms: zombies.oldest_at_most_ms,
        parents: parents.collect(),
        fix: audited.finding.zombie_fix.as_deref(),
    }
}
