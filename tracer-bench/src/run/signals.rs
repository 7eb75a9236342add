//! Nanoseconds that a signal takes longer: for who sends it to itself.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;

use super::Bench;
use super::peers::Peer;
use super::process::Running;
use super::tracer::{Sink, timed};

pub(super) const MEASURE: &str = "ns added to a signal, in bursts";
/// As they come where nothing goes wrong: whoever is woken for each pays for that.
pub(super) const ALONE: &str = "ns added to a signal, one every half millisecond";
pub(super) const FLOOR: &str = "the floor: an empty program";
pub(super) const UNTRACKED: &str = "tracer, target not tracked";
pub(super) const STREAMED: &str = "tracer, streamed";
/// Noted of peers that print what they see.
pub(super) const PRINTS: &str = "prints";

/// What becomes of the signals, and how the table calls it.
const FATES: [(&str, &str); 4] =
    [("ignored", ""), ("handled", ", with a handler"), ("counted", ", SIGURG"), ("dropped", ", dropped at PID 1")];

/// What came of all rounds: figures by who, in the order in which they came first.
#[derive(Default)]
struct Figures {
    order: Vec<(String, &'static str)>,
    values: BTreeMap<String, Vec<f64>>,
}

impl Figures {
    fn add(&mut self, of: &str, note: &'static str, value: f64) {
        if !self.values.contains_key(of) {
            self.order.push((of.to_owned(), note));
        }
        self.values.entry(of.to_owned()).or_default().push(value);
    }
}

/// Measures it: in bursts, and one at a time, as they come where nothing goes wrong.
pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    bursts(bench)?;
    let rounds = bench.or_quick(5, 1);
    let mut figures = Figures::default();
    for _ in 0..rounds {
        one_at_a_time(bench, &mut figures)?;
    }
    for (of, note) in &figures.order {
        bench.report.add_noted(ALONE, of, "ns", &figures.values[of], (*note).to_owned());
    }
    Ok(())
}

/// Measures each once, between two looks at how it is without.
fn one_at_a_time(bench: &Bench, figures: &mut Figures) -> Result<()> {
    let mut before = alone(bench, None)?;
    figures.add("no tracer: all of it", "", before);
    let took = {
        let sink = Sink::new();
        let _tracer = bench.tracer_to(&sink, &[])?;
        alone(bench, None)?
    };
    let mut after = alone(bench, None)?;
    figures.add(STREAMED, "", took - f64::midpoint(before, after));
    for peer in &bench.peers {
        before = after;
        let took = alone(bench, Some(peer))?;
        after = alone(bench, None)?;
        figures.add(peer.name, PRINTS, took - f64::midpoint(before, after));
    }
    Ok(())
}

/// One signal, half a millisecond after the one before.
fn alone(bench: &Bench, peer: Option<&Peer>) -> Result<f64> {
    let times = bench.or_quick(1_000, 100).to_string();
    let mut load = bench.signals("ignored", true, &["--times", &times, "--batch", "1", "--rest", "500"]);
    let mut peers = None;
    if let Some(peer) = peer {
        if peer.wraps {
            return Ok(timed(&mut peer.around(&load))?.median_ns);
        }
        peers = Some(Running::attached(&mut peer.command())?);
    }
    let took = timed(&mut load)?.median_ns;
    drop(peers);
    Ok(took)
}

fn bursts(bench: &mut Bench) -> Result<()> {
    let tracepoints = bench.tracepoints()?;
    let (mut base, mut added) = (Figures::default(), Figures::default());
    let mut lost = 0;
    for _ in 0..bench.or_quick(7, 1) {
        lost += round(bench, &tracepoints, &mut base, &mut added)?;
    }
    for (of, _) in &base.order {
        bench.report.add("ns for a signal to oneself, no tracer", of, "ns", &base.values[of]);
    }
    for (of, note) in &added.order {
        let note = match (*note, lost) {
            (LOSSLESS, 0) => "none lost".to_owned(),
            (LOSSLESS, lost) => format!("{lost} lost"),
            (note, _) => note.to_owned(),
        };
        bench.report.add_noted(MEASURE, of, "ns", &added.values[of], note);
    }
    Ok(())
}

/// Noted of figures that mean nothing if events were lost.
const LOSSLESS: &str = "lossless";

/// Measures each once, between two looks at how it is without. Returns how many events were lost that must not be.
fn round(bench: &Bench, tracepoints: &[String], base: &mut Figures, added: &mut Figures) -> Result<u64> {
    let fates = FATES.map(|(fate, _)| fate);
    let between = |one: &[f64], two: &[f64]| -> Vec<f64> {
        one.iter().zip(two).map(|(one, two)| f64::midpoint(*one, *two)).collect()
    };
    let first = one_each(bench, &fates, true)?;
    let floor = {
        let _floor = bench.floor(tracepoints)?;
        one_each(bench, &fates, true)?
    };
    let second = one_each(bench, &fates, true)?;
    let sink = Sink::new();
    let tracer = bench.tracer_to(&sink, &[])?;
    let untracked = load(bench, "ignored", false)?;
    let tracked = one_each(bench, &fates, true)?;
    tracer.settle()?;
    tracer.interrupt()?;
    let lost = sink.lost()?;
    let third = one_each(bench, &fates, true)?;
    let full = with_a_full_ring(bench)?;

    for (index, (fate, called)) in FATES.iter().enumerate() {
        base.add(fate, "", third[index]);
        added.add(&format!("{FLOOR}{called}"), "", floor[index] - between(&first, &second)[index]);
    }
    let without = between(&second, &third);
    added.add(UNTRACKED, "", untracked - without[0]);
    for (index, (fate, called)) in FATES.iter().enumerate() {
        let (of, note) = match *fate {
            "counted" => ("tracer, counted".to_owned(), ""),
            _ => (format!("{STREAMED}{called}"), LOSSLESS),
        };
        added.add(&of, note, tracked[index] - without[index]);
    }
    let mut before = load(bench, "ignored", true)?;
    added.add("tracer, its ring full", "each is lost, and counted", full - f64::midpoint(third[0], before));
    for peer in &bench.peers {
        let took = with_peer(bench, peer)?;
        let after = load(bench, "ignored", true)?;
        added.add(peer.name, PRINTS, took - f64::midpoint(before, after));
        before = after;
    }
    Ok(lost)
}

fn one_each(bench: &Bench, fates: &[&str], inside: bool) -> Result<Vec<f64>> {
    fates.iter().map(|fate| load(bench, fate, inside)).collect()
}

/// In bursts with rests, so that whoever reads can keep up: what is measured is a signal, not a storm.
fn load(bench: &Bench, fate: &str, inside: bool) -> Result<f64> {
    let times = bench.or_quick(30_000, 3_000).to_string();
    let args = ["--times", &times, "--rest", "10000"];
    Ok(timed(&mut bench.signals(fate, inside, &args))?.fast_ns)
}

fn with_a_full_ring(bench: &Bench) -> Result<f64> {
    let tracer = Running::start(bench.tracer_command().args(["--ring-size", "64"]), &[super::tracer::READY])?;
    // who does not run does not read
    tracer.signal(Signal::SIGSTOP)?;
    sleep(Duration::from_millis(20));
    timed(&mut bench.signals("ignored", true, &["--times", "2000"]))?;
    let took = load(bench, "ignored", true);
    tracer.signal(Signal::SIGCONT)?;
    took
}

/// Fewer, as they take their time.
fn with_peer(bench: &Bench, peer: &Peer) -> Result<f64> {
    let mut load = bench.signals("ignored", true, &["--times", "3000", "--batch", "100", "--rest", "10000"]);
    if peer.wraps {
        return Ok(timed(&mut peer.around(&load))?.median_ns);
    }
    let _peer = Running::attached(&mut peer.command())?;
    Ok(timed(&mut load)?.median_ns)
}
