//! What the fold reports as it goes along: one variant for each kind of JSON line.
//!
//! A change carries everything a view says about it, so that views need no look-ups and a name stays after its
//! container is gone.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::event::{Ancestor, BootNs, Comm, Handler, Lost, Owner, PodName, SendResult};
use crate::signal::{Signal, SignalSet};

use super::names::{Cause, ConditionKind, ContainerState, HintKind, HookKind, Outcome, Role, Verdict};
use super::pod::{PodNews, RestartNews};

/// Something that became known, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// When it happened.
    pub at: BootNs,
    /// What.
    pub news: News,
}

/// What became known.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// A signal was sent.
    Signal(Box<SignalNews>),
    /// A signal was taken from the queue.
    Deliver(DeliverNews),
    /// A process exited.
    Exit(ExitNews),
    /// A process runs a new program.
    Exec(ProcessNews),
    /// A process was created, or joined the container from outside.
    Fork(ProcessNews),
    /// A zombie is old enough to be told, or such a one was reaped.
    Zombie(ZombieNews),
    /// A container appeared, was described, or is gone.
    Container(Box<ContainerNews>),
    /// A container is being stopped: live views show it from now on. No JSON line of its own.
    Stopping(Box<Termination>),
    /// A termination is complete.
    Termination(Arc<Termination>),
    /// A condition began (or got markedly worse).
    Condition(Arc<Condition>),
    /// All containers of a pod that had several have ended. No JSON line of its own.
    Pod(Box<PodNews>),
    /// A container took the place of one that ended, in the same pod. No JSON line of its own: the new container has one.
    Restarted(Box<RestartNews>),
    /// What would become of the stop signal of a container has been worked out. No JSON line of its own: `tracer audit` has.
    Foreseen(ContainerRef),
    /// Records were lost.
    Lost(Lost),
}

impl News {
    /// The container that it concerns, if it is one.
    #[must_use]
    pub fn container(&self) -> Option<&ContainerRef> {
        match self {
            Self::Signal(news) => news.container.as_ref(),
            Self::Deliver(news) => news.container.as_ref(),
            Self::Exit(news) => news.container.as_ref(),
            Self::Exec(news) | Self::Fork(news) => news.container.as_ref(),
            Self::Zombie(news) => news.container.as_ref(),
            Self::Container(news) => Some(&news.name),
            Self::Stopping(news) => Some(&news.container),
            Self::Termination(news) => Some(&news.container),
            Self::Condition(news) => news.container.as_ref(),
            Self::Pod(news) => news.any_container(),
            Self::Restarted(news) => Some(&news.container),
            Self::Foreseen(container) => Some(container),
            Self::Lost(_) => None,
        }
    }
}

/// A container as other news refer to it. Shared: one a container.
pub type ContainerRef = Arc<ContainerName>;

/// Id and names of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerName {
    /// Full id.
    pub id: String,
    /// Name, once a runtime told it.
    pub name: Option<String>,
    /// Its pod, likewise.
    pub pod: Option<PodName>,
    /// `PROJECT/SERVICE` of Docker Compose, where its labels tell one, with `-N` behind it from the second replica on:
    /// what people call it.
    pub service: Option<String>,
    /// The workload that its pod belongs to, once the API of Kubernetes told it.
    pub owner: Option<Owner>,
    /// Its labels and those of its pod, once a runtime told them.
    pub labels: BTreeMap<String, String>,
    /// It is the sandbox of its pod, the pause container: no container to people.
    pub sandbox: bool,
    /// Its pod and some of its labels may still be told.
    pub partial: bool,
}

impl ContainerName {
    /// What people call it: `NAMESPACE/POD/CONTAINER`, `PROJECT/SERVICE`, the name, or the short id. From strangers:
    /// not safe for a terminal.
    #[must_use]
    pub fn friendly(&self) -> String {
        match (&self.pod, &self.service) {
            (Some(pod), _) => format!("{}/{}", pod.friendly(), self.own()),
            (None, Some(service)) => service.clone(),
            (None, None) => self.own().to_owned(),
        }
    }

    /// What it is called within its pod, or at all: its name, or the short id; a sandbox is `(sandbox)`.
    #[must_use]
    pub fn own(&self) -> &str {
        match (&self.name, self.sandbox) {
            (_, true) => "(sandbox)",
            (Some(name), false) => name,
            (None, false) => self.short_id(),
        }
    }

    /// The id, cut to the twelve characters people use when it is a long hexadecimal one.
    #[must_use]
    pub fn short_id(&self) -> &str {
        let hex = self.id.len() >= 32 && self.id.bytes().all(|b| b.is_ascii_hexdigit());
        if hex { &self.id[..12] } else { &self.id }
    }
}

/// A process in a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Party {
    /// Host pid.
    pub pid: u32,
    /// Host thread id.
    pub tid: u32,
    /// Pid in its innermost namespace; `None` when unknown.
    pub ns_pid: Option<u32>,
    /// Start, ns since boot; 0 when unknown.
    pub start: u64,
    /// Name.
    pub comm: Comm,
    /// Init of its pid namespace.
    pub is_init: bool,
    /// Parent's host pid, where it matters and is known.
    pub ppid: Option<u32>,
    /// The container it belongs to.
    pub container: Option<ContainerRef>,
}

/// A signal was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalNews {
    /// Which.
    pub signal: Signal,
    /// What the kernel said.
    pub result: SendResult,
    /// What becomes of it.
    pub outcome: Outcome,
    /// `si_code`.
    pub code: i32,
    /// Who sent it.
    pub sender: Party,
    /// As what.
    pub role: Role,
    /// The sender's ancestors, nearest first, when it came from outside.
    pub ancestors: Vec<Ancestor>,
    /// For whom.
    pub target: Party,
    /// The target's disposition.
    pub handler: Handler,
    /// What the target blocks.
    pub mask: SignalSet,
    /// What it handles, where that was read.
    pub caught: Option<SignalSet>,
    /// The target's container.
    pub container: Option<ContainerRef>,
}

/// A signal was taken from the queue.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliverNews {
    /// Which.
    pub signal: Signal,
    /// The disposition it met.
    pub handler: Handler,
    /// The kernel dropped it here: default action at an init.
    pub dropped: bool,
    /// ns since it was generated, when that was seen.
    pub latency: Option<u64>,
    /// Who took it.
    pub target: Party,
    /// Its container.
    pub container: Option<ContainerRef>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitStatus {
    /// Wait status.
    pub raw: u32,
}

impl ExitStatus {
    /// Exit code, unless it died by a signal.
    #[must_use]
    pub const fn code(self) -> Option<u32> {
        match self.raw & 0x7f {
            0 => Some((self.raw >> 8) & 0xff),
            _ => None,
        }
    }

    /// The signal it died by.
    #[must_use]
    pub const fn signal(self) -> Option<Signal> {
        Signal::new(self.raw & 0x7f)
    }

    /// Whether the kernel wrote a core dump.
    #[must_use]
    pub const fn core_dumped(self) -> bool {
        self.raw & 0x80 != 0
    }
}

/// A process exited.
#[derive(Clone, Debug, PartialEq)]
pub struct ExitNews {
    /// Who.
    pub process: Party,
    /// How.
    pub status: ExitStatus,
    /// Its container.
    pub container: Option<ContainerRef>,
}

/// A process was created or runs a new program.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessNews {
    /// Who.
    pub process: Party,
    /// It came from outside the container (`docker exec`, `kubectl exec`, a probe, a hook).
    pub joined: bool,
    /// File name given to `execve`.
    pub filename: Option<String>,
    /// Its container.
    pub container: Option<ContainerRef>,
}

/// A zombie.
#[derive(Clone, Debug, PartialEq)]
pub struct ZombieNews {
    /// Reaped at last (true), or told for the first time.
    pub reaped: bool,
    /// Who.
    pub process: Party,
    /// Who should reap it, unless that is unknown.
    pub parent: Option<Party>,
    /// Time since its exit, ms.
    pub age_ms: u64,
    /// Its container.
    pub container: Option<ContainerRef>,
}

/// A container appeared, was described, or is gone.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerNews {
    /// Which of the three.
    pub state: ContainerState,
    /// Id, name and pod.
    pub name: ContainerRef,
    /// Image.
    pub image: Option<String>,
    /// Runtime.
    pub runtime: Option<String>,
    /// Host pid of the first process.
    pub pid: Option<u32>,
    /// Configured stop signal.
    pub stop_signal: Option<Signal>,
    /// Configured grace period, ms.
    pub grace_ms: Option<u64>,
    /// How often kubelet restarted it in its pod before this one.
    pub restarts: Option<u32>,
    /// Full id of its pod's sandbox.
    pub sandbox_id: Option<String>,
}

/// The end of a container, from the first sign to the last process.
#[derive(Clone, Debug, PartialEq)]
pub struct Termination {
    /// Whose.
    pub container: ContainerRef,
    /// Why it ended the way it did. Meaningful once `ended` is known.
    pub verdict: Verdict,
    /// More about why.
    pub cause: Option<Cause>,
    /// Nothing of this container was lost while it ended.
    pub certain: bool,
    /// The stop signal that was really sent.
    pub stop_signal: Option<Signal>,
    /// What became of it at the first process.
    pub outcome: Option<Outcome>,
    /// A blocked stop signal was taken (`sigwait`, `signalfd`, …) without a handler.
    pub taken: bool,
    /// Who sent it, or the SIGKILL when no stop signal was sent.
    pub sender: Option<Sender>,
    /// The SIGKILL to the first process, and who sent it.
    pub kill: Option<Kill>,
    /// First sign.
    pub started: BootNs,
    /// First sign of a stop in any container of its pod, during the same stop of the pod; `None` where there is none: no
    /// pod, an end by itself, or others of the pod that went on without being told to stop.
    pub pod_started: Option<BootNs>,
    /// Exit of the first process.
    pub exited: Option<BootNs>,
    /// Last process gone; `None` while it goes on.
    pub ended: Option<BootNs>,
    /// The request to the API of Kubernetes to delete its pod, when it ended for that and the API told.
    pub deletion: Option<Deleted>,
    /// The workload that its pod belongs to, likewise.
    pub owner: Option<Owner>,
    /// Grace period.
    pub grace: Grace,
    /// How the first process ended.
    pub exit: Option<ExitStatus>,
    /// Every process there was from the first sign on: the first process, its descendants as a tree in preorder, and
    /// last those not below it. The preStop hook's is among them.
    pub processes: Vec<TerminationProcess>,
    /// preStop hook, when one ran.
    pub pre_stop: Option<PreStop>,
    /// Remarks.
    pub hints: Vec<Hint>,
    /// What happened, in one or two sentences with the numbers of this case.
    pub explanation: String,
    /// What to change, if anything is to be changed.
    pub fix: Option<String>,
}

impl Termination {
    /// Where its time begins: the pod's first sign, where that is known and earlier than its own.
    #[must_use]
    pub fn axis_start(&self) -> BootNs {
        self.started.min(self.counted_from()).min(self.pod_started.unwrap_or(self.started))
    }

    /// Where its picture begins: with the request to delete its pod, where that is known.
    #[must_use]
    pub fn picture_start(&self) -> BootNs {
        let start = self.axis_start();
        self.deletion.map_or(start, |deletion| deletion.requested.min(start))
    }

    /// Where the runtime began to count the grace period; its own first sign where that is not known.
    #[must_use]
    pub fn counted_from(&self) -> BootNs {
        if self.grace.since == BootNs(0) { self.started } else { self.grace.since }
    }
}

/// The request to delete a pod, as one of its containers met it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// When it was made, give or take [`crate::event::Deletion::PRECISION_MS`].
    pub requested: BootNs,
    /// The grace period that was asked for, ms.
    pub grace_ms: u64,
    /// From the request to the first signal of the stop, ms, if there was one: a preStop hook is in it.
    pub until_signal_ms: Option<u64>,
    /// It is when the request was heard: the clocks of the API's server and this node do not agree.
    pub imprecise: bool,
}

/// Who sent a decisive signal.
#[derive(Clone, Debug, PartialEq)]
pub struct Sender {
    /// The process.
    pub party: Party,
    /// As what.
    pub role: Role,
    /// Its ancestors, nearest first.
    pub ancestors: Vec<Ancestor>,
}

/// The SIGKILL.
#[derive(Clone, Debug, PartialEq)]
pub struct Kill {
    /// When.
    pub at: BootNs,
    /// By whom.
    pub sender: Sender,
}

/// The grace period of a termination.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grace {
    /// What was granted, ms, when known.
    pub budget_ms: Option<u64>,
    /// Who says so: `docker`, `cri`, `default`, or `observed` (the time between stop signal and SIGKILL).
    pub source: Option<String>,
    /// From [`Self::since`] to the exit of the first process, ms. The runtime counts from the first sign; from the start of
    /// a preStop hook that could not be seen; from the pod's first sign where a container had to wait for others.
    pub used_ms: u64,
    /// Where the runtime began to count.
    pub since: BootNs,
}

/// A preStop hook that ran.
#[derive(Clone, Debug, PartialEq)]
pub struct PreStop {
    /// What it does.
    pub kind: HookKind,
    /// Its process; none for what kubelet does itself, whose times are worked out from when it went on.
    pub process: Option<Party>,
    /// Start.
    pub started: BootNs,
    /// End, when it ended.
    pub ended: Option<BootNs>,
    /// How its process ended.
    pub exit: Option<ExitStatus>,
    /// The configured grace period, which it counts against, ms.
    pub of_ms: Option<u64>,
    /// What it used of that, ms: kubelet waits no longer than the grace period.
    pub used_ms: u64,
}

impl PreStop {
    /// What it used of the grace period, 1 for all of it; `None` where that is not known.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        let ms = |ms: u64| std::time::Duration::from_millis(ms).as_secs_f64();
        self.of_ms.filter(|of| *of > 0).map(|of| ms(self.used_ms) / ms(of))
    }

    /// Whether it is this process.
    #[must_use]
    pub fn is(&self, party: &Party) -> bool {
        self.process.as_ref().is_some_and(|process| process.pid == party.pid && process.start == party.start)
    }
}

/// A process during a termination.
#[derive(Clone, Debug, PartialEq)]
pub struct TerminationProcess {
    /// Who.
    pub process: Party,
    /// How deep below the first process: 0 for the first, 1 for its children; `None` when not below it (from an exec).
    pub depth: Option<u32>,
    /// Signals it was sent.
    pub received: Vec<Received>,
    /// How it ended.
    pub exit: Option<ExitStatus>,
    /// When.
    pub exited: Option<BootNs>,
}

/// A signal that a process was sent during a termination.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// Which.
    pub signal: Signal,
    /// When.
    pub at: BootNs,
    /// By whom.
    pub sender: Party,
    /// As what.
    pub role: Role,
    /// What became of it.
    pub outcome: Outcome,
    /// It was blocked, and taken by a wait.
    pub taken: bool,
}

impl Received {
    /// Whether it is worth telling. SIGKILL cannot be ignored: one that the kernel threw away came to a process that was
    /// dying already (`runc kill --all` often sends a second one).
    #[must_use]
    pub fn matters(&self) -> bool {
        self.outcome != Outcome::Noise && !(self.signal == Signal::KILL && self.outcome == Outcome::Ignored)
    }
}

/// A remark beside a verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Hint {
    /// Which.
    pub kind: HintKind,
    /// In a sentence.
    pub text: String,
}

/// Something wrong that is not the end of a container.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Which.
    pub kind: ConditionKind,
    /// Where.
    pub container: Option<ContainerRef>,
    /// What happened, with numbers.
    pub explanation: String,
    /// What to change.
    pub fix: Option<String>,
    /// Its figures, by name: what a machine wants to compare.
    pub figures: Vec<(&'static str, Figure)>,
}

/// One figure of a condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// A count or a time in the unit that the name ends with.
    Number(u64),
    /// A word or a name.
    Text(String),
    /// Not known.
    Unknown,
}
