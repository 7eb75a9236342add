//! The lab of pods itself: a containerd and a kubelet, and a Podman, that do what they are for and leave nothing.

mod lab;

use std::path::Path;
use std::process::Command;

use lab::cri::{Containerd, PROGRAMS};
use lab::daemon::{Cgroups, drop_leaves_nothing};
use lab::kubelet::spec::{Parent, Pids, PodSpec};
use lab::kubelet::{Kubelet, Pod};
use lab::podman::{self, Podman};
use lab::{PATIENCE, read, until};

const SHELL: &[&str] = &["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done"];

/// Directories of cgroups, in all hierarchies that this machine has mounted, whose path has that in it.
fn cgroups_with(part: &str) -> Vec<String> {
    let found = read(Command::new("find").args(["/sys/fs/cgroup", "-type", "d", "-path", &format!("*{part}*")]));
    found.lines().map(str::to_owned).collect()
}

/// The cgroup of a process, where the hierarchy has one for its container.
fn cgroup(pid: u32, id: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("it runs");
    let of_container = text.lines().find(|line| line.ends_with(id)).expect("it is in its container's cgroup");
    of_container.splitn(3, ':').last().unwrap_or_default().to_owned()
}

fn pods_run_and_are_deleted(cgroups: Cgroups) {
    let containerd = Containerd::start(cgroups);
    let kubelet = Kubelet::new(&containerd);
    let parents = [
        (Parent::Cgroupfs, "/kubepods/burstable/pod"),
        (Parent::Slices, "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod"),
        (Parent::Mixed, "/kubepods-burstable-pod"),
        (Parent::Runtime, "/k8s.io/"),
    ];
    for (parent, begins) in parents {
        let pod = kubelet.run(PodSpec { parent, ..PodSpec::new("shape", 30, SHELL) });
        let id = pod.container("main").id;
        let pid = kubelet.pid(&id);
        let cgroup = cgroup(pid, &id);
        assert!(cgroup.starts_with(begins), "{cgroup}");
        let output = kubelet.exec(&id, &["cat", "/proc/1/comm"]).expect("the command runs");
        assert_eq!((output.stdout.as_slice(), output.exit_code), (b"sh\n".as_slice(), 0));
        kubelet.delete(&pod, None);
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "it outlives its pod");
        // /k8s.io stays: it is the runtime's, and empty
        let pods = if parent == Parent::Runtime { cgroup.as_str() } else { cgroup.trim_end_matches(&id) };
        until("the pod's cgroups to be gone", PATIENCE, || cgroups_with(pods).is_empty().then_some(()));
    }
    let pod = kubelet.run(PodSpec { pids: Pids::Pod, ..PodSpec::new("shared", 30, SHELL) });
    let output = kubelet.exec(&pod.container("main").id, &["cat", "/proc/1/comm"]).expect("the command runs");
    assert_eq!(output.stdout, b"pause\n");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn pods_on_pure_cgroup_v2() {
    if lab::can_run("pods_on_pure_cgroup_v2", &PROGRAMS) {
        pods_run_and_are_deleted(Cgroups::PureV2);
    }
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn pods_on_the_hosts_cgroups() {
    if lab::can_run("pods_on_the_hosts_cgroups", &PROGRAMS) {
        pods_run_and_are_deleted(Cgroups::Host);
    }
}

/// A pod that runs, and the pid of its first process.
fn forever(containerd: &Containerd) -> (Pod, u32) {
    let kubelet = Kubelet::new(containerd);
    let pod = kubelet.run(PodSpec::new("forever", 30, SHELL));
    let pid = kubelet.pid(&pod.container("main").id);
    (pod, pid)
}

#[track_caller]
fn containerd_leaves_nothing(containerd: Containerd, pod: &Pod, pid: u32) {
    let (dir, cgroup) = (containerd.dir().to_owned(), cgroup(pid, &pod.container("main").id));
    drop_leaves_nothing(containerd, &dir, "forever", pid);
    let pods = cgroup.rsplit_once('/').expect("it is a path").0;
    assert_eq!(cgroups_with(pods), [""; 0], "cgroups are left");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_dropped_containerd_leaves_nothing_behind() {
    if !lab::can_run("a_dropped_containerd_leaves_nothing_behind", &PROGRAMS) {
        return;
    }
    // Whether it runs, hangs or is gone, its pods end with the test.
    for trouble in [|_: &Containerd| {}, Containerd::hang, Containerd::stop_containerd] {
        let containerd = Containerd::start(Cgroups::PureV2);
        let (pod, pid) = forever(&containerd);
        trouble(&containerd);
        containerd_leaves_nothing(containerd, &pod, pid);
    }
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_dropped_podman_leaves_nothing_behind() {
    if !lab::can_run("a_dropped_podman_leaves_nothing_behind", &podman::PROGRAMS) {
        return;
    }
    let podman = Podman::start(Cgroups::PureV2);
    let id = podman.run(&["--name", "forever", "--network", "none"], SHELL);
    let pid = read(&mut podman.client(&["inspect", "--format", "{{.State.Pid}}", "forever"])).parse().expect("a pid");
    assert_eq!(cgroup(pid, &id), format!("/libpod_parent/libpod-{id}"));
    let dir = podman.socket().parent().expect("it is a file").to_owned();
    drop_leaves_nothing(podman, &dir, "forever", pid);
    assert_eq!(cgroups_with(&id), [""; 0], "cgroups are left");
}
