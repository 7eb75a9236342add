//! Pods as a person specifies them, and what kubelet makes of that for the runtime.
//!
//! Labels, annotations and paths are those that kubelet 1.31 really sets.

use super::super::{host, image};
use k8s_cri::v1::{
    ContainerConfig, ContainerMetadata, ImageSpec, LinuxContainerConfig, LinuxContainerSecurityContext,
    LinuxPodSandboxConfig, LinuxSandboxSecurityContext, Mount, NamespaceMode, NamespaceOption, PodSandboxConfig,
    PodSandboxMetadata,
};
use serde_json::json;
use std::collections::HashMap;
use std::path::Path;

/// A pod.
#[derive(Clone, Debug)]
pub(crate) struct PodSpec {
    /// Its name, in [`NAMESPACE`].
    pub(crate) name: String,
    /// `terminationGracePeriodSeconds`
    pub(crate) grace: u32,
    /// Where its cgroup is.
    pub(crate) parent: Parent,
    /// Whose pid namespace its containers are in.
    pub(crate) pids: Pids,
    /// From a file of the node's instead of the API: a static pod.
    pub(crate) fixed: bool,
    /// One of its containers is privileged, which the runtime wants to know of the sandbox.
    pub(crate) privileged: bool,
    /// Its containers, in the order in which they start.
    pub(crate) containers: Vec<ContainerSpec>,
}

/// The namespace of all pods here.
pub(crate) const NAMESPACE: &str = "lab";

/// A container of a pod.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ContainerSpec {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it runs.
    pub(crate) command: &'static [&'static str],
    /// The image's STOPSIGNAL.
    pub(crate) stop_signal: Option<&'static str>,
    /// `lifecycle.preStop.exec.command`
    pub(crate) pre_stop: Option<&'static [&'static str]>,
    /// An init container with `restartPolicy: Always`: stopped after the others.
    pub(crate) sidecar: bool,
    /// Programs that may live outside of the usual directories.
    pub(crate) programs: &'static [&'static str],
    /// A directory of the host's that it has as /app, and as its working directory.
    pub(crate) app: Option<&'static str>,
}

/// Where kubelet puts a pod's cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parent {
    /// As its driver `cgroupfs` does.
    Cgroupfs,
    /// As its driver `systemd` does: below slices. The container's own is not a scope: only systemd makes those.
    Slices,
    /// The same, as a runtime whose driver is `cgroupfs` understands it: slice, prefix and id are one name.
    Mixed,
    /// Nowhere, with `cgroupsPerQOS: false`: the runtime chooses.
    Runtime,
}

/// Whose pid namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pids {
    /// Each container's own.
    Own,
    /// `shareProcessNamespace`
    Pod,
    /// `hostPID`
    Host,
}

impl ContainerSpec {
    /// A plain one.
    pub(crate) const fn new(name: &'static str, command: &'static [&'static str]) -> Self {
        Self { name, command, stop_signal: None, pre_stop: None, sidecar: false, programs: &[], app: None }
    }
}

impl PodSpec {
    /// A plain one with one container, `main`.
    pub(crate) fn new(name: &str, grace: u32, command: &'static [&'static str]) -> Self {
        Self {
            name: name.to_owned(),
            grace,
            parent: Parent::Cgroupfs,
            pids: Pids::Own,
            fixed: false,
            privileged: false,
            containers: vec![ContainerSpec::new("main", command)],
        }
    }

    /// The uid: kubelet's hash of the file for a static pod, else a UUID. Another one in every process that tests.
    pub(super) fn uid(&self) -> String {
        let salt = u64::from(std::process::id());
        // FNV-1a: https://datatracker.ietf.org/doc/html/draft-eastlake-fnv
        let hash = self.name.bytes().fold(0xcbf2_9ce4_8422_2325_u64 ^ salt, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let digits = format!("{hash:016x}{:016x}", hash.rotate_left(23));
        if self.fixed {
            return digits;
        }
        let part = |from: usize, to: usize| &digits[from..to];
        format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
    }

    /// The path of its cgroup, from the root of every hierarchy, if it has one.
    pub(super) fn cgroup(&self) -> Option<String> {
        match self.parent {
            Parent::Cgroupfs => Some(format!("/kubepods/burstable/pod{}", self.uid())),
            Parent::Slices => Some(self.slices()),
            Parent::Mixed | Parent::Runtime => None,
        }
    }

    fn slices(&self) -> String {
        let uid = self.uid().replace('-', "_");
        format!("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid}.slice")
    }

    /// What the runtime is told of it.
    fn cgroup_parent(&self) -> String {
        match self.parent {
            Parent::Cgroupfs => self.cgroup().unwrap_or_default(),
            // A name that ends in .slice means systemd's way to containerd.
            Parent::Slices => format!("{}/.", self.slices()),
            Parent::Mixed => self.slices(),
            Parent::Runtime => String::new(),
        }
    }

    fn namespaces(&self) -> NamespaceOption {
        let pid = match self.pids {
            Pids::Own => NamespaceMode::Container,
            Pids::Pod => NamespaceMode::Pod,
            Pids::Host => NamespaceMode::Node,
        };
        NamespaceOption { network: NamespaceMode::Node.into(), pid: pid.into(), ..NamespaceOption::default() }
    }

    fn labels(&self) -> HashMap<String, String> {
        map([
            ("io.kubernetes.pod.name", &self.name),
            ("io.kubernetes.pod.namespace", NAMESPACE),
            ("io.kubernetes.pod.uid", &self.uid()),
        ])
    }

    /// For `RunPodSandbox`. Logs go below `logs`.
    pub(super) fn sandbox(&self, logs: &Path) -> PodSandboxConfig {
        let mut labels = self.labels();
        labels.insert("app".to_owned(), "demo".to_owned());
        let mut annotations = map([
            ("kubernetes.io/config.seen", "2026-11-21T03:02:47.345678901Z"),
            ("kubernetes.io/config.source", "api"),
        ]);
        if self.fixed {
            annotations.insert("kubernetes.io/config.source".to_owned(), "file".to_owned());
            annotations.insert("kubernetes.io/config.hash".to_owned(), self.uid());
        }
        let metadata = PodSandboxMetadata {
            name: self.name.clone(),
            uid: self.uid(),
            namespace: NAMESPACE.to_owned(),
            attempt: 0,
        };
        let security = LinuxSandboxSecurityContext {
            namespace_options: Some(self.namespaces()),
            privileged: self.privileged,
            ..LinuxSandboxSecurityContext::default()
        };
        let linux = LinuxPodSandboxConfig {
            cgroup_parent: self.cgroup_parent(),
            security_context: Some(security),
            ..LinuxPodSandboxConfig::default()
        };
        PodSandboxConfig {
            metadata: Some(metadata),
            log_directory: logs.join(self.uid()).to_str().expect("a path in plain text").to_owned(),
            labels,
            annotations,
            linux: Some(linux),
            ..PodSandboxConfig::default()
        }
    }

    /// For `CreateContainer`.
    pub(super) fn container(&self, spec: &ContainerSpec, attempt: u32) -> ContainerConfig {
        let mut labels = self.labels();
        labels.insert("io.kubernetes.container.name".to_owned(), spec.name.to_owned());
        let security = LinuxContainerSecurityContext {
            namespace_options: Some(self.namespaces()),
            ..LinuxContainerSecurityContext::default()
        };
        ContainerConfig {
            metadata: Some(ContainerMetadata { name: spec.name.to_owned(), attempt }),
            image: Some(ImageSpec { image: image::name(spec.stop_signal), ..ImageSpec::default() }),
            command: spec.command.iter().map(|&word| word.to_owned()).collect(),
            mounts: mounts(spec),
            working_dir: spec.app.map_or_else(String::new, |_| APP.to_owned()),
            labels,
            annotations: self.annotations(spec, attempt),
            log_path: log_path(spec, attempt),
            linux: Some(LinuxContainerConfig { security_context: Some(security), ..LinuxContainerConfig::default() }),
            ..ContainerConfig::default()
        }
    }

    fn annotations(&self, spec: &ContainerSpec, attempt: u32) -> HashMap<String, String> {
        let mut annotations = map([
            ("io.kubernetes.container.hash", "b8be385c"),
            ("io.kubernetes.container.restartCount", &attempt.to_string()),
            ("io.kubernetes.container.terminationMessagePath", "/dev/termination-log"),
            ("io.kubernetes.container.terminationMessagePolicy", "File"),
            ("io.kubernetes.pod.terminationGracePeriod", &self.grace.to_string()),
        ]);
        if let Some(command) = spec.pre_stop {
            let handler = json!({"exec": {"command": command}}).to_string();
            annotations.insert("io.kubernetes.container.preStopHandler".to_owned(), handler);
        }
        annotations
    }
}

/// Where a container's log is, below its pod's directory.
pub(super) fn log_path(spec: &ContainerSpec, attempt: u32) -> String {
    format!("{}/{attempt}.log", spec.name)
}

/// Where a container has its directory of the host's.
const APP: &str = "/app";

/// The host's programs, read-only.
fn mounts(spec: &ContainerSpec) -> Vec<Mount> {
    let lent = |host: &str, inside: &str| Mount {
        container_path: inside.to_owned(),
        host_path: host.to_owned(),
        readonly: true,
        ..Mount::default()
    };
    let dirs = host::mounts(spec.programs);
    let programs = dirs.iter().map(|dir| dir.to_str().expect("a path in plain text")).map(|dir| lent(dir, dir));
    programs.chain(spec.app.map(|dir| lent(dir, APP))).collect()
}

fn map<const N: usize>(pairs: [(&str, &str); N]) -> HashMap<String, String> {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}
