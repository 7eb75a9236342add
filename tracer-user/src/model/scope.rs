//! Containers come, get names, and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::event::{BootNs, CgroupFound, CgroupId, Described};

use super::change::{ContainerName, News};
use super::container::{Container, Told};
use super::limits;
use super::names::ContainerState;
use super::node::Node;
use super::pod::RestartNews;
use super::process::ContainerKey;

impl Node {
    pub(super) fn on_cgroup(&mut self, at: BootNs, found: &CgroupFound) {
        let (key, is_new) = self.container_for(&found.container);
        let Some(container) = self.containers.get_mut(&key) else { return };
        if found.runtime == "process" {
            let pid = found.container.strip_prefix("pid-").and_then(|pid| pid.parse().ok());
            self.followed.extend(pid.map(|pid| (pid, key)));
        } else {
            self.cgroups.insert(found.cgroup, (key, found.own));
        }
        let mut again = false;
        let slot = usize::from(found.cgroup.0 & tracer_common::CGROUP_V1 != 0);
        if found.own && container.cgroups[slot] != found.cgroup {
            let before = container.cgroups;
            again = before[slot] != CgroupId(0) || container.gone.is_some();
            if again {
                // nobody need have told that what it was in is gone
                before.into_iter().filter(|old| *old != found.cgroup).for_each(|old| self.on_cgroup_gone(at, old));
                self.gone.retain(|gone| *gone != key);
                self.conclude_stop(key);
                self.cgroups.retain(|cgroup, (owner, _)| *owner != key || *cgroup == found.cgroup);
            }
            let Some(container) = self.containers.get_mut(&key) else { return };
            if again {
                container.restart();
            }
            container.cgroups[slot] = found.cgroup;
            container.path.clone_from(&found.path);
        }
        let Some(container) = self.containers.get_mut(&key) else { return };
        if is_new || again {
            container.found = at;
        }
        if container.runtime.is_empty() {
            container.runtime.clone_from(&found.runtime);
        }
        if container.pod_uid.is_none() {
            container.pod_uid.clone_from(&found.pod_uid);
        }
        self.join_pod(key);
        if is_new || again {
            self.announce_soon(at, key);
        }
        self.adopt_strays(key, found.cgroup);
        if let Some(first) = self.containers.get(&key).and_then(|container| container.first) {
            self.program_known(at, key, first);
        }
    }

    /// Processes that were seen before their cgroup was known to belong to a container.
    fn adopt_strays(&mut self, key: ContainerKey, cgroup: CgroupId) {
        if cgroup == CgroupId(0) {
            return;
        }
        let strays: Vec<_> = self
            .processes
            .iter()
            .filter(|process| process.container.is_none() && process.task.cgroup == cgroup)
            .map(super::process::Process::key)
            .collect();
        for stray in strays {
            self.processes.assign(stray, key);
            self.consider_first(key, stray);
        }
    }

    fn container_for(&mut self, id: &str) -> (ContainerKey, bool) {
        if let Some(&key) = self.by_id.get(id) {
            return (key, false);
        }
        let key = self.new_key();
        self.by_id.insert(id.to_owned(), key);
        self.containers.insert(key, Container::new(id));
        (key, true)
    }

    pub(super) fn on_described(&mut self, at: BootNs, described: &Described) {
        // a description alone makes no container: its cgroup does
        let Some(&key) = self.by_id.get(&described.id) else { return };
        let Some(container) = self.containers.get_mut(&key) else { return };
        if container.described.as_ref() == Some(described) {
            return;
        }
        container.name = Arc::new(ContainerName {
            id: described.id.clone(),
            name: described.name.clone().or_else(|| container.name.name.clone()),
            pod: described.pod.clone().or_else(|| container.name.pod.clone()),
            service: service(&described.labels),
            owner: container.name.owner.clone(),
            labels: described.labels.clone(),
            sandbox: described.sandbox,
            partial: described.partial,
        });
        let before = (container.stop_signal(), container.first);
        container.described = Some(described.clone());
        if let Some(process) = described.pid.and_then(|pid| self.processes.by_pid(pid))
            && process.container == Some(key)
        {
            container.first = Some(process.key());
            container.settled = true;
        }
        let is_other = (container.stop_signal(), container.first) != before;
        if container.is_sandbox() {
            self.was_a_sandbox(at, key);
            return;
        }
        if is_other {
            self.look_ahead(at, key);
        }
        self.join_pod(key);
        if let Some(sandbox) = &described.sandbox_id {
            self.named_as_sandbox(at, sandbox);
        }
        self.announce(at, key);
        let Some(container) = self.containers.get(&key) else { return };
        let news = container.news(ContainerState::Described);
        self.news(at, News::Container(Box::new(news)));
        self.tell_restart(at, key);
        self.conclude_stop(key);
    }

    /// A container names the sandbox of its pod, which the runtime itself has not described yet: its own answer comes
    /// late, or never where the pod lives for a moment.
    fn named_as_sandbox(&mut self, at: BootNs, id: &str) {
        let Some(&key) = self.by_id.get(id) else { return };
        let Some(container) = self.containers.get_mut(&key) else { return };
        if container.described.is_none() && !container.looks_like_sandbox {
            container.looks_like_sandbox = true;
            container.name = Arc::new(ContainerName { sandbox: true, ..(*container.name).clone() });
            self.was_a_sandbox(at, key);
        }
    }

    /// A runtime says that a container is a sandbox. If it was told as a container it is none any more.
    fn was_a_sandbox(&mut self, at: BootNs, key: ContainerKey) {
        self.join_pod(key);
        self.decided_for_sandbox(key);
        let Some(container) = self.containers.get_mut(&key) else { return };
        (container.stop, container.closing) = (None, None);
        if std::mem::replace(&mut container.told, Told::Nothing) != Told::Nothing {
            let news = container.news(ContainerState::Gone);
            self.news(at, News::Container(Box::new(news)));
        }
    }

    /// A container that takes the place of another of its name in its pod.
    fn tell_restart(&mut self, at: BootNs, key: ContainerKey) {
        let Some(container) = self.containers.get(&key) else { return };
        let described = container.described.as_ref();
        let (Some(restarts @ 1..), Some(pod), false) =
            (described.and_then(|described| described.restarts), container.pod, container.told == Told::Restarted)
        else {
            return;
        };
        let is_before = |other: &&Container| {
            let sandbox = |container: &Container| container.described.as_ref()?.sandbox_id.clone();
            let same_sandbox = sandbox(other).zip(sandbox(container)).is_none_or(|(one, other)| one == other);
            let earlier = other.described.as_ref().and_then(|d| d.restarts).is_some_and(|before| before < restarts);
            same_sandbox && earlier && other.name.name == container.name.name
        };
        let others = self.pods.get(&pod).into_iter().flat_map(|pod| &pod.containers).filter(|other| **other != key);
        let before = others.rev().filter_map(|other| self.containers.get(other)).find(is_before);
        let Some(before) = before.map(|before| before.name.id.clone()) else { return };
        let before = self.terminations.iter().rev().find(|end| end.container.id == before).cloned();
        let news = RestartNews { container: container.name.clone(), restarts, before };
        if let Some(container) = self.containers.get_mut(&key) {
            container.told = Told::Restarted;
        }
        self.news(at, News::Restarted(Box::new(news)));
    }

    pub(super) fn on_cgroup_gone(&mut self, at: BootNs, cgroup: CgroupId) {
        let Some(&(key, own)) = self.cgroups.get(&cgroup) else { return };
        if !own {
            self.cgroups.remove(&cgroup);
            return;
        }
        let Some(container) = self.containers.get_mut(&key) else { return };
        if !container.cgroups.contains(&cgroup) || container.gone.is_some() {
            return;
        }
        // a removed cgroup holds no live process: exits that are missing were lost
        let missing: Vec<_> =
            self.processes.of(key).filter(|process| process.is_live()).map(super::process::Process::key).collect();
        if !missing.is_empty() {
            container.loss = Some(at);
        }
        container.gone = Some(at);
        for process in missing {
            if let Some(process) = self.processes.remove(process) {
                self.depart(process);
            }
            self.vanished(at, key, process);
        }
        self.close_stop(at, key, true);
        self.tell_gone(at, key);
        self.gone.push_back(key);
        if self.gone.len() > limits::GONE_KEPT
            && let Some(oldest) = self.gone.pop_front()
        {
            self.conclude_stop(oldest);
            self.forget(oldest);
        }
    }

    /// Nobody asks for a container, so that what is known of it grows old from here on: better to know nothing.
    pub(super) fn on_dismissed(&mut self, id: &str) {
        let Some(&key) = self.by_id.get(id) else { return };
        self.gone.retain(|gone| *gone != key);
        self.forget(key);
    }

    fn forget(&mut self, key: ContainerKey) {
        if let Some(container) = self.containers.remove(&key) {
            self.by_id.remove(&container.name.id);
            self.undecided.remove(&container.name.id);
            if let Some(pod) = container.pod {
                self.leave_pod(key, pod);
            }
        }
        self.cgroups.retain(|_, (owner, _)| *owner != key);
        self.followed.retain(|_, owner| *owner != key);
        let left: Vec<_> = self.processes.of(key).map(super::process::Process::key).collect();
        for process in left {
            let removed = self.processes.remove(process);
            if removed.is_some_and(|process| !process.is_live()) {
                self.processes.bury(process);
            }
        }
    }
}

impl From<&Described> for ContainerName {
    /// What a runtime's description alone tells.
    fn from(described: &Described) -> Self {
        Self {
            id: described.id.clone(),
            name: described.name.clone(),
            pod: described.pod.clone(),
            service: service(&described.labels),
            owner: None,
            labels: described.labels.clone(),
            sandbox: described.sandbox,
            partial: described.partial,
        }
    }
}

/// `PROJECT/SERVICE` from the labels that Docker Compose sets, and the replica's number if it is not the first.
fn service(labels: &BTreeMap<String, String>) -> Option<String> {
    let label = |name: &str| labels.get(&format!("com.docker.compose.{name}")).filter(|value| !value.is_empty());
    let (project, service) = (label("project")?, label("service")?);
    Some(match label("container-number").map(String::as_str) {
        None | Some("1") => format!("{project}/{service}"),
        Some(number) => format!("{project}/{service}-{number}"),
    })
}
