//! The Container Runtime Interface.

use std::time::Duration;

use prost::Message as _;

use super::super::cri::api;
use super::super::*;
use super::grpc::{Fake, Say, UNIMPLEMENTED, UNKNOWN, entry, status};
use super::{A, B, C, names, start, state};
use crate::event::PodName;
use crate::signal::Signal;

const POD: &str = "46b409185c1d704bf8a611d0702eebad266bca865fd9a32569a973d1c4393efd";

fn pod_status(id: &str, labels: Vec<api::Entry>) -> api::PodSandboxStatusResponse {
    let metadata = Some(api::PodSandboxMetadata { name: "web-0".into(), uid: "u".into(), namespace: "shop".into() });
    let annotations = vec![entry("kubernetes.io/config.source", "api"), entry("secret", "do not keep")];
    let status = api::PodSandboxStatus { id: id.into(), metadata, labels, annotations, ..Default::default() };
    api::PodSandboxStatusResponse { status: Some(status), info: vec![entry("info", r#"{"pid": 5}"#)] }
}

async fn next(told: &mut mpsc::Receiver<Described>) -> Described {
    tokio::time::timeout(Duration::from_secs(20), told.recv()).await.expect("in time").expect("a task that runs")
}

#[tokio::test]
async fn what_runs_and_what_is_wanted() {
    let fake = Fake::new();
    fake.runs(&[A], &[POD]);
    for (id, name) in [(A, "a"), (B, "b")] {
        fake.has(id, name);
    }
    fake.answer(&format!("PodSandboxStatus {POD}"), &pod_status(POD, Vec::new()));
    fake.listen();
    let (cri, mut told) = start(fake.socket());
    let (one, other) = (next(&mut told).await, next(&mut told).await);
    let (container, sandbox) = if one.sandbox { (other, one) } else { (one, other) };
    assert_eq!(
        (container.name.as_deref(), container.pid, container.runtime.as_deref()),
        (Some("a"), Some(7), Some("containerd"))
    );
    let pod = PodName { namespace: "shop".to_owned(), name: "web-0".to_owned(), uid: "u".to_owned() };
    assert_eq!((sandbox.id.as_str(), sandbox.pod, sandbox.pid), (POD, Some(pod), Some(5)));
    assert!(cri.want(B) && cri.want(C) && cri.want("lxc-guest"));
    assert_eq!(names(&mut told, 1).await, ["b"]);
    let connected = State::Connected { runtime: "containerd".to_owned(), version: "1.7.24".to_owned() };
    assert_eq!(cri.states().map(|(_, state)| state).collect::<Vec<_>>(), [connected]);
    assert_eq!(fake.asked_for("GetContainerEvents"), 0, "kubelet would miss what we hear");
}

/// What the containers of a pod share is asked for once.
#[tokio::test]
async fn sandboxes_and_images_are_asked_for_once() {
    let fake = Fake::new();
    let ids: Vec<String> = (0..500).map(|n| format!("{n:064x}")).collect();
    fake.runs(&ids.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    let info = format!(r#"{{"pid": 7, "sandboxID": "{POD}", "config": {{"image": {{"image": "sha256:1"}}}}}}"#);
    for id in &ids {
        let mut told = status(id, id, 1, &info);
        if let Some(status) = &mut told.status {
            status.labels = vec![entry("own", "1"), entry("both", "own")];
        }
        fake.answer(&format!("ContainerStatus {id}"), &told);
    }
    fake.answer(&format!("PodSandboxStatus {POD}"), &pod_status(POD, vec![entry("app", "x"), entry("both", "pod")]));
    let image = api::Image { repo_tags: vec!["registry.local/nginx:1".into()] };
    let config = r#"{"imageSpec": {"config": {"StopSignal": "SIGQUIT"}}}"#;
    let image = api::ImageStatusResponse { image: Some(image), info: vec![entry("info", config)] };
    fake.answer("ImageStatus sha256:1", &image);
    fake.listen();
    let (_cri, mut told) = start(fake.socket());
    for _ in &ids {
        let told = next(&mut told).await;
        let labels = [("app", "x"), ("both", "own"), ("own", "1")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!((told.stop_signal, told.labels), (Some(Signal::QUIT), labels.into()));
        assert_eq!((told.image.as_deref(), told.pod_source.as_deref()), (Some("registry.local/nginx:1"), Some("api")));
        assert_eq!((told.pod.map(|pod| pod.name).as_deref(), told.sandbox_id.as_deref()), (Some("web-0"), Some(POD)));
    }
    // as many as are under way at once may ask before the first has an answer
    assert!(fake.asked_for(&format!("PodSandboxStatus {POD}")) <= client::AT_ONCE);
    assert!(fake.asked_for("ImageStatus sha256:1") <= client::AT_ONCE);
    assert!(ids.iter().all(|id| fake.asked_for(&format!("ContainerStatus {id}")) == 1));
}

/// The cgroup is there before the first process, and a sandbox before its runtime admits to it.
#[tokio::test]
async fn what_is_not_ready_is_asked_again() {
    let fake = Fake::new();
    let what = format!("ContainerStatus {A}");
    fake.answer(&what, &status(A, "a", 0, r#"{"pid": 0}"#));
    fake.listen();
    let (cri, mut told) = start(fake.socket());
    assert!(cri.want(A));
    assert_eq!(next(&mut told).await.pid, None, "its name is told at once");
    fake.has(A, "a");
    assert_eq!(next(&mut told).await.pid, Some(7));

    let sandbox = format!("PodSandboxStatus {POD}");
    assert!(cri.want(POD));
    crate_until(|| fake.asked_for(&sandbox) > 0).await;
    fake.answer(&sandbox, &pod_status(POD, Vec::new()));
    assert!(next(&mut told).await.sandbox);

    // but not for ever
    assert!(cri.want(C));
    let missing = format!("ContainerStatus {C}");
    crate_until(|| fake.asked_for(&missing) == 4).await;
    fake.answer(&what, &status(A, "a", 2, r#"{"pid": 0}"#));
    assert!(cri.want(A));
    assert_eq!(next(&mut told).await.pid, None, "it has exited: that is the last word");
    let before = fake.asked_for(&what);
    assert!(cri.want(B) && cri.want(C));
    crate_until(|| fake.asked_for(&format!("ContainerStatus {B}")) == 4).await;
    assert_eq!((fake.asked_for(&what), fake.asked_for(&missing)), (before, 8));
}

async fn crate_until(is: impl Fn() -> bool) {
    let wait = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("in time");
}

fn event(id: &str, event: i32) -> Vec<u8> {
    api::ContainerEventResponse { container_id: id.into(), event }.encode_to_vec()
}

#[tokio::test]
async fn events_of_runtimes_that_tell_everyone() {
    let fake = Fake::new();
    fake.is("containerd", "v2.0.1");
    for (id, name) in [(A, "a"), (B, "b"), (C, "c")] {
        fake.has(id, name);
    }
    let events = vec![event(A, 0), event("../x", 1), event(B, 2), event(B, 3), event(C, 1)];
    fake.say("GetContainerEvents", Say::Stream(events));
    let server = fake.listen();
    let (cri, mut told) = start(fake.socket());
    assert_eq!(names(&mut told, 2).await, ["a", "c"]);
    assert!(cri.want(B));
    assert_eq!(names(&mut told, 1).await, ["b"]);

    // it is gone, which the end of its events tells
    server.abort();
    state(&cri, |state| *state == State::Deserted).await;
}

/// There are many ways to have no events: none of them is asked for twice, nor in the way of anything else.
#[tokio::test]
async fn events_that_are_none() {
    for say in [
        Say::Status(UNIMPLEMENTED, "unknown method"),
        Say::Status(UNKNOWN, "not implemented"),
        Say::Status(0, ""),
        Say::Raw(b"garbage".to_vec()),
        Say::Message(b"garbage".to_vec()),
        Say::Huge(100 << 20),
        Say::Silence,
        Say::Stall,
    ] {
        let fake = Fake::new();
        fake.is("cri-o", "1.31.0");
        fake.say("GetContainerEvents", say.clone());
        fake.runs(&[A], &[]);
        for (id, name) in [(A, "a"), (B, "b")] {
            fake.has(id, name);
        }
        fake.listen();
        let (cri, mut told) = start(fake.socket());
        assert_eq!(names(&mut told, 1).await, ["a"]);
        assert!(cri.want(B));
        assert_eq!(names(&mut told, 1).await, ["b"]);
        assert_eq!((fake.asked_for("GetContainerEvents"), fake.asked_for("Version")), (1, 1), "{say:?}");
    }
}

/// Without events a look-up that finds nobody tells that the runtime is gone; and what was wanted meanwhile is told
/// when it is back, along with what runs.
#[tokio::test]
async fn a_runtime_that_is_restarted() {
    let fake = Fake::new();
    fake.has(A, "a");
    fake.has(B, "b");
    let server = fake.listen();
    let (cri, mut told) = start(fake.socket());
    assert!(cri.want(A));
    assert_eq!(names(&mut told, 1).await, ["a"]);
    server.abort();
    assert!(server.await.is_err_and(|error| error.is_cancelled()));
    assert!(cri.want(B));
    state(&cri, |state| *state == State::Deserted).await;
    fake.runs(&[C], &[]);
    fake.has(C, "c");
    fake.listen();
    assert_eq!(names(&mut told, 2).await, ["b", "c"]);
}

/// Docker's own containerd has no CRI. That is nothing to complain about.
#[tokio::test]
async fn a_containerd_without_cri() {
    let fake = Fake::new();
    fake.say("Version", Say::Status(UNIMPLEMENTED, "unknown service runtime.v1.RuntimeService"));
    fake.listen();
    let (cri, _told) = start(fake.socket());
    assert!(state(&cri, |state| *state != State::Connecting).await.is_quiet());
}

#[tokio::test]
async fn asked_once() {
    let (cri, docker) = (Fake::new(), super::http::Fake::new());
    cri.has(A, "a");
    docker.has(B, "b");
    cri.listen();
    docker.listen();
    let absent = Socket { path: PathBuf::from("/nowhere/cri.sock"), kind: Kind::Cri };
    let sockets = [cri.socket(), docker.socket(), absent];
    let ids = [A, B, C].map(str::to_owned);
    let patience = Duration::from_mins(1);
    let (mut found, states) = look_up(&sockets, &ids, patience).await;
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(found.iter().map(|told| told.id.as_str()).collect::<Vec<_>>(), [A, B]);
    let connected = |state: &State| matches!(state, State::Connected { .. });
    assert!(connected(&states[0].1) && connected(&states[1].1), "{states:?}");
    assert_eq!(states[2], (sockets[2].clone(), State::Absent));

    // one that hangs does not matter when all is told, and only as long as there is patience otherwise
    cri.say("Version", Say::Silence);
    let (found, _) = look_up(&sockets, &ids[1..2], patience).await;
    assert_eq!(found.len(), 1);
    let states = who_answers(&sockets, Duration::from_millis(1)).await;
    assert_eq!(states[0].1, State::Hanging);
    let (found, states) = look_up(&sockets, &[], patience).await;
    assert!(found.is_empty() && states.len() == 3);
}

/// A busy runtime takes long for the sandbox: the pod's labels come later, not never.
#[tokio::test]
async fn labels_of_a_slow_sandbox_come_later() {
    let fake = Fake::new();
    let info = format!(r#"{{"pid": 7, "sandboxID": "{POD}"}}"#);
    let mut told = status(A, "a", 1, &info);
    if let Some(status) = &mut told.status {
        status.labels = vec![entry("io.kubernetes.pod.name", "web-0"), entry("io.kubernetes.pod.namespace", "shop")];
    }
    fake.answer(&format!("ContainerStatus {A}"), &told);
    let sandbox = format!("PodSandboxStatus {POD}");
    fake.say(&sandbox, Say::Silence);
    fake.listen();
    let (cri, mut told) = start(fake.socket());
    assert!(cri.want(A));
    let first = next(&mut told).await;
    assert!(!first.labels.contains_key("app"), "{:?}", first.labels);
    // it is quick again
    fake.answer(&sandbox, &pod_status(POD, vec![entry("app", "shop")]));
    assert_eq!(next(&mut told).await.labels.get("app").map(String::as_str), Some("shop"));
}
