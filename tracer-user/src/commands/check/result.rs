//! The result of a check: judged, shown, and an exit code.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;

use crate::check::Report;
use crate::commands::options::{complain, note};
use crate::commands::{DONE, FOUND, is_broken_pipe};
use crate::live::Pipeline;
use crate::live::sink::CANNOT_WRITE;
use crate::model::Termination;
use crate::output::{self, Clock, JsonLines};

use super::course::Progress;
use super::options::{Args, Format};

pub(super) fn ended(pipeline: &Pipeline, id: &str) -> Option<Arc<Termination>> {
    pipeline.node.terminations().rev().find(|termination| termination.container.id == id).cloned()
}

/// Completes the report with how it ended.
pub(super) fn judge(report: &mut Report, progress: Progress, pipeline: &Pipeline, id: &str) {
    match progress {
        Progress::Failed(error) => {
            report.error = Some(error);
            return;
        }
        Progress::Stopped | Progress::EndedBefore | Progress::Interrupted => report.termination = ended(pipeline, id),
    }
    let Some(termination) = &report.termination else { return };
    if !termination.certain {
        report.warnings.push("events were lost meanwhile: the verdict is not certain".to_owned());
    }
    if progress == Progress::EndedBefore && !report.expected.contains(&termination.verdict) {
        let how = termination.exit.map_or_else(|| "ended".to_owned(), output::exit_words);
        let was = if how.starts_with("killed") { "was " } else { "" };
        report.error = Some(format!("it {was}{how} before it was ready, and could not be stopped"));
    }
}

/// Shows the result, and returns the exit code that fits it. `gap`: it is parted from what was shown before.
pub(super) fn tell(args: &Args, report: &Report, clock: Clock, gap: bool) -> anyhow::Result<ExitCode> {
    // first: a file does not depend on who reads what is printed
    if let Some(path) = &args.junit {
        let written = std::fs::write(path, output::junit(report, clock));
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut out = io::stdout().lock();
    let told = match args.output {
        Format::Text => {
            let gap = if gap { "\n" } else { "" };
            writeln!(out, "{gap}{}", crate::printable::text(&report.to_string()))
        }
        Format::Json => JsonLines::new(&mut out, clock).checked(report),
        Format::Junit => out.write_all(output::junit(report, clock).as_bytes()),
    };
    told.and_then(|()| out.flush()).context(CANNOT_WRITE).or_else(unless_unread)?;
    for warning in &report.warnings {
        note(&format!("warning: {warning}"));
    }
    if let Some(error) = report.error.as_ref().filter(|_| args.output != Format::Text) {
        complain(error);
    }
    Ok(ExitCode::from(if report.passed() { DONE } else { FOUND }))
}

/// A reader who has seen enough, as `head` has, changes nothing in the result.
pub(super) fn unless_unread(error: anyhow::Error) -> anyhow::Result<()> {
    if is_broken_pipe(&error) { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tracer check … | head -1` must not pass because of `head`.
    #[test]
    fn who_has_seen_enough_changes_nothing_and_whatever_else_fails_does() {
        let failed = |kind: io::ErrorKind| anyhow::Error::new(io::Error::from(kind)).context(CANNOT_WRITE);
        assert!(unless_unread(failed(io::ErrorKind::BrokenPipe)).is_ok());
        assert!(unless_unread(failed(io::ErrorKind::StorageFull)).is_err());
    }
}
