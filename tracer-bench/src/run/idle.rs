//! Wake-ups while a container runs and nothing happens to it, and much happens elsewhere.

use std::os::unix::fs::MetadataExt as _;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;

use super::Bench;
use super::agent::Agent;
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
    let rounds = bench.or_quick(3, 1) as usize;
    let (mut live, mut served, mut left_out) = (Vec::new(), Vec::new(), 0);
    while live.len() < rounds && left_out < rounds {
        match round(bench)? {
            Some((one, other)) => {
                live.push(one);
                served.push(other);
            }
            None => left_out += 1,
        }
    }
    sleeper.kill()?;
    sleeper.wait()?;
    if live.is_empty() {
        super::say("    left out: somebody else made cgroups all the time, and a new cgroup is looked at");
        return Ok(());
    }
    let note = match left_out {
        0 => String::new(),
        left_out => format!("without {left_out} rounds in which somebody else made a cgroup"),
    };
    bench.report.add_noted(MEASURE, TRACER, "wake-ups", &live, note.clone());
    bench.report.add_noted(MEASURE, "tracer agent", "wake-ups", &served, note);
    Ok(())
}

/// Of both at once; `None` if somebody else made a cgroup meanwhile, which wakes whoever looks for containers.
#[expect(clippy::cast_precision_loss, reason = "they are few")]
fn round(bench: &Bench) -> Result<Option<(f64, f64)>> {
    let sink = Sink::new();
    let tracer = bench.tracer_to(&sink, &[])?;
    let agent = Agent::start(bench)?;
    // Sockets of runtimes that are not there are looked for more and more rarely: 63.5 s after the start, and then once a
    // minute. What is measured is the time in between.
    sleep(Duration::from_secs(if bench.quick { 3 } else { 67 }));
    let apart = {
        let one = next_number(bench)?;
        next_number(bench)? - one
    };
    let number = next_number(bench)?;
    sleep(Duration::from_secs(1));
    let before = (tracer.usage()?, agent.running.usage()?);
    let times = bench.or_quick(100_000, 20_000).to_string();
    timed(&mut bench.signals("ignored", false, &["--times", &times, "--rate", "20000", "--batch", "100"]))?;
    let after = (tracer.usage()?, agent.running.usage()?);
    let alone = next_number(bench)? - number == apart;
    let (live, served) = (after.0.since(before.0).wakeups, after.1.since(before.1).wakeups);
    Ok(alone.then_some((live as f64, served as f64)))
}

/// The number that the next cgroup gets: they are counted up, the files in them as well.
fn next_number(bench: &Bench) -> Result<u64> {
    let group = bench.group.beside("number")?;
    Ok(std::fs::metadata(group.dir())?.ino())
}
