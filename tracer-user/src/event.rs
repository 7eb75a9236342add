//! The events: the only thing that crosses from the world into the model.
//!
//! What the kernel saw, what the snapshot showed at start, what a container runtime said: all are events, all can
//! be recorded, and a recording replays to exactly the same state. Times are `CLOCK_BOOTTIME` nanoseconds, pids
//! are the host's unless their name says `ns_`. This is also the format of recordings and scenario files: a line is
//! `[time, {"kind": {…}}]`. A change of shape needs a new [`crate::stream::FORMAT`].

use serde::{Deserialize, Serialize};

use crate::signal::{Signal, SignalSet};

mod comm;
mod foresight;
mod ids;
#[cfg(test)]
pub(crate) mod made;
mod pod;

pub use comm::Comm;
pub use foresight::{Foreseen, Foresight};
pub use ids::{BootNs, CgroupId, TaskKey};
pub use pod::{Deletion, Owner, PodTold};

/// Something that happened, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event(pub BootNs, pub What);

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A signal was generated (kernel, `signal_generate`).
    Signal(SignalSent),
    /// A signal was taken from the queue (kernel, `signal_deliver`).
    Deliver(Delivered),
    /// The last thread of a process began to exit (kernel, `sched_process_exit`).
    Exit(Exited),
    /// A process was created (kernel, `sched_process_fork`).
    Fork(Forked),
    /// A process runs a new program (kernel, `sched_process_exec`).
    Exec(Execed),
    /// A process was reaped (kernel, `sched_process_free`).
    Reaped(Reaped),
    /// A process was moved into a tracked cgroup (kernel, `cgroup_attach_task`).
    Joined(Joined),
    /// The OOM killer chose a process (kernel, `mark_victim`).
    OomVictim(OomVictim),
    /// A process that was there already (task iterator at start, or again after a loss).
    Process(ProcessSeen),
    /// Pending signals of a process, looked up in `/proc` because the model asked.
    Pending(PendingSeen),
    /// Where a process is stuck, looked up in `/proc` because the model asked.
    State(StateSeen),
    /// A cgroup belongs to a container, or the container's own cgroup was found.
    Cgroup(CgroupFound),
    /// A cgroup was removed (kernel, `cgroup_rmdir`).
    CgroupGone(CgroupGone),
    /// A container is traced no longer: the filters do not ask for it.
    Dismissed(Dismissed),
    /// A runtime described a container.
    Described(Described),
    /// The API of Kubernetes told something of a pod.
    Pod(PodTold),
    /// Figures of a container's cgroup (`pids.current`, `pids.max`).
    CgroupFigures(CgroupFigures),
    /// What would become of a container's stop signal, looked up because the model asked.
    Foreseen(Foresight),
    /// Signals counted in the kernel and not streamed, since the last such event.
    Counted(Counted),
    /// Records that did not fit into the ring.
    Lost(Lost),
    /// Nothing but the passage of time: recorded so that a replay closes what live tracing closed.
    Tick {},
}

/// A process at the moment of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Process id on the host.
    pub pid: u32,
    /// Thread id on the host; the process id for a single-threaded process.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tid: u32,
    /// Process id in the innermost pid namespace.
    pub ns_pid: u32,
    /// Start, ns since boot.
    pub start: u64,
    /// Its cgroup, 0 when unknown.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cgroup: CgroupId,
    /// Name of the program.
    pub comm: Comm,
    /// Bits of [`tracer_common::task_flags`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub flags: u32,
}

impl Task {
    /// Its identity.
    #[must_use]
    pub const fn key(&self) -> TaskKey {
        TaskKey { pid: self.pid, start: self.start }
    }

    /// Whether a bit of [`tracer_common::task_flags`] is set.
    #[must_use]
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Whether it is init of its innermost pid namespace.
    #[must_use]
    pub const fn is_init(&self) -> bool {
        self.has(tracer_common::task_flags::INIT)
    }
}

/// What the kernel did with a signal when it was generated: `TRACE_SIGNAL_*` of `include/trace/events/signal.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SendResult {
    /// Put into the queue (0).
    Queued,
    /// Thrown away: nobody would ever take it (1).
    Ignored,
    /// The same signal was pending already (2).
    AlreadyPending,
    /// A real-time signal did not fit into the queue (3).
    Overflow,
    /// Queued, but without its siginfo (4).
    InfoLost,
}

/// The target's disposition for a signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handler {
    /// `SIG_DFL`.
    Default,
    /// `SIG_IGN`.
    Ignore,
    /// A function of the program.
    #[serde(rename = "handler")]
    Function,
    /// Could not be read.
    #[default]
    Unknown,
}

/// A signal was generated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalSent {
    /// Which.
    pub signal: Signal,
    /// What the kernel did with it.
    pub result: SendResult,
    /// `si_code`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub code: i32,
    /// For whom.
    pub target: Task,
    /// Who was running when it was generated.
    pub sender: Task,
    /// Parent, grandparent, … of a sender outside the target's cgroup.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ancestors: Vec<Ancestor>,
    /// The target's disposition.
    pub handler: Handler,
    /// `sa_flags` of the target's action.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sa_flags: u32,
    /// Sent to the process (true) or to one thread.
    #[serde(default, skip_serializing_if = "is_default")]
    pub group: bool,
    /// The addressed thread blocks it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub blocked: bool,
    /// The addressed thread sits in `sigtimedwait` (or alike) for a set that may hold it: `real_blocked`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub real_blocked: bool,
    /// All that the addressed thread blocks (`blocked | real_blocked`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub mask: SignalSet,
    /// Signals the target has handlers for, where they were read (drops at an init).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caught: Option<SignalSet>,
    /// Signals the target ignores, where they were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored: Option<SignalSet>,
}

/// One ancestor of a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ancestor {
    /// Process id on the host.
    pub pid: u32,
    /// Name.
    pub comm: Comm,
}

/// A signal was taken from the queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivered {
    /// Which.
    pub signal: Signal,
    /// `si_code`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub code: i32,
    /// Who took it.
    pub target: Task,
    /// Its disposition.
    pub handler: Handler,
    /// `sa_flags`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sa_flags: u32,
}

/// The last thread of a process began to exit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exited {
    /// Who.
    pub task: Task,
    /// Its parent at this moment.
    pub parent: Task,
    /// Wait status as `waitpid` tells it.
    pub status: u32,
    /// The kernel reaps it: the parent ignores `SIGCHLD`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub autoreap: bool,
    /// Signals sent to it and never taken.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pending: SignalSet,
}

/// A process was created.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forked {
    /// The new one.
    pub child: Task,
    /// Its parent.
    pub parent: Task,
}

/// A process runs a new program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Execed {
    /// Who; its `comm` is the new one.
    pub task: Task,
    /// Its parent.
    pub parent: Task,
    /// File name as given to `execve`, control characters escaped.
    pub filename: String,
    /// What runs that file, if it is a script (`#!`), likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<String>,
}

/// A process was reaped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reaped {
    /// Who.
    pub task: Task,
}

/// A process was moved into a tracked cgroup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Joined {
    /// Who; `cgroup` is the new one.
    pub task: Task,
    /// Its parent.
    pub parent: Task,
}

/// The OOM killer chose a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OomVictim {
    /// Host pid of the victim.
    pub pid: u32,
    /// The whole of it, where the kernel tells (6.8 and later).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
}

/// A process that was there already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessSeen {
    /// Who.
    pub task: Task,
    /// Its parent.
    pub parent: Task,
    /// It is a zombie: it exited before and was not reaped. Holds the wait status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zombie: Option<u32>,
    /// Signals its leader blocks (`blocked | real_blocked`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub blocked: SignalSet,
    /// Pending signals.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pending: SignalSet,
    /// Signals with handlers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub caught: SignalSet,
    /// Signals ignored explicitly.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ignored: SignalSet,
    /// Executable, where `/proc/PID/exe` could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<String>,
}

/// Pending signals of a process, read from `/proc/PID/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PendingSeen {
    /// Whose.
    pub task: TaskKey,
    /// `ShdPnd | SigPnd`.
    pub pending: SignalSet,
}

/// State of a process, read from `/proc/PID/{stat,stack}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateSeen {
    /// Whose.
    pub task: TaskKey,
    /// One letter as in `/proc/PID/stat`: R, S, D, T, t, Z; X for a process that is gone.
    pub state: char,
    /// Kernel stack, innermost function first, if it could be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stack: Vec<String>,
}

/// A cgroup belongs to a container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CgroupFound {
    /// The cgroup.
    pub cgroup: CgroupId,
    /// Path from the root of its hierarchy.
    pub path: String,
    /// Id of the innermost container it belongs to: 64 hex digits for most runtimes.
    pub container: String,
    /// This is the container's own cgroup, not one below it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub own: bool,
    /// What the path tells of the runtime: `docker`, `containerd`, `cri-o`, `podman`, … or `cgroup`, `process` for
    /// what `--cgroup` and `--pid` name.
    pub runtime: String,
    /// UID of the pod, where the path tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_uid: Option<String>,
    /// Made just now (true) or found at start.
    #[serde(default, skip_serializing_if = "is_default")]
    pub new: bool,
}

/// A cgroup was removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CgroupGone {
    /// Which.
    pub cgroup: CgroupId,
}

/// A container that the filters do not ask for: of what happens there nobody is told from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dismissed {
    /// Full id.
    pub container: String,
}

/// What a runtime said about a container. Everything it did not say is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
#[serde(deny_unknown_fields, default)]
pub struct Described {
    /// Full id of the container.
    pub id: String,
    /// Name as the runtime's own tools show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Image as the user named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// `docker`, `containerd`, `cri-o`, `podman`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// Host pid of the first process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Stop signal from the image or the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<Signal>,
    /// Grace period, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_ms: Option<u64>,
    /// Who told the grace period: `docker`, `cri`, `default` (nobody set one: the runtime's own).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_source: Option<String>,
    /// A preStop hook is configured.
    #[serde(skip_serializing_if = "is_default")]
    pub pre_stop: bool,
    /// What that hook does, where the runtime tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook: Option<Hook>,
    /// Labels; those of its pod as well, which are the ones people select by.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub labels: std::collections::BTreeMap<String, String>,
    /// Its pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodName>,
    /// The entrypoint and its arguments, as configured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The runtime put an init (tini) of its own before the command.
    #[serde(skip_serializing_if = "is_default")]
    pub init: bool,
    /// A pod sandbox (pause container): belongs to the pod and is not listed as a container.
    #[serde(skip_serializing_if = "is_default")]
    pub sandbox: bool,
    /// Full id of the sandbox of its pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox_id: Option<String>,
    /// How often kubelet restarted it in its pod before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarts: Option<u32>,
    /// The pid namespace it was configured to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid_namespace: Option<PidNamespace>,
    /// Where kubelet has its pod from: `api`; `file` or `http` for a static one, which deleting its mirror in the API
    /// does not stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_source: Option<String>,
    /// Its pod and some of its labels may be missing: it was told before they were known.
    #[serde(skip_serializing_if = "is_default")]
    pub partial: bool,
}

impl Described {
    /// Keeps of its command and its hook's the program alone.
    pub fn leave_out_arguments(&mut self) {
        self.command.truncate(1);
        if let Some(Hook::Exec { command }) = &mut self.hook {
            command.truncate(1);
        }
    }
}

/// A preStop hook as the pod's specification has it (`lifecycle.preStop`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Hook {
    /// A command in the container.
    Exec {
        /// With its arguments.
        command: Vec<String>,
    },
    /// A request that kubelet makes: no process of the container shows it.
    HttpGet,
    /// A connection that kubelet makes: likewise.
    TcpSocket,
    /// kubelet waits: likewise.
    Sleep {
        /// How long, s.
        seconds: u64,
    },
}

/// Whose pid namespace a container was configured to be in (CRI `NamespaceMode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PidNamespace {
    /// Its own: its first process is an init.
    Container,
    /// The pod's (`shareProcessNamespace`): the pause process is the init.
    Pod,
    /// The host's (`hostPID`).
    Host,
    /// That of another container, as ephemeral containers of `kubectl debug --target` have.
    Target,
}

/// A pod, as kubectl names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PodName {
    /// Namespace; empty where there are none (Podman).
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
}

impl PodName {
    /// `NAMESPACE/NAME`, or the name alone where there are no namespaces (Podman).
    #[must_use]
    pub fn friendly(&self) -> String {
        if self.namespace.is_empty() { self.name.clone() } else { format!("{}/{}", self.namespace, self.name) }
    }
}

/// Figures of a container's cgroup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CgroupFigures {
    /// The container's own cgroup.
    pub cgroup: CgroupId,
    /// `pids.current`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids_current: Option<u64>,
    /// `pids.max`, `None` for "max".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids_max: Option<u64>,
}

/// Signals that were counted and not streamed, since the last such event of the cgroup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Counted {
    /// Where.
    pub cgroup: CgroupId,
    /// `SIGCHLD`.
    pub child: u64,
    /// `SIGURG`.
    pub urgent: u64,
    /// Others whose default action is to be ignored.
    pub other: u64,
}

/// Records that did not fit into the ring, by kind, since the last such event. None at all means that some are missing
/// about here, and that the next such event tells how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lost {
    /// `signal`.
    #[serde(skip_serializing_if = "is_default")]
    pub signal: u64,
    /// `deliver`.
    #[serde(skip_serializing_if = "is_default")]
    pub deliver: u64,
    /// `exit`.
    #[serde(skip_serializing_if = "is_default")]
    pub exit: u64,
    /// `fork`.
    #[serde(skip_serializing_if = "is_default")]
    pub fork: u64,
    /// `exec`.
    #[serde(skip_serializing_if = "is_default")]
    pub exec: u64,
    /// `reaped`.
    #[serde(skip_serializing_if = "is_default")]
    pub reaped: u64,
    /// `cgroup`.
    #[serde(skip_serializing_if = "is_default")]
    pub cgroup: u64,
    /// `joined`.
    #[serde(skip_serializing_if = "is_default")]
    pub joined: u64,
    /// `oom`.
    #[serde(skip_serializing_if = "is_default")]
    pub oom: u64,
    /// Cgroups that could not be tracked: the table was full.
    #[serde(skip_serializing_if = "is_default")]
    pub untracked: u64,
    /// Records that arrived and could not be decoded.
    #[serde(skip_serializing_if = "is_default")]
    pub undecodable: u64,
}

impl Lost {
    /// All of them together.
    #[must_use]
    pub const fn total(&self) -> u64 {
        let Self { signal, deliver, exit, fork, exec, reaped, cgroup, joined, oom, untracked, undecodable } = *self;
        // a recording may claim more than there is room for
        signal
            .saturating_add(deliver)
            .saturating_add(exit)
            .saturating_add(fork)
            .saturating_add(exec)
            .saturating_add(reaped)
            .saturating_add(cgroup)
            .saturating_add(joined)
            .saturating_add(oom)
            .saturating_add(untracked)
            .saturating_add(undecodable)
    }

    /// Both together.
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            signal: self.signal.saturating_add(other.signal),
            deliver: self.deliver.saturating_add(other.deliver),
            exit: self.exit.saturating_add(other.exit),
            fork: self.fork.saturating_add(other.fork),
            exec: self.exec.saturating_add(other.exec),
            reaped: self.reaped.saturating_add(other.reaped),
            cgroup: self.cgroup.saturating_add(other.cgroup),
            joined: self.joined.saturating_add(other.joined),
            oom: self.oom.saturating_add(other.oom),
            untracked: self.untracked.saturating_add(other.untracked),
            undecodable: self.undecodable.saturating_add(other.undecodable),
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
