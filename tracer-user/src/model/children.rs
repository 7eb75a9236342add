//! Children that fail: which of them say something about who started them.

use crate::event::{BootNs, Comm, Task, TaskKey};
use crate::signal::Signal;

use super::change::ExitStatus;
use super::names::{Outcome, Role};
use super::node::Node;
use super::process::{ContainerKey, Place, Process};
use super::program::Program;

/// Signals by which a supervisor, or somebody else, ends a process on purpose.
const ON_PURPOSE: [Signal; 7] =
    [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP, Signal::USR1, Signal::USR2, Signal::KILL];

/// Programs that ask whether something is there, over and over: that they fail says that it is not.
const POLLS: [&str; 20] = [
    "curl",
    "wget",
    "nc",
    "ncat",
    "ping",
    "pg_isready",
    "psql",
    "mysql",
    "mysqladmin",
    "mariadb",
    "mariadb-admin",
    "mongosh",
    "redis-cli",
    "getent",
    "nslookup",
    "dig",
    "host",
    "grep",
    "test",
    "timeout",
];

/// Programs that start what they are told, each once: nothing of that is started again.
const BATCHES: [&str; 6] = ["make", "gmake", "ninja", "xargs", "parallel", "find"];

/// A child that ended.
pub(super) struct Ended {
    pub(super) parent: TaskKey,
    pub(super) comm: Comm,
    pub(super) status: ExitStatus,
    /// Time from its fork to its end, ms.
    pub(super) life_ms: u64,
    /// It was the OOM killer's.
    pub(super) oom: bool,
    /// Somebody asked it to end, or ended it.
    pub(super) on_purpose: bool,
}

impl Node {
    /// A process was created: perhaps to replace one that failed.
    pub(super) fn replaced_child(&mut self, at: BootNs, owner: ContainerKey, child: &Task) {
        let Some(process) = self.processes.get(child.key()).filter(|process| process.joined.is_none()) else { return };
        let (parent, place) = (process.parent.key(), process.place);
        if let Some(parent) = self.processes.get_mut(parent) {
            parent.forked = at;
        }
        if place == Place::Below(1)
            && let Some(container) = self.containers.get_mut(&owner)
        {
            container.orphans.last_fork = at;
        }
        self.respawned(at, owner, parent);
    }

    /// A process ended: one of many that fail?
    pub(super) fn child_ended(&mut self, at: BootNs, owner: ContainerKey, key: TaskKey) {
        let Some(container) = self.containers.get(&owner).filter(|container| container.stop.is_none()) else { return };
        let Some(first) = container.first.and_then(|first| self.processes.get(first)) else { return };
        let Some(process) = self.processes.get(key).filter(|process| process.joined.is_none()) else { return };
        let Some((_, status)) = process.exit else { return };
        let Some(parent) = self.processes.get(process.parent.key()).filter(|parent| parent.is_live()) else { return };
        // an init has one child that counts, and that one supervises
        let supervises = parent.key() == first.key() || (starts_supervisors(first) && parent.place == Place::Below(1));
        if !supervises || !first.is_live() {
            return;
        }
        let ended = Ended {
            parent: parent.key(),
            comm: process.comm(),
            status,
            life_ms: process.life_ms().unwrap_or(u64::MAX),
            oom: process.oom,
            on_purpose: process.received.iter().any(on_purpose),
        };
        let supervisor = program(parent);
        let forked_only = !process.execed && supervisor.is_shell();
        let failed = status.raw != 0 && !is_ordinary(process, status);
        let polls = POLLS.contains(&ended.comm.as_str());
        let may_supervise = !forked_only && !polls && !BATCHES.contains(&parent.comm().as_str());
        let may_look = parent.key() == first.key() && may_look_at_its_parent(first, process);
        if may_look {
            self.prefork_ended(at, owner, &ended, failed);
        }
        if may_supervise {
            self.supervised_ended(at, owner, &ended, failed);
        }
    }
}

pub(super) fn program(process: &Process) -> Program {
    Program::of(process.comm().as_str(), process.exe.as_deref())
}

/// Whether the children of a process may be those that supervise.
fn starts_supervisors(process: &Process) -> bool {
    let program = program(process);
    program.forwards() || matches!(program, Program::S6 | Program::Runsvdir | Program::Systemd | Program::BusyboxInit)
}

fn on_purpose(receipt: &super::process::Receipt) -> bool {
    ON_PURPOSE.contains(&receipt.signal)
        && !matches!(receipt.role, Role::Kernel | Role::Own)
        && !matches!(receipt.outcome, Outcome::Ignored | Outcome::Dropped | Outcome::Noise)
}

/// A worker that PID 1 forked, or started from its own executable: shells and inits do not look whose child they are.
fn may_look_at_its_parent(first: &Process, process: &Process) -> bool {
    let same = process.comm() == first.comm() || (process.exe.is_some() && process.exe == first.exe);
    first.task.ns_pid == 1 && same && !program(first).is_shell() && !starts_supervisors(first)
}

/// Exit codes other than 0 that say nothing bad, by those who give them.
fn is_ordinary(process: &Process, status: ExitStatus) -> bool {
    let Some(code) = status.code() else { return false };
    match (process.comm().as_str(), program(process)) {
        // a session that was refused; the postmaster takes it for a normal end itself (CleanupBackend)
        (_, Program::Postgres) => code == 1,
        // billiard's EX_RECYCLE: it has done as many tasks as it should
        (_, Program::Celery | Program::Python) => code == 155,
        // a login that failed
        (_, Program::Sshd) | ("sshd-session" | "sshd-auth", _) => code == 255,
        // UWSGI_GO_CHEAP_CODE, UWSGI_RELOAD_CODE, UWSGI_END_CODE
        (_, Program::Uwsgi) => matches!(code, 15 | 17 | 30),
        _ => false,
    }
}
