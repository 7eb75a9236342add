//! Signals: sent, and taken from the queue.

use serde::{Deserialize, Serialize};

use super::{Comm, Task, is_default};
use crate::signal::{Signal, SignalSet};

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
