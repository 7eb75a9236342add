//! Cgroups that come and go while nobody reads the ring: they are found all the same, and leave nothing in the kernel.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use aya::maps::{HashMap, Map, MapData};
use serde_json::json;

use crate::lab::cgroup::Cgroup;
use crate::lab::tracer::Tracer;
use crate::lab::{self, PATIENCE};
use crate::{HANDLES, Workload, ready};

/// A ring that this many signals fill for sure.
const SMALL: [&str; 3] = ["--all-signals", "--ring-size", "64"];
const FULL: &str = "i=0; while [ $i -lt 3000 ]; do kill -WINCH $$; i=$((i+1)); done; echo ready; sleep 1000";

/// A tracer that does not run, behind a ring that is full.
fn overrun(args: &[&str], storm_in: &Cgroup) -> Tracer {
    let args = [&SMALL[..], args, &["--cgroup", storm_in.arg()]].concat();
    let tracer = Tracer::spawn(&args, ready);
    lab::send("STOP", tracer.pid());
    drop(Workload::plain(storm_in, FULL));
    tracer
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_container_that_was_made_while_the_ring_was_full_is_found() {
    if !lab::can_run("a_container_that_was_made_while_the_ring_was_full_is_found", &["unshare"]) {
        return;
    }
    let root = Cgroup::any("missed");
    let storm_in = root.below("storm");
    let before = root.below("before");
    let mut workload = Workload::init(&before, HANDLES);
    let later = format!("{}/later", root.arg());
    let mut tracer = overrun(&["--cgroup", before.arg(), "--cgroup", &later], &storm_in);
    // one comes and one goes, and nobody is told of either
    let container = root.below("later");
    let lives = Workload::init(&container, HANDLES);
    workload.send("TERM");
    workload.wait();
    before.remove();
    lab::send("CONT", tracer.pid());
    let since = Instant::now();
    tracer.wait_for("the container", PATIENCE, |line| {
        line["kind"] == "container" && line["state"] == "found" && line["id"] == container.path.as_str()
    });
    println!("found after {:?}", since.elapsed());
    let end = |id: &str| {
        let id = id.to_owned();
        move |line: &serde_json::Value| crate::is_termination(line) && line["container"]["id"] == id.as_str()
    };
    let ended = tracer.wait_for("the end that nobody saw", PATIENCE, end(&before.path));
    assert_eq!(ended["certain"], json!(false), "{ended}");
    println!("both known after {:?}", since.elapsed());
    // what happens there from now on is seen in full
    lives.send("TERM");
    let seen = tracer.wait_for("its termination", PATIENCE, end(&container.path));
    assert_eq!(seen["verdict"], json!("graceful"), "{seen}");
    assert!(tracer.interrupt().status.success());
}

/// The keys of the tracer's map of tracked cgroups.
fn tracked(tracer: &Tracer) -> BTreeSet<u64> {
    let mut keys = BTreeSet::new();
    for entry in std::fs::read_dir(format!("/proc/{}/fdinfo", tracer.pid())).expect("it runs").flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let Some(id) = text.lines().find_map(|line| line.strip_prefix("map_id:")) else { continue };
        let data = MapData::from_id(id.trim().parse().expect("a number")).expect("it is there");
        if data.info().expect("it can be asked").name_as_str() == Some(tracer_common::map::TRACKED) {
            let map: HashMap<_, u64, [u8; 32]> = Map::HashMap(data).try_into().expect("of these types");
            keys.extend(map.keys().map(|key| key.expect("it can be read")));
        }
    }
    keys
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn strangers_that_came_while_the_ring_was_full_leave_nothing_in_the_kernel() {
    if !lab::can_run("strangers_that_came_while_the_ring_was_full_leave_nothing_in_the_kernel", &[]) {
        return;
    }
    let root = Cgroup::any("strangers");
    let storm_in = root.below("storm");
    let mut tracer = overrun(&[], &storm_in);
    let [stays, goes] = ["stays", "goes"].map(|name| root.below(name));
    let inode = |cgroup: &Cgroup| cgroup.dir.metadata().expect("it is there").ino();
    let strangers = [inode(&stays), inode(&goes)];
    let on_trial = || {
        let tracked = tracked(&tracer);
        strangers.iter().filter(|&&inode| tracked.iter().any(|key| key & !tracer_common::CGROUP_V1 == inode)).count()
    };
    assert_eq!(on_trial(), 2, "a new cgroup is tracked until somebody has looked at it");
    goes.remove();
    lab::send("CONT", tracer.pid());
    lab::until("the tracer to look at them", PATIENCE, || (on_trial() == 0).then_some(()));
    assert!(!tracked(&tracer).is_empty(), "what is asked for is still tracked");
    // the same once more, now that there is room for their records: they do not stay either
    let again = root.below("again");
    let again = inode(&again);
    lab::until("the tracer to look at it", Duration::from_secs(5), || {
        tracked(&tracer).iter().all(|key| key & !tracer_common::CGROUP_V1 != again).then_some(())
    });
    tracer.wait_for("the loss", PATIENCE, |line| line["kind"] == "lost");
    assert!(tracer.interrupt().status.success());
}

/// Parents of parents that are made while the tracer looks for them.
const GROWS: &str = "echo ready; i=0
while [ $i -lt 300 ]; do sh -c 'sleep 1000; true' & i=$((i+1)); done; wait";

/// The children of a process.
fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(|pid| pid.parse().expect("a pid")).collect()
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_process_that_forks_while_it_is_found_loses_no_descendant() {
    if !lab::can_run("a_process_that_forks_while_it_is_found_loses_no_descendant", &[]) {
        return;
    }
    // for its end: the tracer is told of the pid alone
    let cgroup = Cgroup::any("grows");
    let workload = Workload::plain(&cgroup, GROWS);
    let mut tracer = Tracer::spawn(&["--pid", &workload.pid.to_string()], ready);
    let leaves = lab::until("all of them to be there", PATIENCE, || {
        let leaves: BTreeSet<u32> = children(workload.pid).into_iter().flat_map(children).collect();
        (leaves.len() == 300).then_some(leaves)
    });
    for &leaf in &leaves {
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(i32::try_from(leaf).expect("a pid")),
            nix::sys::signal::SIGKILL,
        )
        .expect("it lives");
    }
    let mut ended = BTreeSet::new();
    lab::until("the end of each", PATIENCE, || {
        let exits = tracer.lines().iter().filter(|line| line["kind"] == "exit");
        ended = exits.filter_map(|line| u32::try_from(line["process"]["pid"].as_u64()?).ok()).collect();
        leaves.is_subset(&ended).then_some(())
    });
    assert!(tracer.interrupt().status.success());
}
