//! The object of `tracer check`.

use serde::Serialize;

use super::ending::Termination;
use super::shape::Seconds;
use crate::check::{ReadyBy, Report};
use crate::model::Verdict;
use crate::output::Clock;

#[derive(Serialize)]
pub(super) struct Check<'a> {
    name: &'a str,
    passed: bool,
    verdict: Option<Verdict>,
    expected: &'a [Verdict],
    error: Option<&'a str>,
    ready: Option<Ready>,
    warnings: &'a [String],
    output: &'a [String],
    termination: Option<Termination<'a>>,
}

#[derive(Serialize)]
struct Ready {
    by: ReadyBy,
    after_s: Seconds,
}

impl<'a> Check<'a> {
    pub(super) fn new(report: &'a Report, clock: Clock) -> Self {
        Self {
            name: &report.name,
            passed: report.passed(),
            verdict: report.verdict(),
            expected: &report.expected,
            error: report.error.as_deref(),
            ready: report.ready.map(|(by, after)| Ready { by, after_s: Seconds(after) }),
            warnings: &report.warnings,
            output: &report.output,
            termination: report.termination.as_ref().map(|termination| Termination::new(termination, clock)),
        }
    }
}
