//! Machines that are made up.

use std::path::PathBuf;

use crate::container::runtime::{self, Kind, Socket};

use super::facts::{Btf, HOST_CGROUP_NAMESPACE, HOST_PID_NAMESPACE, HOST_USER_NAMESPACE, Lockdown, Probe, Runtime};
use super::mounts::Mount;
use super::*;

const SYS_PTRACE: u64 = 1 << 19;
const SYS_ADMIN: u64 = 1 << 21;
const PERFMON: u64 = 1 << 38;
const BPF: u64 = 1 << 39;
const MOUNTS: &str = "1 0 0:1 / /proc rw - proc proc rw\n2 0 0:2 / /sys/fs/cgroup rw - cgroup2 none rw\n";

fn mounts(text: &str) -> Vec<Mount> {
    Mount::parse(text)
}

/// A current machine, as root.
fn fine() -> Facts {
    Facts {
        release: Some("6.12.41-cloud-amd64".to_owned()),
        btf: Btf::Readable,
        ring_buffer: Probe::Works,
        raw_tracepoint: Probe::Works,
        capabilities: Some(0x1ff_ffff_ffff),
        user_namespace: Some(HOST_USER_NAMESPACE),
        pid_namespace: Some(HOST_PID_NAMESPACE),
        cgroup_namespace: Some(HOST_CGROUP_NAMESPACE),
        lockdown: Lockdown::Off,
        proc_knows_us: true,
        mounts: mounts(MOUNTS),
        memlock: Some(8 << 20),
        runtimes: vec![containerd()],
    }
}

fn at(name: &str, kind: Kind, state: runtime::State) -> Runtime {
    Runtime { socket: Socket { path: PathBuf::from(format!("/run/{name}.sock")), kind }, state }
}

fn containerd() -> Runtime {
    let connected = runtime::State::Connected { runtime: "containerd".to_owned(), version: "1.7.24".to_owned() };
    at("containerd", Kind::Cri, connected)
}

fn with(change: impl FnOnce(&mut Facts)) -> Vec<Check> {
    let mut facts = fine();
    change(&mut facts);
    checks(&facts)
}

/// The names of the checks in a state.
fn names(checks: &[Check], state: State) -> Vec<&str> {
    checks.iter().filter(|check| check.state == state).map(|check| check.name).collect()
}

/// Exactly one check fails: tells it.
fn failure(checks: &[Check]) -> (&'static str, String, String) {
    let failing: Vec<_> = checks.iter().filter(|check| check.state == State::Fail).collect();
    let [check] = failing[..] else { panic!("one should fail: {failing:#?}") };
    (check.name, check.found.clone(), check.mend.clone().expect("a mend"))
}

/// Nothing fails, and exactly one check has a remark: tells it.
fn remark(checks: &[Check]) -> (&'static str, String) {
    assert_eq!(names(checks, State::Fail), [""; 0]);
    let remarks: Vec<_> = checks.iter().filter(|check| check.state == State::Warn).collect();
    let [check] = remarks[..] else { panic!("one remark: {remarks:#?}") };
    (check.name, check.found.clone())
}

#[test]
fn a_current_machine_is_fine() {
    let checks = checks(&fine());
    assert_eq!(overall(&checks), State::Ok, "{checks:#?}");
    assert!(checks.iter().all(|check| check.mend.is_none()));
    assert_eq!(judge(&fine()), Ok(()));
}

#[test]
fn not_root() {
    let checks = with(|facts| {
        facts.capabilities = Some(0);
        facts.ring_buffer = Probe::NotPermitted;
        facts.raw_tracepoint = Probe::NotPermitted;
    });
    let (name, found, mend) = failure(&checks);
    assert_eq!(name, "capabilities");
    assert_eq!(found, "CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE are missing");
    assert!(mend.contains("run as root"));
    assert_eq!(names(&checks, State::Warn), ["bpf"], "it follows from the other");
}

#[test]
fn named_capabilities_are_enough() {
    let narrow = |set: u64| with(|facts| facts.capabilities = Some(set));
    assert_eq!(overall(&narrow(BPF | PERFMON | SYS_PTRACE)), State::Ok);
    assert_eq!(overall(&narrow(SYS_ADMIN | SYS_PTRACE)), State::Ok);
    assert_eq!(failure(&narrow(BPF | SYS_PTRACE)).1, "CAP_PERFMON is missing");
    assert_eq!(failure(&narrow(PERFMON)).1, "CAP_BPF and CAP_SYS_PTRACE are missing");
    assert_eq!(remark(&narrow(BPF | PERFMON)).0, "capabilities");
}

#[test]
fn root_of_a_user_namespace_is_not_root() {
    let checks = with(|facts| {
        facts.user_namespace = Some(4_026_532_200);
        facts.ring_buffer = Probe::NotPermitted;
        facts.raw_tracepoint = Probe::NotPermitted;
    });
    let (name, found, _) = failure(&checks);
    assert_eq!(name, "capabilities");
    assert!(found.contains("user namespace"));
}

#[test]
fn no_btf() {
    let (name, _, mend) = failure(&with(|facts| facts.btf = Btf::Missing));
    assert_eq!(name, "btf");
    assert!(mend.contains("CONFIG_DEBUG_INFO_BTF"));
    assert_eq!(failure(&with(|facts| facts.btf = Btf::Unreadable("Permission denied".to_owned()))).0, "btf");
}

#[test]
fn locked_down() {
    let (name, found, mend) = failure(&with(|facts| facts.lockdown = Lockdown::Confidentiality));
    assert_eq!((name, found.as_str()), ("lockdown", "the kernel is locked down: confidentiality"));
    assert!(mend.contains("lockdown=integrity"));
    for harmless in [Lockdown::Integrity, Lockdown::Unknown] {
        assert_eq!(overall(&with(|facts| facts.lockdown = harmless)), State::Ok);
    }
    assert_eq!(Lockdown::parse("none [integrity] confidentiality\n"), Lockdown::Integrity);
    assert_eq!(Lockdown::parse("[none] integrity confidentiality\n"), Lockdown::Off);
    assert_eq!(Lockdown::parse("none integrity [confidentiality]\n"), Lockdown::Confidentiality);
}

#[test]
fn old_kernels() {
    let old = |release: &str| release.to_owned();
    let checks = with(|facts| {
        facts.release = Some(old("5.4.0-150-generic"));
        facts.ring_buffer = Probe::Missing;
    });
    let (name, found, mend) = failure(&checks);
    assert_eq!((name, found.as_str()), ("kernel", "Linux 5.4.0-150-generic is too old"));
    assert!(mend.contains("5.15"));
    let checks = with(|facts| facts.release = Some(old("5.10.0-30-amd64")));
    assert_eq!(remark(&checks).0, "kernel");
    for supported in ["5.15.0", "6.1.0-40-cloud-amd64", "7.0-rc1"] {
        assert_eq!(overall(&with(|facts| facts.release = Some(old(supported)))), State::Ok, "{supported}");
    }
}

#[test]
fn a_kernel_without_bpf() {
    let checks = with(|facts| {
        facts.ring_buffer = Probe::Missing;
        facts.raw_tracepoint = Probe::Missing;
    });
    let (name, found, _) = failure(&checks);
    assert_eq!((name, found.as_str()), ("bpf", "the kernel has no ring buffer and no raw tracepoint"));
}

#[test]
fn refused_by_seccomp() {
    let (name, _, mend) = failure(&with(|facts| facts.ring_buffer = Probe::NotPermitted));
    assert_eq!(name, "bpf");
    assert!(mend.contains("seccomp"));
    assert_eq!(failure(&with(|facts| facts.raw_tracepoint = Probe::Failed("what?".to_owned()))).0, "bpf");
}

#[test]
fn no_host_pid() {
    let checks = with(|facts| {
        facts.pid_namespace = Some(4_026_532_300);
        facts.proc_knows_us = false;
    });
    let (name, _, mend) = failure(&checks);
    assert_eq!(name, "pid-namespace");
    assert!(mend.contains("hostPID: true") && mend.contains("--pid=host"));
}

#[test]
fn odd_ways_to_mount_proc() {
    let proc = |text: &str| format!("{text}\n{}", MOUNTS.lines().last().expect("cgroups"));
    assert_eq!(failure(&with(|facts| facts.mounts = mounts(&proc("")))).0, "proc");
    assert_eq!(failure(&with(|facts| facts.proc_knows_us = false)).0, "proc");
    let hidden = proc("1 0 0:1 / /proc rw - proc proc rw,hidepid=invisible");
    assert_eq!(overall(&with(|facts| facts.mounts = mounts(&hidden))), State::Ok, "CAP_SYS_PTRACE sees it");
    let checks = with(|facts| {
        facts.mounts = mounts(&hidden);
        facts.capabilities = Some(BPF | PERFMON);
    });
    assert_eq!(names(&checks, State::Warn), ["capabilities", "proc"]);
    let subset = proc("1 0 0:1 / /proc rw - proc proc rw,subset=pid");
    assert_eq!(remark(&with(|facts| facts.mounts = mounts(&subset))).0, "proc");
}

#[test]
fn cgroup_modes() {
    let found = |cgroups: &str| {
        let text = format!("{}\n{cgroups}", MOUNTS.lines().next().expect("/proc"));
        with(|facts| facts.mounts = mounts(&text)).into_iter().find(|check| check.name == "cgroups").expect("cgroups")
    };
    let v1 = "3 0 0:3 / /sys/fs/cgroup/pids rw - cgroup none rw,pids\n";
    let v2 = "2 0 0:2 / /sys/fs/cgroup/unified rw - cgroup2 none rw\n";
    assert_eq!(found(v1).found, "v1: pids");
    assert_eq!(found(&format!("{v1}{}", v1.replace("/sys", "/chroot/sys"))).found, "v1: pids");
    assert_eq!(found(&format!("{v1}{v2}")).found, "hybrid: v2 at /sys/fs/cgroup/unified, v1: pids");
    assert_eq!(found("").state, State::Fail);
    let own_part = "3 0 0:3 /docker/0123 /sys/fs/cgroup/pids ro - cgroup none rw,pids\n";
    assert_eq!(found(own_part).state, State::Warn);
}

#[test]
fn cgroup_namespaces() {
    let check = |root: &str| {
        with(|facts| {
            facts.cgroup_namespace = Some(4_026_532_400);
            facts.mounts = mounts(&MOUNTS.replace("/ /sys/fs/cgroup", &format!("{root} /sys/fs/cgroup")));
        })
    };
    assert_eq!(remark(&check("/")).0, "cgroups", "only its own part");
    assert_eq!(overall(&check("/../../..")), State::Ok, "the host's, mounted into a container");
}

#[test]
fn locked_memory_matters_on_old_kernels() {
    let limited = |release: &str, capabilities: u64| {
        with(|facts| {
            facts.release = Some(release.to_owned());
            facts.capabilities = Some(capabilities);
            facts.memlock = Some(64 << 10);
        })
    };
    let few = BPF | PERFMON | SYS_PTRACE;
    assert_eq!(names(&limited("5.10.0", few), State::Warn), ["kernel", "memlock"]);
    assert_eq!(names(&limited("5.10.0", u64::MAX), State::Warn), ["kernel"]);
    assert_eq!(overall(&limited("5.15.0", few)), State::Ok);
}

#[test]
fn runtimes() {
    let found = |runtimes: Vec<Runtime>| {
        let checks = with(|facts| facts.runtimes = runtimes);
        checks.into_iter().find(|check| check.name == "runtimes").expect("always looked at")
    };
    let remark = |runtimes| {
        let check = found(runtimes);
        (check.found, check.mend.expect("a remark"))
    };
    assert!(remark(Vec::new()).1.contains("--cri"));
    let fine = found(vec![containerd(), at("other", Kind::Cri, runtime::State::Unserved)]);
    assert_eq!((fine.state, fine.mend), (State::Ok, None));
    assert_eq!(fine.found, "containerd 1.7.24 (CRI) at /run/containerd.sock; /run/other.sock serves no CRI");
    assert!(remark(vec![at("other", Kind::Cri, runtime::State::Unserved)]).1.contains("disabled_plugins"));
    let (found, mend) = remark(vec![at("docker", Kind::Docker, runtime::State::Absent), containerd()]);
    assert_eq!(found, "/run/docker.sock (Docker API): nobody listens; containerd 1.7.24 (CRI) at /run/containerd.sock");
    assert!(mend.contains("start the runtime"));
    let (found, mend) = remark(vec![at("docker", Kind::Docker, runtime::State::Forbidden)]);
    assert_eq!(found, "/run/docker.sock (Docker API): permission denied");
    assert!(mend.contains("run as root"));
    assert!(remark(vec![at("x", Kind::Cri, runtime::State::Hanging)]).0.ends_with("no answer"));
    assert!(remark(vec![at("x", Kind::Cri, runtime::State::Failing("odd".to_owned()))]).0.ends_with("odd"));
}

#[test]
fn without_proc_little_is_known_and_one_thing_fails() {
    let checks = with(|facts| {
        facts.release = None;
        facts.capabilities = None;
        facts.user_namespace = None;
        facts.pid_namespace = None;
        facts.cgroup_namespace = None;
        facts.mounts.clear();
        facts.proc_knows_us = false;
    });
    assert_eq!(failure(&checks).0, "proc");
}

#[test]
fn the_live_commands_give_one_error() {
    let mut facts = Facts { btf: Btf::Missing, ..fine() };
    let unsuitable = judge(&facts).expect_err("no BTF");
    insta::assert_snapshot!(unsuitable, @"cannot trace here: /sys/kernel/btf/vmlinux is missing; use a kernel with CONFIG_DEBUG_INFO_BTF=y, as distributions build them; in a container, mount the host's /sys, or /sys/kernel/btf alone");
    facts.lockdown = Lockdown::Confidentiality;
    let unsuitable = judge(&facts).expect_err("two problems");
    assert!(unsuitable.to_string().ends_with("(and one more problem: see `tracer doctor`)"), "{unsuitable}");
}
