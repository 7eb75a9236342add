//! Zombies: processes that ended and that nobody reaped.

use std::collections::BTreeMap;

use crate::event::{BootNs, TaskKey};

use super::change::{Condition, Figure, News, ZombieNews};
use super::limits;
use super::names::ConditionKind;
use super::node::{Node, Timer, Want};
use super::process::{ContainerKey, Process};
use super::words::{count, seconds};

impl Node {
    pub(super) fn became_zombie(&mut self, at: BootNs, key: TaskKey) {
        // the runtime's set-up code is the runtime's to reap, and on a busy machine that takes a while
        if let Some(process) = self.processes.get_mut(key).filter(|process| !process.is_setup()) {
            process.zombie = true;
            self.remind(at.plus_ms(limits::ZOMBIE_ASKED_MS), Timer::AskZombie(key));
            self.remind(at.plus_ms(limits::ZOMBIE_TOLD_MS), Timer::Zombie(key));
        }
    }

    /// That nobody told of a reaping does not prove that there was none: `sched_process_free` is missing now and then
    /// for a process that a thread of the host's init reaps.
    pub(super) fn ask_zombie(&mut self, key: TaskKey) {
        if self.processes.get(key).is_some_and(Process::is_zombie_now) {
            self.want(Want::State(key));
        }
    }

    /// A process that exited is not there any more.
    pub(super) fn zombie_is_gone(&mut self, at: BootNs, key: TaskKey) {
        if let Some(task) = self.processes.get(key).map(|process| process.task) {
            self.on_reaped(at, &task);
        }
    }

    pub(super) fn zombie_due(&mut self, due: BootNs, key: TaskKey) {
        let Some(process) = self.processes.get_mut(key) else { return };
        let Some((exited, _)) = process.exit else { return };
        let Some(owner) = process.container else { return };
        process.zombie_told = true;
        if let Some(container) = self.containers.get_mut(&owner) {
            container.zombies += 1;
        }
        self.tell_zombie(due, key, false);
        self.remind(exited.plus_ms(limits::ZOMBIE_OLD_MS), Timer::OldZombie(key));
        if let Some(container) = self.containers.get(&owner) {
            let cgroups = container.cgroups;
            cgroups.into_iter().filter(|cgroup| cgroup.0 != 0).for_each(|cgroup| self.want(Want::Figures(cgroup)));
        }
        self.judge_zombies(due, owner);
    }

    pub(super) fn old_zombie_due(&mut self, due: BootNs, key: TaskKey) {
        if let Some(owner) = self.processes.get(key).and_then(|process| process.container) {
            self.judge_zombies(due, owner);
        }
    }

    pub(super) fn tell_reaped(&mut self, at: BootNs, key: TaskKey) {
        let Some(process) = self.processes.get(key) else { return };
        if !process.zombie_told {
            return;
        }
        let owner = process.container;
        self.tell_zombie(at, key, true);
        if let Some(process) = self.processes.get_mut(key) {
            process.zombie = false;
        }
        if let Some(container) = owner.and_then(|owner| self.containers.get_mut(&owner)) {
            container.zombies = container.zombies.saturating_sub(1);
            if container.zombies == 0 {
                container.zombies_reported = 0;
            }
        }
    }

    fn tell_zombie(&mut self, at: BootNs, key: TaskKey, reaped: bool) {
        let Some(process) = self.processes.get(key) else { return };
        let Some((exited, _)) = process.exit else { return };
        let container = process.container.and_then(|key| self.containers.get(&key)).map(|c| c.name.clone());
        let news = ZombieNews {
            reaped,
            process: self.process_party(process),
            parent: (process.reaper.pid != 0).then(|| self.party(&process.reaper)),
            age_ms: at.ms_since(exited),
            container,
        };
        self.news(at, News::Zombie(news));
    }

    /// The zombies of a container that were told.
    pub fn told_zombies(&self, owner: ContainerKey) -> impl Iterator<Item = &Process> {
        self.processes.of(owner).filter(|process| process.zombie && process.zombie_told)
    }

    /// Raises the condition when zombies are many or old, and again each time their number has doubled.
    fn judge_zombies(&mut self, due: BootNs, owner: ContainerKey) {
        let Some(container) = self.containers.get(&owner) else { return };
        // looking at all of them for each of them would be quadratic
        if container.zombies < container.zombies_reported.saturating_mul(2) {
            return;
        }
        let first = container.first;
        let mut zombies: Vec<_> = self.told_zombies(owner).filter(|process| Some(process.key()) != first).collect();
        let now = zombies.len();
        let oldest_ms =
            zombies.iter().filter_map(|process| process.exit).map(|(at, _)| due.ms_since(at)).max().unwrap_or(0);
        let worth_telling = now >= limits::ZOMBIES_MANY || oldest_ms >= limits::ZOMBIE_OLD_MS;
        if !worth_telling || now < container.zombies_reported.saturating_mul(2).max(1) {
            return;
        }
        zombies.sort_by_key(|process| process.key());
        let condition = self.zombie_condition(owner, &zombies, oldest_ms);
        if let Some(container) = self.containers.get_mut(&owner) {
            container.zombies_reported = now;
        }
        self.tell_condition(due, condition);
    }

    fn zombie_condition(&self, owner: ContainerKey, zombies: &[&Process], oldest_ms: u64) -> Condition {
        let container = self.containers.get(&owner);
        let mut parents: BTreeMap<(u32, String, bool), usize> = BTreeMap::new();
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        let mut adopted = 0;
        for zombie in zombies {
            let parent = self.party(&zombie.reaper);
            *parents.entry((parent.pid, parent.comm.to_string(), parent.is_init)).or_default() += 1;
            *names.entry(zombie.comm().to_string()).or_default() += 1;
            adopted += usize::from(zombie.reaper.key() != zombie.parent.key());
        }
        let worst = parents.iter().max_by_key(|(_, zombies)| **zombies).map(|(parent, _)| parent.clone());
        let (pid, comm, is_init) = worst.unwrap_or_default();
        let list = names.iter().map(|(name, n)| format!("{name} ×{n}")).collect::<Vec<_>>().join(", ");
        let who = match (is_init, adopted > 0) {
            (true, true) => {
                format!("{comm} as PID 1 adopted {} and does not reap", count(adopted, "of them", "of them"))
            }
            (true, false) => format!("their parent is {comm}, PID 1, which does not reap its children"),
            (false, _) if pid != 0 => format!("their parent {comm} (pid {pid}) does not reap its children"),
            (false, _) => "their parent is unknown".to_owned(),
        };
        let figures = container.map(|container| container.figures).unwrap_or_default();
        let room = match (figures.pids_current, figures.pids_max) {
            (Some(current), Some(max)) => format!(" The container uses {current} of {max} pids."),
            _ => String::new(),
        };
        let explanation = format!(
            "{} ({list}), the oldest for {}: {who}.{room}",
            count(zombies.len(), "zombie", "zombies"),
            seconds(oldest_ms)
        );
        let owed: Vec<_> = zombies.iter().filter(|zombie| zombie.reaper.pid == pid).collect();
        let own = owed.iter().filter(|zombie| zombie.reaper.key() == zombie.parent.key()).count();
        // of those that were dead already nobody knows whose children they were
        let unsure = owed.iter().any(|zombie| zombie.found_dead);
        let fix = advice(&comm, is_init, own > 0, own < owed.len() || unsure);
        Condition {
            kind: ConditionKind::Zombies,
            container: container.map(|container| container.name.clone()),
            explanation,
            fix: Some(fix),
            figures: vec![
                ("zombies", Figure::Number(zombies.len() as u64)),
                ("oldest_ms", Figure::Number(oldest_ms)),
                ("adopted", Figure::Number(adopted as u64)),
                ("parent_pid", if pid == 0 { Figure::Unknown } else { Figure::Number(u64::from(pid)) }),
                ("parent_comm", if comm.is_empty() { Figure::Unknown } else { Figure::Text(comm) }),
                ("pids_current", figures.pids_current.map_or(Figure::Unknown, Figure::Number)),
                ("pids_max", figures.pids_max.map_or(Figure::Unknown, Figure::Number)),
            ],
        }
    }
}

/// What to do about zombies of a process's own children, of orphans it adopted, or of both. Putting an init before it helps
/// with orphans only: its own children stay its own.
fn advice(parent: &str, is_init: bool, own: bool, adopted: bool) -> String {
    match (is_init && adopted, own) {
        (true, true) => {
            format!("{} As to orphans that it adopted: {}", zombie_fix(parent, false), zombie_fix(parent, true))
        }
        (adopted, _) => zombie_fix(parent, adopted),
    }
}

/// What to do about zombies whose parent is `parent`, which is an init or not. From strangers: not safe for a terminal.
#[must_use]
pub fn zombie_fix(parent: &str, is_init: bool) -> String {
    if is_init {
        "Put an init that reaps before the program: docker run --init, or tini or dumb-init as entrypoint; in a pod, shareProcessNamespace: true lets the pause process reap."
            .to_owned()
    } else {
        format!(
            "{parent} must wait for its children: call waitpid() on SIGCHLD, or set SIGCHLD to SIG_IGN if their exit codes do not matter."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_init_helps_with_orphans_only() {
        assert!(advice("python3", true, true, false).starts_with("python3 must wait for its children"));
        assert!(!advice("python3", true, true, false).contains("--init"));
        assert!(advice("node", true, false, true).starts_with("Put an init that reaps"));
        assert!(advice("worker", false, true, true).starts_with("worker must wait"));
        let both = advice("node", true, true, true);
        assert!(both.contains("must wait") && both.contains("As to orphans that it adopted: Put an init"), "{both}");
    }
}
