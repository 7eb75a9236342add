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

/// Of the calls of bpf(2) that it takes to start, about 85, every so many is refused.
const EVERY: usize = 6;

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
    for nth in (2..85).step_by(EVERY) {
        let output = run(refused("bpf", "ENOMEM", &nth.to_string()), &cgroup);
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
