//! The real `tracer` binary, run as a child, its JSON lines read as they come.

use super::{PATIENCE, send, until};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The binary that cargo built for this test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_tracer");

/// Something that the tracer said: what a readiness test looks at.
pub(crate) enum Said<'a> {
    /// A JSON line on stdout.
    Line(&'a Value),
    /// A line on stderr.
    Note(&'a str),
}

/// A running tracer. Dropping it kills it.
pub(crate) struct Tracer {
    child: Child,
    incoming: Receiver<Value>,
    /// Reads stdout until it is closed.
    reader: Option<JoinHandle<()>>,
    lines: Vec<Value>,
    notes: Arc<Mutex<Vec<String>>>,
    /// Reads stderr until it is closed.
    listener: Option<JoinHandle<()>>,
}

/// What is left of a tracer that has ended.
pub(crate) struct Ended {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// All its JSON lines.
    pub(crate) lines: Vec<Value>,
    /// Its standard error.
    pub(crate) stderr: String,
}

impl Tracer {
    /// Starts the built binary with `--output json` and these arguments, and waits until `ready`.
    #[track_caller]
    pub(crate) fn spawn(args: &[&str], ready: impl Fn(Said<'_>) -> bool) -> Self {
        Self::start(Command::new(BINARY), args, ready)
    }

    /// The same with a command that leads to the binary: `daemon.enter(BINARY)`.
    #[track_caller]
    pub(crate) fn start(mut command: Command, args: &[&str], ready: impl Fn(Said<'_>) -> bool) -> Self {
        command.args(["--output", "json"]).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let (incoming, reader) = read_lines(child.stdout.take().expect("stdout is piped"));
        let notes = Arc::default();
        let listener = Some(read_notes(child.stderr.take().expect("stderr is piped"), Arc::clone(&notes)));
        let mut tracer = Self { child, incoming, reader: Some(reader), lines: Vec::new(), notes, listener };
        tracer.wait_until_ready(ready);
        tracer
    }

    #[track_caller]
    fn wait_until_ready(&mut self, ready: impl Fn(Said<'_>) -> bool) {
        let (mut lines, mut notes) = (0, 0);
        until("the tracer to be ready", PATIENCE, || {
            self.drain();
            let new = self.notes().split_off(notes);
            notes += new.len();
            let said_so = self.lines[lines..].iter().any(|line| ready(Said::Line(line)));
            lines = self.lines.len();
            if said_so || new.iter().any(|note| ready(Said::Note(note))) {
                return Some(());
            }
            let ended = self.child.try_wait().expect("the tracer can be waited for");
            assert!(ended.is_none(), "the tracer ended before it was ready ({ended:?}):\n{}", self.stderr());
            None
        });
    }

    /// The first line, among those that came and those that come, for which `wanted` holds.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, what: &str, deadline: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        let mut looked_at = 0;
        loop {
            if let Some(found) = self.lines[looked_at..].iter().find(|line| wanted(line)) {
                return found.clone();
            }
            looked_at = self.lines.len();
            let left = deadline.saturating_sub(started.elapsed());
            let Ok(line) = self.incoming.recv_timeout(left) else {
                panic!("waited {:?} for {what}, in vain. {}", started.elapsed(), self.tell());
            };
            self.lines.push(line);
        }
    }

    /// The next termination of the container with that name: waits for it.
    #[track_caller]
    pub(crate) fn termination_of(&mut self, container: &str) -> Value {
        let what = format!("the termination of {container}");
        self.wait_for(&what, PATIENCE, |line| {
            line["kind"] == "termination" && line["container"]["name"].as_str() == Some(container)
        })
    }

    /// Does something again and again until a line tells of it: by then, all that came before has been told.
    #[track_caller]
    pub(crate) fn drain_until_quiet(&mut self, act: impl Fn(), told: impl Fn(&Value) -> bool) {
        self.drain();
        let before = self.lines.len();
        until("the tracer to see what is done", PATIENCE, || {
            act();
            self.drain();
            self.lines[before..].iter().any(&told).then_some(())
        });
    }

    /// All lines so far.
    pub(crate) fn lines(&mut self) -> &[Value] {
        self.drain();
        &self.lines
    }

    /// All terminations so far.
    pub(crate) fn terminations(&mut self) -> Vec<Value> {
        self.lines().iter().filter(|line| line["kind"] == "termination").cloned().collect()
    }

    /// Its standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.notes().join("\n")
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ctrl-C, and what was left to say.
    #[track_caller]
    pub(crate) fn interrupt(mut self) -> Ended {
        if self.child.try_wait().expect("the tracer can be waited for").is_none() {
            send("INT", self.child.id());
        }
        self.wait()
    }

    /// Waits for it to end by itself (`--duration`, `--until-exit`).
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Ended {
        let status = until("the tracer to end", PATIENCE, || self.child.try_wait().expect("it can be waited for"));
        // The pipes are closed now, so both of these end: whatever was written before the end is still in them.
        self.lines.extend(self.incoming.iter());
        if let Some(reader) = self.reader.take() {
            reader.join().expect("every line is JSON");
        }
        if let Some(listener) = self.listener.take() {
            listener.join().expect("reading stderr does not panic");
        }
        Ended { status, lines: self.lines.clone(), stderr: self.stderr() }
    }

    fn drain(&mut self) {
        self.lines.extend(self.incoming.try_iter());
    }

    fn notes(&self) -> Vec<String> {
        self.notes.lock().map(|notes| notes.clone()).unwrap_or_default()
    }

    /// What it said, for a failure's message.
    fn tell(&self) -> String {
        let last: Vec<_> = self.lines.iter().rev().take(8).rev().map(Value::to_string).collect();
        format!("The tracer's last lines:\n{}\nIts stderr:\n{}", last.join("\n"), self.stderr())
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Every line of `--output json` is one JSON object; anything else is a bug, and is shown as such. One without an end, the last,
/// was cut off: whoever is told to end does not wait for slow readers.
fn read_lines(stdout: impl Read + Send + 'static) -> (Receiver<Value>, JoinHandle<()>) {
    let (sender, receiver) = channel();
    let reader = thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        while stdout.read_line(&mut line).is_ok() && line.ends_with('\n') {
            let value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("not a JSON line ({error}): {line}"));
            if sender.send(value).is_err() {
                return;
            }
            line.clear();
        }
    });
    (receiver, reader)
}

fn read_notes(stderr: impl Read + Send + 'static, notes: Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if let Ok(mut notes) = notes.lock() {
                notes.push(line);
            }
        }
    })
}
