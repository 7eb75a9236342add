//! Programs in containers of tracer's own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tracer_user::sandbox::cgroup::Hierarchy;

use crate::lab::tracer::BINARY;
use crate::lab::{PATIENCE, can_run, send, until};
use crate::{check, processes_with, report};

#[track_caller]
fn checked(args: &[&str], command: &[&str]) -> (Value, i32) {
    let args: Vec<&str> = [&["-o", "json", "--grace", "1s"], args, &["--"], command].concat();
    report(&check(Command::new(BINARY), &args))
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn each_program_gets_its_verdict() {
    const POLITE: &str = "trap 'kill $!; wait; exit 0' TERM; sleep 1000 & wait";
    if !can_run("each_program_gets_its_verdict", &["dash", "bash"]) {
        return;
    }
    for (command, verdict, cause) in [
        (&["dash", "-c", "sleep 1000; true"][..], "sigterm-dropped", json!("no-handler")),
        (&["dash", "-c", "exec sleep 1000"], "sigterm-dropped", json!("no-handler")),
        (&["dash", "-c", POLITE], "graceful", Value::Null),
        (&["dash", "-c", "trap '' TERM; sleep 1000; true"], "sigterm-ignored", Value::Null),
        (&["bash", "-c", "trap 'exit 0' TERM; sleep 1000; true"], "too-slow", json!("trap-deferred")),
        (&["bash", "-c", "trap 'exit 0' TERM; sleep 1000 & wait"], "not-forwarded", Value::Null),
    ] {
        let (report, code) = checked(&[], command);
        assert_eq!((&report["verdict"], &report["termination"]["cause"]), (&json!(verdict), &cause), "{report}");
        assert_eq!((code, report["passed"].as_bool()), (i32::from(verdict != "graceful"), Some(verdict == "graceful")));
        assert_eq!(report["ready"]["by"], "settled", "{report}");
        let first = &report["termination"]["processes"][0];
        assert_eq!(first["ns_pid"], 1, "{report}");
        assert_eq!(report["termination"]["grace"]["budget_s"], 1, "{report}");
    }
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn another_verdict_may_be_expected_and_another_signal_sent() {
    if !can_run("another_verdict_may_be_expected_and_another_signal_sent", &["dash"]) {
        return;
    }
    let (report, code) = checked(&["--expect", "too-slow,sigterm-dropped"], &["dash", "-c", "sleep 1000; true"]);
    assert_eq!((code, &report["passed"]), (0, &json!(true)), "{report}");
    let quits = "trap 'exit 0' QUIT; while :; do sleep 0.1; done";
    let (report, code) = checked(&["--stop-signal", "QUIT"], &["dash", "-c", quits]);
    assert_eq!((code, &report["termination"]["stop_signal"]), (0, &json!("SIGQUIT")), "{report}");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn readiness_by_a_command_inside_and_by_a_line() {
    if !can_run("readiness_by_a_command_inside_and_by_a_line", &["dash"]) {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("up");
    let program = format!("sleep 0.3; touch {}; echo now it is up; exec sleep 1000", file.display());
    let dropped = ["--expect", "sigterm-dropped"];
    // the command sees the container's processes, and PID 1 is not the host's
    let inside = format!("test -e {} && grep -q sleep /proc/1/comm", file.display());
    let (report, code) = checked(&[&dropped[..], &["--ready", &inside]].concat(), &["dash", "-c", &program]);
    assert_eq!((code, &report["ready"]["by"]), (0, &json!("command")), "{report}");
    let hints = report["termination"]["hints"].as_array().expect("a list");
    assert!(hints.iter().all(|hint| hint["hint"] != "left-behind"), "the command is gone: {report}");
    let (report, code) = checked(&[&dropped[..], &["--ready-log", "is up"]].concat(), &["dash", "-c", &program]);
    assert_eq!((code, &report["ready"]["by"]), (0, &json!("log")), "{report}");
    assert_eq!(report["output"], json!(["now it is up"]));

    let never = ["--ready", "echo not yet >&2; exit 7", "--ready-timeout", "1s"];
    let (report, code) = checked(&never, &["sleep", "1000"]);
    assert_eq!((code, &report["verdict"]), (1, &Value::Null), "{report}");
    let error = report["error"].as_str().expect("an error");
    assert!(
        error.starts_with("not ready within 1s") && error.ends_with("ended with code 7 and said: not yet"),
        "{error}"
    );
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn whatever_cannot_be_checked_says_why() {
    if !can_run("whatever_cannot_be_checked_says_why", &["dash"]) {
        return;
    }
    let (report, code) = checked(&[], &["dash", "-c", "echo no database; exit 3"]);
    assert_eq!((code, &report["verdict"], &report["output"]), (1, &json!("exited"), &json!(["no database"])));
    assert_eq!(report["error"], "it exited with code 3 before it was ready, and could not be stopped");
    let (report, code) = checked(&[], &["/nowhere/server"]);
    assert_eq!((code, &report["termination"]), (1, &Value::Null));
    assert_eq!(report["error"], "cannot run /nowhere/server: No such file or directory (os error 2)");
    let (report, code) = checked(&["--workdir", "/nowhere"], &["true"]);
    assert_eq!((code, report["error"].as_str().map(|told| told.contains("cannot enter /nowhere"))), (1, Some(true)));
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn it_runs_as_who_and_where_it_is_told() {
    if !can_run("it_runs_as_who_and_where_it_is_told", &["dash"]) {
        return;
    }
    let told = "id -u; id -g; pwd; echo $GREETING; read line || echo closed; echo $$; exec sleep 1000";
    let args = ["--user", "1234:1235", "--workdir", "/", "--env", "GREETING=hello", "--expect", "sigterm-dropped"];
    let (report, code) = checked(&args, &["dash", "-c", told]);
    assert_eq!(code, 0, "{report}");
    assert_eq!(report["output"], json!(["1234", "1235", "/", "hello", "closed", "1"]));
}

/// By another program that reads XML: what a CI server sees.
#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_junit_report_can_be_read() {
    const READ: &str = "
import json, sys, xml.etree.ElementTree as tree
case = tree.parse(sys.argv[1]).getroot().find('testsuite/testcase')
failure = case.find('failure')
print(json.dumps([case.get('name'), failure.get('type'), failure.get('message'), failure.text,
                  case.findtext('system-out'), case.findtext('system-err')]))";
    if !can_run("a_junit_report_can_be_read", &["dash", "python3"]) {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("check.xml").display().to_string();
    let command = ["dash", "-c", "printf 'a < b & \\001\\033[2J\\n'; sleep 1000; true"];
    let output = check(Command::new(BINARY), &[&["--grace", "1s", "--junit", &file, "--"], &command[..]].concat());
    assert_eq!(output.status.code(), Some(1));
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        stdout.contains("SIGTERM DROPPED") && stdout.ends_with("check failed: sigterm-dropped instead of graceful\n")
    );
    assert!(!stdout.contains("a < b"), "its output is not ours: {stdout}");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("| a < b & \\x01\\x1b[2J\n"), "{stderr}");
    let told = crate::lab::read(Command::new("python3").args(["-c", READ, &file]));
    let told: Vec<String> = serde_json::from_str(&told).expect("a list");
    assert_eq!(told[0], command.join(" ").replace('\u{1}', "\u{fffd}"));
    assert_eq!(told[1], "sigterm-dropped");
    assert_eq!(told[2], "check failed: sigterm-dropped instead of graceful");
    assert!(told[3].contains("the kernel dropped it") && told[3].contains("\nFix: "), "{}", told[3]);
    assert!(told[4].contains("SIGTERM DROPPED") && told[4].lines().count() > 5, "{}", told[4]);
    assert_eq!(told[5], "a < b & \\x01\\x1b[2J");
}

/// A check of a program with `token` in its command line, whose child is up.
fn running(token: &str) -> (Child, PathBuf) {
    let program = format!("echo up; sleep 1000; echo {token}");
    let mut tracer = Command::new(BINARY);
    tracer.args(["check", "--ready", "false", "--", "dash", "-c", &program]);
    let mut tracer =
        tracer.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut said = BufReader::new(tracer.stderr.take().expect("a pipe"));
    let mut line = String::new();
    said.read_line(&mut line).expect("a line");
    assert_eq!(line, "| up\n");
    let cgroup = Hierarchy::find().expect("cgroups").point.join(format!("tracer-check-{}", tracer.id()));
    assert!(cgroup.join("check").is_dir());
    (tracer, cgroup)
}

fn nothing_is_left(token: &str, cgroup: &Path) {
    until("the processes to be gone", PATIENCE, || processes_with(token).is_empty().then_some(()));
    until("the cgroup to be gone", PATIENCE, || (!cgroup.exists()).then_some(()));
}

/// As `tracer check … | head -1` does: what fails must fail, whoever reads.
#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_reader_that_leaves_changes_nothing_in_the_result() {
    if !can_run("a_reader_that_leaves_changes_nothing_in_the_result", &["dash"]) {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    for format in ["text", "json", "junit"] {
        let file = directory.path().join(format);
        let mut tracer = Command::new(BINARY);
        tracer.args(["check", "--grace", "1s", "--output", format, "--junit"]).arg(&file);
        tracer.args(["--", "dash", "-c", "sleep 1000; true"]);
        tracer.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut tracer = tracer.spawn().expect("it starts");
        drop(tracer.stdout.take());
        assert_eq!(tracer.wait().expect("it ends").code(), Some(1), "{format}");
        let written = std::fs::read_to_string(&file).expect("a report");
        assert!(written.contains("type=\"sigterm-dropped\""), "{format}: {written}");
    }
}

/// As systemd, dockerd and podman do.
#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn cgroups_that_the_program_made_are_removed_too() {
    if !can_run("cgroups_that_the_program_made_are_removed_too", &["dash"]) {
        return;
    }
    let place = Hierarchy::find().expect("cgroups").point;
    // v2 or v1, whichever is used: its path is the same
    let own = r"$(sed -n 's,.*:\(/tracer-check.*\),\1,p' /proc/self/cgroup | head -n 1)";
    let program = format!(
        "kid={}{own}/kid; mkdir -p $kid/deeper; (echo 0 > $kid/deeper/cgroup.procs; exec sleep 1000) & \
         until grep -q . $kid/deeper/cgroup.procs; do sleep 0.01; done; echo $kid; exec sleep 1000",
        place.display()
    );
    let (report, code) = checked(&["--ready-log", "/kid"], &["dash", "-c", &program]);
    assert_eq!((code, &report["verdict"], &report["warnings"]), (1, &json!("sigterm-dropped"), &json!([])), "{report}");
    let kid = Path::new(report["output"][0].as_str().expect("its path"));
    assert!(kid.starts_with(&place) && kid.ends_with("check/kid"), "{}", kid.display());
    assert!(kid.ancestors().nth(2).is_some_and(|root| !root.exists()), "{}", kid.display());
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn ctrl_c_leaves_nothing() {
    if !can_run("ctrl_c_leaves_nothing", &["dash"]) {
        return;
    }
    let (mut tracer, cgroup) = running("ctrl-c-token");
    send("INT", tracer.id());
    assert_eq!(tracer.wait().expect("it ends").code(), Some(130));
    nothing_is_left("ctrl-c-token", &cgroup);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn kill_9_leaves_nothing() {
    if !can_run("kill_9_leaves_nothing", &["dash"]) {
        return;
    }
    let (mut tracer, cgroup) = running("kill-nine-token");
    tracer.kill().expect("it runs");
    tracer.wait().expect("it ends");
    nothing_is_left("kill-nine-token", &cgroup);
}
