//! `tracer doctor` on this machine, and on what can be made of it: other users, namespaces, mounts, capabilities.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use serde_json::Value;

struct Examined {
    unsuitable: bool,
    preflight: String,
    text: String,
}

/// Runs doctor, and live tracing that ends at once, by way of `wrapper`, a command that is given the program to run.
fn examined(format: &str, wrapper: &[&str]) -> Examined {
    let dir = tempfile::tempdir().expect("a directory");
    let copy = dir.path().join("tracer");
    // Whoever it runs as must be able to run it, wherever it was built.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    fs::copy(env!("CARGO_BIN_EXE_tracer"), &copy).expect("a copy");
    let run = |args: &[&str]| -> Output {
        let mut command = Command::new(wrapper.first().map_or(copy.as_os_str(), |program| program.as_ref()));
        command.args(wrapper.iter().skip(1));
        if !wrapper.is_empty() {
            command.arg(&copy);
        }
        command.args(args).output().expect("it runs")
    };
    let doctor = run(&["doctor", "--output", format]);
    let live = run(&["--duration", "1ms"]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = doctor.status.code();
    assert!(matches!(code, Some(0 | 3)), "{wrapper:?}: {}{}", text(&doctor.stdout), text(&doctor.stderr));
    let unsuitable = code == Some(3);
    let audit = run(&["audit", "--output", "json"]);
    assert!(matches!(audit.status.code(), Some(0 | 3)), "{wrapper:?}: an audit says {}", text(&audit.stderr));
    assert_eq!(live.status.code(), code, "{wrapper:?}: live tracing says {}", text(&live.stderr));
    let preflight = if unsuitable { text(&live.stderr) } else { String::new() };
    Examined { unsuitable, preflight, text: text(&doctor.stdout) }
}

/// The names of the checks that fail, after proving that everything else says so, too.
fn failing(wrapper: &[&str]) -> Vec<String> {
    let Examined { unsuitable, preflight, text } = examined("json", wrapper);
    let report: Value = serde_json::from_str(&text).expect("one JSON object");
    let checks = report["checks"].as_array().expect("a list");
    let failing: Vec<_> = checks.iter().filter(|check| check["state"] == "fail").collect();
    assert_eq!(unsuitable, !failing.is_empty(), "exit code 3: {text}");
    assert_eq!(preflight.is_empty(), failing.is_empty(), "{preflight}");
    for check in &failing {
        assert!(check["mend"].as_str().is_some_and(|mend| !mend.is_empty()), "{check}");
    }
    if let Some(first) = failing.first() {
        assert!(preflight.contains(first["mend"].as_str().expect("a mend")), "{preflight}");
    }
    failing.iter().map(|check| check["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn root() {
    assert_eq!(failing(&[]), [""; 0]);
    let text = examined("text", &[]).text;
    assert!(text.contains(" ✓ kernel") && text.contains("Live tracing is possible here"), "{text}");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn nobody() {
    assert_eq!(failing(&["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]), ["capabilities"]);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_pid_namespace_of_its_own() {
    assert_eq!(failing(&["unshare", "--pid", "--fork"]), ["pid-namespace"]);
    assert_eq!(failing(&["unshare", "--pid", "--fork", "--mount-proc"]), ["pid-namespace"]);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn hidden_btf() {
    let hide = "mount -t tmpfs none /sys/kernel/btf && exec \"$@\"";
    assert_eq!(failing(&["unshare", "--mount", "sh", "-c", hide, "sh"]), ["btf"]);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn dropped_capabilities() {
    let without = |names: &str| failing(&["setpriv", &format!("--bounding-set={names}"), "--"]);
    assert_eq!(without("-sys_admin,-bpf"), ["capabilities"]);
    assert_eq!(without("-sys_admin,-bpf,-perfmon,-sys_ptrace"), ["capabilities"]);
    // What is dropped does not matter: CAP_BPF and CAP_PERFMON are enough, and so is CAP_SYS_ADMIN.
    assert_eq!(without("-sys_admin,-net_admin"), [""; 0]);
    assert_eq!(without("-bpf,-perfmon"), [""; 0]);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn root_of_a_user_namespace() {
    assert_eq!(failing(&["unshare", "--user", "--map-root-user"]), ["capabilities"]);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn no_cgroups_and_hidden_processes() {
    // Wherever they are mounted: also in somebody's chroot. In a mount namespace of its own, made private by unshare.
    let umount = |way: &str| format!("umount --all --lazy --types cgroup,cgroup2 && exec {way} \"$@\"");
    let none = |way: &str| failing(&["unshare", "--mount", "sh", "-c", &umount(way), "sh"]);
    // what the host has mounted is looked through instead, by those who may
    assert_eq!(none(""), [""; 0]);
    assert_eq!(none("setpriv --bounding-set=-sys_ptrace --"), ["cgroups"]);
    let hide = "mount -t proc -o hidepid=2 proc /proc && exec setpriv --bounding-set=-sys_ptrace -- \"$@\"";
    let wrapper = ["unshare", "--mount", "sh", "-c", hide, "sh"];
    assert_eq!(failing(&wrapper), [""; 0]);
    assert!(examined("text", &wrapper).text.contains(" ! proc "));
}
