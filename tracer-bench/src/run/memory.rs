//! Resident memory, with containers that just run.

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Bench;
use super::agent::Agent;
use super::crowd::Crowd;
use super::process::{Running, number};
use super::tracer::READY;

pub(super) const LIVE: &str = "tracer";
pub(super) const AGENT: &str = "tracer agent";
/// With the most containers.
pub(super) const MOST: &str = "resident memory, 500 containers, 10,000 processes";

/// Measures it.
pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    let all: &[(u32, &str)] =
        &[(0, "resident memory, no container"), (100, "resident memory, 100 containers, 2,000 processes"), (500, MOST)];
    for &(containers, name) in if bench.quick { &all[..1] } else { all } {
        let crowd = Crowd::gather(bench, containers, 20)?;
        let mut cgroups = crowd.paths();
        if cgroups.is_empty() {
            cgroups.push(bench.group.path());
        }
        let (mut live, mut served) = (Vec::new(), Vec::new());
        for _ in 0..bench.or_quick(3, 1) {
            let mut command = Command::new(&bench.tracer);
            command.args(["--no-attach", "-o", "json"]).stdout(std::process::Stdio::null());
            for cgroup in &cgroups {
                command.args(["--cgroup", cgroup]);
            }
            live.push(resident(&Running::start(&mut command, &[READY])?)?);
            served.push(resident(&Agent::of(bench, &cgroups)?.running)?);
        }
        for (of, memory) in [(LIVE, live), (AGENT, served)] {
            let of_all: Vec<f64> = memory.iter().map(|memory| memory.0).collect();
            let [anonymous, peak] =
                [1, 2].map(|index| memory.iter().map(|one| [one.0, one.1, one.2][index]).fold(0.0, f64::max));
            let note = format!("in any round at most {anonymous:.1} MiB not of files; {peak:.1} MiB ever");
            bench.report.add_noted(name, of, "MiB", &of_all, note);
        }
    }
    Ok(())
}

/// MiB: now, of it not of files, and the most there ever was.
#[expect(clippy::cast_precision_loss, reason = "figures of a few digits")]
fn resident(running: &Running) -> Result<(f64, f64, f64)> {
    // what the start asked for has been answered by then
    sleep(Duration::from_secs(3));
    let status = fs::read_to_string(format!("/proc/{}/status", running.pid())).context("it has ended")?;
    let mib = |name| number(&status, name) as f64 / 1024.0;
    Ok((mib("VmRSS:"), mib("RssAnon:"), mib("VmHWM:")))
}
