//! Filters by pod, namespace and label, before, while and after the containers are there: containers of a real Docker
//! daemon, with the labels that cri-dockerd puts on what it makes for kubelet.

mod lab;

use std::collections::BTreeSet;
use std::process::Command;

use lab::docker::{Cgroups, Daemon, Options};
use lab::tracer::{BINARY, Ended, Said, Tracer};
use lab::{PATIENCE, until};
use serde_json::Value;

/// A shell that ends when it is told to.
const POLITE: [&str; 3] = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"];

#[expect(clippy::needless_pass_by_value, reason = "what the lab asks for")]
fn ready(said: Said<'_>) -> bool {
    matches!(said, Said::Note(note) if note.starts_with("tracer: tracing"))
}

/// A daemon, and the containers of two pods of one name.
struct Cluster(Daemon);

impl Cluster {
    fn start() -> Self {
        Self(Daemon::start(Cgroups::PureV2))
    }

    fn tracer(&self, args: &[&str]) -> Tracer {
        let socket = self.0.socket();
        let socket = ["--docker", socket.to_str().expect("no strange names")];
        Tracer::start(self.0.enter(BINARY), &[&socket[..], args].concat(), ready)
    }

    fn run(&self, namespace: &str, pod: &str, container: &str) {
        let labels = [
            format!("io.kubernetes.pod.namespace={namespace}"),
            format!("io.kubernetes.pod.name={pod}"),
            format!("io.kubernetes.pod.uid=uid-of-{pod}-in-{namespace}"),
            format!("io.kubernetes.container.name={container}"),
            format!("app={namespace}"),
        ];
        let args: Vec<&str> = labels.iter().flat_map(|label| ["--label", label.as_str()]).collect();
        let name = format!("k8s_{container}_{pod}_{namespace}_uid_0");
        self.0.run(&name, &POLITE, &Options { args: &args, ..Options::default() });
    }

    fn stop(&self, namespace: &str, pod: &str, container: &str) {
        self.0.stop(&format!("k8s_{container}_{pod}_{namespace}_uid_0"), 10);
    }
}

/// `POD.namespace/CONTAINER` of every container that any line is about.
fn told(lines: &[Value]) -> BTreeSet<String> {
    let of = |line: &Value| {
        let container = if line["kind"] == "container" { line } else { &line["container"] };
        let name = container["name"].as_str()?;
        Some(format!("{}/{name}", container["pod"]["namespace"].as_str()?))
    };
    lines.iter().filter_map(of).collect()
}

fn verdicts(ended: &Ended) -> usize {
    ended.lines.iter().filter(|line| line["kind"] == "termination" && line["verdict"] == "graceful").count()
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_pod_is_shown_whole_and_nothing_else() {
    if !lab::can_run("a_pod_is_shown_whole_and_nothing_else", &["dockerd", "containerd", "runc", "nsenter"]) {
        return;
    }
    let cluster = Cluster::start();
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let recording = dir.path().join("pod.rec");
    let recording = recording.to_str().expect("no strange names");
    // one container is there before the tracer, one comes later
    cluster.run("shop", "web-0", "app");
    cluster.run("test", "web-0", "app");
    let mut tracer = cluster.tracer(&["--pod", "shop/web-0", "--until-exit", "--record", recording]);
    cluster.run("shop", "web-0", "proxy");
    let is_described = |line: &Value, name: &str| {
        line["kind"] == "container" && line["name"].as_str().is_some_and(|own| own.contains(name))
    };
    tracer.wait_for("the second container", PATIENCE, |line| is_described(line, "k8s_proxy_web-0_shop"));
    cluster.stop("test", "web-0", "app");
    cluster.stop("shop", "web-0", "app");
    assert!(tracer.terminations().len() <= 1);
    cluster.stop("shop", "web-0", "proxy");
    let ended = tracer.wait();
    assert!(ended.status.success(), "{}", ended.stderr);
    let expected = ["shop/k8s_app_web-0_shop_uid_0", "shop/k8s_proxy_web-0_shop_uid_0"].map(str::to_owned);
    assert_eq!(told(&ended.lines), BTreeSet::from(expected), "{}", ended.stderr);
    assert_eq!(verdicts(&ended), 2, "{:?}", ended.lines);

    // after the fact: in the recording both are there, by any filter
    for (filters, expected) in [
        (&["--pod", "shop/web-0"][..], 2),
        (&["-n", "shop", "-c", "proxy"], 1),
        (&["-l", "app=shop", "-l", "io.kubernetes.pod.name"], 2),
        (&["-l", "app=shop", "-c", "web-0/app"], 1),
    ] {
        let (code, shown, said) = replay(recording, filters);
        assert_eq!((code, told(&shown).len()), (Some(0), expected), "{filters:?}: {said}");
    }
    let (code, shown, said) = replay(recording, &["--pod", "web-1"]);
    assert_eq!((code, shown.len()), (Some(4), 0));
    // who was turned away while it was recorded is known by name
    let meant = "no pod is called web-1; did you mean shop/web-0 or test/web-0?";
    assert!(said.contains(meant), "{said}");
    let (code, _, said) = replay(recording, &["-l", "app=none"]);
    assert!(code == Some(4) && said.contains("there are app=shop, app=test"), "{said}");
    let (code, _, said) = replay(recording, &["-n", "test", "-l", "app=shop"]);
    let together = "no container is all of this at once: namespace test, label app=shop";
    assert!(code == Some(4) && said.contains(together), "{said}");
}

fn replay(recording: &str, filters: &[&str]) -> (Option<i32>, Vec<Value>, String) {
    let output = lab::output(Command::new(BINARY).args(["replay", "--output", "json", recording]).args(filters));
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    (output.status.code(), lines.collect(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn what_is_not_there_is_waited_for_and_what_is_like_it_is_told() {
    let test = "what_is_not_there_is_waited_for_and_what_is_like_it_is_told";
    if !lab::can_run(test, &["dockerd", "containerd", "runc", "nsenter"]) {
        return;
    }
    let cluster = Cluster::start();
    cluster.run("shop", "web-0", "app");
    cluster.run("test", "web-0", "app");
    let says = |tracer: &Tracer, what: &str| {
        until(what, PATIENCE, || tracer.stderr().contains(what).then_some(()));
    };
    let two = cluster.tracer(&["--pod", "web-0"]);
    says(&two, "there is a pod web-0 in 2 namespaces (shop, test); tracing all of them");
    assert!(two.interrupt().status.success());

    let slip = cluster.tracer(&["--pod", "shop/web-9", "-l", "app=foo"]);
    // how many there are depends on what else runs on this machine
    says(&slip, "tracer: tracing pod shop/web-9, label app=foo; ");
    says(&slip, "no pod is called shop/web-9 yet; did you mean shop/web-0?; waiting for it");
    says(&slip, "no container has the label app=foo yet; there are app=shop, app=test; waiting for it");
    let ended = slip.interrupt();
    assert_eq!((ended.status.code(), ended.lines.len()), (Some(4), 0), "{}", ended.stderr);

    let mut later = cluster.tracer(&["-n", "prod", "-c", "app", "--until-exit"]);
    says(&later, "no pod is in the namespace prod yet; waiting for it");
    cluster.run("prod", "web-0", "app");
    cluster.run("prod", "web-0", "proxy");
    cluster.stop("prod", "web-0", "app");
    let ended = later.wait();
    assert!(ended.status.success(), "{}", ended.stderr);
    assert_eq!(told(&ended.lines), BTreeSet::from(["prod/k8s_app_web-0_prod_uid_0".to_owned()]));
    // what happened before its name was known is told as well
    let found = ended.lines.iter().position(|line| line["kind"] == "container" && line["state"] == "found");
    assert_eq!((found, verdicts(&ended)), (Some(0), 1), "{:?}", ended.lines);
}
