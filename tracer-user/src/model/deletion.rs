//! What the API of Kubernetes told: which workload a pod belongs to, and when somebody asked for its end.

use std::sync::Arc;

use crate::event::{Deletion, Owner, PodTold};

use super::change::Deleted;
use super::container::{Container, Stop};
use super::limits;
use super::node::Node;
use super::pod::PodKey;

impl Node {
    /// The API told something of a pod, of which there may be no container yet.
    pub(super) fn on_pod_told(&mut self, told: &PodTold) {
        let uid = &told.pod.uid;
        let is_known = self.pod_by_uid.contains_key(uid);
        if told.gone && !is_known {
            self.pods_told.remove(uid);
        } else if is_known || self.pods_told.len() < limits::PODS_TOLD || self.pods_told.contains_key(uid) {
            self.pods_told.insert(uid.clone(), told.clone());
            if let Some(&pod) = self.pod_by_uid.get(uid) {
                self.owner_known(pod);
            }
        }
    }

    /// A pod has containers, and the API may have told whose it is: from now on what is said of them says so.
    pub(super) fn owner_known(&mut self, pod: PodKey) {
        let Some(pod) = self.pods.get(&pod) else { return };
        let Some(owner) = self.pods_told.get(&pod.uid).and_then(|told| told.owner.as_ref()) else { return };
        for key in &pod.containers {
            if let Some(container) = self.containers.get_mut(key).filter(|one| one.name.owner.as_ref() != Some(owner)) {
                Arc::make_mut(&mut container.name).owner = Some(owner.clone());
            }
        }
    }

    /// The last container of a pod is forgotten, and so is the pod if the API knows it no longer.
    pub(super) fn pod_is_over(&mut self, uid: &str) {
        if self.pods_told.get(uid).is_some_and(|told| told.gone) {
            self.pods_told.remove(uid);
        }
    }

    /// The workload that a container's pod belongs to, where the API told it.
    #[must_use]
    pub fn owner(&self, container: &Container) -> Option<&Owner> {
        self.told(container)?.owner.as_ref()
    }

    /// The deletion of its pod that led to the stop of a container: what began before was for another reason.
    pub(super) fn deleted(&self, container: &Container, stop: &Stop) -> Option<Deleted> {
        let Deletion { requested, grace_ms, imprecise } = self.told(container)?.deletion?;
        if stop.started.plus_ms(Deletion::PRECISION_MS) < requested {
            return None;
        }
        let kill = stop.kill.as_ref().map(|kill| kill.at);
        let signal = stop.signal().map(|signal| signal.at).or(kill);
        let until_signal_ms = signal.map(|signal| signal.ms_since(requested));
        Some(Deleted { requested, grace_ms, until_signal_ms, imprecise })
    }

    fn told(&self, container: &Container) -> Option<&PodTold> {
        self.pods_told.get(&self.pods.get(&container.pod?)?.uid)
    }
}
