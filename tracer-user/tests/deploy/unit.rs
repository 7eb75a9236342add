//! The systemd unit. There is no systemd as PID 1 of this machine, and in a container of its own the agent would not see the
//! host's pids: systemd's tools read the unit, and the agent runs in a container with the unit's capabilities and exactly
//! the system calls that it lets through.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::image;
use super::lab::docker::{Cgroups, Daemon, Options};
use super::lab::{self, PATIENCE, output, read, until};

const UNIT: &str = include_str!("../../../deploy/systemd/tracer-agent.service");

/// Every value of a setting, in the order of the file.
fn values(setting: &str) -> Vec<&'static str> {
    let lines = UNIT.lines().filter_map(|line| line.split_once('='));
    lines.filter(|(name, _)| *name == setting).map(|(_, value)| value).collect()
}

/// The system calls of a set, as this machine's systemd knows it. Sets hold sets.
fn set(name: &str) -> BTreeSet<String> {
    let told = read(Command::new("systemd-analyze").args(["syscall-filter", "--no-pager", name]));
    let words = told.lines().skip(1).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let each = words.map(|word| if word.starts_with('@') { set(word) } else { BTreeSet::from([word.to_owned()]) });
    each.flatten().collect()
}

/// What the unit lets through: the first line says what there is, the others add and take away.
fn allowed() -> BTreeSet<String> {
    let mut allowed = BTreeSet::new();
    for value in values("SystemCallFilter") {
        let (takes_away, words) = value.strip_prefix('~').map_or((false, value), |words| (true, words));
        for word in words.split_whitespace() {
            let calls = if word.starts_with('@') { set(word) } else { BTreeSet::from([word.to_owned()]) };
            if takes_away {
                allowed.retain(|call| !calls.contains(call));
            } else {
                allowed.extend(calls);
            }
        }
    }
    // in every filter of systemd's: without it nothing could be started
    allowed.extend(set("@default"));
    allowed.insert("execve".to_owned());
    allowed
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn systemd_understands_the_unit_and_finds_little_exposed() {
    if !lab::can_run("systemd_understands_the_unit_and_finds_little_exposed", &["systemd-analyze"]) {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let verify = ["verify", "--man=no", "--recursive-errors=no"];
    // it looks whether the program is there
    let program = UNIT.replace("/usr/bin/tracer", "/bin/true");
    let unit = dir.path().join("tracer-agent.service");
    fs::write(&unit, program).expect("the directory is ours");
    let told = output(Command::new("systemd-analyze").args(verify).arg(&unit));
    let said = format!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    assert!(told.status.success() && !said.contains("tracer-agent.service:"), "{said}");
    let told = read(Command::new("systemd-analyze").args(["security", "--offline=true", "--no-pager"]).arg(&unit));
    let level = told.lines().find_map(|line| line.split("tracer-agent.service: ").nth(1)).expect("a judgement");
    let level: f32 = level.split(' ').next().and_then(|number| number.parse().ok()).expect("a number");
    assert!(level < 2.5, "{told}");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn the_agent_works_with_the_units_capabilities_and_system_calls() {
    let test = "the_agent_works_with_the_units_capabilities_and_system_calls";
    if !lab::can_run(test, &["systemd-analyze", "dockerd", "docker", "containerd", "runc", "nsenter"]) {
        return;
    }
    assert_eq!(values("CapabilityBoundingSet"), ["CAP_BPF CAP_PERFMON CAP_SYS_PTRACE"]);
    let allowed = allowed();
    for never in ["mount", "ptrace", "init_module", "kexec_load", "reboot", "setuid", "process_vm_readv"] {
        assert!(!allowed.contains(never), "{never}");
    }
    let docker = Daemon::start_with_runtimes(Cgroups::PureV2);
    image::build(&docker, false);
    let profile = docker.socket().with_file_name("unit.json");
    let calls: Vec<_> = allowed.iter().collect();
    let filter = json!({
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
        "syscalls": [{"names": calls, "action": "SCMP_ACT_ALLOW"}],
    });
    fs::write(&profile, filter.to_string()).expect("the daemon's directory is ours");
    // the runtime adds those two to SYS_PTRACE: Docker 20.10 does not know them
    let mut run = docker.client(&["run", "--detach", "--name=tracer", "--network=none", "--pid=host", "--read-only"]);
    run.args(["--runtime=lab-bpf", "--cap-drop=ALL", "--cap-add=SYS_PTRACE", "--security-opt=no-new-privileges"]);
    run.arg(format!("--security-opt=seccomp={}", profile.display())).arg("--tmpfs=/run/tracer");
    run.arg("--volume=/sys/fs/cgroup:/sys/fs/cgroup:ro");
    run.args(image::libraries().iter().map(|path| format!("--volume={0}:{0}:ro", path.display())));
    read(run.args([image::NAME, "agent"]));
    until("the agent to trace", PATIENCE, || {
        let log = docker.container_logs("tracer");
        assert!(!log.contains("error:"), "{log}");
        log.contains("clients attach on").then_some(())
    });
    let log = docker.container_logs("tracer");
    assert!(!log.contains("could not be given up"), "{log}");
    let id = docker.run("web", &["sh", "-c", "sleep 1000; true"], &Options::default());
    docker.stop("web", 1);
    let told = docker.exec("tracer", &["tracer", "--output", "json", "--duration", "1s"]);
    let lines = told.lines().map(|line| serde_json::from_str::<Value>(line).expect("a JSON line"));
    let ended: Vec<_> = lines.filter(|line| line["kind"] == "termination" && line["container"]["id"] == *id).collect();
    assert!(matches!(&ended[..], [one] if one["verdict"] == "sigterm-dropped"), "{ended:#?}\n{log}");
    // a reload, and the end, as systemd asks for them
    docker.kill("tracer", "HUP");
    until("the configuration to be read again", PATIENCE, || {
        docker.container_logs("tracer").contains("the configuration was read again").then_some(())
    });
    docker.stop("tracer", 10);
    assert_eq!(docker.wait("tracer"), 0, "{}", docker.container_logs("tracer"));
}
