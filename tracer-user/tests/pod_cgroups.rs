//! Real containers in a pod's cgroup, as kubelet puts them, and no runtime that says what they are: the sandbox is known
//! by its program, and the pod has one clock.

mod lab;

use std::fs;

use lab::docker::{Cgroups, Daemon, Options};
use lab::tracer::{BINARY, Said, Tracer};
use lab::{PATIENCE, host, until};
use serde_json::Value;

/// The pod's cgroup.
const POD: &str = "/kubepods/besteffort/pod5ca1ab1e-5839-45ef-924e-a30fadb17dcc";
/// PID 1 is a shell without a handler.
const DROPS: [&str; 3] = ["sh", "-c", "echo ready; sleep 1000; true"];
/// A shell that ends when it is told to, as soon as its child has.
const HANDLES: [&str; 3] = ["sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done"];

fn run(docker: &Daemon, name: &str, command: &[&str], more: &[&str]) -> String {
    let args = [&["--cgroup-parent", POD], more].concat();
    docker.run(name, command, &Options { args: &args, ..Options::default() })
}

fn concerns(line: &Value, kind: &str, id: &str) -> bool {
    line["kind"] == kind && (line["id"] == id || line["container"]["id"] == id)
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_sandbox_is_no_container_and_the_pod_has_one_clock() {
    let test = "a_sandbox_is_no_container_and_the_pod_has_one_clock";
    if !lab::can_run(test, &["dockerd", "containerd", "runc", "sleep"]) {
        return;
    }
    let docker = Daemon::start(Cgroups::PureV2);
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let sleep = host::program("sleep").expect("can_run() found it");
    fs::copy(sleep, dir.path().join("pause")).expect("a program can be copied");
    let volume = format!("{}:/sandbox:ro", dir.path().display());

    // One was there before the tracer, so it is in the snapshot; the others come while it looks.
    let drops = run(&docker, "drops", &DROPS, &[]);
    let begun = |said: Said<'_>| matches!(said, Said::Note(note) if note.starts_with("tracer: tracing"));
    let nobody = dir.path().join("no-docker.sock");
    let nobody = nobody.to_str().expect("a path in plain text");
    let mut tracer = Tracer::start(docker.enter(BINARY), &["--docker", nobody], begun);
    let pause = run(&docker, "pause", &["/sandbox/pause", "1000"], &["--volume", &volume]);
    let handles = run(&docker, "handles", &HANDLES, &[]);
    for name in ["drops", "handles"] {
        until(&format!("{name} to be ready"), PATIENCE, || docker.container_logs(name).contains("ready").then_some(()));
    }
    for id in [&drops, &handles] {
        tracer.wait_for("both containers to be found", PATIENCE, |line| {
            concerns(line, "container", id) && line["state"] == "found"
        });
    }

    // The one that drops the signal has some seconds to go when the other is told.
    let (first, last) = std::thread::scope(|scope| {
        scope.spawn(|| docker.stop("drops", 6));
        tracer.wait_for("the first sign", PATIENCE, |line| {
            concerns(line, "signal", &drops) && line["signal"] == "SIGTERM"
        });
        docker.stop("handles", 3);
        let first = tracer.wait_for("the polite one's end", PATIENCE, |line| concerns(line, "termination", &handles));
        let last = tracer.wait_for("the other one's end", PATIENCE, |line| concerns(line, "termination", &drops));
        (first, last)
    });
    assert_eq!(
        (&first["verdict"], &last["verdict"]),
        (&"graceful".into(), &"sigterm-dropped".into()),
        "{first}\n{last}"
    );
    assert!(last["started"].is_string(), "{last}");
    for end in [&first, &last] {
        assert_eq!(end["pod_started"], last["started"], "the first sign in the pod: {end}");
    }

    docker.stop("pause", 1);
    tracer.wait_for("the sandbox's end", PATIENCE, |line| {
        concerns(line, "exit", &pause) && line["process"]["comm"] == "pause"
    });
    let ended = tracer.interrupt();
    assert!(ended.status.success(), "{}", ended.stderr);
    for kind in ["container", "termination", "condition", "fork", "exec", "deliver"] {
        let told: Vec<_> = ended.lines.iter().filter(|line| concerns(line, kind, &pause)).collect();
        assert!(told.is_empty(), "a sandbox is told as a container: {told:?}");
    }
}
