//! The pod view of the model, while a recorded stop goes on: what a view that groups by pod reads.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use tracer_user::event::{BootNs, Event, What};
use tracer_user::model::{News, Node, Pod, PodKey};
use tracer_user::stream::Reader;

fn events(case: &str) -> Vec<Event> {
    let crate_dir = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let path = Path::new(&crate_dir).join("tests/scenarios").join(case).with_extension("rec");
    Reader::new(BufReader::new(File::open(path).unwrap())).unwrap().map(Result::unwrap).collect()
}

/// The only pod, and when its stop began if it goes on.
fn only_pod(node: &Node) -> (PodKey, &Pod, Option<BootNs>) {
    let mut pods = node.pods();
    let (key, pod) = pods.next().unwrap();
    assert!(pods.next().is_none());
    (key, pod, node.pod_stop(key, node.now()).map(|stop| stop.started))
}

#[test]
fn a_pod_has_its_containers_its_sandbox_and_one_stop() {
    let mut node = Node::new();
    let mut first_sign = None;
    for event in events("pod-two-containers") {
        node.apply(&event);
        if first_sign.is_none() && matches!(event.1, What::Signal(_)) {
            first_sign = Some(event.0);
        }
        let Event(_, What::Signal(_) | What::Exit(_)) = event else { continue };
        let (_, pod, started) = only_pod(&node);
        assert_eq!(started, first_sign, "the first sign in any container, for all of them");
        assert_eq!((pod.containers.len(), pod.uid.as_str()), (2, "28201b79-5839-45ef-924e-a30fadb17dcc"));
        assert!(pod.sandbox.is_some_and(|sandbox| node.container(sandbox).unwrap().is_sandbox()));
        assert_eq!(pod.name.as_ref().unwrap().name, "demo");
    }
    node.tick(node.now().plus_ms(2_100));
    assert_eq!(only_pod(&node).2, None, "it is over when nothing ended for two seconds");
}

#[test]
fn a_restart_in_place_is_told_and_the_end_of_a_pod_is_not() {
    let mut node = Node::new();
    for event in events("liveness-restart") {
        node.apply(&event);
    }
    let news: Vec<_> = node.take_changes().map(|change| change.news).collect();
    let restarts: Vec<_> = news.iter().filter(|news| matches!(news, News::Restarted(_))).collect();
    let [News::Restarted(restart)] = restarts.as_slice() else { panic!("{restarts:?}") };
    assert_eq!(restart.restarts, 1);
    assert!(restart.before.as_ref().is_some_and(|before| before.pod_started.is_none()), "the others went on");
    assert!(!news.iter().any(|news| matches!(news, News::Pod(_))));
    let (_, pod, _) = only_pod(&node);
    assert_eq!(pod.containers.len(), 3, "the one before is kept for a while");
}

#[test]
fn a_pod_whose_containers_are_forgotten_is_forgotten() {
    let mut node = Node::new();
    let events = events("pod-two-containers");
    for event in &events {
        node.apply(event);
    }
    // as many others as are kept after they are gone
    let found = events.iter().find_map(|event| match &event.1 {
        What::Cgroup(found) => Some(found.clone()),
        _ => None,
    });
    for number in 0..300 {
        let mut found = found.clone().unwrap();
        found.cgroup.0 = 100_000 + number;
        found.container = format!("{number:064x}");
        found.pod_uid = None;
        node.apply(&Event(node.now(), What::Cgroup(found.clone())));
        node.apply(&Event(node.now(), What::CgroupGone(tracer_user::event::CgroupGone { cgroup: found.cgroup })));
    }
    assert_eq!(node.pods().count(), 0);
}
