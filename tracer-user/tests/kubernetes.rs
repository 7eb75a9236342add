//! What the agent does with the API of Kubernetes, against a stand-in that answers as kube-apiserver does: Events that
//! arrive, and what becomes of them when the API refuses, hangs, asks to wait or is gone.

mod lab;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use lab::cri::{Containerd, PROGRAMS};
use lab::daemon::Cgroups;
use lab::kubelet::spec::{NAMESPACE, PodSpec};
use lab::kubelet::{Kubelet, Pod};
use lab::kubernetes::{Api, Asked, Reply};
use lab::tracer::{BINARY, Said, Tracer};
use lab::{PATIENCE, send, until};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::mpsc::Receiver;
use tracer_user::agent::Sink as _;
use tracer_user::event::{PodName, PodTold, What};
use tracer_user::kubernetes::{Events, Kubernetes, Settings};
use tracer_user::live::boot_now;
use tracer_user::model::{Change, Condition, ConditionKind, ContainerName, News};

/// Speaks with a stand-in.
fn speak(url: &str) -> (Kubernetes, Events) {
    let proxy = Some(url.parse().expect("an address"));
    let settings = Settings { events: true, watch: false, node: Some("node-1".to_owned()), proxy };
    let started = Kubernetes::start(&settings).expect("there is a thread");
    (started.thread, started.events.expect("they are wanted"))
}

/// Something that went wrong in a pod.
fn zombies(namespace: &str, pod: &str) -> Change {
    let pod = PodName { namespace: namespace.to_owned(), name: pod.to_owned(), uid: format!("uid-of-{pod}") };
    let container = ContainerName { name: Some("app".to_owned()), pod: Some(pod), ..ContainerName::default() };
    let condition = Condition {
        kind: ConditionKind::Zombies,
        container: Some(Arc::new(container)),
        explanation: "3 zombies".to_owned(),
        fix: Some("Reap them.".to_owned()),
        figures: Vec::new(),
    };
    Change { at: boot_now(), news: News::Condition(Arc::new(condition)) }
}

/// Ends it: what would go on for ever is not waited for.
#[track_caller]
fn stops(thread: Kubernetes) {
    let (sender, stopped) = channel();
    thread::spawn(move || {
        thread.stop();
        sender.send(()).unwrap_or_default();
    });
    stopped.recv_timeout(PATIENCE).expect("it stops");
}

fn tell(events: &mut Events, change: Change) {
    assert!(events.wants(&change));
    events.take(&[change]);
}

#[test]
fn an_event_is_made_and_the_same_again_is_counted() {
    let api = Api::with([]);
    let (thread, mut events) = speak(&api.url());
    tell(&mut events, zombies("shop", "web"));
    let [made] = api.wait_for(1, PATIENCE).try_into().expect("one");
    assert_eq!((made.method.as_str(), made.target.as_str()), ("POST", "/apis/events.k8s.io/v1/namespaces/shop/events"));
    assert_eq!(made.header("content-type"), Some("application/json"));
    assert_eq!(made.header("authorization"), None, "a proxy is not told who one is");
    assert_eq!(made.body["note"], "Container app: 3 zombies Fix: Reap them.");
    assert_eq!(made.body["reportingInstance"], "node-1");
    let name = made.body["metadata"]["name"].as_str().expect("it has a name").to_owned();
    for _ in 0..2 {
        tell(&mut events, zombies("shop", "web"));
    }
    let asked = api.wait_for(3, PATIENCE);
    for (patch, count) in asked[1..].iter().zip([2, 3]) {
        let target = format!("/apis/events.k8s.io/v1/namespaces/shop/events/{name}");
        assert_eq!((patch.method.as_str(), &patch.target), ("PATCH", &target));
        assert_eq!(patch.header("content-type"), Some("application/merge-patch+json"));
        assert_eq!(patch.body["series"]["count"], count);
        let time = patch.body["series"]["lastObservedTime"].as_str().expect("a time");
        assert!(time.len() == "2026-11-21T14:03:07.284000Z".len() && time.ends_with('Z'), "{time}");
    }
    thread.stop();
}

#[test]
fn one_that_expired_is_made_anew() {
    let api = Api::with([Reply::done(), Reply::status(404, "NotFound", "not found")]);
    let (thread, mut events) = speak(&api.url());
    for _ in 0..3 {
        tell(&mut events, zombies("shop", "web"));
    }
    let methods: Vec<_> = api.wait_for(4, PATIENCE).into_iter().map(|asked| asked.method).collect();
    assert_eq!(methods, ["POST", "PATCH", "POST", "PATCH"]);
    thread.stop();
}

#[test]
fn where_it_is_forbidden_it_is_not_asked_again_until_somebody_says_so() {
    let api =
        Api::start(|asked: &Asked| if asked.target.contains("/shop/") { Reply::forbidden() } else { Reply::done() });
    let (thread, mut events) = speak(&api.url());
    for pod in ["a", "b", "c"] {
        tell(&mut events, zombies("shop", pod));
    }
    tell(&mut events, zombies("bank", "a"));
    let targets = || api.asked().into_iter().map(|asked| asked.target.contains("/shop/")).collect::<Vec<_>>();
    api.wait_for(2, PATIENCE);
    assert_eq!(targets(), [true, false]);
    thread.try_again();
    tell(&mut events, zombies("shop", "d"));
    tell(&mut events, zombies("bank", "b"));
    api.wait_for(4, PATIENCE);
    assert_eq!(targets(), [true, false, true, false]);
    thread.stop();
}

#[test]
fn who_is_not_known_asks_nowhere_until_somebody_says_so() {
    let unknown = || Reply::status(401, "Unauthorized", "Unauthorized");
    let api = Api::start(move |_| unknown());
    let (thread, mut events) = speak(&api.url());
    for namespace in ["shop", "bank", "shop"] {
        tell(&mut events, zombies(namespace, "a"));
    }
    api.wait_for(1, PATIENCE);
    // takes what waits
    thread.stop();
    assert_eq!(api.asked().len(), 1, "{:?}", api.asked());

    let (thread, mut events) = speak(&api.url());
    tell(&mut events, zombies("shop", "a"));
    api.wait_for(2, PATIENCE);
    thread.try_again();
    tell(&mut events, zombies("bank", "a"));
    let asked = api.wait_for(3, PATIENCE);
    assert!(asked[2].target.contains("/bank/"), "{asked:?}");
    thread.stop();
}

#[test]
fn what_is_too_much_is_tried_again_when_the_server_says_and_by_the_same_name() {
    let too_many = lab::kubernetes::status(429, "TooManyRequests", "try again later");
    let api = Api::with([Reply::Whole(429, Some(1), too_many), Reply::Cut, Reply::status(503, "", "")]);
    let (thread, mut events) = speak(&api.url());
    tell(&mut events, zombies("shop", "web"));
    let asked = api.wait_for(4, PATIENCE);
    assert!(asked[1].at - asked[0].at >= Duration::from_secs(1));
    let names: Vec<_> = asked.iter().map(|asked| &asked.body["metadata"]["name"]).collect();
    assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
    thread.stop();
}

#[test]
fn a_server_that_hangs_is_asked_again_and_nothing_is_told_twice() {
    // it made the Event, and did not say so
    let api = Api::with([Reply::Hang, Reply::status(409, "AlreadyExists", "already exists")]);
    let (thread, mut events) = speak(&api.url());
    tell(&mut events, zombies("shop", "web"));
    tell(&mut events, zombies("shop", "web"));
    let methods: Vec<_> = api.wait_for(3, PATIENCE).into_iter().map(|asked| asked.method).collect();
    assert_eq!(methods, ["POST", "POST", "PATCH"]);
    thread.stop();
}

#[test]
fn what_a_server_that_is_gone_is_not_told_is_bounded_and_holds_nobody_up() {
    let api = Api::with([]);
    let url = api.url();
    drop(api);
    let (thread, mut events) = speak(&url);
    for pod in 0..5_000 {
        tell(&mut events, zombies("shop", &format!("web-{pod}")));
    }
    // whoever waited for the server would leave nothing out
    assert!((3_900..5_000).contains(&thread.left_out()), "{}", thread.left_out());
    stops(thread);
}

#[test]
fn a_pod_with_much_to_tell_is_heard_25_times() {
    let api = Api::with([]);
    let (thread, mut events) = speak(&api.url());
    for _ in 0..100 {
        tell(&mut events, zombies("shop", "web"));
    }
    tell(&mut events, zombies("shop", "other"));
    let asked = api.wait_for(26, PATIENCE);
    assert_eq!(asked[24].body["series"]["count"], 25);
    assert_eq!(asked[25].body["regarding"]["name"], "other");
    thread.stop();
}

#[test]
fn without_an_api_there_is_a_reason() {
    let settings = Settings { events: true, watch: false, node: None, proxy: None };
    // no test runs in a pod
    let error = Kubernetes::start(&settings).expect_err("there is none").to_string();
    assert_eq!(error, "KUBERNETES_SERVICE_HOST is not set, so this is no pod of Kubernetes");
}

/// A pod as the API tells it to those who ask for the metadata.
fn pod(uid: &str, version: u32, deletion: Option<&str>) -> Value {
    let mut metadata = json!({
        "name": "web-7d9f8b6c5-x2x4k", "namespace": "shop", "uid": uid, "resourceVersion": version.to_string(),
        "labels": {"pod-template-hash": "7d9f8b6c5"},
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-7d9f8b6c5", "uid": "1",
                             "controller": true, "blockOwnerDeletion": true}],
    });
    if let Some(deletion) = deletion {
        metadata["deletionTimestamp"] = json!(deletion);
        metadata["deletionGracePeriodSeconds"] = json!(30);
    }
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
}

fn list(version: u32, pods: &[Value]) -> Reply {
    let body = json!({
        "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version.to_string()}, "items": pods,
    });
    Reply::Whole(200, None, body)
}

/// A watch that tells this and goes on for as long as the other end of the channel is kept.
fn lines(told: &[(&str, Value)]) -> (Sender<String>, Reply) {
    let (sender, receiver) = channel();
    for (kind, object) in told {
        sender.send(json!({"type": kind, "object": object}).to_string()).expect("it is there");
    }
    (sender, Reply::Lines(receiver))
}

/// Watches the pods of `node-1` as a stand-in tells them.
fn watch(api: &Api) -> (Kubernetes, Receiver<What>) {
    let proxy = Some(api.url().parse().expect("an address"));
    let settings = Settings { events: false, watch: true, node: Some("node-1".to_owned()), proxy };
    let started = Kubernetes::start(&settings).expect("there is a thread");
    (started.thread, started.pods.expect("they are wanted"))
}

fn next(pods: &mut Receiver<What>) -> PodTold {
    match pods.blocking_recv() {
        Some(What::Pod(told)) => told,
        other => panic!("{other:?}"),
    }
}

#[test]
fn pods_are_listed_and_what_changes_is_told_until_it_is_too_old() {
    let (open, changes) = lines(&[
        ("ADDED", pod("b", 11, None)),
        ("BOOKMARK", json!({"metadata": {"resourceVersion": "20"}})),
        ("MODIFIED", pod("a", 21, Some("2026-11-21T14:03:36Z"))),
        ("DELETED", pod("a", 22, Some("2026-11-21T14:03:36Z"))),
        ("ERROR", lab::kubernetes::status(410, "Expired", "too old resource version: 10 (22)")),
    ]);
    let (last, quiet) = lines(&[]);
    let api = Api::with([list(10, &[pod("a", 5, None)]), changes, list(30, &[]), quiet]);
    let (thread, mut pods) = watch(&api);
    let first = next(&mut pods);
    assert_eq!((first.pod.uid.as_str(), first.deletion, first.gone), ("a", None, false));
    assert_eq!(first.owner.map(|owner| (owner.kind, owner.name)), Some(("Deployment".to_owned(), "web".to_owned())));
    assert_eq!(next(&mut pods).pod.uid, "b");
    let deleted = next(&mut pods);
    assert_eq!(deleted.deletion.map(|deletion| deletion.grace_ms), Some(30_000));
    let gone = next(&mut pods);
    assert_eq!((gone.pod.uid.as_str(), gone.deletion, gone.gone), ("a", deleted.deletion, true));
    // who is in no list any more is gone
    let gone = next(&mut pods);
    assert_eq!((gone.pod.uid.as_str(), gone.gone), ("b", true));
    let asked = api.wait_for(4, PATIENCE);
    let all = "/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-1&";
    assert_eq!(asked[0].target, format!("{all}resourceVersion=0"));
    let from =
        |version| format!("{all}watch=true&allowWatchBookmarks=true&timeoutSeconds=240&resourceVersion={version}");
    assert_eq!([&asked[1].target, &asked[3].target], [&from(10), &from(30)]);
    let accept = asked[1].header("accept").expect("it says what it wants");
    assert!(accept.starts_with("application/json;as=PartialObjectMetadata;"), "{accept}");
    drop((open, last));
    thread.stop();
}

#[test]
fn a_watch_that_ends_goes_on_where_it_was() {
    let (open, ends) = lines(&[("BOOKMARK", json!({"metadata": {"resourceVersion": "15"}}))]);
    drop(open);
    let (open, goes_on) = lines(&[("ADDED", pod("a", 16, None))]);
    let api = Api::with([list(10, &[]), ends, goes_on]);
    let (thread, mut pods) = watch(&api);
    assert_eq!(next(&mut pods).pod.uid, "a");
    let asked = api.asked();
    assert!(asked.len() == 3 && asked[2].target.ends_with("&resourceVersion=15"), "{asked:?}");
    drop(open);
    thread.stop();
}

#[test]
fn a_watch_waits_for_a_server_that_asks_to_wait_or_breaks_off() {
    let (open, changes) = lines(&[("ADDED", pod("a", 11, None))]);
    let too_many = lab::kubernetes::status(429, "TooManyRequests", "try again later");
    let nonsense = Reply::Whole(200, None, json!(["nonsense"]));
    let gone = lab::kubernetes::status(410, "Expired", "too old");
    let api = Api::with([
        Reply::Whole(429, Some(1), too_many),
        Reply::Cut,
        nonsense,
        list(9, &[]),
        Reply::Whole(410, None, gone),
        list(10, &[]),
        changes,
    ]);
    let (thread, mut pods) = watch(&api);
    assert_eq!(next(&mut pods).pod.uid, "a");
    let asked = api.asked();
    assert_eq!(asked.len(), 7);
    assert!(asked[1].at - asked[0].at >= Duration::from_secs(1));
    drop(open);
    thread.stop();
}

#[test]
fn a_server_that_hangs_is_asked_for_pods_again() {
    let (open, changes) = lines(&[("ADDED", pod("a", 11, None))]);
    let api = Api::with([Reply::Hang, list(10, &[]), changes]);
    let (thread, mut pods) = watch(&api);
    assert_eq!(next(&mut pods).pod.uid, "a");
    drop(open);
    thread.stop();
}

#[test]
fn without_permission_pods_are_asked_for_when_somebody_says_so() {
    let forbidden = lab::kubernetes::status(403, "Forbidden", "pods is forbidden");
    // the watch tells nothing, and does not end
    let (open, watched) = lines(&[]);
    let api = Api::with([Reply::Whole(403, None, forbidden), list(1, &[pod("a", 1, None)]), watched]);
    let (thread, mut pods) = watch(&api);
    api.wait_for(1, PATIENCE);
    thread.try_again();
    assert_eq!(next(&mut pods).pod.uid, "a");
    api.wait_for(3, PATIENCE);
    stops(thread);
    drop(open);
}

#[test]
fn a_watch_that_is_not_known_for_a_moment_goes_on_soon() {
    let unknown = lab::kubernetes::status(401, "Unauthorized", "Unauthorized");
    let api = Api::with([Reply::Whole(401, None, unknown), list(1, &[pod("a", 1, None)])]);
    let (thread, mut pods) = watch(&api);
    // nobody says anything: a token was renewed
    assert_eq!(next(&mut pods).pod.uid, "a");
    thread.stop();
}

/// An agent in containerd's place, with its log. Dropping it kills it.
struct Agent {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Agent {
    #[track_caller]
    fn start(containerd: &Containerd, more: &[&str]) -> Self {
        let mut command: Command = containerd.enter(BINARY);
        let path = |path: std::path::PathBuf| path.to_str().expect("plain text").to_owned();
        let socket = path(containerd.dir().join("agent.sock"));
        command.args(["agent", "--socket", &socket, "--cri", &path(containerd.socket())]).args(more);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let (stderr, lines) = (child.stderr.take().expect("it is piped"), Arc::clone(&log));
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().expect("no panic").push(line);
            }
        });
        let agent = Self { child, log };
        until("the agent to trace", PATIENCE, || agent.log().contains("clients attach on").then_some(()));
        agent
    }

    fn log(&self) -> String {
        self.log.lock().expect("no panic").join("\n")
    }

    #[track_caller]
    fn end(mut self) -> String {
        send("TERM", self.child.id());
        until("the agent to end", PATIENCE, || self.child.try_wait().expect("it can be waited for"));
        self.log()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs a pod that takes no notice of SIGTERM, until it is ready.
fn run(kubelet: &Kubelet<'_>, name: &str) -> Pod {
    let pod = kubelet.run(PodSpec::new(name, 2, &["sh", "-c", "echo ready; sleep 1000; true"]));
    let main = pod.container("main");
    until(&format!("{name} to be ready"), PATIENCE, || pod.log(&main).contains(" ready").then_some(()));
    pod
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_stop_becomes_an_event_on_the_pod() {
    if !lab::can_run("a_stop_becomes_an_event_on_the_pod", &PROGRAMS) {
        return;
    }
    let containerd = Containerd::start(Cgroups::PureV2);
    let kubelet = Kubelet::new(&containerd);
    let api = Api::with([]);
    let agent =
        Agent::start(&containerd, &["--kubernetes-events", "--kubernetes-api", &api.url(), "--node-name", "n1"]);
    let pod = run(&kubelet, "told");
    kubelet.delete(&pod, None);
    let asked = api.wait_for(1, PATIENCE);
    let body = &asked[0].body;
    assert_eq!(asked[0].target, format!("/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events"));
    assert_eq!((&body["reason"], &body["type"]), (&json!("SigtermDropped"), &json!("Warning")), "{body}");
    let regarding = json!({
        "apiVersion": "v1", "kind": "Pod", "namespace": NAMESPACE, "name": "told",
        "uid": body["regarding"]["uid"],
    });
    assert_eq!(body["regarding"], regarding);
    assert_eq!(body["reportingInstance"], "n1");
    let note = body["note"].as_str().expect("text");
    assert!(
        note.starts_with("Container main: runc sent SIGTERM to sh (PID 1), and the kernel dropped it")
            && note.contains(" Fix: "),
        "{note}"
    );
    let log = agent.end();
    assert!(log.contains("Kubernetes is told what goes wrong"), "{log}");
    assert_eq!(api.asked().len(), 1, "{:?}", api.asked());
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn without_permission_that_is_said_once_and_all_else_goes_on() {
    if !lab::can_run("without_permission_that_is_said_once_and_all_else_goes_on", &PROGRAMS) {
        return;
    }
    let containerd = Containerd::start(Cgroups::PureV2);
    let kubelet = Kubelet::new(&containerd);
    let api = Api::start(|_| Reply::forbidden());
    let agent = Agent::start(&containerd, &["--kubernetes-events", "--kubernetes-api", &api.url()]);
    let pods: Vec<_> = ["one", "two"].map(|name| run(&kubelet, name)).into_iter().collect();
    kubelet.delete(&pods[0], None);
    until("that it is said", PATIENCE, || agent.log().contains("no Kubernetes Events in namespace").then_some(()));
    kubelet.delete(&pods[1], None);
    // the permission is there now, or so somebody thinks
    send("HUP", agent.child.id());
    until("the configuration to be read", PATIENCE, || agent.log().contains("was read again").then_some(()));
    let third = run(&kubelet, "three");
    kubelet.delete(&third, None);
    let asked = api.wait_for(2, PATIENCE);
    let about: Vec<_> = asked.iter().map(|asked| asked.body["regarding"]["name"].clone()).collect();
    assert_eq!(about, ["one", "three"]);
    let log = agent.end();
    assert_eq!(log.matches("no Kubernetes Events in namespace lab: 403").count(), 2, "once for each time:\n{log}");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn the_way_from_the_request_to_the_first_signal_is_told() {
    if !lab::can_run("the_way_from_the_request_to_the_first_signal_is_told", &PROGRAMS) {
        return;
    }
    let containerd = Containerd::start(Cgroups::PureV2);
    let kubelet = Kubelet::new(&containerd);
    let (tell, changes) = lines(&[]);
    let api = Api::with([list(10, &[]), changes]);
    let agent = Agent::start(&containerd, &["--kubernetes-watch", "--kubernetes-api", &api.url(), "--node-name", "n1"]);
    api.wait_for(2, PATIENCE);
    let attach = format!("--attach={}", containerd.dir().join("agent.sock").display());
    let attached = |said: Said<'_>| matches!(said, Said::Note(note) if note.contains("attached to agent"));
    let mut client = Tracer::start(containerd.enter(BINARY), &[&attach], attached);
    let slow = run(&kubelet, "slow");
    let named =
        client.wait_for("the pod", PATIENCE, |line| line["kind"] == "container" && line["pod"]["name"] == "slow");
    let uid = named["pod"]["uid"].as_str().expect("it has one").to_owned();
    // kubelet takes its time: a grace period of 30 s from now on
    let asked = OffsetDateTime::now_utc();
    let due = asked + Duration::from_secs(30);
    let due = due.replace_nanosecond(0).expect("a second").format(&Rfc3339).expect("a time");
    let begun = Instant::now();
    let line = json!({"type": "MODIFIED", "object": pod(&uid, 11, Some(&due))}).to_string();
    tell.send(line).expect("it is watched");
    until("kubelet to have taken its time", PATIENCE, || (begun.elapsed() > Duration::from_secs(4)).then_some(()));
    kubelet.delete(&slow, None);
    let end = client.termination_of("main");
    assert_eq!(end["owner"], json!({"kind": "Deployment", "name": "web"}), "{end}");
    assert_eq!(end["deletion"]["grace_s"], 30.0, "{end}");
    // as long as it was by the times that are told, and no shorter than what was waited, less what the API leaves out
    let time = |value: &Value| OffsetDateTime::parse(value.as_str().expect("text"), &Rfc3339).expect("a time");
    let (requested, signalled) = (time(&end["deletion"]["requested"]), time(&end["started"]));
    assert!(asked - Duration::from_secs(2) <= requested && requested < signalled, "{end}");
    let until_signal = end["deletion"]["until_signal_s"].as_f64().expect("there was one");
    let between = (signalled - requested).as_seconds_f64();
    assert!(until_signal >= 3.0 && (until_signal - between).abs() < 0.01, "{between} s: {end}");
    let why = end["explanation"].as_str().expect("text");
    assert!(
        why.contains("The deletion of its pod had been asked for ") && why.contains("(± 1 s) before SIGTERM"),
        "{why}"
    );
    drop((client, tell));
    agent.end();
}
