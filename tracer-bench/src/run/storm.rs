//! A storm: one processor sends all it can, or as much as leads to no loss.

use anyhow::Result;

use super::Bench;
use super::agent::Agent;
use super::tracer::{Sink, timed};

pub(super) const LOST: &str = "lost, while one processor sends all it can";
pub(super) const FOLDED: &str = "tracer, shown is only what matters";
pub(super) const AGENT: &str = "tracer agent";
const EACH: &str = "tracer, a line of JSON for each";
const RATE: &str = "signals a second that were sent meanwhile";
const SUSTAINED: &str = "signals a second without a loss";

/// Tried from the top, a second; nothing is slower.
const RATES: [u32; 6] = [600_000, 400_000, 300_000, 200_000, 100_000, 50_000];
/// Sizes of the ring, KiB: the usual one is in the middle.
const RINGS: [u32; 3] = [1_024, 4_096, 16_384];

/// How a storm ended.
#[derive(Clone, Copy)]
struct Storm {
    /// Signals a second.
    rate: f64,
    lost: f64,
}

/// Measures it.
pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    let rounds = bench.or_quick(5, 1);
    let several = |one: &dyn Fn() -> Result<Storm>| (0..rounds).map(|_| one()).collect::<Result<Vec<_>>>();
    let folded = several(&|| live(bench, 4_096, 0, &["--signal", "HUP"]))?;
    let each = several(&|| live(bench, 4_096, 0, &[]))?;
    let agent = several(&|| agent(bench))?;
    for (of, storms) in [(FOLDED, &folded), (AGENT, &agent), (EACH, &each)] {
        let note = format!("of {} each, ring of 4 MiB", times(bench));
        let lost: Vec<f64> = storms.iter().map(|storm| storm.lost).collect();
        bench.report.add_noted(LOST, of, "signals", &lost, note);
    }
    for (of, storms) in [(FOLDED, &folded), (AGENT, &agent), (EACH, &each)] {
        let rates: Vec<f64> = storms.iter().map(|storm| storm.rate).collect();
        bench.report.add(RATE, of, "signals/s", &rates);
    }
    if bench.quick {
        return Ok(());
    }
    let views: [(&str, &[&str], &[u32]); 2] = [(FOLDED, &["--signal", "HUP"], &RINGS), (EACH, &[], &RINGS[1..2])];
    for (of, args, rings) in views {
        for &ring in rings {
            let (rate, note) = sustained(bench, ring, args)?;
            bench.report.add_noted(SUSTAINED, &format!("{of}; ring of {ring} KiB"), "signals/s", &[rate], note);
        }
    }
    Ok(())
}

/// The highest rate at which nothing is lost, twice.
fn sustained(bench: &Bench, ring: u32, args: &[&str]) -> Result<(f64, String)> {
    let twice = |rate| -> Result<Option<f64>> {
        let (one, two) = (live(bench, ring, rate, args)?, live(bench, ring, rate, args)?);
        Ok((one.lost + two.lost == 0.0).then(|| one.rate.min(two.rate)))
    };
    if let Some(rate) = twice(0)? {
        return Ok((rate, "all that one processor can send".to_owned()));
    }
    for rate in RATES {
        if let Some(rate) = twice(rate)? {
            return Ok((rate, String::new()));
        }
    }
    Ok((0.0, format!("less than {}", RATES[RATES.len() - 1])))
}

fn times(bench: &Bench) -> u32 {
    bench.or_quick(1_000_000, 20_000)
}

/// Of `tracer`, with a ring of so many KiB; a rate of 0 is as many as can be.
fn live(bench: &Bench, ring: u32, rate: u32, args: &[&str]) -> Result<Storm> {
    let sink = Sink::new();
    let ring = ring.to_string();
    let args: Vec<&str> = ["--ring-size", &ring].into_iter().chain(args.iter().copied()).collect();
    let tracer = bench.tracer_to(&sink, &args)?;
    let rate = send(bench, rate)?;
    tracer.settle()?;
    tracer.interrupt()?;
    Ok(Storm { rate, lost: lossy(sink.lost()?) })
}

fn agent(bench: &Bench) -> Result<Storm> {
    let agent = Agent::start(bench)?;
    let rate = send(bench, 0)?;
    agent.running.settle()?;
    // who answers has read all that came before the question
    let lost = agent.metric("tracer_events_lost_total")?;
    Ok(Storm { rate, lost })
}

/// Returns how many it sent a second.
fn send(bench: &Bench, rate: u32) -> Result<f64> {
    let (times, rate) = (if rate == 0 { times(bench) } else { times(bench).min(rate * 2) }, rate.to_string());
    let begun = std::time::Instant::now();
    let args = ["--times", &times.to_string(), "--rate", &rate, "--batch", "100"];
    let took = timed(&mut bench.signals("ignored", true, &args))?;
    let whole = begun.elapsed().as_secs_f64();
    Ok(if rate == "0" { 1e9 / took.mean_ns } else { f64::from(times) / whole })
}

#[expect(clippy::cast_precision_loss, reason = "figures of a few digits")]
const fn lossy(count: u64) -> f64 {
    count as f64
}
