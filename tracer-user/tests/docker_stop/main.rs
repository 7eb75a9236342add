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
mod run;
#[path = "../stops/mod.rs"]
mod stops;

use cases::Case;
use lab::docker::{Cgroups, Daemon};
use serde_json::Value;
use stops::{observed, record};

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
    let here = |case: &Case| case.only.is_none_or(|only| only == cgroups) && stops::chosen(case.name);
    let cases: Vec<_> =
        cases::all().into_iter().filter(here).filter(|case| lab::can_run(case.name, case.needs)).collect();
    let docker = Daemon::start(cgroups);
    let recording = record::wanted().then(|| docker.socket().with_file_name("all.rec"));
    let socket = docker.socket();
    let args = ["--docker", socket.to_str().expect("a path in plain text")];
    let tracers = stops::start_tracers(|program| docker.enter(program), cgroups, &args, recording.as_deref());
    let ran = stops::each(&cases, |case| run::run(&docker, &tracers, case));
    let mut failures = Vec::new();
    for (case, id) in &ran {
        let name = case.name;
        let Some(id) = id else {
            let id = docker.inspect(name, "{{.Id}}");
            let lines = tracers[0].lock().map(|mut tracer| observed::of_containers(tracer.lines(), &[&id]));
            let told = observed::tell(&lines.unwrap_or_default());
            failures.push(format!("{name} did not run to its end, see above:\n  {told}\n"));
            continue;
        };
        let named = |line: &Value| {
            let container = &line["container"];
            (container["name"] != name).then(|| format!("the container's name is not told: {container}"))
        };
        for (number, tracer) in tracers.iter().enumerate() {
            let place = stops::place(number);
            failures
                .extend(observed::judge(tracer, name, &[id], named).map(|how| format!("{name}, {place}:\n  {how}")));
        }
    }
    stops::end_tracers(tracers);
    if let Some(recording) = recording {
        let file = |name: &str| recorded_as(name, cgroups);
        let recorded: Vec<_> =
            ran.iter().filter_map(|(case, id)| Some((file(case.name)?, vec![id.as_deref()?]))).collect();
        record::split(&recording, &recorded);
    }
    drop(docker);
    assert!(failures.is_empty(), "{} of {} differ:\n\n{}", failures.len(), ran.len(), failures.join("\n"));
}

/// Cases that run everywhere are recorded on pure v2 only, but for one that shows what v1 looks like.
fn recorded_as(case: &str, cgroups: Cgroups) -> Option<String> {
    match (cgroups, case) {
        (Cgroups::PureV2, name) => Some(name.to_owned()),
        (Cgroups::Host, "oom") => Some("oom".to_owned()),
        (Cgroups::Host, "dash-drops") => Some("dash-drops-hybrid".to_owned()),
        (Cgroups::Host, _) => None,
    }
}
