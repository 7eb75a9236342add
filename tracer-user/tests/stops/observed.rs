//! What the tracers told of some containers.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::expect::{Expect, told_summary};
use super::super::lab::PATIENCE;
use super::super::lab::tracer::Tracer;

/// The lines of these containers.
pub(crate) fn of_containers(lines: &[Value], ids: &[&str]) -> Vec<Value> {
    let is_one = |id: &Value| id.as_str().is_some_and(|id| ids.contains(&id));
    lines.iter().filter(|line| is_one(&line["id"]) || is_one(&line["container"]["id"])).cloned().collect()
}

/// What came of the comparison.
pub(crate) struct Judgement {
    /// The verdicts and conditions that were told.
    #[allow(dead_code, reason = "one of the tests that include this shows it")]
    pub(crate) told: String,
    /// What differs, a line each.
    pub(crate) differences: Vec<String>,
    /// All lines.
    pub(crate) lines: Vec<Value>,
}

impl Judgement {
    /// What to print when it differs.
    pub(crate) fn complaint(&self) -> Option<String> {
        (!self.differences.is_empty()).then(|| format!("{}\n  {}\n", self.differences.join("\n  "), tell(&self.lines)))
    }
}

/// Compares what a tracer told of the case's containers with what is expected, and with what `more` says of each
/// termination.
pub(crate) fn judge(
    tracer: &Mutex<Tracer>,
    expect: &Expect,
    ids: &[&str],
    more: impl Fn(&Value) -> Option<String>,
) -> Judgement {
    let mut tracer = tracer.lock().expect("no case panics with the tracer in its hands");
    // The last that is told of a container is that its cgroup is gone; a restarted one is gone twice.
    let ends = expect.terminations.len();
    let deadline = Instant::now() + PATIENCE;
    let lines = loop {
        let lines = of_containers(tracer.lines(), ids);
        let gone = lines.iter().filter(|line| line["kind"] == "container" && line["state"] == "gone").count();
        if gone >= ends || Instant::now() > deadline {
            break lines;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut differences = expect.differences(&lines);
    differences.extend(lines.iter().filter(|line| line["kind"] == "termination").filter_map(more));
    Judgement { told: told_summary(&lines), differences, lines }
}

/// The lines, for a failure's message.
pub(crate) fn tell(lines: &[Value]) -> String {
    lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n  ")
}
