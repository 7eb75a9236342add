//! The end of a stop: when it is over, and when that is told.
//!
//! A container that lives for a moment ends before its runtime has said what it is called. Its end is then held back for
//! as long as an answer may take, and told with the name, the grace period and the pod it had.

use crate::event::BootNs;

use super::change::News;
use super::container::{Container, Told};
use super::limits;
use super::names::ContainerState;
use super::node::{Node, Timer};
use super::process::{ContainerKey, Process};

impl Node {
    /// Closes a stop when its first process is gone and nothing lives in the container any more.
    pub(super) fn close_stop(&mut self, at: BootNs, owner: ContainerKey, cgroup_gone: bool) {
        let Some(container) = self.containers.get(&owner) else { return };
        let Some(stop) = &container.stop else { return };
        if container.closing.is_some() {
            return;
        }
        if !cgroup_gone {
            // what --pid names is one process: those it leaves behind go on without it
            let alone = self.followed.values().any(|followed| *followed == owner);
            let empty = || !self.processes.of(owner).any(Process::is_live);
            let over = (stop.exit.is_some() || stop.vanished) && (alone || empty());
            if !over {
                return;
            }
        }
        let Some(container) = self.containers.get_mut(&owner) else { return };
        container.closing = Some(at);
        if container.may_be_described(at) {
            self.remind(at.plus_ms(limits::NAME_DUE_MS), Timer::Conclude(owner, at));
        } else {
            self.conclude_stop(owner);
        }
    }

    /// Tells the end that is held back, whatever is known of its container.
    pub(super) fn conclude_stop(&mut self, owner: ContainerKey) {
        let Some(at) = self.containers.get(&owner).and_then(|container| container.closing) else { return };
        let termination = self.termination(owner, at);
        let Some(container) = self.containers.get_mut(&owner) else { return };
        container.closing = None;
        container.stop = None;
        container.candidate = None;
        container.departed.clear();
        let gone = container.gone;
        // a runtime makes a cgroup for each life; what --cgroup names may be used again
        container.over = gone.is_none() && container.runtime == "cgroup";
        if let Some(mut termination) = termination {
            termination.ended = Some(at);
            let kept = self.keep_termination(termination);
            self.news(at, News::Termination(kept.clone()));
            self.pod_stop_ends(at, owner, &kept);
        }
        if let Some(gone) = gone {
            self.tell_gone(gone, owner);
        }
    }

    /// The time of [`Timer::Conclude`] has come, unless it is another end by now.
    pub(super) fn conclude_due(&mut self, owner: ContainerKey, ended: BootNs) {
        if self.containers.get(&owner).is_some_and(|container| container.closing == Some(ended)) {
            self.conclude_stop(owner);
        }
    }

    /// A container's cgroup is gone: told after its end.
    pub(super) fn tell_gone(&mut self, at: BootNs, owner: ContainerKey) {
        self.announce(at, owner);
        let told = |container: &&Container| container.told != Told::Nothing && container.closing.is_none();
        if let Some(container) = self.containers.get(&owner).filter(told) {
            let news = container.news(ContainerState::Gone);
            self.news(at, News::Container(Box::new(news)));
        }
    }

    /// No more events will come: tells what was held back for them.
    pub fn conclude(&mut self) {
        let keys: Vec<_> = self.containers.keys().copied().collect();
        for key in keys {
            self.announce(self.now, key);
            self.conclude_stop(key);
        }
    }
}

impl Container {
    /// Whether its end is held back.
    pub(super) const fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Whether a runtime may still say what this is: one that it was asked about a moment ago and has not described.
    fn may_be_described(&self, now: BootNs) -> bool {
        let has_runtime = !matches!(self.runtime.as_str(), "cgroup" | "process" | "");
        has_runtime && self.described.is_none() && now.ms_since(self.found) < limits::NAME_ASKED_MS
    }
}
