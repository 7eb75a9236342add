//! Real containers and the real binary, for the tests that run as root.
//!
//! A test file says `mod lab;` and uses what it needs:
//!
//! ```ignore
//! #[test]
//! #[ignore = "needs root: cargo xtask test runs it"]
//! fn a_shell_drops_the_stop_signal() {
//!     if !lab::can_run("a_shell_drops_the_stop_signal", &["dockerd"]) {
//!         return;
//!     }
//!     let docker = lab::docker::Daemon::start(lab::docker::Cgroups::PureV2);
//!     let mut tracer = lab::tracer::Tracer::start(docker.enter(lab::tracer::BINARY), &["--docker", …], ready);
//!     docker.run("shell", &["sh", "-c", "sleep 1000; true"], &lab::docker::Options::default());
//!     …
//! }
//! ```
//!
//! A test that has to look for itself inside the daemon's mount namespace runs once more in there: see [`again`].
//!
//! Nothing here sleeps to make something true: [`until`] asks again and again, with a deadline.
//! Nothing outlives a test: daemons end when the pipe from the test closes, even if the test is killed.
#![allow(dead_code, reason = "every test file compiles its own copy of this and uses a part of it")]
#![expect(clippy::print_stderr, reason = "what a test has to say beside its result goes to stderr")]

pub(crate) mod again;
pub(crate) mod cgroup;
pub(crate) mod cri;
pub(crate) mod daemon;
pub(crate) mod docker;
pub(crate) mod ftrace;
pub(crate) mod host;
pub(crate) mod image;
pub(crate) mod kubelet;
pub(crate) mod kubernetes;
pub(crate) mod podman;
pub(crate) mod screen;
pub(crate) mod tracer;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Long enough for anything that will ever happen on a busy machine, short enough not to hang a run.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The directory of the whole workspace.
pub(crate) fn workspace() -> PathBuf {
    let crate_dir = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&crate_dir).parent().expect("a crate is in the workspace").to_owned()
}

/// The directory of the programs that a runtime is upgraded to.
pub(crate) fn upgrade() -> PathBuf {
    std::env::var_os("TRACER_UPGRADE").map_or_else(|| workspace().join("target/upgrade/usr/bin"), PathBuf::from)
}

/// Asks until there is an answer, and panics naming `what` when the deadline passes without one.
#[track_caller]
pub(crate) fn until<T>(what: &str, deadline: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < deadline, "waited {deadline:?} for {what}, in vain");
        sleep(Duration::from_millis(10));
    }
}

/// Whether a test can run here: as root, with these programs. If not, under CI that is a failure, and elsewhere it is
/// said, counted by `cargo xtask test` as skipped, and the test returns.
#[track_caller]
pub(crate) fn can_run(test: &str, programs: &[&str]) -> bool {
    let root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let missing: Vec<_> = programs.iter().filter(|name| host::program(name).is_none()).copied().collect();
    match (root, missing.is_empty()) {
        (true, true) => return true,
        (false, _) => cannot_run(test, "needs root"),
        (true, false) => {
            cannot_run(test, &format!("{} not found: `cargo xtask setup` installs it", missing.join(", ")));
        }
    }
    false
}

/// Says why a test cannot run here: under CI that is a failure.
#[track_caller]
pub(crate) fn cannot_run(test: &str, reason: &str) {
    let strict = std::env::var("CI").is_ok_and(|value| value == "true" || value == "1");
    assert!(!strict, "{test} cannot run here, and under CI nothing is skipped: {reason}");
    eprintln!("skipped: {test}: {reason}");
    if let Some(path) = std::env::var_os("TRACER_TEST_SKIPS") {
        let mut file = OpenOptions::new().append(true).create(true).open(path).expect("the file of skips opens");
        writeln!(file, "{test}: {reason}").expect("the file of skips takes a line");
    }
}

/// Runs a command that must succeed, and returns what it printed, without the line end.
#[track_caller]
pub(crate) fn read(command: &mut Command) -> String {
    let output = output(command);
    assert!(
        output.status.success(),
        "{command:?} failed with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// Runs a command that must at least start.
#[track_caller]
pub(crate) fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"))
}

/// Sends a signal by name. The shell's own `kill`: no other is sure to be installed.
#[track_caller]
pub(crate) fn send(signal: &str, pid: u32) {
    read(Command::new("sh").args(["-c", r#"kill -s "$1" "$2""#, "send", signal, &pid.to_string()]));
}
