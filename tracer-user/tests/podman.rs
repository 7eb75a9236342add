//! Containers of a real Podman: their names and grace periods come by its API, which speaks Docker's language.

mod lab;

use lab::daemon::Cgroups;
use lab::podman::{IMAGE, PROGRAMS, Podman};
use lab::tracer::{BINARY, Said, Tracer};
use lab::{PATIENCE, read, until};
use serde_json::Value;

const DROPS: [&str; 3] = ["sh", "-c", "echo ready; sleep 1000; true"];
const HANDLES: [&str; 3] = ["sh", "-c", "trap 'exit 0' USR1; echo ready; while :; do sleep 0.05; done"];

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn podman_on_pure_cgroup_v2() {
    // Podman 4.3 lets no container of a pod open a device, if the pod has a cgroup of v2 and no systemd.
    stopped("podman_on_pure_cgroup_v2", Cgroups::PureV2, "--share-parent=false");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn podman_on_the_hosts_cgroups() {
    stopped("podman_on_the_hosts_cgroups", Cgroups::Host, "--share-parent=true");
}

fn stopped(test: &str, cgroups: Cgroups, parent: &str) {
    if !lab::can_run(test, &PROGRAMS) {
        return;
    }
    let podman = Podman::start(cgroups);
    let socket = podman.socket();
    let args = ["--docker", socket.to_str().expect("a path in plain text")];
    let begun = |said: Said<'_>| matches!(said, Said::Note(note) if note.starts_with("tracer: tracing"));
    let mut tracer = Tracer::start(podman.enter(BINARY), &args, begun);

    // Its own grace period, which is kept.
    let dropped = podman.run(&["--name", "drops", "--network", "none", "--stop-timeout", "2"], &DROPS);
    // Its own stop signal.
    let handled = podman.run(&["--name", "handles", "--network", "none", "--stop-signal", "SIGUSR1"], &HANDLES);
    // In a pod, whose first process is that of a container that is none.
    let pod = read(&mut podman.client(&["pod", "create", "--name", "duo", "--network", "none", parent]));
    let member = podman.run(&["--name", "member", "--pod", "duo"], &DROPS);
    for name in ["drops", "handles", "member"] {
        let says = || read(&mut podman.client(&["logs", name])).contains("ready").then_some(());
        until(&format!("{name} to be ready"), PATIENCE, says);
        described(&mut tracer, name);
    }
    let infra = read(&mut podman.client(&["pod", "inspect", "--format", "{{.InfraContainerID}}", "duo"]));

    read(&mut podman.client(&["stop", "drops"]));
    let told = termination(&mut tracer, &dropped);
    expect(&told, "drops", "sigterm-dropped", 2.0);
    assert_eq!((&told["stop_signal"], &told["grace"]["source"]), (&"SIGTERM".into(), &"docker".into()), "{told}");
    assert_eq!(told["sender"]["role"], "runtime", "{told}");
    assert_eq!(told["container"]["pod"], Value::Null, "{told}");

    read(&mut podman.client(&["stop", "handles"]));
    let told = termination(&mut tracer, &handled);
    // Podman configures its ten seconds itself, so that nobody can tell whether somebody asked for them.
    expect(&told, "handles", "graceful", 10.0);
    assert_eq!((&told["stop_signal"], &told["outcome"]), (&"SIGUSR1".into(), &"caught".into()), "{told}");

    // A pod's containers are stopped together, and the time is given on the command line: it is what was seen.
    read(&mut podman.client(&["pod", "stop", "--time", "3", "duo"]));
    let told = termination(&mut tracer, &member);
    assert_eq!((&told["verdict"], &told["grace"]["source"]), (&"sigterm-dropped".into(), &"observed".into()), "{told}");
    assert_eq!((&told["container"]["name"], &told["container"]["pod"]["name"]), (&"member".into(), &"duo".into()));
    assert_eq!(told["container"]["pod"]["uid"], pod.as_str(), "{told}");

    let ended = tracer.interrupt();
    assert!(ended.status.success(), "{}", ended.stderr);
    let of_infra = |line: &&Value| line["kind"] == "termination" && line["container"]["id"] == infra.as_str();
    assert_eq!(ended.lines.iter().find(of_infra), None, "the infra container belongs to the pod");
}

/// A description by Podman, with what it must know.
fn described(tracer: &mut Tracer, name: &str) {
    let line = tracer.wait_for(&format!("the description of {name}"), PATIENCE, |line| {
        line["kind"] == "container" && line["state"] == "described" && line["name"] == name
    });
    assert_eq!((&line["runtime"], &line["image"]), (&"podman".into(), &IMAGE.into()), "{line}");
}

/// The termination of a container, by its id.
fn termination(tracer: &mut Tracer, id: &str) -> Value {
    tracer.wait_for(&format!("the termination of {id}"), PATIENCE, |line| {
        line["kind"] == "termination" && line["container"]["id"] == id
    })
}

fn expect(told: &Value, name: &str, verdict: &str, budget_s: f64) {
    assert_eq!((&told["container"]["name"], &told["verdict"]), (&name.into(), &verdict.into()), "{told}");
    assert_eq!(told["grace"]["budget_s"].as_f64(), Some(budget_s), "{told}");
    assert_eq!(told["certain"], true, "{told}");
}
