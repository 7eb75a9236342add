//! `tracer check` on real programs and on real images: verdicts, readiness, reports, and that nothing is left behind.

#[path = "../lab/mod.rs"]
mod lab;

mod image;
mod program;

use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Runs `tracer check` to its end. `tracer` leads to the binary.
fn check(mut tracer: Command, args: &[&str]) -> Output {
    tracer.arg("check").args(args).stdin(Stdio::null());
    lab::output(&mut tracer)
}

/// The object of `--output json`, which the caller asks for, and the exit code.
#[track_caller]
fn report(output: &Output) -> (Value, i32) {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = stdout.lines().collect();
    assert_eq!(lines.len(), 1, "one object: {stdout}\n{stderr}");
    let report: Value = serde_json::from_str(lines[0]).unwrap_or_else(|error| panic!("{error}: {stdout}"));
    assert_eq!(report["kind"], "check");
    (report, output.status.code().unwrap_or_else(|| panic!("{}: {stderr}", output.status)))
}

/// Processes with `token` in their command line, ourselves left out.
fn processes_with(token: &str) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let has = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        *pid != std::process::id() && String::from_utf8_lossy(&line).contains(token)
    };
    pids.filter(has).collect()
}
