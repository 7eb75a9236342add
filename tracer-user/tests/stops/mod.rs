//! What the tests that stop many real containers have in common: all of them at once, watched by tracers in several
//! places, judged by their expectations, and recorded when that is wanted.

pub(crate) mod observed;
pub(crate) mod record;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::lab::daemon::Cgroups;
use super::lab::tracer::{BINARY, Said, Tracer};

/// Containers at a time: enough to make use of their waiting, few enough for a small machine to be on time.
const AT_ONCE: usize = 8;

/// Whether a case is to run: all of them, or with `TRACER_CASES` those whose names begin so, for the one who looks for
/// a mistake.
pub(crate) fn chosen(case: &str) -> bool {
    let only = std::env::var("TRACER_CASES").unwrap_or_default();
    only.split(',').any(|start| case.starts_with(start))
}

/// Runs the cases, several at a time; `None` for one that panics, which has been said then.
pub(crate) fn each<C: Sync, R: Send>(cases: &[C], run: impl Fn(&C) -> R + Sync) -> Vec<(&C, Option<R>)> {
    let next = AtomicUsize::new(0);
    let ran = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = catch_unwind(AssertUnwindSafe(|| run(case))).ok();
                    ran.lock().expect("nobody panics in between").push((case, result));
                }
            });
        }
    });
    ran.into_inner().expect("nobody panics in between")
}

/// A tracer where the daemon is, and if that is not where everybody is, one outside as well.
#[track_caller]
pub(crate) fn start_tracers(
    enter: impl Fn(&'static str) -> Command,
    cgroups: Cgroups,
    args: &[&str],
    recording: Option<&Path>,
) -> Vec<Mutex<Tracer>> {
    let begun = |said: Said<'_>| matches!(said, Said::Note(note) if note.starts_with("tracer: tracing"));
    let mut first = args.to_vec();
    if let Some(recording) = recording {
        first.extend(["--record", recording.to_str().expect("a path in plain text")]);
    }
    let mut tracers = vec![Mutex::new(Tracer::start(enter(BINARY), &first, begun))];
    if cgroups == Cgroups::PureV2 {
        tracers.push(Mutex::new(Tracer::spawn(args, begun)));
    }
    tracers
}

/// Where a tracer is, for messages.
pub(crate) fn place(number: usize) -> &'static str {
    if number == 0 { "the tracer beside the daemon" } else { "the tracer outside" }
}

/// Ends the tracers, which must be well.
#[track_caller]
pub(crate) fn end_tracers(tracers: Vec<Mutex<Tracer>>) {
    for tracer in tracers {
        let ended = tracer.into_inner().expect("nobody panics in between").interrupt();
        assert!(ended.status.success(), "the tracer ended with {}:\n{}", ended.status, ended.stderr);
    }
}
