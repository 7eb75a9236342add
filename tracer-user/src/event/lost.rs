//! What did not fit into the ring.

use serde::{Deserialize, Serialize};

use super::is_default;

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
