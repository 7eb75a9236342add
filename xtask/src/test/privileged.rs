//! The tests that need root: built as the user, run as root, one at a time.
//!
//! They are `#[ignore]`d, so that a plain `cargo test` works for everybody. One thread, because they share one
//! kernel: a test that counts signals must not see another test's.

use super::harness::{Failure, Harness};
use super::report::Report;
use super::skips::Skips;
use super::{Tally, strict};
use crate::cargo::{self, Artifact};
use crate::setup::kernels::Arch;
use crate::setup::upgrade;
use crate::{sh, statics, ui};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A test binary that takes longer hangs: it is ended, and counts as failed.
const DEADLINE_SECONDS: u32 = 15 * 60;
/// So many failed tests of one run are run again, alone. They are real programs on a real kernel, hundreds of them, on machines
/// that do other things as well; what passes then is told as flaky, with why it failed. More than this is no accident.
const AGAIN: usize = 2;

/// Runs the ignored tests of every test binary that has any. Static programs for the architectures of the stage that follows
/// are built with those that are needed here.
pub(super) fn run(filters: &[String], follows: &BTreeSet<Arch>) -> Result<Report> {
    let prefix = match sh::root_prefix() {
        Ok(prefix) => prefix,
        Err(error) if strict() => return Err(error),
        Err(error) => {
            ui::note(format!("skipped: {error:#}"));
            return Ok(Tally { skipped: 1, ..Tally::default() }.into());
        }
    };
    let mut command = sh::cargo(None);
    let binaries = cargo::executables(command.args(["test", "--workspace", "--no-run"]))?;
    let mut report = Report::default();
    for binary in binaries.iter().filter(|binary| binary.test) {
        let count = count(binary, filters)?;
        if count == 0 {
            continue;
        }
        let shipped = match (binary.name == SHIPS).then(|| shipped(follows)).transpose() {
            Ok(shipped) => shipped,
            Err(error) => {
                ui::error(&error.context(format!("{} cannot run: {count} tests have failed", binary.name)));
                report.tally.failed += count;
                continue;
            }
        };
        let stage = ui::Stage::start(format!("{}: {count} tests", binary.name));
        let runner = Runner { binary, prefix: &prefix, shipped: shipped.as_deref() };
        let mut of_binary = runner.run(&selected(filters))?;
        if of_binary.failures.len() + report.failures.len() + report.flaky.len() <= AGAIN {
            runner.again(&mut of_binary)?;
        }
        stage.end(&of_binary.tally.to_string());
        report += of_binary;
    }
    Ok(report)
}

/// The test binary that makes the image, and so needs the binary that is in it.
const SHIPS: &str = "deploy";

/// The static binary of this architecture, as for the virtual machines.
fn shipped(follows: &BTreeSet<Arch>) -> Result<PathBuf> {
    let here = Arch::here().with_context(|| format!("not tested on {}", std::env::consts::ARCH))?;
    let mut archs = follows.clone();
    archs.insert(here);
    Ok(statics::build(&archs)?.of(here)?.tracer.clone())
}

/// What measures, for figures in the documentation, and tests nothing that others do not: such a test's name begins with this.
const MEASURES: &str = "measure_";

/// The arguments for a test binary that select what is asked for: of measurements those that are named, with their figures.
fn selected(filters: &[String]) -> Vec<&str> {
    let measures = filters.iter().any(|filter| filter.contains(MEASURES));
    let arguments: &[&str] = if measures { &["--nocapture"] } else { &["--skip", MEASURES] };
    filters.iter().map(String::as_str).chain(arguments.iter().copied()).collect()
}

/// How many ignored tests it has that the filters let through.
fn count(binary: &Artifact, filters: &[String]) -> Result<usize> {
    let list = sh::read(sh::cmd(&binary.executable).args(["--ignored", "--list"]).args(selected(filters)))?;
    Ok(list.lines().filter(|line| line.ends_with(": test")).count())
}

/// How one test binary is run.
struct Runner<'a> {
    binary: &'a Artifact,
    /// What makes us root.
    prefix: &'a [String],
    /// The static binary, for the one that needs it.
    shipped: Option<&'a Path>,
}

impl Runner<'_> {
    /// Runs those of its tests that the words after the options let through.
    fn run(&self, words: &[&str]) -> Result<Report> {
        let skips = Skips::new()?;
        // As root: timeout makes a process group of it, since a test that kills its own group by mistake must not take us
        // along. Ctrl-C, which does not reach it there, ends it by ending us. By sudo, which would not see us end, it stays in
        // our group. What a killed test leaves behind ends by itself (see tests/lab: its daemons end when the pipe from the
        // test closes).
        let seconds = DEADLINE_SECONDS.to_string();
        let group: &[&str] = if self.prefix.is_empty() {
            &["setpriv", "--pdeathsig=TERM", "timeout"]
        } else {
            &["timeout", "--foreground"]
        };
        let timeout = group.iter().copied().chain(["--kill-after=30", &seconds]);
        let mut prefix = self.prefix.iter().map(String::as_str).chain(["env"]);
        let mut command = sh::cmd(prefix.next().unwrap_or("env"));
        command.args(prefix).arg(skips.variable()).arg(format!("CARGO_MANIFEST_DIR={}", self.binary.dir.display()));
        command.arg(format!("TRACER_UPGRADE={}", upgrade::programs().display()));
        command.args(self.shipped.map(|path| format!("TRACER_STATIC={}", path.display())));
        command.args(timeout).arg(&self.binary.executable).args(["--ignored", "--test-threads=1"]).args(words);
        command.current_dir(&self.binary.dir);

        let mut harness = Harness::default();
        let status = sh::lines(&mut command, |line| {
            ui::through(line);
            harness.line(line);
        })?;
        let Harness { mut tally, failures, .. } = harness;
        if !status.success() && tally.failed == 0 {
            // 124 and 137 are timeout's.
            ui::note(format!("{} ended with {status}, not with a test result (limit: {seconds} s)", self.binary.name));
            tally.failed = 1;
        }
        skips.settle(&mut tally)?;
        Ok(Report { tally, failures, ..Report::default() })
    }

    /// Runs those that failed again, each alone. What passes now is counted as passed, and told as flaky.
    fn again(&self, report: &mut Report) -> Result<()> {
        let failed: Vec<Failure> = std::mem::take(&mut report.failures);
        for failure in failed {
            ui::note(format!("{} failed: once more, alone", failure.name));
            let second = self.run(&["--exact", &failure.name])?;
            if second.tally == (Tally { passed: 1, failed: 0, skipped: 0 }) {
                report.tally.failed -= 1;
                report.tally.passed += 1;
                report.flaky.push(failure);
            } else {
                report.failures.push(failure);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::selected;

    #[test]
    fn a_measurement_runs_only_when_it_is_named() {
        let of =
            |filters: &[&str]| selected(&filters.iter().map(|&filter| filter.to_owned()).collect::<Vec<_>>()).join(" ");
        assert_eq!(of(&[]), "--skip measure_");
        assert_eq!(of(&["docker"]), "docker --skip measure_");
        assert_eq!(of(&["measure_what_it_takes"]), "measure_what_it_takes --nocapture");
    }
}
