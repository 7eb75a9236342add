//! Zombies: processes that ended and that nobody reaped.

use std::collections::BTreeMap;

use crate::event::{BootNs, CgroupFigures, TaskKey};

use super::change::{Condition, Figure, News, Party, ZombieNews};
use super::limits;
use super::names::ConditionKind;
use super::node::{Node, Timer, Want};
use super::process::{ContainerKey, Process};
use super::reaping::Reaping;
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
        let Some(owner) = process.container.filter(|_| process.exit.is_some()) else { return };
        process.zombie_told = true;
        if let Some(container) = self.containers.get_mut(&owner) {
            container.zombies += 1;
        }
        self.tell_zombie(due, key, false);
        self.remind_of_zombie(due, key);
        if let Some(container) = self.containers.get(&owner) {
            let cgroups = container.cgroups;
            cgroups.into_iter().filter(|cgroup| cgroup.0 != 0).for_each(|cgroup| self.want(Want::Figures(cgroup)));
        }
        self.judge_zombies(due, owner);
    }

    /// A zombie has reached an age at which it may count.
    pub(super) fn old_zombie_due(&mut self, due: BootNs, key: TaskKey) {
        if let Some(owner) = self.processes.get(key).and_then(|process| process.container) {
            self.remind_of_zombie(due, key);
            self.judge_zombies(due, owner);
        }
    }

    /// Another has to reap it now, and gets the time to.
    pub(super) fn adopted_zombie(&mut self, at: BootNs, key: TaskKey) {
        if self.processes.get(key).is_some_and(|process| process.is_zombie_now() && process.zombie_told) {
            self.remind_of_zombie(at, key);
        }
    }

    /// The next age at which it may count.
    fn remind_of_zombie(&mut self, now: BootNs, key: TaskKey) {
        const AGES: [u64; 3] = [limits::ZOMBIE_DUE_MS, limits::ZOMBIE_AWAITED_MS, limits::ZOMBIE_OLD_MS];
        let Some(since) = self.processes.get(key).and_then(Process::owed_since) else { return };
        let next = AGES.into_iter().map(|age| since.plus_ms(age)).find(|then| *then > now);
        if let Some(next) = next {
            self.remind(next, Timer::OldZombie(key));
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
                container.told_nearly_full = false;
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

    /// Raises the condition when zombies are due, many or old, and again each time their number has doubled.
    fn judge_zombies(&mut self, due: BootNs, owner: ContainerKey) {
        let Some(container) = self.containers.get(&owner) else { return };
        // looking at all of them for each of them would be quadratic
        if container.zombies < container.zombies_reported.saturating_mul(2) {
            return;
        }
        let zombies = self.zombies_to_tell(owner);
        let now = zombies.len();
        let ages = || zombies.iter().filter_map(|process| process.owed_since()).map(|since| due.ms_since(since));
        let overdue = zombies.iter().filter(|process| self.is_due(process, due)).count();
        let worth_telling = overdue >= limits::ZOMBIES_MANY
            || now >= limits::ZOMBIES_FLOOD
            || ages().any(|age| age >= limits::ZOMBIE_OLD_MS);
        if worth_telling && now >= container.zombies_reported.saturating_mul(2).max(1) {
            self.tell_zombies(due, owner);
        }
    }

    /// Once they have been told, that they fill the container is worth telling, too.
    pub(super) fn judge_pids(&mut self, at: BootNs, owner: ContainerKey) {
        let Some(container) = self.containers.get(&owner) else { return };
        if container.zombies_reported > 0 && !container.told_nearly_full && nearly_full(&container.figures) {
            self.tell_zombies(at, owner);
        }
    }

    fn tell_zombies(&mut self, at: BootNs, owner: ContainerKey) {
        let told = self.zombies_to_tell(owner).len();
        let condition = self.zombie_condition(at, owner);
        if let Some(container) = self.containers.get_mut(&owner) {
            container.zombies_reported = told;
            container.told_nearly_full = nearly_full(&container.figures);
        }
        self.tell_condition(at, condition);
    }

    fn zombies_to_tell(&self, owner: ContainerKey) -> Vec<&Process> {
        let first = self.containers.get(&owner).and_then(|container| container.first);
        let mut zombies: Vec<_> = self.told_zombies(owner).filter(|process| Some(process.key()) != first).collect();
        zombies.sort_by_key(|process| process.key());
        zombies
    }

    /// Whether whoever should reap it has had the time to: see [`limits::ZOMBIE_DUE_MS`].
    fn is_due(&self, zombie: &Process, now: BootNs) -> bool {
        let Some((exited, _)) = zombie.exit else { return false };
        let age = zombie.owed_since().map_or(0, |since| now.ms_since(since));
        let parent = self.processes.get(zombie.reaper.key());
        let goes_on = || parent.is_some_and(|parent| parent.forked >= exited.plus_ms(limits::ZOMBIE_TOLD_MS));
        age >= limits::ZOMBIE_AWAITED_MS || (age >= limits::ZOMBIE_DUE_MS && (zombie.is_adopted() || goes_on()))
    }

    fn zombie_condition(&self, at: BootNs, owner: ContainerKey) -> Condition {
        let zombies = self.zombies_to_tell(owner);
        let container = self.containers.get(&owner);
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        for zombie in &zombies {
            *names.entry(zombie.comm().to_string()).or_default() += 1;
        }
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        let others: usize = names.iter().skip(NAMES_TOLD).map(|(_, n)| n).sum();
        let mut list: Vec<_> = names.iter().take(NAMES_TOLD).map(|(name, n)| format!("{name} ×{n}")).collect();
        list.extend((others > 0).then(|| format!("others ×{others}")));
        let reaping = self.reaping(owner, at);
        let worst = reaping.as_ref().and_then(|reaping| reaping.negligent.first());
        let parent = worst.and_then(|worst| worst.parent.as_ref());
        let (own, adopted) = worst.map_or((0, 0), |worst| (worst.own, worst.adopted));
        let who = parent.map_or_else(
            || "who should reap them is not known".to_owned(),
            |parent| debt(parent, (own, adopted), zombies.len()),
        );
        let from_exec = match reaping.as_ref().map_or(0, Reaping::from_exec) {
            0 => String::new(),
            1 => " One of them came from an exec (a probe, docker exec, kubectl exec).".to_owned(),
            n if n == zombies.len() => {
                " All of them came from an exec (a probe, docker exec, kubectl exec).".to_owned()
            }
            n => format!(" {n} of them came from an exec (a probe, docker exec, kubectl exec)."),
        };
        let not_first = self.init_below(owner).map_or_else(String::new, |said| format!(" {said}"));
        let room = reaping.as_ref().map_or_else(String::new, room);
        let oldest_ms = reaping.as_ref().map_or(0, Reaping::oldest_ms);
        let explanation = format!(
            "{} ({}), {} {}: {who}.{from_exec}{not_first}{room}",
            count(zombies.len(), "zombie", "zombies"),
            list.join(", "),
            if zombies.len() == 1 { "for" } else { "the oldest for" },
            seconds(oldest_ms)
        );
        let comm = parent.map_or_else(|| "Their parent".to_owned(), |parent| parent.comm.to_string());
        let fix = match (own, adopted) {
            (0, 1..) => zombie_fix(&comm, true),
            (_, 0) => zombie_fix(&comm, false),
            _ => format!("{} For those it adopted: {}", zombie_fix(&comm, false), zombie_fix(&comm, true)),
        };
        let total = zombies.iter().filter(|zombie| zombie.is_adopted()).count();
        let number = |n: Option<u64>| n.map_or(Figure::Unknown, Figure::Number);
        let reaping = reaping.as_ref();
        Condition {
            kind: ConditionKind::Zombies,
            container: container.map(|container| container.name.clone()),
            explanation,
            fix: Some(fix),
            figures: vec![
                ("zombies", Figure::Number(zombies.len() as u64)),
                ("oldest_ms", Figure::Number(oldest_ms)),
                ("adopted", Figure::Number(total as u64)),
                ("parent_pid", number(parent.map(|parent| u64::from(parent.pid)))),
                ("parent_comm", parent.map_or(Figure::Unknown, |parent| Figure::Text(parent.comm.to_string()))),
                ("pids_current", number(reaping.and_then(|reaping| reaping.pids_current))),
                ("pids_max", number(reaping.and_then(|reaping| reaping.pids_max))),
                ("full_in_ms", number(reaping.and_then(|reaping| reaping.full_in_ms))),
            ],
        }
    }
}

/// Names of zombies that are told, those with the most of them.
const NAMES_TOLD: usize = 5;

/// What a parent owes of all the zombies that there are.
fn debt(parent: &Party, (own, adopted): (usize, usize), all: usize) -> String {
    let name = match parent.ns_pid {
        _ if parent.is_init => format!("{} (PID 1)", parent.comm),
        Some(ns_pid) => format!("{} (pid {ns_pid} in the container)", parent.comm),
        None => format!("{} (pid {})", parent.comm, parent.pid),
    };
    let of_them = |n: usize| if n == all { "them".to_owned() } else { format!("{n} of them") };
    match (own, adopted) {
        (0, adopted) => {
            format!(
                "{name} adopted {} when their parents died, and does not reap what it did not start",
                of_them(adopted)
            )
        }
        (own, 0) => format!("{name} started {} and does not wait for them", of_them(own)),
        (own, adopted) => {
            format!(
                "{name} does not reap them: it started {own} of them, and adopted {adopted} when their parents died"
            )
        }
    }
}

/// How full the container is.
fn room(reaping: &Reaping) -> String {
    let (Some(current), Some(max)) = (reaping.pids_current, reaping.pids_max) else { return String::new() };
    let until = match reaping.full_in_ms {
        _ if current >= max => {
            ": nothing more can be started in it (fork: Resource temporarily unavailable)".to_owned()
        }
        Some(ms) => format!(
            ": at {}.{} more zombies a minute nothing can be started in it any more in {} (fork: Resource temporarily unavailable)",
            reaping.per_minute_tenths / 10,
            reaping.per_minute_tenths % 10,
            seconds(ms / 1_000 * 1_000)
        ),
        None => String::new(),
    };
    format!(" The container uses {current} of {max} pids{until}.")
}

fn nearly_full(figures: &CgroupFigures) -> bool {
    let figures = figures.pids_current.zip(figures.pids_max);
    figures.is_some_and(|(current, max)| current.saturating_mul(100) >= max.saturating_mul(limits::PIDS_NEARLY_FULL))
}

impl Process {
    /// Its parent died, and another one has to reap it.
    pub(super) fn is_adopted(&self) -> bool {
        self.reaper.key() != self.parent.key()
    }

    /// Since when whoever should reap it could have: its exit, or its adoption if that was later.
    fn owed_since(&self) -> Option<BootNs> {
        let (exited, _) = self.exit?;
        Some(self.adopted.map_or(exited, |adopted| adopted.max(exited)))
    }
}

/// What to do about zombies that `parent` started and does not wait for, or that it adopted. From strangers: not safe for
/// a terminal.
#[must_use]
pub fn zombie_fix(parent: &str, adopted: bool) -> String {
    if adopted {
        "Put an init that reaps before the program: docker run --init, or tini or dumb-init as entrypoint; in a pod, shareProcessNamespace: true lets the pause process reap."
            .to_owned()
    } else {
        format!(
            "{parent} must wait for its children: call waitpid() on SIGCHLD, or set SIGCHLD to SIG_IGN if their exit codes do not matter. An init before it does not help: it reaps orphans only."
        )
    }
}
