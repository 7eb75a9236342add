//! From start to the line that says that all is attached and known.

use anyhow::Result;

use super::Bench;
use super::process::Running;
use super::tracer::READY;

pub(super) const MEASURE: &str = "start-up until attached";
pub(super) const TRACER: &str = "tracer";

/// Measures it.
pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    let mut values = Vec::new();
    for _ in 0..bench.or_quick(21, 2) {
        let running = Running::start(&mut bench.tracer_command(), &[READY])?;
        values.push(running.ready_after.as_secs_f64() * 1e3);
    }
    bench.report.add(MEASURE, TRACER, "ms", &values);
    Ok(())
}
