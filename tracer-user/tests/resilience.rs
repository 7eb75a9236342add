//! What happens when things go wrong: killed, overrun, cut off, short of room. Whatever does, nothing stays behind in the
//! kernel, nothing is lost in silence, and no verdict is wrong that claims to be certain.

#[path = "resilience/codes.rs"]
mod codes;
#[path = "resilience/ending.rs"]
mod ending;
#[path = "resilience/faults.rs"]
mod faults;
#[path = "resilience/kernel.rs"]
mod kernel;
mod lab;
#[path = "resilience/loss.rs"]
mod loss;
#[path = "resilience/missed.rs"]
mod missed;
#[path = "resilience/raw.rs"]
mod raw;
#[path = "resilience/recording.rs"]
mod recording;
#[path = "resilience/storms.rs"]
mod storms;

use std::process::{Child, Command, Stdio};

use lab::cgroup::Cgroup;
use lab::tracer::Said;
use serde_json::Value;

/// A PID 1 that stops in order, and says when it can.
const HANDLES: &str = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.02; done";
/// A PID 1 that does not think of signals.
const DROPS: &str = "echo ready; sleep 1000; true";
/// Signals without end, as fast as they can be sent.
const STORM: &str = "echo ready; while :; do kill -WINCH $$; done";

#[expect(clippy::needless_pass_by_value, reason = "what the lab asks for")]
fn ready(said: Said<'_>) -> bool {
    matches!(said, Said::Note(note) if note.contains("tracing"))
}

/// What runs in a cgroup. Dropping it kills it.
struct Workload {
    child: Child,
    /// Host pid of the process that is PID 1 of its own namespace, or just the process.
    pid: u32,
}

impl Workload {
    /// Runs a script as PID 1 of a namespace, and returns when it says that it is ready.
    #[track_caller]
    fn init(cgroup: &Cgroup, script: &str) -> Self {
        let mut workload = Self::start(cgroup.init(script));
        let children = format!("/proc/{0}/task/{0}/children", workload.child.id());
        let text = std::fs::read_to_string(children).expect("unshare runs");
        workload.pid = text.trim().parse().expect("unshare has one child");
        workload
    }

    /// Runs a script without a namespace of its own.
    #[track_caller]
    fn plain(cgroup: &Cgroup, script: &str) -> Self {
        let mut command = cgroup.command("sh");
        command.args(["-c", script]);
        Self::start(command)
    }

    #[track_caller]
    fn start(mut command: Command) -> Self {
        use std::io::BufRead as _;
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the workload starts");
        let mut line = String::new();
        let out = child.stdout.as_mut().expect("stdout is piped");
        std::io::BufReader::new(out).read_line(&mut line).expect("it speaks");
        assert_eq!(line.trim(), "ready");
        Self { pid: child.id(), child }
    }

    /// Sends it a signal.
    fn send(&self, signal: &str) {
        lab::send(signal, self.pid);
    }

    /// Waits for its end.
    #[track_caller]
    fn wait(&mut self) {
        lab::until("the workload to end", lab::PATIENCE, || self.child.try_wait().expect("it can be waited for"));
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        // unshare takes its child along; what is in the cgroup beside goes with that
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn is_termination(line: &Value) -> bool {
    line["kind"] == "termination"
}
