//! Setting the model right after a loss: where something is missing, and who is gone without a word.

use std::collections::HashSet;

use crate::event::{BootNs, Event, Lost, TaskKey, What};
use crate::probe::TaskSeen;

/// All processes there were at a moment.
#[derive(Clone, Debug)]
pub struct Present {
    at: BootNs,
    tasks: HashSet<TaskKey>,
}

impl Present {
    pub(super) fn new(at: BootNs, tasks: &[TaskSeen]) -> Self {
        Self { at, tasks: tasks.iter().map(|seen| seen.process.task.key()).collect() }
    }

    /// When.
    #[must_use]
    pub const fn at(&self) -> BootNs {
        self.at
    }

    /// Whether a process was gone by then.
    #[must_use]
    pub fn lacks(&self, process: TaskKey) -> bool {
        process.start < self.at.0 && !self.tasks.contains(&process)
    }
}

/// Something was lost before, between or after the events from `start` on: nobody knows where. What ends by one of them
/// must not be judged as if all were there, so each end comes with a loss of nothing.
pub(super) fn mark_ends(events: &mut Vec<Event>, start: usize) {
    for event in events.split_off(start) {
        if matches!(event.1, What::Exit(_) | What::Reaped(_) | What::CgroupGone(_)) {
            events.push(Event(event.0, What::Lost(Lost::default())));
        }
        events.push(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{CgroupGone, CgroupId};

    #[test]
    fn ends_of_a_batch_with_losses_come_with_a_loss_each() {
        let gone = |at, cgroup| Event(BootNs(at), What::CgroupGone(CgroupGone { cgroup: CgroupId(cgroup) }));
        let tick = Event(BootNs(2), What::Tick {});
        let mut events = vec![gone(1, 1), tick.clone(), gone(3, 3)];
        mark_ends(&mut events, 1);
        let lost = Event(BootNs(3), What::Lost(Lost::default()));
        assert_eq!(events, [gone(1, 1), tick, lost, gone(3, 3)]);
    }

    #[test]
    fn who_started_later_is_not_missing() {
        let key = |pid, start| TaskKey { pid, start };
        let present = Present { at: BootNs(100), tasks: HashSet::from([key(1, 10)]) };
        assert!(!present.lacks(key(1, 10)));
        assert!(present.lacks(key(1, 11)), "another one has the pid now");
        assert!(!present.lacks(key(2, 100)));
    }
}
