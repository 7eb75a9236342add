//! The list of stops: those that go on, and those that are over.

use std::borrow::Cow;
use std::sync::Arc;

use crate::event::{BootNs, PodName};
use crate::model::{Container, ContainerKey, ContainerName, Stop, Termination};
use crate::tui::scene::Scene;

/// Which stop. It stays the same when the stop ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StopId {
    pub(super) container: String,
    pub(super) started: BootNs,
}

/// What the person looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Focus {
    /// The newest, whichever that is.
    #[default]
    Newest,
    /// The newest of one container, by its id.
    Container(String),
    /// This one.
    Stop(StopId),
}

/// A line of the list.
#[derive(Clone, Copy)]
pub(super) enum Entry<'a> {
    GoingOn(ContainerKey, &'a Container, &'a Stop),
    Past(&'a Arc<Termination>),
}

impl<'a> Entry<'a> {
    pub(super) fn id(&self) -> StopId {
        StopId { container: self.container().id.clone(), started: self.started() }
    }

    pub(super) fn is(&self, id: &StopId) -> bool {
        self.started() == id.started && self.container().id == id.container
    }

    pub(super) const fn is_past(&self) -> bool {
        matches!(self, Self::Past(_))
    }

    pub(super) fn container(&self) -> &'a ContainerName {
        match self {
            Self::GoingOn(_, container, _) => &container.name,
            Self::Past(termination) => &termination.container,
        }
    }

    pub(super) fn started(&self) -> BootNs {
        match self {
            Self::GoingOn(_, _, stop) => stop.started,
            Self::Past(termination) => termination.started,
        }
    }

    fn ended(&self, now: BootNs) -> BootNs {
        match self {
            Self::GoingOn(..) => now,
            Self::Past(termination) => termination.ended.or(termination.exited).unwrap_or(termination.started),
        }
    }

    /// The first sign of the stop of its pod that it is part of; its own, where there is none.
    fn pod_started(&self, scene: &Scene<'a>) -> BootNs {
        let of_pod = match self {
            Self::GoingOn(_, container, _) => container.pod.and_then(|pod| scene.node.pod_stop(pod, scene.now)),
            Self::Past(termination) => return termination.axis_start(),
        };
        of_pod.map_or(self.started(), |stop| stop.started.min(self.started()))
    }

    /// The whole of it, as it stands.
    pub(super) fn termination(&self, scene: &Scene<'a>) -> Option<Cow<'a, Termination>> {
        match self {
            Self::GoingOn(key, ..) => scene.node.termination(*key, scene.now).map(Cow::Owned),
            Self::Past(termination) => Some(Cow::Borrowed(termination)),
        }
    }
}

/// All stops: what goes on first, then what is over, each the newest first.
pub(super) fn entries<'a>(scene: &Scene<'a>) -> Vec<Entry<'a>> {
    let mut going_on: Vec<_> = scene
        .containers()
        .filter_map(|(key, container)| Some(Entry::GoingOn(key, container, container.stop.as_ref()?)))
        .collect();
    going_on.sort_by_key(|entry| std::cmp::Reverse(entry.started()));
    let past = scene.node.terminations().rev();
    let past = past.filter(|ended| scene.shows(&ended.container) && !ended.container.sandbox);
    going_on.extend(past.map(Entry::Past));
    going_on
}

/// Which line is looked at.
pub(super) fn chosen(entries: &[Entry<'_>], focus: &Focus) -> Option<usize> {
    match focus {
        Focus::Newest => (!entries.is_empty()).then_some(0),
        Focus::Container(id) => entries.iter().position(|entry| entry.container().id == *id),
        Focus::Stop(id) => {
            let found = entries.iter().position(|entry| entry.is(id));
            // it is so old that it was forgotten
            found.or_else(|| (!entries.is_empty()).then_some(0))
        }
    }
}

/// The chosen one, and those of the other containers of its pod that belong to the same stop, by their start.
pub(super) fn of_one_pod<'a>(entries: &[Entry<'a>], chosen: usize, scene: &Scene<'a>) -> Vec<Entry<'a>> {
    let Some(&entry) = entries.get(chosen) else { return Vec::new() };
    let mut all = vec![entry];
    let Some(pod) = &entry.container().pod else { return all };
    // a sidecar that is told after the others have ended has the pod's first sign, so that they overlap
    let touches = |other: &Entry<'a>| {
        other.pod_started(scene) <= entry.ended(scene.now) && entry.pod_started(scene) <= other.ended(scene.now)
    };
    let mut others: Vec<_> = entries
        .iter()
        .enumerate()
        .filter(|(index, other)| *index != chosen && other.container().id != entry.container().id && touches(other))
        .filter(|(_, other)| other.container().pod.as_ref().is_some_and(|other| same_pod(pod, other)))
        .map(|(_, other)| *other)
        .collect();
    others.sort_by_key(Entry::started);
    all.extend(others);
    all
}

fn same_pod(one: &PodName, other: &PodName) -> bool {
    if one.uid.is_empty() || other.uid.is_empty() {
        one.namespace == other.namespace && one.name == other.name
    } else {
        one.uid == other.uid
    }
}

/// Containers of the same pod that run on and that nothing asked to stop.
pub(super) fn running_beside<'a>(scene: &Scene<'a>, sections: &[Entry<'a>]) -> Vec<&'a Container> {
    let Some(pod) = sections.first().and_then(|entry| entry.container().pod.as_ref()) else { return Vec::new() };
    scene
        .containers()
        .map(|(_, container)| container)
        .filter(|container| container.gone.is_none() && container.stop.is_none())
        .filter(|container| container.name.pod.as_ref().is_some_and(|other| same_pod(pod, other)))
        .filter(|container| sections.iter().all(|entry| entry.container().id != container.name.id))
        .collect()
}
