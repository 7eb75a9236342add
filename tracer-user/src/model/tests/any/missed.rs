//! Streams that were once folded wrongly, as small as they get.

use super::super::*;
use super::check::holds;
use crate::event::made::gone;
use crate::event::{BootNs, CgroupFound, CgroupId, Counted, Dismissed, Lost, ProcessSeen};
use crate::model::News;
use crate::signal::SignalSet;

/// What is said of a kind.
fn count(node: &mut Node, is: fn(&News) -> bool) -> usize {
    node.take_changes().filter(|change| is(&change.news)).count()
}

const fn is_end(news: &News) -> bool {
    matches!(news, News::Termination(_))
}

const fn is_exit(news: &News) -> bool {
    matches!(news, News::Exit(_))
}

#[track_caller]
fn sound(node: &Node) {
    holds(node).unwrap_or_else(|error| panic!("{error}"));
}

/// A cgroup is a container's own.
fn own(ms: u64, made: Made, cgroup: u64) -> Event {
    let found = CgroupFound {
        cgroup: CgroupId(cgroup),
        path: format!("/docker/{}", made.id()),
        container: made.id(),
        own: true,
        runtime: "docker".to_owned(),
        pod_uid: None,
        new: true,
    };
    Event(at(ms), What::Cgroup(found))
}

#[test]
fn a_signal_to_who_has_exited_stops_nothing() {
    for which in [Signal::TERM, Signal::KILL] {
        let mut stage = Stage::new("node");
        let (first, made) = (stage.first, stage.made);
        stage.exit(2_000, first, Made::runc(), 0);
        stage.node.apply(&signal(2_001, which, first, Made::runc(), Handler::Function));
        stage.node.apply(&gone(2_100, made));
        assert_eq!(count(&mut stage.node, is_end), 1, "{which}");
    }
}

#[test]
fn nobody_enters_a_cgroup_that_is_gone() {
    let mut stage = Stage::new("node");
    let (first, made) = (stage.first, stage.made);
    stage.node.apply(&gone(2_000, made));
    stage.node.apply(&signal(1_999, Signal::TERM, first, Made::runc(), Handler::Function));
    stage.start(1_999, first, "late");
    assert!(stage.node.processes().is_empty());
    sound(&stage.node);
}

#[test]
fn nobody_exits_twice() {
    let mut stage = Stage::new("node");
    let child = stage.start(1_000, stage.first, "child");
    let first = stage.first;
    stage.end(2_000, child, first, 0);
    stage.exit(2_000, child, first, 0);
    stage.node.apply(&signal(2_001, Signal::TERM, child, Made::runc(), Handler::Default));
    stage.exit(2_002, child, first, 0);
    assert_eq!(count(&mut stage.node, is_exit), 1);
    assert_eq!(stage.node.processes().len(), 1, "it does not come back");
}

#[test]
fn a_pid_that_was_given_away_stays_with_who_has_it() {
    let mut stage = Stage::new("node");
    let first = stage.first;
    let old = stage.start(1_000, first, "old");
    let new = Task { start: at(2_000).0, ..old };
    stage.node.apply(&fork(2_000, new, first));
    stage.exit(2_001, old, first, 0);
    assert!(stage.node.processes().get(new.key()).is_some_and(crate::model::Process::is_live));
    assert_eq!(count(&mut stage.node, is_exit), 0, "how it ended was lost");
}

/// A zombie whose pid somebody else has is no zombie any more.
#[test]
fn a_zombie_ends_when_its_pid_is_given_away() {
    let mut stage = Stage::new("node");
    let first = stage.first;
    let old = stage.start(1_000, first, "old");
    stage.exit(2_000, old, first, 0);
    stage.tick(4_000);
    stage.node.apply(&fork(5_000, Task { start: at(5_000).0, ..old }, first));
    let told = |news: &News| matches!(news, News::Zombie(zombie) if zombie.reaped);
    assert_eq!(count(&mut stage.node, told), 1);
    sound(&stage.node);
}

/// `docker restart` in a loop: one life is not kept for another.
#[test]
fn a_container_that_comes_back_leaves_no_cgroup_behind() {
    let made = Made { number: 7 };
    let mut node = Node::new();
    for life in 1..100 {
        let task = Task { cgroup: CgroupId(life), ..made.task(u32::try_from(life).expect("small"), "app") };
        node.apply(&own(life * 1_000, made, life));
        node.apply(&Made::seen(life * 1_000, task, Made::runc()));
        if life % 2 == 0 {
            let gone = crate::event::CgroupGone { cgroup: CgroupId(life) };
            node.apply(&Event(at(life * 1_000 + 500), What::CgroupGone(gone)));
        }
        sound(&node);
    }
    assert_eq!(node.cgroups.len(), 1);
    assert_eq!(node.processes().len(), 1, "nobody lives in a cgroup that was left");
}

#[test]
fn zombies_of_a_life_before_still_count() {
    let mut stage = Stage::new("node");
    let child = stage.start(1_000, stage.first, "child");
    stage.exit(2_000, child, stage.first, 0);
    stage.tick(4_000);
    stage.node.apply(&own(5_000, stage.made, 77));
    sound(&stage.node);
    stage.node.apply(&reaped(6_000, child));
    sound(&stage.node);
}

#[test]
fn numbers_at_their_edge() {
    let mut node = Node::new();
    Made { number: 2 }.found("app", None, Some(u64::MAX), "app").iter().for_each(|event| node.apply(event));
    for _ in 0..2 {
        let (signal, exit) = (u64::MAX, u64::MAX);
        node.apply(&Event(BootNs(u64::MAX), What::Lost(Lost { signal, exit, ..Lost::default() })));
        let counted = Counted { cgroup: CgroupId(2), child: u64::MAX, urgent: 1, other: 1 };
        node.apply(&Event(at(2), What::Counted(counted)));
    }
    assert_eq!(node.lost().total(), u64::MAX);
    let first = Made { number: 2 }.task(1, "app");
    node.apply(&signal(3, Signal::TERM, first, Made::runc(), Handler::Function));
    node.apply(&signal(4, Signal::KILL, first, Made::runc(), Handler::Default));
    node.apply(&exit(5, first, Made::runc(), 9));
    assert_eq!(node.terminations().count(), 1);
}

#[test]
fn who_is_not_asked_for_is_followed_no_more() {
    let followed = CgroupFound {
        cgroup: CgroupId(0),
        path: String::new(),
        container: "pid-700001".to_owned(),
        own: false,
        runtime: "process".to_owned(),
        pod_uid: None,
        new: false,
    };
    let mut node = Node::new();
    node.apply(&Event(at(1), What::Cgroup(followed)));
    node.apply(&Event(at(2), What::Dismissed(Dismissed { container: "pid-700001".to_owned() })));
    sound(&node);
}

/// The order in which several are told does not depend on chance.
#[test]
fn the_same_stream_says_the_same() {
    let run = || {
        let mut stage = Stage::new("sh");
        let (first, made) = (stage.first, stage.made);
        let nobody = Task { pid: 0, start: 0, ..first };
        for n in 0..20 {
            stage.start(1_000, first, "child");
            // found dead, and whose children they are is not known: start times alone tell those apart
            let parent = Task { start: n % 2, ..nobody };
            let task = made.task(100 + u32::try_from(n).expect("small"), "dead");
            let seen = ProcessSeen {
                task,
                parent,
                zombie: Some(0),
                blocked: SignalSet(0),
                pending: SignalSet(0),
                caught: SignalSet(0),
                ignored: SignalSet(0),
                exe: None,
            };
            stage.node.apply(&Event(at(1_000), What::Process(seen)));
        }
        stage.tick(400_000);
        stage.node.apply(&signal(400_000, Signal::TERM, first, Made::runc(), Handler::Function));
        stage.node.apply(&gone(400_001, made));
        stage.node.take_changes().collect::<Vec<_>>()
    };
    let once = run();
    assert!(once.iter().any(|change| is_end(&change.news)));
    for _ in 0..10 {
        assert_eq!(run(), once);
    }
}
