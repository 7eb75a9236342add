//! Respawn loops: children that fail, are replaced at once, and fail again, while their container looks healthy.

use std::collections::VecDeque;

use crate::event::{BootNs, Comm, TaskKey};

use super::change::{Condition, ExitStatus, Figure};
use super::children::{Ended, program};
use super::limits;
use super::names::ConditionKind;
use super::node::Node;
use super::process::{ContainerKey, Process};
use super::words::{count, seconds};

/// Children that fail, by who started them and what they are called.
#[derive(Clone, Debug, Default)]
pub(super) struct Respawn {
    runs: Vec<Run>,
}

/// Children of one name and one parent that ended one after another.
#[derive(Clone, Debug)]
struct Run {
    parent: TaskKey,
    comm: Comm,
    began: BootNs,
    /// Those that were not replaced yet.
    waiting: VecDeque<BootNs>,
    /// Those that were, in the window.
    deaths: VecDeque<BootNs>,
    /// When the last one ended.
    last: BootNs,
    /// How the last one that failed did.
    last_status: ExitStatus,
    oom: bool,
    /// When one ended as it should.
    succeeded: Option<BootNs>,
    /// How many were told.
    reported: usize,
}

impl Respawn {
    fn failed(&mut self, at: BootNs, ended: &Ended) {
        let run = self.run(at, ended);
        (run.last_status, run.oom) = (ended.status, ended.oom);
        push(&mut run.waiting, at);
    }

    /// One that did what it should: the others are no loop.
    fn succeeded(&mut self, at: BootNs, ended: &Ended) {
        let run = self.run(at, ended);
        run.waiting.clear();
        run.deaths.clear();
        (run.began, run.succeeded, run.reported) = (at, Some(at), 0);
    }

    fn run(&mut self, at: BootNs, ended: &Ended) -> &mut Run {
        self.runs.retain(|run| at.ms_since(run.last) <= limits::RESPAWN_WINDOW_MS);
        let found = self.runs.iter().position(|run| run.is(ended));
        let index = found.unwrap_or_else(|| {
            if self.runs.len() == limits::RESPAWN_RUNS_KEPT {
                let oldest = (0..self.runs.len()).min_by_key(|&index| self.runs[index].last);
                self.runs.remove(oldest.unwrap_or(0));
            }
            self.runs.push(Run {
                parent: ended.parent,
                comm: ended.comm,
                began: at,
                waiting: VecDeque::new(),
                deaths: VecDeque::new(),
                last: at,
                last_status: ended.status,
                oom: false,
                succeeded: None,
                reported: 0,
            });
            self.runs.len() - 1
        });
        let run = &mut self.runs[index];
        run.last = at;
        run
    }
}

impl Run {
    fn is(&self, ended: &Ended) -> bool {
        self.parent == ended.parent && self.comm == ended.comm
    }

    /// Their parent starts another one; returns whether that replaces one of them.
    fn replaced(&mut self, at: BootNs) -> bool {
        let late = |death: &BootNs| at.ms_since(*death) > limits::RESPAWN_GAP_MS;
        while self.waiting.front().is_some_and(late) {
            self.waiting.pop_front();
        }
        let Some(death) = self.waiting.pop_front() else { return false };
        push(&mut self.deaths, death);
        while self.deaths.front().is_some_and(|then| at.ms_since(*then) > limits::RESPAWN_WINDOW_MS) {
            self.deaths.pop_front();
        }
        true
    }

    fn is_due(&self, at: BootNs, shell: bool) -> bool {
        let (enough, lasts) =
            if shell { (limits::RESPAWN_COUNT_SHELL, limits::RESPAWN_SHELL_MS) } else { (limits::RESPAWN_COUNT, 0) };
        let again = self.reported.saturating_mul(limits::RESPAWN_AGAIN);
        let none_succeeds = self.succeeded.is_none_or(|then| at.ms_since(then) > limits::RESPAWN_WINDOW_MS);
        self.deaths.len() >= enough.max(again) && at.ms_since(self.began) >= lasts && none_succeeds
    }
}

fn push(deaths: &mut VecDeque<BootNs>, at: BootNs) {
    if deaths.len() == limits::DEPARTED_KEPT {
        deaths.pop_front();
    }
    deaths.push_back(at);
}

impl Node {
    /// A child of a supervisor ended.
    pub(super) fn supervised_ended(&mut self, at: BootNs, owner: ContainerKey, ended: &Ended, failed: bool) {
        let Some(container) = self.containers.get_mut(&owner) else { return };
        match (failed, ended.on_purpose) {
            (true, false) => container.respawn.failed(at, ended),
            // whom its supervisor ends tells nothing
            (true, true) => {}
            (false, _) => container.respawn.succeeded(at, ended),
        }
    }

    /// A process started a child.
    pub(super) fn respawned(&mut self, at: BootNs, owner: ContainerKey, parent: TaskKey) {
        let Some(supervisor) = self.processes.get(parent) else { return };
        let shell = program(supervisor).is_shell();
        let Some(container) = self.containers.get_mut(&owner) else { return };
        // one fork replaces one of them: the one that waits for it the longest
        let waiting = |run: &&mut Run| run.parent == parent && !run.waiting.is_empty();
        let oldest = container.respawn.runs.iter_mut().filter(waiting).min_by_key(|run| run.waiting.front().copied());
        let Some(run) = oldest else { return };
        if !run.replaced(at) || !run.is_due(at, shell) {
            return;
        }
        run.reported = run.deaths.len();
        let run = run.clone();
        let Some(supervisor) = self.processes.get(parent) else { return };
        let condition = self.respawn_condition(at, owner, &run, supervisor, shell);
        self.tell_condition(at, condition);
    }

    fn respawn_condition(
        &self,
        at: BootNs,
        owner: ContainerKey,
        run: &Run,
        supervisor: &Process,
        shell: bool,
    ) -> Condition {
        let (comm, last, deaths) = (run.comm, run.last_status, run.deaths.len());
        let window = run.deaths.front().map_or(0, |first| at.ms_since(*first));
        let end = match (last.code(), last.signal()) {
            _ if run.oom => "killed by the OOM killer".to_owned(),
            (Some(126), _) => "with exit code 126: it cannot be executed".to_owned(),
            (Some(127), _) => "with exit code 127: there is no such command".to_owned(),
            (Some(code), _) => format!("with exit code {code}"),
            (None, Some(signal)) => format!("by {signal}"),
            (None, None) => "with a failure".to_owned(),
        };
        let who = match supervisor.task.ns_pid {
            1 => format!("{} (PID 1)", supervisor.comm()),
            0 => supervisor.comm().to_string(),
            ns_pid => format!("{} (pid {ns_pid} in the container)", supervisor.comm()),
        };
        let advice = if run.oom {
            format!("Give the container more memory, or {comm} less to do")
        } else {
            format!("Look at what {comm} writes before it ends")
        };
        let limit = if shell {
            format!("let {} give up after a few attempts (exit 1)", supervisor.comm())
        } else {
            format!("let {} exit when its workers keep failing", supervisor.comm())
        };
        Condition {
            kind: ConditionKind::RespawnLoop,
            container: self.containers.get(&owner).map(|container| container.name.clone()),
            explanation: format!(
                "{comm} died {} in {} (last {end}), and {who} started it again each time: the container looks healthy while what it should do fails.",
                count(deaths, "time", "times"),
                seconds(window)
            ),
            fix: Some(format!(
                "{advice}; and {limit}, so that the container ends and Kubernetes or Docker shows that and restarts it with back-off."
            )),
            figures: vec![
                ("deaths", Figure::Number(deaths as u64)),
                ("window_ms", Figure::Number(window)),
                ("comm", Figure::Text(comm.to_string())),
                ("exit_code", last.code().map_or(Figure::Unknown, |code| Figure::Number(u64::from(code)))),
                ("exit_signal", last.signal().map_or(Figure::Unknown, |signal| Figure::Text(signal.to_string()))),
                ("supervisor_pid", Figure::Number(u64::from(supervisor.task.pid))),
            ],
        }
    }
}
