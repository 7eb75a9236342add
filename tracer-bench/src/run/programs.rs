//! Nanoseconds in each kernel program, by the kernel's own statistics (`kernel.bpf_stats_enabled`).

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::Bench;
use super::process::{Running, number};
use super::tracer::{Sink, timed};

const MEASURE: &str = "ns in a kernel program, by the kernel";
const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// An attached program.
pub(super) struct Link {
    /// Its tracepoint.
    pub(super) tracepoint: String,
    program: u64,
}

/// The raw tracepoints that a process is attached to.
pub(super) fn links(pid: u32) -> Result<Vec<Link>> {
    let infos = infos(pid)?;
    let link = |info: &String| {
        let name = info.lines().find_map(|line| line.strip_prefix("tp_name:"))?.trim().to_owned();
        Some(Link { tracepoint: name, program: number(info, "prog_id:") })
    };
    Ok(infos.iter().filter_map(link).collect())
}

fn infos(pid: u32) -> Result<Vec<String>> {
    let dir = format!("/proc/{pid}/fdinfo");
    let entries = fs::read_dir(&dir).with_context(|| format!("cannot list {dir}"))?;
    Ok(entries.flatten().filter_map(|entry| fs::read_to_string(entry.path()).ok()).collect())
}

/// Statistics, on while this lives.
struct Statistics(String);

impl Statistics {
    fn on() -> Result<Self> {
        let before = fs::read_to_string(SWITCH).with_context(|| format!("cannot read {SWITCH}"))?;
        fs::write(SWITCH, "1").with_context(|| format!("cannot write {SWITCH}"))?;
        Ok(Self(before))
    }
}

impl Drop for Statistics {
    fn drop(&mut self) {
        fs::write(SWITCH, &self.0).unwrap_or_default();
    }
}

/// Runs and time of a program: `run_cnt` and `run_time_ns`.
type Spent = (u64, u64);

fn spent(infos: &[String], program: u64) -> Option<Spent> {
    let info = infos.iter().find(|info| {
        info.contains("prog_tag:") && number(info, "prog_id:") == program && info.contains("run_time_ns:")
    })?;
    Some((number(info, "run_cnt:"), number(info, "run_time_ns:")))
}

/// Measures it: a mean over the runs of each round. The floor tells how much of it is the statistics' own.
pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    let tracepoints = bench.tracepoints()?;
    let _statistics = Statistics::on()?;
    let mut rows: Vec<(String, Vec<f64>)> = Vec::new();
    for _ in 0..bench.or_quick(5, 1) {
        let sink = Sink::new();
        {
            let tracer = bench.tracer_to(&sink, &[])?;
            one(bench, &tracer, false, "not tracked", &mut rows)?;
            one(bench, &tracer, true, "streamed", &mut rows)?;
        }
        let floor = bench.floor(&tracepoints)?;
        one(bench, &floor, true, "the floor", &mut rows)?;
    }
    rows.sort_by(|one, two| one.0.cmp(&two.0));
    for (of, values) in rows {
        bench.report.add(MEASURE, &of, "ns", &values);
    }
    Ok(())
}

/// One load, inside of what is tracked or not, and what each program took meanwhile.
fn one(bench: &Bench, of: &Running, inside: bool, called: &str, rows: &mut Vec<(String, Vec<f64>)>) -> Result<()> {
    let (signals, forks) = (bench.or_quick(30_000, 1_000), bench.or_quick(400, 20));
    let before = infos(of.pid())?;
    timed(&mut bench.signals("handled", inside, &["--times", &signals.to_string(), "--rest", "10000"]))?;
    let mut forker = Command::new(&bench.own);
    forker.args(["forks", "--times", &forks.to_string()]);
    if inside {
        forker.arg("--cgroup").arg(bench.group.dir());
    }
    timed(&mut forker)?;
    let after = infos(of.pid())?;
    for link in links(of.pid())? {
        let Some((before, after)) = spent(&before, link.program).zip(spent(&after, link.program)) else { continue };
        let (runs, ns) = (after.0 - before.0, after.1 - before.1);
        // what ran a few times only is not of this load
        if runs >= u64::from(forks) {
            push(rows, format!("{}, {called}", link.tracepoint), mean(ns, runs));
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "figures of a few digits")]
fn mean(sum: u64, count: u64) -> f64 {
    sum as f64 / count as f64
}

fn push(rows: &mut Vec<(String, Vec<f64>)>, name: String, value: f64) {
    match rows.iter_mut().find(|(known, _)| *known == name) {
        Some((_, values)) => values.push(value),
        None => rows.push((name, vec![value])),
    }
}
