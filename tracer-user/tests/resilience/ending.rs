//! How it ends: in time and in order, whoever reads its output, or does not, and whatever goes on.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::lab::cgroup::Cgroup;
use crate::lab::{self, PATIENCE};
use crate::raw::Raw;
use crate::{STORM, Workload};

/// It promises a second, and a test machine may have other things to do. Not optimised it takes ten times as long for
/// what a storm has left in the ring.
const PROMPT: Duration = Duration::from_secs(if cfg!(debug_assertions) { 5 } else { 2 });
/// So that this is not too much, KiB. The storms fill it all the same.
const RING: [&str; 2] = ["--ring-size", "256"];
/// More than that, MiB, it never needs, however long nobody reads.
const MEMORY: u64 = 96;

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_reader_that_has_seen_enough() {
    if !lab::can_run("a_reader_that_has_seen_enough", &[]) {
        return;
    }
    let cgroup = Cgroup::any("head");
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let file = dir.path().join("head.rec");
    let record = file.to_str().expect("no strange names");
    let mut tracer = Raw::tracing(&["--cgroup", cgroup.arg(), "--record", record]);
    let _storm = Workload::plain(&cgroup, STORM);
    let mut line = String::new();
    BufReader::with_capacity(64, tracer.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    assert!(line.starts_with("{\"kind\":"), "{line}");
    // the pipe is closed now
    let (status, _) = tracer.wait();
    assert_eq!(status.code(), Some(0));
    let stderr = tracer.stderr();
    assert_eq!(stderr.lines().count(), 1, "it ends quietly: {stderr}");
    let recorded = std::fs::read_to_string(&file).expect("the recording is there");
    assert!(recorded.lines().last().is_some_and(|last| last.starts_with("{\"end\":")), "and the recording is whole");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_reader_that_stalls_keeps_nobody() {
    if !lab::can_run("a_reader_that_stalls_keeps_nobody", &[]) {
        return;
    }
    let cgroup = Cgroup::any("stalled");
    let _storm = Workload::plain(&cgroup, STORM);
    for signal in ["INT", "TERM"] {
        let mut tracer = Raw::tracing(&[&RING[..], &["--cgroup", cgroup.arg()]].concat());
        tracer.wait_until_stuck();
        lab::send(signal, tracer.pid());
        let (status, took) = tracer.wait();
        assert_eq!(status.code(), Some(1), "after SIG{signal}: what was not read is told");
        assert!(took < PROMPT, "after SIG{signal} it took {took:?}");
        let said = tracer.stderr();
        assert!(said.contains("the output is not complete"), "{said}");
    }
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_reader_that_stalls_costs_little_memory_and_no_time() {
    if !lab::can_run("a_reader_that_stalls_costs_little_memory_and_no_time", &[]) {
        return;
    }
    let cgroup = Cgroup::any("stalled-long");
    let _storms = [Workload::plain(&cgroup, STORM), Workload::plain(&cgroup, STORM)];
    let mut tracer = Raw::tracing(&[&RING[..], &["--cgroup", cgroup.arg(), "--duration", "6s"]].concat());
    let started = Instant::now();
    tracer.wait_until_stuck();
    let mut peak = 0;
    let status = lab::until("the tracer to end", PATIENCE, || {
        peak = tracer.peak_memory().unwrap_or(peak);
        assert!(peak < MEMORY, "{peak} MiB after {:?}", started.elapsed());
        tracer.ended()
    });
    let took = started.elapsed();
    println!("at most {peak} MiB, ended after {took:?}");
    assert_eq!(status.code(), Some(1), "what was not read is told");
    assert!(took < Duration::from_secs(6) + PROMPT, "{took:?}");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_storm_keeps_nobody() {
    if !lab::can_run("a_storm_keeps_nobody", &[]) {
        return;
    }
    let cgroup = Cgroup::any("storm");
    let _storms = [Workload::plain(&cgroup, STORM), Workload::plain(&cgroup, STORM)];
    for signal in ["INT", "TERM"] {
        let mut tracer = Raw::tracing(&[&RING[..], &["--cgroup", cgroup.arg()]].concat());
        let mut out = tracer.stdout.take().expect("a pipe");
        let (sender, begun) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut last = Vec::new();
            let mut chunk = vec![0; 1 << 16];
            loop {
                match out.read(&mut chunk).expect("a pipe") {
                    0 => return last,
                    read => last = chunk[..read].to_vec(),
                }
                // only the first time does somebody wait for it
                sender.send(()).unwrap_or_default();
            }
        });
        begun.recv_timeout(PATIENCE).expect("it speaks");
        lab::send(signal, tracer.pid());
        let (status, took) = tracer.wait();
        assert!(took < PROMPT, "after SIG{signal} it took {took:?}");
        let complete = complete(status, &tracer.stderr());
        let last = reader.join().expect("the reader reads");
        let shown = String::from_utf8_lossy(&last[last.len().saturating_sub(200)..]).into_owned();
        assert!(!complete || shown.ends_with("}\n"), "the last line is whole: {shown}");
    }
    let started = Instant::now();
    let mut tracer = Raw::start(&[&RING[..], &["--cgroup", cgroup.arg(), "--duration", "1s"]].concat());
    let mut out = tracer.stdout.take().expect("a pipe");
    let reader = std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    let (status, _) = tracer.wait();
    let took = started.elapsed();
    complete(status, &tracer.stderr());
    assert!(took < Duration::from_secs(1) + PROMPT, "{took:?}");
    reader.join().expect("the reader reads").expect("to its end");
}

/// Whether the reader got all of it. On a busy machine it may be too slow for the last second's worth; that is said then.
fn complete(status: ExitStatus, stderr: &str) -> bool {
    let complete = status.code() == Some(0);
    let told = status.code() == Some(1) && stderr.contains("the output is not complete");
    assert!(complete || told, "{status}: {stderr}");
    complete
}
