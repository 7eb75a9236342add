//! What is known of a container before it is judged: plain data, so that any container can be made up and judged.

use crate::model::ContainerName;
use crate::probe::Actions;
use crate::signal::{Signal, SignalSet};

/// A running container.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// Id and names.
    pub container: ContainerName,
    /// What the runtime is called, from its own mouth or from the cgroup's path.
    pub runtime: Option<String>,
    /// Image as the user named it.
    pub image: Option<String>,
    /// What ends it.
    pub stop: StopSignal,
    /// Grace period, ms, where a runtime told it.
    pub grace_ms: Option<u64>,
    /// A preStop hook is configured.
    pub pre_stop: bool,
    /// Where the facts about signals are from.
    pub sight: Sight,
    /// The first process.
    pub first: Process,
    /// Processes below the first, parents before their children: all that live, up to a bound.
    pub below: Vec<Member>,
    /// Children of the first process, as closely looked at as itself: where that is an init that forwards.
    pub children: Vec<Process>,
    /// Zombies that nobody reaped in the time of a look or two.
    pub zombies: Zombies,
    /// `pids.current` and `pids.max` of its cgroup.
    pub pids: Pids,
}

/// What the runtime will send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopSignal {
    /// Which.
    pub signal: Signal,
    /// Who says so: the runtime's name, or `default` when nobody did.
    pub source: String,
}

impl Default for StopSignal {
    /// What every runtime sends where nothing else is configured.
    fn default() -> Self {
        Self { signal: Signal::TERM, source: "default".to_owned() }
    }
}

/// Where the facts about signals are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// From the kernel's own structures: masks of every thread, `real_blocked`, every handler with its flags.
    Kernel,
    /// From `/proc` alone: whoever waits for signals is known by its system call, and handlers have no flags.
    Proc,
}

/// A process, with all that decides what becomes of a signal.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Process {
    /// Host pid.
    pub pid: u32,
    /// Pid in the innermost namespace, where it is known.
    pub ns_pid: Option<u32>,
    /// Start, ns since boot.
    pub start: u64,
    /// How long it runs, ms.
    pub age_ms: u64,
    /// Name. From strangers.
    pub comm: String,
    /// Executable, where it can be read. From strangers.
    pub exe: Option<String>,
    /// Command line; empty where it cannot be read. From strangers.
    pub command: Vec<String>,
    /// Init of its innermost pid namespace.
    pub init: bool,
    /// A debugger is attached.
    pub traced: bool,
    /// Stopped by a signal.
    pub stopped: bool,
    /// On its way out.
    pub ending: bool,
    /// Signals with handlers.
    pub caught: SignalSet,
    /// Signals ignored explicitly.
    pub ignored: SignalSet,
    /// Signals that were sent, are blocked and were not taken from the first look to the last.
    pub untaken: SignalSet,
    /// All handlers with their flags; only [`Sight::Kernel`] has them.
    pub actions: Option<Actions>,
    /// Its threads, the leader first.
    pub threads: Vec<Thread>,
    /// Its signalfds; `None` where they cannot be read.
    pub signalfds: Option<Vec<SignalFd>>,
    /// What its executable tells, if it was made by Go.
    pub go: Option<Go>,
}

/// A thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thread {
    /// Host thread id.
    pub tid: u32,
    /// What it blocks. What it waits for in `sigtimedwait` is among that, although `/proc` shows otherwise.
    pub blocked: SignalSet,
    /// What it waits for.
    pub waits: Waits,
    /// It has begun to exit.
    pub exiting: bool,
}

/// Whether a thread waits for signals in `sigtimedwait` (`sigwait`, `sigwaitinfo`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waits {
    /// It does not.
    #[default]
    No,
    /// For these.
    For(SignalSet),
    /// It does, and for which cannot be read.
    Somehow,
    /// That cannot be seen.
    Unseen,
}

/// A signalfd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalFd {
    /// File descriptor.
    pub fd: u32,
    /// What can be read from it.
    pub mask: SignalSet,
}

/// What the executable of a Go program tells about `os/signal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Go {
    /// Nothing of that package is in it: it cannot call `signal.Notify`.
    WithoutNotify,
    /// The package is in it; whether it was called cannot be seen.
    WithNotify,
    /// These signals were asked for: read from the runtime's own table.
    Wants(SignalSet),
    /// Its function names cannot be read.
    Unreadable,
}

/// A process below the first one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Host pid.
    pub pid: u32,
    /// Pid in the innermost namespace, where it is known.
    pub ns_pid: Option<u32>,
    /// Name. From strangers.
    pub comm: String,
    /// Executable, where it can be read. From strangers.
    pub exe: Option<String>,
    /// Command line of one that may be an init; empty for others. From strangers.
    pub command: Vec<String>,
    /// 1 for a child of the first process, 2 for its child, and so on.
    pub depth: usize,
}

/// Zombies, by who should reap them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zombies {
    /// How many there are.
    pub count: usize,
    /// The one that began first did so this long ago, ms: none is a zombie for longer.
    pub oldest_at_most_ms: Option<u64>,
    /// Their parents, the one with most first.
    pub parents: Vec<Negligent>,
}

/// A process that does not reap its children.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Negligent {
    /// Host pid.
    pub pid: u32,
    /// Pid in the innermost namespace, where it is known.
    pub ns_pid: Option<u32>,
    /// Name. From strangers.
    pub comm: String,
    /// It is the container's first process.
    pub first: bool,
    /// How many zombies it has.
    pub zombies: usize,
}

/// Figures of the pids controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pids {
    /// `pids.current`; `None` where there is no such controller.
    pub current: Option<u64>,
    /// `pids.max`; `None` for no limit, and where there is no such controller.
    pub max: Option<u64>,
}

impl Process {
    /// `sh (PID 1)`, or `sh (pid 4123)` where it is not an init. From strangers.
    #[must_use]
    pub fn called(&self) -> String {
        if self.init { format!("{} (PID 1)", self.comm) } else { format!("{} (pid {})", self.comm, self.pid) }
    }

    /// The thread that `kill` addresses.
    #[must_use]
    pub fn leader(&self) -> Option<&Thread> {
        self.threads.iter().find(|thread| thread.tid == self.pid)
    }
}
