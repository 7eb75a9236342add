//! What was found on this machine: plain data, so that a test can make any machine up.

use crate::container::runtime::{Socket, State};

use crate::container::hierarchy::Hierarchies;
use crate::container::path::ContainerPath;

use super::mounts::Mount;

/// Inode of the first pid namespace (`PROC_PID_INIT_INO`, `include/linux/proc_ns.h`).
pub const HOST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;
/// Inode of the first user namespace (`PROC_USER_INIT_INO`).
pub const HOST_USER_NAMESPACE: u64 = 0xEFFF_FFFD;
/// Inode of the first cgroup namespace (`PROC_CGROUP_INIT_INO`).
pub const HOST_CGROUP_NAMESPACE: u64 = 0xEFFF_FFFB;

/// What was found on this machine. `None` is "could not be read".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Kernel release, as `uname -r` tells it.
    pub release: Option<String>,
    /// Type information of the running kernel.
    pub btf: Btf,
    /// A ring buffer that we tried to make.
    pub ring_buffer: Probe,
    /// A raw tracepoint program that we tried to load.
    pub raw_tracepoint: Probe,
    /// Effective capabilities, as in `/proc/self/status`.
    pub capabilities: Option<u64>,
    /// Inode of our user namespace.
    pub user_namespace: Option<u64>,
    /// Inode of our pid namespace.
    pub pid_namespace: Option<u64>,
    /// Kernel lockdown.
    pub lockdown: Lockdown,
    /// `/proc/self` names the pid that we know ourselves by.
    pub proc_knows_us: bool,
    /// The executable's link of process 1, that we tried to read: what an audit reads of every process is like it.
    pub others: Probe,
    /// Mounts.
    pub mounts: Vec<Mount>,
    /// The cgroup hierarchies that would be traced by, ours or the host's; none where none can be seen.
    pub hierarchies: Hierarchies,
    /// Whether this process is in a container.
    pub inside: Inside,
    /// Limit of locked memory in bytes, `u64::MAX` for none.
    pub memlock: Option<u64>,
    /// Sockets of container runtimes that exist or were named.
    pub runtimes: Vec<Runtime>,
}

/// Where this process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inside {
    /// Nothing tells of a container.
    Host,
    /// In this one, as its cgroup tells.
    Container(ContainerPath),
    /// In one, as this tells, but in which cannot be seen from here.
    Some(&'static str),
}

/// `/sys/kernel/btf/vmlinux`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Btf {
    /// There and readable.
    Readable,
    /// Not there.
    Missing,
    /// There, and why it cannot be read.
    Unreadable(String),
}

/// Something that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It works.
    Works,
    /// The kernel does not have it.
    Missing,
    /// `EPERM`.
    NotPermitted,
    /// Another error.
    Failed(String),
}

/// `/sys/kernel/security/lockdown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lockdown {
    /// Not built in, or securityfs is not mounted.
    Unknown,
    /// Off.
    Off,
    /// The kernel may not be changed; it may be read.
    Integrity,
    /// It may not be read either.
    Confidentiality,
}

impl Lockdown {
    /// Reads `none [integrity] confidentiality`: the brackets mark what is set.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.split_once('[').and_then(|(_, rest)| rest.split_once(']')) {
            Some(("none", _)) => Self::Off,
            Some(("integrity", _)) => Self::Integrity,
            Some(("confidentiality", _)) => Self::Confidentiality,
            _ => Self::Unknown,
        }
    }
}

/// A socket of a container runtime, and who answered there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// Where, and what is spoken.
    pub socket: Socket,
    /// Who answers, or why nobody does.
    pub state: State,
}
