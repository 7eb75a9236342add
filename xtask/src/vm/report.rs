//! What came of the checks, in the form of test results.

use super::boot::{Boot, Place};
use super::checks::Check;
use super::qemu::{self, End};
use super::{log, replay};
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

/// Checks of a place that gave no results: each counts as failed, with the reason.
pub(super) fn absent(place: Place, checks: &[&Check], error: &anyhow::Error) -> Tally {
    let mut tally = Tally::default();
    for check in checks {
        tally += one(&check.full_name(place), Some(format!("{place} gave no results: {error:#}")));
    }
    tally
}

/// A machine: its checks, its recordings, and itself. All of them have failed if it gave no results.
pub(super) fn boot(boot: Boot, ran: &[&Check], console: &Result<qemu::Console>, tracer: &Path) -> Tally {
    let place = Place::Machine(boot);
    let recordings = ran.iter().filter(|check| check.records);
    let replayed = |check: &Check| format!("{}-replayed-here", check.full_name(place));
    let calm = format!("vm::{boot}::the-kernel-stays-calm");
    let mut tally;
    match console {
        Ok(console) => {
            tally = checks(place, ran, &console.text);
            let files = replay::files(&console.text);
            for check in recordings {
                let problem = paths::target_dir(&format!("vm/{boot}"))
                    .and_then(|dir| replay::judge(&files, check.name, tracer, &dir))
                    .unwrap_or_else(|error| Some(format!("{error:#}")));
                tally += one(&replayed(check), problem);
            }
            let unrest = unrest(console).map(|what| format!("{what}; the console is in {}", log(boot).display()));
            tally += one(&calm, unrest);
        }
        Err(error) => {
            tally = absent(place, ran, error);
            for name in recordings.map(|check| replayed(check)).chain([calm]) {
                tally += one(&name, Some(format!("{boot} gave no results: {error:#}")));
            }
        }
    }
    tally
}

/// What nothing else can be told of than that it failed.
pub(super) fn failed(name: &str, error: &anyhow::Error) -> Tally {
    one(name, Some(format!("{error:#}")))
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
    match (console.end, console.text.is_empty()) {
        (End::Done, _) => None,
        (End::Late(limit), _) => {
            Some(format!("the machine did not come to the end of its checks within {} s", limit.as_secs()))
        }
        (End::Off, true) => Some("qemu ended with nothing on the console: does --accel tcg work?".to_owned()),
        (End::Off, false) => Some("qemu ended before the machine came to the end of its checks".to_owned()),
    }
}
