//! Prefork servers as PID 1: workers that take a parent with pid 1 to mean that their master has died.

use crate::event::{BootNs, Comm, TaskKey};
use crate::signal::Signal;

use super::change::{Condition, ExitStatus, Figure};
use super::children::{Ended, program};
use super::limits;
use super::names::ConditionKind;
use super::node::{Node, Timer};
use super::process::ContainerKey;
use super::program::Program;
use super::words::{count, seconds};

/// Children of a PID 1 that ended by themselves at once.
#[derive(Clone, Debug, Default)]
pub(super) struct Orphans {
    exits: Vec<(Comm, ExitStatus, u64)>,
    first_exit: BootNs,
    pub(super) last_fork: BootNs,
    /// Others of them ended in another way.
    otherwise: bool,
    reported: bool,
}

impl Node {
    /// A child ended that PID 1 forked, or started from its own executable.
    pub(super) fn prefork_ended(&mut self, at: BootNs, owner: ContainerKey, ended: &Ended, failed: bool) {
        let Some(first) = self.processes.get(ended.parent) else { return };
        let began = BootNs(first.task.start);
        // gunicorn's: the worker could not load its application
        let known =
            matches!(program(first), Program::Gunicorn | Program::Python) && matches!(ended.status.code(), Some(3 | 4));
        let young = at.ms_since(began).saturating_sub(ended.life_ms) <= limits::ORPHAN_EXIT_START_MS;
        let by_itself = failed && !ended.on_purpose && ended.status.code().is_some() && !known;
        let at_once = ended.life_ms <= limits::ORPHAN_EXIT_LIFE_MS;
        let Some(container) = self.containers.get_mut(&owner) else { return };
        let orphans = &mut container.orphans;
        if orphans.reported || !young {
            return;
        }
        if !by_itself || !at_once {
            orphans.otherwise |= !ended.on_purpose;
            return;
        }
        let begins = orphans.exits.is_empty();
        if begins {
            orphans.first_exit = at;
        }
        if orphans.exits.len() < limits::DEPARTED_KEPT {
            orphans.exits.push((ended.comm, ended.status, ended.life_ms));
        }
        if begins {
            self.remind(at.plus_ms(limits::ORPHAN_EXIT_DECIDE_MS), Timer::Orphans(owner));
        }
    }

    /// Decides on children that ended at once: when some time has passed, or when PID 1 gives up and `exits` itself.
    pub(super) fn judge_orphans(&mut self, due: BootNs, owner: ContainerKey, exits: bool) {
        let ended_by_it = self.ended_by_first(owner);
        let Some(container) = self.containers.get_mut(&owner) else { return };
        let orphans = &mut container.orphans;
        let replaced = orphans.last_fork.ms_since(orphans.first_exit) >= limits::ORPHAN_EXIT_REPLACED_MS;
        let all = std::mem::take(&mut orphans.exits);
        let otherwise = std::mem::take(&mut orphans.otherwise);
        let Some(&(comm, status, _)) = all.first() else { return };
        let same = all.iter().all(|(_, other, _)| *other == status);
        // some end the rest themselves, and then themselves, once the first has gone
        let gives_up = exits && status.code() == Some(1) && ended_by_it.contains(&comm);
        let enough = all.len() >= limits::ORPHAN_EXIT_COUNT || gives_up;
        if !enough || !same || replaced || otherwise || orphans.reported || (!exits && self.has_live(owner, comm)) {
            return;
        }
        let Some(container) = self.containers.get_mut(&owner) else { return };
        container.orphans.reported = true;
        let longest = all.iter().map(|(_, _, life)| *life).max().unwrap_or(0);
        let code = status.code().unwrap_or(0);
        let children = if all.len() == 1 {
            format!("{comm}, a child of PID 1,")
        } else {
            format!("{} called {comm}, all children of PID 1,", count(all.len(), "process", "processes"))
        };
        let then = if gives_up { "; PID 1 ended the others and gave up" } else { "" };
        let condition = Condition {
            kind: ConditionKind::OrphanExit,
            container: Some(container.name.clone()),
            explanation: format!(
                "{children} exited with code {code} within {} of their start, without any signal{then}: programs that fork workers often take a parent with pid 1 to mean that their master has died.",
                seconds(longest)
            ),
            fix: Some(
                "Put an init before the program, so that the parent of its workers is not PID 1 (docker run --init, tini, dumb-init), or switch the check of getppid() off. If they end the same way then, their own log tells why."
                    .to_owned(),
            ),
            figures: vec![
                ("exits", Figure::Number(all.len() as u64)),
                ("exit_code", Figure::Number(u64::from(code))),
                ("longest_life_ms", Figure::Number(longest)),
                ("comm", Figure::Text(comm.to_string())),
            ],
        };
        self.tell_condition(due, condition);
    }

    fn children_of_first(&self, owner: ContainerKey) -> impl Iterator<Item = &super::process::Process> {
        let first: Option<TaskKey> = self.containers.get(&owner).and_then(|container| container.first);
        self.processes.of(owner).filter(move |process| Some(process.parent.key()) == first && process.joined.is_none())
    }

    fn has_live(&self, owner: ContainerKey, comm: Comm) -> bool {
        self.children_of_first(owner).any(|process| process.is_live() && process.comm() == comm)
    }

    /// What the children were called to which the first process sent SIGKILL.
    fn ended_by_first(&self, owner: ContainerKey) -> Vec<Comm> {
        let by_parent = |process: &&super::process::Process| {
            let parent = process.parent.pid;
            process.received.iter().any(|receipt| receipt.signal == Signal::KILL && receipt.sender.pid == parent)
        };
        self.children_of_first(owner).filter(by_parent).map(super::process::Process::comm).collect()
    }
}
