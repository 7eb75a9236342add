//! Events are lost when the ring is too small: that is told, and nothing that is certain is wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tracer_user::demo::scenarios::Scenario;
use tracer_user::demo::{SCENARIOS, Stage};
use tracer_user::model::limits::LOSS_HEALED_MS;

use crate::lab::cgroup::Cgroup;
use crate::lab::tracer::{BINARY, Tracer};
use crate::lab::{self, PATIENCE};
use crate::{HANDLES, STORM, Workload, ready};

/// The smallest there is: room for some dozen records.
const TINY: [&str; 3] = ["--all-signals", "--ring-size", "16"];

/// A PID 1 that stops in order and does nothing before: even the smallest ring has room for it.
const QUIET: &str = "exec python3 -c 'import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print(\"ready\", flush=True)
signal.pause()'";

/// By then a snapshot has set the model right.
const HEALED: Duration = Duration::from_millis(LOSS_HEALED_MS + 200);

fn is_lost(line: &Value) -> bool {
    line["kind"] == "lost"
}

fn termination_of(tracer: &mut Tracer, cgroup: &Cgroup) -> Value {
    tracer.wait_for("a termination", PATIENCE, |line| {
        crate::is_termination(line) && line["container"]["id"] == cgroup.path
    })
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn losses_are_told_and_make_uncertain_only_while_they_matter() {
    let programs = ["unshare", "python3"];
    if !lab::can_run("losses_are_told_and_make_uncertain_only_while_they_matter", &programs) {
        return;
    }
    let root = Cgroup::any("loss");
    let [storm_in, during] = ["storm", "during"].map(|name| root.below(name));
    let after = ["after-1", "after-2", "after-3", "after-4"].map(|name| root.below(name));
    let mut args = TINY.to_vec();
    for cgroup in after.iter().chain([&storm_in, &during]) {
        args.extend(["--cgroup", cgroup.arg()]);
    }
    let mut tracer = Tracer::spawn(&args, ready);
    let mut stops_during = Workload::init(&during, HANDLES);
    let storm = Workload::plain(&storm_in, STORM);
    tracer.wait_for("a loss", PATIENCE, is_lost);
    stops_during.send("TERM");
    stops_during.wait();
    // its cgroup's end is what closes a termination whose exits were lost
    during.remove();
    let uncertain = termination_of(&mut tracer, &during);
    assert_eq!(uncertain["certain"], json!(false), "{uncertain}");
    drop(storm);
    // in a ring as small as this even what others do on the machine may take the room: one of them has it
    let certain = after.iter().any(|after| {
        let mut stops = Workload::init(after, QUIET);
        // what is sent now is told: the losses are over
        tracer.drain_until_quiet(
            || lab::send("WINCH", stops.pid),
            |line| line["kind"] == "signal" && line["signal"] == "SIGWINCH" && line["target"]["pid"] == stops.pid,
        );
        // it is time itself that heals
        std::thread::sleep(HEALED);
        stops.send("TERM");
        stops.wait();
        after.remove();
        let termination = termination_of(&mut tracer, after);
        assert!(termination["certain"] == json!(false) || termination["verdict"] == json!("graceful"), "{termination}");
        termination["certain"] == json!(true)
    });
    assert!(certain, "what was lost long ago makes nothing uncertain");
    let ended = tracer.interrupt();
    let counts = ended.lines.iter().filter(|line| is_lost(line)).map(|line| line["counts"]["signal"].as_u64());
    assert!(counts.sum::<Option<u64>>().is_some_and(|sum| sum > 0));
}

/// Stops containers in every way the demo knows, while a storm makes the tracer lose most of it.
#[tokio::test]
#[ignore = "needs root: cargo xtask test runs it"]
async fn no_certain_verdict_is_wrong_under_loss() {
    if !lab::can_run("no_certain_verdict_is_wrong_under_loss", &["unshare"]) {
        return;
    }
    let stage = Stage::with_binary(BINARY.into()).expect("a stage");
    let scenarios: Vec<&'static Scenario> = SCENARIOS.iter().filter(|scenario| scenario.is_available()).collect();
    let storm_in = Cgroup::any("loss-storm");
    let root = stage.hierarchy().path_of(stage.dir());
    let paths: Vec<_> = scenarios.iter().map(|scenario| format!("{root}/{}", scenario.name)).collect();
    let mut args = TINY.to_vec();
    for path in paths.iter().map(String::as_str).chain([storm_in.arg()]) {
        args.extend(["--cgroup", path]);
    }
    let mut tracer = Tracer::spawn(&args, ready);
    let mut prepared = Vec::new();
    for (&scenario, path) in scenarios.iter().zip(&paths) {
        prepared.push(stage.prepare(scenario).expect("a cgroup"));
        tracer.wait_for("the container", PATIENCE, |line| line["kind"] == "container" && line["id"] == path.as_str());
    }
    // from here on events are lost
    let _storm = Workload::plain(&storm_in, STORM);
    tracer.wait_for("a loss", PATIENCE, is_lost);
    let mut runs = Vec::new();
    for container in prepared {
        let mut container = container.start().await.expect("a container");
        runs.push(tokio::spawn(async move {
            container.watch().await.expect("time to pass");
            container.stop().await.expect("an end");
            container.finish().await.expect("a clean end");
        }));
    }
    for run in runs {
        run.await.expect("it ran");
    }
    for path in &paths {
        tracer.wait_for(&format!("the end of {path}"), PATIENCE, |line| {
            line["id"] == path.as_str() && line["kind"] == "container" && line["state"] == "gone"
        });
    }
    let ended = tracer.interrupt();
    let told: Vec<_> = ended.lines.iter().filter(|line| crate::is_termination(line)).collect();
    let mut tally = BTreeMap::new();
    for (path, scenario) in paths.iter().zip(&scenarios) {
        let of: Vec<_> = told.iter().filter(|line| line["container"]["id"] == path.as_str()).collect();
        *tally.entry(format!("told {} times", of.len())).or_insert(0) += 1;
        for line in of {
            let right = line["verdict"] == scenario.expect.verdict.slug();
            let certain = line["certain"] == true;
            *tally.entry(format!("certain {certain}, right {right}")).or_insert(0) += 1;
            assert!(right || !certain, "{}: {line}", scenario.name);
        }
    }
    println!("{tally:?}");
    // one of which every event was lost nobody can tell of; that it is none of the others is all there is to prove
    assert!(told.len() >= scenarios.len() / 2, "{tally:?}");
    assert!(told.iter().any(|line| line["certain"] == false), "{tally:?}");
}
