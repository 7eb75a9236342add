//! What a container runtime says of a container.

use serde::{Deserialize, Serialize};

use super::is_default;
use crate::signal::Signal;

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
