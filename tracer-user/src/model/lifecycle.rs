//! Processes begin, run other programs, end, are reaped.

use crate::event::{
    BootNs, CgroupId, Comm, Execed, Exited, Forked, OomVictim, PidNamespace, ProcessSeen, Task, TaskKey,
};

use super::change::{ExitNews, ExitStatus, News, ProcessNews};
use super::container::Container;
use super::hook::Joined;
use super::limits;
use super::names::Outcome;
use super::node::Node;
use super::process::{ContainerKey, Place, Process};

/// Names that runtimes give to their own set-up code before it becomes the container's program.
pub(super) fn is_setup(comm: Comm) -> bool {
    let name = comm.as_str();
    name.starts_with("runc:[") || matches!(name, "runc" | "crun" | "youki" | "exe" | "conmon")
}

/// Whether a runtime executes itself again: runc does so from a sealed copy, in the container's cgroup already. What the
/// init of a new pid namespace executes is the container's program whatever it is called.
fn is_setup_again(execed: &Execed) -> bool {
    const BY_DESCRIPTOR: [&str; 3] = ["/proc/self/", "/proc/thread-self/", "/dev/fd/"];
    let file = execed.filename.as_str();
    let name = file.rsplit('/').next().unwrap_or(file);
    let itself = BY_DESCRIPTOR.iter().any(|place| file.starts_with(place)) || matches!(name, "runc" | "crun" | "youki");
    itself && !execed.task.is_init()
}

impl Node {
    pub(super) fn on_process(&mut self, at: BootNs, seen: &ProcessSeen) {
        let task = &seen.task;
        let key = task.key();
        let is_new = self.meet(task, &seen.parent);
        let Some(process) = self.processes.get_mut(key) else { return };
        if !process.is_live() {
            return;
        }
        if let Some(status) = seen.zombie
            && !is_new
        {
            self.exit_was_lost(at, seen, status);
            return;
        }
        process.task.comm = task.comm;
        if process.exe.is_none() {
            process.exe.clone_from(&seen.exe);
        }
        if process.joined.is_none() && !is_setup(task.comm) {
            process.started_program = true;
        }
        self.processes.give(key, seen.parent);
        let Some(process) = self.processes.get_mut(key) else { return };
        if let Some(status) = seen.zombie {
            process.exit = Some((at, ExitStatus { raw: status }));
            process.found_dead = true;
            self.became_zombie(at, key);
        } else if !process.received.is_empty() {
            self.settle_blocked(key, seen.pending);
        }
        // a zombie that was there already is nobody's first process
        if let Some(process) = self.processes.get(key)
            && process.is_live()
            && let Some(container) = process.container
        {
            self.consider_first(container, key);
            self.program_known(at, container, key);
            if is_new
                && at.ms_since(BootNs(key.start)) > limits::LOSS_HEALED_MS
                && let Some(container) = self.containers.get_mut(&container)
            {
                container.late.get_or_insert(at);
            }
        }
    }

    /// A process that lived is a zombie: it exited in between, and only that is known.
    fn exit_was_lost(&mut self, at: BootNs, seen: &ProcessSeen, status: u32) {
        let owner = self.processes.get(seen.task.key()).and_then(|process| process.container);
        if let Some(container) = owner.and_then(|owner| self.containers.get_mut(&owner)) {
            container.loss = Some(at);
        }
        let ProcessSeen { task, parent, pending, .. } = *seen;
        self.on_exit(at, &Exited { task, parent, status, autoreap: false, pending });
    }

    /// Makes sure that a task is known; returns whether it was not.
    pub(super) fn meet(&mut self, task: &Task, parent: &Task) -> bool {
        let key = task.key();
        if let Some(process) = self.processes.get_mut(key) {
            process.refresh(task);
            if process.container.is_none()
                && let Some(container) = self.attribute_again(task)
            {
                self.processes.assign(key, container);
            }
            return false;
        }
        if self.processes.is_over(key) {
            return false;
        }
        let container = self.attribute(task, Some(parent));
        if container.is_none() || self.processes.len() >= limits::PROCESSES_KEPT {
            return false;
        }
        if let Some(ghost) = self.processes.by_pid(task.pid).map(|ghost| ghost.task) {
            // its pid was given to somebody else: it must have been reaped while nobody told
            self.on_reaped(self.now, &ghost);
        }
        let parent_process = self.processes.get(parent.key());
        let mut process = Process::new(*task, *parent, container);
        let inside = parent_process.is_some_and(|parent| parent.container == container);
        if inside && let Some(parent) = parent_process {
            let first = container.and_then(|key| self.containers.get(&key)).and_then(|container| container.first);
            process.place = match parent.place {
                _ if first == Some(parent.key()) => Place::Below(1),
                Place::Below(depth) => Place::Below(depth + 1),
                other => other,
            };
            process.started_program = parent.started_program;
        }
        self.processes.insert(process);
        true
    }

    fn attribute_again(&self, task: &Task) -> Option<ContainerKey> {
        self.live_container_of(task.cgroup)
    }

    /// The same for an event that tells nothing of the parent.
    pub(super) fn meet_alone(&mut self, task: &Task) {
        self.meet(
            task,
            &Task { pid: 0, tid: 0, ns_pid: 0, start: 0, cgroup: task.cgroup, comm: Comm::default(), flags: 0 },
        );
    }

    pub(super) fn on_fork(&mut self, at: BootNs, forked: &Forked) {
        let Forked { child, parent } = forked;
        if self.processes.get(child.key()).is_none_or(|known| known.container.is_none()) {
            let inside = self.processes.get(parent.key()).and_then(|parent| parent.container);
            if self.meet(child, parent)
                && let Some(container) = self.processes.get(child.key()).and_then(|process| process.container)
            {
                let joined = inside != Some(container);
                self.entered(at, child.key(), container, joined);
                self.replaced_child(at, container, child);
            }
        }
        let joined = self.processes.get(child.key()).is_some_and(|process| process.joined.is_some());
        self.tell_process(at, child, joined);
    }

    pub(super) fn on_joined(&mut self, at: BootNs, task: &Task, parent: &Task) {
        let key = task.key();
        let target = self.cgroups.get(&task.cgroup).map(|(container, _)| *container);
        let before = self.processes.get(key).and_then(|process| process.container);
        if before.is_some() && before == target {
            // moved between cgroups of one container
            if let Some(process) = self.processes.get_mut(key) {
                process.refresh(task);
            }
            return;
        }
        if self.processes.get(key).is_some_and(|process| !process.is_live()) {
            return;
        }
        self.processes.remove(key);
        if self.meet(task, parent)
            && let Some(container) = target
        {
            self.entered(at, key, container, true);
        }
        self.tell_process(at, task, true);
    }

    /// A process is new in a container.
    fn entered(&mut self, at: BootNs, key: TaskKey, container: ContainerKey, joined: bool) {
        let Some(process) = self.processes.get_mut(key) else { return };
        let plain = self.containers.get(&container).is_some_and(|container| container.runtime == "cgroup");
        if joined {
            process.joined = Some(at);
            process.place = Place::Outside;
            process.started_program = plain && !is_setup(process.comm());
            let party = self.processes.get(key).map(|process| self.process_party(process));
            if let (Some(party), Some(container)) = (party, self.containers.get_mut(&container)) {
                container.remember_joined(Joined::new(party, at));
            }
        }
        self.consider_first(container, key);
    }

    fn tell_process(&mut self, at: BootNs, task: &Task, joined: bool) {
        let Some(process) = self.processes.get(task.key()) else { return };
        if !self.tells_processes_of(process.container) {
            return;
        }
        let container = process.container.and_then(|key| self.containers.get(&key)).map(|c| c.name.clone());
        let news = ProcessNews { process: self.process_party(process), joined, filename: None, container };
        self.news(at, News::Fork(news));
    }

    pub(super) fn on_exec(&mut self, at: BootNs, execed: &Execed) {
        let key = execed.task.key();
        if self.meet(&execed.task, &execed.parent) {
            // nobody saw it come: it was moved in by a way that shows no event, or its arrival was lost
            let container = self.processes.get(key).and_then(|process| process.container);
            let inside = self.processes.get(execed.parent.key()).and_then(|parent| parent.container);
            if let Some(container) = container {
                self.entered(at, key, container, inside != Some(container));
            }
        }
        let Some(process) = self.processes.get_mut(key) else { return };
        process.task.comm = execed.task.comm;
        process.exe = Some(execed.interpreter.as_ref().unwrap_or(&execed.filename).clone());
        process.execed = true;
        let program = process.joined.is_none() || process.started_program || !is_setup_again(execed);
        process.started_program |= program;
        let joined = process.joined.is_some();
        let Some(owner) = process.container else { return };
        let party = self.processes.get(key).map(|process| self.process_party(process));
        let worth_telling = self.tells_processes_of(Some(owner));
        if let (Some(party), Some(container)) = (party, self.containers.get_mut(&owner)) {
            let exec = container.execs.iter_mut().find(|exec| exec.process.pid == key.pid && exec.ended.is_none());
            if let Some(exec) = exec.filter(|_| program) {
                exec.runs_now(party.clone(), &execed.filename);
            }
            let name = Some(container.name.clone());
            let filename = Some(execed.filename.clone());
            if worth_telling {
                self.news(at, News::Exec(ProcessNews { process: party, joined, filename, container: name }));
            }
        }
        self.consider_first(owner, key);
        if let Some(container) = self.containers.get_mut(&owner)
            && container.first == Some(key)
        {
            container.settled |= program;
            self.look_ahead(at, owner);
        }
        self.program_known(at, owner, key);
    }

    /// Decides whether a process is the container's first one. The runtime's word counts most; then init of a pid
    /// namespace that came from outside; then whoever first ran the container's program; then age.
    pub(super) fn consider_first(&mut self, key: ContainerKey, candidate: TaskKey) {
        let Some(container) = self.containers.get(&key) else { return };
        if container.first == Some(candidate) {
            return;
        }
        if container.over {
            if self.processes.get(candidate).is_some_and(Process::is_live)
                && let Some(container) = self.containers.get_mut(&key)
            {
                container.live_again(candidate);
                self.look_ahead(self.now, key);
            }
            return;
        }
        let described = container.described.as_ref().and_then(|described| described.pid);
        let settled = container.settled;
        // what --cgroup names was set up by no runtime: whoever moved itself in runs, and unshare makes the init
        let plain = container.runtime == "cgroup";
        let stopping = container.stop.is_some();
        let rank = |task: TaskKey| {
            let process = self.processes.get(task)?;
            let set_up_by = self.processes.get(process.parent.key());
            // an init made by the container's own program is a namespace nested inside
            let nested = set_up_by.is_some_and(|parent| {
                let launcher = plain && !parent.task.is_init();
                parent.container == Some(key) && parent.started_program && !parent.is_zombie_now() && !launcher
            });
            let told = described == Some(task.pid);
            let init = process.task.is_init() && !nested;
            let program = process.started_program;
            Some((told, init, program, std::cmp::Reverse(task.start)))
        };
        let better = match container.first {
            None => true,
            Some(current) => match (rank(current), rank(candidate)) {
                (Some(now), Some(new)) => {
                    new > now && (!settled || (new.0 && !now.0) || (plain && !stopping && new.1 && !now.1))
                }
                (None, Some(new)) => !settled || new.0,
                _ => false,
            },
        };
        if better && let Some(container) = self.containers.get_mut(&key) {
            container.first = Some(candidate);
            self.look_ahead(self.now, key);
        }
    }

    pub(super) fn on_oom(&mut self, at: BootNs, victim: &OomVictim) {
        if let Some(task) = &victim.task {
            self.meet_alone(task);
        }
        let Some(process) = self.processes.by_pid_mut(victim.pid) else { return };
        process.oom = true;
        let owner = process.container;
        let party = self.processes.by_pid(victim.pid).map(|process| self.process_party(process));
        if let Some(container) = owner.and_then(|owner| self.containers.get_mut(&owner)) {
            container.oom = party.map(|party| (at, party));
        }
    }

    pub(super) fn on_exit(&mut self, at: BootNs, exited: &Exited) {
        let key = exited.task.key();
        self.meet(&exited.task, &exited.parent);
        let Some(process) = self.processes.get_mut(key) else { return };
        if !process.is_live() {
            // two last threads may both see themselves as the last one on kernels before 6.16
            return;
        }
        let status = ExitStatus { raw: exited.status };
        process.exit = Some((at, status));
        process.untaken = exited.pending;
        let container = process.container;
        self.processes.give(key, exited.parent);
        // a program that renamed itself shows it in the events of its children
        if let Some(parent) = self.processes.get_mut(exited.parent.key()) {
            parent.task.comm = exited.parent.comm;
        }
        self.settle_blocked(key, exited.pending);
        self.give_away_children(at, key, container);
        let name = container.and_then(|key| self.containers.get(&key)).map(|container| container.name.clone());
        if let Some(process) = self.processes.get(key) {
            let news = ExitNews { process: self.process_party(process), status, container: name };
            self.news(at, News::Exit(news));
        }
        if !exited.autoreap {
            self.became_zombie(at, key);
        }
        let Some(owner) = container else { return };
        if let Some(container) = self.containers.get_mut(&owner)
            && let Some(exec) =
                container.execs.iter_mut().find(|exec| exec.process.pid == key.pid && exec.ended.is_none())
        {
            exec.ended = Some(at);
            exec.exit = Some(status);
        }
        if let Some(container) = self.containers.get_mut(&owner)
            && let Some(hook) = container.stop.as_mut().and_then(|stop| stop.pre_stop.as_mut())
            && hook.process.as_ref().is_some_and(|process| process.pid == key.pid && process.start == key.start)
        {
            (hook.ended, hook.exit) = (Some(at), Some(status));
        }
        self.child_ended(at, owner, key);
        if self.containers.get(&owner).and_then(|container| container.first) == Some(key) && !self.set_up(owner, key) {
            // only who exits by itself has given up
            let stopped = self.containers.get(&owner).is_some_and(|container| container.stop.is_some());
            self.judge_orphans(at, owner, status.code().is_some() && !stopped);
            self.first_exited(at, owner, key, status);
        }
        self.close_stop(at, owner, false);
    }

    /// A first process that was only the runtime's set-up code makes way for the one it set up: its exit ends nothing.
    fn set_up(&mut self, owner: ContainerKey, key: TaskKey) -> bool {
        if !self.processes.get(key).is_some_and(Process::is_setup) {
            return false;
        }
        let live: Vec<_> = self.processes.of(owner).filter(|process| process.is_live()).map(Process::key).collect();
        let Some(container) = self.containers.get_mut(&owner).filter(|_| !live.is_empty()) else { return false };
        (container.first, container.settled) = (None, false);
        for candidate in live {
            self.consider_first(owner, candidate);
        }
        true
    }

    /// Children of a process that ends go to the container's init, if it has one; in a pod that shares its pid namespace to
    /// the sandbox's; else to somebody unknown.
    fn give_away_children(&mut self, at: BootNs, key: TaskKey, container: Option<ContainerKey>) {
        let init_of = |container: &Container| {
            let first = container.first.and_then(|first| self.processes.get(first))?;
            (first.task.is_init() && first.is_live()).then_some(first.task)
        };
        let container = container.and_then(|key| self.containers.get(&key));
        let heir = container.and_then(init_of).or_else(|| {
            let container = container.filter(|container| container.pid_namespace() == Some(PidNamespace::Pod))?;
            let sandbox = self.pods.get(&container.pod?)?.sandbox?;
            self.containers.get(&sandbox).and_then(init_of)
        });
        let nobody = Task { pid: 0, tid: 0, ns_pid: 0, start: 0, cgroup: CgroupId(0), comm: Comm::default(), flags: 0 };
        for child in self.processes.children_of(key) {
            self.processes.give(child, heir.unwrap_or(nobody));
            if let Some(child) = self.processes.get_mut(child) {
                child.adopted = Some(at);
            }
            self.adopted_zombie(at, child);
        }
    }

    /// Learns what became of blocked signals from what is still pending.
    pub(super) fn settle_blocked(&mut self, key: TaskKey, pending: crate::signal::SignalSet) {
        let Some(process) = self.processes.get_mut(key) else { return };
        for receipt in process.received.iter_mut().filter(|receipt| receipt.outcome == Outcome::Blocked) {
            // what was taken stays taken: the bit may belong to another that was sent since
            receipt.taken |= !pending.has(receipt.signal);
        }
        self.refresh_stop_signal(key);
    }

    pub(super) fn on_reaped(&mut self, at: BootNs, task: &Task) {
        let key = task.key();
        let Some(process) = self.processes.get(key) else { return };
        let vanished = process.is_live();
        if vanished {
            // its exit was lost
            if let Some(container) = process.container.and_then(|key| self.containers.get_mut(&key)) {
                container.loss = Some(at);
            }
        }
        self.tell_reaped(at, key);
        let Some(process) = self.processes.remove(key) else { return };
        let owner = process.container;
        self.depart(process);
        if let Some(owner) = owner {
            if vanished {
                self.vanished(at, owner, key);
            }
            self.close_stop(at, owner, false);
        }
    }

    /// Remembers a process that is gone for as long as a stop may want it.
    pub(super) fn depart(&mut self, process: Process) {
        self.processes.bury(process.key());
        let Some(container) = process.container.and_then(|key| self.containers.get_mut(&key)) else { return };
        let now = process.exit.map_or(self.now, |(at, _)| at);
        container.forget_old_candidate(now);
        if container.stop.is_none() && container.candidate.is_none() && container.first != Some(process.key()) {
            return;
        }
        if container.departed.len() == limits::DEPARTED_KEPT {
            container.departed.pop_front();
        }
        container.departed.push_back(process);
    }
}

impl Process {
    /// The runtime's own code, which came in to set the container (or an exec) up.
    pub(super) fn is_setup(&self) -> bool {
        self.joined.is_some() && !self.started_program && is_setup(self.comm())
    }

    /// Exited and not reaped.
    #[must_use]
    pub const fn is_zombie_now(&self) -> bool {
        self.zombie && self.exit.is_some()
    }
}
