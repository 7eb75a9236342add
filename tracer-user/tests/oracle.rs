//! The tracer against the kernel's own word: ftrace records the same tracepoints during a storm of signals, forks and
//! exits, and every event must be there, one to one, with the same numbers.

#![expect(clippy::print_stdout, reason = "how much was compared is shown beside the result")]

#[path = "oracle/fact.rs"]
mod fact;
#[path = "oracle/kernel.rs"]
mod kernel;
mod lab;
#[path = "oracle/told.rs"]
mod told;

use std::collections::HashSet;
use std::fs::File;
use std::io::BufReader;

use fact::{Agreement, Kind, compare};
use kernel::{Detail, EVENTS, Members};
use lab::cgroup::{Cgroup, Version};
use lab::ftrace::Ftrace;
use lab::tracer::{Said, Tracer};
use tracer_user::stream::Reader;

/// Bounded work for stress-ng: every way to send, block, wait for, take and die of a signal that it knows.
const STORM: &[(&str, u32)] = &[
    ("signal", 2_000),
    ("kill", 1_000),
    ("zombie", 300),
    ("fork", 400),
    ("vfork", 200),
    ("clone", 100),
    ("sigsuspend", 500),
    ("sigpending", 500),
    ("sigq", 1_000),
    ("sigrt", 1_000),
    ("sigfd", 500),
    ("sigchld", 300),
    ("sigsegv", 300),
    ("sigabrt", 50),
    ("pthread", 200),
    ("timer", 500),
];
/// A ring that holds it all, KiB.
const RING_KIB: &str = "65536";
/// And what ftrace needs for it, with everything else that happens on the machine, KiB for each CPU.
const FTRACE_KIB: u32 = 65_536;

#[expect(clippy::needless_pass_by_value, reason = "what the lab asks for")]
fn ready(said: Said<'_>) -> bool {
    matches!(said, Said::Note(note) if note.contains("tracing"))
}

fn stress_ng(dir: &str) -> Vec<String> {
    let mut words: Vec<_> = ["stress-ng", "--quiet", "--timeout", "15s", "--temp-path", dir].map(str::to_owned).into();
    for (name, ops) in STORM {
        words.extend([format!("--{name}"), "1".to_owned(), format!("--{name}-ops"), ops.to_string()]);
    }
    words
}

/// Runs `wrapper stress-ng …` in the cgroup, and compares all that was told of it. Once with the JSON lines, once with
/// the recording, which says more.
#[track_caller]
fn agrees(cgroup: &Cgroup, wrapper: &[&str]) -> Agreement {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let recording = dir.path().join("storm.rec");
    let record = recording.to_str().expect("no strange names");
    let args = ["--all-signals", "--cgroup", cgroup.arg(), "--ring-size", RING_KIB, "--record", record];
    let mut tracer = Tracer::spawn(&args, ready);
    let ftrace = Ftrace::start(&EVENTS, FTRACE_KIB);

    let storm = stress_ng(dir.path().to_str().expect("no strange names"));
    let mut words = wrapper.iter().map(ToString::to_string).chain(storm);
    let mut command = cgroup.command(words.next().expect("a program"));
    let mut root = command.args(words).spawn().expect("the workload starts");
    let status = root.wait().expect("it can be waited for");
    assert!(status.success(), "stress-ng failed: {status}");
    // the last events are those of processes that are freed, some time after they were reaped
    let members = lab::until("the kernel to free the last process", lab::PATIENCE, || {
        let lines = ftrace.lines();
        let members = Members::new(&lines, root.id(), &cgroup.path);
        (members.freed(&lines) == members.processes()).then_some(members)
    });
    ftrace.stop();
    // it ends within a second, and what it has not read by then it tells as lost
    tracer.wait_for("the end of the storm", lab::PATIENCE, |line| {
        line["kind"] == "exit" && line["process"]["pid"] == root.id()
    });
    let ended = tracer.interrupt();
    assert!(ended.status.success(), "{}", ended.stderr);
    ftrace.assert_whole();
    let lost: Vec<_> = ended.lines.iter().filter(|line| line["kind"] == "lost").collect();
    assert!(lost.is_empty(), "the ring should have been large enough: {lost:?}");

    let file = File::open(&recording).expect("the recording is there");
    let reader = Reader::new(BufReader::new(file)).expect("the recording can be read");
    let boot_to_wall = reader.start().boot_to_wall_ns;
    let recorded: Vec<_> = reader.map(|event| event.expect("the recording is whole")).collect();

    let lines = ftrace.lines();
    let told: Vec<_> = ended.lines.iter().filter_map(|line| told::line(line, boot_to_wall)).collect();
    let by_lines = compare("JSON", &kernel::facts(&ftrace, &lines, &members, Detail::Line), &told);
    let told: Vec<_> = recorded.iter().filter_map(told::event).collect();
    let mut facts = kernel::facts(&ftrace, &lines, &members, Detail::Event);
    let there: HashSet<_> = told.iter().filter(|fact| fact.kind == Kind::Reaped).map(|fact| fact.tid).collect();
    let withheld = kernel::freed_by_process_1(&lines);
    facts.retain(|fact| fact.kind != Kind::Reaped || there.contains(&fact.tid) || !withheld.contains(&fact.tid));
    let by_events = compare("recording", &facts, &told);
    println!("JSON {by_lines:?}");
    println!("recording {by_events:?}; {} processes, {} more threads", members.processes(), members.threads());
    assert!(members.threads() > 0, "no process with threads was among them");
    for (kind, least) in [(Kind::Generate, 5_000), (Kind::Deliver, 3_000), (Kind::Exit, 1_000), (Kind::Reaped, 1_000)] {
        assert!(by_events.count(kind) >= least, "{kind:?}: too little happened: {by_events:?}");
    }
    by_events
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_storm_in_cgroup_v2() {
    if !lab::can_run("a_storm_in_cgroup_v2", &["stress-ng"]) {
        return;
    }
    let Some(cgroup) = Cgroup::make(Version::V2, "oracle-v2") else { return };
    agrees(&cgroup, &[]);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_storm_in_cgroup_v1() {
    if !lab::can_run("a_storm_in_cgroup_v1", &["stress-ng"]) {
        return;
    }
    let Some(cgroup) = Cgroup::make(Version::V1, "oracle-v1") else { return };
    agrees(&cgroup, &[]);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_storm_below_pid_1_of_a_namespace() {
    if !lab::can_run("a_storm_below_pid_1_of_a_namespace", &["stress-ng", "unshare"]) {
        return;
    }
    let Some(cgroup) = Cgroup::make(Version::V2, "oracle-init") else { return };
    agrees(&cgroup, &["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]);
}
