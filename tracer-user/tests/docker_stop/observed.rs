//! What the tracers told of one container.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::expect::Expect;
use super::lab::PATIENCE;
use super::lab::tracer::Tracer;

/// The lines of one container.
pub(crate) fn of_container(lines: &[Value], id: &str) -> Vec<Value> {
    lines.iter().filter(|line| line["id"] == id || line["container"]["id"] == id).cloned().collect()
}

/// Compares what a tracer told with what is expected; returns what to print when it differs.
pub(crate) fn judge(tracer: &Mutex<Tracer>, case: &str, id: &str) -> Option<String> {
    let mut tracer = tracer.lock().expect("no case panics with the tracer in its hands");
    // The last that is told of a container is that its cgroup is gone; a restarted one is gone twice.
    let expect = Expect::of(case);
    let ends = expect.terminations.len();
    let deadline = Instant::now() + PATIENCE;
    let lines = loop {
        let lines = of_container(tracer.lines(), id);
        let gone = lines.iter().filter(|line| line["kind"] == "container" && line["state"] == "gone").count();
        if gone >= ends || Instant::now() > deadline {
            break lines;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut differences = expect.differences(&lines);
    for line in lines.iter().filter(|line| line["kind"] == "termination") {
        if line["container"]["name"] != case {
            differences.push(format!("the container's name is not told: {}", line["container"]));
        }
    }
    if differences.is_empty() {
        return None;
    }
    Some(format!("{}\n  {}\n", differences.join("\n  "), tell(&lines)))
}

/// The lines, for a failure's message.
pub(crate) fn tell(lines: &[Value]) -> String {
    lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n  ")
}
