//! A node that is a container with systemd in it, as kind's are: containerd's containers get their cgroups from systemd,
//! below the pod's slice.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::lab::docker::{Cgroups, Daemon, Options};
use super::lab::tracer::{BINARY, Tracer};
use super::lab::{self, PATIENCE, host, output, read, until};
use super::nested::stopped_by_the_nodes_runtime;
use super::{PROGRAMS, place, termination};

const SYSTEMD: &str = "/lib/systemd/systemd";
const POD: &str = "51e6a9b8-d4c3-42d2-a9dc-10dd18aa6ac7";
const CONTAINER: &str = "6ea1b4602822bd02403ad7e666867f81a739cc7c8cb95bbb56e484ec54908a1e";
const CTR: [&str; 5] = ["ctr", "--address", "/run/node/containerd.sock", "--namespace", "k8s.io"];

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn systemd_makes_the_cgroups_of_a_pod_in_a_node() {
    let test = "systemd_makes_the_cgroups_of_a_pod_in_a_node";
    if !lab::can_run(test, &[&PROGRAMS[..], &["systemctl", "ctr"]].concat()) {
        return;
    }
    let docker = place::daemon(Cgroups::PureV2);
    let node = start_node(&docker);
    let recording = docker.socket().with_file_name("recording");
    let (socket, file) = (docker.socket().display().to_string(), recording.display().to_string());
    let mut tracer = Tracer::start(docker.enter(BINARY), &["--docker", &socket, "--record", &file], place::begun);
    let mut late = place::tracer(&docker, "agent", &["--privileged", "--pid=host", "--runtime=lab"], &[]);

    start_container(&docker);
    for signal in ["SIGTERM", "SIGKILL"] {
        read(ctr(&docker).args(["task", "kill", "--signal", signal, CONTAINER]));
    }
    for (place, tracer) in [("beside", &mut tracer), ("in a container", &mut late)] {
        stopped_by_the_nodes_runtime(place, &termination(tracer, CONTAINER), &node);
    }
    let ended = tracer.interrupt();
    assert!(ended.status.success(), "{}: {}", ended.status, ended.stderr);
    let recorded = fs::read_to_string(&recording).expect("it has been written");
    let events = recorded.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let cgroup = events.map(|event| event[1]["cgroup"].clone()).find(|found| found["container"] == CONTAINER);
    let cgroup = cgroup.expect("its cgroup is recorded");
    let slice = format!("kubepods-burstable-pod{}.slice", POD.replace('-', "_"));
    let path =
        format!("/docker/{node}/kubepods.slice/kubepods-burstable.slice/{slice}/cri-containerd-{CONTAINER}.scope");
    assert_eq!((&cgroup["path"], &cgroup["pod_uid"]), (&json!(path), &json!(POD)), "{cgroup}");
    assert_eq!((&cgroup["runtime"], &cgroup["own"]), (&json!("containerd"), &json!(true)), "{cgroup}");
}

/// Starts a container with systemd as PID 1, which starts a containerd. Returns its id.
#[track_caller]
fn start_node(docker: &Daemon) -> String {
    let config = docker.socket().parent().expect("it is in a directory").to_owned();
    let units = config.join("units");
    fs::create_dir(&units).expect("the daemon's directory is ours");
    let write = |name: &str, text: String| fs::write(units.join(name), text).expect("it is ours");
    write("containerd.toml", "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n".to_owned());
    write("default.target", "[Unit]\nDefaultDependencies=no\nWants=containerd.service\n".to_owned());
    let containerd = host::program("containerd").expect("it was asked for").display().to_string();
    let start = format!("{containerd} --config {}/containerd.toml --address {}", units.display(), CTR[2]);
    let service = format!("[Service]\nDelegate=yes\nExecStart={start} --root /run/node/root --state /run/node/state\n");
    write("containerd.service", format!("[Unit]\nDefaultDependencies=no\n{service}"));

    let lend = format!("--volume={0}:{0}:ro", config.display());
    // these units and no others of the host's
    let path = format!("--env=SYSTEMD_UNIT_PATH={}", units.display());
    let args =
        ["--privileged", "--runtime=lab", "--cgroupns=private", "--tmpfs=/run", "--env=container=docker", &path, &lend];
    let options = Options { args: &args, stop_signal: Some("RTMIN+3"), ..Options::default() };
    let id = docker.run("node", &[SYSTEMD, "--system", "--log-target=console"], &options);
    until("the node's containerd to answer", PATIENCE, || {
        output(ctr(docker).arg("version")).status.success().then_some(())
    });
    id
}

/// A `ctr` command in the node.
fn ctr(docker: &Daemon) -> Command {
    let mut client = docker.client(&["exec", "node"]);
    client.args(CTR);
    client
}

/// Starts a container in the node, in the cgroup that kubelet would name to its runtime.
#[track_caller]
fn start_container(docker: &Daemon) {
    let lent = host::mounts(&[]);
    let mut root = vec!["mkdir".to_owned(), "-p".to_owned()];
    root.extend(["proc", "sys", "dev", "run", "tmp"].map(|dir| format!("/run/rootfs/{dir}")));
    root.extend(lent.iter().map(|dir| format!("/run/rootfs{}", dir.display())));
    docker.exec("node", &root.iter().map(String::as_str).collect::<Vec<_>>());
    let cgroup = format!("kubepods-burstable-pod{}.slice:cri-containerd:{CONTAINER}", POD.replace('-', "_"));
    let mut run = ctr(docker);
    // no shares: on a hybrid host, v2 has no such controller
    run.args(["run", "--detach", "--cpu-shares", "0", "--runc-systemd-cgroup", "--cgroup", &cgroup]);
    for dir in lent {
        run.arg("--mount").arg(format!("type=bind,src={0},dst={0},options=rbind:ro", dir.display()));
    }
    read(run.args(["--rootfs", "/run/rootfs", CONTAINER, "/bin/sh", "-c", "/bin/sleep 1000; true"]));
}
