//! A frame of each page on a large node: 500 containers in 250 pods, 5,000 processes, 100,000 signals, a tenth of the
//! containers stopping, another tenth killed, a seventh with zombies.
//!
//! `cargo test --release -p tracer-user --lib large_node -- --ignored --nocapture` prints what they take. What is checked
//! is what does not depend on the machine.

use std::time::Duration;

use super::page::signals::Signals;
use super::page::{Page as _, PageKind};
use super::scene::Scene;
use super::stand::{PLAIN, Stand};
use crate::event::{
    BootNs, CgroupFound, CgroupId, Comm, Described, Event, Exited, Foreseen, Foresight, Handler, PodName, ProcessSeen,
    SendResult, SignalSent, Task, What,
};
use crate::model::{Change, Node, limits};
use crate::output::Clock;
use crate::signal::{Signal, SignalSet};

const CONTAINERS: u32 = 500;
const PROCESSES: u32 = 10;
const SIGNALS: u32 = 100_000;

/// Memory of model, pages and events together, KiB, at most.
const MEMORY_KIB: u64 = 256 << 10;

fn at(us: u64) -> BootNs {
    BootNs(1_000_000_000_000 + us * 1_000)
}

fn task(container: u32, n: u32) -> Task {
    let pid = 10_000 + container * 100 + n;
    let flags = if n == 0 { tracer_common::task_flags::INIT | tracer_common::task_flags::UNKILLABLE } else { 0 };
    let cgroup = CgroupId(u64::from(1_000 + container));
    Task { pid, tid: pid, ns_pid: n + 1, start: u64::from(pid), cgroup, comm: Comm::from("worker"), flags }
}

fn host() -> Task {
    Task { pid: 900, tid: 900, ns_pid: 900, start: 1, cgroup: CgroupId(1), comm: Comm::from("runc"), flags: 0 }
}

fn container(index: u32) -> Vec<Event> {
    let id = format!("{index:064x}");
    let pod =
        PodName { namespace: "shop".to_owned(), name: format!("web-{}", index / 2), uid: format!("uid-{}", index / 2) };
    let found = CgroupFound {
        cgroup: CgroupId(u64::from(1_000 + index)),
        path: format!("/kubepods/{id}"),
        container: id.clone(),
        own: true,
        runtime: "containerd".to_owned(),
        pod_uid: None,
        new: false,
    };
    let described = Described {
        id,
        name: Some(format!("app-{}", index % 2)),
        pod: Some(pod),
        grace_ms: Some(30_000),
        ..Described::default()
    };
    let seen = |n: u32| {
        let parent = if n == 0 { host() } else { task(index, 0) };
        What::Process(ProcessSeen {
            task: task(index, n),
            parent,
            zombie: None,
            blocked: SignalSet(0),
            pending: SignalSet(0),
            caught: SignalSet(0),
            ignored: SignalSet(0),
            exe: None,
        })
    };
    let mut what = vec![What::Cgroup(found), What::Described(described)];
    what.extend((0..PROCESSES).map(seen));
    what.into_iter().map(|what| Event(at(0), what)).collect()
}

fn signal(us: u64, signal: Signal, target: Task) -> Event {
    let dropped = target.is_init() && signal != Signal::KILL;
    let sent = SignalSent {
        signal,
        result: if dropped { SendResult::Ignored } else { SendResult::Queued },
        code: 0,
        target,
        sender: host(),
        ancestors: Vec::new(),
        handler: if dropped { Handler::Default } else { Handler::Function },
        sa_flags: 0,
        group: true,
        blocked: false,
        real_blocked: false,
        mask: SignalSet(0),
        caught: None,
        ignored: None,
    };
    Event(at(us), What::Signal(sent))
}

fn large_node() -> Vec<Event> {
    let mut events: Vec<Event> = (0..CONTAINERS).flat_map(container).collect();
    for n in 0..SIGNALS {
        let target = task(n % CONTAINERS, 1 + n % (PROCESSES - 1));
        events.push(signal(u64::from(n) * 300, Signal::USR1, target));
    }
    // some do not reap, and what a stop signal would meet is known of all
    for index in (3..CONTAINERS).step_by(7) {
        for n in 1..PROCESSES {
            let exited = Exited {
                task: task(index, n),
                parent: task(index, 0),
                status: 0,
                autoreap: false,
                pending: SignalSet(0),
            };
            events.push(Event(at(15_000_000), What::Exit(exited)));
        }
    }
    events.extend((0..CONTAINERS).map(|index| {
        let foresight = Foresight {
            task: task(index, 0).key(),
            signal: Signal::TERM,
            foreseen: Foreseen::Dropped,
            why: "worker (PID 1) has no handler for SIGTERM, and an init never gets a signal it has no handler for."
                .to_owned(),
            fix: Some("Handle SIGTERM in the program, or put an init before it.".to_owned()),
            notes: Vec::new(),
        };
        Event(at(16_000_000), What::Foreseen(foresight))
    }));
    events.sort_by_key(|event| event.0);
    // a tenth is being stopped
    for index in (0..CONTAINERS).step_by(10) {
        events.push(signal(31_000_000, Signal::TERM, task(index, 0)));
    }
    for index in (5..CONTAINERS).step_by(10) {
        events.push(signal(31_100_000, Signal::KILL, task(index, 0)));
        let exited = Exited { task: task(index, 0), parent: host(), status: 9, autoreap: false, pending: SignalSet(0) };
        events.push(Event(at(31_200_000), What::Exit(exited)));
    }
    events
}

fn resident() -> u64 {
    let pages = procfs::process::Process::myself().and_then(|own| own.statm()).map_or(0, |statm| statm.resident);
    pages * 4
}

/// The first lines of a screen.
fn top(buffer: &ratatui::buffer::Buffer) -> String {
    buffer.content.iter().take(400).map(ratatui::buffer::Cell::symbol).collect()
}

/// Processor time of this thread: a machine may be busy with other things.
fn worked() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.try_into().unwrap_or(0), now.tv_nsec.try_into().unwrap_or(0))
}

fn time(what: &str, times: u32, mut run: impl FnMut()) {
    let begun = worked();
    (0..times).for_each(|_| run());
    let took = worked().saturating_sub(begun) / times;
    eprintln!("{what:40} {:>10.3} ms", took.as_secs_f64() * 1e3);
}

/// What the log alone takes when it is full.
fn memory_of_the_log() {
    let (mut node, mut log) = (Node::new(), Signals::default());
    for event in large_node() {
        node.apply(&event);
    }
    let changes: Vec<Change> = node.take_changes().collect();
    let shown = std::collections::HashSet::new();
    let scene = Scene { node: &node, shown: &shown, now: at(0), clock: Clock::default() };
    let before = resident();
    for change in changes.iter().chain(&changes) {
        log.take(change, &scene);
    }
    eprintln!("{:40} {:>10} KiB", "memory of a full log", resident() - before);
}

#[test]
#[ignore = "a benchmark: cargo test --release -p tracer-user --lib large_node -- --ignored --nocapture"]
fn a_frame_of_each_page_on_a_large_node() {
    let events = large_node();
    let before = resident();
    let mut stand = None;
    time("fold, and take in all news", 1, || {
        stand = Some(Stand::over(events.clone(), Clock::default(), PLAIN));
    });
    let mut stand = stand.expect("it ran");
    let memory = resident() - before;
    eprintln!("{:40} {memory:>10} KiB", "memory, the events included");
    assert!(memory < MEMORY_KIB, "{memory} KiB");
    for page in PageKind::ALL {
        stand.press(&(page.index() + 1).to_string());
        let mut last = String::new();
        time(&format!("a frame of {}, 200x60", page.title()), 20, || last = top(&stand.buffer((200, 60))));
        assert!(last.contains("500 containers") || last.contains("stopping"), "{last}");
    }
    stand.press("1");
    time("a key on the containers", 20, || drop(stand.press("j")));
    stand.press("4");
    time("a letter of the log's filter", 1, || drop(stand.press("/ u")));
    memory_of_the_log();
    let zombies: usize = stand.player.pipeline().node.containers().map(|(_, container)| container.zombies).sum();
    assert!(zombies > 400, "{zombies}");
    assert_eq!(stand.player.pipeline().node.containers().count(), CONTAINERS as usize);
    assert!(stand.player.pipeline().node.terminations().count() <= limits::TERMINATIONS_KEPT);
}
