use super::*;
use crate::event::{Comm, Exited, Reaped, Task};
use crate::signal::SignalSet;

fn task(pid: u32, start: u64) -> Task {
    Task { pid, tid: 0, ns_pid: pid, start, cgroup: CgroupId(1), comm: Comm::default(), flags: 0 }
}

fn seen(pid: u32, parent: u32, start: u64, zombie: Option<u32>) -> TaskSeen {
    let process = ProcessSeen {
        task: task(pid, start),
        parent: task(parent, 1),
        zombie,
        blocked: SignalSet::default(),
        pending: SignalSet(0),
        caught: SignalSet::default(),
        ignored: SignalSet::default(),
        exe: None,
    };
    let nowhere = CgroupId(0);
    TaskSeen { time: BootNs(100), process, cgroup_v2: nowhere, cgroup_v1: nowhere, ending: false }
}

fn exit(at: u64, pid: u32, start: u64) -> Event {
    let exited =
        Exited { task: task(pid, start), parent: task(1, 1), status: 9, autoreap: false, pending: SignalSet(4) };
    Event(BootNs(at), What::Exit(exited))
}

fn reaped(at: u64, pid: u32, start: u64) -> Event {
    Event(BootNs(at), What::Reaped(Reaped { task: task(pid, start) }))
}

/// Kind, time and pid of events, and whether a process is a live one.
fn told(events: &[Event]) -> Vec<(u64, &'static str, u32)> {
    let tell = |event: &Event| match &event.1 {
        What::Process(seen) if seen.zombie.is_some() => (event.0.0, "zombie", seen.task.pid),
        What::Process(seen) => (event.0.0, "process", seen.task.pid),
        What::Exit(exited) => (event.0.0, "exit", exited.task.pid),
        What::Reaped(reaped) => (event.0.0, "reaped", reaped.task.pid),
        other => panic!("{other:?}"),
    };
    events.iter().map(tell).collect()
}

fn processes(tasks: Vec<TaskSeen>) -> Vec<(BootNs, ProcessSeen)> {
    tasks.into_iter().map(|seen| (seen.time, seen.process)).collect()
}

/// It is a zombie in the snapshot, and what it died of is still in the ring: that must not be passed over.
#[test]
fn who_ends_by_what_the_ring_holds_lived_until_then() {
    let mut events = vec![exit(10, 1, 5), exit(50, 2, 5), reaped(60, 3, 5), exit(70, 2, 5)];
    let snapshot = vec![seen(1, 0, 5, Some(9)), seen(2, 1, 5, Some(9)), seen(3, 1, 5, Some(0)), seen(4, 1, 5, None)];
    merge(&mut events, 1, processes(snapshot));
    assert_eq!(
        told(&events),
        [
            (10, "exit", 1), // told before the snapshot: it is a zombie since
            (50, "process", 2),
            (50, "exit", 2),
            (60, "reaped", 3),
            (70, "exit", 2), // before 6.16 two threads may both be told as the last one
            (100, "zombie", 1),
            (100, "process", 4),
        ]
    );
    let What::Process(lived) = &events[1].1 else { panic!("{events:?}") };
    assert_eq!(lived.pending, SignalSet(4), "what was pending when it ended");
}

#[test]
fn parents_come_before_their_children_whatever_their_pids() {
    let mut events = Vec::new();
    merge(&mut events, 0, processes(vec![seen(7, 90, 30, None), seen(90, 2, 20, None), seen(8, 90, 30, None)]));
    assert_eq!(told(&events), [(100, "process", 90), (100, "process", 7), (100, "process", 8)]);
}

#[test]
fn another_process_of_that_pid_is_another_one() {
    let mut events = vec![exit(50, 2, 5)];
    merge(&mut events, 0, processes(vec![seen(2, 1, 60, None)]));
    assert_eq!(told(&events), [(50, "exit", 2), (100, "process", 2)]);
}

#[test]
fn descendants_are_found_in_any_order_and_once() {
    let tasks = [seen(5, 4, 1, None), seen(4, 3, 1, None), seen(3, 2, 1, None), seen(9, 1, 1, None)];
    assert_eq!(descendants(&tasks, &HashSet::from([3])), [4, 5]);
    assert_eq!(descendants(&tasks, &HashSet::from([3, 4, 5])), [0; 0]);
    // what a torn snapshot may show
    let ring = [seen(1, 2, 1, None), seen(2, 1, 1, None)];
    assert_eq!(descendants(&ring, &HashSet::from([1])), [2]);
}
