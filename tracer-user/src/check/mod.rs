//! The shutdown test: a program is started as PID 1, waited for until it is ready, stopped as kubelet would, and judged.
//!
//! What is here is what a check consists of; `commands/check.rs` puts it together with the tracing.

use std::fmt;
use std::sync::Arc;

use crate::event::BootNs;
use crate::model::{Termination, Verdict};

pub mod log;
pub mod ready;
pub mod screen;
pub mod settle;
pub mod subject;

pub use log::Log;
pub use ready::{ReadyBy, ReadyWhen};
pub use subject::Subject;
pub(crate) use subject::{GUARD, guard};

/// What came of a check.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was checked.
    pub name: String,
    /// Verdicts that are fine.
    pub expected: Vec<Verdict>,
    /// When it was found to be ready, ms after its start, and by what.
    pub ready: Option<(ReadyBy, u64)>,
    /// How it ended, if that was seen.
    pub termination: Option<Arc<Termination>>,
    /// Why there is nothing to judge: it did not start, was never ready, or ended before.
    pub error: Option<String>,
    /// What makes the result one to be careful with.
    pub warnings: Vec<String>,
    /// The last lines that it printed.
    pub output: Vec<String>,
    /// When it all began, and when it was over.
    pub time: (BootNs, BootNs),
}

impl Report {
    /// The verdict, if there is one.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        self.termination.as_ref().map(|termination| termination.verdict)
    }

    /// Whether it ended as it should.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.error.is_none() && self.verdict().is_some_and(|verdict| self.expected.contains(&verdict))
    }

    /// What is expected, in words: `graceful or too-slow`.
    #[must_use]
    pub fn expectation(&self) -> String {
        let all: Vec<_> = self.expected.iter().map(|verdict| verdict.slug()).collect();
        all.join(" or ")
    }
}

impl fmt::Display for Report {
    /// The result in a line: `check failed: sigterm-dropped instead of graceful`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.error, self.verdict()) {
            (Some(error), _) => write!(f, "check failed: {error}"),
            (None, Some(verdict)) if self.passed() => write!(f, "check passed: {verdict}"),
            (None, Some(verdict)) => write!(f, "check failed: {verdict} instead of {}", self.expectation()),
            (None, None) => write!(f, "check failed: its end was not seen"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::output::fixtures;

    /// A report of a termination, or of none.
    pub(crate) fn report(termination: Option<Termination>, expected: &[Verdict]) -> Report {
        Report {
            name: "sh -c 'sleep 1000; true'".to_owned(),
            expected: expected.to_vec(),
            ready: Some((ReadyBy::Settled, 1050)),
            termination: termination.map(Arc::new),
            error: None,
            warnings: Vec::new(),
            output: vec!["listening".to_owned()],
            time: (BootNs(1_000_000_000), BootNs(5_500_000_000)),
        }
    }

    #[test]
    fn what_passes_and_what_is_said() {
        let dropped = fixtures::dropped();
        let verdict = dropped.verdict;
        assert_ne!(verdict, Verdict::Graceful);
        let failed = report(Some(dropped.clone()), &[Verdict::Graceful, Verdict::TooSlow]);
        assert!(!failed.passed());
        assert_eq!(failed.to_string(), format!("check failed: {verdict} instead of graceful or too-slow"));
        let expected = report(Some(dropped.clone()), &[verdict]);
        assert!(expected.passed());
        assert_eq!(expected.to_string(), format!("check passed: {verdict}"));
        // an error outweighs any verdict
        let broken = Report { error: Some("it was never ready".to_owned()), ..report(Some(dropped), &[verdict]) };
        assert!(!broken.passed());
        assert_eq!(broken.to_string(), "check failed: it was never ready");
        assert!(!report(None, &[Verdict::Graceful]).passed());
    }
}
