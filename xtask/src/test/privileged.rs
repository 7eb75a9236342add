//! The tests that need root: built as the user, run as root, one at a time.
//!
//! They are `#[ignore]`d, so that a plain `cargo test` works for everybody. One thread, because they share one
//! kernel: a test that counts signals must not see another test's.

use super::skips::Skips;
use super::{Tally, strict};
use crate::cargo::{self, Artifact};
use crate::{build, elf, sh, ui};
use anyhow::Result;
use std::path::{Path, PathBuf};

/// A test binary that takes longer hangs: it is ended, and counts as failed.
const DEADLINE_SECONDS: u32 = 15 * 60;

/// Runs the ignored tests of every test binary that has any.
pub(super) fn run(filters: &[String]) -> Result<Tally> {
    let prefix = match sh::root_prefix() {
        Ok(prefix) => prefix,
        Err(error) if strict() => return Err(error),
        Err(error) => {
            ui::note(format!("skipped: {error:#}"));
            return Ok(Tally { skipped: 1, ..Tally::default() });
        }
    };
    let mut command = sh::cargo(None);
    let binaries = cargo::executables(command.args(["test", "--workspace", "--no-run"]))?;
    let mut tally = Tally::default();
    for binary in binaries.iter().filter(|binary| binary.test) {
        let count = count(binary, filters)?;
        if count == 0 {
            continue;
        }
        let shipped = if binary.name == SHIPS { Some(shipped()?) } else { None };
        let stage = ui::Stage::start(format!("{}: {count} tests", binary.name));
        let of_binary = run_one(binary, filters, &prefix, shipped.as_deref())?;
        stage.end(&of_binary.to_string());
        tally += of_binary;
    }
    Ok(tally)
}

/// The test binary that makes the image, and so needs the binary that is in it.
const SHIPS: &str = "deploy";

/// The static binary of this architecture, as for the virtual machines.
fn shipped() -> Result<PathBuf> {
    let triple = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let stage = ui::Stage::start(format!("tracer for {triple}"));
    let binary = build::tracer(build::Profile::Quick, Some(&triple))?;
    elf::assert_static(&binary)?;
    stage.end("static");
    Ok(binary)
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

fn run_one(binary: &Artifact, filters: &[String], prefix: &[String], shipped: Option<&Path>) -> Result<Tally> {
    let skips = Skips::new()?;
    // `--foreground` leaves Ctrl-C to the whole family; what a killed test leaves behind ends by itself
    // (see tests/lab: its daemons end when the pipe from the test closes).
    let seconds = DEADLINE_SECONDS.to_string();
    let timeout = ["timeout", "--foreground", "--kill-after=30", &seconds];
    let mut words = prefix.iter().map(String::as_str).chain(["env"]);
    let mut command = sh::cmd(words.next().unwrap_or("env"));
    command.args(words).arg(skips.variable()).arg(format!("CARGO_MANIFEST_DIR={}", binary.dir.display()));
    command.args(shipped.map(|path| format!("TRACER_STATIC={}", path.display())));
    command.args(timeout).arg(&binary.executable).args(["--ignored", "--test-threads=1"]).args(selected(filters));
    command.current_dir(&binary.dir);

    let mut tally = Tally::default();
    let status = sh::lines(&mut command, |line| {
        ui::through(line);
        if let Some(counts) = Tally::of_line(line) {
            tally += counts;
        }
    })?;
    if !status.success() && tally.failed == 0 {
        // 124 and 137 are timeout's.
        ui::note(format!("{} ended with {status}, not with a test result (limit: {seconds} s)", binary.name));
        tally.failed = 1;
    }
    skips.settle(&mut tally)?;
    Ok(tally)
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
