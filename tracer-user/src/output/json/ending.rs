//! The two objects that are more than one event: terminations and conditions.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::shape::{Actor, InContainer, Seconds, Sender, Time, lossy};
use crate::event::{BootNs, Comm, Owner};
use crate::model::{
    self, Cause, ExitStatus, Figure, HintKind, HookKind, Outcome, Party, Received, Role, TerminationProcess, Verdict,
};
use crate::output::Clock;
use crate::signal::Signal;

#[derive(Serialize)]
pub(super) struct Termination<'a> {
    container: InContainer<'a>,
    verdict: Verdict,
    cause: Option<Cause>,
    certain: bool,
    stop_signal: Option<Signal>,
    outcome: Option<Outcome>,
    sender: Option<Sender<'a>>,
    started: Time,
    ended: Option<Time>,
    grace: Grace<'a>,
    exit: Option<Exit>,
    processes: Processes<'a>,
    hints: Hints<'a>,
    explanation: &'a str,
    fix: Option<&'a str>,
    taken: bool,
    exited: Option<Time>,
    kill: Option<Kill<'a>>,
    pre_stop: Option<PreStop>,
    pod_started: Option<Time>,
    deletion: Option<Deletion>,
    owner: Option<&'a Owner>,
}

impl<'a> Termination<'a> {
    pub(super) fn new(news: &'a model::Termination, clock: Clock) -> Self {
        let model::Grace { budget_ms, source, used_ms, since } = &news.grace;
        Self {
            container: InContainer::new(&news.container),
            verdict: news.verdict,
            cause: news.cause,
            certain: news.certain,
            stop_signal: news.stop_signal,
            outcome: news.outcome,
            sender: news.sender.as_ref().map(sender),
            started: Time(clock, news.started),
            ended: news.ended.map(|at| Time(clock, at)),
            grace: Grace {
                budget_s: budget_ms.map(Seconds),
                source: source.as_deref(),
                used_s: Seconds(*used_ms),
                since: Time(clock, *since),
            },
            exit: news.exit.map(Exit::new),
            processes: Processes { list: &news.processes, started: news.started },
            hints: Hints(&news.hints),
            explanation: &news.explanation,
            fix: news.fix.as_deref(),
            taken: news.taken,
            exited: news.exited.map(|at| Time(clock, at)),
            kill: news
                .kill
                .as_ref()
                .map(|kill| Kill { at_ms: offset_ms(kill.at, news.started), sender: sender(&kill.sender) }),
            pre_stop: news.pre_stop.as_ref().map(|hook| PreStop::new(hook, news.started, clock)),
            pod_started: news.pod_started.map(|at| Time(clock, at)),
            deletion: news.deletion.map(|deletion| Deletion {
                requested: Time(clock, deletion.requested),
                grace_s: Seconds(deletion.grace_ms),
                until_signal_s: deletion.until_signal_ms.map(Seconds),
                imprecise: deletion.imprecise,
            }),
            owner: news.owner.as_ref(),
        }
    }
}

fn sender(sender: &model::Sender) -> Sender<'_> {
    Sender::new(&sender.party, sender.role, &sender.ancestors)
}

/// Milliseconds from the first sign of the termination. Negative for what was seen late and happened before.
fn offset_ms(at: BootNs, started: BootNs) -> i64 {
    let ms = (i128::from(at.0) - i128::from(started.0)) / 1_000_000;
    i64::try_from(ms).unwrap_or(i64::MAX)
}

#[derive(Serialize)]
struct Grace<'a> {
    budget_s: Option<Seconds>,
    source: Option<&'a str>,
    used_s: Seconds,
    since: Time,
}

#[derive(Serialize)]
struct Deletion {
    requested: Time,
    grace_s: Seconds,
    until_signal_s: Option<Seconds>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    imprecise: bool,
}

#[derive(Serialize)]
struct Exit {
    code: Option<u32>,
    signal: Option<Signal>,
}

impl Exit {
    fn new(status: ExitStatus) -> Self {
        Self { code: status.code(), signal: status.signal() }
    }
}

#[derive(Serialize)]
struct Kill<'a> {
    at_ms: i64,
    sender: Sender<'a>,
}

#[derive(Serialize)]
struct PreStop {
    process: Option<Actor>,
    started: Time,
    ended: Option<Time>,
    exit: Option<Exit>,
    hook: HookKind,
    at_ms: i64,
    ended_ms: Option<i64>,
    used_s: Seconds,
    share: Option<f64>,
}

impl PreStop {
    fn new(hook: &model::PreStop, since: BootNs, clock: Clock) -> Self {
        Self {
            process: hook.process.as_ref().map(Actor::new),
            started: Time(clock, hook.started),
            ended: hook.ended.map(|at| Time(clock, at)),
            exit: hook.exit.map(Exit::new),
            hook: hook.kind,
            at_ms: offset_ms(hook.started, since),
            ended_ms: hook.ended.map(|at| offset_ms(at, since)),
            used_s: Seconds(hook.used_ms),
            // thousandths say enough
            share: hook.share().map(|share| (share * 1_000.0).round() / 1_000.0),
        }
    }
}

struct Processes<'a> {
    list: &'a [TerminationProcess],
    started: BootNs,
}

impl Serialize for Processes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.list.iter().map(|process| Process::new(process, self.started)))
    }
}

#[derive(Serialize)]
struct Process<'a> {
    pid: u32,
    ns_pid: Option<u32>,
    #[serde(serialize_with = "lossy")]
    comm: Comm,
    received: Inbox<'a>,
    exit: Option<ProcessExit>,
    start: Option<u64>,
    depth: Option<u32>,
}

impl<'a> Process<'a> {
    fn new(process: &'a TerminationProcess, started: BootNs) -> Self {
        let Party { pid, tid: _, ns_pid, start, comm, is_init: _, ppid: _, container: _ } = process.process;
        Self {
            pid,
            ns_pid,
            comm,
            received: Inbox { list: &process.received, started },
            exit: process.exit.map(|status| ProcessExit {
                code: status.code(),
                signal: status.signal(),
                at_ms: process.exited.map(|at| offset_ms(at, started)),
            }),
            start: (start != 0).then_some(start),
            depth: process.depth,
        }
    }
}

#[derive(Serialize)]
struct ProcessExit {
    code: Option<u32>,
    signal: Option<Signal>,
    at_ms: Option<i64>,
}

struct Inbox<'a> {
    list: &'a [Received],
    started: BootNs,
}

impl Serialize for Inbox<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.list.iter().map(|received| InboxSignal {
            signal: received.signal,
            at_ms: offset_ms(received.at, self.started),
            sender: InboxSender {
                pid: received.sender.pid,
                ns_pid: received.sender.ns_pid,
                comm: received.sender.comm,
                role: received.role,
            },
            outcome: received.outcome,
            taken: received.taken,
        }))
    }
}

#[derive(Serialize)]
struct InboxSignal {
    signal: Signal,
    at_ms: i64,
    sender: InboxSender,
    outcome: Outcome,
    taken: bool,
}

/// Shorter than [`Sender`]: there may be hundreds of these in a line.
#[derive(Serialize)]
struct InboxSender {
    pid: u32,
    ns_pid: Option<u32>,
    #[serde(serialize_with = "lossy")]
    comm: Comm,
    role: Role,
}

struct Hints<'a>(&'a [model::Hint]);

impl Serialize for Hints<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Hint<'a> {
            hint: HintKind,
            text: &'a str,
        }
        serializer.collect_seq(self.0.iter().map(|model::Hint { kind, text }| Hint { hint: *kind, text }))
    }
}

/// A condition: its figures stand beside the contract's fields, each under its own name.
pub(super) struct Condition<'a>(pub(super) &'a model::Condition);

impl Serialize for Condition<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let model::Condition { kind, container, explanation, fix, figures } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("condition", kind)?;
        map.serialize_entry("container", &InContainer::maybe(container.as_ref()))?;
        map.serialize_entry("explanation", explanation)?;
        map.serialize_entry("fix", fix)?;
        for (name, figure) in figures {
            match figure {
                Figure::Number(number) => map.serialize_entry(name, number)?,
                Figure::Text(text) => map.serialize_entry(name, text)?,
                Figure::Unknown => map.serialize_entry(name, &())?,
            }
        }
        map.end()
    }
}
