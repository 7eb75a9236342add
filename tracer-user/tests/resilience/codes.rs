//! Exit codes and what is said with them; filters that match nothing, or nothing yet.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::lab::cgroup::Cgroup;
use crate::lab::tracer::{BINARY, Said, Tracer};
use crate::lab::{self, PATIENCE};
use crate::{HANDLES, Workload, ready};

/// An id as runtimes make them.
const ID: &str = "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e";
/// Another one: tests run side by side.
const COMES: &str = "c0ffee1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e";

fn run(args: &[&str]) -> Output {
    lab::output(Command::new(BINARY).args(args).stdin(Stdio::null()))
}

#[track_caller]
fn check(args: &[&str], code: i32, words: &[&str]) {
    let output = run(args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{args:?} does not say {word:?}: {stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn wrong_usage() {
    check(&["--no-such-option"], 2, &["--no-such-option"]);
    check(&["--pid", "init"], 2, &["init"]);
    check(&["--duration", "soon"], 2, &["soon"]);
    check(&["--signal", "TREM"], 2, &["TREM"]);
    check(&["--output", "xml"], 2, &["xml"]);
    check(&["--ring-size", "15"], 2, &["15"]);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn done() {
    if lab::can_run("done", &[]) {
        check(&["--duration", "10ms"], 0, &["tracing"]);
    }
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn filters_that_match_nothing() {
    if !lab::can_run("filters_that_match_nothing", &["unshare"]) {
        return;
    }
    // the kernel gives out no greater one
    check(&["--pid", "4194305"], 4, &["4194305"]);
    check(&["--container", "nobody-is-called-so", "--duration", "50ms"], 4, &["nobody-is-called-so"]);
    check(&["--cgroup", "/there/is/none", "--duration", "50ms"], 4, &["/there/is/none"]);
    let cgroup = Cgroup::any("nearest");
    let container = cgroup.below(ID);
    let _workload = Workload::init(&container, HANDLES);
    let slip = format!("{}f", &ID[..11]);
    check(&["--container", &slip, "--duration", "50ms"], 4, &[&slip, "did you mean", &ID[..12]]);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn not_permitted() {
    if !lab::can_run("not_permitted", &["setpriv"]) {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    let copy = dir.path().join("tracer");
    std::fs::copy(BINARY, &copy).expect("it can be copied");
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    let output = lab::output(Command::new("setpriv").args(nobody).arg(&copy));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("root"), "it says what to do: {stderr}");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_container_that_is_still_to_come_is_waited_for() {
    if !lab::can_run("a_container_that_is_still_to_come_is_waited_for", &["unshare"]) {
        return;
    }
    let waits = |said: Said<'_>| matches!(said, Said::Note(note) if note.contains("waiting for it"));
    let mut tracer = Tracer::spawn(&["--container", &COMES[..12], "--until-exit"], waits);
    let cgroup = Cgroup::any("to-come");
    let container = cgroup.below(COMES);
    let mut workload = Workload::init(&container, HANDLES);
    tracer.wait_for("the container", PATIENCE, |line| line["kind"] == "container" && line["id"] == COMES);
    workload.send("TERM");
    workload.wait();
    let ended = tracer.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let terminations: Vec<_> = ended.lines.iter().filter(|line| crate::is_termination(line)).collect();
    assert_eq!(terminations.len(), 1, "{terminations:?}");
    assert_eq!((&terminations[0]["container"]["id"], &terminations[0]["verdict"]), (&COMES.into(), &"graceful".into()));
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn it_ends_when_told_to() {
    if !lab::can_run("it_ends_when_told_to", &["unshare"]) {
        return;
    }
    let cgroup = Cgroup::any("until-exit");
    let mut workload = Workload::init(&cgroup, HANDLES);
    let mut tracer = Tracer::spawn(&["--cgroup", cgroup.arg(), "--until-exit"], ready);
    workload.send("TERM");
    let ended = tracer.wait();
    workload.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(ended.lines.iter().any(crate::is_termination), "{:?}", ended.lines);

    let started = Instant::now();
    check(&["--cgroup", cgroup.arg(), "--duration", "1s"], 0, &["tracing"]);
    let took = started.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(10), "{took:?}");
}
