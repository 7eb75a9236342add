//! The terminal UI on a real terminal: what it shows while real containers stop, and that it leaves the terminal as it was,
//! however it ends.

mod lab;

use std::process::Command;

use lab::docker::{Cgroups, Daemon, Options};
use lab::screen::{Screen, typed};
use lab::tracer::BINARY;
use lab::{PATIENCE, again, read, send, until};

/// A recording to look at, where no root and no kernel are needed.
const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios/bash-drops.rec");

/// Nothing is to be written for so long.
const IDLE: std::time::Duration = std::time::Duration::from_secs(2);

fn replay() -> String {
    format!("{BINARY} replay {RECORDING}")
}

/// The pid of the tracer that runs on that screen: the shell's child.
fn tracer_of(screen: &Screen) -> u32 {
    let shell = screen.shell();
    until("the tracer to run", PATIENCE, || {
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    })
}

/// What a process has written so far, bytes.
#[track_caller]
fn written(pid: u32) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).expect("it runs");
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: ")).expect("proc(5) has it");
    line.parse().expect("a number")
}

/// The terminal is the shell's again, with the modes it had.
#[track_caller]
fn is_as_before(screen: &Screen, modes: &str) {
    until("the shell to have its screen again", PATIENCE, || (!screen.is_taken()).then_some(()));
    assert_eq!(screen.modes(), modes, "the modes of the terminal");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_replay_takes_the_terminal_and_gives_it_back() {
    if !lab::can_run("a_replay_takes_the_terminal_and_gives_it_back", &["tmux"]) {
        return;
    }
    let screen = Screen::open(80, 24);
    let modes = screen.modes();
    screen.type_line(&format!("{}; echo ended-$?", replay()));
    screen.wait_for("REPLAY");
    assert!(screen.is_taken());
    // while nothing happens nothing is written
    let tracer = tracer_of(&screen);
    let idle = written(tracer);
    std::thread::sleep(IDLE);
    assert_eq!(written(tracer), idle, "it draws though nothing changed");
    // each step shows at once, with no other key after it
    for (key, at) in [("{", "0:00.0 "), (".", "0:01.0 "), (",", "0:00.0 ")] {
        screen.press(key);
        screen.wait_for(at);
    }
    screen.press("}");
    screen.wait_until("its end", |text| !text.contains("0:00.0 "));
    screen.press("1");
    screen.wait_for("sigterm-dropped");
    screen.press("{ Space");
    screen.wait_for("PLAYING");
    screen.wait_for("stopping: bash-drops");
    screen.press("Space");
    screen.wait_for("REPLAY");
    // another size, too small, and back
    screen.resize(30, 8);
    screen.wait_for("too small");
    screen.resize(100, 30);
    screen.wait_for("CONTAINER");
    screen.press("q");
    screen.wait_for("ended-0");
    is_as_before(&screen, &modes);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn stopped_and_continued_by_the_shell() {
    if !lab::can_run("stopped_and_continued_by_the_shell", &["tmux"]) {
        return;
    }
    let screen = Screen::open(80, 24);
    let modes = screen.modes();
    for _ in 0..2 {
        screen.type_line(&replay());
        screen.wait_for("REPLAY");
        screen.press("C-z");
        screen.wait_for("Stopped");
        is_as_before(&screen, &modes);
        screen.type_line("fg");
        screen.wait_for("REPLAY");
        assert!(screen.is_taken());
        screen.press("?");
        screen.wait_for("Keys:");
        // Esc and a key right after it are another key
        screen.press("Esc");
        screen.wait_until("the help to close", |text| !text.contains("Keys:"));
        screen.press("q");
        is_as_before(&screen, &modes);
    }
    // stopped from elsewhere, without a chance to tidy up: it comes back whole
    screen.type_line(&replay());
    screen.wait_for("REPLAY");
    send("STOP", tracer_of(&screen));
    screen.wait_for("Stopped");
    screen.type_line("clear");
    screen.wait_until("nothing of it", |text| !text.contains("REPLAY"));
    screen.type_line("fg");
    screen.wait_for("REPLAY");
    screen.press("q");
    is_as_before(&screen, &modes);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn signals_end_it_in_order() {
    if !lab::can_run("signals_end_it_in_order", &["tmux"]) {
        return;
    }
    let screen = Screen::open(80, 24);
    let modes = screen.modes();
    for signal in ["TERM", "INT", "HUP"] {
        screen.type_line(&format!("{}; echo ended-$?", replay()));
        screen.wait_for("REPLAY");
        send(signal, tracer_of(&screen));
        screen.wait_for("ended-0");
        is_as_before(&screen, &modes);
    }
}

/// Takes the terminal and panics, in a process of its own.
fn take_the_terminal_and_panic() {
    std::panic::set_hook(Box::new(|panic| {
        use std::io::Write as _;
        writeln!(std::io::stderr(), "the hook before: {panic}").expect("standard error");
    }));
    let sink = tracer_user::live::sink::Sink::new(std::io::stdout()).expect("a thread");
    let _terminal = tracer_user::tui::terminal::Terminal::take(sink.buffer()).expect("a terminal");
    panic!("as if there were a bug");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_panic_gives_the_terminal_back() {
    if again::scene().is_some() {
        take_the_terminal_and_panic();
    }
    if !lab::can_run("a_panic_gives_the_terminal_back", &["tmux"]) {
        return;
    }
    let screen = Screen::open(100, 24);
    let modes = screen.modes();
    let test = again::binary();
    let arguments = "--exact a_panic_gives_the_terminal_back --include-ignored --nocapture";
    screen.type_line(&format!("TRACER_LAB_SCENE=panic {} {arguments} 2>panic.txt; cat panic.txt", test.display()));
    screen.wait_for("the hook before");
    let told = screen.run("cat panic.txt; rm panic.txt");
    assert!(told.contains("as if there were a bug"), "{told}");
    is_as_before(&screen, &modes);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn where_there_is_no_screen_there_is_text() {
    if !lab::can_run("where_there_is_no_screen_there_is_text", &["tmux"]) {
        return;
    }
    let screen = Screen::open(160, 60);
    let replay = replay();
    for (before, after, why) in [
        ("TERM=dumb", "-o tui", "a dumb one"),
        ("TERM=", "-o tui", "a dumb one"),
        ("", "-o tui </dev/null", "standard input is no terminal"),
        ("", "-o tui | cat", "standard output is no terminal"),
    ] {
        let told = screen.run(&format!("{before} {replay} {after}"));
        assert!(told.contains(why) && told.contains("SIGTERM DROPPED"), "{before} {after}: {told}");
    }
    // nobody asked for it: nothing to say
    for command in [format!("TERM=dumb {replay}"), format!("{replay} | cat"), format!("{replay} -o text")] {
        let told = screen.run(&command);
        assert!(told.contains("SIGTERM DROPPED") && !told.contains("no terminal UI"), "{command}: {told}");
    }
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn the_demo_on_a_terminal_checks_itself() {
    if !lab::can_run("the_demo_on_a_terminal_checks_itself", &["tmux"]) {
        return;
    }
    let screen = Screen::open(80, 24);
    let dir = tempfile::tempdir().expect("a directory");
    screen.run(&format!("cd {}", dir.path().display()));
    let modes = screen.modes();
    screen.type_line(&format!("{BINARY} demo dropped graceful; echo ended-$?"));
    screen.wait_for("(1/2) dropped");
    screen.press("1");
    screen.wait_until("the stop draining", |text| text.contains("dropped") && text.contains("left"));
    screen.wait_for("(2/2) graceful");
    let end = screen.wait_for("2 of 2 scenarios were judged as they should be");
    assert!(end.contains("sigterm-dropped") && end.contains("graceful"), "{end}");
    screen.press("4");
    screen.wait_for("SIGKILL");
    // nobody asked for a recording before: one can be had all the same
    screen.press("5");
    screen.wait_for("SIGTERM DROPPED");
    screen.press("R");
    screen.wait_for("saved as tracer-");
    screen.press("q");
    let left = screen.wait_for("ended-0");
    assert!(left.contains("tracer: 2 of 2 scenarios"), "{left}");
    is_as_before(&screen, &modes);
    let told = screen.run(&format!("{BINARY} replay tracer-*.rec -o json | grep -o '\"verdict\":\"[a-z-]*\"'"));
    assert_eq!(told.trim(), r#""verdict":"sigterm-dropped""#, "of this container, and of no other");
    // half way
    screen.type_line(&format!("clear; {BINARY} demo; echo ended-$?"));
    screen.wait_for("(1/16)");
    screen.press("q");
    screen.wait_for("ended-0");
    is_as_before(&screen, &modes);
}

/// Children that nobody waits for, two a second.
const NEGLIGENT: &str = "
import os, time
while True:
    if os.fork() == 0: os._exit(0)
    time.sleep(0.5)";

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn without_memory_it_gives_the_terminal_back_and_says_why() {
    if !lab::can_run("without_memory_it_gives_the_terminal_back_and_says_why", &["tmux", "prlimit"]) {
        return;
    }
    let screen = Screen::open(80, 24);
    let modes = screen.modes();
    screen.type_line(&format!("{}; echo ended-$?", replay()));
    screen.wait_for("REPLAY");
    read(Command::new("prlimit").args(["--data=1", "--pid", &tracer_of(&screen).to_string()]));
    // a larger screen needs more than it has
    screen.resize(400, 120);
    screen.wait_until("why", |text| text.contains("tracer: error: out of memory: ") && text.contains("ended-1"));
    is_as_before(&screen, &modes);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_container_that_nobody_stops_opens_on_what_is_wrong_with_it() {
    let name = "a_container_that_nobody_stops_opens_on_what_is_wrong_with_it";
    if !lab::can_run(name, &["tmux", "dockerd", "containerd", "runc", "python3"]) {
        return;
    }
    let docker = Daemon::start(Cgroups::PureV2);
    let screen = Screen::open(80, 24);
    let tracer = typed(&docker.enter(BINARY));
    docker.run("leaks", &["python3", "-c", NEGLIGENT], &Options::default());
    screen.type_line(&format!("{tracer} --docker {} -c leaks; echo ended-$?", docker.socket().display()));
    // nothing is pressed: first what is known of it, then its zombies as soon as they are a finding
    screen.wait_for("nothing asked it to stop so far");
    screen.wait_until("its zombies", |text| {
        text.contains("▲ ZOMBIES") && text.contains("python3 (PID 1)") && text.contains("  Fix ")
    });
    // and the end, when somebody stops it
    let mut stop = docker.client(&["stop", "--time", "2", "leaks"]).spawn().expect("docker starts");
    screen.wait_until("the picture of it", |text| text.contains("grace period") && text.contains("SIGTERM dropped"));
    assert!(stop.wait().expect("docker ends").success());
    screen.wait_until("what was wrong before", |text| text.contains("Before ") && text.contains("zombies (python3"));
    screen.press("q");
    screen.wait_for("ended-0");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_container_of_docker_is_watched_as_it_is_stopped() {
    if !lab::can_run("a_container_of_docker_is_watched_as_it_is_stopped", &["tmux", "dockerd", "containerd", "runc"]) {
        return;
    }
    let docker = Daemon::start(Cgroups::PureV2);
    let screen = Screen::open(80, 24);
    let modes = screen.modes();
    let tracer = typed(&docker.enter(BINARY));
    let socket = docker.socket();
    screen.type_line(&format!("{tracer} --docker {} -c web; echo ended-$?", socket.display()));
    // it is waited for, and that is said on the screen
    screen.wait_for("waiting for it");
    docker.run("web", &["sh", "-c", "sleep 1000; true"], &Options::default());
    screen.wait_for("1 container");
    // what was asked for by name is opened
    until("its page to be opened", PATIENCE, || screen.text().contains("web").then_some(()));
    screen.press("1");
    screen.wait_until("its row", |text| text.contains("web") && text.contains("running"));
    // before anybody stops it, it is known that it would not stop
    screen.wait_until("what would be", |text| {
        text.contains("~dropped") && text.contains("SIGTERM would be dropped: sh (PID 1) has no handler")
    });
    screen.press("2");
    screen.wait_until("what would be", |text| text.contains("Then ") && text.contains("Fix "));
    screen.press("1");
    let mut stop = docker.client(&["stop", "--time", "3", "web"]).spawn().expect("docker starts");
    screen.wait_until("the budget draining", |text| text.contains("stopping: web") && text.contains("dropped"));
    screen.press("2");
    screen.wait_until("the picture of it", |text| text.contains("grace period") && text.contains("SIGTERM dropped"));
    screen.press("1");
    screen.wait_for("sigterm-dropped");
    screen.press("2");
    screen.wait_until("why, and the fix", |text| {
        text.contains("  Why ") && text.contains("  Fix ") && text.contains("SIGKILL")
    });
    assert!(stop.wait().expect("docker ends").success());
    screen.press("4");
    screen.wait_for("SIGTERM  DROPPED");
    screen.press("q");
    let left = screen.wait_for("ended-0");
    assert!(left.contains("tracer: no container is called web yet; waiting for it"), "{left}");
    is_as_before(&screen, &modes);
    // with --until-exit it goes away by itself, and what was waited for stays on the terminal
    docker.run("brief", &["sh", "-c", "sleep 1000; true"], &Options::default());
    screen.type_line(&format!("clear; {tracer} --docker {} -c brief --until-exit; echo ended-$?", socket.display()));
    until("the tracer to have the screen", PATIENCE, || screen.is_taken().then_some(()));
    screen.wait_for("1 container");
    docker.stop("brief", 1);
    let left = screen.wait_for("ended-0");
    assert!(left.contains("sigterm-dropped"), "{left}");
    is_as_before(&screen, &modes);
}
