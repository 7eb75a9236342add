//! Every shape seen on a real node or documented by a runtime, and what must never be taken for one.

use super::*;

const A: &str = "6ea1b4602822bd02403ad7e666867f81a739cc7c8cb95bbb56e484ec54908a1e";
const B: &str = "25feb8a9b6fd585a738350f13a2b4a93983bd9bd249cfad25246d7bcd7ffb846";
const UID: &str = "51e6a9b8-d4c3-42d2-a9dc-10dd18aa6ac7";
const USCORE: &str = "51e6a9b8_d4c3_42d2_a9dc_10dd18aa6ac7";
const STATIC: &str = "8c8b5a2d0f4c4b0e9d0a1b2c3d4e5f60";
const FARGATE: &str = "1f0e2d3c4b5a69788796a5b4c3d2e1f0";

/// Fills `A`, `B`, `UID`, `USCORE`, `STATIC` and `FARGATE` into a pattern.
fn fill(pattern: &str) -> String {
    let names = [("{A}", A), ("{B}", B), ("{UID}", UID), ("{USCORE}", USCORE), ("{STATIC}", STATIC), ("{F}", FARGATE)];
    names.iter().fold(pattern.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// Expects `id runtime pod` (`-` for no pod), or `nothing`; a `|` in the path ends the container's own cgroup.
#[track_caller]
fn check(pattern: &str, expect: &str) {
    let marked = fill(pattern);
    let own_len = marked.find('|').unwrap_or(marked.len());
    let path = marked.replace('|', "");
    let found = parse(&path);
    let told = found.as_ref().map_or_else(
        || "nothing".to_owned(),
        |found| format!("{} {} {}", found.id, found.runtime, found.pod_uid.as_deref().unwrap_or("-")),
    );
    assert_eq!(told, fill(expect), "{path}");
    if let Some(found) = found {
        assert_eq!(found.own_len, own_len, "own cgroup of {path}");
        assert_eq!(found.is_own(&path), own_len == path.len(), "{path}");
    }
}

/// `/proc/PID/cgroup` of containers on real nodes: kubelet 1.31, containerd 1.6 and 1.7, runc 1.1.
#[test]
fn real_kubelet_paths() {
    let mut seen = 0;
    for line in include_str!("../../../tests/fixtures/cgroup-paths.txt").lines() {
        let Some((expect, proc_line)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) else { continue };
        let path = proc_line.splitn(3, ':').nth(2).expect("hierarchy, controllers, path");
        check(path, expect);
        seen += 1;
    }
    assert_eq!(seen, 45, "the fixture lost lines");
}

#[test]
fn kubelet_with_systemd() {
    let slice = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{USCORE}.slice";
    check(&format!("{slice}/cri-containerd-{{A}}.scope"), "{A} containerd {UID}");
    check(&format!("{slice}/crio-{{A}}.scope"), "{A} cri-o {UID}");
    check(&format!("{slice}/crio-{{A}}.scope|/container"), "{A} cri-o {UID}");
    check(&format!("{slice}/docker-{{A}}.scope"), "{A} docker {UID}");
    check("/kubepods.slice/kubepods-pod{USCORE}.slice/cri-containerd-{A}.scope", "{A} containerd {UID}");
    check("/kubepods.slice/kubepods-pod{STATIC}.slice/crio-{A}.scope|/a/b", "{A} cri-o {STATIC}");
    check(slice, "nothing");
    check(&format!("{slice}/crio-conmon-{{A}}.scope"), "nothing");
}

#[test]
fn kubelet_with_cgroupfs() {
    check("/kubepods/burstable/pod{UID}/{A}", "{A} kubernetes {UID}");
    check("/kubepods/pod{UID}/{A}", "{A} kubernetes {UID}");
    check("/kubepods/burstable/pod{STATIC}/{A}|/sub", "{A} kubernetes {STATIC}");
    check("/kubepods/besteffort/pod{UID}/crio-{A}", "{A} cri-o {UID}");
    check("/kubepods/besteffort/pod{UID}/crio-conmon-{A}", "nothing");
    check("/kubepods/burstable/pod{UID}", "nothing");
    check("/k8s.io/{A}", "{A} containerd -");
}

#[test]
fn drivers_that_disagree() {
    check("/kubepods-besteffort-pod{USCORE}.slice:cri-containerd:{A}", "{A} containerd {UID}");
    check("/system.slice/containerd.service/kubepods-pod{USCORE}.slice:cri-containerd:{A}|/x", "{A} containerd {UID}");
    check("/system.slice/containerd.service/kubepods-pod{STATIC}.slice:cri-containerd:{A}", "{A} containerd {STATIC}");
    check("/system.slice:docker:{A}", "{A} docker -");
    check("/:nerdctl:{A}", "{A} containerd -");
    check("/system.slice:unknown:{A}", "nothing");
    check("/something:docker:{A}", "nothing");
}

#[test]
fn docker() {
    check("/docker/{A}", "{A} docker -");
    check("/system.slice/docker-{A}.scope", "{A} docker -");
    check("/user.slice/user-1000.slice/user@1000.service/app.slice/docker-{A}.scope", "{A} docker -");
    check("/docker/{A}|/system.slice/ssh.service", "{A} docker -");
    check("/docker/{A}|/init.scope", "{A} docker -");
    check("/actions_job/{A}", "{A} containerd -"); // --cgroup-parent: nothing tells it from a containerd namespace
    check("/docker", "nothing");
    check("/docker/buildkit/x7k2mvlq9cz0d7rxm3t1u5sqa", "nothing");
    check("/ecs/{F}/{A}", "{A} docker -");
    check("/ecs/cluster/{F}/{A}", "{A} docker -");
    check("/ecs/{F}/{F}-1234567890", "{F}-1234567890 containerd -");
    check("/ecs/{F}", "nothing");
    check("/ecstasks.slice/ecstasks-{F}.slice/docker-{A}.scope", "{A} docker -");
}

#[test]
fn podman() {
    check("/libpod_parent/libpod-{A}", "{A} podman -");
    check("/libpod_parent/{B}/libpod-{A}", "{A} podman -");
    check("/libpod_parent/{B}", "nothing");
    check("/libpod_parent/conmon", "nothing");
    check("/machine.slice/libpod-{A}.scope", "{A} podman -");
    check("/machine.slice/libpod-{A}.scope|/container", "{A} podman -");
    check("/machine.slice/libpod-{A}.scope|/container/init.scope", "{A} podman -");
    check("/machine.slice/machine-libpod_pod_{B}.slice/libpod-{A}.scope", "{A} podman -");
    check("/machine.slice/machine-libpod_pod_{B}.slice", "nothing");
    check("/machine.slice/libpod-conmon-{A}.scope", "nothing");
    let user = "/user.slice/user-1000.slice/user@1000.service/user.slice";
    check(&format!("{user}/libpod-{{A}}.scope|/container"), "{A} podman -");
    check("/system.slice/web.service/libpod-payload-{A}", "{A} podman -");
    check("/system.slice/web.service/supervisor", "nothing");
}

#[test]
fn containerd_and_nerdctl() {
    check("/default/{A}", "{A} containerd -");
    check("/moby/{A}", "{A} containerd -");
    check("/system.slice/nerdctl-{A}.scope", "{A} containerd -");
    check("/user.slice/user-1000.slice/user@1000.service/user.slice/nerdctl-{A}.scope", "{A} containerd -");
}

#[test]
fn others() {
    check("/lxc/web-1", "web-1 lxc -");
    check("/lxc/101|/ns/system.slice/nginx.service", "101 lxc -");
    check("/lxc.payload.web|/init.scope", "web lxc -");
    check("/lxc.payload/web", "web lxc -");
    check("/lxc.monitor.web", "nothing");
    check("/lxc.monitor/web", "nothing");
    check("/lxc", "nothing");
    check("/garden/{UID}", "{UID} garden -");
    check(
        "/system.slice/garden.service/garden/good/6f265890-5165-7fab-6b52-18d1",
        "6f265890-5165-7fab-6b52-18d1 garden -",
    );
    check("/garden/good", "nothing");
}

/// The innermost container wins, and the innermost pod around it.
#[test]
fn nested() {
    let kind = "/docker/{B}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice";
    check(
        &format!("{kind}/kubelet-kubepods-besteffort-pod{{USCORE}}.slice/cri-containerd-{{A}}.scope"),
        "{A} containerd {UID}",
    );
    check("/docker/{B}/kubelet/kubepods/besteffort/pod{UID}/{A}", "{A} kubernetes {UID}");
    check("/docker/{B}|/kubelet.slice/kubelet.service", "{B} docker -");
    check("/system.slice/docker-{B}.scope/docker/{A}", "{A} docker -");
    check("/docker/{B}/docker/{A}|/x", "{A} docker -");
    check("/kubepods/burstable/pod{UID}/{B}/docker/{A}", "{A} docker {UID}");
    check("/lxc/101/ns/docker/{A}", "{A} docker -");
    // k3d and k3s in Docker: kubepods straight below the outer container
    check("/docker/{B}/kubepods/pod{UID}/{A}", "{A} kubernetes {UID}");
    // kind on a host with the systemd driver, and on Podman, which puts its payload one level down
    let kubelet = |pod: &str| format!("kubelet.slice/kubelet-kubepods.slice/{pod}cri-containerd-{{A}}.scope");
    let burstable = "kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod{USCORE}.slice/";
    check(&format!("/system.slice/docker-{{B}}.scope/{}", kubelet(burstable)), "{A} containerd {UID}");
    let guaranteed = "kubelet-kubepods-pod{USCORE}.slice/";
    check(&format!("/system.slice/docker-{{B}}.scope/{}|/x", kubelet(guaranteed)), "{A} containerd {UID}");
    check(&format!("/machine.slice/libpod-{{B}}.scope/container/{}", kubelet(burstable)), "{A} containerd {UID}");
    check("/machine.slice/libpod-{B}.scope|/container/kubelet.slice/kubelet.service", "{B} podman -");
    check("/libpod_parent/libpod-{B}/kubelet/kubepods/burstable/pod{UID}/{A}", "{A} kubernetes {UID}");
    check("/libpod_parent/libpod-{B}|/kubelet/kubepods/burstable/pod{UID}", "{B} podman -");
    // minikube's docker driver, with Docker or containerd in the node
    let minikube = "/docker/{B}/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{USCORE}.slice";
    check(&format!("{minikube}/docker-{{A}}.scope"), "{A} docker {UID}");
    check(&format!("{minikube}/cri-containerd-{{A}}.scope"), "{A} containerd {UID}");
    check("/system.slice/docker-{B}.scope/kubepods/besteffort/pod{STATIC}/{A}", "{A} kubernetes {STATIC}");
    // a node in LXC, and an LXC container that somebody started below their own session
    check("/lxc/101/ns/kubepods/burstable/pod{UID}/{A}", "{A} kubernetes {UID}");
    check("/lxc.payload.node/kubepods.slice/kubepods-pod{USCORE}.slice/crio-{A}.scope", "{A} cri-o {UID}");
    check("/user.slice/user-1000.slice/user@1000.service/app.slice/run-x.scope/lxc.payload.web|/init", "web lxc -");
    check("/lxc.payload.outer/lxc.payload.inner", "inner lxc -");
    // a node in a pod: a cluster in a cluster, for its tests
    check("/kubepods/burstable/pod{STATIC}/{F}{F}/docker/{B}/kubelet/kubepods/pod{UID}/{A}", "{A} kubernetes {UID}");
    check("/kubepods/burstable/pod{STATIC}/{F}{F}/docker/{B}|/kubelet", "{B} docker {STATIC}");
    // an inner monitor belongs to the outer container
    check("/docker/{B}|/machine.slice/libpod-conmon-{A}.scope", "{B} docker -");
}

#[test]
fn a_slash_at_the_end_changes_nothing() {
    let path = format!("/docker/{A}//");
    assert!(parse(&path).expect("a container").is_own(&path));
}

/// What `/proc/PID/cgroup` shows inside a cgroup namespace for cgroups outside of it.
#[test]
fn from_inside_a_cgroup_namespace() {
    check("/../{A}", "{A} containerd -");
    check("/../../pod{UID}/{A}", "{A} kubernetes {UID}");
    check("/../cri-containerd-{A}.scope", "{A} containerd -");
    check("/../../kubepods-besteffort-pod{USCORE}.slice/crio-{A}.scope|/x", "{A} cri-o {UID}");
    check("/../../../docker/{A}", "{A} docker -");
    check("/..", "nothing");
    check("/../..", "nothing");
}

#[test]
fn what_is_no_container() {
    for path in [
        "",
        "/",
        "//",
        "///.//",
        "/init.scope",
        "/system.slice",
        "/system.slice/docker.service",
        "/system.slice/docker.socket",
        "/system.slice/containerd.service",
        "/system.slice/system-getty.slice/getty@tty1.service",
        "/system.slice/docker-.scope",
        "/system.slice/docker-foo.scope",
        "/user.slice/user-1000.slice/session-3.scope",
        "/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-firefox-4242.scope",
        "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope",
        "/machine.slice/systemd-nspawn@deb.service/payload",
        "/session_api/b97991c2fc18c82ebfec9d6d62803851",
        "/nomad.slice/share.slice/51e6a9b8-d4c3-42d2-a9dc-10dd18aa6ac7.web.scope",
        "/kubepods",
        "/kubepods.slice/kubepods-burstable.slice",
        "/kubepods/burstable/podnouid/x",
    ] {
        check(path, "nothing");
    }
}

/// Anybody who may make a cgroup may name it as they like.
#[test]
fn hostile_garbage() {
    let long = "a/".repeat(100_000);
    let hexes = format!("/{}", "f".repeat(100_000));
    for path in [
        "docker",
        "::::",
        "/:::",
        "/a:b:c:d",
        "/-",
        "/.scope",
        "/-.scope",
        "/docker-\u{0}.scope",
        "/\u{1b}[2J",
        "/pod",
        "/-pod.slice",
        "/kubepods-pod.slice",
        "/lxc/\u{1b}[31m",
        "/lxc/ /x",
        "/\u{1f980}-\u{1f980}.scope",
        &long,
        &hexes,
    ] {
        check(path, "nothing");
    }
    // one digit short, one too many, upper case, a character that is no digit
    for id in [&A[1..], &format!("{A}0"), &A.to_uppercase(), &A.replace('e', "g")] {
        check(&format!("/docker/{id}"), "nothing");
        check(&format!("/system.slice/docker-{id}.scope"), "nothing");
        check(&format!("/kubepods/pod{UID}/{id}"), "nothing");
    }
    // multi-byte characters as long as an id or a uid
    check(&format!("/docker/{}", "é".repeat(32)), "nothing");
    check(&format!("/kubepods/pod{}", "é".repeat(18)), "nothing");
    check("/docker/{A}|/\u{1b}]0;x\u{7}", "{A} docker -");
}
