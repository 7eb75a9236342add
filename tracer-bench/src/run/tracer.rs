//! The tracer that is measured, and the floor below it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::Bench;
use super::process::Running;
use crate::load::Took;

/// Said on standard error by `tracer` when all is attached and known.
pub(super) const READY: &str = "tracing";

/// A file in memory that standard output goes to.
pub(super) struct Sink(PathBuf);

impl Sink {
    pub(super) fn new() -> Self {
        Self(Path::new("/dev/shm").join(format!("tracer-bench-{}", std::process::id())))
    }

    fn open(&self) -> Result<File> {
        File::create(&self.0).with_context(|| format!("cannot write {}", self.0.display()))
    }

    /// How many events it says were lost.
    pub(super) fn lost(&self) -> Result<u64> {
        let text = fs::read(&self.0).with_context(|| format!("cannot read {}", self.0.display()))?;
        let lost = text.split(|&byte| byte == b'\n').filter(|line| line.starts_with(br#"{"kind":"lost""#));
        let mut sum = 0;
        for line in lost {
            let told: serde_json::Value = serde_json::from_slice(line).context("a line that is no JSON")?;
            sum += told["total"].as_u64().context("a loss without a number")?;
        }
        Ok(sum)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap_or_default();
    }
}

impl Bench {
    /// `tracer --cgroup … -o json`, with this group alone.
    pub(super) fn tracer_command(&self) -> Command {
        let mut command = Command::new(&self.tracer);
        command.args(["--no-attach", "-o", "json", "--cgroup", &self.group.path()]).stdout(Stdio::null());
        command
    }

    /// The same, started and ready, writing to a file.
    pub(super) fn tracer_to(&self, sink: &Sink, more: &[&str]) -> Result<Running> {
        let mut command = self.tracer_command();
        Running::start(command.args(more).stdout(sink.open()?), &[READY])
    }

    /// An empty program on each tracepoint that this tracer uses.
    pub(super) fn floor(&self, tracepoints: &[String]) -> Result<Running> {
        Running::start(Command::new(&self.own).arg("floor").args(tracepoints), &["ready"])
    }

    /// The tracepoints that this tracer attaches to: the kernel knows, and so nothing is listed twice.
    pub(super) fn tracepoints(&self) -> Result<Vec<String>> {
        let running = Running::start(&mut self.tracer_command(), &[READY])?;
        let names: Vec<_> = super::programs::links(running.pid())?.into_iter().map(|link| link.tracepoint).collect();
        anyhow::ensure!(!names.is_empty(), "the kernel does not tell what tracer is attached to");
        Ok(names)
    }

    /// A load that signals itself.
    pub(super) fn signals(&self, fate: &str, inside: bool, args: &[&str]) -> Command {
        let mut command = Command::new(if fate == "dropped" { Path::new("unshare") } else { &self.own });
        if fate == "dropped" {
            command.args(["--pid", "--fork", "--kill-child"]).arg(&self.own);
        }
        command.args(["signals", fate, "--cpu", &self.cpu.to_string()]).args(args);
        if inside {
            command.arg("--cgroup").arg(self.group.dir());
        }
        command
    }
}

/// Runs a load to its end.
pub(super) fn timed(command: &mut Command) -> Result<Took> {
    super::took(&super::process::finish(command)?.stdout)
}
