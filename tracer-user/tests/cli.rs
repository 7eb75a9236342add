//! The command line without root: help, usage errors, and that the README says what `--help` says.

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn tracer(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tracer"))
        .args(args)
        .env_remove("COLUMNS")
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts")
}

fn stdout(args: &[&str]) -> String {
    let output = tracer(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace")
}

#[test]
fn help() {
    insta::assert_snapshot!("tracer", stdout(&["--help"]));
    for command in ["agent", "audit", "check", "demo", "replay", "explain", "doctor", "completions", "man"] {
        insta::assert_snapshot!(command, stdout(&[command, "--help"]));
    }
}

#[test]
fn headings_and_what_stands_below_the_help_fit_a_terminal() {
    let help = |columns: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tracer"));
        let output = command.arg("-h").env("COLUMNS", columns).stdin(Stdio::null()).output().expect("it starts");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let (narrow, wide) = (help("80"), help("100"));
    assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
    let below = |help: &str| help.split_once("\nExamples:").expect("there are some").1.to_owned();
    assert_eq!(below(&narrow), below(&wide), "nothing wraps");
}

/// `TRACER_UPDATE_DOCS=1 cargo test --test cli` writes it.
#[test]
fn the_readme_shows_the_usage() {
    const MARK: &str = "<!-- usage: the output of `tracer -h`, kept equal by a test -->\n```text\n";
    let path = repository().join("README.md");
    let readme = std::fs::read_to_string(&path).expect("README.md");
    let (before, rest) = readme.split_once(MARK).expect("the README has a usage block");
    let (shown, after) = rest.split_once("```").expect("the block ends");
    let usage = stdout(&["-h"]);
    if std::env::var_os("TRACER_UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{MARK}{usage}```{after}")).expect("README.md can be written");
    } else {
        assert_eq!(shown, usage, "TRACER_UPDATE_DOCS=1 cargo test --test cli brings it up to date");
    }
}

#[test]
fn the_man_page_names_every_option() {
    let page = stdout(&["man"]).replace('\\', "");
    let options = ["--container", "--cgroup", "--pid", "--signal", "--record", "--until-exit", "--duration", "--list"];
    for option in options {
        assert!(page.contains(option), "{option} is not in the man page");
    }
}

#[test]
fn completions_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(stdout(&["completions", shell]).contains("until-exit"), "{shell}");
    }
}

#[test]
fn wrong_usage_is_exit_code_2_and_one_error() {
    for args in [
        &["--no-such-option"][..],
        &["--signal", "TERMINATE"],
        &["--duration", "soon"],
        &["--pid", "x"],
        &["--docker", "tcp://127.0.0.1:2375"],
        &["-l", "app in (web, db)"],
        &["replay"],
        &["demo", "no-such-scenario"],
        &["audit", "--fail-on", "graceful"],
        &["completions", "tcsh"],
        &["explain", "sigterm-droped"],
        &["frobnicate"],
    ] {
        let output = tracer(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert_eq!(said.matches("error:").count(), 1, "{args:?}: {said}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_recording_that_is_none_is_one_clear_error() {
    let output = tracer(&["replay", env!("CARGO_BIN_EXE_tracer")]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("not a tracer recording"), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "{said}");
}

/// A recording of a scenario, and its text.
fn recording() -> (std::path::PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/dash-drops.rec");
    let text = std::fs::read_to_string(&path).expect("the recording");
    (path, text)
}

#[test]
fn a_recording_is_read_from_standard_input_too() {
    let (path, _) = recording();
    let expected = stdout(&["replay", path.to_str().expect("no strange names")]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracer"));
    let file = std::fs::File::open(path).expect("the recording");
    let output = command.args(["replay", "-"]).stdin(file).output().expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

#[test]
fn what_is_wrong_with_a_recording_is_told_once_and_counted_well() {
    let (_, text) = recording();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("cut.rec");
    let file = file.to_str().expect("no strange names");
    for (lines, events) in [(1, "0 events"), (2, "1 event"), (3, "2 events")] {
        let cut: String = text.lines().take(lines).flat_map(|line| [line, "\n"]).collect();
        for (more, what) in [("", "cut short"), ("garbage\n", "damaged")] {
            std::fs::write(file, format!("{cut}{more}")).expect("it can be written");
            let output = tracer(&["replay", file]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.starts_with(&format!("tracer: {events} of {file} could be read\n")), "{said}");
            assert_eq!(said.matches(what).count(), 1, "{said}");
            assert_eq!(said.matches("damaged").count() + said.matches("cut short").count(), 1, "{said}");
        }
    }
}

#[test]
fn what_cannot_be_written_is_named() {
    let (path, _) = recording();
    let path = path.to_str().expect("no strange names");
    for args in [&["replay", path][..], &["doctor"], &["explain", "graceful"], &["man"], &["completions", "bash"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("it is everywhere");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tracer"));
        let output = command.args(args).stdout(full).output().expect("the binary starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains("cannot write to standard output: No space left"), "{args:?}: {said}");
    }
}

#[test]
fn what_the_agent_would_do_is_told_with_where_it_is_from() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("agent.toml");
    std::fs::write(&file, "record-files = 3\nlog-level = \"warn\"\n").expect("it can be written");
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tracer"));
        command.args(["agent", "--print-config", "--history-size", "1MiB", "--config"]).arg(&file);
        command.env("TRACER_LOG_LEVEL", "debug").stdin(Stdio::null()).output().expect("it starts")
    };
    let output = run();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    for line in ["history-size = \"1MiB\"  # the command line", "log-level = \"debug\"  # TRACER_LOG_LEVEL"] {
        assert!(printed.contains(line), "{line} is not in\n{printed}");
    }
    assert!(printed.contains("record-files = \"3\"  # ") && printed.contains("agent.toml:1"), "{printed}");
    std::fs::write(&file, "record_file = 3\n").expect("it can be written");
    let output = run();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("agent.toml:1: there is no setting record_file; did you mean record-files?"), "{told}");
}

#[test]
fn what_an_agent_cannot_do_is_told() {
    let output = tracer(&["--attach", "/nowhere/agent.sock", "--pid", "1"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("an agent cannot do --pid for us"), "{told}");
    let output = tracer(&["--attach=/nowhere/agent.sock"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("no agent answers on /nowhere/agent.sock"), "{told}");
}
