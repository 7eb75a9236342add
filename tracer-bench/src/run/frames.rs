//! A frame of each page of the terminal UI, as the benchmark in tracer's own library tells it.

use std::process::Command;

use anyhow::Result;

use super::process::finish;
use super::{Bench, say};

const MEASURE: &str = "a frame, 200x60, of 500 containers, 5,000 processes, 100,000 signals";

/// Measures it.
pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    let Some(binary) = &bench.frames else {
        say("    left out: it needs --frames");
        return Ok(());
    };
    let mut rows: Vec<(String, Vec<f64>)> = Vec::new();
    for _ in 0..bench.or_quick(3, 1) {
        let output = finish(Command::new(binary).args(["large_node", "--ignored", "--nocapture", "--test-threads=1"]))?;
        for (of, ms) in frames(&String::from_utf8_lossy(&output.stderr)) {
            match rows.iter_mut().find(|(known, _)| *known == of) {
                Some((_, values)) => values.push(ms),
                None => rows.push((of, vec![ms])),
            }
        }
    }
    anyhow::ensure!(!rows.is_empty(), "the benchmark of the screen told no frame");
    for (of, values) in rows {
        bench.report.add(MEASURE, &of, "ms", &values);
    }
    Ok(())
}

/// What follows `a frame of`, and the milliseconds.
fn frames(text: &str) -> Vec<(String, f64)> {
    let frame = |line: &str| {
        let (_, rest) = line.split_once("a frame of ")?;
        let (of, rest) = rest.split_once(", 200x60")?;
        Some((of.to_owned(), rest.trim().strip_suffix("ms")?.trim().parse().ok()?))
    };
    text.lines().filter_map(frame).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn frames_are_read_and_other_lines_are_not() {
        let text = "fold, and take in all news                    90.1 ms\na frame of Containers, 200x60                  1.250 ms\n";
        assert_eq!(super::frames(text), [("Containers".to_owned(), 1.25)]);
    }
}
