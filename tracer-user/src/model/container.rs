//! Containers: what is known of each, and the state of its stop.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::event::{BootNs, CgroupFigures, CgroupId, Comm, Described, Foresight, PidNamespace, TaskKey};

use crate::signal::SignalSet;

use super::change::{ContainerName, ContainerNews, ContainerRef, Kill, Party, PreStop, Sender};
use super::dropped::Dropped;
use super::hook::Joined;
use super::names::ContainerState;
use super::orphans::Orphans;
use super::pod::PodKey;
use super::process::{Process, Receipt};
use super::respawn::Respawn;

/// A container.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each learned from another event")]
pub struct Container {
    /// Id, name, pod: shared with everything that was said about it.
    pub name: ContainerRef,
    /// Its own cgroups, of v2 and of v1: on a hybrid host it has both, and 0 stands for none.
    pub cgroups: [CgroupId; 2],
    /// Path of that cgroup.
    pub path: String,
    /// Runtime, as the path or the runtime itself says.
    pub runtime: String,
    /// UID of the pod, where the path tells it.
    pub pod_uid: Option<String>,
    /// Its pod.
    pub pod: Option<PodKey>,
    /// What a runtime said.
    pub described: Option<Described>,
    /// What its first process runs is what pod sandboxes run; what a runtime says counts more.
    pub(super) looks_like_sandbox: bool,
    /// What was told of its coming.
    pub(super) told: Told,
    /// The first process: PID 1 of most containers.
    pub first: Option<TaskKey>,
    /// The first process is decided and does not change any more.
    pub(super) settled: bool,
    /// Its end was told, and its cgroup stays: whoever comes next is the first process of another life.
    pub(super) over: bool,
    /// Its cgroup is gone.
    pub gone: Option<BootNs>,
    /// When its cgroup was found.
    pub(super) found: BootNs,
    /// When its stop was over, while that is not told yet.
    pub(super) closing: Option<BootNs>,
    /// The stop that goes on.
    pub stop: Option<Stop>,
    /// The last signal that may turn out to be the reason of an end.
    pub(super) candidate: Option<Attempt>,
    /// Signals the first process has handlers for, as last read by the kernel programs.
    pub caught: Option<SignalSet>,
    /// What would become of the stop signal, as it was foreseen last, and when.
    pub foresight: Option<(BootNs, Foresight)>,
    /// Processes that are gone, kept while a stop goes on or may begin.
    pub(super) departed: VecDeque<Process>,
    /// Execs from outside, the last few.
    pub(super) execs: VecDeque<Joined>,
    /// The last process here that the OOM killer chose, and when.
    pub(super) oom: Option<(BootNs, Party)>,
    /// Last loss of events that may concern it.
    pub(super) loss: Option<BootNs>,
    /// What it runs had run for a while when it was seen for the first time: when that was.
    pub(super) late: Option<BootNs>,
    /// Figures of its cgroup.
    pub figures: CgroupFigures,
    /// Signals to it so far, counted-only ones included.
    pub signals: u64,
    /// Zombies that were told and are there.
    pub zombies: usize,
    /// How many there were when the condition was told.
    pub(super) zombies_reported: usize,
    /// It was said, too, that nearly all its pids are used.
    pub(super) told_nearly_full: bool,
    pub(super) respawn: Respawn,
    pub(super) orphans: Orphans,
    /// Signals that its first process had no handler for, outside a stop.
    pub(super) dropped: Vec<Dropped>,
}

/// What was told of a container's coming, by how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Told {
    Nothing,
    Found,
    /// And that it took the place of another.
    Restarted,
}

/// A signal to a first process that asks it to end, or may turn out to have done so.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The signal, and what became of it.
    pub receipt: Receipt,
    /// Who sent it.
    pub sender: Sender,
    /// Who took it: a process may run another program by the time it ends, as systemd runs systemd-shutdown.
    pub taker: Taker,
    /// Its handler raised it again, and that was dropped: when for the first time, and when for the last.
    pub reraised: Option<(BootNs, BootNs)>,
}

/// The program that a first process was running when a signal came.
#[derive(Clone, Debug, Default)]
pub struct Taker {
    /// Its name.
    pub comm: Comm,
    /// Executable, where known.
    pub exe: Option<String>,
}

impl Attempt {
    /// It was raised again, and dropped.
    pub(super) fn was_reraised(&mut self, at: BootNs) {
        let (first, last) = self.reraised.unwrap_or((at, at));
        self.reraised = Some((first.min(at), last.max(at)));
    }

    pub(super) const fn new(receipt: Receipt, sender: Sender, taker: Taker) -> Self {
        Self { receipt, sender, taker, reraised: None }
    }
}

/// A stop that goes on: all that the verdict will need.
#[derive(Clone, Debug)]
pub struct Stop {
    /// The first process when it began.
    pub first: Option<TaskKey>,
    /// First sign.
    pub started: BootNs,
    /// The stop signal.
    pub request: Option<Attempt>,
    /// SIGKILL to the first process.
    pub kill: Option<Kill>,
    /// preStop hook.
    pub pre_stop: Option<PreStop>,
    /// The first process as it exited.
    pub exit: Option<(BootNs, super::change::ExitStatus)>,
    /// The first process is gone, and its exit was lost.
    pub vanished: bool,
    /// Live processes when the stop signal came, that the first process was waiting for: direct children.
    pub children: Vec<TaskKey>,
}

impl Stop {
    /// The stop signal as the first process got it.
    #[must_use]
    pub fn signal(&self) -> Option<&Receipt> {
        self.request.as_ref().map(|request| &request.receipt)
    }

    /// Who sent the stop signal, or the SIGKILL when there was none.
    #[must_use]
    pub fn sender(&self) -> Option<&Sender> {
        let request = self.request.as_ref().map(|request| &request.sender);
        request.or_else(|| self.kill.as_ref().map(|kill| &kill.sender))
    }
}

impl Container {
    pub(super) fn new(id: &str) -> Self {
        Self {
            name: Arc::new(ContainerName { id: id.to_owned(), ..ContainerName::default() }),
            cgroups: [CgroupId(0); 2],
            path: String::new(),
            runtime: String::new(),
            pod_uid: None,
            pod: None,
            described: None,
            looks_like_sandbox: false,
            told: Told::Nothing,
            first: None,
            settled: false,
            over: false,
            gone: None,
            found: BootNs(0),
            closing: None,
            stop: None,
            candidate: None,
            caught: None,
            foresight: None,
            departed: VecDeque::new(),
            execs: VecDeque::new(),
            oom: None,
            loss: None,
            late: None,
            figures: CgroupFigures::default(),
            signals: 0,
            zombies: 0,
            zombies_reported: 0,
            told_nearly_full: false,
            respawn: Respawn::default(),
            orphans: Orphans::default(),
            dropped: Vec::new(),
        }
    }

    /// A new life under the same id: a runtime restarted it.
    pub(super) fn restart(&mut self) {
        let Self { name, path, runtime, pod_uid, pod, described, signals, zombies, zombies_reported, .. } = self;
        let mut fresh = Self::new("");
        std::mem::swap(&mut fresh.name, name);
        std::mem::swap(&mut fresh.path, path);
        std::mem::swap(&mut fresh.runtime, runtime);
        std::mem::swap(&mut fresh.pod_uid, pod_uid);
        fresh.pod = *pod;
        fresh.described = described.take().map(|described| Described { pid: None, ..described });
        fresh.signals = *signals;
        // the last life's may still be there
        (fresh.zombies, fresh.zombies_reported) = (*zombies, *zombies_reported);
        *self = fresh;
    }

    /// A new life in the same cgroup, which nobody removed (`--cgroup`): what the last one did says nothing of this one. Its
    /// zombies may still be there.
    pub(super) fn live_again(&mut self, first: TaskKey) {
        (self.first, self.settled, self.over) = (Some(first), false, false);
        (self.caught, self.foresight, self.oom) = (None, None, None);
        self.execs.clear();
        self.dropped.clear();
        (self.respawn, self.orphans) = (Respawn::default(), Orphans::default());
    }

    /// Its own cgroup: that of v2 where it has both.
    #[must_use]
    pub const fn cgroup(&self) -> CgroupId {
        if self.cgroups[0].0 == 0 { self.cgroups[1] } else { self.cgroups[0] }
    }

    /// Configured stop signal, if a runtime told it.
    #[must_use]
    pub fn stop_signal(&self) -> Option<crate::signal::Signal> {
        self.described.as_ref().and_then(|described| described.stop_signal)
    }

    /// Configured grace period, ms.
    #[must_use]
    pub fn grace_ms(&self) -> Option<u64> {
        self.described.as_ref().and_then(|described| described.grace_ms)
    }

    /// The pid namespace it was configured to have.
    #[must_use]
    pub fn pid_namespace(&self) -> Option<PidNamespace> {
        self.described.as_ref().and_then(|described| described.pid_namespace)
    }

    /// Whether it is a pod's pause container: by the runtime's word, or as long as there is none, by what it runs.
    #[must_use]
    pub fn is_sandbox(&self) -> bool {
        self.described.as_ref().map_or(self.looks_like_sandbox, |described| described.sandbox)
    }

    pub(super) fn news(&self, state: ContainerState) -> ContainerNews {
        let described = self.described.as_ref();
        ContainerNews {
            state,
            name: self.name.clone(),
            image: described.and_then(|described| described.image.clone()),
            runtime: described
                .and_then(|described| described.runtime.clone())
                .or_else(|| (!self.runtime.is_empty()).then(|| self.runtime.clone())),
            pid: self.first.map(|first| first.pid).or_else(|| described.and_then(|described| described.pid)),
            stop_signal: self.stop_signal(),
            grace_ms: self.grace_ms(),
            restarts: described.and_then(|described| described.restarts),
            sandbox_id: described.and_then(|described| described.sandbox_id.clone()),
        }
    }
}
