//! Wake-ups while a container runs and nothing happens to it, and much happens elsewhere.

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;

use super::Bench;
use super::agent::Agent;
use super::process::{Running, Usage};
use super::tracer::{Sink, timed};

pub(super) const MEASURE: &str = "wake-ups in 5 s in which nothing happens to what is tracked";
pub(super) const TRACER: &str = "tracer";

/// Measures it, while others get 100,000 signals.
pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    let mut sleeper = {
        let mut command = Command::new("sh");
        let procs = bench.group.dir().join("cgroup.procs");
        command.args(["-c", "echo 0 > \"$1\"; exec sleep 1000", "sh"]).arg(procs).spawn()?
    };
    let (mut live, mut served) = (Vec::new(), Vec::new());
    for _ in 0..bench.or_quick(5, 1) {
        let sink = Sink::new();
        let tracer = bench.tracer_to(&sink, &[])?;
        live.push(wakeups(bench, &tracer)?);
        drop(tracer);
        let agent = Agent::start(bench)?;
        served.push(wakeups(bench, &agent.running)?);
    }
    sleeper.kill()?;
    sleeper.wait()?;
    bench.report.add(MEASURE, TRACER, "wake-ups", &live);
    bench.report.add(MEASURE, "tracer agent", "wake-ups", &served);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "they are few")]
fn wakeups(bench: &Bench, running: &Running) -> Result<f64> {
    // until what the start left to do is done
    sleep(Duration::from_secs(3));
    let before = running.usage()?;
    let times = bench.or_quick(100_000, 20_000).to_string();
    timed(&mut bench.signals("ignored", false, &["--times", &times, "--rate", "20000", "--batch", "100"]))?;
    let Usage { wakeups, .. } = running.usage()?.since(before);
    Ok(wakeups as f64)
}
