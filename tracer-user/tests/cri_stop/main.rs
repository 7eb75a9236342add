//! Pods of a real containerd, stopped as kubelet stops them, in every way we know: each container gets its names, its
//! grace period and the right verdict, told by tracers that see the same cgroups as containerd, and by one that sees
//! them from outside.
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
use expect::Expect;
use lab::cri::{Containerd, PROGRAMS};
use lab::daemon::Cgroups;
use lab::kubelet::Kubelet;
use lab::kubelet::spec::NAMESPACE;
use run::Ran;
use serde_json::Value;
use stops::{observed, record};

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn pods_on_pure_cgroup_v2() {
    stop_all("pods_on_pure_cgroup_v2", Cgroups::PureV2);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn pods_on_the_hosts_cgroups() {
    stop_all("pods_on_the_hosts_cgroups", Cgroups::Host);
}

fn stop_all(test: &str, cgroups: Cgroups) {
    if !lab::can_run(test, &PROGRAMS) {
        return;
    }
    let here = |case: &Case| stops::chosen(&case.pod.name) && lab::can_run(&case.pod.name, case.needs);
    let cases: Vec<_> = cases::all().into_iter().filter(here).collect();
    let containerd = Containerd::start(cgroups);
    let kubelet = Kubelet::new(&containerd);
    let recording = record::wanted().then(|| containerd.dir().join("all.rec"));
    let socket = containerd.socket();
    let args = ["--cri", socket.to_str().expect("a path in plain text")];
    let tracers = stops::start_tracers(|program| containerd.enter(program), cgroups, &args, recording.as_deref());
    let ran = stops::each(&cases, |case| run::run(&kubelet, case));
    let mut failures = Vec::new();
    for (case, ran) in &ran {
        let name = case.pod.name.as_str();
        let Some(ran) = ran else {
            failures.push(format!("{name} did not run to its end, see above"));
            continue;
        };
        let ids: Vec<_> = ran.containers.iter().map(String::as_str).collect();
        let expect = Expect::of(name);
        for (number, tracer) in tracers.iter().enumerate() {
            let place = stops::place(number);
            let differs = observed::judge(tracer, &expect, &ids, |line| misnamed(name, line)).complaint();
            failures.extend(differs.map(|how| format!("{name}, {place}:\n  {how}")));
            let lines = tracer.lock().map(|mut tracer| tracer.lines().to_vec()).unwrap_or_default();
            failures
                .extend(sandbox_told(ran, &lines).map(|line| format!("{name}, {place}: a sandbox is told: {line}")));
        }
    }
    stops::end_tracers(tracers);
    if let Some(recording) = recording {
        let recorded: Vec<_> = ran
            .iter()
            .filter_map(|(case, ran)| {
                let name = recorded_as(&case.pod.name, cgroups)?;
                Some(record::Part { name, ids: ids(ran.as_ref()?), named: Vec::new() })
            })
            .collect();
        record::split(&recording, &recorded);
    }
    drop(containerd);
    assert!(failures.is_empty(), "{} differ of {} pods:\n\n{}", failures.len(), ran.len(), failures.join("\n"));
}

/// The pod and the container's name, as kubectl shows them. Which of the names it is, the expectation says.
fn misnamed(case: &str, line: &Value) -> Option<String> {
    let container = &line["container"];
    let pod = &container["pod"];
    let right = pod["namespace"] == NAMESPACE && pod["name"] == case && container["name"].is_string();
    (!right).then(|| format!("the names are not told: {container}"))
}

/// A sandbox belongs to its pod: what becomes of it is not told, and it is not described as a container.
fn sandbox_told<'a>(ran: &Ran, lines: &'a [Value]) -> Option<&'a Value> {
    let is_told = |line: &&Value| match line["kind"].as_str() {
        Some("termination" | "condition") => line["container"]["id"] == ran.sandbox.as_str(),
        Some("container") => line["id"] == ran.sandbox.as_str() && line["state"] == "described",
        _ => false,
    };
    lines.iter().find(is_told)
}

/// All that a recording of the pod has in it.
fn ids(ran: &Ran) -> Vec<&str> {
    ran.containers.iter().chain([&ran.sandbox]).map(String::as_str).collect()
}

/// Recorded on pure v2 only, but for one that shows what v1 looks like.
fn recorded_as(case: &str, cgroups: Cgroups) -> Option<String> {
    match (cgroups, case) {
        (Cgroups::PureV2, name) => Some(name.to_owned()),
        (Cgroups::Host, "cri-dropped") => Some("cri-dropped-hybrid".to_owned()),
        (Cgroups::Host, _) => None,
    }
}
