//! Wake-ups and processor time for 100,000 events, at 20,000 a second.

use anyhow::Result;

use super::Bench;
use super::agent::Agent;
use super::process::{Running, Usage};
use super::tracer::{Sink, timed};

const WAKEUPS: &str = "wake-ups for 100,000 signals, 20,000 a second";
const CPU: &str = "processor time for 100,000 signals, 20,000 a second";

/// Measures it: the tracer that prints each, the one that only folds, the agent, and the peers.
pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    let mut names = vec!["tracer, a line of JSON for each", "tracer, shown is only what matters", "tracer agent"];
    let peers: Vec<_> = bench.peers.iter().filter(|peer| !peer.wraps).cloned().collect();
    names.extend(peers.iter().map(|peer| peer.name));
    let mut used = vec![(Vec::new(), Vec::new()); names.len()];
    for _ in 0..bench.or_quick(3, 1) {
        let mut round = Vec::new();
        for args in [&[][..], &["--signal", "HUP"]] {
            let sink = Sink::new();
            let tracer = bench.tracer_to(&sink, args)?;
            round.push(storm(bench, &tracer)?);
        }
        let agent = Agent::start(bench)?;
        round.push(storm(bench, &agent.running)?);
        drop(agent);
        for peer in &peers {
            let running = Running::attached(&mut peer.command())?;
            round.push(storm(bench, &running)?);
        }
        for ((wakeups, cpu), usage) in used.iter_mut().zip(round) {
            wakeups.push(usage.0);
            cpu.push(usage.1);
        }
    }
    for (name, (wakeups, _)) in names.iter().zip(&used) {
        bench.report.add(WAKEUPS, name, "wake-ups", wakeups);
    }
    for (name, (_, cpu)) in names.iter().zip(&used) {
        bench.report.add(CPU, name, "ms", cpu);
    }
    Ok(())
}

/// Wake-ups and ms.
#[expect(clippy::cast_precision_loss, reason = "figures of a few digits")]
fn storm(bench: &Bench, running: &Running) -> Result<(f64, f64)> {
    let times = bench.or_quick(100_000, 10_000);
    let scale = 100_000.0 / f64::from(times);
    let before = running.usage()?;
    timed(&mut bench.signals("ignored", true, &["--times", &times.to_string(), "--rate", "20000", "--batch", "20"]))?;
    // the last of it
    std::thread::sleep(std::time::Duration::from_millis(300));
    let Usage { wakeups, cpu_ns } = running.usage()?.since(before);
    Ok((wakeups as f64 * scale, cpu_ns as f64 / 1e6 * scale))
}
