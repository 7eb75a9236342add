//! Rules that need time: thresholds at their edges, and an hour of ordinary life.

mod any;
mod deletion;
mod drops;
mod edges;
mod hints;
mod hour;
mod suspended;

use super::{Condition, ConditionKind, Node};
use crate::event::made::{Made, at, exit, fork, reaped, signal};
use crate::event::{Event, Execed, Handler, Task, What};
use crate::signal::Signal;

/// One container, to which things happen.
struct Stage {
    node: Node,
    made: Made,
    first: Task,
    next: u32,
}

impl Stage {
    fn new(pid_1: &str) -> Self {
        let made = Made { number: 2 };
        let mut node = Node::new();
        made.found("app", None, Some(10_000), pid_1).iter().for_each(|event| node.apply(event));
        Self { node, made, first: made.task(1, pid_1), next: 10 }
    }

    /// A process is started.
    fn fork(&mut self, ms: u64, parent: Task) -> Task {
        self.next += 1;
        let child = Task { start: at(ms).0, ..self.made.task(self.next, parent.comm.as_str()) };
        self.node.apply(&fork(ms, child, parent));
        child
    }

    /// A process is started and runs a program.
    fn start(&mut self, ms: u64, parent: Task, comm: &str) -> Task {
        let child = self.fork(ms, parent);
        let task = Task { comm: comm.into(), ..child };
        self.node.apply(&Event(
            at(ms),
            What::Exec(Execed { task, parent, filename: format!("/bin/{comm}"), interpreter: None }),
        ));
        task
    }

    fn exit(&mut self, ms: u64, task: Task, parent: Task, status: u32) {
        self.node.apply(&exit(ms, task, parent, status));
    }

    /// A process exits and is reaped at once.
    fn end(&mut self, ms: u64, task: Task, parent: Task, status: u32) {
        self.exit(ms, task, parent, status);
        self.node.apply(&reaped(ms, task));
    }

    fn tick(&mut self, ms: u64) -> usize {
        self.node.tick(at(ms));
        self.node.conditions().count()
    }

    fn conditions(&self) -> Vec<&Condition> {
        self.node.conditions().map(|(_, condition)| &**condition).collect()
    }

    #[track_caller]
    fn told(&self) -> &Condition {
        let conditions = self.conditions();
        let [one] = conditions.as_slice() else { panic!("{conditions:#?}") };
        one
    }

    #[track_caller]
    fn nothing(&self) {
        assert_eq!(self.conditions(), Vec::<&Condition>::new());
    }

    #[track_caller]
    fn only(&self, kind: ConditionKind) {
        assert_eq!(self.told().kind, kind, "{:#?}", self.told());
    }
}

/// A program sends SIGKILL.
fn kills(ms: u64, target: Task, sender: Task) -> Event {
    let Event(at, What::Signal(mut sent)) = signal(ms, Signal::KILL, target, sender, Handler::Default) else {
        panic!("it is a signal")
    };
    sent.code = 0;
    Event(at, What::Signal(sent))
}

/// Wait status of an exit code.
const fn code(code: u32) -> u32 {
    code << 8
}
