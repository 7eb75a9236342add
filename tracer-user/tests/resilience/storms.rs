//! Much at once, and much in a row: the verdicts stay right, and memory stays bounded.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tracer_user::model::limits::LOSS_HEALED_MS;

use crate::lab::cgroup::Cgroup;
use crate::lab::tracer::Tracer;
use crate::lab::{self, PATIENCE};
use crate::{HANDLES, Workload, ready};

/// A PID 1 that stops in order, and needs one process for it.
const STOPS: &str = r#"exec perl -e '$SIG{TERM} = sub { exit 0 }; $| = 1; print "ready\n"; sleep 1 while 1'"#;
/// A PID 1 that does not think of signals, and forks nobody: a shell blocks all signals while it does.
pub(crate) const DROPS: &str = r#"exec perl -e '$| = 1; print "ready\n"; sleep 1 while 1'"#;
/// What containers leave behind in a tracer's memory may be so much, KiB: it is bounded, and 1,000 are told.
const GROWTH_KIB: u64 = 24 * 1024;

/// KiB of a ring that loses nothing of what is told here, however busy the machine is.
const LARGE: &str = "16384";

/// `VmHWM` or `VmRSS` of a process, KiB.
fn memory(pid: u32, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(what)).expect("the kernel says it");
    line.trim_matches([':', '\t', ' ', 'k', 'B']).parse().expect("a number")
}

/// Right, or said to be uncertain.
#[track_caller]
fn never_wrong(termination: &Value, verdict: &str) {
    let right = termination["verdict"] == verdict;
    assert!(right || termination["certain"] == json!(false), "{verdict} expected: {termination}");
}

fn termination_of(tracer: &mut Tracer, id: &str) -> Value {
    let what = format!("the termination of {id}");
    tracer.wait_for(&what, PATIENCE, |line| crate::is_termination(line) && line["container"]["id"] == id)
}

/// Once the storm is over and time has healed the model, all is certain again. A busy machine may take some time to read
/// what the storm has left behind: what is stopped meanwhile is right or uncertain, and at some point it is certain.
#[track_caller]
fn all_is_well_again(tracer: &mut Tracer, cgroup: &Cgroup) {
    const TIMES: usize = 6;
    let of_it = |told: &&Value| told["container"]["id"] == cgroup.path.as_str();
    for nth in 1..=TIMES {
        std::thread::sleep(Duration::from_millis(LOSS_HEALED_MS + 200));
        let mut workload = Workload::init(cgroup, DROPS);
        workload.send("TERM");
        workload.send("KILL");
        workload.wait();
        let told = lab::until("the stop to be told", PATIENCE, || {
            tracer.terminations().iter().filter(of_it).nth(nth - 1).cloned()
        });
        never_wrong(&told, "sigterm-dropped");
        if told["certain"] == json!(true) {
            return;
        }
    }
    panic!("still uncertain after {TIMES} stops");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_thousand_containers_in_a_row() {
    const LANES: usize = 4;
    const EACH: usize = 250;
    if !lab::can_run("a_thousand_containers_in_a_row", &["unshare", "perl"]) {
        return;
    }
    let root = Cgroup::any("row");
    let docker = root.below("docker");
    let mut tracer = Tracer::spawn(&["--cgroup", root.arg(), "--ring-size", LARGE], ready);
    let id = |lane: usize, nth: usize| format!("{:064x}", 0xfeed_0000 + lane * EACH + nth);
    let lane = |lane: usize| {
        for nth in 0..EACH {
            let cgroup = docker.below(&id(lane, nth));
            let mut workload = Workload::init(&cgroup, if nth % 2 == 0 { STOPS } else { DROPS });
            workload.send("TERM");
            if nth % 2 == 1 {
                workload.send("KILL");
            }
            workload.wait();
            cgroup.remove();
        }
    };
    let mut after_half = 0;
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES).map(|number| scope.spawn(move || lane(number))).collect();
        let half = LANES * EACH / 2;
        lab::until("half of them to end", 10 * PATIENCE, || (tracer.terminations().len() >= half).then_some(()));
        after_half = memory(tracer.pid(), "VmHWM");
        for lane in lanes {
            lane.join().expect("a lane ends");
        }
    });
    lab::until("all to be told", PATIENCE, || (tracer.terminations().len() >= LANES * EACH).then_some(()));
    let at_the_end = memory(tracer.pid(), "VmHWM");
    println!("memory at most {after_half} KiB after one half, {at_the_end} KiB after both");
    let mut told: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for termination in tracer.terminations() {
        let id = termination["container"]["id"].as_str().expect("an id").to_owned();
        told.entry(id).or_default().push(termination);
    }
    for (lane, nth) in (0..LANES).flat_map(|lane| (0..EACH).map(move |nth| (lane, nth))) {
        let of = told.remove(&id(lane, nth)).unwrap_or_default();
        let [termination] = of.as_slice() else { panic!("{} is told {} times", id(lane, nth), of.len()) };
        let verdict = if nth % 2 == 0 { "graceful" } else { "sigterm-dropped" };
        assert_eq!(
            (&termination["verdict"], &termination["certain"]),
            (&json!(verdict), &json!(true)),
            "{termination}"
        );
    }
    assert!(told.is_empty(), "nobody else ended: {told:?}");
    assert!(at_the_end < after_half + GROWTH_KIB, "{after_half} KiB after one half, {at_the_end} KiB after both");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn ten_thousand_zombies() {
    const ZOMBIES: u64 = 10_000;
    if !lab::can_run("ten_thousand_zombies", &["unshare", "perl"]) {
        return;
    }
    let root = Cgroup::any("zombies");
    let [cgroup, after] = ["many", "after"].map(|name| root.below(name));
    let mut tracer = Tracer::spawn(&["--cgroup", cgroup.arg(), "--cgroup", after.arg(), "--ring-size", LARGE], ready);
    let script = format!(
        r#"exec perl -e '$SIG{{TERM}} = sub {{ exit 0 }}; $| = 1;
for (1..{ZOMBIES}) {{ my $pid; select undef, undef, undef, 0.05 until defined($pid = fork); exit 0 unless $pid }}
print "ready\n"; sleep 1 while 1'"#
    );
    let workload = Workload::init(&cgroup, &script);
    let zombies = |tracer: &mut Tracer| {
        tracer.lines().iter().filter(|line| line["kind"] == "zombie" && line["state"] == "started").count() as u64
    };
    lab::until("all of them to be told", 4 * PATIENCE, || (zombies(&mut tracer) == ZOMBIES).then_some(()));
    let peak = memory(tracer.pid(), "VmHWM");
    println!("memory at most {peak} KiB");
    assert!(peak < 192 * 1024, "{peak} KiB for {ZOMBIES} zombies");
    workload.send("TERM");
    let termination = termination_of(&mut tracer, &cgroup.path);
    assert_eq!((&termination["verdict"], &termination["certain"]), (&json!("graceful"), &json!(true)), "{termination}");
    all_is_well_again(&mut tracer, &after);
}

/// Bounds the processes of a cgroup: by its own controller, or by one of v1's beside it, which is returned.
#[track_caller]
fn bound_pids(cgroup: &Cgroup, most: u32) -> Option<Cgroup> {
    if fs::write(cgroup.dir.join("pids.max"), most.to_string()).is_ok() {
        return None;
    }
    let name = format!("tracer-test-bound-{}", std::process::id());
    let beside = Cgroup::at(Path::new("/sys/fs/cgroup/pids").join(&name), format!("/{name}"));
    fs::write(beside.dir.join("pids.max"), most.to_string()).expect("a pids controller bounds it");
    Some(beside)
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_fork_bomb() {
    if !lab::can_run("a_fork_bomb", &["unshare", "perl", "bash"]) {
        return;
    }
    let root = Cgroup::any("bomb");
    let [bomb_in, after] = ["bomb", "after"].map(|name| root.below(name));
    let beside: Vec<Cgroup> = (0..4).map(|nth| root.below(&format!("beside-{nth}"))).collect();
    let beside_it = bound_pids(&bomb_in, 200);
    let bounded = beside_it.as_ref().unwrap_or(&bomb_in).arg();
    let mut args = vec!["--cgroup", bomb_in.arg(), "--cgroup", after.arg()];
    args.extend(beside.iter().flat_map(|cgroup| ["--cgroup", cgroup.arg()]));
    let mut tracer = Tracer::spawn(&args, ready);
    let bomb = Workload::init(
        &bomb_in,
        &format!(
            r#"echo 0 > "{bounded}/cgroup.procs"; echo ready; exec 2>/dev/null; bash -c 'b() {{ b | b & }}; b'; sleep 1000; true"#
        ),
    );
    for (nth, cgroup) in beside.iter().enumerate() {
        std::thread::sleep(Duration::from_millis(300));
        let mut workload = Workload::init(cgroup, if nth % 2 == 0 { STOPS } else { DROPS });
        workload.send("TERM");
        if nth % 2 == 1 {
            workload.send("KILL");
        }
        workload.wait();
        let told = termination_of(&mut tracer, &cgroup.path);
        never_wrong(&told, if nth % 2 == 0 { "graceful" } else { "sigterm-dropped" });
    }
    let events = beside_it.as_ref().unwrap_or(&bomb_in).dir.join("pids.events");
    let events = fs::read_to_string(&events).expect("the controller counts refusals");
    assert!(events.starts_with("max ") && events.trim() != "max 0", "it went off: {events}");
    bomb.send("TERM");
    bomb.send("KILL");
    drop(bomb);
    never_wrong(&termination_of(&mut tracer, &bomb_in.path), "sigterm-dropped");
    let peak = memory(tracer.pid(), "VmHWM");
    println!("memory at most {peak} KiB");
    assert!(peak < 192 * 1024, "{peak} KiB");
    all_is_well_again(&mut tracer, &after);
}

/// Tells threads to end, however what is between ends.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Several senders, as fast as they can, at a process that catches each.
#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn several_senders_as_fast_as_they_can() {
    if !lab::can_run("several_senders_as_fast_as_they_can", &["unshare", "perl"]) {
        return;
    }
    let root = Cgroup::any("senders");
    let [target_in, during, after] = ["target", "during", "after"].map(|name| root.below(name));
    let cgroups = [&target_in, &during, &after].map(|cgroup| ["--cgroup", cgroup.arg()]);
    let args = [&cgroups.concat()[..], &["--signal", "SIGTERM"]].concat();
    let mut tracer = Tracer::spawn(&args, ready);
    let target = Workload::init(&target_in, "trap : USR1; echo ready; while :; do sleep 1; done");
    let pid = Pid::from_raw(i32::try_from(target.pid).expect("a pid"));
    let (sent, over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _ends = Ends(&over);
        for _ in 0..3 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    kill(pid, Signal::SIGUSR1).expect("it runs");
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        lab::until("many to be sent", PATIENCE, || (sent.load(Ordering::Relaxed) > 300_000).then_some(()));
        let mut stops = Workload::init(&during, DROPS);
        stops.send("TERM");
        stops.send("KILL");
        stops.wait();
        during.remove();
        tracer
            .wait_for("it to be gone", PATIENCE, |line| line["state"] == "gone" && line["id"] == during.path.as_str());
        lab::until("a million to be sent", 4 * PATIENCE, || (sent.load(Ordering::Relaxed) > 1_000_000).then_some(()));
    });
    // one of whose events all are lost nobody can tell
    let lost = tracer.lines().iter().any(|line| line["kind"] == "lost");
    let all = tracer.terminations();
    let told: Vec<_> = all.iter().filter(|told| told["container"]["id"] == during.path.as_str()).collect();
    assert!(lost || told.len() == 1, "nothing was lost, and it is told {} times", told.len());
    for told in told {
        never_wrong(told, "sigterm-dropped");
        assert!(lost || told["certain"] == json!(true), "nothing was lost: {told}");
    }
    let peak = memory(tracer.pid(), "VmHWM");
    println!("{} signals, memory at most {peak} KiB", sent.load(Ordering::Relaxed));
    assert!(peak < 192 * 1024, "{peak} KiB");
    all_is_well_again(&mut tracer, &after);
}

/// A pid is used again at once, in the same container: nothing of the one process is told of the other.
#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_pid_that_is_used_again() {
    const LAST: &str = "/proc/sys/kernel/ns_last_pid";
    if !lab::can_run("a_pid_that_is_used_again", &["sh"]) {
        return;
    }
    let cgroup = Cgroup::any("again");
    let mut tracer = Tracer::spawn(&["--cgroup", cgroup.arg()], ready);
    let mut first = Workload::plain(&cgroup, "echo ready; exec sleep 1000");
    first.send("TERM");
    first.wait();
    let one = termination_of(&mut tracer, &cgroup.path);
    // other processes of the machine may be quicker: it is tried until the pid is ours
    let again = lab::until("the pid to be given out again", PATIENCE, || {
        fs::write(LAST, (first.pid - 1).to_string()).expect("root sets the last pid");
        let mut command: Command = cgroup.command("sh");
        command.args(["-c", HANDLES]);
        let workload = Workload::start(command);
        (workload.pid == first.pid).then_some(workload)
    });
    again.send("TERM");
    let of_it = |line: &Value| {
        crate::is_termination(line)
            && line["started"] != one["started"]
            && line["processes"].as_array().is_some_and(|all| all.iter().any(|process| process["pid"] == again.pid))
    };
    let two = tracer.wait_for("the second termination", PATIENCE, of_it);
    let exit = |told: &Value| {
        let process = told["processes"].as_array().expect("a list").iter().find(|process| process["pid"] == again.pid);
        process.map(|process| (process["exit"]["code"].clone(), process["exit"]["signal"].clone()))
    };
    assert_eq!(exit(&one), Some((Value::Null, json!("SIGTERM"))), "{one}");
    assert_eq!(exit(&two), Some((json!(0), Value::Null)), "{two}");
}
