//! How fast a recording is read, folded and shown.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::Bench;
use super::process::finish;
use super::tracer::{Sink, timed};

const MEASURE: &str = "replay";

/// Measures it, on a recording of many signals.
pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    let signals = bench.or_quick(300_000, 5_000);
    let file = std::env::temp_dir().join(format!("tracer-bench-{}.rec", std::process::id()));
    let name = file.to_str().context("a path that is UTF-8")?;
    let (lost, bytes) = {
        let sink = Sink::new();
        let tracer = bench.tracer_to(&sink, &["--record", name, "--signal", "HUP"])?;
        let args = ["--times", &signals.to_string(), "--rate", "50000", "--batch", "100"];
        timed(&mut bench.signals("ignored", true, &args))?;
        tracer.settle()?;
        tracer.interrupt()?;
        (sink.lost()?, std::fs::metadata(&file)?.len())
    };
    let note = format!("a recording of {signals} signals, {} MiB, {lost} lost", bytes >> 20);
    let views: [(&str, &[&str]); 3] = [
        ("tracer replay, a line of JSON for each", &["-o", "json"]),
        ("tracer replay, as text", &["-o", "text"]),
        ("tracer replay, shown is only what matters", &["-o", "json", "--signal", "HUP"]),
    ];
    for (of, args) in views {
        let mut values = Vec::new();
        for _ in 0..bench.or_quick(5, 1) {
            let begun = Instant::now();
            let mut command = Command::new(&bench.tracer);
            finish(command.args(["replay", name]).args(args).stdout(Stdio::null()))?;
            values.push(f64::from(signals) / begun.elapsed().as_secs_f64());
        }
        bench.report.add_noted(MEASURE, of, "events/s", &values, note.clone());
    }
    std::fs::remove_file(&file).with_context(|| format!("cannot remove {name}"))
}
