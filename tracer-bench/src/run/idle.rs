//! Wake-ups while a container runs and nothing happens to it, and much happens elsewhere.

use std::os::unix::fs::MetadataExt as _;
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
    let rounds = bench.or_quick(4, 1);
    let live = rounds_alone(bench, rounds, &|| {
        let sink = Sink::new();
        let tracer = bench.tracer_to(&sink, &[])?;
        wakeups(bench, &tracer)
    });
    let served = rounds_alone(bench, rounds, &|| wakeups(bench, &Agent::start(bench)?.running));
    sleeper.kill()?;
    sleeper.wait()?;
    for (of, rounds) in [(TRACER, live?), ("tracer agent", served?)] {
        let (values, left_out) = rounds;
        let note = match (values.is_empty(), left_out) {
            (true, _) => "somebody else made cgroups all the time".to_owned(),
            (false, 0) => String::new(),
            (false, left_out) => format!("without {left_out} rounds in which somebody else made a cgroup"),
        };
        if values.is_empty() {
            super::say(&format!("    {of}: {note}"));
        } else {
            bench.report.add_noted(MEASURE, of, "wake-ups", &values, note);
        }
    }
    Ok(())
}

/// So many rounds in which nobody else made a cgroup, which wakes whoever looks for containers; and how many others
/// there were, at most three times as many.
fn rounds_alone(bench: &Bench, rounds: u32, one: &dyn Fn() -> Result<Option<f64>>) -> Result<(Vec<f64>, u32)> {
    let (mut values, mut left_out) = (Vec::new(), 0);
    while values.len() < rounds as usize && left_out < rounds * bench.or_quick(3, 1) {
        match one()? {
            Some(value) => values.push(value),
            None => left_out += 1,
        }
    }
    Ok((values, left_out))
}

/// The number that the next cgroup gets: they are counted up, the files in them as well.
fn next_number(bench: &Bench) -> Result<u64> {
    let group = bench.group.beside("number")?;
    Ok(std::fs::metadata(group.dir())?.ino())
}

#[expect(clippy::cast_precision_loss, reason = "they are few")]
fn wakeups(bench: &Bench, running: &Running) -> Result<Option<f64>> {
    let apart = {
        let one = next_number(bench)?;
        next_number(bench)? - one
    };
    let number = next_number(bench)?;
    // until what the start left to do is done
    sleep(Duration::from_secs(3));
    let before = running.usage()?;
    let times = bench.or_quick(100_000, 20_000).to_string();
    timed(&mut bench.signals("ignored", false, &["--times", &times, "--rate", "20000", "--batch", "100"]))?;
    let Usage { wakeups, .. } = running.usage()?.since(before);
    Ok((next_number(bench)? - number == apart).then_some(wakeups as f64))
}
