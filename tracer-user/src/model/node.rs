//! The fold itself: takes events one by one, keeps time, collects news.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use crate::event::{BootNs, CgroupFigures, CgroupId, Event, Lost, PodTold, Task, TaskKey, What};

use super::announce::Undecided;
use super::change::{Change, Condition, News, Party, Termination};
use super::container::Container;
use super::limits;
use super::pod::{Pod, PodKey};
use super::process::{ContainerKey, Process, Processes};

/// Everything known of this node's containers.
#[derive(Clone, Debug, Default)]
pub struct Node {
    pub(super) now: BootNs,
    pub(super) containers: BTreeMap<ContainerKey, Container>,
    pub(super) by_id: HashMap<String, ContainerKey>,
    pub(super) cgroups: HashMap<CgroupId, (ContainerKey, bool)>,
    /// Processes followed by their pid (`--pid`), with the container that stands for each.
    pub(super) followed: HashMap<u32, ContainerKey>,
    pub(super) gone: VecDeque<ContainerKey>,
    pub(super) processes: Processes,
    pub(super) terminations: VecDeque<Arc<Termination>>,
    conditions: VecDeque<(BootNs, Arc<Condition>)>,
    pub(super) lost: Lost,
    pub(super) timers: BinaryHeap<Reverse<(BootNs, Timer)>>,
    pub(super) changes: Vec<Change>,
    /// Containers, by id, that are not told yet, and what is held back with them.
    pub(super) undecided: HashMap<String, Undecided>,
    wants: Vec<Want>,
    /// Somebody answers [`Want::Foresee`].
    pub(super) foresees: bool,
    next_key: u32,
    pub(super) pods: BTreeMap<PodKey, Pod>,
    pub(super) pod_by_uid: HashMap<String, PodKey>,
    pub(super) next_pod: u32,
    /// What the API of Kubernetes said of pods, by UID.
    pub(super) pods_told: HashMap<String, PodTold>,
}

/// What the fold would like to know from the outside; the answer comes as an event, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Whether blocked signals of a process are still pending ([`What::Pending`]).
    Pending(TaskKey),
    /// The state and the kernel stack of a process, or that it is gone ([`What::State`]).
    State(TaskKey),
    /// Figures of a container's cgroup ([`What::CgroupFigures`]).
    Figures(CgroupId),
    /// What would become of a container's stop signal ([`What::Foreseen`]).
    Foresee(ContainerKey),
    /// A fresh snapshot of all processes ([`What::Process`]): events were lost.
    Snapshot,
}

/// Something to look at later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Was a blocked signal taken? The number counts the attempts.
    Taken(TaskKey, u8),
    /// Is a zombie still there? Time to ask.
    AskZombie(TaskKey),
    /// Is a zombie still there? Time to tell.
    Zombie(TaskKey),
    /// Did a zombie grow old?
    OldZombie(TaskKey),
    /// Is a process gone after SIGKILL?
    Stuck(TaskKey),
    /// Tell the end of a container that nobody has described; the time is that of the end.
    Conclude(ContainerKey, BootNs),
    /// Did a stop lead to anything?
    Abandon(ContainerKey, BootNs),
    /// Children that ended at once: decide.
    Orphans(ContainerKey),
    /// Nobody said what a container of a pod is.
    Announce(ContainerKey),
    /// The first process of a container is old enough to have installed its handlers.
    Foresee(ContainerKey, TaskKey),
}

impl Node {
    /// An empty node.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks from now on what stop signals would meet ([`Want::Foresee`]). Without this nobody is woken for the question: a
    /// replay and a client of an agent get the answers of those who asked.
    pub const fn ask_what_signals_would_meet(&mut self) {
        self.foresees = true;
    }

    /// Takes in an event. News are collected until [`Self::take_changes`].
    pub fn apply(&mut self, event: &Event) {
        let Event(at, what) = event;
        self.tick(*at);
        match what {
            What::Signal(sent) => self.on_signal(*at, sent),
            What::Deliver(delivered) => self.on_deliver(*at, delivered),
            What::Exit(exited) => self.on_exit(*at, exited),
            What::Fork(forked) => self.on_fork(*at, forked),
            What::Exec(execed) => self.on_exec(*at, execed),
            What::Reaped(reaped) => self.on_reaped(*at, &reaped.task),
            What::Joined(joined) => self.on_joined(*at, &joined.task, &joined.parent),
            What::OomVictim(victim) => self.on_oom(*at, victim),
            What::Process(seen) => self.on_process(*at, seen),
            What::Pending(seen) => self.on_pending(seen),
            What::State(seen) => self.on_state(*at, seen),
            What::Cgroup(found) => self.on_cgroup(*at, found),
            What::CgroupGone(gone) => self.on_cgroup_gone(*at, gone.cgroup),
            What::Dismissed(dismissed) => self.on_dismissed(&dismissed.container),
            What::Described(described) => self.on_described(*at, described),
            What::Pod(told) => self.on_pod_told(told),
            What::CgroupFigures(figures) => self.on_figures(*at, figures),
            What::Foreseen(foresight) => self.on_foreseen(*at, foresight),
            What::Counted(counted) => {
                if let Some(container) = self.container_of_cgroup(counted.cgroup) {
                    let counted =
                        [counted.child, counted.urgent, counted.other].into_iter().reduce(u64::saturating_add);
                    container.signals = container.signals.saturating_add(counted.unwrap_or(0));
                }
            }
            What::Lost(lost) => self.on_lost(*at, lost),
            What::Tick {} => {}
        }
    }

    /// Lets time pass until `now`: what was due happens, each at its own time.
    pub fn tick(&mut self, now: BootNs) {
        while let Some(&Reverse((due, timer))) = self.timers.peek() {
            if due > now {
                break;
            }
            self.timers.pop();
            match timer {
                Timer::Taken(key, attempt) => self.ask_pending(due, key, attempt),
                Timer::AskZombie(key) => self.ask_zombie(key),
                Timer::Zombie(key) => self.zombie_due(due, key),
                Timer::OldZombie(key) => self.old_zombie_due(due, key),
                Timer::Stuck(key) => self.stuck_due(key),
                Timer::Conclude(key, ended) => self.conclude_due(key, ended),
                Timer::Abandon(key, started) => self.abandon_due(due, key, started),
                Timer::Orphans(key) => self.judge_orphans(due, key, false),
                Timer::Announce(key) => self.announce(due, key),
                Timer::Foresee(key, first) => self.ask_ahead(key, first),
            }
        }
        self.now = self.now.max(now);
    }

    /// When the next [`Self::tick`] is due, if one is: nobody needs to wake up before.
    #[must_use]
    pub fn next_tick(&self) -> Option<BootNs> {
        self.timers.peek().map(|Reverse((due, _))| *due)
    }

    /// The news since the last call, oldest first.
    pub fn take_changes(&mut self) -> std::vec::Drain<'_, Change> {
        self.changes.drain(..)
    }

    /// The questions since the last call.
    pub fn take_wants(&mut self) -> std::vec::Drain<'_, Want> {
        self.wants.drain(..)
    }

    /// Time of the last event or tick.
    #[must_use]
    pub const fn now(&self) -> BootNs {
        self.now
    }

    /// All containers that are there, and the last ones that are gone, in the order they were found.
    pub fn containers(&self) -> impl Iterator<Item = (ContainerKey, &Container)> {
        self.containers.iter().map(|(&key, container)| (key, container))
    }

    /// One container.
    #[must_use]
    pub fn container(&self, key: ContainerKey) -> Option<&Container> {
        self.containers.get(&key)
    }

    /// The container with this full id.
    #[must_use]
    pub fn container_by_id(&self, id: &str) -> Option<(ContainerKey, &Container)> {
        let key = *self.by_id.get(id)?;
        Some((key, self.containers.get(&key)?))
    }

    /// All processes.
    #[must_use]
    pub const fn processes(&self) -> &Processes {
        &self.processes
    }

    /// The last terminations, oldest first.
    #[must_use]
    pub fn terminations(&self) -> impl DoubleEndedIterator<Item = &Arc<Termination>> {
        self.terminations.iter()
    }

    /// The last conditions and when they were told, oldest first.
    #[must_use]
    pub fn conditions(&self) -> impl DoubleEndedIterator<Item = (BootNs, &Arc<Condition>)> {
        self.conditions.iter().map(|(at, condition)| (*at, condition))
    }

    /// Records lost so far.
    #[must_use]
    pub const fn lost(&self) -> &Lost {
        &self.lost
    }

    /// Tells a condition and keeps it.
    pub(super) fn tell_condition(&mut self, at: BootNs, condition: Condition) {
        if self.conditions.len() == limits::CONDITIONS_KEPT {
            self.conditions.pop_front();
        }
        let condition = Arc::new(condition);
        self.conditions.push_back((at, condition.clone()));
        self.news(at, News::Condition(condition));
    }

    pub(super) fn want(&mut self, want: Want) {
        if !self.wants.contains(&want) {
            self.wants.push(want);
        }
    }

    pub(super) fn remind(&mut self, at: BootNs, timer: Timer) {
        self.timers.push(Reverse((at, timer)));
    }

    pub(super) fn new_key(&mut self) -> ContainerKey {
        self.next_key += 1;
        ContainerKey(self.next_key)
    }

    pub(super) fn container_of_cgroup(&mut self, cgroup: CgroupId) -> Option<&mut Container> {
        let (key, _) = self.cgroups.get(&cgroup)?;
        self.containers.get_mut(key)
    }

    /// The container whose cgroup this is. One that was removed holds nobody: what is told of somebody there is late.
    pub(super) fn live_container_of(&self, cgroup: CgroupId) -> Option<ContainerKey> {
        self.cgroups.get(&cgroup).map(|(key, _)| *key).filter(|key| self.is_there(*key))
    }

    fn is_there(&self, key: ContainerKey) -> bool {
        self.containers.get(&key).is_some_and(|container| container.gone.is_none())
    }

    /// The container that a task which is not known yet belongs to: by its cgroup, or because it or its parent is followed
    /// by pid.
    pub(super) fn attribute(&self, task: &Task, parent: Option<&Task>) -> Option<ContainerKey> {
        if let Some(key) = self.live_container_of(task.cgroup) {
            return Some(key);
        }
        let followed = |key: &ContainerKey| self.followed.values().any(|followed| followed == key);
        let by_parent = || self.processes.get(parent?.key())?.container.filter(followed);
        self.followed.get(&task.pid).copied().or_else(by_parent).filter(|key| self.is_there(*key))
    }

    /// A task as news refer to it.
    pub(super) fn party(&self, task: &Task) -> Party {
        let known = self.processes.get(task.key());
        let container = known
            .and_then(|process| process.container)
            .or_else(|| self.cgroups.get(&task.cgroup).map(|(key, _)| *key))
            .and_then(|key| self.containers.get(&key));
        Party {
            pid: task.pid,
            tid: if task.tid == 0 { task.pid } else { task.tid },
            ns_pid: match (task.ns_pid, known) {
                (0, Some(process)) => Some(process.task.ns_pid),
                (0, None) => None,
                (pid, _) => Some(pid),
            },
            start: task.start,
            comm: task.comm,
            is_init: task.is_init() || known.is_some_and(|process| process.task.is_init()),
            ppid: known.map(|process| process.reaper.pid).filter(|&pid| pid != 0),
            container: container.map(|container| container.name.clone()),
        }
    }

    pub(super) fn process_party(&self, process: &Process) -> Party {
        Party {
            pid: process.task.pid,
            tid: process.task.pid,
            ns_pid: Some(process.task.ns_pid).filter(|&pid| pid != 0),
            start: process.task.start,
            comm: process.task.comm,
            is_init: process.task.is_init(),
            ppid: Some(process.reaper.pid).filter(|&pid| pid != 0),
            container: process.container.and_then(|key| self.containers.get(&key)).map(|c| c.name.clone()),
        }
    }

    fn on_figures(&mut self, at: BootNs, figures: &CgroupFigures) {
        let Some(&(key, _)) = self.cgroups.get(&figures.cgroup) else { return };
        let Some(container) = self.containers.get_mut(&key) else { return };
        container.figures = *figures;
        self.judge_pids(at, key);
    }

    fn on_lost(&mut self, at: BootNs, lost: &Lost) {
        self.lost = self.lost.plus(lost);
        for container in self.containers.values_mut() {
            container.loss = Some(at);
        }
        if lost.total() == 0 {
            // only that something is missing here: how much is told later
            return;
        }
        self.want(Want::Snapshot);
        self.news(at, News::Lost(*lost));
    }

    pub(super) fn keep_termination(&mut self, termination: Termination) -> Arc<Termination> {
        if self.terminations.len() == limits::TERMINATIONS_KEPT {
            self.terminations.pop_front();
        }
        let termination = Arc::new(termination);
        self.terminations.push_back(termination.clone());
        termination
    }
}
