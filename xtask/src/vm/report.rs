//! What came of the checks, in the form of test results.

use super::boot::{Boot, Place};
use super::checks::Check;
use super::{log, qemu, replay};
use crate::test::Tally;
use crate::{paths, ui};
use anyhow::Result;
use regex_lite::Regex;
use std::path::Path;

/// The line by which a machine says that it ran everything.
pub(super) const DONE: &str = "@@done";

/// The checks that this tracer cannot pass yet.
pub(super) fn missing(place: Place, checks: &[&Check]) -> Tally {
    let strict = crate::test::strict();
    let what = if strict { "FAILED" } else { "skipped" };
    for check in checks {
        ui::result(format!("test {} ... {what}: this tracer has no such command", check.full_name(place)));
    }
    let count = |counts: bool| if counts { checks.len() } else { 0 };
    Tally { passed: 0, failed: count(strict), skipped: count(!strict) }
}

/// The checks of one kernel.
pub(super) fn checks(place: Place, checks: &[&Check], console: &[String]) -> Tally {
    let mut tally = Tally::default();
    for check in checks {
        tally += one(&check.full_name(place), check.judge(console));
    }
    tally
}

/// A machine: its checks, its recordings, and itself.
pub(super) fn boot(boot: Boot, ran: &[&Check], console: &qemu::Console, tracer: &Path) -> Result<Tally> {
    let place = Place::Machine(boot);
    let mut tally = checks(place, ran, &console.text);
    let dir = paths::target_dir(&format!("vm/{boot}"))?;
    let files = replay::files(&console.text);
    for check in ran.iter().filter(|check| check.records) {
        let problem =
            replay::judge(&files, check.name, tracer, &dir).unwrap_or_else(|error| Some(format!("{error:#}")));
        tally += one(&format!("{}-replayed-here", check.full_name(place)), problem);
    }
    let log = log(&paths::target_dir("vm")?, boot);
    let unrest = unrest(console).map(|what| format!("{what}; the console is in {}", log.display()));
    tally += one(&format!("vm::{boot}::the-kernel-stays-calm"), unrest);
    Ok(tally)
}

fn one(name: &str, problem: Option<String>) -> Tally {
    match problem {
        None => {
            ui::result(format!("test {name} ... ok"));
            Tally { passed: 1, ..Tally::default() }
        }
        Some(reason) => {
            ui::result(format!("test {name} ... FAILED\n{reason}"));
            Tally { failed: 1, ..Tally::default() }
        }
    }
}

/// What went wrong with the machine as a whole.
fn unrest(console: &qemu::Console) -> Option<String> {
    let alarm = Regex::new(r"Kernel panic|Oops:|BUG: |WARNING: CPU|blocked for more than").ok()?;
    if let Some(line) = console.text.iter().find(|line| alarm.is_match(line)) {
        return Some(format!("the kernel says: {line}"));
    }
    match (console.done, console.text.is_empty()) {
        (true, _) => None,
        (false, true) => Some("nothing came on the console: did qemu start? does --accel tcg work?".to_owned()),
        (false, false) => Some("the machine did not come to the end of its checks in time".to_owned()),
    }
}
