//! Microseconds that a process takes longer: fork, exec, exit and wait of one that does nothing.

use std::process::Command;

use anyhow::Result;

use super::Bench;
use super::process::Running;
use super::tracer::{Sink, timed};

const MEASURE: &str = "µs added to a process (fork, exec, exit, wait)";

/// Measures it.
pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    let tracepoints = bench.tracepoints()?;
    let mut base = Vec::new();
    let mut names =
        vec!["the floor: empty programs".to_owned(), "tracer, not tracked".into(), "tracer, streamed".into()];
    names.extend(bench.peers.iter().map(|peer| peer.name.to_owned()));
    let mut added = vec![Vec::new(); names.len()];
    for _ in 0..bench.or_quick(7, 1) {
        let without = load(bench, true)?;
        let mut took = Vec::new();
        {
            let _floor = bench.floor(&tracepoints)?;
            took.push(load(bench, true)?);
        }
        {
            let sink = Sink::new();
            let _tracer = bench.tracer_to(&sink, &[])?;
            took.push(load(bench, false)?);
            took.push(load(bench, true)?);
        }
        for peer in &bench.peers {
            took.push(if peer.wraps {
                timed(&mut peer.around(&command(bench, true)))?.median_ns / 1e3
            } else {
                let _peer = Running::attached(&mut peer.command())?;
                load(bench, true)?
            });
        }
        let without = f64::midpoint(without, load(bench, true)?);
        base.push(without);
        for (values, took) in added.iter_mut().zip(took) {
            values.push(took - without);
        }
    }
    bench.report.add(MEASURE, "no tracer: all of it", "µs", &base);
    for (name, values) in names.iter().zip(&added) {
        bench.report.add(MEASURE, name, "µs", values);
    }
    Ok(())
}

fn load(bench: &Bench, inside: bool) -> Result<f64> {
    Ok(timed(&mut command(bench, inside))?.median_ns / 1e3)
}

fn command(bench: &Bench, inside: bool) -> Command {
    let mut command = Command::new(&bench.own);
    command.args(["forks", "--times", &bench.or_quick(400, 20).to_string(), "--cpu", &bench.cpu.to_string()]);
    if inside {
        command.arg("--cgroup").arg(bench.group.dir());
    }
    command
}
