//! Conditions: what is wrong without being the end of a container.

use crate::event::{BootNs, Comm, StateSeen, Task, TaskKey};
use crate::signal::Signal;

use super::change::{Condition, Figure};
use super::explain::{Fault, fix_for, what_runs};
use super::limits;
use super::names::{Cause, ConditionKind, Role, Verdict};
use super::node::{Node, Timer, Want};
use super::process::{ContainerKey, Place, Process, Receipt};
use super::program::Program;
use super::words::{count, seconds};

/// Where a process is that SIGKILL did not end, and what to do: proc(5), /proc/PID/stat.
const fn where_it_is_stuck(state: char) -> (&'static str, &'static str) {
    match state {
        'D' => (
            "in uninterruptible sleep (D): it waits inside the kernel, often for storage or a network file system",
            "No signal ends it; what it waits for must. Look at /proc/PID/stack, the volumes mounted (NFS, FUSE) and the kernel log.",
        ),
        'Z' => (
            "a zombie already (Z): its parent has not reaped it, or its threads have not ended",
            "It is dead; what is missing is its parent's wait, or the end of its threads: look at /proc/PID/task/*/stat. Of a container's first process the parent is the runtime's shim.",
        ),
        't' => {
            ("stopped by a tracer (t)", "End the tracer (a debugger, strace): TracerPid in /proc/PID/status names it.")
        }
        _ => (
            match state {
                'T' => "stopped (T)",
                'R' => "running (R): it has not come to see the signal yet",
                'S' => "asleep (S): it has not come to see the signal yet",
                _ => "not gone",
            },
            "Look at /proc/PID/stack and the kernel log; a frozen cgroup of version 1 (docker pause, freezer.state) must be thawed.",
        ),
    }
}

/// The letter for a process that is not there any more.
const GONE: char = 'X';

impl Node {
    /// A signal was dropped at a first process and no stop is going on.
    pub(super) fn dropped_outside_a_stop(&mut self, at: BootNs, owner: ContainerKey, receipt: &Receipt) {
        let Some(container) = self.containers.get(&owner).filter(|container| !container.is_sandbox()) else { return };
        let Some(first) = container.first.and_then(|first| self.processes.get(first)) else { return };
        let (signal, comm, sender) = (receipt.signal, first.comm(), &receipt.sender);
        let stops = container.stop_signal().unwrap_or(Signal::TERM) == signal;
        let prospect = if stops {
            format!(" It will do the same with {signal} when the container is stopped.")
        } else {
            String::new()
        };
        let inside = receipt.role == Role::Inside;
        let who = match (inside, sender.ns_pid) {
            (true, Some(ns_pid)) => format!("{} (pid {ns_pid} in the container)", sender.comm),
            _ => format!("{} (pid {})", sender.comm, sender.pid),
        };
        let (explanation, fix) = if matches!(signal, Signal::KILL | Signal::STOP) {
            (
                format!(
                    "{who} sent {signal} to {comm}, PID 1 of its own pid namespace, and the kernel dropped it: from inside, not even {signal} reaches an init."
                ),
                "Stop the container from outside (docker stop, kubectl delete pod), or let PID 1 end by itself."
                    .to_owned(),
            )
        } else {
            (
                format!(
                    "{who} sent {signal} to {comm} (PID 1), which has no handler for it, so the kernel dropped it.{prospect}"
                ),
                self.advice_on_drop(owner, first, signal).unwrap_or_default(),
            )
        };
        let condition = Condition {
            kind: ConditionKind::DroppedSignal,
            container: Some(container.name.clone()),
            explanation,
            fix: Some(fix),
            figures: vec![
                ("signal", Figure::Text(signal.to_string())),
                ("sender_pid", Figure::Number(u64::from(sender.pid))),
                ("sender_comm", Figure::Text(sender.comm.to_string())),
                ("target_pid", Figure::Number(u64::from(first.task.pid))),
            ],
        };
        self.tell_condition(at, condition);
    }

    /// The same advice as for a stop that ends like that.
    fn advice_on_drop(&self, owner: ContainerKey, first: &Process, signal: Signal) -> Option<String> {
        let container = self.containers.get(&owner)?;
        let comm = first.comm().to_string();
        let program = Program::of(&comm, first.exe.as_deref());
        let called = format!("{comm} (PID 1)");
        let live = |parent| {
            let children = self.processes.children_of(parent).into_iter();
            children.filter_map(|key| self.processes.get(key)).filter(|child| child.is_live()).collect()
        };
        let below = what_runs(first.key(), live).filter(|_| program.is_shell());
        let fault = Fault::new(Verdict::SigtermDropped, Some(Cause::NoHandler), program, Some(signal), &called)
            .with_below(below.as_deref())
            .with_pod(container.pod.is_some());
        fix_for(&fault)
    }

    /// A process should be gone by now. Where it is stuck comes as an event, and with it the condition.
    pub(super) fn stuck_due(&mut self, key: TaskKey) {
        if self.processes.get(key).is_some_and(|process| process.is_live() && !process.stuck_told) {
            self.want(Want::State(key));
        }
    }

    pub(super) fn on_state(&mut self, at: BootNs, seen: &StateSeen) {
        let Some(process) = self.processes.get_mut(seen.task) else { return };
        if seen.state == GONE {
            // of one that lives its exit is on its way, or was lost: a look at all processes tells
            if process.exit.is_some() {
                self.zombie_is_gone(at, seen.task);
            }
            return;
        }
        let kill = process.received.iter().find(|receipt| receipt.signal == Signal::KILL).map(|receipt| receipt.at);
        let (Some(kill), true, false) = (kill, process.is_live(), process.stuck_told) else { return };
        process.stuck_told = true;
        let (comm, pid) = (process.comm(), process.task.pid);
        let container = process.container.and_then(|key| self.containers.get(&key)).map(|c| c.name.clone());
        let (state, advice) = where_it_is_stuck(seen.state);
        let place = seen.stack.first().map_or_else(String::new, |function| format!(", in {function}"));
        let condition = Condition {
            kind: ConditionKind::Stuck,
            container,
            explanation: format!(
                "SIGKILL was sent to {comm} (pid {pid}) {} ago and it is {state}{place}.",
                seconds(at.ms_since(kill))
            ),
            fix: Some(advice.to_owned()),
            figures: vec![
                ("pid", Figure::Number(u64::from(pid))),
                ("state", Figure::Text(seen.state.to_string())),
                ("since_ms", Figure::Number(at.ms_since(kill))),
                ("stack", Figure::Text(seen.stack.join(" < "))),
            ],
        };
        self.tell_condition(at, condition);
    }

    /// A process was created: perhaps to replace one that failed.
    pub(super) fn replaced_child(&mut self, at: BootNs, owner: ContainerKey, child: &Task) {
        let is_child_of_first = self
            .processes
            .get(child.key())
            .is_some_and(|process| process.place == Place::Below(1) && process.joined.is_none());
        if is_child_of_first && let Some(container) = self.containers.get_mut(&owner) {
            container.orphans.last_fork = at;
        }
    }

    /// A process ended: one of many that fail?
    pub(super) fn child_ended(&mut self, at: BootNs, owner: ContainerKey, key: TaskKey) {
        let Some(container) = self.containers.get(&owner) else { return };
        let Some(first) = container.first.and_then(|first| self.processes.get(first)) else { return };
        let Some(process) = self.processes.get(key) else { return };
        let Some((_, status)) = process.exit else { return };
        let is_child = process.parent.key() == first.key() && process.joined.is_none();
        let asked = process.received.iter().any(|receipt| receipt.signal != Signal::CHLD);
        let failed = status.raw != 0;
        if !is_child || !failed || container.stop.is_some() || !first.is_live() {
            return;
        }
        let shell = Program::of(first.comm().as_str(), first.exe.as_deref()).is_shell();
        let life = process.life_ms().unwrap_or(u64::MAX);
        let looks_at_parent = first.task.ns_pid == 1
            && (process.comm() == first.comm() || (process.exe.is_some() && process.exe == first.exe))
            && !asked
            && status.code().is_some()
            && life <= limits::ORPHAN_EXIT_LIFE_MS;
        let (comm, raw) = (process.comm(), status.raw);
        let mut begins = false;
        if let Some(container) = self.containers.get_mut(&owner) {
            if looks_at_parent {
                begins = container.orphans.exits.is_empty();
                container.orphans.exits.push((comm, raw, life));
            }
            container.respawn.failures.push_back((at, comm, raw));
        }
        if begins {
            self.remind(at.plus_ms(limits::ORPHAN_EXIT_DECIDE_MS), Timer::Orphans(owner));
        }
        self.judge_respawn(at, owner, comm, shell);
    }

    fn judge_respawn(&mut self, at: BootNs, owner: ContainerKey, comm: Comm, shell: bool) {
        let Some(container) = self.containers.get_mut(&owner) else { return };
        let respawn = &mut container.respawn;
        while respawn.failures.front().is_some_and(|(then, ..)| at.ms_since(*then) > limits::RESPAWN_WINDOW_MS)
            || respawn.failures.len() > limits::DEPARTED_KEPT
        {
            respawn.failures.pop_front();
        }
        let same: Vec<_> = respawn.failures.iter().filter(|(_, name, _)| *name == comm).collect();
        let enough = if shell { limits::RESPAWN_COUNT_SHELL } else { limits::RESPAWN_COUNT };
        if same.len() < enough {
            respawn.reported = 0;
            return;
        }
        // being replaced means that there were forks between the deaths, not one batch before them
        let first_failure = same.first().map_or(at, |(then, ..)| *then);
        if container.orphans.last_fork < first_failure || same.len() < respawn.reported * 2 {
            return;
        }
        respawn.reported = same.len();
        let window = at.ms_since(first_failure);
        let last = same.last().map_or(0, |(_, _, raw)| *raw);
        let how = super::change::ExitStatus { raw: last };
        let end = match (how.code(), how.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => signal.to_string(),
            (None, None) => "a failure".to_owned(),
        };
        let (deaths, name) = (same.len(), container.name.clone());
        let first = container.first.and_then(|first| self.processes.get(first));
        let (first_comm, first_pid) = first.map_or((Comm::default(), 0), |first| (first.comm(), first.task.pid));
        let condition = Condition {
            kind: ConditionKind::RespawnLoop,
            container: Some(name),
            explanation: format!(
                "{comm} died {} in {} (last with {end}) and {first_comm}, the first process, started it again each time: the container looks healthy while its workers fail.",
                count(deaths, "time", "times"),
                seconds(window)
            ),
            fix: Some(format!(
                "Look at the log of {comm} for the reason; let {first_comm} exit when its workers keep failing, so that Kubernetes sees it and restarts the container with back-off."
            )),
            figures: vec![
                ("deaths", Figure::Number(deaths as u64)),
                ("window_ms", Figure::Number(window)),
                ("comm", Figure::Text(comm.to_string())),
                ("exit_code", how.code().map_or(Figure::Unknown, |code| Figure::Number(u64::from(code)))),
                ("exit_signal", how.signal().map_or(Figure::Unknown, |signal| Figure::Text(signal.to_string()))),
                ("supervisor_pid", Figure::Number(u64::from(first_pid))),
            ],
        };
        self.tell_condition(at, condition);
    }

    /// Decides on children that ended at once: when some time has passed, or when PID 1 gives up and `exits` itself.
    pub(super) fn judge_orphans(&mut self, due: BootNs, owner: ContainerKey, exits: bool) {
        let Some(container) = self.containers.get_mut(&owner) else { return };
        let replaced = !exits && due.ms_since(container.orphans.last_fork) < limits::ORPHAN_EXIT_QUIET_MS;
        let exits = std::mem::take(&mut container.orphans.exits);
        if exits.len() < limits::ORPHAN_EXIT_COUNT || replaced || container.orphans.reported {
            return;
        }
        let Some(&(comm, raw, _)) = exits.first() else { return };
        if exits.iter().any(|&(_, other, _)| other != raw) {
            return;
        }
        container.orphans.reported = true;
        let longest = exits.iter().map(|(_, _, life)| *life).max().unwrap_or(0);
        let code = super::change::ExitStatus { raw }.code().unwrap_or(0);
        let condition = Condition {
            kind: ConditionKind::OrphanExit,
            container: Some(container.name.clone()),
            explanation: format!(
                "{} called {comm}, all children of PID 1, exited with code {code} within {} of their start, without any signal: programs that fork workers often take a parent with pid 1 to mean that their master has died.",
                count(exits.len(), "process", "processes"),
                seconds(longest)
            ),
            fix: Some(
                "Put an init before the program, so that the parent of its workers is not PID 1 (docker run --init, tini, dumb-init), or switch the check of getppid() off."
                    .to_owned(),
            ),
            figures: vec![
                ("exits", Figure::Number(exits.len() as u64)),
                ("exit_code", Figure::Number(u64::from(code))),
                ("longest_life_ms", Figure::Number(longest)),
                ("comm", Figure::Text(comm.to_string())),
            ],
        };
        self.tell_condition(due, condition);
    }
}
