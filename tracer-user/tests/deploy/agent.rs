//! The agent as the manifests want it, and what a node has for it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::k8s::{self, ConfigMap, Container, DaemonSet, PodSpec};
use super::lab::read;

pub(crate) const PLAIN: &str = include_str!("../../../deploy/kubernetes/tracer.yaml");
pub(crate) const PRIVILEGED: &str = include_str!("../../../deploy/kubernetes/tracer-privileged.yaml");

/// The agent of a manifest.
#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) pod: PodSpec,
    config: ConfigMap,
}

/// A directory in its container.
pub(crate) struct Mount {
    /// Where it is there.
    pub(crate) at: String,
    /// What it is.
    pub(crate) source: Source,
    pub(crate) read_only: bool,
    /// What is mounted on the node later is seen, and what is unmounted there goes.
    pub(crate) follows: bool,
}

pub(crate) enum Source {
    /// A directory of the node's, or with the agent's configuration.
    Directory(PathBuf),
    /// An empty one, in memory.
    Empty,
}

impl Agent {
    #[track_caller]
    pub(crate) fn of(manifest: &str) -> Self {
        let documents = k8s::documents(manifest);
        let set: DaemonSet = k8s::one(&documents, "DaemonSet");
        Self { pod: set.spec.template.spec, config: k8s::one(&documents, "ConfigMap") }
    }

    #[track_caller]
    pub(crate) fn container(&self) -> &Container {
        let [container] = &self.pod.containers[..] else { panic!("one container: {:#?}", self.pod) };
        container
    }

    /// One of its capabilities is taken away.
    pub(crate) fn without(&self, capability: &str) -> Self {
        let mut agent = self.clone();
        agent.pod.containers[0].security_context.capabilities.add.retain(|name| name != capability);
        assert_ne!(agent.pod, self.pod, "{capability} is one of them");
        agent
    }

    pub(crate) fn capabilities(&self) -> BTreeSet<&str> {
        self.container().security_context.capabilities.add.iter().map(String::as_str).collect()
    }

    /// Its mounts, as the node's `dir` has the directories: see [`node`].
    #[track_caller]
    pub(crate) fn mounts(&self, dir: &Path) -> Vec<Mount> {
        let container = self.container();
        let named = |name: &str| {
            let volume = self.pod.volumes.iter().find(|volume| volume.name == name).expect("a mount is of a volume");
            match (&volume.empty_dir, &volume.config_map, &volume.host_path) {
                (Some(empty), None, None) => {
                    assert_eq!(empty.medium, "Memory");
                    Source::Empty
                }
                (None, Some(map), None) => {
                    assert_eq!(map.name, self.config.metadata.name);
                    let config = dir.join("config");
                    fs::create_dir_all(&config).expect("the directory is ours");
                    for (file, text) in &self.config.data {
                        fs::write(config.join(file), text).expect("the directory is ours");
                    }
                    Source::Directory(config)
                }
                (None, None, Some(host)) => {
                    assert_eq!(host.r#type, "Directory");
                    let of_node = Path::new(&host.path) == Path::new("/run");
                    Source::Directory(if of_node { dir.join(RUN) } else { PathBuf::from(&host.path) })
                }
                _ => panic!("a volume is one thing: {volume:?}"),
            }
        };
        let mounts = container.volume_mounts.iter().map(|mount| Mount {
            at: mount.mount_path.clone(),
            source: named(&mount.name),
            read_only: mount.read_only,
            follows: match mount.mount_propagation.as_deref() {
                None => false,
                Some("HostToContainer") => true,
                Some(other) => panic!("nobody should want {other}"),
            },
        });
        mounts.collect()
    }
}

/// Where in the lab's directory what a node has in `/run` is.
const RUN: &str = "node-run";

/// Makes the lab's daemon a node: its socket is where a node has it, and mounts are shared as systemd makes them.
/// `enter` runs a command in the daemon's mount namespace.
#[track_caller]
pub(crate) fn node(dir: &Path, socket: &Path, usual: &str, enter: impl Fn(&str) -> Command) {
    let there = dir.join(RUN).join(usual);
    fs::create_dir_all(there.parent().expect("it is in a directory")).expect("the lab's directory is ours");
    fs::hard_link(socket, there).expect("another name for the socket");
    read(enter("mount").args(["--make-rshared", "/"]));
}
