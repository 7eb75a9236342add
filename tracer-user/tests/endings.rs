//! The tracer ends when it is asked to, whatever happens around it: a storm of events, and a reader that does not read.

mod lab;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lab::cgroup::Cgroup;
use lab::tracer::{BINARY, Said, Tracer};
use lab::{PATIENCE, send, until};
use serde_json::Value;
use tracer_user::stream::Reader;

/// What is promised is a second. Builds without optimisation on a busy machine get more.
const SOON: Duration = Duration::from_secs(if cfg!(debug_assertions) { 5 } else { 2 });
/// More than the queue, the ring and the program together need; far less than a storm's output.
const MEMORY_KIB: u64 = 120 << 10;

#[expect(clippy::needless_pass_by_value, reason = "what the lab asks for")]
fn ready(said: Said<'_>) -> bool {
    matches!(said, Said::Note(note) if note.starts_with("tracer: tracing"))
}

/// Whether a child of ours has ended.
fn is_over(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it was not waited for");
    status.lines().any(|line| line.starts_with("State:\tZ"))
}

/// Signals, forks and exits without end, as fast as the machine can. Ends with the cgroup.
fn storm(cgroup: &Cgroup) -> Storm {
    let mut command = cgroup.command("stress-ng");
    command.args(["--quiet", "--temp-path", "/tmp", "--kill", "1", "--fork", "1", "--sigrt", "1"]);
    Storm(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("stress-ng starts"))
}

struct Storm(Child);

impl Drop for Storm {
    fn drop(&mut self) {
        // the others of it end with their cgroup
        self.0.kill().unwrap_or_default();
        self.0.wait().map(drop).unwrap_or_default();
    }
}

/// A tracer whose output nobody reads until the test does.
struct Unread(Child);

impl Unread {
    fn spawn(args: &[&str]) -> Self {
        let mut command = Command::new(BINARY);
        command.args(["--output", "json"]).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().expect("the tracer starts"))
    }

    /// Waits until it traces.
    fn ready(&mut self) {
        let mut line = String::new();
        BufReader::with_capacity(1, self.0.stderr.as_mut().expect("stderr is piped"))
            .read_line(&mut line)
            .expect("text");
        assert!(line.starts_with("tracer: tracing"), "{line}");
    }

    fn memory_kib(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the kernel tells");
        line.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number")
    }

    /// Waits until all the room there is for output is taken: nothing is written any more, and memory does not grow.
    fn stalls(&self) {
        let mut last = (0, Instant::now());
        until("the tracer to stall", PATIENCE, || {
            let now = self.memory_kib("VmRSS:");
            if now != last.0 {
                last = (now, Instant::now());
            }
            (now > 16 << 10 && last.1.elapsed() > Duration::from_millis(500)).then_some(())
        });
    }

    /// How long it takes to end, and what it says at the end.
    fn ends(mut self) -> (Duration, Option<i32>, String) {
        let started = Instant::now();
        let status = until("the tracer to end", PATIENCE, || self.0.try_wait().expect("it can be waited for"));
        let took = started.elapsed();
        let mut said = String::new();
        self.0.stderr.take().expect("stderr is piped").read_to_string(&mut said).expect("text");
        (took, status.code(), said)
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.0.kill().unwrap_or_default();
        self.0.wait().map(drop).unwrap_or_default();
    }
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_reader_that_stalls_costs_bounded_memory_and_keeps_nobody_from_ending_it() {
    if !lab::can_run("a_reader_that_stalls_costs_bounded_memory_and_keeps_nobody_from_ending_it", &["stress-ng"]) {
        return;
    }
    for signal in ["INT", "TERM"] {
        let cgroup = Cgroup::any("stalled");
        let mut tracer = Unread::spawn(&["--all-signals", "--cgroup", cgroup.arg()]);
        tracer.ready();
        let _storm = storm(&cgroup);
        tracer.stalls();
        let peak = tracer.memory_kib("VmHWM:");
        assert!(peak < MEMORY_KIB, "{peak} KiB");
        send(signal, tracer.0.id());
        let (took, code, said) = tracer.ends();
        println!("SIG{signal}: ended after {took:?}, {peak} KiB at most");
        assert!(took < SOON, "{took:?}");
        // what nobody took is not lost in silence
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("the output is not complete"), "{said}");
    }
}

/// As with `2>&1 | less`.
#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn what_it_has_to_say_beside_the_output_does_not_keep_it_from_ending_either() {
    let name = "what_it_has_to_say_beside_the_output_does_not_keep_it_from_ending_either";
    if !lab::can_run(name, &["stress-ng"]) {
        return;
    }
    let cgroup = Cgroup::any("one-pipe");
    let mut command = Command::new("sh");
    command.args(["-c", r#"exec "$0" --all-signals --cgroup "$1" 2>&1"#, BINARY, cgroup.arg()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tracer = Unread(command.spawn().expect("the tracer starts"));
    let out = tracer.0.stdout.as_mut().expect("stdout is piped");
    let begun = |line: &String| line.starts_with("tracer: tracing");
    assert!(BufReader::with_capacity(1, out).lines().map_while(Result::ok).any(|line| begun(&line)));
    let _storm = storm(&cgroup);
    tracer.stalls();
    send("INT", tracer.0.id());
    let (took, code, _) = tracer.ends();
    println!("ended after {took:?}");
    assert!(took < SOON, "{took:?}");
    assert_eq!(code, Some(1));
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_duration_ends_in_time_although_the_reader_stalls() {
    if !lab::can_run("a_duration_ends_in_time_although_the_reader_stalls", &["stress-ng"]) {
        return;
    }
    let cgroup = Cgroup::any("duration");
    let mut tracer =
        Unread::spawn(&["--all-signals", "--ring-size", "256", "--duration", "4s", "--cgroup", cgroup.arg()]);
    tracer.ready();
    let started = Instant::now();
    let _storm = storm(&cgroup);
    let (_, code, said) = tracer.ends();
    let took = started.elapsed();
    println!("ended after {took:?} of 4 s");
    assert!(took < Duration::from_secs(4) + SOON, "{took:?}");
    assert!(matches!(code, Some(0 | 1)), "{said}");
}

/// More than a pipe holds, less than what waits for a reader: beyond that nobody reads that it has ended.
const MANY: &str = "trap : USR1; i=0; while [ $i -lt 2000 ]; do kill -USR1 $$; i=$((i + 1)); done";

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn until_exit_ends_although_the_reader_stalls() {
    if !lab::can_run("until_exit_ends_although_the_reader_stalls", &[]) {
        return;
    }
    let cgroup = Cgroup::any("until-exit");
    let mut tracer = Unread::spawn(&["--until-exit", "--cgroup", cgroup.arg()]);
    tracer.ready();
    let mut program = cgroup.command("sh").args(["-c", MANY]).spawn().expect("it starts");
    program.wait().expect("it can be waited for");
    cgroup.remove();
    let (_, code, said) = tracer.ends();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the output is not complete"), "{said}");
}

/// Reads slowly and stops; what is lost meanwhile is told when it reads on.
#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn what_is_lost_while_the_reader_stalls_is_told_when_it_reads_on() {
    if !lab::can_run("what_is_lost_while_the_reader_stalls_is_told_when_it_reads_on", &["stress-ng"]) {
        return;
    }
    let cgroup = Cgroup::any("lost");
    let mut tracer = Unread::spawn(&["--all-signals", "--ring-size", "256", "--cgroup", cgroup.arg()]);
    tracer.ready();
    let _storm = storm(&cgroup);
    tracer.stalls();
    let mut lines = BufReader::new(tracer.0.stdout.take().expect("stdout is piped")).lines();
    let lost = lines.find_map(|line| {
        let line: Value = serde_json::from_str(&line.expect("text")).expect("whole lines of JSON");
        (line["kind"] == "lost").then_some(line)
    });
    println!("{}", lost.expect("it is told"));
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_storm_does_not_delay_the_end_and_what_was_recorded_is_whole() {
    if !lab::can_run("a_storm_does_not_delay_the_end_and_what_was_recorded_is_whole", &["stress-ng"]) {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let recording = dir.path().join("storm.rec");
    let record = recording.to_str().expect("no strange names");
    let cgroup = Cgroup::any("storm");
    let mut tracer = Tracer::spawn(&["--all-signals", "--record", record, "--cgroup", cgroup.arg()], ready);
    let _storm = storm(&cgroup);
    tracer.wait_for("the storm", PATIENCE, |line| line["kind"] == "exit");
    until("the storm to be one", PATIENCE, || (tracer.lines().len() > 20_000).then_some(()));
    send("INT", tracer.pid());
    let started = Instant::now();
    // to read all its lines takes longer than that
    until("the tracer to end", PATIENCE, || is_over(tracer.pid()).then_some(()));
    let took = started.elapsed();
    let ended = tracer.wait();
    println!("ended after {took:?}, {} lines", ended.lines.len());
    assert!(took < SOON, "{took:?}");
    assert!(matches!(ended.status.code(), Some(0 | 1)), "{}", ended.stderr);
    let reader = Reader::new(BufReader::new(fs::File::open(&recording).expect("it is there"))).expect("a recording");
    let events = reader.inspect(|event| assert!(event.is_ok(), "{event:?}")).count();
    assert!(events > 20_000, "{events}");
    // command lines with secrets may be in it
    assert_eq!(fs::metadata(&recording).expect("it is there").permissions().mode() & 0o777, 0o600);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn nohup_means_that_a_hangup_is_ignored() {
    if !lab::can_run("nohup_means_that_a_hangup_is_ignored", &[]) {
        return;
    }
    let cgroup = Cgroup::any("nohup");
    let mut command = Command::new("sh");
    command.args(["-c", r#"trap '' HUP; exec "$0" "$@""#, BINARY]);
    let mut tracer = Tracer::start(command, &["--cgroup", cgroup.arg()], ready);
    send("HUP", tracer.pid());
    let mut program = cgroup.command("true").spawn().expect("it starts");
    program.wait().expect("it can be waited for");
    tracer.wait_for("an exit after the hangup", PATIENCE, |line| line["kind"] == "exit");
    assert!(tracer.interrupt().status.success());

    let mut tracer = Tracer::spawn(&["--cgroup", cgroup.arg()], ready);
    send("HUP", tracer.pid());
    assert!(tracer.wait().status.success(), "without nohup a hangup ends it in order");
}
