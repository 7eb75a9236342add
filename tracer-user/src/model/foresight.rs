//! What a stop signal would meet: asked for when a container has come to run its program, and a few times after.

use crate::event::{BootNs, Foresight, TaskKey};

use super::change::News;
use super::limits;
use super::node::{Node, Timer, Want};
use super::process::ContainerKey;

impl Node {
    /// A container has another first process, this one runs another program, or another signal stops it: what was
    /// foreseen holds no more. It is asked again at some ages of the process, as handlers are installed by and by.
    pub(super) fn look_ahead(&mut self, at: BootNs, key: ContainerKey) {
        let Some(container) = self.containers.get_mut(&key) else { return };
        let Some(first) = container.first else { return };
        container.foresight = None;
        if !self.foresees {
            return;
        }
        let ages = limits::FORESEE_AT_MS.map(|age| BootNs(first.start).plus_ms(age));
        if ages[0] <= at {
            self.ask_ahead(key, first);
        }
        for due in ages.into_iter().filter(|due| *due > at) {
            self.remind(due, Timer::Foresee(key, first));
        }
    }

    pub(super) fn ask_ahead(&mut self, key: ContainerKey, first: TaskKey) {
        let Some(container) = self.containers.get(&key) else { return };
        let runs = container.gone.is_none() && container.stop.is_none() && !container.is_sandbox();
        let lives = self.processes.get(first).is_some_and(|process| process.exit.is_none());
        if runs && lives && container.first == Some(first) {
            self.want(Want::Foresee(key));
        }
    }

    pub(super) fn on_foreseen(&mut self, at: BootNs, foresight: &Foresight) {
        let owner = self.processes.get(foresight.task).and_then(|process| process.container);
        let Some(container) = owner.and_then(|owner| self.containers.get_mut(&owner)) else { return };
        if container.first != Some(foresight.task) || container.gone.is_some() {
            return;
        }
        let is_news = container.foresight.as_ref().is_none_or(|(_, before)| before != foresight);
        container.foresight = Some((at, foresight.clone()));
        if is_news {
            let name = container.name.clone();
            self.news(at, News::Foreseen(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{CgroupFound, CgroupId, Comm, Described, Event, Foreseen, ProcessSeen, Task, What};
    use crate::signal::{Signal, SignalSet};

    const CGROUP: CgroupId = CgroupId(3);

    fn at(ms: u64) -> BootNs {
        BootNs(1_000_000_000).plus_ms(ms)
    }

    fn task() -> Task {
        let flags = tracer_common::task_flags::INIT | tracer_common::task_flags::UNKILLABLE;
        Task { pid: 70, tid: 70, ns_pid: 1, start: at(0).0, cgroup: CGROUP, comm: Comm::from("sh"), flags }
    }

    /// A container whose first process is seen when it is this old, ms.
    fn node(age: u64) -> Node {
        let mut node = Node::new();
        node.ask_what_signals_would_meet();
        apply(&mut node, age);
        node
    }

    fn apply(node: &mut Node, age: u64) {
        let found = CgroupFound {
            cgroup: CGROUP,
            path: "/docker/cafe".to_owned(),
            container: "cafe".to_owned(),
            own: true,
            runtime: "docker".to_owned(),
            pod_uid: None,
            new: true,
        };
        node.apply(&Event(at(age), What::Cgroup(found)));
        let empty = SignalSet(0);
        let seen = ProcessSeen {
            task: task(),
            parent: Task { pid: 1, cgroup: CgroupId(1), ..task() },
            zombie: None,
            blocked: empty,
            pending: empty,
            caught: empty,
            ignored: empty,
            exe: None,
        };
        node.apply(&Event(at(age), What::Process(seen)));
    }

    /// How often somebody has to wake up for it, if nothing happens.
    fn deadlines(mut node: Node) -> usize {
        let due = std::iter::from_fn(|| {
            let due = node.next_tick()?;
            node.tick(due);
            Some(due)
        });
        due.count()
    }

    fn asked(node: &mut Node) -> usize {
        node.take_wants().filter(|want| matches!(want, Want::Foresee(_))).count()
    }

    fn answer(foreseen: Foreseen, task: TaskKey) -> What {
        What::Foreseen(Foresight {
            task,
            signal: Signal::TERM,
            foreseen,
            why: "because.".to_owned(),
            fix: None,
            notes: Vec::new(),
        })
    }

    fn foreseen(node: &Node) -> Option<Foreseen> {
        node.containers().next().and_then(|(_, one)| one.foresight.as_ref()).map(|(_, seen)| seen.foreseen)
    }

    #[test]
    fn it_is_asked_when_the_program_has_had_time_and_a_few_times_after() {
        let mut node = node(0);
        assert_eq!(asked(&mut node), 0, "too young");
        for (ms, times) in [(2_000, 0), (2_300, 1), (9_000, 0), (10_000, 1), (60_000, 1), (100_000_000, 0)] {
            node.tick(at(ms));
            assert_eq!(asked(&mut node), times, "{ms}");
        }
        assert_eq!(node.next_tick(), None, "nobody is woken for it for ever");
        assert_eq!(asked(&mut self::node(5_000)), 1, "one that runs already is asked about at once");
    }

    #[test]
    fn where_nobody_answers_nobody_is_woken_to_ask() {
        let mut silent = Node::new();
        apply(&mut silent, 0);
        assert_eq!(deadlines(silent.clone()) + limits::FORESEE_AT_MS.len(), deadlines(node(0)));
        silent.tick(at(100_000_000));
        assert_eq!(asked(&mut silent), 0);
        // what somebody else has asked is told all the same
        apply(&mut silent, 0);
        silent.apply(&Event(at(100_000_100), answer(Foreseen::Dropped, task().key())));
        assert_eq!(foreseen(&silent), Some(Foreseen::Dropped));
    }

    #[test]
    fn an_answer_is_kept_and_told_once() {
        let mut node = node(5_000);
        let told = |node: &mut Node| node.take_changes().filter(|c| matches!(c.news, News::Foreseen(_))).count();
        node.apply(&Event(at(5_100), answer(Foreseen::Dropped, task().key())));
        assert_eq!((foreseen(&node), told(&mut node)), (Some(Foreseen::Dropped), 1));
        node.apply(&Event(at(5_200), answer(Foreseen::Dropped, task().key())));
        assert_eq!(told(&mut node), 0, "nothing new");
        // about somebody else
        node.apply(&Event(at(5_300), answer(Foreseen::Caught, TaskKey { pid: 71, start: 1 })));
        assert_eq!((foreseen(&node), told(&mut node)), (Some(Foreseen::Dropped), 0));
    }

    #[test]
    fn another_stop_signal_is_another_question() {
        let mut node = node(5_000);
        node.apply(&Event(at(5_100), answer(Foreseen::Dropped, task().key())));
        asked(&mut node);
        let quit = Described { id: "cafe".to_owned(), stop_signal: Some(Signal::QUIT), ..Described::default() };
        node.apply(&Event(at(5_200), What::Described(quit.clone())));
        assert_eq!((foreseen(&node), asked(&mut node)), (None, 1));
        let named = Described { name: Some("web".to_owned()), ..quit };
        node.apply(&Event(at(5_300), answer(Foreseen::Caught, task().key())));
        node.apply(&Event(at(5_400), What::Described(named)));
        assert_eq!((foreseen(&node), asked(&mut node)), (Some(Foreseen::Caught), 0), "a name changes nothing");
    }
}
