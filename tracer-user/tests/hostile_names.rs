//! Names that would take over a terminal, from the processes and cgroups that bear them to everything that shows them.

mod lab;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::process::Command;

use lab::PATIENCE;
use lab::cgroup::Cgroup;
use lab::screen::Screen;
use lab::tracer::{BINARY, Said, Tracer};
use tracer_user::printable;

/// Clears the screen, sets the window's title, writes from right to left, and is no UTF-8: as a file, a `comm` (its first 15
/// bytes) and the first argument.
const FILE: &[u8] = b"\x1b]2;OWNED\x07\x1b[2J\n\xff\xe2\x80\xae";
/// The same for a cgroup, in which the kernel allows no line break.
const CGROUP: &str = "x\u{1b}[2J\u{7}\u{202e}\u{9b}31m";

/// A first process without a handler, and a child with a very long argument, all with such names.
const SCRIPT: &str = r#"sh -c 'sleep 1000; :' "$LONG" & exec "$HOSTILE" 1000"#;

#[track_caller]
fn assert_printable(what: &str, bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|error| panic!("{what} is no UTF-8: {error}"));
    assert!(!text.is_empty(), "{what} says nothing");
    for line in text.lines() {
        assert!(printable::text(line) == line, "{what}: {line:?}");
    }
}

/// What a tracer prints, which has to succeed.
#[track_caller]
fn printed(args: &[&str]) -> Vec<u8> {
    let output = lab::output(Command::new(BINARY).args(args));
    assert!(output.status.success(), "{args:?}: {}", output.stderr.escape_ascii());
    if !output.stderr.is_empty() {
        assert_printable("its standard error", &output.stderr);
    }
    output.stdout
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn nothing_of_a_name_reaches_a_terminal_raw() {
    if !lab::can_run("nothing_of_a_name_reaches_a_terminal_raw", &["unshare", "tmux"]) {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let (program, recording) = (dir.path().join(OsStr::from_bytes(FILE)), dir.path().join("names.rec"));
    symlink("/bin/sleep", &program).expect("a file may be called so");
    let recording = recording.to_str().expect("no strange names");
    let around = Cgroup::any("hostile-names");
    let cgroup = around.below(CGROUP);
    let tracing = |said: Said<'_>| matches!(said, Said::Note(note) if note.starts_with("tracer: tracing"));
    let mut tracer = Tracer::spawn(&["--cgroup", cgroup.arg(), "--until-exit", "--record", recording], tracing);

    let mut command = cgroup.init(SCRIPT);
    let mut init =
        command.env("HOSTILE", &program).env("LONG", "\x1b[31m\u{202e}".repeat(512)).spawn().expect("it starts");
    let comm = OsStr::from_bytes(&FILE[..15]);
    let first = lab::until("the program to run", PATIENCE, || {
        let named = |pid: &u32| {
            let comm_of = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
            comm_of.strip_suffix(b"\n").is_some_and(|found| found == comm.as_bytes())
        };
        cgroup.processes().into_iter().find(named)
    });
    for output in ["text", "json"] {
        let audit = printed(&["audit", "--cgroup", cgroup.arg(), "--output", output]);
        assert_printable(&format!("audit, {output}"), &audit);
    }
    lab::send("TERM", first);
    tracer.wait_for("the drop", PATIENCE, |line| line["kind"] == "signal" && line["outcome"] == "dropped");
    lab::send("KILL", first);
    let ended = tracer.wait();
    init.wait().expect("it is ours");
    assert!(ended.status.success(), "{}", ended.stderr);
    assert_printable("standard error", ended.stderr.as_bytes());
    let verdict = ended.lines.iter().find(|line| line["kind"] == "termination").map(|line| line["verdict"].clone());
    assert_eq!(verdict, Some("sigterm-dropped".into()));
    let names = ended.lines.iter().filter_map(|line| line["target"]["comm"].as_str());
    assert!(names.clone().any(|name| name.contains("OWNED")), "{:?}", names.collect::<Vec<_>>());

    for output in ["text", "json"] {
        let shown = printed(&["replay", "--output", output, recording]);
        assert_printable(&format!("replay, {output}"), &shown);
        assert!(shown.windows(5).any(|part| part == b"OWNED"), "the name is shown at all");
    }
    let screen = Screen::open(120, 40);
    screen.type_line(&format!("{BINARY} replay {recording}; echo ended-$?"));
    screen.wait_for("REPLAY");
    let shown = screen.wait_until("the name, escaped", |text| text.contains(r"\x1b"));
    assert_printable("the terminal", shown.as_bytes());
    screen.press("q");
    screen.wait_for("ended-0");
}
