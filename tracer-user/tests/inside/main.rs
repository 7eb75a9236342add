//! tracer in a container, as a pod of a `DaemonSet` is one: it tells what a tracer on the host tells, or refuses.

#[path = "../lab/mod.rs"]
mod lab;
mod nested;
mod place;
mod systemd;

use std::collections::BTreeSet;

use lab::cgroup::{Cgroup, Version};
use lab::docker::{Cgroups, Daemon, Options};
use lab::tracer::Tracer;
use lab::{PATIENCE, output};
use serde_json::Value;

/// What all of these need.
const PROGRAMS: [&str; 4] = ["dockerd", "containerd", "runc", "nsenter"];
/// A shell that never gets SIGTERM, with a child.
const DROPS: [&str; 3] = ["sh", "-c", "sleep 1000; true"];

/// Ways to start the container, which must all come to the same, beside the one that the documentation tells.
const WAYS: [(&str, &[&str]); 6] = [
    ("admin", &["--cap-add=SYS_ADMIN", "--cap-add=SYS_PTRACE", "--pid=host"]),
    ("private", &["--privileged", "--pid=host", "--cgroupns=private", "--runtime=lab"]),
    ("shared", &["--privileged", "--pid=host", "--cgroupns=host", "--runtime=lab"]),
    (
        "shared-and-mounted",
        &[
            "--privileged",
            "--pid=host",
            "--cgroupns=host",
            "--volume=/sys/fs/cgroup:/sys/fs/cgroup:ro",
            "--runtime=lab",
        ],
    ),
    (
        "mounted-elsewhere",
        &[
            "--privileged",
            "--pid=host",
            "--cgroupns=private",
            "--volume=/sys/fs/cgroup:/host/sys/fs/cgroup:ro",
            "--runtime=lab",
        ],
    ),
    (
        "few-capabilities",
        &[
            "--cap-drop=ALL",
            "--cap-add=SYS_PTRACE",
            "--pid=host",
            "--security-opt=seccomp=unconfined",
            "--cgroupns=private",
            "--runtime=lab-bpf",
        ],
    ),
];

/// What `docs/containers.md` has people write between `docker run` and the image, but for the tracer and the sockets,
/// which are elsewhere in these tests.
fn documented() -> Vec<&'static str> {
    let text = include_str!("../../../docs/containers.md");
    let line = text.lines().find_map(|line| line.trim().strip_prefix("docker run --rm ")).expect("a command");
    let mut args: Vec<_> = line.split(" -v /run:").next().expect("a beginning").split(' ').collect();
    assert!(args.contains(&"--privileged") && args.contains(&"-v"), "{args:?}");
    args.push("--runtime=lab");
    args
}

/// All ways, by the names of their containers.
fn ways() -> Vec<(&'static str, Vec<&'static str>)> {
    let others = WAYS.iter().map(|&(name, args)| (name, args.to_vec()));
    std::iter::once(("as-documented", documented())).chain(others).collect()
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn tells_the_same_on_pure_cgroup_v2() {
    tells_the_same("tells_the_same_on_pure_cgroup_v2", Cgroups::PureV2);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn tells_the_same_on_the_hosts_cgroups() {
    tells_the_same("tells_the_same_on_the_hosts_cgroups", Cgroups::Host);
}

fn tells_the_same(test: &str, cgroups: Cgroups) {
    if !lab::can_run(test, &PROGRAMS) {
        return;
    }
    let docker = place::daemon(cgroups);
    let early = docker.run("early", &DROPS, &Options::default());
    let mut outside = place::tracer_beside(&docker);
    let ways = ways();
    let mut inside: Vec<_> = ways.iter().map(|(name, args)| (*name, place::tracer(&docker, name, args, &[]))).collect();
    let late = docker.run("late", &DROPS, &Options::default());
    docker.stop("early", 1);
    docker.stop("late", 1);

    let all: BTreeSet<String> =
        ways.iter().map(|(name, _)| docker.id(name)).chain([early.clone(), late.clone()]).collect();
    let expected = [&early, &late].map(|id| termination(&mut outside, id));
    assert!(expected.iter().all(|told| told["verdict"] == "sigterm-dropped"), "{expected:#?}");
    for (name, tracer) in &mut inside {
        for (id, expected) in [&early, &late].into_iter().zip(&expected) {
            assert_eq!(without_times(&termination(tracer, id)), without_times(expected), "{name}");
        }
        // every container there is has been found by now, its own among them, under the id that Docker knows it by
        let found = |line: &&Value| line["kind"] == "container" && line["state"] == "found";
        let found: BTreeSet<String> = tracer.lines().iter().filter(found).map(|line| text(&line["id"])).collect();
        assert!(all.is_subset(&found), "{name}: {found:?} and not all of {all:?}");
        let others = tracer.lines().iter().filter(|line| line["kind"] == "termination");
        let others: Vec<_> = others.filter(|line| !is_of(line, &early) && !is_of(line, &late)).collect();
        assert!(!others.iter().any(|line| all.contains(&text(&line["container"]["id"]))), "{name}: {others:#?}");
    }
    // Ctrl-C of a tracer in a container ends that one alone
    for (name, tracer) in inside {
        let ended = tracer.interrupt();
        assert!(ended.status.success(), "{name}: {}: {}", ended.status, ended.stderr);
    }
}

/// The next termination of a container.
#[track_caller]
fn termination(tracer: &mut Tracer, id: &str) -> Value {
    tracer.wait_for(&format!("the termination of {id}"), PATIENCE, |line| {
        line["kind"] == "termination" && is_of(line, id)
    })
}

fn is_of(line: &Value, id: &str) -> bool {
    line["container"]["id"] == id
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Without what differs from one tracer to the next: each has kernel programs of its own, which read the clock one
/// after the other.
fn without_times(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let timed = |key: &str| {
                ["time", "started", "ended", "exited", "explanation", "since", "pod_started"].contains(&key)
                    || key.ends_with("_s")
                    || key.ends_with("_ms")
            };
            fields.iter().filter(|(key, _)| !timed(key)).map(|(key, of)| (key.clone(), without_times(of))).collect()
        }
        Value::Array(all) => all.iter().map(without_times).collect(),
        other => other.clone(),
    }
}

/// `--pid` and `--cgroup` mean in a container what they mean on the host, and a process is in the container it is in,
/// whatever `/proc/PID/cgroup` looks like from another cgroup namespace.
#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn pids_and_cgroups_are_the_hosts() {
    if !lab::can_run("pids_and_cgroups_are_the_hosts", &PROGRAMS) {
        return;
    }
    for (cgroups, version) in [(Cgroups::PureV2, Version::V2), (Cgroups::Host, Version::V1)] {
        let docker = place::daemon(cgroups);
        let Some(cgroup) = Cgroup::make(version, "inside") else { continue };
        let id = docker.run("one", &DROPS, &Options::default());
        docker.run("another", &DROPS, &Options::default());
        let pid = docker.pid("one").to_string();
        for (name, args) in ways() {
            let options = ["--pid", &pid, "--cgroup", &cgroup.path];
            let mut tracer = place::tracer(&docker, name, &args, &options);
            let is_found = |line: &Value| line["kind"] == "container" && line["state"] == "found";
            for one in [&id, &cgroup.path] {
                // through Docker's log a line may come later than what is said on standard error
                tracer.wait_for(&format!("{one} to be found"), PATIENCE, |line| is_found(line) && line["id"] == *one);
            }
            let found: BTreeSet<_> =
                tracer.lines().iter().filter(|line| is_found(line)).map(|line| text(&line["id"])).collect();
            assert_eq!(found, BTreeSet::from([id.clone(), cgroup.path.clone()]), "{name} on {cgroups:?}");
            let ended = tracer.interrupt();
            assert!(ended.status.success(), "{name}: {}: {}", ended.status, ended.stderr);
        }
    }
}

/// What cannot be right is refused, with what to do about it.
#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn refuses_what_would_be_wrong() {
    if !lab::can_run("refuses_what_would_be_wrong", &PROGRAMS) {
        return;
    }
    let docker = place::daemon(Cgroups::PureV2);
    // allows all but bpf(2): what Docker's own profile does to those who have CAP_BPF and not CAP_SYS_ADMIN
    let profile = docker.socket().with_file_name("no-bpf.json");
    let no_bpf = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["bpf"],"action":"SCMP_ACT_ERRNO"}]}"#;
    std::fs::write(&profile, no_bpf).expect("the daemon's directory is ours");
    let no_bpf = format!("--security-opt=seccomp={}", profile.display());
    let few = ["--cap-drop=ALL", "--cap-add=SYS_PTRACE", "--runtime=lab-bpf"];

    let own_pids = refused(&docker, &["--privileged", "--runtime=lab"], &[]);
    own_pids.says("pid-namespace", &["hostPID: true", "--pid=host"]);
    let cgroups_alone = ["--privileged", "--runtime=lab", "--volume=/sys/fs/cgroup:/sys/fs/cgroup:ro"];
    refused(&docker, &cgroups_alone, &[]).says("pid-namespace", &["hostPID: true"]);
    refused(&docker, &[], &[]).says("capabilities", &["BPF", "PERFMON", "SYS_PTRACE"]);
    refused(&docker, &[&few[..], &["--pid=host", &no_bpf]].concat(), &[])
        .says("bpf", &["seccompProfile", "--security-opt seccomp=unconfined"]);
    // sees its own cgroups, and may not look for others
    let blind = ["--privileged", "--runtime=lab", "--pid=host", "--cgroupns=private"];
    let without = ["setpriv", "--bounding-set=-sys_ptrace"];
    refused(&docker, &blind, &without).says("cgroups", &["SYS_PTRACE", "hostPath: {path: /sys/fs/cgroup}"]);
    // with the mount that this says it goes
    let mounted = [&blind[..], &["--volume=/sys/fs/cgroup:/host/sys/fs/cgroup:ro"]].concat();
    assert_eq!(examined(&docker, &mounted, &without).failing, BTreeSet::new());
}

/// What `tracer doctor` and live tracing say in a container.
struct Examined {
    /// The id that `tracer doctor` knows its own container by.
    own: String,
    failing: BTreeSet<String>,
    /// Standard error of live tracing.
    error: String,
}

impl Examined {
    #[track_caller]
    fn says(&self, failing: &str, words: &[&str]) {
        assert!(self.failing.contains(failing), "{:?}", self.failing);
        assert!(words.iter().all(|word| self.error.contains(word)), "{words:?} in {}", self.error);
        assert!(self.error.starts_with("tracer: error: cannot trace here:"), "{}", self.error);
    }
}

#[track_caller]
fn refused(docker: &Daemon, args: &[&str], way: &[&str]) -> Examined {
    let examined = examined(docker, args, way);
    assert!(!examined.failing.is_empty(), "{args:?} {way:?} is not refused");
    assert!(examined.own.contains("in a container") || examined.own.contains("(docker)"), "{}", examined.own);
    examined
}

/// Runs both, which must agree: with exit code 3 both, or with none.
#[track_caller]
fn examined(docker: &Daemon, args: &[&str], way: &[&str]) -> Examined {
    let run =
        |command: &[&str]| output(place::run(docker, "examined", args).args(way).arg(place::TRACER).args(command));
    let doctor = run(&["doctor", "--output", "json"]);
    let live = run(&["--duration", "1ms"]);
    let error = String::from_utf8_lossy(&live.stderr).into_owned();
    let report: Value =
        serde_json::from_slice(&doctor.stdout).unwrap_or_else(|no| panic!("{args:?}: {no}: {doctor:?}"));
    let checks = report["checks"].as_array().expect("a list");
    let failing = checks.iter().filter(|check| check["state"] == "fail").map(|check| text(&check["name"]));
    let failing: BTreeSet<_> = failing.collect();
    let code = if failing.is_empty() { 0 } else { 3 };
    assert_eq!((doctor.status.code(), live.status.code()), (Some(code), Some(code)), "{args:?} {way:?}: {error}");
    let own = checks.iter().find(|check| check["name"] == "container").map(|check| text(&check["found"]));
    Examined { own: own.expect("a check"), failing, error }
}
