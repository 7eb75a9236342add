//! Everything a frame is drawn from.

use std::collections::HashSet;

use crate::event::BootNs;
use crate::model::{Condition, Container, ContainerKey, ContainerRef, Node, Termination};
use crate::output::Clock;

/// One moment of the model, as far as it is asked for.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// The model.
    pub node: &'a Node,
    /// Ids of the containers that the filters let pass.
    pub shown: &'a HashSet<String>,
    /// The moment. While paused, and in a replay, it stands still.
    pub now: BootNs,
    /// From time since boot to UTC.
    pub clock: Clock,
}

/// What is left of a grace period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Left, ms; 0 when it is over.
    pub left_ms: u64,
    /// Granted, ms.
    pub of_ms: u64,
}

impl<'a> Scene<'a> {
    /// The containers to show, in the order they were found.
    pub fn containers(&self) -> impl Iterator<Item = (ContainerKey, &'a Container)> + use<'a> {
        let shown = self.shown;
        self.node.containers().filter(|(_, container)| shown.contains(&container.name.id) && !container.is_sandbox())
    }

    /// Whether news of this container are to be shown.
    #[must_use]
    pub fn shows(&self, container: &ContainerRef) -> bool {
        self.shown.contains(&container.id)
    }

    /// The conditions of what is shown, oldest first.
    #[must_use]
    pub fn conditions(&self) -> impl DoubleEndedIterator<Item = (BootNs, &'a Condition)> + use<'a> {
        let shown = self.shown;
        let is_shown = move |name: &ContainerRef| shown.contains(&name.id);
        let all = self.node.conditions().map(|(at, condition)| (at, &**condition));
        all.filter(move |(_, condition)| condition.container.as_ref().is_none_or(is_shown))
    }

    /// The stops that go on, each as it stands now.
    pub fn stopping(&self) -> impl Iterator<Item = Termination> + use<'a> {
        let (node, now) = (self.node, self.now);
        self.containers().filter_map(move |(key, _)| node.termination(key, now))
    }

    /// What is left of the grace period of a stop that goes on. `None` when the first process is gone already, when
    /// nobody asked it to stop, and when the period is not known.
    #[must_use]
    pub fn budget(&self, key: ContainerKey) -> Option<Budget> {
        let stop = self.node.container(key)?.stop.as_ref().filter(|stop| stop.exit.is_none())?;
        if stop.signal().is_none() && stop.pre_stop.is_none() {
            return None;
        }
        let grace = self.node.grace(key, self.now)?;
        let of_ms = grace.budget_ms?;
        Some(Budget { left_ms: of_ms.saturating_sub(grace.used_ms), of_ms })
    }
}
