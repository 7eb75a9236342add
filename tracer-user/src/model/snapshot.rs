//! After a loss: a snapshot tells who is left, and so who is gone.

use crate::event::{BootNs, TaskKey};

use super::node::Node;
use super::process::{ContainerKey, Process};

impl Node {
    /// A snapshot that `began` then is complete. Whoever was there before and is not in it ended, or was reaped, and the
    /// event of that was lost.
    pub(super) fn on_snapshot(&mut self, at: BootNs, began: BootNs) {
        let missing: Vec<(TaskKey, Option<ContainerKey>)> = self
            .processes
            .iter()
            .filter(|process| process.task.start < began.0 && process.seen < began)
            // a zombie that was told of meanwhile is as good as seen
            .filter(|process| process.exit.is_none_or(|(exited, _)| exited < began))
            .map(|process| (process.key(), process.container))
            .collect();
        for (key, owner) in missing {
            self.vanished(at, key, owner);
        }
    }

    fn vanished(&mut self, at: BootNs, key: TaskKey, owner: Option<ContainerKey>) {
        let live = self.processes.get(key).is_some_and(Process::is_live);
        self.tell_reaped(at, key);
        if let Some(owner) = owner
            && live
        {
            self.lost_exit(at, owner, key);
        }
        if let Some(process) = self.processes.remove(key) {
            self.depart(process);
        }
        if let Some(owner) = owner {
            let over = self.containers.get(&owner).is_some_and(|container| {
                container.stop.as_ref().is_some_and(|stop| stop.exit.is_some() || stop.first == Some(key))
            });
            let empty = !self.processes.of(owner).any(Process::is_live);
            self.close_stop(at, owner, over && empty);
        }
    }

    /// The exit of a process was lost: nothing of this container is certain, and its first process's end is its end.
    fn lost_exit(&mut self, at: BootNs, owner: ContainerKey, key: TaskKey) {
        let Some(container) = self.containers.get_mut(&owner) else { return };
        container.loss = Some(at);
        let first = container.first == Some(key);
        if first && container.stop.is_none() {
            self.open_after_loss(owner, at);
        }
    }
}
