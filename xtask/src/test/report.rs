//! What is told at the end: the numbers, what failed and why, and what only failed once.

use super::Tally;
use super::harness::Failure;
use crate::ui;
use std::ops::AddAssign;

/// Lines of a failure's output that are shown again at the end; all of it is further up.
const REASON_LINES: usize = 30;

/// What came of some tests.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// The numbers.
    pub(crate) tally: Tally,
    /// What failed.
    pub(super) failures: Vec<Failure>,
    /// What failed, and passed when it was run again alone.
    pub(super) flaky: Vec<Failure>,
}

impl Report {
    /// Says which tests failed, and why: whoever reads the end of a long log reads this.
    pub(super) fn tell(&self) {
        for failure in &self.failures {
            ui::note(format!("failed: {}", failure.name));
            tell_reason(failure);
        }
        for failure in &self.flaky {
            ui::note(format!("flaky: {} failed, and passed when it was run again. It failed with:", failure.name));
            tell_reason(failure);
        }
    }
}

fn tell_reason(failure: &Failure) {
    for line in failure.reason.lines().take(REASON_LINES) {
        ui::note(format!("    {line}"));
    }
}

impl From<Tally> for Report {
    fn from(tally: Tally) -> Self {
        Self { tally, ..Self::default() }
    }
}

impl AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        self.tally += other.tally;
        self.failures.extend(other.failures);
        self.flaky.extend(other.flaky);
    }
}
