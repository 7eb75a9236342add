//! The tracer as a bare process, its output read by nobody or by somebody who does not care what it says.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::lab;
use crate::lab::tracer::BINARY;

/// A running tracer. Dropping it kills it.
pub(crate) struct Raw {
    child: Child,
    /// Its output, until somebody takes it.
    pub(crate) stdout: Option<ChildStdout>,
    notes: Receiver<String>,
    said: Vec<String>,
}

impl Raw {
    /// Starts it and waits until it says that it traces.
    #[track_caller]
    pub(crate) fn tracing(args: &[&str]) -> Self {
        let mut raw = Self::start(args);
        raw.wait_for_note("tracing");
        raw
    }

    /// Starts it.
    #[track_caller]
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut command = Command::new(BINARY);
        command.args(["--output", "json", "--all-signals"]).args(args);
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the tracer starts");
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take().expect("stderr is piped"));
        let (sender, notes) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, stdout, notes, said: Vec::new() }
    }

    /// Waits until a line on its standard error has this in it.
    #[track_caller]
    pub(crate) fn wait_for_note(&mut self, what: &str) {
        while !self.said.iter().any(|note| note.contains(what)) {
            match self.notes.recv_timeout(lab::PATIENCE) {
                Ok(note) => self.said.push(note),
                Err(error) => panic!("it never said {what:?} ({error}), but {:?}", self.said),
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until its output is stuck in a full pipe.
    #[track_caller]
    pub(crate) fn wait_until_stuck(&self) {
        let dir = format!("/proc/{}/task", self.pid());
        lab::until("the pipe to be full", lab::PATIENCE, || {
            let tasks = std::fs::read_dir(&dir).expect("it runs").flatten();
            let read = |task: &std::fs::DirEntry, name| std::fs::read_to_string(task.path().join(name));
            let mut places = tasks.filter_map(|task| read(&task, "wchan").ok());
            places.any(|place| place.contains("pipe_write")).then_some(())
        });
    }

    /// The most memory it ever had, MiB; `None` when it has ended.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024)
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the tracer can be waited for")
    }

    /// How it ended, and how long that took from now.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> (ExitStatus, Duration) {
        let started = Instant::now();
        let status = lab::until("the tracer to end", lab::PATIENCE, || {
            self.child.try_wait().expect("the tracer can be waited for")
        });
        (status, started.elapsed())
    }

    /// All it said on standard error. It has ended.
    pub(crate) fn stderr(mut self) -> String {
        self.said.extend(self.notes.iter());
        std::mem::take(&mut self.said).join("\n")
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
