//! When a container is told: at once, or when it is known not to be the sandbox of its pod.
//!
//! Until then whatever concerns it is held back, so that a container is told as found before anything else of it, and of a
//! sandbox that is set up nothing is told at all.

use std::sync::Arc;

use crate::event::{BootNs, TaskKey};

use super::change::{Change, ContainerName, News};
use super::container::Told;
use super::limits;
use super::names::ContainerState;
use super::node::{Node, Timer};
use super::process::{ContainerKey, Process};

/// What is held back for a container that nobody knows yet.
#[derive(Clone, Debug)]
pub(super) struct Undecided {
    /// When its cgroup was found.
    found: BootNs,
    changes: Vec<Change>,
}

#[cfg(test)]
impl Undecided {
    /// How much is held back.
    pub(super) const fn held(&self) -> usize {
        self.changes.len()
    }
}

impl Node {
    /// Tells something, or holds it back with the container that it concerns.
    pub(super) fn news(&mut self, at: BootNs, news: News) {
        let change = Change { at, news };
        let undecided = match change.news.container() {
            Some(container) if !self.undecided.is_empty() => self.undecided.get_mut(&container.id),
            _ => None,
        };
        match undecided {
            Some(undecided) if undecided.changes.len() < limits::UNDECIDED_HELD => undecided.changes.push(change),
            Some(_) => {
                // so much happens in no sandbox
                let key = change.news.container().and_then(|container| self.by_id.get(&container.id)).copied();
                if let Some(key) = key {
                    self.announce(at, key);
                }
                self.changes.push(change);
            }
            None => self.changes.push(change),
        }
    }

    /// A container was found. One of a pod may be its sandbox: it is told when that is decided, or can wait no longer.
    pub(super) fn announce_soon(&mut self, at: BootNs, key: ContainerKey) {
        let Some(container) = self.containers.get(&key) else { return };
        if container.pod_uid.is_none() || container.described.is_some() {
            self.announce(at, key);
        } else {
            let id = container.name.id.clone();
            self.undecided.insert(id, Undecided { found: at, changes: Vec::new() });
            self.remind(at.plus_ms(limits::ANNOUNCE_MS), Timer::Announce(key));
        }
    }

    /// A container may be told now, unless it turned out to be a sandbox.
    pub(super) fn announce(&mut self, at: BootNs, key: ContainerKey) {
        let Some(container) = self.containers.get_mut(&key) else { return };
        if container.told != Told::Nothing || container.is_sandbox() {
            return;
        }
        container.told = Told::Found;
        let news = News::Container(Box::new(container.news(ContainerState::Found)));
        match self.undecided.remove(&container.name.id) {
            Some(Undecided { found, changes }) => {
                self.changes.push(Change { at: found, news });
                self.changes.extend(changes);
            }
            None => self.changes.push(Change { at, news }),
        }
    }

    /// A container is a sandbox: of its set-up only the signals to it are of interest.
    pub(super) fn decided_for_sandbox(&mut self, key: ContainerKey) {
        let Some(container) = self.containers.get(&key) else { return };
        let Some(undecided) = self.undecided.remove(&container.name.id) else { return };
        self.changes.extend(undecided.changes.into_iter().filter(|change| matches!(change.news, News::Signal(_))));
    }

    /// The first process of a container runs its program: that tells what the container is, before any runtime does.
    pub(super) fn program_known(&mut self, at: BootNs, key: ContainerKey, first: TaskKey) {
        let Some(container) = self.containers.get(&key) else { return };
        if container.told != Told::Nothing || container.first != Some(first) {
            return;
        }
        let Some(process) = self.processes.get(first).filter(|process| process.started_program) else { return };
        // a pod has one sandbox: another pause process is a container that does nothing
        let pod = container.pod.and_then(|pod| self.pods.get(&pod));
        let sandbox = pod.and_then(|pod| pod.sandbox).filter(|other| *other != key);
        let has_one = sandbox.is_some_and(|other| self.is_running(other));
        let takes = container.described.is_none() && container.pod_uid.is_some() && !has_one && is_pause(process);
        if takes && let Some(container) = self.containers.get_mut(&key) {
            container.looks_like_sandbox = true;
            container.name = Arc::new(ContainerName { sandbox: true, ..(*container.name).clone() });
            self.join_pod(key);
            self.decided_for_sandbox(key);
        }
        self.announce(at, key);
    }

    /// Whether a container's own processes are worth telling: a sandbox's come and go with the pod.
    pub(super) fn tells_processes_of(&self, container: Option<ContainerKey>) -> bool {
        !container.and_then(|key| self.containers.get(&key)).is_some_and(super::container::Container::is_sandbox)
    }
}

/// Whether a process runs what pod sandboxes run: `/pause`, and `/usr/bin/pod` on `OpenShift`.
fn is_pause(process: &Process) -> bool {
    let exe = process.exe.as_deref().unwrap_or("");
    let file = exe.rsplit('/').next().unwrap_or("");
    process.comm().as_str() == "pause" || file == "pause" || exe == "/usr/bin/pod"
}
