//! What is left in the kernel, and several tracers at once.

use std::collections::BTreeSet;

use serde_json::json;

use crate::lab::cgroup::Cgroup;
use crate::lab::tracer::Tracer;
use crate::lab::{self, PATIENCE};
use crate::{HANDLES, Workload, ready};

/// Programs, maps and links that a process holds, by their ids.
fn held(pid: u32) -> BTreeSet<(&'static str, u32)> {
    let mut held = BTreeSet::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("it runs").flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        for kind in ["prog", "map", "link"] {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{kind}_id:")));
            held.extend(line.map(|id| (kind, id.trim().parse().expect("an id"))));
        }
    }
    held
}

/// Those of them that the kernel still has.
fn left(objects: &BTreeSet<(&'static str, u32)>) -> Vec<(&'static str, u32)> {
    let programs = aya::programs::loaded_programs().filter_map(Result::ok).map(|program| ("prog", program.id()));
    let maps = aya::maps::loaded_maps().filter_map(Result::ok).map(|map| ("map", map.id()));
    let links = aya::programs::loaded_links().filter_map(Result::ok).map(|link| ("link", link.id()));
    programs.chain(maps).chain(links).filter(|object| objects.contains(object)).collect()
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn killed_it_leaves_nothing_and_can_start_again() {
    if !lab::can_run("killed_it_leaves_nothing_and_can_start_again", &["unshare"]) {
        return;
    }
    let cgroup = Cgroup::any("killed");
    let mut workload = Workload::init(&cgroup, HANDLES);
    let args = ["--cgroup", cgroup.arg()];
    let mut tracer = Tracer::spawn(&args, ready);
    let objects = held(tracer.pid());
    for (kind, least) in [("prog", 11), ("map", 5), ("link", 10)] {
        let count = objects.iter().filter(|object| object.0 == kind).count();
        assert!(count >= least, "{count} of kind {kind}: {objects:?}");
    }
    assert_eq!(left(&objects).len(), objects.len());
    lab::send("KILL", tracer.pid());
    tracer.wait();
    // the kernel frees them when every CPU has let go of them
    lab::until("the kernel to free the programs", PATIENCE, || left(&objects).is_empty().then_some(()));

    let mut tracer = Tracer::spawn(&args, ready);
    let objects = held(tracer.pid());
    workload.send("TERM");
    let termination = tracer.wait_for("a termination", PATIENCE, crate::is_termination);
    assert_eq!((&termination["verdict"], &termination["certain"]), (&json!("graceful"), &json!(true)), "{termination}");
    workload.wait();
    assert!(tracer.interrupt().status.success());
    lab::until("the kernel to free the programs", PATIENCE, || left(&objects).is_empty().then_some(()));
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn two_at_once_see_the_same() {
    if !lab::can_run("two_at_once_see_the_same", &["unshare"]) {
        return;
    }
    let cgroup = Cgroup::any("two");
    let args = ["--cgroup", cgroup.arg()];
    let mut tracers = [Tracer::spawn(&args, ready), Tracer::spawn(&args, ready)];
    let workload = Workload::init(&cgroup, HANDLES);
    workload.send("TERM");
    let [first, second] = tracers.each_mut().map(|tracer| {
        let mut told = tracer.wait_for("a termination", PATIENCE, crate::is_termination);
        // each looks at the wall clock for itself, and sees its own program some nanoseconds before or after the other's
        for (at, field) in
            [("/grace", "used_s"), ("/grace", "since"), ("", "time"), ("", "started"), ("", "ended"), ("", "exited")]
        {
            told.pointer_mut(at).and_then(|object| object.as_object_mut()).expect("an object").remove(field);
        }
        for process in told["processes"].as_array_mut().expect("a list") {
            process["exit"].as_object_mut().expect("it exited").remove("at_ms");
            for signal in process["received"].as_array_mut().expect("a list") {
                signal.as_object_mut().expect("an object").remove("at_ms");
            }
        }
        told["explanation"] = json!(null);
        told
    });
    assert_eq!(first["verdict"], "graceful", "{first}");
    assert_eq!(first, second);
}
