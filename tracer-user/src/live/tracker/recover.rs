//! All processes as they are now: at the start, and again when records were lost.

use std::collections::{HashMap, HashSet};

use anyhow::Context as _;

use crate::container::scan::{Scan, is_there};
use crate::event::{BootNs, CgroupFound, CgroupGone, CgroupId, Event, ProcessSeen, TaskKey, What};
use crate::live::loss::Present;
use crate::live::{answers, boot_now};
use crate::probe::{ProbeError, TaskSeen};

use super::Tracker;
use super::forged::outer_first;

/// A process that is about to be followed may fork: so many times we look whether it did.
const ROUNDS: usize = 5;

impl Tracker {
    /// Makes up for what was lost: which cgroups came and went, who is there, who is gone.
    ///
    /// The order is what matters. What the ring holds counts for more than what is missing from it (how a process ended,
    /// for one), so it is read before anything is concluded; and the end of a container comes before its next life.
    ///
    /// # Errors
    /// When the task iterator or a map cannot be read.
    pub fn look_again(&mut self, events: &mut Vec<Event>) -> anyhow::Result<Present> {
        let missed =
            std::mem::take(&mut self.missed_cgroups).then(|| (self.strays(), self.classifier.scan(&self.hierarchies)));
        if let Some((strays, scan)) = missed {
            self.catch_up(events)?;
            let at = boot_now();
            self.tell_gone(at, &scan, events);
            for found in outer_first(scan.found) {
                // one that finds no room was counted when it was made
                unless_full(self.found(at, found, events))?;
            }
            for stray in strays {
                if !self.cgroups.contains_key(&stray) {
                    self.probe.untrack(stray)?;
                }
            }
        }
        self.look(events).context("cannot look at all processes again after a loss")
    }

    /// All processes of what is tracked, as they are now, in their right place among what the ring holds.
    ///
    /// # Errors
    /// When the task iterator or a map cannot be read.
    pub(super) fn look(&mut self, events: &mut Vec<Event>) -> anyhow::Result<Present> {
        let at = boot_now();
        let (tasks, followed) = self.tasks()?;
        let present = Present::new(at, &tasks);
        // whoever is on its way out has been told, or was there before us
        let there = tasks.into_iter().filter(|seen| !seen.ending);
        let processes = there.filter_map(|seen| self.process(seen, &followed)).collect();
        let told = events.len();
        self.catch_up(events)?;
        merge(events, told, processes);
        Ok(present)
    }

    /// Takes what the ring holds until now. Under a storm there is always more.
    fn catch_up(&mut self, events: &mut Vec<Event>) -> anyhow::Result<()> {
        let now = boot_now();
        while self.drain(events)? && self.drained_to <= now {}
        Ok(())
    }

    /// All processes of the host, and which of them are followed by their pid: those that `--pid` names and their
    /// descendants. Until a process is followed nobody tells of its children, so they are looked for again.
    fn tasks(&mut self) -> anyhow::Result<(Vec<TaskSeen>, HashSet<u32>)> {
        let mut tasks = self.probe.snapshot()?;
        if !self.follows_pids() {
            return Ok((tasks, HashSet::new()));
        }
        // the kernel programs forget who is reaped, so that no pid here is another one's by now
        let mut followed: HashSet<u32> = self.probe.followed().collect();
        for _ in 0..ROUNDS {
            if !self.follow_children(&tasks, &mut followed)? {
                break;
            }
            tasks = self.probe.snapshot()?;
            followed.extend(self.probe.followed());
        }
        Ok((tasks, followed))
    }

    /// Follows the descendants of those who are followed. Returns whether there was one more.
    fn follow_children(&mut self, tasks: &[TaskSeen], followed: &mut HashSet<u32>) -> anyhow::Result<bool> {
        let more = descendants(tasks, followed);
        for &child in &more {
            followed.insert(child);
            match self.probe.follow_pid(child) {
                // the kernel programs count those that they cannot follow, too
                Err(error @ ProbeError::Full { .. }) => log::info!("process {child} is not followed: {error}"),
                other => other?,
            }
        }
        Ok(!more.is_empty())
    }

    /// A process, if it is tracked.
    fn process(&self, seen: TaskSeen, followed: &HashSet<u32>) -> Option<(BootNs, ProcessSeen)> {
        let TaskSeen { time, mut process, cgroup_v2, cgroup_v1, .. } = seen;
        // in the order of the kernel programs
        match [cgroup_v1, cgroup_v2].into_iter().find(|cgroup| self.cgroups.contains_key(cgroup)) {
            Some(cgroup) => process.task.cgroup = cgroup,
            None if followed.contains(&process.task.pid) => {}
            None => return None,
        }
        process.exe = answers::executable(process.task.pid);
        Some((time, process))
    }

    /// Cgroups that the kernel programs track and that nobody has told us of: their records are in the ring, or lost.
    fn strays(&self) -> Vec<CgroupId> {
        self.probe.tracked().map(|(cgroup, _)| cgroup).filter(|cgroup| !self.cgroups.contains_key(cgroup)).collect()
    }

    /// Tells of cgroups that are not there any more.
    fn tell_gone(&mut self, at: BootNs, scan: &Scan, events: &mut Vec<Event>) {
        let there: HashSet<_> = scan.found.iter().map(|found| found.cgroup).collect();
        let is_gone = |found: &&CgroupFound| {
            !there.contains(&found.cgroup) && is_there(&self.hierarchies, found.cgroup, &found.path) == Some(false)
        };
        let mut gone: Vec<_> = self.cgroups.values().filter(is_gone).map(|found| (found.own, found.cgroup)).collect();
        // what is below comes first, as when they are removed one by one
        gone.sort_unstable();
        for (_, cgroup) in gone {
            self.removed(Event(at, What::CgroupGone(CgroupGone { cgroup })), cgroup, events);
        }
    }
}

/// The descendants of `followed` that are not among them yet, parents first.
fn descendants(tasks: &[TaskSeen], followed: &HashSet<u32>) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for TaskSeen { process, .. } in tasks {
        children.entry(process.parent.pid).or_default().push(process.task.pid);
    }
    let mut left: Vec<u32> = followed.iter().copied().collect();
    let mut seen = followed.clone();
    let mut more = Vec::new();
    while let Some(parent) = left.pop() {
        for &child in children.get(&parent).into_iter().flatten().filter(|&&child| seen.insert(child)) {
            more.push(child);
            left.push(child);
        }
    }
    more
}

/// Puts the processes of a snapshot among the events from `told` on, which were read from the ring after it.
///
/// What the ring tells counts for more: who ended by one of these events was a live process until then, even if the
/// snapshot shows a zombie; who was reaped is no news. The others come last, parents before their children.
fn merge(events: &mut Vec<Event>, told: usize, processes: Vec<(BootNs, ProcessSeen)>) {
    let mut left: HashMap<TaskKey, (BootNs, ProcessSeen)> =
        processes.into_iter().map(|seen| (seen.1.task.key(), seen)).collect();
    for event in events.split_off(told) {
        match &event.1 {
            What::Exit(exited) => {
                let lived = left.remove(&exited.task.key()).map(|(_, seen)| ProcessSeen {
                    zombie: None,
                    pending: exited.pending,
                    ..seen
                });
                events.extend(lived.map(|seen| Event(event.0, What::Process(seen))));
            }
            What::Reaped(reaped) => drop(left.remove(&reaped.task.key())),
            _ => {}
        }
        events.push(event);
    }
    let mut left: Vec<_> = left.into_values().collect();
    left.sort_unstable_by_key(|(_, seen)| (seen.task.start, seen.task.pid));
    events.extend(left.into_iter().map(|(at, seen)| Event(at, What::Process(seen))));
}

/// A full table is no reason to end.
pub(super) fn unless_full(result: anyhow::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if matches!(error.downcast_ref(), Some(ProbeError::Full { .. })) => {
            log::info!("{error}");
            Ok(())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
