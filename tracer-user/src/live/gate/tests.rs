use std::convert::Infallible;
use std::sync::Arc;

use super::*;
use crate::event::{BootNs, Comm, PodName};
use crate::model::{ContainerName, ContainerNews, ExitNews, ExitStatus, Party};

fn found(id: &str, at: u64) -> Change {
    container(id, None, at, ContainerState::Found)
}

fn described(id: &str, name: &str, at: u64) -> Change {
    container(id, Some(name), at, ContainerState::Described)
}

fn gone(id: &str, name: Option<&str>, at: u64) -> Change {
    container(id, name, at, ContainerState::Gone)
}

fn container(id: &str, name: Option<&str>, at: u64, state: ContainerState) -> Change {
    // POD:NAME is a container in a pod
    let (pod, name) = match name.and_then(|name| name.split_once(':')) {
        Some((pod, name)) => (Some(pod), Some(name)),
        None => (None, name),
    };
    let pod = pod.map(|pod| PodName { namespace: "shop".to_owned(), name: pod.to_owned(), uid: String::new() });
    let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
    let name = Arc::new(ContainerName { id: id.to_owned(), name, pod, ..ContainerName::default() });
    let news = ContainerNews {
        state,
        name,
        image: None,
        runtime: None,
        pid: None,
        stop_signal: None,
        grace_ms: None,
        restarts: None,
        sandbox_id: None,
    };
    Change { at: BootNs(at), news: News::Container(Box::new(news)) }
}

/// A process of a container ends.
fn exit_in(id: &str, name: &str, at: u64) -> Change {
    let News::Container(of) = container(id, Some(name), at, ContainerState::Found).news else { panic!("it is one") };
    let process = Party {
        pid: 9,
        tid: 9,
        ns_pid: None,
        start: 1,
        comm: Comm::default(),
        is_init: true,
        ppid: None,
        container: Some(of.name.clone()),
    };
    let exit = ExitNews { process, status: ExitStatus { raw: 0 }, container: Some(of.name) };
    Change { at: BootNs(at), news: News::Exit(exit) }
}

fn gate(filters: &[&str]) -> Gate {
    let containers = filters.iter().map(|&filter| filter.to_owned()).collect();
    Gate::new(Filters { containers, ..Filters::default() })
}

fn pass(gate: &mut Gate, changes: Vec<Change>) -> Vec<u64> {
    let mut shown = Vec::new();
    for change in changes {
        let passed = gate.pass(change, |change| {
            shown.push(change.at.0);
            Ok::<_, Infallible>(())
        });
        assert_eq!(passed, Ok(()));
    }
    shown
}

fn shown(filters: &[&str], changes: Vec<Change>) -> (Vec<u64>, usize) {
    let mut gate = gate(filters);
    (pass(&mut gate, changes), gate.matched())
}

fn is_empty(gate: &Gate) -> bool {
    gate.wanted.is_empty() && gate.held.is_empty() && gate.held_in_all == 0
}

#[test]
fn without_a_filter_all_is_shown_at_once() {
    assert_eq!(shown(&[], vec![found("aaaa", 1), found("bbbb", 2)]), (vec![1, 2], 2));
}

#[test]
fn a_name_that_comes_late_frees_what_was_held_back() {
    let changes = || {
        vec![
            found("aaaa", 1),
            found("bbbb", 2),
            container("aaaa", None, 3, ContainerState::Gone),
            described("bbbb", "other", 4),
            described("aaaa", "web", 5),
            gone("bbbb", Some("other"), 6),
        ]
    };
    assert_eq!(shown(&["web"], changes()), (vec![1, 3, 5], 1));
    assert_eq!(shown(&["bbbb"], changes()), (vec![2, 4, 6], 1));
    assert_eq!(shown(&["nobody"], changes()), (vec![], 0));
}

#[test]
fn a_pod_shows_all_its_containers_and_its_sandbox_counts_for_none() {
    let pods = vec!["web-0".parse().expect("a pod")];
    let mut gate = Gate::new(Filters { pods, ..Filters::default() });
    let changes = vec![
        found("aaaa", 1),
        found("bbbb", 2),
        found("cccc", 3),
        described("aaaa", "web-0:app", 4),
        described("bbbb", "web-0:proxy", 5),
        described("cccc", "web-1:app", 6),
    ];
    assert_eq!(pass(&mut gate, changes), [1, 4, 2, 5]);
    assert_eq!((gate.matched(), gate.take_unwanted()), (2, vec!["cccc".to_owned()]));
    // what happens to the pause process is the pod's, too
    assert_eq!(pass(&mut gate, vec![exit_in("dddd", "web-0:", 7), exit_in("eeee", "web-1:", 8)]), [7]);
    assert_eq!((gate.matched(), gate.is_wanted("dddd")), (2, false));
    assert_eq!(gate.others().map(|other| other.friendly()).collect::<Vec<_>>(), ["shop/web-1/app"]);
}

#[test]
fn who_is_gone_is_forgotten() {
    let mut gate = gate(&["web"]);
    pass(&mut gate, vec![found("aaaa", 1), described("aaaa", "web", 2), gone("aaaa", Some("web"), 3)]);
    pass(&mut gate, vec![found("bbbb", 4), described("bbbb", "other", 5), gone("bbbb", Some("other"), 6)]);
    assert!(is_empty(&gate), "{gate:?}");
    assert_eq!(gate.take_unwanted(), ["bbbb"]);
    // what is still told of them goes by the name alone, and is not kept
    assert_eq!(pass(&mut gate, vec![described("aaaa", "web", 7), described("bbbb", "other", 8)]), [7]);
    assert!(is_empty(&gate));
    assert_eq!(gate.matched(), 1);
}

#[test]
fn who_begins_again_is_judged_anew() {
    let again = |name| container("aaaa", Some(name), 10, ContainerState::Found);
    let mut gate = gate(&["web"]);
    pass(&mut gate, vec![found("aaaa", 1), described("aaaa", "other", 2)]);
    assert_eq!(gate.take_unwanted(), ["aaaa"]);
    assert_eq!(pass(&mut gate, vec![again("other")]), [0; 0]);
    assert_eq!(gate.take_unwanted(), ["aaaa"], "nobody needs its second life either");
    assert_eq!(pass(&mut gate, vec![again("web")]), [10]);
    assert_eq!(pass(&mut gate, vec![again("other"), described("aaaa", "other", 11)]), [0; 0]);
    assert_eq!(gate.take_unwanted(), ["aaaa"]);
}

#[test]
fn who_is_renamed_while_it_is_watched_is_watched_to_the_end() {
    let changes = vec![
        found("aaaa", 1),
        described("aaaa", "web", 2),
        described("aaaa", "aaaa_web", 3),
        gone("aaaa", Some("aaaa_web"), 4),
    ];
    assert_eq!(shown(&["web"], changes), (vec![1, 2, 3, 4], 1));
}

#[test]
fn a_name_may_come_after_the_end() {
    let mut gate = gate(&["web"]);
    pass(&mut gate, vec![found("aaaa", 1), gone("aaaa", None, 2)]);
    assert_eq!(pass(&mut gate, vec![described("aaaa", "web", 3), described("aaaa", "web", 4)]), [1, 2, 3, 4]);
    assert!(is_empty(&gate));
    assert_eq!(gate.matched(), 1);
}

#[test]
fn a_hundred_thousand_short_lives_cost_no_memory() {
    let mut gate = gate(&["web"]);
    for number in 0..100_000 {
        let id = format!("{number:06}");
        // every third is never named, every third is another, every third is the one
        let name = [None, Some("other"), Some("web")][number % 3];
        let named = name.map(|name| described(&id, name, 2));
        let changes = [Some(found(&id, 1)), named, Some(gone(&id, name, 3))];
        pass(&mut gate, changes.into_iter().flatten().collect());
        gate.take_unwanted();
        assert!(gate.held.len() <= LATE && gate.held_in_all <= 2 * LATE, "{}", gate.held_in_all);
        assert!(gate.gone.len() <= LATE && gate.others.len() <= OTHERS && gate.wanted.is_empty());
    }
    assert_eq!(gate.matched(), 33_333);
    // the last ones may still be named
    assert_eq!(pass(&mut gate, vec![described("099999", "web", 4)]), [1, 3, 4]);
    assert_eq!(pass(&mut gate, vec![described("000000", "web", 5)]), [5]);
}

#[test]
fn what_is_held_back_is_bounded() {
    let mut gate = gate(&["web"]);
    for number in 0..100 {
        let id = format!("{number:04}");
        let changes = (0..2_000).map(|at| container(&id, None, at, ContainerState::Described)).collect();
        assert_eq!(pass(&mut gate, changes), [0; 0]);
        assert!(gate.held[&id].len() <= HELD && gate.held_in_all <= HELD_IN_ALL);
    }
    let shown = pass(&mut gate, vec![described("0000", "web", 3_000)]);
    assert_eq!((shown.len(), shown[0], gate.held_in_all), (HELD + 1, 1_000, HELD_IN_ALL - HELD));
}
