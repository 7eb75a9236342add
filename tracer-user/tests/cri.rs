//! A runtime with troubles of its own while pods are traced: it hangs, it restarts, it has much to do. Tracing goes on,
//! verdicts are right, and names come as soon as it can tell them.

mod lab;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread::scope;

use lab::cri::{Containerd, PROGRAMS};
use lab::daemon::Cgroups;
use lab::kubelet::spec::{NAMESPACE, PodSpec};
use lab::kubelet::{Kubelet, Pod};
use lab::tracer::{BINARY, Said, Tracer};
use lab::{PATIENCE, send, until};
use serde_json::Value;

const DROPS: &[&str] = &["sh", "-c", "echo ready; sleep 1000; true"];
const HANDLES: &[&str] = &["sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done"];

/// Pods that come and go at once.
const CROWD: usize = 50;

fn trace(containerd: &Containerd) -> Tracer {
    let socket = containerd.socket();
    let socket = socket.to_str().expect("a path in plain text");
    let begun = |said: Said<'_>| matches!(said, Said::Note(note) if note.starts_with("tracer: tracing"));
    Tracer::start(containerd.enter(BINARY), &["--cri", socket], begun)
}

/// Runs a pod and waits until its container is ready; returns that container's id, too.
fn run(kubelet: &Kubelet<'_>, name: &str, grace: u32, command: &'static [&'static str]) -> (Pod, String) {
    let pod = kubelet.run(PodSpec::new(name, grace, command));
    let main = pod.container("main");
    until(&format!("{name} to be ready"), PATIENCE, || pod.log(&main).contains(" ready").then_some(()));
    (pod, main.id)
}

/// A container has its names when the tracer has told them.
fn named(tracer: &mut Tracer, id: &str, pod: &str) {
    tracer.wait_for(&format!("the names of {pod}"), PATIENCE, |line| {
        line["kind"] == "container" && line["id"] == id && line["name"] == "main" && line["pod"]["name"] == pod
    });
}

/// The termination of a container, by its id.
fn termination(tracer: &mut Tracer, id: &str) -> Value {
    tracer.wait_for(&format!("the termination of {id}"), PATIENCE, |line| {
        line["kind"] == "termination" && line["container"]["id"] == id
    })
}

fn expect(line: &Value, verdict: &str, pod: Option<&str>) {
    assert_eq!(line["verdict"], verdict, "{line}");
    assert_eq!(line["certain"], true, "{line}");
    let container = &line["container"];
    assert_eq!(container["pod"]["name"].as_str(), pod, "{line}");
    assert_eq!(container["pod"]["namespace"].as_str(), pod.map(|_| NAMESPACE), "{line}");
    assert_eq!(container["name"].as_str(), pod.map(|_| "main"), "{line}");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_runtime_that_hangs() {
    if !lab::can_run("a_runtime_that_hangs", &PROGRAMS) {
        return;
    }
    let containerd = Containerd::start(Cgroups::PureV2);
    let kubelet = Kubelet::new(&containerd);
    let (nameless, nameless_container) = run(&kubelet, "nameless", 5, DROPS);
    let (slow, slow_container) = run(&kubelet, "slow", 3, DROPS);
    let (later, later_container) = run(&kubelet, "later", 5, HANDLES);
    let (nameless_pid, later_pid) = (kubelet.pid(&nameless_container), kubelet.pid(&later_container));

    // Nobody answers the tracer, from its beginning: what happens is told, without a name.
    containerd.hang();
    let mut tracer = trace(&containerd);
    send("TERM", nameless_pid);
    send("KILL", nameless_pid);
    expect(&termination(&mut tracer, &nameless_container), "sigterm-dropped", None);

    // It goes on: the names of what still runs come.
    containerd.wake();
    named(&mut tracer, &later_container, "later");
    named(&mut tracer, &slow_container, "slow");

    scope(|scope| {
        // It hangs in the middle of a stop: SIGKILL comes when it goes on, and meanwhile another container ends.
        let stop = scope.spawn(|| kubelet.stop_containers(&slow, 3));
        tracer.wait_for("the drop", PATIENCE, |line| {
            line["kind"] == "signal"
                && line["container"]["id"] == slow_container.as_str()
                && line["outcome"] == "dropped"
        });
        containerd.hang();
        send("TERM", later_pid);
        expect(&termination(&mut tracer, &later_container), "graceful", Some("later"));
        containerd.wake();
        stop.join().expect("kubelet stops it");
    });
    expect(&termination(&mut tracer, &slow_container), "sigterm-dropped", Some("slow"));
    for pod in [&nameless, &slow, &later] {
        kubelet.remove(pod);
    }

    // A tracer ends, whoever hangs.
    containerd.hang();
    let ended = tracer.interrupt();
    containerd.wake();
    assert!(ended.status.success(), "{}", ended.stderr);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_runtime_that_restarts() {
    if !lab::can_run("a_runtime_that_restarts", &PROGRAMS) {
        return;
    }
    let mut containerd = Containerd::start(Cgroups::PureV2);
    let mut tracer = trace(&containerd);
    let (old, old_container) = run(&Kubelet::new(&containerd), "old", 5, HANDLES);
    named(&mut tracer, &old_container, "old");
    let old_pid = Kubelet::new(&containerd).pid(&old_container);

    // It goes: what it had told stays known.
    containerd.stop_containerd();
    send("TERM", old_pid);
    expect(&termination(&mut tracer, &old_container), "graceful", Some("old"));

    // It is back: it is asked about what it runs now.
    containerd.start_containerd();
    let kubelet = Kubelet::new(&containerd);
    kubelet.remove(&old);
    let (new, new_container) = run(&kubelet, "new", 2, DROPS);
    named(&mut tracer, &new_container, "new");
    kubelet.delete(&new, None);
    let told = termination(&mut tracer, &new_container);
    expect(&told, "sigterm-dropped", Some("new"));
    assert_eq!((&told["grace"]["budget_s"], &told["grace"]["source"]), (&2.into(), &"cri".into()), "{told}");
    let ended = tracer.interrupt();
    assert!(ended.status.success(), "{}", ended.stderr);
}

/// A node's containerd is upgraded while kubelet stops a pod. kubelet's request fails with the old one, and it asks the new
/// one again; the container's shim is still the old one's.
#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_runtime_that_is_upgraded_in_mid_stop() {
    let next = lab::upgrade();
    let program = next.join("containerd");
    let mut needs = PROGRAMS.to_vec();
    needs.push(program.to_str().expect("a path in plain text"));
    if !lab::can_run("a_runtime_that_is_upgraded_in_mid_stop", &needs) {
        return;
    }
    let told = |program: &str| lab::read(std::process::Command::new(program).arg("--version"));
    if told("containerd") == told(needs.last().expect("it is the last")) {
        lab::cannot_run("a_runtime_that_is_upgraded_in_mid_stop", "this machine has the newer containerd already");
        return;
    }
    let mut containerd = Containerd::start(Cgroups::PureV2);
    let (before, mut tracer) = (containerd.version(), trace(&containerd));
    let kubelet = Kubelet::new(&containerd);
    let (old, old_container) = run(&kubelet, "old", 30, DROPS);
    named(&mut tracer, &old_container, "old");
    scope(|scope| {
        let stop = scope.spawn(|| kubelet.try_stop(&old_container, 30));
        tracer.wait_for("the drop", PATIENCE, |line| line["kind"] == "signal" && line["outcome"] == "dropped");
        containerd.stop_containerd();
        stop.join().expect("it does not panic").expect_err("the one that was asked is gone");
    });
    containerd.upgrade(&next);
    containerd.start_containerd();
    assert_ne!(before, containerd.version());

    // the new one tells of what it runs itself, and stops what it has taken over
    let kubelet = Kubelet::new(&containerd);
    let (new, new_container) = run(&kubelet, "new", 5, HANDLES);
    named(&mut tracer, &new_container, "new");
    kubelet.try_stop(&old_container, 2).expect("the new one stops it");
    let told = termination(&mut tracer, &old_container);
    expect(&told, "sigterm-dropped", Some("old"));
    let init = &told["processes"][0];
    let received = [0, 1, 2].map(|nth| &init["received"][nth]);
    assert!(received.iter().all(|signal| signal["sender"]["role"] == "runtime"), "{told}");
    assert_eq!(received.map(|signal| signal["signal"].as_str()), [Some("SIGTERM"), Some("SIGTERM"), Some("SIGKILL")]);
    kubelet.delete(&new, None);
    expect(&termination(&mut tracer, &new_container), "graceful", Some("new"));
    kubelet.remove(&old);
    let ended = tracer.interrupt();
    assert!(ended.status.success(), "{}", ended.stderr);
    assert_eq!(
        ended
            .lines
            .iter()
            .filter(|line| line["kind"] == "termination" && line["container"]["id"] == old_container.as_str())
            .count(),
        1,
        "one stop, not two"
    );
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn fifty_pods_at_once() {
    if !lab::can_run("fifty_pods_at_once", &PROGRAMS) {
        return;
    }
    let containerd = Containerd::start(Cgroups::PureV2);
    let kubelet = Kubelet::new(&containerd);
    let mut tracer = trace(&containerd);
    let pods = Mutex::new(Vec::new());
    scope(|scope| {
        for number in 0..CROWD {
            let (kubelet, pods) = (&kubelet, &pods);
            scope.spawn(move || {
                let ran = run(kubelet, &format!("crowd-{number}"), 10, HANDLES);
                pods.lock().expect("nobody panics with it").push(ran);
            });
        }
    });
    let pods = pods.into_inner().expect("nobody panics with it");
    // a runtime that has so much to do answers late
    for (pod, id) in &pods {
        named(&mut tracer, id, &pod.spec.name);
    }
    scope(|scope| {
        for (pod, _) in &pods {
            scope.spawn(|| kubelet.delete(pod, None));
        }
    });
    for (pod, id) in &pods {
        let told = termination(&mut tracer, id);
        expect(&told, "graceful", Some(&pod.spec.name));
    }
    // And nothing else: a sandbox may end before so busy a runtime has told what it is, but it is called nothing then.
    let ended = tracer.interrupt();
    assert!(ended.status.success(), "{}", ended.stderr);
    let told = ended.lines.iter().filter(|line| line["kind"] == "termination" && !line["container"]["name"].is_null());
    let told: BTreeSet<_> = told.filter_map(|line| line["container"]["id"].as_str()).collect();
    assert_eq!(told, pods.iter().map(|(_, id)| id.as_str()).collect());
    assert!(ended.lines.iter().all(|line| line["kind"] != "lost"), "events were lost");
}
