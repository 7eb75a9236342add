//! What the agent does with the API of Kubernetes, against a stand-in that answers as kube-apiserver does: Events that
//! arrive, and what becomes of them when the API refuses, hangs, asks to wait or is gone.

mod lab;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use lab::cri::{Containerd, PROGRAMS};
use lab::daemon::Cgroups;
use lab::kubelet::spec::{NAMESPACE, PodSpec};
use lab::kubelet::{Kubelet, Pod};
use lab::kubernetes::{Api, Asked, Reply};
use lab::tracer::BINARY;
use lab::{PATIENCE, send, until};
use serde_json::json;
use tracer_user::agent::Sink as _;
use tracer_user::event::{BootNs, PodName};
use tracer_user::kubernetes::{Events, Kubernetes, Settings};
use tracer_user::live::boot_now;
use tracer_user::model::{Change, Condition, ConditionKind, ContainerName, News};

/// Speaks with a stand-in.
fn speak(url: &str) -> (Kubernetes, Events) {
    let proxy = Some(url.parse().expect("an address"));
    let settings = Settings { events: true, node: Some("node-1".to_owned()), proxy };
    Kubernetes::start(&settings).expect("there is a thread")
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
    assert_eq!(made.body["note"], "3 zombies Fix: Reap them.");
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
fn who_is_not_known_asks_nowhere() {
    let api = Api::with([Reply::status(401, "Unauthorized", "Unauthorized")]);
    let (thread, mut events) = speak(&api.url());
    for namespace in ["shop", "bank"] {
        tell(&mut events, zombies(namespace, "a"));
    }
    api.wait_for(1, PATIENCE);
    thread.try_again();
    tell(&mut events, zombies("last", "a"));
    let asked = api.wait_for(2, PATIENCE);
    assert!(asked[1].target.contains("/last/"), "{asked:?}");
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
    let begun = Instant::now();
    tell(&mut events, zombies("shop", "web"));
    tell(&mut events, zombies("shop", "web"));
    assert!(begun.elapsed() < Duration::from_secs(1), "nobody waits for it");
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
    let begun = Instant::now();
    for pod in 0..5_000 {
        tell(&mut events, zombies("shop", &format!("web-{pod}")));
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!((3_900..5_000).contains(&thread.left_out()), "{}", thread.left_out());
    let begun = Instant::now();
    thread.stop();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
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
    let settings = Settings { events: true, node: None, proxy: None };
    // no test runs in a pod
    let error = Kubernetes::start(&settings).expect_err("there is none").to_string();
    assert_eq!(error, "KUBERNETES_SERVICE_HOST is not set, so this is no pod of Kubernetes");
    assert!(BootNs(0) < boot_now());
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
        "uid": body["regarding"]["uid"], "fieldPath": "spec.containers{main}",
    });
    assert_eq!(body["regarding"], regarding);
    assert_eq!(body["reportingInstance"], "n1");
    let note = body["note"].as_str().expect("text");
    assert!(
        note.starts_with("runc sent SIGTERM to sh (PID 1), and the kernel dropped it") && note.contains(" Fix: "),
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
