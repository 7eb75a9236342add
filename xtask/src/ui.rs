//! The one place that prints. Progress goes to stderr, results (a path, the test totals) to stdout.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a build tool talks to the person who runs it, here only"
)]

use std::time::{Duration, Instant};

/// A piece of work that has been announced and whose duration is worth knowing.
pub(crate) struct Stage {
    name: String,
    started: Instant,
}

impl Stage {
    /// Announces the work.
    pub(crate) fn start(name: impl Into<String>) -> Self {
        let name = name.into();
        eprintln!("==> {name}");
        Self { name, started: Instant::now() }
    }

    /// Says that it is over, and how long it took.
    pub(crate) fn end(self, outcome: &str) {
        eprintln!("<== {}: {outcome} ({})", self.name, seconds(self.started.elapsed()));
    }
}

/// A step inside a stage.
pub(crate) fn note(text: impl AsRef<str>) {
    eprintln!("    {}", text.as_ref());
}

/// A command about to be run, as one would type it.
pub(crate) fn command(line: &str) {
    eprintln!("    $ {line}");
}

/// A line of somebody else's output, passed through.
pub(crate) fn through(line: &str) {
    println!("{line}");
}

/// A result that scripts read.
pub(crate) fn result(line: impl AsRef<str>) {
    println!("{}", line.as_ref());
}

/// Why a task failed: the last word, with its chain of causes.
pub(crate) fn error(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

/// A duration for people: `0.4 s`, `75 s`.
pub(crate) fn seconds(time: Duration) -> String {
    if time.as_secs() < 10 { format!("{:.1} s", time.as_secs_f64()) } else { format!("{} s", time.as_secs()) }
}
