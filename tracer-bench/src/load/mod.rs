//! Loads: exact and cheap, timed by themselves. What they print on standard output is one line of JSON, [`Took`].

mod disposition;
pub(crate) mod forks;
pub(crate) mod signals;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// What a load took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Took {
    /// How often it did what it does.
    pub(crate) times: u64,
    /// Median over its batches of the time for one, ns.
    pub(crate) median_ns: f64,
    /// What the fastest tenth of them stays below, ns for one: little else disturbed those.
    pub(crate) fast_ns: f64,
    /// All batches together, ns for one: with whatever else the machine did meanwhile.
    pub(crate) mean_ns: f64,
}

/// Where a load runs.
#[derive(clap::Args)]
pub(crate) struct Place {
    /// Directory of a cgroup to enter first
    #[arg(long)]
    cgroup: Option<PathBuf>,
    /// Stay on this processor
    #[arg(long)]
    cpu: Option<usize>,
}

impl Place {
    fn enter(&self) -> Result<()> {
        if let Some(dir) = &self.cgroup {
            enter(dir)?;
        }
        if let Some(cpu) = self.cpu {
            let mut set = CpuSet::new();
            set.set(cpu).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set)).context("no such processor")?;
        }
        Ok(())
    }
}

/// Moves this process into a cgroup.
pub(crate) fn enter(dir: &Path) -> Result<()> {
    let file = dir.join("cgroup.procs");
    std::fs::write(&file, "0").with_context(|| format!("cannot enter a cgroup by {}", file.display()))
}

/// Times batches: what is between them does not count.
struct Batches {
    size: u32,
    took: Vec<Duration>,
}

impl Batches {
    fn new(size: u32) -> Self {
        Self { size, took: Vec::new() }
    }

    fn run(&mut self, mut once: impl FnMut() -> Result<()>) -> Result<()> {
        let begun = Instant::now();
        for _ in 0..self.size {
            once()?;
        }
        self.took.push(begun.elapsed());
        Ok(())
    }

    fn tell(mut self) -> Result<()> {
        self.took.sort_unstable();
        let one = |time: Duration| time.as_secs_f64() * 1e9 / f64::from(self.size);
        let [fast, median] = [10, 2].map(|part| self.took.get(self.took.len() / part).copied().unwrap_or_default());
        let batches = u32::try_from(self.took.len()).unwrap_or(u32::MAX);
        let mean = self.took.iter().sum::<Duration>() / batches.max(1);
        let times = u64::from(self.size) * u64::from(batches);
        let took = Took { times, median_ns: one(median), fast_ns: one(fast), mean_ns: one(mean) };
        let line = serde_json::to_string(&took)?;
        writeln!(std::io::stdout(), "{line}").context("cannot tell what it took")
    }
}
