//! Real containers of a real Docker daemon, stopped in every way we know: each gets the right verdict, told by tracers
//! that see the same cgroups as the daemon, and by one that sees them from outside.
//!
//! A case is an entry in `cases.rs` and an expectation in `tests/scenarios/NAME.expect`. With
//! `TRACER_RECORD_SCENARIOS=1` the recordings beside the expectations are written anew.

mod cases;
#[path = "../expect/mod.rs"]
mod expect;
#[path = "../lab/mod.rs"]
mod lab;
mod observed;
mod record;
mod run;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cases::Case;
use lab::docker::{Cgroups, Daemon};
use lab::tracer::{BINARY, Said, Tracer};

/// Containers at a time: enough to make use of their waiting, few enough for a small machine to be on time.
const AT_ONCE: usize = 8;

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn containers_on_pure_cgroup_v2() {
    // The tracer inside sees cgroup v2 alone, as the daemon does; the one outside finds it beside v1.
    stop_all("containers_on_pure_cgroup_v2", Cgroups::PureV2);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn containers_on_the_hosts_cgroups() {
    stop_all("containers_on_the_hosts_cgroups", Cgroups::Host);
}

fn stop_all(test: &str, cgroups: Cgroups) {
    if !lab::can_run(test, &["dockerd", "containerd", "runc", "python3"]) {
        return;
    }
    // Only these cases, by the beginnings of their names: for the one who looks for a mistake.
    let only = std::env::var("TRACER_CASES").unwrap_or_default();
    let chosen = |case: &Case| only.split(',').any(|start| case.name.starts_with(start));
    let cases: Vec<_> =
        cases::all().into_iter().filter(|case| case.only.is_none_or(|only| only == cgroups)).filter(chosen).collect();
    let docker = Daemon::start(cgroups);
    let recording = record::wanted().then(|| docker.socket().with_file_name("all.rec"));
    let tracers = start_tracers(&docker, recording.as_deref());
    let next = AtomicUsize::new(0);
    let ran = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if !lab::can_run(case.name, case.needs) {
                        continue;
                    }
                    let id = catch_unwind(AssertUnwindSafe(|| run::run(&docker, &tracers, case))).ok();
                    ran.lock().expect("nobody panics in between").push((case.name, id));
                }
            });
        }
    });
    let ran = ran.into_inner().expect("nobody panics in between");
    let mut failures = Vec::new();
    for (name, id) in &ran {
        let Some(id) = id else {
            let id = docker.inspect(name, "{{.Id}}");
            let lines = tracers[0].lock().map(|mut tracer| observed::of_container(tracer.lines(), &id));
            let told = observed::tell(&lines.unwrap_or_default());
            failures.push(format!("{name} did not run to its end, see above:\n  {told}\n"));
            continue;
        };
        for (number, tracer) in tracers.iter().enumerate() {
            let place = if number == 0 { "the tracer beside the daemon" } else { "the tracer outside" };
            failures.extend(observed::judge(tracer, name, id).map(|how| format!("{name}, {place}:\n  {how}")));
        }
    }
    for tracer in tracers {
        let ended = tracer.into_inner().expect("nobody panics in between").interrupt();
        assert!(ended.status.success(), "the tracer ended with {}:\n{}", ended.status, ended.stderr);
    }
    if let Some(recording) = recording {
        let ids: Vec<_> = ran.iter().filter_map(|(name, id)| Some((*name, id.as_deref()?))).collect();
        record::split(&recording, &ids, cgroups);
    }
    drop(docker);
    assert!(failures.is_empty(), "{} of {} differ:\n\n{}", failures.len(), ran.len(), failures.join("\n"));
}

/// One where the daemon is, and if that is not where everybody is, one outside as well.
fn start_tracers(docker: &Daemon, recording: Option<&std::path::Path>) -> Vec<Mutex<Tracer>> {
    let socket = docker.socket();
    let socket = socket.to_str().expect("a path in plain text");
    let begun = |said: Said<'_>| matches!(said, Said::Note(note) if note.starts_with("tracer: tracing"));
    let mut args = vec!["--docker", socket];
    if let Some(recording) = recording {
        args.extend(["--record", recording.to_str().expect("a path in plain text")]);
    }
    let mut tracers = vec![Mutex::new(Tracer::start(docker.enter(BINARY), &args, begun))];
    if docker.cgroups == Cgroups::PureV2 {
        tracers.push(Mutex::new(Tracer::spawn(&["--docker", socket], begun)));
    }
    tracers
}
