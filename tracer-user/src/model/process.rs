//! Processes: who there is, whose child, what they were sent, how they ended.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use crate::event::{BootNs, CgroupId, Comm, SendResult, Task, TaskKey};
use crate::signal::{Signal, SignalSet};

use super::change::{ExitStatus, Party};
use super::limits;
use super::names::{Outcome, Role};

/// A container's number in the model; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerKey(pub(super) u32);

/// Where a process stands relative to the first process of its container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Not worked out yet: it was there when tracing began.
    #[default]
    Unknown,
    /// This many generations below the first process, which itself is 0.
    Below(u32),
    /// Not below it: it came from outside (an exec), or descends from such a one.
    Outside,
}

/// A process.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each learned from another event")]
pub struct Process {
    /// What the last event showed of it.
    pub task: Task,
    /// Its container.
    pub container: Option<ContainerKey>,
    /// Its parent when it was created or first seen.
    pub parent: Task,
    /// Who reaps it now.
    pub reaper: Task,
    /// When it was given to another than its parent, if it was.
    pub(super) adopted: Option<BootNs>,
    /// When it started a child last.
    pub(super) forked: BootNs,
    /// Where it stands in the container's tree.
    pub place: Place,
    /// It came into the container from outside.
    pub joined: Option<BootNs>,
    /// It runs the program of the container, not the runtime's own set-up code.
    pub started_program: bool,
    /// Executable, where known; of a script, that of its interpreter.
    pub exe: Option<String>,
    /// It has run a program of its own since it was created.
    pub execed: bool,
    /// Signals it was sent, the last [`limits::RECEIVED_KEPT`].
    pub received: Vec<Receipt>,
    /// The OOM killer chose it.
    pub oom: bool,
    /// How and when it ended.
    pub exit: Option<(BootNs, ExitStatus)>,
    /// Signals never taken, known at its exit.
    pub untaken: SignalSet,
    /// It is a zombie (or will be until its parent notices).
    pub zombie: bool,
    /// It was a zombie when it was seen for the first time: when it exited is not known.
    pub found_dead: bool,
    /// The zombie was told.
    pub zombie_told: bool,
    /// SIGKILL did not end it in time, and that was told.
    pub stuck_told: bool,
}

/// A signal that a process was sent.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// Which.
    pub signal: Signal,
    /// When.
    pub at: BootNs,
    /// By whom.
    pub sender: Party,
    /// As what.
    pub role: Role,
    /// What became of it; changes when a blocked one is taken, or a queued one dropped at delivery.
    pub outcome: Outcome,
    /// What the kernel said.
    pub result: SendResult,
    /// A blocked one is known to be taken.
    pub taken: bool,
    /// It was dropped when it was taken from the queue.
    pub dropped_late: bool,
    /// It was taken from the queue: a handler ran.
    pub delivered: bool,
}

impl Process {
    pub(super) fn new(task: Task, parent: Task, container: Option<ContainerKey>) -> Self {
        Self {
            task,
            container,
            parent,
            reaper: parent,
            adopted: None,
            forked: BootNs(0),
            place: Place::Unknown,
            joined: None,
            started_program: false,
            exe: None,
            execed: false,
            received: Vec::new(),
            oom: false,
            exit: None,
            untaken: SignalSet::default(),
            zombie: false,
            found_dead: false,
            zombie_told: false,
            stuck_told: false,
        }
    }

    /// Its identity.
    #[must_use]
    pub const fn key(&self) -> TaskKey {
        self.task.key()
    }

    /// Its name.
    #[must_use]
    pub const fn comm(&self) -> Comm {
        self.task.comm
    }

    /// Not exited yet.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.exit.is_none()
    }

    /// Time it lived, ms, if it ended.
    #[must_use]
    pub fn life_ms(&self) -> Option<u64> {
        self.exit.map(|(at, _)| at.ms_since(BootNs(self.task.start)))
    }

    /// Takes over what a newer event shows, keeping what only older ones knew.
    pub(super) fn refresh(&mut self, task: &Task) {
        let cgroup = if task.cgroup == CgroupId(0) { self.task.cgroup } else { task.cgroup };
        let ns_pid = if task.ns_pid == 0 { self.task.ns_pid } else { task.ns_pid };
        // a task that is being released has lost its pid: it stays the init it was
        let lasting = self.task.flags & (tracer_common::task_flags::INIT | tracer_common::task_flags::UNKILLABLE);
        self.task = Task { cgroup, ns_pid, tid: self.task.tid, flags: task.flags | lasting, ..*task };
    }

    pub(super) fn receive(&mut self, receipt: Receipt) {
        if self.received.len() == limits::RECEIVED_KEPT {
            // The first of each signal stays: a stop signal must survive a storm of timers. Repetitions go, oldest first.
            let seen_before =
                |index: usize| self.received[..index].iter().any(|r| r.signal == self.received[index].signal);
            let victim = (0..self.received.len()).find(|&index| seen_before(index));
            let harmless = || self.received.iter().position(|old| !super::signals::ASKING.contains(&old.signal));
            self.received.remove(victim.or_else(harmless).unwrap_or(0));
        }
        self.received.push(receipt);
    }

    /// The receipts that a delivery of a signal settles: the last one that was queued, and those that merged into it.
    pub(super) fn pending_group(&mut self, signal: Signal) -> impl Iterator<Item = &mut Receipt> {
        let mut over = false;
        self.received.iter_mut().rev().filter(move |receipt| receipt.signal == signal).take_while(move |receipt| {
            let take = !over;
            over |= receipt.result != SendResult::AlreadyPending;
            take
        })
    }
}

/// All processes that were not reaped yet.
#[derive(Clone, Debug, Default)]
pub struct Processes {
    /// Boxed: a table is up to half empty, and twice there while it grows.
    by_pid: HashMap<u32, Box<Process>>,
    /// Who is in a container: events concern one container, and a node has many. In order, so that what is told does not
    /// depend on chance.
    members: HashMap<ContainerKey, BTreeSet<TaskKey>>,
    /// Whom a process would have to reap.
    children: HashMap<TaskKey, BTreeSet<TaskKey>>,
    /// Those that were here and are gone, the last ones, oldest first: none of them comes back.
    gone: VecDeque<TaskKey>,
    /// The same.
    is_gone: HashSet<TaskKey>,
}

impl Processes {
    /// The process, if it is still this one.
    #[must_use]
    pub fn get(&self, key: TaskKey) -> Option<&Process> {
        self.by_pid(key.pid).filter(|process| process.task.start == key.start)
    }

    pub(super) fn get_mut(&mut self, key: TaskKey) -> Option<&mut Process> {
        self.by_pid_mut(key.pid).filter(|process| process.task.start == key.start)
    }

    /// Whoever has this host pid now.
    #[must_use]
    pub fn by_pid(&self, pid: u32) -> Option<&Process> {
        self.by_pid.get(&pid).map(Box::as_ref)
    }

    pub(super) fn by_pid_mut(&mut self, pid: u32) -> Option<&mut Process> {
        self.by_pid.get_mut(&pid).map(Box::as_mut)
    }

    /// Whether an event about this process comes too late: it is gone, or another one has its pid since.
    pub(super) fn is_over(&self, key: TaskKey) -> bool {
        self.is_gone.contains(&key) || self.by_pid.get(&key.pid).is_some_and(|other| other.task.start > key.start)
    }

    /// A process is gone for good.
    pub(super) fn bury(&mut self, key: TaskKey) {
        if self.gone.len() == limits::REAPED_KEPT
            && let Some(oldest) = self.gone.pop_front()
        {
            self.is_gone.remove(&oldest);
        }
        if self.is_gone.insert(key) {
            self.gone.push_back(key);
        }
    }

    /// Adds a process. Nobody else has its pid.
    pub(super) fn insert(&mut self, process: Process) {
        let key = process.key();
        if let Some(container) = process.container {
            self.members.entry(container).or_default().insert(key);
        }
        self.children.entry(process.reaper.key()).or_default().insert(key);
        self.by_pid.insert(key.pid, Box::new(process));
    }

    pub(super) fn remove(&mut self, key: TaskKey) -> Option<Process> {
        self.get(key)?;
        let process = self.by_pid.remove(&key.pid)?;
        if let Some(container) = process.container {
            take_out(&mut self.members, &container, key);
        }
        take_out(&mut self.children, &process.reaper.key(), key);
        Some(*process)
    }

    /// Puts a process into a container.
    pub(super) fn assign(&mut self, key: TaskKey, container: ContainerKey) {
        let Some(process) = self.get_mut(key) else { return };
        if let Some(before) = process.container.replace(container) {
            take_out(&mut self.members, &before, key);
        }
        self.members.entry(container).or_default().insert(key);
    }

    /// Gives a process to another parent.
    pub(super) fn give(&mut self, key: TaskKey, reaper: Task) {
        let Some(process) = self.get_mut(key) else { return };
        let before = std::mem::replace(&mut process.reaper, reaper).key();
        if before != reaper.key() {
            take_out(&mut self.children, &before, key);
            self.children.entry(reaper.key()).or_default().insert(key);
        }
    }

    /// Those of one container, by pid.
    pub fn of(&self, container: ContainerKey) -> impl Iterator<Item = &Process> {
        self.members.get(&container).into_iter().flatten().filter_map(|key| self.get(*key))
    }

    /// Those that a process would have to reap.
    pub(super) fn children_of(&self, parent: TaskKey) -> Vec<TaskKey> {
        self.children.get(&parent).into_iter().flatten().copied().collect()
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Process> {
        self.by_pid.values().map(Box::as_ref)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_pid.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_pid.is_empty()
    }
}

#[cfg(test)]
impl Processes {
    /// Whether the indexes hold what there is, and nothing else; or what they do not.
    pub(super) fn agree(&self) -> Result<(), String> {
        let index = |keys: usize, index: usize, name: &str| {
            (keys == index)
                .then_some(())
                .ok_or_else(|| format!("{index} of {keys} processes are in the index of {name}"))
        };
        let sum = |sets: &mut dyn Iterator<Item = &BTreeSet<TaskKey>>| sets.map(BTreeSet::len).sum();
        index(
            self.iter().filter(|process| process.container.is_some()).count(),
            sum(&mut self.members.values()),
            "members",
        )?;
        index(self.gone.len(), self.is_gone.len(), "those that are gone")?;
        index(self.gone.len().min(limits::REAPED_KEPT), self.gone.len(), "those that are gone")?;
        index(self.len(), sum(&mut self.children.values()), "children")?;
        for process in self.iter() {
            let key = process.key();
            let listed = |set: Option<&BTreeSet<TaskKey>>| set.is_some_and(|set| set.contains(&key));
            let member = process.container.is_none_or(|container| listed(self.members.get(&container)));
            if !member || !listed(self.children.get(&process.reaper.key())) {
                return Err(format!("{key:?} is not where it belongs"));
            }
        }
        Ok(())
    }
}

fn take_out<K: std::hash::Hash + Eq>(index: &mut HashMap<K, BTreeSet<TaskKey>>, of: &K, key: TaskKey) {
    if let Some(keys) = index.get_mut(of) {
        keys.remove(&key);
        if keys.is_empty() {
            index.remove(of);
        }
    }
}
