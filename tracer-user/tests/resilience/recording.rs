//! Recordings: whole when it ends in order, told to be cut short when not, and the same on the screen afterwards.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::Value;

use crate::lab::cgroup::Cgroup;
use crate::lab::tracer::{BINARY, Tracer};
use crate::lab::{self, PATIENCE};
use crate::raw::Raw;
use crate::{DROPS, HANDLES, STORM, Workload, ready};

fn replay(file: &Path, more: &[&str]) -> (Output, Vec<Value>) {
    let output = lab::output(Command::new(BINARY).arg("replay").arg(file).args(["--output", "json"]).args(more));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    (output, lines)
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_replay_shows_what_was_seen_live() {
    if !lab::can_run("a_replay_shows_what_was_seen_live", &["unshare"]) {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let file = dir.path().join("stop.rec");
    let cgroup = Cgroup::any("replay");
    let (a, b) = (cgroup.below("a"), cgroup.below("b"));
    let args = ["--cgroup", a.arg(), "--cgroup", b.arg(), "--record", file.to_str().expect("no strange names")];
    let mut tracer = Tracer::spawn(&args, ready);
    let mut handles = Workload::init(&a, HANDLES);
    let mut drops = Workload::init(&b, DROPS);
    for workload in [&handles, &drops] {
        workload.send("TERM");
    }
    handles.wait();
    drops.send("KILL");
    drops.wait();
    for cgroup in [&a, &b] {
        tracer.wait_for("a termination", PATIENCE, |line| {
            crate::is_termination(line) && line["container"]["id"] == cgroup.path
        });
        cgroup.remove();
        tracer.wait_for("its end", PATIENCE, |line| {
            line["kind"] == "container" && line["state"] == "gone" && line["id"] == cgroup.path
        });
    }
    lab::send("TERM", tracer.pid());
    let live = tracer.wait();
    assert!(live.status.success(), "{}", live.stderr);
    let text = std::fs::read_to_string(&file).expect("the recording is there");
    assert!(text.lines().last().is_some_and(|last| last.starts_with("{\"end\":")), "it is whole");
    let (output, lines) = replay(&file, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for (number, (live, again)) in live.lines.iter().zip(&lines).enumerate() {
        assert_eq!(live, again, "line {number}");
    }
    assert_eq!(live.lines.len(), lines.len());
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_killed_recorder_leaves_what_it_had_and_that_is_said() {
    if !lab::can_run("a_killed_recorder_leaves_what_it_had_and_that_is_said", &["unshare"]) {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let file = dir.path().join("killed.rec");
    let cgroup = Cgroup::any("killed-rec");
    let args = ["--cgroup", cgroup.arg(), "--record", file.to_str().expect("no strange names")];
    let mut tracer = Tracer::spawn(&args, ready);
    let workload = Workload::init(&cgroup, HANDLES);
    workload.send("TERM");
    tracer.wait_for("a termination", PATIENCE, crate::is_termination);
    lab::send("KILL", tracer.pid());
    tracer.wait();
    let (output, lines) = replay(&file, &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("cut short"), "{stderr}");
    assert!(lines.iter().any(crate::is_termination), "what was on the screen is in the file: {lines:?}");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_disk_that_is_full_from_the_start() {
    if !lab::can_run("a_disk_that_is_full_from_the_start", &[]) {
        return;
    }
    // what cannot be recorded at all is better told before than after
    let output = lab::output(Command::new(BINARY).args(["--record", "/dev/full"]).stdin(Stdio::null()));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("/dev/full") && stderr.contains("No space left"), "{stderr}");
}

/// A small file system. Dropping it unmounts it.
struct Tiny(tempfile::TempDir);

impl Tiny {
    fn mount() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let size = Some("size=64k");
        mount(Some("tracer-test"), dir.path(), Some("tmpfs"), MsFlags::empty(), size).expect("a tmpfs can be mounted");
        Self(dir)
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        umount2(self.0.path(), MntFlags::MNT_DETACH).unwrap_or_default();
    }
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_disk_that_fills_up_ends_the_recording_and_not_the_tracing() {
    if !lab::can_run("a_disk_that_fills_up_ends_the_recording_and_not_the_tracing", &["unshare"]) {
        return;
    }
    let tiny = Tiny::mount();
    let file = tiny.0.path().join("full.rec");
    let cgroup = Cgroup::any("full");
    let (a, b) = (cgroup.below("a"), cgroup.below("b"));
    let record = file.to_str().expect("no strange names");
    let mut tracer = Raw::tracing(&["--cgroup", a.arg(), "--cgroup", b.arg(), "--record", record]);
    let out = tracer.stdout.take().expect("a pipe");
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        use std::io::BufRead as _;
        for line in std::io::BufReader::new(out).lines().map_while(Result::ok) {
            if line.starts_with("{\"kind\":\"termination\"") && sender.send(line).is_err() {
                return;
            }
        }
    });
    let storm = Workload::plain(&a, STORM);
    tracer.wait_for_note("tracing goes on");
    drop(storm);
    lines.recv_timeout(PATIENCE).expect("the storm's end is told");
    let workload = Workload::init(&b, HANDLES);
    workload.send("TERM");
    let line = lines.recv_timeout(PATIENCE).expect("a termination is told");
    assert!(line.contains(&b.path), "{line}");
    lab::send("INT", tracer.pid());
    let (status, _) = tracer.wait();
    let stderr = tracer.stderr();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("not complete"), "{stderr}");
    let (output, _) = replay(&file, &[]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("cut short"), "{output:?}");
}
