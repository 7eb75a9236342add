//! `run`: measures, prints a table, writes JSON.
//!
//! Everything is compared in pairs within one run: each round measures without any tracer, with the floor, with tracer
//! and with each peer, so that what drifts (clock, caches, other work on the machine) is the same for all of them.

mod agent;
mod bars;
mod crowd;
mod forks;
mod frames;
mod group;
mod idle;
mod machine;
mod memory;
mod mounts;
mod peers;
mod priority;
mod process;
mod programs;
mod replay;
mod report;
mod signals;
mod startup;
mod storm;
mod tracer;
mod wakeups;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::load::Took;
use group::Group;
use peers::Peer;
use report::Report;

/// Options of `run`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The tracer to measure
    #[arg(long)]
    tracer: PathBuf,
    /// Few and short rounds: shows that it works, and is no measurement
    #[arg(long)]
    quick: bool,
    /// Only these measures; may repeat
    #[arg(long, value_enum, value_name = "MEASURE")]
    only: Vec<Measure>,
    /// Write the results as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Test binary of tracer's library, built for release: for the frames of the screen
    #[arg(long, value_name = "FILE")]
    frames: Option<PathBuf>,
    /// In a private mount namespace whose only cgroup hierarchy is v2, as most machines have it
    #[arg(long)]
    pure_v2: bool,
}

/// What is measured, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Measure {
    /// Nanoseconds added to a signal
    Signals,
    /// Microseconds added to a process: fork, exec, exit
    Forks,
    /// Nanoseconds in each kernel program, by the kernel's own statistics
    Programs,
    /// Signals a second without a loss, and the ring that it takes
    Storm,
    /// Wake-ups and processor time for 100,000 events
    Wakeups,
    /// Wake-ups while nothing happens to what is tracked
    Idle,
    /// Time until attached
    Startup,
    /// Resident memory with many containers and processes
    Memory,
    /// Events a second of `tracer replay`
    Replay,
    /// A frame of each page of the terminal UI
    Frames,
}

/// What every measure needs.
struct Bench {
    tracer: PathBuf,
    /// This program, whose other commands are the loads and the floor.
    own: PathBuf,
    quick: bool,
    frames: Option<PathBuf>,
    peers: Vec<Peer>,
    /// Cgroups of this run.
    group: Group,
    /// Processor that loads stay on.
    cpu: usize,
    report: Report,
}

impl Bench {
    /// So many, or few in quick mode.
    const fn or_quick(&self, usual: u32, quick: u32) -> u32 {
        if self.quick { quick } else { usual }
    }
}

/// Measures what was asked for.
pub(crate) fn run(args: &Args) -> Result<()> {
    anyhow::ensure!(nix::unistd::geteuid().is_root(), "only root can attach: cargo xtask bench asks for it");
    mounts::prepare(args.pure_v2)?;
    let (peers, absent) = if args.quick { (Vec::new(), Vec::new()) } else { peers::installed() };
    let _first = priority::First::take();
    let mut bench = Bench {
        tracer: args.tracer.canonicalize().with_context(|| format!("no tracer at {}", args.tracer.display()))?,
        own: std::env::current_exe().context("cannot find this program")?,
        quick: args.quick,
        frames: args.frames.clone(),
        peers,
        group: Group::make()?,
        cpu: std::thread::available_parallelism().map_or(0, |count| count.get() - 1),
        report: Report::new(args.quick, absent)?,
    };
    for measure in <Measure as clap::ValueEnum>::value_variants() {
        if args.only.is_empty() || args.only.contains(measure) {
            say(&format!("==> {measure:?}"));
            one(&mut bench, *measure).with_context(|| format!("cannot measure {measure:?}"))?;
        }
    }
    let bars = bars::judge(&bench.report);
    bench.report.close(bars)?;
    let text = bench.report.table();
    std::io::stdout().write_all(text.as_bytes()).context("cannot print the table")?;
    if let Some(path) = &args.json {
        let json = serde_json::to_string_pretty(&bench.report)?;
        std::fs::write(path, json).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn one(bench: &mut Bench, measure: Measure) -> Result<()> {
    match measure {
        Measure::Signals => signals::measure(bench),
        Measure::Forks => forks::measure(bench),
        Measure::Programs => programs::measure(bench),
        Measure::Storm => storm::measure(bench),
        Measure::Wakeups => wakeups::measure(bench),
        Measure::Idle => idle::measure(bench),
        Measure::Startup => startup::measure(bench),
        Measure::Memory => memory::measure(bench),
        Measure::Replay => replay::measure(bench),
        Measure::Frames => frames::measure(bench),
    }
}

/// Progress, on standard error.
pub(crate) fn say(text: &str) {
    // that nobody reads it is no reason to fail
    writeln!(std::io::stderr(), "{text}").unwrap_or_default();
}

/// What a load printed.
fn took(stdout: &[u8]) -> Result<Took> {
    let text = String::from_utf8_lossy(stdout);
    let line = text.lines().rev().find(|line| line.starts_with('{')).context("the load told nothing")?;
    serde_json::from_str(line).with_context(|| format!("the load told {line}"))
}
