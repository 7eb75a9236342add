//! Pods: which containers are one, which of them is the sandbox, and the stop of the whole.

use std::sync::Arc;

use crate::event::{BootNs, PodName};

use super::change::{ContainerRef, News, Termination};
use super::container::Container;
use super::limits;
use super::names::{Role, Verdict};
use super::node::Node;
use super::process::{ContainerKey, Process};

/// A pod's number in the model; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodKey(pub(super) u32);

/// A pod: all of what the node knows of it.
#[derive(Clone, Debug, Default)]
pub struct Pod {
    /// UID, as the cgroup path or the runtime tells it.
    pub uid: String,
    /// Namespace and name, once a runtime told them.
    pub name: Option<PodName>,
    /// Its containers without the sandbox, in the order they were found; those that are gone are among them for as long
    /// as the model keeps them.
    pub containers: Vec<ContainerKey>,
    /// Its sandbox: the pause container.
    pub sandbox: Option<ContainerKey>,
    /// The last stop of the pod: see [`Node::pod_stop`] for the one that goes on.
    stop: Option<PodStop>,
}

/// The stop of a pod: from the first sign of a stop in any of its containers until none is being stopped and none ended
/// in the last [`limits::POD_QUIET_MS`]. A container that ends by itself begins none.
#[derive(Clone, Debug)]
pub struct PodStop {
    /// The first sign.
    pub started: BootNs,
    /// The ends so far, in order.
    pub ended: Vec<Arc<Termination>>,
    /// The summary was told.
    told: bool,
}

/// All containers of a pod have ended.
#[derive(Clone, Debug, PartialEq)]
pub struct PodNews {
    /// UID of the pod.
    pub uid: String,
    /// Its namespace and name, where known.
    pub name: Option<PodName>,
    /// First sign of its stop.
    pub started: BootNs,
    /// The last process of its last container is gone.
    pub ended: BootNs,
    /// Its containers, in the order they were gone.
    pub containers: Vec<PodEnd>,
}

/// The end of one container of a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct PodEnd {
    /// Which.
    pub container: ContainerRef,
    /// Why it ended the way it did.
    pub verdict: Verdict,
    /// When its first process exited.
    pub ended: BootNs,
}

/// A container was restarted in its pod.
#[derive(Clone, Debug, PartialEq)]
pub struct RestartNews {
    /// The new one.
    pub container: ContainerRef,
    /// How often it was restarted by now.
    pub restarts: u32,
    /// How the one before ended, if that was seen.
    pub before: Option<Arc<Termination>>,
}

impl Node {
    /// All pods of which a container is known, oldest first.
    pub fn pods(&self) -> impl Iterator<Item = (PodKey, &Pod)> {
        self.pods.iter().map(|(&key, pod)| (key, pod))
    }

    /// One pod.
    #[must_use]
    pub fn pod(&self, key: PodKey) -> Option<&Pod> {
        self.pods.get(&key)
    }

    /// The stop of a pod that goes on at `now`.
    #[must_use]
    pub fn pod_stop(&self, key: PodKey, now: BootNs) -> Option<&PodStop> {
        let pod = self.pods.get(&key)?;
        let stop = pod.stop.as_ref()?;
        let ended_just_now =
            stop.ended.iter().filter_map(|end| end.ended).any(|end| now.ms_since(end) <= limits::POD_QUIET_MS);
        let goes_on =
            || pod.containers.iter().any(|key| self.containers.get(key).is_some_and(Container::is_told_to_stop));
        (ended_just_now || goes_on()).then_some(stop)
    }

    /// Puts a container into its pod, once it is known which one that is.
    pub(super) fn join_pod(&mut self, key: ContainerKey) {
        let Some(container) = self.containers.get(&key) else { return };
        let name = container.name.pod.clone();
        let uid = container.pod_uid.as_ref().or_else(|| name.as_ref().map(|pod| &pod.uid));
        let Some(uid) = uid.filter(|uid| !uid.is_empty()).cloned() else { return };
        let is_sandbox = container.is_sandbox();
        let pod_key = container.pod.or_else(|| self.pod_by_uid.get(&uid).copied()).unwrap_or_else(|| {
            self.next_pod += 1;
            let new = PodKey(self.next_pod);
            self.pod_by_uid.insert(uid.clone(), new);
            self.pods.insert(new, Pod { uid, ..Pod::default() });
            new
        });
        if let Some(container) = self.containers.get_mut(&key) {
            container.pod = Some(pod_key);
        }
        let Some(pod) = self.pods.get_mut(&pod_key) else { return };
        if name.is_some() {
            pod.name = name;
        }
        if is_sandbox {
            pod.containers.retain(|member| *member != key);
            pod.sandbox = Some(key);
        } else {
            if pod.sandbox == Some(key) {
                pod.sandbox = None;
            }
            if !pod.containers.contains(&key) {
                pod.containers.push(key);
            }
        }
        self.owner_known(pod_key);
    }

    /// Forgets a container; its pod, too, if it was the last one of it.
    pub(super) fn leave_pod(&mut self, key: ContainerKey, pod_key: PodKey) {
        let Some(pod) = self.pods.get_mut(&pod_key) else { return };
        pod.containers.retain(|member| *member != key);
        if pod.sandbox == Some(key) {
            pod.sandbox = None;
        }
        if pod.containers.is_empty() && pod.sandbox.is_none() {
            let uid = std::mem::take(&mut pod.uid);
            self.pods.remove(&pod_key);
            self.pod_by_uid.remove(&uid);
            self.pod_is_over(&uid);
        }
    }

    /// Other containers of the same pod that run and that nobody has told to stop.
    pub(super) fn going_on(&self, key: ContainerKey) -> impl Iterator<Item = &Container> {
        let pod = self.containers.get(&key).and_then(|container| container.pod).and_then(|pod| self.pods.get(&pod));
        let others = pod.into_iter().flat_map(|pod| &pod.containers).filter(move |other| **other != key);
        others.filter(|other| self.is_running(**other)).filter_map(|other| self.containers.get(other)).filter(|other| {
            // killed before its stop was recognised, or ended by itself
            other.stop.as_ref().is_none_or(|stop| stop.exit.is_none()) && !other.is_told_to_stop()
        })
    }

    /// Whether something lives in a container.
    pub(super) fn is_running(&self, key: ContainerKey) -> bool {
        self.containers.get(&key).is_some_and(|container| container.gone.is_none())
            && self.processes.of(key).any(Process::is_live)
    }

    /// A container is told to stop: its pod's stop begins, unless it goes on already.
    pub(super) fn pod_stop_begins(&mut self, key: ContainerKey, now: BootNs) {
        let Some(container) = self.containers.get(&key).filter(|container| container.is_told_to_stop()) else { return };
        let (Some(pod_key), Some(started)) = (container.pod, container.stop.as_ref().map(|stop| stop.started)) else {
            return;
        };
        // what ended before this one's first sign belongs to another stop if that is over
        let others = self.pods.get(&pod_key).is_some_and(|pod| {
            let others = pod.containers.iter().filter(|other| **other != key);
            others.filter_map(|other| self.containers.get(other)).any(Container::is_told_to_stop)
        });
        let Some(pod) = self.pods.get_mut(&pod_key) else { return };
        // what was started after that stop began is a next life: a liveness probe failed, and now the pod is deleted
        let is_next =
            pod.stop.as_ref().zip(container.first).is_some_and(|(stop, first)| stop.started < BootNs(first.start));
        let recent = pod.stop.as_ref().is_some_and(|stop| {
            stop.ended.iter().filter_map(|end| end.ended).any(|end| now.ms_since(end) <= limits::POD_QUIET_MS)
        });
        match &mut pod.stop {
            // a hook that is recognised afterwards began before
            Some(stop) if !is_next && (others || recent) => stop.started = stop.started.min(started),
            stop => *stop = Some(PodStop { started, ended: Vec::new(), told: false }),
        }
    }

    /// A container of a pod has ended: part of the pod's stop; when it was the last, that is told.
    pub(super) fn pod_stop_ends(&mut self, at: BootNs, key: ContainerKey, termination: &Arc<Termination>) {
        let Some(pod_key) = self.containers.get(&key).and_then(|container| container.pod) else { return };
        if self.pod_stop(pod_key, at).is_none() && !was_told_to_stop(termination) {
            return;
        }
        let Some(pod) = self.pods.get_mut(&pod_key) else { return };
        let Some(stop) = &mut pod.stop else { return };
        if stop.ended.len() == limits::POD_ENDS_KEPT {
            stop.ended.remove(0);
        }
        stop.ended.push(termination.clone());
        let all = pod.containers.clone();
        // one whose end waits for its name will be told, and the summary after it
        let goes_on =
            |member| self.is_running(member) || self.containers.get(&member).is_some_and(Container::is_closing);
        if all.iter().any(|member| *member != key && goes_on(*member)) {
            return;
        }
        let Some(pod) = self.pods.get_mut(&pod_key) else { return };
        let Some(stop) = pod.stop.as_mut().filter(|stop| stop.ended.len() > 1 && !stop.told) else { return };
        stop.told = true;
        // the end that is told last need not have come last
        let last = stop.ended.iter().filter_map(|end| end.ended).max().unwrap_or(at);
        let news = summary(pod.uid.clone(), pod.name.clone(), stop, last);
        self.news(at, News::Pod(Box::new(news)));
    }
}

/// Whether a runtime asked for this end: what belongs to the stop of a pod.
fn was_told_to_stop(termination: &Termination) -> bool {
    termination.pre_stop.is_some() || termination.sender.as_ref().is_some_and(|sender| sender.role == Role::Runtime)
}

fn summary(uid: String, name: Option<PodName>, stop: &PodStop, now: BootNs) -> PodNews {
    let ends = stop.ended.iter().map(|end| PodEnd {
        container: end.container.clone(),
        verdict: end.verdict,
        ended: end.exited.or(end.ended).unwrap_or(now),
    });
    PodNews { uid, name, started: stop.started, ended: now, containers: ends.collect() }
}

impl PodNews {
    /// The container that ended last.
    #[must_use]
    pub fn slowest(&self) -> Option<&PodEnd> {
        self.containers.iter().max_by_key(|end| end.ended)
    }

    /// A container of the pod, where one is asked for: they share its name and labels.
    #[must_use]
    pub fn any_container(&self) -> Option<&ContainerRef> {
        self.slowest().map(|end| &end.container)
    }
}

impl Container {
    /// Whether a runtime has told it to stop, and it has not ended yet: by a hook, the stop signal or SIGKILL.
    #[must_use]
    pub fn is_told_to_stop(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| {
            let by_runtime = stop.sender().is_some_and(|sender| sender.role == Role::Runtime);
            let killed = stop.kill.as_ref().is_some_and(|kill| kill.sender.role == Role::Runtime);
            stop.pre_stop.is_some() || by_runtime || killed
        })
    }
}
