//! Tests that find out while running that they cannot run here.
//!
//! Rust's harness has no such outcome, so the test support writes a line `test: reason` into the file that
//! `TRACER_TEST_SKIPS` names, and returns; the harness counts a success, which is taken back here.
//! Under CI the support fails the test instead: nothing is skipped silently.

use super::Tally;
use crate::{paths, ui};
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;

/// The file that collects the skips of one test binary.
pub(super) struct Skips(PathBuf);

impl Skips {
    /// An empty one.
    pub(super) fn new() -> Result<Self> {
        let path = paths::target_dir("xtask")?.join("skips");
        fs::write(&path, "").with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self(path))
    }

    /// The environment variable by which a test binary learns of it.
    pub(super) fn variable(&self) -> String {
        format!("TRACER_TEST_SKIPS={}", self.0.display())
    }

    /// Moves what was skipped from the passed to the skipped, and tells why.
    pub(super) fn settle(&self, tally: &mut Tally) -> Result<()> {
        let text = fs::read_to_string(&self.0).with_context(|| format!("cannot read {}", self.0.display()))?;
        for reason in text.lines() {
            ui::note(format!("skipped: {reason}"));
            tally.passed = tally.passed.saturating_sub(1);
            tally.skipped += 1;
        }
        Ok(())
    }
}
