//! The tests that need no root.

use super::harness::Harness;
use super::report::Report;
use crate::{sh, ui};
use anyhow::Result;

/// Runs `cargo test --workspace`. Tests that are ignored here count as skipped, unless the next tier runs them.
pub(super) fn run(filters: &[String], ignored_run_later: bool) -> Result<Report> {
    let mut command = sh::cargo(None);
    command.args(["test", "--workspace", "--no-fail-fast", "--"]).args(filters);
    let mut harness = Harness::default();
    let status = sh::lines(&mut command, |line| {
        ui::through(line);
        harness.line(line);
    })?;
    let mut tally = harness.tally;
    if ignored_run_later {
        tally.skipped = 0;
    }
    // No failed test and yet a failure: something did not compile, or a test binary died.
    if !status.success() && tally.failed == 0 {
        ui::note(format!("cargo test ended with {status} and no failed test: see above"));
        tally.failed = 1;
    }
    Ok(Report { tally, failures: harness.failures, ..Report::default() })
}
