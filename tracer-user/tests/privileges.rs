//! A tracer that has attached keeps two capabilities, and everything it does works with them.

mod lab;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Stdio;

use lab::cgroup::Cgroup;
use lab::tracer::{Said, Tracer};
use lab::{PATIENCE, send, until};
use serde_json::Value;

// include/uapi/linux/capability.h
const DAC_OVERRIDE: u64 = 1 << 1;
const SYS_PTRACE: u64 = 1 << 19;
const BPF: u64 = 1 << 39;

#[expect(clippy::needless_pass_by_value, reason = "what the lab asks for")]
fn ready(said: Said<'_>) -> bool {
    matches!(said, Said::Note(note) if note.starts_with("tracer: tracing"))
}

/// A field of `/proc/PID/task/TID/status` for each thread, hexadecimal.
fn of_all_threads(pid: u32, field: &str) -> Vec<u64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let values = tasks.map(|task| {
        let status = fs::read_to_string(task.expect("an entry").path().join("status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).expect("a known field");
        u64::from_str_radix(line.trim(), 16).expect("hexadecimal")
    });
    values.collect()
}

#[track_caller]
fn assert_has_only(pid: u32, kept: u64) {
    let threads = of_all_threads(pid, "CapEff").len();
    assert!(threads >= 2, "the output has a thread of its own");
    for (field, expected) in
        [("CapEff", kept), ("CapPrm", kept), ("CapInh", 0), ("CapBnd", 0), ("CapAmb", 0), ("NoNewPrivs", 1)]
    {
        let found = of_all_threads(pid, field);
        assert!(found.iter().all(|&found| found == expected), "{field}: {found:x?} instead of {expected:x}");
    }
}

fn of_exit(line: &Value, pid: u32) -> bool {
    line["kind"] == "exit" && line["process"]["pid"] == pid
}

/// Another user's program: `/proc` shows of it to root, without capabilities, what it shows to everybody.
const ANOTHER_USER: [&str; 6] = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"];

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn two_capabilities_are_left_and_all_works_with_them() {
    if !lab::can_run("two_capabilities_are_left_and_all_works_with_them", &["stress-ng", "setpriv"]) {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let recording = dir.path().join("all.rec");
    let record = recording.to_str().expect("no strange names");
    let cgroup = Cgroup::any("privileges");
    // there before the tracer, and there after the loss
    let mut old = cgroup.command("setpriv").args(ANOTHER_USER).args(["sleep", "1000"]).spawn().expect("it starts");
    let exe = |pid: u32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.ends_with("sleep"));
    until("the program to be there", PATIENCE, || exe(old.id()).then_some(()));

    // the usual places of this machine may need more to be reached
    let nobody = dir.path().join("nobody.sock");
    let nobody = nobody.to_str().expect("no strange names");
    let sockets = ["--docker", nobody, "--cri", nobody];
    let args = ["--all-signals", "--ring-size", "64", "--record", record, "--cgroup", cgroup.arg()];
    let args = [&args[..], &sockets].concat();
    let mut tracer = Tracer::spawn(&args, ready);
    assert_has_only(tracer.pid(), BPF | SYS_PTRACE);

    // nobody reads the ring while this goes on, and it is too much for it
    send("STOP", tracer.pid());
    let mut storm = cgroup.command("stress-ng");
    storm.args(["--quiet", "--temp-path", "/tmp", "--kill", "1", "--kill-ops", "2000", "--fork", "1"]);
    storm.args(["--fork-ops", "200"]).stdout(Stdio::null());
    let status = storm.spawn().expect("stress-ng starts").wait().expect("it can be waited for");
    assert!(status.success(), "{status}");
    send("CONT", tracer.pid());
    tracer.wait_for("a loss", PATIENCE, |line| line["kind"] == "lost");
    // cgroups that are made and removed: maps are written
    let below = cgroup.below("made-later");
    let mut pids = Vec::new();
    until("an exit in a new cgroup", PATIENCE, || {
        // so small a ring loses any of them
        let mut made = below.command("true").spawn().expect("it starts");
        made.wait().expect("it can be waited for");
        pids.push(made.id());
        tracer.lines().iter().any(|line| pids.iter().any(|&pid| of_exit(line, pid))).then_some(())
    });
    below.remove();
    // the look at all processes after a loss comes within a second: it is in the recording once more
    let seen = || {
        let text = fs::read_to_string(&recording).expect("it is there");
        let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let of_old = |line: &&Value| line[1]["process"]["task"]["pid"] == old.id();
        let seen: Vec<Value> = lines.iter().filter(of_old).cloned().collect();
        (seen.len() >= 2).then_some(seen)
    };
    // what is recorded is written when there is enough of it: some more events
    let seen = until("a second look at the process", PATIENCE, || {
        let mut more = cgroup.command("true").spawn().expect("it starts");
        more.wait().expect("it can be waited for");
        seen()
    });
    for seen in &seen {
        let exe = seen[1]["process"]["exe"].as_str().unwrap_or_default();
        assert!(exe.contains("sleep") || exe.contains("coreutils"), "another user's executable is not seen: {seen}");
    }
    assert_has_only(tracer.pid(), BPF | SYS_PTRACE);
    send("KILL", old.id());
    old.wait().expect("it can be waited for");
    tracer.wait_for("the exit of what was there first", PATIENCE, |line| of_exit(line, old.id()));
    let ended = tracer.interrupt();
    assert!(ended.status.success(), "{}", ended.stderr);
    assert!(!ended.stderr.contains("privileges"), "{}", ended.stderr);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn the_socket_of_another_users_daemon_is_reached() {
    if !lab::can_run("the_socket_of_another_users_daemon_is_reached", &[]) {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let own = |path: &Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("root may");
        chown(path, Some(65534), Some(65534)).expect("root may");
    };
    let socket = dir.path().join("docker.sock");
    let listener = UnixListener::bind(&socket).expect("a socket");
    own(&socket, 0o600);
    own(dir.path(), 0o700);
    let cgroup = Cgroup::any("socket");
    let nobody = tempfile::tempdir().expect("a temporary directory can be made");
    let nobody = nobody.path().join("nobody.sock");
    let cri = nobody.to_str().expect("no strange names");
    let args = ["--docker", socket.to_str().expect("no strange names"), "--cri", cri, "--cgroup", cgroup.arg()];
    let tracer = Tracer::spawn(&args, ready);
    assert_has_only(tracer.pid(), BPF | SYS_PTRACE | DAC_OVERRIDE);
    listener.set_nonblocking(true).expect("it can be set");
    until("the tracer to connect", PATIENCE, || listener.accept().ok());
}
