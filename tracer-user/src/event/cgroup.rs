//! Cgroups, and what is told of a whole one.

use serde::{Deserialize, Serialize};

use super::{CgroupId, is_default};

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
