//! What the API of Kubernetes tells of a pod.

use serde::{Deserialize, Serialize};

use super::{BootNs, PodName, is_default};

/// A pod as the API knows it now. What was told of it before is superseded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PodTold {
    /// Which; its UID is the one that the runtime knows it by.
    pub pod: PodName,
    /// What made it and answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Somebody asked for its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
    /// The API knows it no longer.
    #[serde(default, skip_serializing_if = "is_default")]
    pub gone: bool,
}

/// The workload that a pod belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// `Deployment`, `StatefulSet`, `DaemonSet`, `Job`, `ReplicaSet`, `Node` (of a static pod), or whatever else makes pods.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// The request to delete a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deletion {
    /// When it was made, give or take [`Self::PRECISION_MS`]: the API tells whole seconds, by the clock of its server.
    pub requested: BootNs,
    /// The grace period that was asked for, ms.
    pub grace_ms: u64,
    /// The clocks of the server and this node do not agree, or it was heard late: `requested` is when it was heard.
    #[serde(default, skip_serializing_if = "is_default")]
    pub imprecise: bool,
}

impl Deletion {
    /// How far its time may be off, ms, where the clocks of the server and this node agree.
    pub const PRECISION_MS: u64 = 1_000;
    /// What is heard at once and is further than this from the server's second was told by another clock, ms.
    pub const CLOCKS_AGREE_MS: u64 = 2_000;
}
