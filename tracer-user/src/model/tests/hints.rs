//! Hints at their edges.

use super::*;
use crate::event::made::{exit, gone, joins};
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

/// The hints of a server that ends 2 s after its stop signal.
fn served(pid_1: &str, stop: Signal, then: impl Fn(&mut Stage)) -> Vec<(HintKind, String)> {
    let mut stage = Stage::new(pid_1);
    let (made, first) = (stage.made, stage.first);
    stage.node.apply(&signal(100_000, stop, first, Made::runc(), Handler::Function));
    then(&mut stage);
    stage.exit(102_000, first, Made::runc(), 0);
    stage.node.apply(&gone(102_100, made));
    stage.node.conclude();
    let end = stage.node.terminations().next().expect("it ended");
    end.hints.iter().map(|hint| (hint.kind, hint.text.clone())).collect()
}

#[test]
fn a_fast_shutdown_is_told_with_the_gentle_signal() {
    let told = served("nginx", Signal::TERM, |_| {});
    assert_eq!(kinds(&told), [HintKind::FastStop]);
    assert_eq!(
        told[0].1,
        "nginx took SIGTERM for a fast shutdown, which cuts off what it is serving. SIGQUIT lets it finish: STOPSIGNAL SIGQUIT in the Dockerfile, or docker run --stop-signal SIGQUIT; worker_shutdown_timeout 8s limits how long that takes."
    );
    assert_eq!(kinds(&served("app", Signal::TERM, |_| {})), []);
    // another program by the time it ends
    let replaced = served("nginx", Signal::TERM, |stage| {
        let task = Task { comm: "cleanup".into(), ..stage.first };
        let parent = Made::runc();
        let exec = Execed { task, parent, filename: "/bin/cleanup".to_owned(), interpreter: None };
        stage.node.apply(&Event(at(100_500), What::Exec(exec)));
    });
    assert_eq!(kinds(&replaced), [HintKind::FastStop]);
}

#[test]
fn behind_an_init_it_is_the_child_that_counts() {
    let below = |init: &str| {
        let mut stage = Stage::new(init);
        let (made, first) = (stage.made, stage.first);
        let server = stage.start(1_000, first, "nginx");
        stage.node.apply(&signal(100_000, Signal::TERM, first, Made::runc(), Handler::Function));
        stage.node.apply(&signal(100_001, Signal::TERM, server, first, Handler::Function));
        stage.end(102_000, server, first, 0);
        stage.node.apply(&exit(102_000, first, Made::runc(), 0));
        stage.node.apply(&gone(102_100, made));
        stage.node.conclude();
        let end = stage.node.terminations().next().expect("it ended");
        end.hints.iter().map(|hint| hint.kind).collect::<Vec<_>>()
    };
    assert_eq!(below("tini"), [HintKind::FastStop]);
    assert_eq!(below("supervisord"), [], "what it sends is in its own configuration");
}

#[test]
fn php_fpms_workers_without_time() {
    let told = |gap: u64| {
        let mut stage = Stage::new("php-fpm8.2");
        let (made, first) = (stage.made, stage.first);
        let worker = stage.start(1_000, first, "php-fpm8.2");
        stage.node.apply(&signal(100_000, Signal::QUIT, first, Made::runc(), Handler::Function));
        stage.node.apply(&signal(100_001, Signal::QUIT, worker, first, Handler::Function));
        stage.node.apply(&signal(100_001 + gap, Signal::TERM, worker, first, Handler::Default));
        stage.end(101_001 + gap, worker, first, 15);
        stage.exit(101_001 + gap, first, Made::runc(), 0);
        stage.node.apply(&gone(110_000, made));
        stage.node.conclude();
        let end = stage.node.terminations().next().expect("it ended");
        end.hints.iter().map(|hint| hint.text.clone()).collect::<Vec<_>>()
    };
    let [at_once] = told(1).try_into().expect("one hint");
    assert!(at_once.starts_with("php-fpm sent its workers SIGTERM 1 ms after SIGQUIT"), "{at_once}");
    assert!(at_once.ends_with("process_control_timeout = 8s in its configuration gives them time."), "{at_once}");
    assert_eq!(told(99).len(), 1);
    assert_eq!(told(100), Vec::<String>::new());
}
