//! `tracer doctor` on this machine, and on what can be made of it: other users, namespaces, mounts, capabilities.
//!
//! The library is run in a process of its own: this test, started again by way of `unshare` or `setpriv`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use serde_json::Value;
use tracer_user::commands::doctor::{self, Args};

/// Set in the processes that are to be examined: how to tell what is found, `text` or `json`.
const OUTPUT: &str = "TRACER_TEST_DOCTOR";

/// Not a test: what [`doctor`] runs. Its result comes in a file: the test harness writes to standard output.
#[test]
#[ignore = "started by other tests"]
fn examine() {
    let Some(format) = std::env::var_os(OUTPUT) else { return };
    let output = if format == "json" { doctor::Output::Json } else { doctor::Output::Text };
    let mut out = Vec::new();
    let code = doctor::run(&Args { output, color: false }, &mut out).expect("it looks");
    let preflight = tracer_user::doctor::preflight().err().map(|error| error.to_string()).unwrap_or_default();
    let path = std::env::var_os("TRACER_TEST_RESULT").expect("a place for the result");
    fs::write(path, format!("{code:?}\n{preflight}\n{}", String::from_utf8(out).expect("UTF-8"))).expect("written");
}

struct Examined {
    unsuitable: bool,
    preflight: String,
    text: String,
}

/// Runs doctor by way of `wrapper`, a command that is given the program to run.
fn examined(format: &str, wrapper: &[&str]) -> Examined {
    let dir = tempfile::tempdir().expect("a directory");
    let (result, copy) = (dir.path().join("result"), dir.path().join("examine"));
    // Whoever it runs as must be able to run it and to write its result, wherever it was built.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).expect("it is ours");
    fs::copy(std::env::current_exe().expect("this test"), &copy).expect("a copy");
    let mut command = Command::new(wrapper.first().map_or(copy.as_os_str(), |program| program.as_ref()));
    command.args(wrapper.iter().skip(1));
    if !wrapper.is_empty() {
        command.arg(&copy);
    }
    command.args(["examine", "--exact", "--ignored"]).env(OUTPUT, format).env("TRACER_TEST_RESULT", &result);
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    let said = || format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{wrapper:?}: {}", said());
    let all = fs::read_to_string(&result).unwrap_or_else(|error| panic!("{wrapper:?}: {error}: {}", said()));
    let mut parts = all.splitn(3, '\n');
    let mut next = || parts.next().expect("three parts").to_owned();
    Examined { unsuitable: next().contains('3'), preflight: next(), text: next() }
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
    let umount = "umount -R /sys/fs/cgroup && exec \"$@\"";
    assert_eq!(failing(&["unshare", "--mount", "sh", "-c", umount, "sh"]), ["cgroups"]);
    let hide = "mount -t proc -o hidepid=2 proc /proc && exec setpriv --bounding-set=-sys_ptrace -- \"$@\"";
    let wrapper = ["unshare", "--mount", "sh", "-c", hide, "sh"];
    assert_eq!(failing(&wrapper), [""; 0]);
    assert!(examined("text", &wrapper).text.contains(" ! proc "));
}
