//! The zoo: programs that people really run, in real containers, stopped for real, each with the verdict that an expert
//! would give, told by tracers that see the same cgroups as the runtime, and by one that sees them from outside.
//!
//! A case is one file in `cases/`; README.md explains it. `cargo xtask zoo [CASE…]` runs them and prints a table. With
//! `--record`, or `TRACER_RECORD_SCENARIOS=1`, their recordings in tests/scenarios are written anew.

mod case;
mod cri;
mod docker;
#[path = "../expect/mod.rs"]
mod expect;
mod files;
#[path = "../lab/mod.rs"]
mod lab;
mod page;
#[path = "../replay/mod.rs"]
mod replay;
mod rules;
mod run;
#[path = "../stops/mod.rs"]
mod stops;
mod table;

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use case::{Case, Place};
use lab::daemon::Cgroups;
use lab::tracer::Tracer;
use lab::{cri::Containerd, docker::Daemon, kubelet::Kubelet};
use stops::{observed, record};
use table::Table;

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn in_docker_on_pure_cgroup_v2() {
    // The tracer inside sees cgroup v2 alone, as the daemon does; the one outside finds it beside v1.
    in_docker("in_docker_on_pure_cgroup_v2", Place::Docker, Cgroups::PureV2);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn in_docker_on_the_hosts_cgroups() {
    in_docker("in_docker_on_the_hosts_cgroups", Place::Host, Cgroups::Host);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn through_cri() {
    let Some(cases) = cases("through_cri", Place::Cri, &lab::cri::PROGRAMS) else { return };
    twice(cases, through_cri_once);
}

fn through_cri_once(cases: &[Case], again: bool) -> Vec<String> {
    let containerd = Containerd::start(Cgroups::PureV2);
    let kubelet = Kubelet::new(&containerd);
    let recording = record::wanted().then(|| containerd.dir().join("all.rec"));
    let socket = containerd.socket();
    let args = ["--cri", socket.to_str().expect("a path in plain text")];
    let enter = |program| containerd.enter(program);
    let tracers = stops::start_tracers(enter, Cgroups::PureV2, &args, recording.as_deref());
    let ran = stops::each(cases, |case| {
        timed(|| {
            let ran = cri::run(&containerd, &kubelet, &tracers, case);
            Ran { container: ran.container, sandbox: Some(ran.sandbox), beside: None }
        })
    });
    judge(Place::Cri, &ran, tracers, recording.as_deref(), containerd).settle(again)
}

fn in_docker(test: &str, place: Place, cgroups: Cgroups) {
    let Some(cases) = cases(test, place, &["dockerd", "containerd", "runc", "python3"]) else { return };
    twice(cases, |cases, again| in_docker_once(cases, again, place, cgroups));
}

/// Runs all of them, and those that were wrong a second time, with a daemon and tracers of their own.
fn twice(mut cases: Vec<Case>, run: impl Fn(&[Case], bool) -> Vec<String>) {
    let wrong = run(&cases, !record::wanted());
    if !wrong.is_empty() {
        cases.retain(|case| wrong.contains(&case.name));
        run(&cases, false);
    }
}

fn in_docker_once(cases: &[Case], again: bool, place: Place, cgroups: Cgroups) -> Vec<String> {
    let docker = Daemon::start(cgroups);
    let recording = record::wanted().then(|| docker.socket().with_file_name("all.rec"));
    let socket = docker.socket();
    let args = ["--docker", socket.to_str().expect("a path in plain text")];
    let tracers = stops::start_tracers(|program| docker.enter(program), cgroups, &args, recording.as_deref());
    let ran = stops::each(cases, |case| {
        timed(|| {
            let ran = docker::run(&docker, &tracers, case);
            Ran { container: ran.container, sandbox: None, beside: ran.beside }
        })
    });
    judge(place, &ran, tracers, recording.as_deref(), docker).settle(again)
}

/// Ids of what a case ran.
struct Ran {
    container: String,
    sandbox: Option<String>,
    /// The container beside it.
    beside: Option<String>,
}

/// All that a recording of it has in it.
fn part(name: String, ran: &Ran) -> record::Part<'_> {
    record::Part {
        name,
        ids: std::iter::once(&ran.container).chain(&ran.sandbox).map(String::as_str).collect(),
        named: ran.beside.iter().map(String::as_str).collect(),
    }
}

/// A case that ran, and how long, or one that panicked, which has been said then.
type Outcome<'a> = (&'a Case, Option<(Ran, Duration)>);

fn timed(run: impl FnOnce() -> Ran) -> (Ran, Duration) {
    let started = Instant::now();
    (run(), started.elapsed())
}

/// The cases that are run there, those that take longest first, so that none of them is left for the end. `None` if
/// nothing can run there, or nothing is wanted.
fn cases(test: &str, place: Place, programs: &[&str]) -> Option<Vec<Case>> {
    let wanted = |case: &Case| case.places.contains(&place) && stops::chosen(&case.name);
    let mut cases: Vec<_> = case::all().into_iter().filter(wanted).collect();
    if cases.is_empty() || !lab::can_run(test, programs) {
        return None;
    }
    cases.retain(|case| lab::can_run(&case.name, &case.programs()));
    cases.sort_by_key(|case| std::cmp::Reverse(case.patience()));
    Some(cases)
}

/// Compares what the tracers told with what is expected, records, and ends all.
fn judge<D>(
    place: Place,
    ran: &[Outcome<'_>],
    tracers: Vec<Mutex<Tracer>>,
    recording: Option<&Path>,
    daemon: D,
) -> Table {
    let mut table = Table::new(place);
    for (case, outcome) in ran {
        let Some((ran, time)) = outcome else {
            table.did_not_run(case);
            continue;
        };
        let expect = case.expected_in(place);
        for (number, tracer) in tracers.iter().enumerate() {
            let named = |line: &serde_json::Value| {
                let container = &line["container"];
                let name = if place == Place::Cri { &container["pod"]["name"] } else { &container["name"] };
                (*name != *case.name).then(|| format!("the container's name is not told: {container}"))
            };
            let judgement = observed::judge(tracer, &expect, &[&ran.container], named);
            table.add(case, stops::place(number), &expect, judgement, *time);
        }
    }
    stops::end_tracers(tracers);
    if let Some(recording) = recording {
        let recorded = ran.iter().filter_map(|(case, outcome)| Some(part(case.recording(place), &outcome.as_ref()?.0)));
        record::split(recording, &recorded.collect::<Vec<_>>());
    }
    drop(daemon);
    table
}
