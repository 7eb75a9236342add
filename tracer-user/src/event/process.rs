//! Processes: how they come, go on and end, and what is seen of them.

use serde::{Deserialize, Serialize};

use super::{Task, TaskKey, is_default};
use crate::signal::SignalSet;

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
