//! The sentences: what happened, with the numbers of the case ([`mod@what`]), and what became of the grace period; what to
//! change ([`mod@fix`]); remarks ([`mod@hints`]).

mod budget;
mod chain;
mod fix;
mod hints;
mod init_below;
mod what;

use std::collections::HashMap;

use crate::event::{Comm, TaskKey};
use crate::signal::Signal;

use super::change::{ExitStatus, Party, Sender, Termination};
use super::container::Container;
use super::grace::Patience;
use super::names::{Outcome, Role};
use super::outcome::names_runtime;
use super::process::{Place, Process, Receipt};
use super::program::{Program, command_name};
use super::verdict::Facts;
use super::words::seconds;

pub(super) use fix::fix;
pub use fix::{Fault, fix_for};
pub(super) use hints::hints;
pub(super) use init_below::init_below;
pub(super) use what::what;

/// What the sentences are made of.
pub(super) struct Story<'a> {
    pub(super) termination: &'a Termination,
    pub(super) facts: &'a Facts,
    pub(super) members: &'a [&'a Process],
    pub(super) places: &'a HashMap<TaskKey, Place>,
    pub(super) signal: Option<&'a Receipt>,
    pub(super) container: &'a Container,
    pub(super) patience: &'a Patience,
    /// Others of its pod that go on and that nobody told to stop.
    pub(super) others: &'a [&'a Container],
    /// What the first process was called when the stop signal came.
    pub(super) taker: Option<Comm>,
    /// The child of the first process that ended last before it.
    pub(super) last_child: Option<&'a Process>,
}

/// A whole cgroup that the OOM killer killed.
struct OomGroup<'a> {
    /// Whom it chose.
    chosen: &'a Process,
    /// Who asked for memory.
    asked: Party,
    /// How many died with it, itself included.
    died: usize,
}

impl Story<'_> {
    /// `sh (PID 1)`, or `sh (pid 4123)` where it is not an init.
    fn first(&self) -> String {
        let Some(first) = self.termination.processes.first() else { return "the first process".to_owned() };
        let comm = self.taker.unwrap_or(first.process.comm);
        match first.process.ns_pid {
            Some(1) => format!("{comm} (PID 1)"),
            _ => format!("{comm} (pid {})", first.process.pid),
        }
    }

    fn stop(&self) -> String {
        self.signal.map_or_else(|| "the stop signal".to_owned(), |signal| signal.signal.to_string())
    }

    fn sender(&self) -> String {
        self.termination.sender.as_ref().map_or_else(|| "somebody".to_owned(), sent_by)
    }

    /// From the stop signal (or the first sign) to the exit of the first process, ms.
    fn took(&self) -> u64 {
        let from = self.signal.map_or(self.termination.started, |signal| signal.at);
        self.termination.exited.map_or(self.termination.grace.used_ms, |exited| exited.ms_since(from))
    }

    /// `until runc sent SIGKILL 3.0 s later`, or how else it ended.
    fn until_the_end(&self) -> String {
        match (&self.termination.kill, self.termination.exit) {
            (Some(kill), _) => {
                let after = self.signal.map_or(0, |signal| kill.at.ms_since(signal.at));
                format!("it ran on until {} sent SIGKILL {} later", sent_by(&kill.sender), seconds(after))
            }
            (None, Some(status)) => format!("it {} {} later", ended(status), seconds(self.took())),
            (None, None) => "it is still running".to_owned(),
        }
    }

    /// The stop signal waited for a handler that never ran. After a loss nobody knows.
    fn was_kept_from_running(&self) -> bool {
        self.termination.certain
            && self.signal.is_some_and(|signal| signal.outcome == Outcome::Caught && !signal.delivered)
    }

    /// Who sent the signal of a crash, if it was not the kernel or the process itself.
    fn sender_of_fault(&self) -> Option<String> {
        let fault = self.termination.exit.and_then(ExitStatus::signal)?;
        let first = self.termination.processes.first()?;
        let sent = first.received.iter().rfind(|received| received.signal == fault)?;
        let by_another = matches!(sent.role, Role::Inside | Role::Host | Role::Runtime);
        by_another.then(|| format!("{} (pid {})", sent.sender.comm, sent.sender.ns_pid.unwrap_or(sent.sender.pid)))
    }

    /// The kill of a whole cgroup, where the OOM killer did that: more than one victim, and one process that asked for memory.
    fn oom_group(&self) -> Option<OomGroup<'_>> {
        let kill = |process: &Process| {
            let by_kernel = |r: &&Receipt| r.signal == Signal::KILL && r.role == Role::Kernel;
            process.received.iter().find(by_kernel).map(|receipt| (receipt.at, receipt.sender.clone()))
        };
        let victims = self.members.iter().copied().filter(|process| process.oom);
        let victims: Vec<_> = victims.filter_map(|process| Some((kill(process)?, process))).collect();
        let ((_, asked), chosen) = victims.iter().min_by_key(|((at, _), _)| *at)?.clone();
        // an init among the victims takes others along before their turn has come
        let by_asked = |sender: &Party| sender.pid == asked.pid;
        let inits = victims.iter().filter(|((_, sender), process)| process.task.is_init() && by_asked(sender));
        let inits: Vec<_> = inits.map(|(_, process)| process.task.pid).collect();
        let one_sender = victims
            .iter()
            .all(|((_, sender), process)| by_asked(sender) || (!process.task.is_init() && inits.contains(&sender.pid)));
        let died = |process: &&&Process| process.exit.is_some_and(|(_, status)| status.signal() == Some(Signal::KILL));
        let died = self.members.iter().filter(died).count().max(victims.len());
        (one_sender && victims.len() > 1).then_some(OomGroup { chosen, asked, died })
    }

    /// Processes below the first that were killed: those that never were asked, or all.
    fn killed(&self, unasked_only: bool) -> Vec<&Process> {
        let first = self.termination.processes.first().map(|first| (first.process.pid, first.process.start));
        self.members
            .iter()
            .filter(|process| Some((process.task.pid, process.task.start)) != first)
            .filter(|process| matches!(self.places.get(&process.key()), Some(Place::Below(_))))
            .zip(&self.facts.below)
            .filter(|(_, fact)| fact.killed && !(unasked_only && (fact.asked || fact.later)))
            .map(|(process, _)| *process)
            .collect()
    }

    /// What runs below the first process, where that is a shell and nothing else does: as one types it.
    fn runs(&self) -> Option<String> {
        let first = self.termination.processes.first()?;
        let key = TaskKey { pid: first.process.pid, start: first.process.start };
        let asked = self.signal.map_or(self.termination.started, |signal| signal.at);
        let there = |process: &&&Process| {
            process.task.start <= asked.0 && process.exit.is_none_or(|(exited, _)| exited >= asked)
        };
        let there: Vec<_> = self.members.iter().filter(there).copied().collect();
        what_runs(key, |parent| there.iter().filter(|process| process.parent.key() == parent).copied().collect())
    }

    /// ` PID 1 is sh; tini is pid 7 …`, where an init made for containers is not PID 1.
    fn init_below(&self) -> String {
        let told = || {
            let first = self.termination.processes.first()?;
            let key = TaskKey { pid: first.process.pid, start: first.process.start };
            let first = self.members.iter().find(|process| process.key() == key)?;
            let is_below = |process: &&&Process| matches!(self.places.get(&process.key()), Some(Place::Below(_)));
            init_below(first, &self.members.iter().filter(is_below).copied().collect::<Vec<_>>())
        };
        told().map_or_else(String::new, |said| format!(" {said}"))
    }

    fn foreground_child(&self) -> Option<&Process> {
        let first = self.termination.processes.first().map(|first| (first.process.pid, first.process.start));
        self.members
            .iter()
            .filter(|process| Some((process.task.pid, process.task.start)) != first)
            .filter(|process| matches!(self.places.get(&process.key()), Some(Place::Below(_))))
            .zip(&self.facts.below)
            .find(|(_, fact)| fact.waited_for)
            .map(|(process, _)| *process)
    }
}

/// The one program that runs below a process, through shells with one child each; nothing where there are several, or
/// none. `children` are those that live.
pub(super) fn what_runs<'a>(below: TaskKey, children: impl Fn(TaskKey) -> Vec<&'a Process>) -> Option<String> {
    /// No entrypoint is a longer chain.
    const DEEP: usize = 8;
    let mut parent = below;
    for _ in 0..DEEP {
        let [child] = children(parent).try_into().ok()?;
        let (comm, exe) = (child.comm().to_string(), child.exe.as_deref());
        let program = Program::of(&comm, exe);
        if !program.is_shell() {
            return command_name(&comm, exe);
        }
        parent = child.key();
    }
    None
}

/// A sender in a sentence: `runc`, `cron (pid 812, a process of the host)`, `the kernel`.
fn sent_by(sender: &Sender) -> String {
    let comm = &sender.party.comm;
    let pid = sender.party.pid;
    match sender.role {
        Role::Runtime => match sender.ancestors.first() {
            Some(parent) if !names_runtime(*comm) => {
                format!("{comm} (child of {})", parent.comm)
            }
            _ => comm.to_string(),
        },
        Role::Kernel => "the kernel".to_owned(),
        Role::Own => format!("{comm} itself"),
        Role::Inside => match sender.party.ns_pid {
            Some(ns_pid) => format!("{comm} (pid {ns_pid} in the container)"),
            None => format!("{comm} (inside the container)"),
        },
        Role::Host if is_elsewhere(sender) => format!("{comm} (pid {pid}, in a pid namespace of another container)"),
        Role::Host => match (&sender.party.container, sender.ancestors.first()) {
            (Some(container), _) => {
                format!("{comm} (pid {pid}, in container {})", container.friendly())
            }
            (None, Some(parent)) => format!("{comm} (pid {pid} of the host, child of {})", parent.comm),
            (None, None) => format!("{comm} (pid {pid} of the host)"),
        },
    }
}

/// In a pid namespace that is not the host's, of a container that is not traced.
fn is_elsewhere(sender: &Sender) -> bool {
    sender.party.container.is_none() && sender.party.ns_pid.is_some_and(|ns_pid| ns_pid != sender.party.pid)
}

/// `exited with code 0`, `was killed by SIGKILL`.
fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => {
            format!("died by {signal}{}", if status.core_dumped() { " and left a core dump" } else { "" })
        }
        (None, None) => "ended".to_owned(),
    }
}

/// Up to three names, the rest counted: `sleep (pid 7), node (pid 12) and 4 more`.
fn names(processes: &[&Process]) -> String {
    let told: Vec<_> = processes
        .iter()
        .take(3)
        .map(|process| match process.task.ns_pid {
            0 => process.comm().to_string(),
            ns_pid => format!("{} (pid {ns_pid})", process.comm()),
        })
        .collect();
    let more = processes.len().saturating_sub(3);
    match (told.as_slice(), more) {
        ([], _) => "nothing".to_owned(),
        ([one], 0) => one.clone(),
        ([most @ .., last], 0) => format!("{} and {last}", most.join(", ")),
        (all, more) => format!("{} and {more} more", all.join(", ")),
    }
}
