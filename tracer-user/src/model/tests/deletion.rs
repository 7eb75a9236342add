//! What the API of Kubernetes tells of a pod, and the stop that follows.

use super::*;
use crate::event::made::gone;
use crate::event::{Deletion, Owner, PodName, PodTold};
use crate::model::{Deleted, Termination, limits};

fn told(uid: &str, requested: Option<u64>, gone: bool) -> What {
    let pod = PodName { namespace: "shop".to_owned(), name: "web".to_owned(), uid: uid.to_owned() };
    let owner = Some(Owner { kind: "Deployment".to_owned(), name: "web".to_owned() });
    let deletion = requested.map(|ms| Deletion { requested: at(ms), grace_ms: 30_000, imprecise: false });
    What::Pod(PodTold { pod, owner, deletion, gone })
}

/// SIGTERM at 100 s to a pod of which this was told before.
fn stopped(before: &[(u64, What)]) -> Termination {
    ended(before, Some(Signal::TERM))
}

/// The same with another signal, or by itself.
fn ended(before: &[(u64, What)], by: Option<Signal>) -> Termination {
    let made = Made { number: 2 };
    let first = made.task(1, "app");
    let mut events = made.found("app", Some("shop/web"), Some(30_000), "app");
    events.extend(before.iter().map(|(ms, what)| Event(at(*ms), what.clone())));
    let handler = if by == Some(Signal::KILL) { Handler::Default } else { Handler::Function };
    events.extend(by.map(|by| signal(100_000, by, first, Made::runc(), handler)));
    let status = if by == Some(Signal::KILL) { 9 } else { 0 };
    events.extend([exit(101_500, first, Made::runc(), status), gone(101_600, made)]);
    events.sort_by_key(|event| event.0);
    let mut node = Node::new();
    for event in &events {
        node.apply(event);
    }
    node.conclude();
    let end = node.terminations().next().expect("it ended");
    (**end).clone()
}

#[test]
fn a_stop_knows_when_its_pod_was_deleted_and_whose_it_is() {
    // it is told before there is a container
    for early in [0, 50_000] {
        let end =
            stopped(&[(early, told("uid-of-web", None, false)), (99_100, told("uid-of-web", Some(99_000), false))]);
        let deletion =
            Deleted { requested: at(99_000), grace_ms: 30_000, until_signal_ms: Some(1_000), imprecise: false };
        assert_eq!(end.deletion, Some(deletion));
        assert_eq!(end.owner.as_ref().map(|owner| owner.name.as_str()), Some("web"));
        assert_eq!((end.picture_start(), end.axis_start()), (at(99_000), at(100_000)));
        assert!(!end.explanation.contains("deletion"), "{}", end.explanation);
    }
}

#[test]
fn a_long_way_to_the_first_signal_is_told() {
    let end = stopped(&[(88_000, told("uid-of-web", Some(88_000), false))]);
    let sentence = "The deletion of its pod had been asked for 12 s (± 1 s) before SIGTERM was sent.";
    assert!(end.explanation.ends_with(sentence), "{}", end.explanation);
    let end = stopped(&[(98_000, told("uid-of-web", Some(100_001 - limits::DELETION_SLOW_MS), false))]);
    assert!(!end.explanation.contains("deletion"), "{}", end.explanation);
}

#[test]
fn what_was_sent_is_named_and_an_end_by_itself_has_no_such_sentence() {
    let asked = [(88_000, told("uid-of-web", Some(88_000), false))];
    let killed = ended(&asked, Some(Signal::KILL));
    assert!(killed.explanation.ends_with("asked for 12 s (± 1 s) before SIGKILL was sent."), "{}", killed.explanation);
    let by_itself = ended(&asked, None);
    assert_eq!((by_itself.stop_signal, &by_itself.kill), (None, &None));
    for word in ["deletion", "SIGKILL", "was sent"] {
        assert!(!by_itself.explanation.contains(word), "{}", by_itself.explanation);
    }
}

#[test]
fn by_another_clock_nothing_is_said_to_have_been_slow() {
    let mut what = told("uid-of-web", Some(88_000), false);
    if let What::Pod(PodTold { deletion: Some(deletion), .. }) = &mut what {
        deletion.imprecise = true;
    }
    let end = stopped(&[(88_000, what)]);
    assert!(end.deletion.is_some_and(|deletion| deletion.imprecise), "{:?}", end.deletion);
    assert!(!end.explanation.contains("deletion"), "{}", end.explanation);
}

#[test]
fn another_pod_or_what_began_before_the_request_is_not_meant() {
    assert_eq!(stopped(&[(50_000, told("another", Some(50_000), false))]).deletion, None);
    // the API's seconds are whole ones
    let end = stopped(&[(101_000, told("uid-of-web", Some(101_000), false))]);
    assert_eq!(end.deletion.map(|deletion| deletion.until_signal_ms), Some(Some(0)));
    assert_eq!(stopped(&[(101_100, told("uid-of-web", Some(101_001), false))]).deletion, None);
}

#[test]
fn a_pod_that_the_api_forgot_is_known_until_its_containers_are_gone() {
    let end = stopped(&[(99_000, told("uid-of-web", Some(99_000), true))]);
    assert!(end.deletion.is_some());
    let mut node = Node::new();
    node.apply(&Event(at(1), told("nobody", None, false)));
    assert_eq!(node.pods_told.len(), 1);
    node.apply(&Event(at(2), told("nobody", None, true)));
    assert!(node.pods_told.is_empty());
    for number in 0..2 * limits::PODS_TOLD {
        node.apply(&Event(at(3), told(&number.to_string(), None, false)));
    }
    assert_eq!(node.pods_told.len(), limits::PODS_TOLD);
}
