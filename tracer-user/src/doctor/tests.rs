//! Machines that are made up.

use std::path::PathBuf;

use crate::container::hierarchy::{self, Hierarchies, V1};
use crate::container::path::parse;
use crate::container::runtime::{self, Kind, Socket};

use super::facts::{Btf, HOST_PID_NAMESPACE, HOST_USER_NAMESPACE, Inside, Lockdown, Probe, Runtime};
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

/// A hierarchy that is mounted there.
fn shown(point: &str, whole: bool) -> hierarchy::Mount {
    hierarchy::Mount { point: point.into(), root: "/".to_owned(), whole, home: Vec::new() }
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
        lockdown: Lockdown::Off,
        proc_knows_us: true,
        others: Probe::Works,
        mounts: mounts(MOUNTS),
        hierarchies: Hierarchies { v2: Some(shown("/sys/fs/cgroup", true)), v1: None },
        inside: Inside::Host,
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
    assert_eq!(judge("trace", checks), Ok(()));
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
    let found = |v2: Option<&str>, v1: &[&str]| {
        let check = with(|facts| {
            let lines = v1.iter().map(|point| format!("3 0 0:3 / {point} rw - cgroup none rw,pids\n"));
            facts.mounts.extend(mounts(&lines.collect::<String>()));
            facts.hierarchies = Hierarchies {
                v2: v2.map(|point| shown(point, true)),
                v1: v1.first().map(|point| V1 {
                    controller: "pids",
                    enum_name: "pids_cgrp_id",
                    hierarchy_id: 8,
                    mount: shown(point, true),
                }),
            };
        });
        let check = check.into_iter().find(|check| check.name == "cgroups").expect("cgroups");
        (check.state, check.found)
    };
    let pids = "/sys/fs/cgroup/pids";
    assert_eq!(found(Some("/sys/fs/cgroup"), &[]).1, "v2 at /sys/fs/cgroup");
    assert_eq!(found(None, &[pids]).1, "v1 at /sys/fs/cgroup/pids: pids");
    assert_eq!(found(None, &[pids, "/chroot/sys/fs/cgroup/pids"]).1, "v1 at /sys/fs/cgroup/pids: pids");
    let both = found(Some("/sys/fs/cgroup/unified"), &[pids]);
    assert_eq!(both, (State::Ok, "hybrid: v2 at /sys/fs/cgroup/unified, v1: pids".to_owned()));
    assert_eq!(found(None, &[]).0, State::Fail);
}

/// Nothing of the host's cgroups is to be seen, which makes every other container invisible.
#[test]
fn only_a_part_of_the_cgroups() {
    let partly = |change: fn(&mut Facts)| {
        with(|facts| {
            facts.hierarchies.v2 = Some(shown("/sys/fs/cgroup", false));
            facts.inside = Inside::Some("its cgroup namespace");
            change(facts);
        })
    };
    let (name, found, mend) = failure(&partly(|_| {}));
    assert_eq!((name, found.as_str()), ("cgroups", "v2 at /sys/fs/cgroup; only a part of the host's"));
    assert!(mend.contains("SYS_PTRACE") && mend.contains("hostPath: {path: /sys/fs/cgroup}"), "{mend}");
    // with the host's pids the rest comes by itself: one cause, one failure
    let own_pids = partly(|facts| facts.pid_namespace = Some(4_026_532_300));
    assert_eq!(failure(&own_pids).0, "pid-namespace");
    assert_eq!(names(&own_pids, State::Warn), ["cgroups"]);
    let on_the_host = failure(&partly(|facts| facts.inside = Inside::Host));
    assert_eq!((on_the_host.0, on_the_host.2.contains("hostPath")), ("cgroups", false));
    assert_eq!(overall(&partly(|facts| facts.hierarchies.v2 = Some(shown("/host/sys/fs/cgroup", true)))), State::Ok);
}

#[test]
fn where_it_runs() {
    let told = |inside: Inside| with(|facts| facts.inside = inside).swap_remove(0).found;
    assert_eq!(told(Inside::Host), "none: this is the host");
    assert_eq!(told(Inside::Some("its pid namespace")), "in a container or sandbox: its pid namespace tells");
    let own = |path: &str| Inside::Container(parse(path).expect("a container"));
    let id = "0123456789abcdef".repeat(4);
    assert_eq!(told(own(&format!("/docker/{id}/x"))), "in 0123456789ab (docker)");
    let uid = "51e6a9b8-d4c3-42d2-a9dc-10dd18aa6ac7";
    let pod = format!("in 0123456789ab (kubernetes) of the pod {uid}");
    assert_eq!(told(own(&format!("/kubepods/burstable/pod{uid}/{id}"))), pod);
    assert_eq!(told(own("/lxc/101")), "in 101 (lxc)");
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
    let (found, mend) = remark(vec![at("docker", Kind::Docker, runtime::State::Deserted), containerd()]);
    assert_eq!(found, "/run/docker.sock (Docker API): nobody listens; containerd 1.7.24 (CRI) at /run/containerd.sock");
    assert!(mend.contains("start the runtime"));
    let (found, mend) = remark(vec![at("docker", Kind::Docker, runtime::State::Forbidden)]);
    assert_eq!(found, "/run/docker.sock (Docker API): permission denied");
    assert!(mend.contains("run as root"));
    let (found, mend) = remark(vec![at("x", Kind::Docker, runtime::State::Closed(PathBuf::from("/run/y")))]);
    assert_eq!(found, "/run/x.sock (Docker API): permission denied to enter the directory /run/y");
    assert!(mend.contains("enter the directory"), "{mend}");
    let (found, mend) = remark(vec![at("x", Kind::Cri, runtime::State::Absent)]);
    assert_eq!(found, "/run/x.sock (CRI): no such file");
    assert!(mend.contains("--cri"), "{mend}");
    assert!(remark(vec![at("x", Kind::Cri, runtime::State::NoSocket)]).0.ends_with("is no socket"));
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
        facts.mounts.clear();
        facts.proc_knows_us = false;
    });
    assert_eq!(failure(&checks).0, "proc");
}

#[test]
fn the_live_commands_give_one_error() {
    let mut facts = Facts { btf: Btf::Missing, ..fine() };
    let unsuitable = judge("trace", checks(&facts)).expect_err("no BTF");
    insta::assert_snapshot!(unsuitable, @"cannot trace here: /sys/kernel/btf/vmlinux is missing; use a kernel with CONFIG_DEBUG_INFO_BTF=y, as distributions build them; in a container, mount the host's /sys, or /sys/kernel/btf alone");
    facts.lockdown = Lockdown::Confidentiality;
    let unsuitable = judge("trace", checks(&facts)).expect_err("two problems");
    assert!(unsuitable.to_string().ends_with("(and one more problem: see `tracer doctor`)"), "{unsuitable}");
}

/// Why an audit is refused on a machine, if it is.
fn audit_refused(change: impl FnOnce(&mut Facts)) -> Option<String> {
    let mut facts = fine();
    change(&mut facts);
    judge("audit", checks::audit_checks(&facts)).err().map(|unsuitable| unsuitable.to_string())
}

#[test]
fn an_audit_is_refused_where_it_would_miss_containers() {
    let refused = |why: &str, change: fn(&mut Facts)| {
        let told = audit_refused(change).unwrap_or_else(|| panic!("{why}: not refused"));
        assert!(told.starts_with("cannot audit here: ") && told.contains(why), "{told}");
    };
    refused("--pid=host", |facts| facts.pid_namespace = Some(0xF000_0001));
    refused("--pid=host", |facts| {
        // all at once, as in a container that was given nothing
        facts.pid_namespace = Some(0xF000_0001);
        facts.inside = Inside::Some("its pid namespace");
        facts.hierarchies = Hierarchies { v2: Some(shown("/sys/fs/cgroup", false)), v1: None };
        facts.capabilities = Some(0xa804_25fb);
    });
    refused("only a part of the host's", |facts| {
        facts.inside = Inside::Some("its cgroup namespace");
        facts.hierarchies = Hierarchies { v2: Some(shown("/sys/fs/cgroup", false)), v1: None };
    });
    refused("no cgroup hierarchy", |facts| facts.hierarchies = Hierarchies::default());
    refused("CAP_SYS_PTRACE is missing", |facts| facts.capabilities = Some(BPF | PERFMON));
    refused("CAP_SYS_PTRACE is missing", |facts| facts.capabilities = Some(0));
    refused("user namespace", |facts| facts.user_namespace = Some(0xF000_0002));
    refused("apparmor=unconfined", |facts| facts.others = Probe::NotPermitted);
    refused("/proc is not mounted", |facts| facts.mounts.remove(0).kind.clear());
}

#[test]
fn an_audit_needs_no_bpf() {
    assert_eq!(audit_refused(|_| {}), None);
    let without = |facts: &mut Facts| {
        facts.btf = Btf::Missing;
        facts.raw_tracepoint = Probe::NotPermitted;
        facts.capabilities = Some(SYS_PTRACE);
        facts.release = Some("4.19.0".to_owned());
        facts.lockdown = Lockdown::Confidentiality;
    };
    assert_eq!(audit_refused(without), None);
}
