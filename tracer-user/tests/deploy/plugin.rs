//! The kubectl plugin, with a stand-in for kubectl that knows one pod and one agent: there is no cluster here.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};

use super::lab::{self, output};

/// Knows pod shop/web-0 on node worker-1, pod shop/waiting on none, and the agent of worker-1. Says what it is to exec.
const STAND_IN: &str = r#"#!/bin/sh
printf '%s\n' "$*" >>"$CALLS"
case "$*" in
    *"exec --namespace"*) while [ "$1" != exec ]; do shift; done; for word; do echo "[$word]"; done ;;
    *"get pod web-0 --namespace shop "*) echo "shop worker-1" ;;
    *"get pod web-0 --output "*) echo "default worker-1" ;;
    *"get pod waiting "*) echo "shop " ;;
    *"get pod "*) echo "Error from server (NotFound): pods not found" >&2; exit 1 ;;
    *"get pods --namespace forbidden "*) echo "Error from server (Forbidden)" >&2; exit 1 ;;
    *"get pods --namespace "*" --selector "*" --field-selector spec.nodeName=worker-1,status.phase=Running "*)
        printf 'tracer-x7x2k\ntracer-old\n' ;;
    *"get pods "*) ;;
    *) echo "what is $*?" >&2; exit 9 ;;
esac
"#;

struct Ran {
    output: Output,
    /// Command lines of the stand-in.
    calls: Vec<String>,
}

impl Ran {
    /// The words behind `kubectl exec`.
    #[track_caller]
    fn execs(&self) -> Vec<String> {
        assert!(self.output.status.success(), "{:?}", self.output);
        let text = String::from_utf8_lossy(&self.output.stdout).into_owned();
        text.lines().map(|line| line.trim_matches(['[', ']']).to_owned()).collect()
    }

    #[track_caller]
    fn fails(&self, code: i32, words: &[&str]) {
        let said = String::from_utf8_lossy(&self.output.stderr);
        assert_eq!(self.output.status.code(), Some(code), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{words:?} in {said}");
        assert!(self.output.stdout.is_empty());
    }
}

fn run(args: &[&str], environment: &[(&str, &str)]) -> Ran {
    let dir = tempfile::tempdir().expect("a directory");
    let kubectl = dir.path().join("kubectl");
    fs::write(&kubectl, STAND_IN).expect("the directory is ours");
    fs::set_permissions(&kubectl, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let calls = dir.path().join("calls");
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").expect("a PATH"));
    let mut command = Command::new("sh");
    command.arg(lab::workspace().join("deploy/kubectl/kubectl-tracer")).args(args);
    command.env("PATH", path).env("CALLS", &calls).env_remove("TRACER_NAMESPACE").env_remove("TRACER_SELECTOR");
    command.envs(environment.iter().copied().collect::<BTreeMap<_, _>>()).stdin(Stdio::null());
    let output = output(&mut command);
    let calls = fs::read_to_string(calls).unwrap_or_default().lines().map(str::to_owned).collect();
    Ran { output, calls }
}

#[test]
fn it_finds_the_agent_on_the_pods_node_and_asks_it_for_the_pod() {
    let with = |rest: &[&str]| -> Vec<String> {
        let agent = ["exec", "--namespace", "tracer", "--container", "tracer", "tracer-x7x2k", "--", "tracer"];
        agent.iter().chain(rest).map(|&word| word.to_owned()).collect()
    };
    assert_eq!(run(&["-n", "shop", "web-0"], &[]).execs(), with(&["--pod", "shop/web-0"]));
    assert_eq!(run(&["shop/web-0"], &[]).execs(), with(&["--pod", "shop/web-0"]));
    assert_eq!(run(&["pod/web-0"], &[]).execs(), with(&["--pod", "default/web-0"]));
    assert_eq!(run(&["web-0", "-n", "shop"], &[]).execs(), with(&["--pod", "shop/web-0"]));
    let more = ["--namespace=shop", "web-0", "--output", "json", "-c", "a b", "--until-exit"];
    assert_eq!(
        run(&more, &[]).execs(),
        with(&["--pod", "shop/web-0", "--output", "json", "-c", "a b", "--until-exit"])
    );
    assert_eq!(run(&["--node", "worker-1", "--duration", "1s"], &[]).execs(), with(&["--duration", "1s"]));
}

#[test]
fn kubectl_is_told_which_cluster_and_where_the_agent_is() {
    let more = [
        "--context",
        "far",
        "--kubeconfig=/k",
        "--agent-namespace",
        "eyes",
        "--agent-selector",
        "app=x",
        "-n",
        "shop",
        "web-0",
    ];
    let ran = run(&more, &[]);
    assert_eq!(ran.execs()[2], "eyes");
    assert!(
        ran.calls.len() == 3 && ran.calls.iter().all(|call| call.starts_with("--kubeconfig /k --context far ")),
        "{:?}",
        ran.calls
    );
    assert!(ran.calls[1].contains("--selector app=x "), "{:?}", ran.calls);
    let ran = run(&["-n", "shop", "web-0"], &[("TRACER_NAMESPACE", "eyes"), ("TRACER_SELECTOR", "app=y")]);
    assert_eq!(ran.execs()[2], "eyes");
    assert!(ran.calls[1].contains("--selector app=y "), "{:?}", ran.calls);
}

#[test]
fn what_goes_wrong_is_said_with_what_to_do() {
    run(&[], &[]).fails(2, &["which pod?"]);
    run(&["-n"], &[]).fails(2, &["-n wants a value"]);
    run(&["--output", "json", "web-0"], &[]).fails(2, &["--output", "options of tracer follow the pod"]);
    run(&["--node", "worker-1", "web-0"], &[]).fails(2, &["only one of them"]);
    run(&["deploy/web"], &[]).fails(2, &["deploy/web is no pod", "-n deploy web"]);
    run(&["-n", "shop", "nobody"], &[]).fails(1, &["NotFound", "there is no pod nobody in shop"]);
    run(&["-n", "shop", "waiting"], &[]).fails(1, &["not on a node yet", "kubectl describe pod -n shop waiting"]);
    run(&["--node", "worker-2"], &[])
        .fails(1, &["no tracer agent runs on node worker-2", "kubectl get daemonset -n tracer"]);
    run(&["--agent-namespace", "forbidden", "-n", "shop", "web-0"], &[])
        .fails(1, &["Forbidden", "cannot list the pods"]);
    let help = run(&["--help"], &[]);
    assert!(help.output.status.success() && help.calls.is_empty());
    assert!(String::from_utf8_lossy(&help.output.stdout).contains("Usage: kubectl tracer"));
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn shellcheck_has_nothing_to_say() {
    if !lab::can_run("shellcheck_has_nothing_to_say", &["shellcheck"]) {
        return;
    }
    let file = lab::workspace().join("deploy/kubectl/kubectl-tracer");
    let checked = output(Command::new("shellcheck").arg(file));
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}
