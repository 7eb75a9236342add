//! What the tests of pages share: scenes from recordings and from events made by hand, keys, screens.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::input::{Effect, Input};
use super::page::Page;
use super::scene::Scene;
use super::theme::{Colors, Theme};
use crate::event::{
    BootNs, CgroupFigures, CgroupFound, CgroupGone, CgroupId, Comm, Described, Event, Execed, Exited, Forked, Handler,
    Joined, PodName, ProcessSeen, Reaped, SendResult, SignalSent, Task, What,
};
use crate::model::Node;
use crate::output::Clock;
use crate::signal::{Signal, SignalSet};
use crate::stream::Reader;

/// A model at a moment, and how it is looked at.
pub(crate) struct Stage {
    pub(crate) node: Node,
    pub(crate) shown: HashSet<String>,
    pub(crate) now: BootNs,
    pub(crate) clock: Clock,
    pub(crate) theme: Theme,
}

impl Stage {
    /// All of a recording of tests/scenarios.
    pub(crate) fn recorded(name: &str) -> Self {
        Self::recorded_until(name, |_| None)
    }

    /// A recording up to a moment, which `until` takes from the node as soon as it can; it stays at that moment.
    pub(crate) fn recorded_until(name: &str, until: impl Fn(&Node) -> Option<BootNs>) -> Self {
        let (clock, events) = events_of(name);
        let mut stage = Self::made(Vec::new());
        stage.clock = clock;
        let mut end = None;
        for event in events {
            if end.is_some_and(|end| event.0 > end) {
                break;
            }
            stage.take(event);
            end = end.or_else(|| until(&stage.node));
        }
        stage.now = end.unwrap_or(stage.now);
        stage.node.tick(stage.now);
        stage
    }

    /// Events made by hand.
    pub(crate) fn made(events: Vec<Event>) -> Self {
        let clock = Clock { boot_to_wall_ns: 1_795_269_780_000_000_000 };
        let theme = Theme { colors: Colors::None, ascii: false };
        let mut stage = Self { node: Node::new(), shown: HashSet::new(), now: BootNs(0), clock, theme };
        events.into_iter().for_each(|event| stage.take(event));
        stage
    }

    pub(crate) fn take(&mut self, event: Event) {
        if let What::Cgroup(found) = &event.1 {
            self.shown.insert(found.container.clone());
        }
        self.now = self.now.max(event.0);
        self.node.apply(&event);
        self.node.take_changes().for_each(drop);
    }

    /// Lets time pass.
    pub(crate) fn wait_until(&mut self, ms: u64) {
        self.now = at(ms);
        self.node.tick(self.now);
    }

    pub(crate) fn scene(&self) -> Scene<'_> {
        Scene { node: &self.node, shown: &self.shown, now: self.now, clock: self.clock }
    }

    /// The page as it looks in so many columns and lines.
    pub(crate) fn screen(&self, page: &mut dyn Page, (columns, lines): (u16, u16)) -> String {
        self.terminal(page, (columns, lines)).backend().to_string()
    }

    pub(crate) fn terminal(&self, page: &mut dyn Page, (columns, lines): (u16, u16)) -> Terminal<TestBackend> {
        let mut terminal = Terminal::new(TestBackend::new(columns, lines)).expect("a backend in memory");
        let scene = self.scene();
        terminal.draw(|frame| page.render(frame, frame.area(), &scene, &self.theme)).expect("a backend in memory");
        terminal
    }

    /// Presses keys, drawing in between as the loop does; gives back what the last one led to.
    pub(crate) fn press(&self, page: &mut dyn Page, keys: &str) -> Effect {
        let mut last = Effect::Pass;
        for name in keys.split(' ') {
            last = page.input(Input::Key(key(name)), &self.scene());
            self.screen(page, (80, 21));
        }
        last
    }

    /// Clicks at a column and a line.
    pub(crate) fn click(&self, page: &mut dyn Page, column: u16, row: u16) -> Effect {
        let kind = MouseEventKind::Down(MouseButton::Left);
        page.input(Input::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }), &self.scene())
    }
}

/// The events of a recording of tests/scenarios.
pub(crate) fn events_of(name: &str) -> (Clock, Vec<Event>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios").join(format!("{name}.rec"));
    let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let reader = Reader::new(BufReader::new(file)).expect("a recording");
    let clock = Clock { boot_to_wall_ns: reader.start().boot_to_wall_ns };
    (clock, reader.map(|event| event.expect("an event")).collect())
}

/// A key by its name: `j`, `Esc`, `S-Left`, `C-d`.
pub(crate) fn key(name: &str) -> KeyEvent {
    let (modifiers, name) = match name.split_once('-') {
        Some(("S", name)) => (KeyModifiers::SHIFT, name),
        Some(("C", name)) => (KeyModifiers::CONTROL, name),
        _ => (KeyModifiers::NONE, name),
    };
    let code = match name {
        "Esc" => KeyCode::Esc,
        "Enter" => KeyCode::Enter,
        "Left" => KeyCode::Left,
        "Right" => KeyCode::Right,
        "Up" => KeyCode::Up,
        "Down" => KeyCode::Down,
        "Home" => KeyCode::Home,
        "End" => KeyCode::End,
        "PgUp" => KeyCode::PageUp,
        "PgDn" => KeyCode::PageDown,
        letter => KeyCode::Char(letter.chars().next().expect("a key has a name")),
    };
    KeyEvent::new(code, modifiers)
}

/// Milliseconds since boot.
pub(crate) fn at(ms: u64) -> BootNs {
    BootNs(ms * 1_000_000)
}

/// A container made by hand: its cgroup is `number`, its first process has the pid `number * 100`.
#[derive(Clone, Copy)]
pub(crate) struct Made {
    pub(crate) number: u32,
}

impl Made {
    pub(crate) fn id(self) -> String {
        format!("{:064x}", u64::from(self.number) * 0x1234_5678_9abc)
    }

    /// The host's side, which every container shares.
    pub(crate) fn runc() -> Task {
        Task { pid: 90, tid: 90, ns_pid: 90, start: 1, cgroup: CgroupId(1), comm: Comm::from("runc"), flags: 0 }
    }

    /// A process of it by its pid in the container.
    pub(crate) fn task(self, ns_pid: u32, comm: &str) -> Task {
        let pid = self.number * 100_000 + ns_pid;
        let flags =
            if ns_pid == 1 { tracer_common::task_flags::INIT | tracer_common::task_flags::UNKILLABLE } else { 0 };
        let cgroup = CgroupId(u64::from(self.number));
        Task { pid, tid: pid, ns_pid, start: u64::from(pid), cgroup, comm: Comm::from(comm), flags }
    }

    /// It is there, with its name, its pod (`namespace/name`) and its grace period.
    pub(crate) fn found(self, name: &str, pod: Option<&str>, grace_ms: Option<u64>, pid_1: &str) -> Vec<Event> {
        let pod = pod.and_then(|pod| pod.split_once('/')).map(|(namespace, name)| PodName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: format!("uid-of-{name}"),
        });
        let found = CgroupFound {
            cgroup: CgroupId(u64::from(self.number)),
            path: format!("/kubepods/{}", self.id()),
            container: self.id(),
            own: true,
            runtime: "containerd".to_owned(),
            pod_uid: None,
            new: false,
        };
        let described = Described {
            id: self.id(),
            name: Some(name.to_owned()),
            grace_ms,
            grace_source: grace_ms.map(|_| "cri".to_owned()),
            pre_stop: pod.is_some(),
            pid: Some(self.task(1, pid_1).pid),
            labels: BTreeMap::new(),
            pod,
            ..Described::default()
        };
        vec![
            Event(at(1), What::Cgroup(found)),
            self.seen(1, self.task(1, pid_1), Self::runc()),
            Event(at(1), What::Described(described)),
        ]
    }

    /// A process is there.
    pub(crate) fn seen(self, ms: u64, task: Task, parent: Task) -> Event {
        let seen = ProcessSeen {
            task,
            parent,
            zombie: None,
            blocked: SignalSet(0),
            pending: SignalSet(0),
            caught: SignalSet(0),
            ignored: SignalSet(0),
            exe: None,
        };
        Event(at(ms), What::Process(seen))
    }
}

/// A process is created.
pub(crate) fn fork(ms: u64, child: Task, parent: Task) -> Event {
    Event(at(ms), What::Fork(Forked { child, parent }))
}

/// A process comes from outside and runs a program.
pub(crate) fn joins(ms: u64, task: Task) -> [Event; 2] {
    let parent = Made::runc();
    let filename = format!("/bin/{}", task.comm);
    [Event(at(ms), What::Joined(Joined { task, parent })), Event(at(ms), What::Exec(Execed { task, parent, filename }))]
}

/// A signal is sent.
pub(crate) fn signal(ms: u64, signal: Signal, target: Task, sender: Task, handler: Handler) -> Event {
    let dropped = target.is_init() && handler == Handler::Default && signal != Signal::KILL;
    let sent = SignalSent {
        signal,
        result: if dropped { SendResult::Ignored } else { SendResult::Queued },
        code: if sender.is_init() && signal == Signal::KILL { 128 } else { 0 },
        target,
        sender,
        ancestors: Vec::new(),
        handler,
        sa_flags: 0,
        group: true,
        blocked: false,
        real_blocked: false,
        mask: SignalSet(0),
        caught: None,
        ignored: None,
    };
    Event(at(ms), What::Signal(sent))
}

/// A process exits, with a wait status.
pub(crate) fn exit(ms: u64, task: Task, parent: Task, status: u32) -> Event {
    Event(at(ms), What::Exit(Exited { task, parent, status, autoreap: false, pending: SignalSet(0) }))
}

/// A process is reaped.
pub(crate) fn reaped(ms: u64, task: Task) -> Event {
    Event(at(ms), What::Reaped(Reaped { task }))
}

/// The cgroup is removed.
pub(crate) fn gone(ms: u64, made: Made) -> Event {
    Event(at(ms), What::CgroupGone(CgroupGone { cgroup: CgroupId(u64::from(made.number)) }))
}

/// The cgroup's figures.
pub(crate) fn figures(ms: u64, made: Made, current: u64, max: Option<u64>) -> Event {
    let cgroup = CgroupId(u64::from(made.number));
    Event(at(ms), What::CgroupFigures(CgroupFigures { cgroup, pids_current: Some(current), pids_max: max }))
}
