//! The system refuses what the tracer asks of it, call by call: injected with strace. Whatever is refused, the tracer says
//! what it could not do and ends, or goes on; it never panics, and no verdict that claims to be certain is wrong.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::lab::cgroup::Cgroup;
use crate::lab::tracer::{BINARY, Tracer};
use crate::lab::{self, PATIENCE};
use crate::storms::DROPS;
use crate::{Workload, ready};

/// A refusal: of which system call, with which error, when, and how it must end (exit code, a part of what is said).
type Refusal = (&'static str, &'static str, &'static str, i32, &'static str);

/// Those with an answer that is known. `1+` is every call.
const REFUSALS: [Refusal; 10] = [
    ("bpf", "ENOMEM", "1", 3, "cannot trace here: trying a ring buffer failed: Cannot allocate memory"),
    ("bpf", "EPERM", "1+", 3, "bpf(2) is refused although the capabilities are there"),
    ("epoll_create1", "EMFILE", "1", 1, "cannot start the event loop: Too many open files"),
    ("epoll_ctl", "ENOMEM", "1", 1, "cannot start the event loop: Cannot allocate memory"),
    ("epoll_ctl", "ENOMEM", "3", 3, "cannot poll the ring buffer: Cannot allocate memory"),
    ("clone3", "EAGAIN", "1+", 1, "cannot start the thread that writes the output"),
    ("getdents64", "EIO", "1+", 4, "containers may be missing: cannot read "),
    ("capset", "EPERM", "1+", 0, "privileges that are not needed any more could not be given up"),
    ("socket", "EMFILE", "1+", 0, "tracing"),
    ("sched_getaffinity", "EPERM", "1+", 0, "tracing"),
];

/// Of the calls of bpf(2) that it takes to start, about 80, every so many is refused.
const EVERY: usize = 6;
/// That many there are at least.
const CALLS: usize = 77;

/// A command that runs the tracer with a refusal injected.
fn refused(call: &str, error: &str, when: &str) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["--follow-forks", "--output", "/dev/null", "--trace", call]);
    strace.arg(format!("--inject={call}:error={error}:when={when}")).arg(BINARY);
    strace.arg("--no-attach");
    strace
}

fn run(mut command: Command, cgroup: &Cgroup) -> Output {
    command.args(["--output", "json", "--cgroup", cgroup.arg(), "--duration", "200ms"]).stdin(Stdio::null());
    command.output().expect("strace runs")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn what_is_refused_is_told() {
    if !lab::can_run("what_is_refused_is_told", &["strace"]) {
        return;
    }
    let cgroup = Cgroup::any("refused");
    for (call, error, when, code, part) in REFUSALS {
        let output = run(refused(call, error, when), &cgroup);
        let said = told(&output);
        assert_eq!(output.status.code(), Some(code), "{call} {error} {when}: {said}");
        assert!(said.contains(part), "{call} {error} {when}: {said}");
        assert!(said.matches("tracer: error: ").count() <= 1, "one error: {said}");
    }
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn whichever_call_of_bpf_fails_it_ends_with_a_reason_or_goes_on() {
    if !lab::can_run("whichever_call_of_bpf_fails_it_ends_with_a_reason_or_goes_on", &["strace"]) {
        return;
    }
    let cgroup = Cgroup::any("bpf-refused");
    let mut ended = 0;
    let log = tempfile::NamedTempFile::new().expect("a file can be made");
    for nth in (2..CALLS).step_by(EVERY) {
        // strace counts the calls of each thread: there is but one if no other can be started
        let mut strace = Command::new("strace");
        strace.arg("--follow-forks").arg("--output").arg(log.path()).args(["--trace=bpf,clone3"]);
        strace.arg(format!("--inject=bpf:error=ENOMEM:when={nth}")).arg("--inject=clone3:error=EAGAIN:when=1..2");
        strace.args([BINARY, "--no-attach"]);
        let output = run(strace, &cgroup);
        let calls = std::fs::read_to_string(log.path()).expect("strace writes it");
        let refused = calls.lines().filter(|line| line.contains(" bpf(") && line.contains("(INJECTED)")).count();
        assert_eq!(refused, 1, "call {nth} is one of them:\n{calls}");
        let said = told(&output);
        assert!(!said.contains("panicked"), "call {nth}: {said}");
        let errors: Vec<_> = said.lines().filter(|line| line.starts_with("tracer: error: ")).collect();
        match output.status.code() {
            // it can do without: a test of what the kernel can, an optional program
            Some(0) => assert!(errors.is_empty() && said.contains("tracing"), "call {nth}: {said}"),
            Some(1 | 3) => {
                ended += 1;
                assert_eq!(errors.len(), 1, "call {nth}: {said}");
                assert!(errors[0].matches("Cannot allocate memory").count() <= 1, "said once: {said}");
                assert!(errors[0].contains("cannot ") || errors[0].contains("failed"), "call {nth}: {said}");
            }
            code => panic!("call {nth}: {code:?}: {said}"),
        }
    }
    assert!(ended > 0, "an injected failure has an effect");
}

/// As much as it may reserve, KiB: from what the program itself takes to what is enough.
const ROOMS: std::ops::Range<u32> = 24_000..160_000;
/// Processes to remember.
const CROWD: &str = "for (1..5000) { my $child = fork // last; if (!$child) { sleep 1000; exit } } sleep 1000";

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn without_memory_it_says_so_or_works() {
    if !lab::can_run("without_memory_it_says_so_or_works", &[]) {
        return;
    }
    let cgroup = Cgroup::any("no-room");
    let (mut refused, mut worked) = (0, 0);
    let within = |room: u32, option: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", r#"ulimit -v "$0" && exec "$@""#, &room.to_string(), BINARY, option]);
        command.env("MALLOC_ARENA_MAX", "1");
        command
    };
    // where even its version cannot be told, nothing of ours runs
    let starts = |room: &u32| lab::output(&mut within(*room, "--version")).status.success();
    for room in ROOMS.step_by(8_000).filter(starts) {
        let output = run(within(room, "--no-attach"), &cgroup);
        let said = told(&output);
        let errors: Vec<_> = said.lines().filter(|line| line.starts_with("tracer: error: ")).collect();
        assert!(!said.contains("panicked"), "{room} KiB: {said}");
        match output.status.code() {
            Some(0) => {
                worked += 1;
                assert!(errors.is_empty() && said.contains("tracing"), "{room} KiB: {said}");
            }
            Some(1 | 3) => {
                assert_eq!(errors.len(), 1, "{room} KiB: {said}");
                let why = errors[0].to_lowercase();
                assert!(
                    why.contains("memory") || why.contains("resource temporarily unavailable"),
                    "{room} KiB: {said}"
                );
                refused += u32::from(why.contains("out of memory"));
            }
            code => panic!("{room} KiB: {code:?}: {said}"),
        }
    }
    assert!(refused > 0 && worked > 0, "{refused} refused, {worked} worked");
}

/// From one moment on, in the middle of its work.
#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn when_memory_runs_out_it_says_so_and_what_it_told_is_right() {
    if !lab::can_run("when_memory_runs_out_it_says_so_and_what_it_told_is_right", &["prlimit", "unshare", "perl"]) {
        return;
    }
    let cgroup = Cgroup::any("runs-out");
    // the C library gives back what is freed, and so has little of its own to go on with
    let mut thrifty = Command::new("env");
    thrifty.args(["MALLOC_TRIM_THRESHOLD_=0", "MALLOC_TOP_PAD_=0", "MALLOC_ARENA_MAX=1", BINARY]);
    let mut tracer = Tracer::start(thrifty, &["--cgroup", cgroup.arg()], ready);
    let mut workload = Workload::init(&cgroup, DROPS);
    workload.send("TERM");
    workload.send("KILL");
    tracer.wait_for("a termination", PATIENCE, crate::is_termination);
    workload.wait();
    let mut workload = Workload::init(&cgroup, DROPS);
    workload.send("TERM");
    tracer.wait_for("the second one's drop", PATIENCE, |line| {
        line["kind"] == "signal" && line["outcome"] == "dropped" && line["target"]["pid"] == workload.pid
    });
    lab::read(Command::new("prlimit").args(["--data=1", "--pid", &tracer.pid().to_string()]));
    workload.send("KILL");
    workload.wait();
    let mut crowd = cgroup.command("perl").args(["-e", CROWD]).spawn().expect("it starts");
    let ended = tracer.wait();
    drop((crowd.kill(), crowd.wait()));
    let errors: Vec<_> = ended.stderr.lines().filter(|line| line.starts_with("tracer: error: ")).collect();
    assert_eq!((ended.status.code(), errors.len()), (Some(1), 1), "{}", ended.stderr);
    assert!(errors[0].starts_with("tracer: error: out of memory: the system refused "), "{errors:?}");
    let verdicts: Vec<_> =
        ended.lines.iter().filter(|line| crate::is_termination(line)).map(|line| &line["verdict"]).collect();
    assert!(
        matches!(verdicts.len(), 1 | 2) && verdicts.iter().all(|verdict| *verdict == "sigterm-dropped"),
        "{verdicts:?}"
    );
}

/// The kernel answers nothing any more, while a container is being stopped.
#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn when_the_kernel_stops_answering_nothing_wrong_is_told() {
    if !lab::can_run("when_the_kernel_stops_answering_nothing_wrong_is_told", &["strace", "unshare", "perl"]) {
        return;
    }
    let root = Cgroup::any("unanswered");
    let cgroup = root.below("stops");
    let mut tracer = Tracer::spawn(&["--cgroup", cgroup.arg()], ready);
    let mut workload = Workload::init(&cgroup, DROPS);
    let pid = tracer.pid().to_string();
    let mut strace = Command::new("strace");
    strace.args(["--attach", &pid, "--follow-forks", "--output", "/dev/null", "--trace", "bpf"]);
    strace.arg("--inject=bpf:error=EIO:when=1+").stderr(Stdio::null());
    let mut strace = strace.spawn().expect("strace starts");
    lab::until("strace to hold it", PATIENCE, || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0")).then_some(())
    });
    workload.send("TERM");
    workload.send("KILL");
    workload.wait();
    let ended = tracer.wait();
    strace.wait().expect("it ends with whom it traces");
    let errors: Vec<_> = ended.stderr.lines().filter(|line| line.starts_with("tracer: error: ")).collect();
    assert_eq!((ended.status.code(), errors.len()), (Some(1), 1), "{}", ended.stderr);
    // which of its maps it asks first depends on the moment
    assert!(errors[0].contains(" the map ") && errors[0].contains(": Input/output error"), "{errors:?}");
    for line in ended.lines.iter().filter(|line| crate::is_termination(line)) {
        assert!(line["verdict"] == "sigterm-dropped" || line["certain"] == Value::Bool(false), "{line}");
    }
    cgroup.remove();
    // and the next one traces again
    let mut tracer = Tracer::spawn(&["--cgroup", root.arg()], ready);
    let workload = Workload::init(&root, DROPS);
    workload.send("TERM");
    workload.send("KILL");
    let told = tracer.wait_for("a termination", PATIENCE, crate::is_termination);
    assert_eq!((&told["verdict"], &told["certain"]), (&"sigterm-dropped".into(), &true.into()), "{told}");
}
