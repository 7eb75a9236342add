//! The objects of the contract. Field order is the order on the line: the contract's fields first, further ones after.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::event::{Ancestor, BootNs, Comm, Handler, Lost, PodName, SendResult};
use crate::model::{
    ContainerName, ContainerNews, ContainerRef, ContainerState, DeliverNews, ExitNews, Outcome, Party, ProcessNews,
    Role, SignalNews, ZombieNews,
};
use crate::output::{Clock, si_code};
use crate::signal::{Signal, SignalSet};

/// A moment, as RFC 3339.
pub(super) struct Time(pub(super) Clock, pub(super) BootNs);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.rfc3339(self.1))
    }
}

/// Milliseconds told in seconds: `30`, or `0.25` where there is a fraction.
pub(super) struct Seconds(pub(super) u64);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(1000) {
            serializer.serialize_u64(self.0 / 1000)
        } else {
            serializer.serialize_f64(Duration::from_millis(self.0).as_secs_f64())
        }
    }
}

/// A task's name as a string in any case: broken UTF-8 becomes U+FFFD.
pub(super) fn lossy<S: Serializer>(comm: &Comm, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(comm.bytes()))
}

/// A sender's ancestors.
fn lineage<S: Serializer>(ancestors: &&[Ancestor], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Named {
        pid: u32,
        #[serde(serialize_with = "lossy")]
        comm: Comm,
    }
    serializer.collect_seq(ancestors.iter().map(|ancestor| Named { pid: ancestor.pid, comm: ancestor.comm }))
}

/// A pod. What is not known is null: Podman's have no namespace.
#[derive(Serialize)]
struct Pod<'a> {
    namespace: Option<&'a str>,
    name: Option<&'a str>,
    uid: Option<&'a str>,
}

impl<'a> Pod<'a> {
    fn new(PodName { namespace, name, uid }: &'a PodName) -> Self {
        let known = |text: &'a str| Some(text).filter(|text| !text.is_empty());
        Self { namespace: known(namespace), name: known(name), uid: known(uid) }
    }
}

/// A container inside another kind.
#[derive(Serialize)]
pub(super) struct InContainer<'a> {
    id: &'a str,
    name: Option<&'a str>,
    pod: Option<Pod<'a>>,
    service: Option<&'a str>,
}

impl<'a> InContainer<'a> {
    pub(super) fn new(container: &'a ContainerName) -> Self {
        let ContainerName { id, name, pod, service, owner: _, labels: _, sandbox: _, partial: _ } = container;
        Self { id, name: name.as_deref(), pod: pod.as_ref().map(Pod::new), service: service.as_deref() }
    }

    pub(super) fn maybe(container: Option<&'a ContainerRef>) -> Option<Self> {
        container.map(|container| Self::new(container))
    }
}

/// Who sent a signal.
#[derive(Serialize)]
pub(super) struct Sender<'a> {
    pid: u32,
    ns_pid: Option<u32>,
    #[serde(serialize_with = "lossy")]
    comm: Comm,
    container: Option<InContainer<'a>>,
    role: Role,
    tid: u32,
    start: Option<u64>,
    #[serde(serialize_with = "lineage")]
    ancestors: &'a [Ancestor],
}

impl<'a> Sender<'a> {
    pub(super) fn new(party: &'a Party, role: Role, ancestors: &'a [Ancestor]) -> Self {
        let Party { pid, tid, ns_pid, start, comm, is_init: _, ppid: _, container } = party;
        let container = InContainer::maybe(container.as_ref());
        Self { pid: *pid, ns_pid: *ns_pid, comm: *comm, container, role, tid: *tid, start: known(*start), ancestors }
    }
}

/// Whom a signal was for.
#[derive(Serialize)]
pub(super) struct Target {
    pid: u32,
    ns_pid: Option<u32>,
    start: Option<u64>,
    #[serde(serialize_with = "lossy")]
    comm: Comm,
    is_init: bool,
    tid: u32,
}

impl Target {
    pub(super) fn new(party: &Party) -> Self {
        let Party { pid, tid, ns_pid, start, comm, is_init, ppid: _, container: _ } = *party;
        Self { pid, ns_pid, start: known(start), comm, is_init, tid }
    }
}

/// A process that does something itself.
#[derive(Serialize)]
pub(super) struct Actor {
    pid: u32,
    ns_pid: Option<u32>,
    start: Option<u64>,
    #[serde(serialize_with = "lossy")]
    comm: Comm,
    ppid: Option<u32>,
    is_init: bool,
}

impl Actor {
    pub(super) fn new(party: &Party) -> Self {
        let Party { pid, tid: _, ns_pid, start, comm, is_init, ppid, container: _ } = *party;
        Self { pid, ns_pid, start: known(start), comm, ppid, is_init }
    }
}

/// A process that should have reaped another.
#[derive(Serialize)]
struct Parent {
    pid: u32,
    ns_pid: Option<u32>,
    #[serde(serialize_with = "lossy")]
    comm: Comm,
    is_init: bool,
}

/// The model writes 0 for a start it does not know; no process but the first of the machine starts at 0.
fn known(start: u64) -> Option<u64> {
    (start != 0).then_some(start)
}

fn handler(handler: Handler) -> Option<Handler> {
    (handler != Handler::Unknown).then_some(handler)
}

#[derive(Serialize)]
pub(super) struct SignalFields<'a> {
    signal: Signal,
    number: u8,
    result: SendResult,
    outcome: Outcome,
    code: Cow<'static, str>,
    sender: Sender<'a>,
    target: Target,
    container: Option<InContainer<'a>>,
    handler: Option<Handler>,
    mask: SignalSet,
    caught: Option<SignalSet>,
}

impl<'a> SignalFields<'a> {
    pub(super) fn new(news: &'a SignalNews) -> Self {
        Self {
            signal: news.signal,
            number: news.signal.number(),
            result: news.result,
            outcome: news.outcome,
            code: si_code::name(news.signal, news.code),
            sender: Sender::new(&news.sender, news.role, &news.ancestors),
            target: Target::new(&news.target),
            container: InContainer::maybe(news.container.as_ref()),
            handler: handler(news.handler),
            mask: news.mask,
            caught: news.caught,
        }
    }
}

#[derive(Serialize)]
pub(super) struct DeliverFields<'a> {
    signal: Signal,
    number: u8,
    handler: Option<Handler>,
    latency_ns: Option<u64>,
    target: Target,
    container: Option<InContainer<'a>>,
    dropped: bool,
}

impl<'a> DeliverFields<'a> {
    pub(super) fn new(news: &'a DeliverNews) -> Self {
        Self {
            signal: news.signal,
            number: news.signal.number(),
            handler: handler(news.handler),
            latency_ns: news.latency,
            target: Target::new(&news.target),
            container: InContainer::maybe(news.container.as_ref()),
            dropped: news.dropped,
        }
    }
}

#[derive(Serialize)]
pub(super) struct ExitFields<'a> {
    process: Actor,
    code: Option<u32>,
    signal: Option<Signal>,
    core_dumped: bool,
    container: Option<InContainer<'a>>,
}

impl<'a> ExitFields<'a> {
    pub(super) fn new(news: &'a ExitNews) -> Self {
        Self {
            process: Actor::new(&news.process),
            code: news.status.code(),
            signal: news.status.signal(),
            core_dumped: news.status.core_dumped(),
            container: InContainer::maybe(news.container.as_ref()),
        }
    }
}

#[derive(Serialize)]
pub(super) struct ProcessFields<'a> {
    process: Actor,
    container: Option<InContainer<'a>>,
    joined: bool,
    filename: Option<&'a str>,
}

impl<'a> ProcessFields<'a> {
    pub(super) fn new(news: &'a ProcessNews) -> Self {
        Self {
            process: Actor::new(&news.process),
            container: InContainer::maybe(news.container.as_ref()),
            joined: news.joined,
            filename: news.filename.as_deref(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct ZombieFields<'a> {
    state: &'static str,
    process: Actor,
    parent: Option<Parent>,
    age_ms: u64,
    container: Option<InContainer<'a>>,
}

impl<'a> ZombieFields<'a> {
    pub(super) fn new(news: &'a ZombieNews) -> Self {
        Self {
            state: if news.reaped { "reaped" } else { "started" },
            process: Actor::new(&news.process),
            parent: news.parent.as_ref().map(|parent| Parent {
                pid: parent.pid,
                ns_pid: parent.ns_pid,
                comm: parent.comm,
                is_init: parent.is_init,
            }),
            age_ms: news.age_ms,
            container: InContainer::maybe(news.container.as_ref()),
        }
    }
}

#[derive(Serialize)]
pub(super) struct ContainerFields<'a> {
    state: ContainerState,
    id: &'a str,
    name: Option<&'a str>,
    image: Option<&'a str>,
    runtime: Option<&'a str>,
    pid: Option<u32>,
    stop_signal: Option<Signal>,
    grace_s: Option<Seconds>,
    pod: Option<Pod<'a>>,
    service: Option<&'a str>,
    restarts: Option<u32>,
    sandbox_id: Option<&'a str>,
    labels: &'a BTreeMap<String, String>,
}

impl<'a> ContainerFields<'a> {
    pub(super) fn new(news: &'a ContainerNews) -> Self {
        Self {
            state: news.state,
            id: &news.name.id,
            name: news.name.name.as_deref(),
            image: news.image.as_deref(),
            runtime: news.runtime.as_deref(),
            pid: news.pid,
            stop_signal: news.stop_signal,
            grace_s: news.grace_ms.map(Seconds),
            pod: news.name.pod.as_ref().map(Pod::new),
            service: news.name.service.as_deref(),
            restarts: news.restarts,
            sandbox_id: news.sandbox_id.as_deref(),
            labels: &news.name.labels,
        }
    }
}

/// Counts by kind, below a key of their own: `signal` means something else in every other line.
#[derive(Serialize)]
pub(super) struct LossFields {
    counts: LossCounts,
    total: u64,
}

#[derive(Serialize)]
struct LossCounts {
    signal: u64,
    deliver: u64,
    exit: u64,
    fork: u64,
    exec: u64,
    reaped: u64,
    cgroup: u64,
    joined: u64,
    oom: u64,
    untracked: u64,
    undecodable: u64,
}

impl LossFields {
    pub(super) fn new(lost: &Lost) -> Self {
        // spelled out, so that a new kind of loss cannot be forgotten here
        let Lost { signal, deliver, exit, fork, exec, reaped, cgroup, joined, oom, untracked, undecodable } = *lost;
        let counts =
            LossCounts { signal, deliver, exit, fork, exec, reaped, cgroup, joined, oom, untracked, undecodable };
        Self { counts, total: lost.total() }
    }
}
