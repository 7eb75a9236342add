//! Containers in a container, as in kind, k3d, minikube and docker-in-docker: what happens in the inner one is the inner
//! one's.

use std::process::Command;

use serde_json::Value;

use super::lab::docker::{Cgroups, Daemon, IMAGE, Options};
use super::lab::tracer::{BINARY, Tracer};
use super::lab::{self, PATIENCE, host, output, read, until};
use super::{DROPS, PROGRAMS, is_of, place, termination};

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn containers_in_a_container_on_pure_cgroup_v2() {
    nested("containers_in_a_container_on_pure_cgroup_v2", Cgroups::PureV2);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn containers_in_a_container_on_the_hosts_cgroups() {
    nested("containers_in_a_container_on_the_hosts_cgroups", Cgroups::Host);
}

fn nested(test: &str, cgroups: Cgroups) {
    if !lab::can_run(test, &PROGRAMS) {
        return;
    }
    let docker = place::daemon(cgroups);
    let node = Node::start(&docker);
    let early = node.run("early");
    let mut tracers = [
        ("beside", place::tracer_beside(&docker)),
        // in a container beside the node
        ("in a container", place::tracer(&docker, "agent", &["--privileged", "--pid=host", "--runtime=lab"], &[])),
    ];
    // One process of the inner container: the node around it is not meant. Its runtime tells its name, and a pid that is
    // the node's.
    let pid = first_process(&early);
    let socket = format!("/proc/{}/root{SOCKET}", docker.pid("node"));
    let only = Tracer::start(docker.enter(BINARY), &["--pid", &pid.to_string(), "--docker", &socket], place::begun);
    let late = node.run("late");
    let last = node.run("last");
    // A process of the node that is no container's, and kills nobody's.
    docker.exec("node", &["sh", "-c", "sleep 1000 & kill -KILL $!; wait"]);
    for name in ["early", "late"] {
        read(&mut node.client(&["stop", "--time", "1", name]));
    }
    for (place, tracer) in &mut tracers {
        for id in [&early, &late] {
            stopped_by_the_nodes_runtime(place, &termination(tracer, id), &node.id);
        }
        let of_the_node = |line: &&Value| line["kind"] == "termination" && is_of(line, &node.id);
        assert_eq!(tracer.lines().iter().find(of_the_node), None, "{place}: the node runs");
        // Each signal is told of the container its target is in, and SIGKILL at the node's own process is the node's.
        let kills = tracer.lines().iter().filter(|line| line["kind"] == "signal" && line["signal"] == "SIGKILL");
        let of_the_node: Vec<_> = kills.filter(|line| is_of(line, &node.id)).collect();
        assert!(matches!(of_the_node[..], [one] if one["sender"]["role"] == "inside"), "{place}: {of_the_node:#?}");
    }

    let ended = only.interrupt();
    let strangers: Vec<_> = ended.lines.iter().filter(|line| !is_of(line, &early) && line["id"] != early).collect();
    assert!(ended.status.success() && strangers.is_empty(), "{}{strangers:#?}", ended.stderr);
    let told = ended.lines.iter().find(|line| line["state"] == "described").expect("its runtime was asked");
    assert_eq!((&told["name"], &told["pid"]), (&"early".into(), &pid.into()), "{told}");

    // The node ends, and takes with it what runs in it.
    docker.stop("node", 10);
    for (place, tracer) in &mut tracers {
        let told = termination(tracer, &node.id);
        assert_eq!(told["container"]["name"], "node", "{place}: {told}");
        let told = termination(tracer, &last);
        assert_eq!((&told["verdict"], &told["certain"]), (&"killed".into(), &true.into()), "{place}: {told}");
        assert_eq!(told["kill"]["sender"]["role"], "kernel", "{place}: {told}");
    }
    for (place, tracer) in tracers {
        succeeds(place, tracer);
    }
}

/// The Docker daemon's, in the node.
const SOCKET: &str = "/run/node/docker.sock";

/// The pid on the host of a container's first process.
#[track_caller]
fn first_process(id: &str) -> u32 {
    let is_in = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|text| text.contains(id));
    until("the container's first process", PATIENCE, || {
        let entries = std::fs::read_dir("/proc").expect("/proc can be read").filter_map(Result::ok);
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(is_in)
    })
}

#[track_caller]
fn succeeds(place: &str, tracer: Tracer) {
    let ended = tracer.interrupt();
    assert!(ended.status.success(), "{place}: {}: {}", ended.status, ended.stderr);
}

/// The sender is in the node, which is a container as well, and the runtime all the same.
#[track_caller]
pub(crate) fn stopped_by_the_nodes_runtime(place: &str, told: &Value, node: &str) {
    assert_eq!(told["verdict"], "sigterm-dropped", "{place}: {told}");
    assert_eq!(told["cause"], "no-handler", "{place}: {told}");
    assert_eq!(told["certain"], true, "{place}: {told}");
    let sender = &told["sender"];
    assert_eq!((&sender["role"], &sender["comm"]), (&"runtime".into(), &"runc".into()), "{place}: {told}");
    assert_eq!(sender["container"]["id"], node, "{place}: {told}");
    assert_eq!(told["processes"].as_array().map(Vec::len), Some(2), "{place}: {told}");
    let first = &told["processes"][0];
    assert_eq!((&first["comm"], &first["ns_pid"]), (&"sh".into(), &1.into()), "{place}: {told}");
}

/// A container with a Docker daemon of its own in it.
struct Node<'a> {
    docker: &'a Daemon,
    id: String,
}

impl<'a> Node<'a> {
    /// Starts it and waits until its daemon answers. The outer daemon ends it.
    #[track_caller]
    fn start(docker: &'a Daemon) -> Self {
        let config = docker.socket().parent().expect("it is in a directory").display().to_string();
        let lend = format!("--volume={config}:{config}:ro");
        let args = ["--privileged", "--runtime=lab", &lend];
        let command = ["sh", "-c", include_str!("nested.sh"), "nested.sh", &config];
        let id = docker.run("node", &command, &Options { args: &args, ..Options::default() });
        let node = Self { docker, id };
        until("the node's Docker daemon to answer", PATIENCE, || {
            output(&mut node.client(&["info"])).status.success().then_some(())
        });
        read(&mut node.client(&["import", &format!("{config}/image.tar"), IMAGE]));
        node
    }

    /// A `docker` command in the node, for its daemon.
    fn client(&self, args: &[&str]) -> Command {
        let docker = host::program("docker").unwrap_or_else(|| "docker".into());
        let mut client = self.docker.client(&["exec", "node"]);
        client.arg(docker).arg("--host").arg(format!("unix://{SOCKET}")).args(args);
        client
    }

    /// Starts a container in the node and returns its id.
    #[track_caller]
    fn run(&self, name: &str) -> String {
        let mut run = self.client(&["run", "--detach", "--network", "none", "--name", name]);
        for dir in host::mounts(&[]) {
            run.arg("--volume").arg(format!("{0}:{0}:ro", dir.display()));
        }
        read(run.arg(IMAGE).args(DROPS))
    }
}
