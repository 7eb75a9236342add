//! Hints at their edges.

use super::*;
use crate::event::made::{gone, joins};
use crate::model::{HintKind, Role};

/// SIGTERM at 100 s, which PID 1 takes `took` for.
fn stopped(took: u64, exec_at: Option<u64>) -> Vec<(HintKind, String)> {
    let mut stage = Stage::new("app");
    let (made, first) = (stage.made, stage.first);
    let exec = exec_at.map(|ms| (ms, Task { start: at(ms).0, ..made.task(50, "sleep") }));
    if let Some((ms, task)) = exec {
        for event in &joins(ms, task) {
            stage.node.apply(event);
        }
    }
    stage.node.apply(&signal(100_000, Signal::TERM, first, Made::runc(), Handler::Function));
    stage.exit(100_000 + took, first, Made::runc(), 0);
    if let Some((_, task)) = exec {
        stage.node.apply(&signal(100_000 + took, Signal::KILL, task, first, Handler::Default));
        stage.exit(100_000 + took, task, Made::runc(), 9);
    }
    stage.node.apply(&gone(100_100 + took, made));
    stage.node.conclude();
    let end = stage.node.terminations().next().expect("it ended");
    end.hints.iter().map(|hint| (hint.kind, hint.text.clone())).collect()
}

fn kinds(hints: &[(HintKind, String)]) -> Vec<HintKind> {
    hints.iter().map(|(kind, _)| *kind).collect()
}

#[test]
fn too_early_is_less_than_a_second() {
    assert_eq!(kinds(&stopped(999, None)), [HintKind::TooEarly]);
    assert_eq!(kinds(&stopped(1_000, None)), []);
    assert_eq!(kinds(&stopped(1_001, None)), []);
}

#[test]
fn left_behind_is_what_lived_for_two_seconds() {
    // it is killed at 105 s
    let told = |started| stopped(5_000, Some(started));
    assert_eq!(kinds(&told(103_001)), []);
    assert_eq!(kinds(&told(103_000)), [HintKind::LeftBehind]);
    assert_eq!(kinds(&told(102_999)), [HintKind::LeftBehind]);
    assert_eq!(
        told(5_000)[0].1,
        "sleep (pid 50) is not below the first process (started by an exec: docker exec, kubectl exec, a probe) and ran for 1 min 40 s: no stop signal goes there, they are killed with the container."
    );
}

#[test]
fn twice_is_from_two_processes() {
    let told = |senders: &[(u32, &str, Role)]| {
        let mut stage = Stage::new("init");
        let (made, first) = (stage.made, stage.first);
        let worker = stage.start(1_000, first, "worker");
        stage.node.apply(&signal(100_000, Signal::TERM, first, Made::runc(), Handler::Function));
        for (n, &(pid, comm, role)) in senders.iter().enumerate() {
            let ours = Task { comm: comm.into(), ..made.task(pid, comm) };
            let sender = if role == Role::Inside { ours } else { Task { pid, ..Made::runc() } };
            let target = if role == Role::Inside { worker } else { first };
            stage.node.apply(&signal(100_001 + n as u64, Signal::TERM, target, sender, Handler::Function));
        }
        stage.end(102_000, worker, first, 0);
        stage.exit(102_000, first, Made::runc(), 0);
        stage.node.apply(&gone(102_100, made));
        stage.node.conclude();
        let end = stage.node.terminations().next().expect("it ended");
        end.hints.iter().map(|hint| hint.text.clone()).collect::<Vec<_>>()
    };
    assert_eq!(told(&[(1, "init", Role::Inside)]), Vec::<String>::new());
    assert_eq!(told(&[(1, "init", Role::Inside), (1, "init", Role::Inside)]), Vec::<String>::new(), "one that insists");
    assert_eq!(
        told(&[(1, "init", Role::Inside), (5, "master", Role::Inside), (1, "init", Role::Inside)]),
        [
            "worker (pid 11) got SIGTERM 2 times, from init and from master: many programs take the second one as the order to quit at once."
        ]
    );
    assert_eq!(
        told(&[(91, "runc", Role::Runtime)]),
        [
            "init (pid 1) was told to stop 2 times from outside, by runc: many programs take the second one as the order to quit at once."
        ]
    );
}
