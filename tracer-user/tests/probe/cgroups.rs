//! Which cgroups are tracked, and how.

use tracer_user::event::What;
use tracer_user::probe::{CgroupMade, Record, Settings};

use crate::support::{Cgroup, Tracer, kill, v1};

fn made(tracer: &mut Tracer, cgroup: &Cgroup) -> CgroupMade {
    let id = cgroup.id();
    tracer.until("cgroup", |record| match record {
        Record::CgroupMade(_, made) if made.id == id => Some(made.clone()),
        _ => None,
    })
}

fn sees_exec_in(tracer: &mut Tracer, cgroup: &Cgroup) {
    let process = cgroup.run("exec /bin/sleep 1000");
    assert_eq!(tracer.exec_of("sleep"), process.pid());
    kill(process.pid(), "KILL");
    tracer.event("exit", |what| match what {
        What::Exit(exit) if exit.task.pid == process.pid() && exit.task.cgroup == cgroup.id() => Some(()),
        _ => None,
    });
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn below_a_tracked_one_is_tracked_at_once() {
    let (mut tracer, cgroup) = Tracer::with_cgroup();
    let outside = Cgroup::v2();
    assert!(matches!(made(&mut tracer, &outside), CgroupMade { inherited: false, on_trial: false, .. }));
    let child = cgroup.child("child");
    let record = made(&mut tracer, &child);
    assert!(record.inherited && !record.on_trial && !record.path_cut && record.parent == cgroup.id());
    assert!(record.path.ends_with("/child") && child.path.ends_with(record.path.trim_start_matches('/')), "{record:?}");
    let grandchild = child.child("grandchild");
    assert!(made(&mut tracer, &grandchild).inherited);
    sees_exec_in(&mut tracer, &grandchild);
    let id = grandchild.id();
    drop(grandchild);
    tracer.event("removal", |what| match what {
        What::CgroupGone(gone) if gone.cgroup == id => Some(()),
        _ => None,
    });
    assert!(tracer.probe.counters(id).is_some(), "kept for its zombies");
    tracer.probe.untrack(id).expect("writable");
    tracer.probe.untrack(id).expect("twice is no error");
    assert!(tracer.probe.counters(id).is_none());
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_new_one_is_tracked_on_trial() {
    let mut tracer = Tracer::new(&Settings { try_new_cgroups: true, ..Settings::default() });
    let cgroup = Cgroup::v2();
    let record = made(&mut tracer, &cgroup);
    assert!(record.on_trial && !record.inherited);
    sees_exec_in(&mut tracer, &cgroup);
    let below = cgroup.child("below");
    assert!(made(&mut tracer, &below).on_trial, "its parent is not certain");
    tracer.probe.confirm(cgroup.id()).expect("writable");
    let sibling = cgroup.child("sibling");
    assert!(made(&mut tracer, &sibling).inherited);
    tracer.probe.untrack(below.id()).expect("writable");
    tracer.probe.confirm(below.id()).expect("no error");
    assert!(tracer.probe.counters(below.id()).is_none(), "confirming does not track");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_hybrid_host_has_containers_of_either_kind() {
    let Some(chosen) = v1("pids") else {
        eprintln!("NOT RUN: no cgroup v1 hierarchy with the pids controller here");
        return;
    };
    let mut tracer = Tracer::new(&Settings { cgroup_v1: Some(chosen), ..Settings::default() });
    let old = Cgroup::v1("pids").expect("it is mounted");
    tracer.probe.track(old.id()).expect("there is room");
    let new = Cgroup::v2();
    tracer.probe.track(new.id()).expect("there is room");
    sees_exec_in(&mut tracer, &old);
    tracer.records.clear();
    sees_exec_in(&mut tracer, &new);
    let below = old.child("below");
    let record = made(&mut tracer, &below);
    assert!(record.inherited && record.parent == old.id());
    let process = below.run("exec /bin/sleep 1000");
    tracer.records.clear();
    tracer.exec_of("sleep");
    let tasks = tracer.probe.snapshot().expect("readable");
    let seen = tasks.iter().find(|seen| seen.process.task.pid == process.pid()).expect("it is there");
    assert_eq!((seen.process.task.cgroup, seen.cgroup_v1), (below.id(), below.id()));
    // one of a container that is in a container, whose runtime leaves v2 alone: v1 tells the inner one
    let both = below.run(&format!("echo $$ > '{}/cgroup.procs' && exec /bin/sleep 1000", new.path.display()));
    let cgroup = tracer.event("exec", |what| match what {
        What::Exec(exec) if exec.task.pid == both.pid() && exec.task.comm.as_str() == "sleep" => Some(exec.task.cgroup),
        _ => None,
    });
    assert_eq!(cgroup, below.id());
    let tasks = tracer.probe.snapshot().expect("readable");
    let seen = tasks.iter().find(|seen| seen.process.task.pid == both.pid()).expect("it is there");
    assert_eq!((seen.cgroup_v1, seen.cgroup_v2), (below.id(), new.id()));
    // another v1 hierarchy is nobody's
    let other = Cgroup::v1("freezer").expect("it is mounted");
    let last = old.child("last");
    made(&mut tracer, &last);
    let path = other.path.file_name().expect("it has a name").to_string_lossy().into_owned();
    assert!(
        !tracer
            .records
            .iter()
            .any(|record| matches!(record, Record::CgroupMade(_, made) if made.path.ends_with(&path)))
    );
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn the_oom_killer_names_its_victim() {
    let (chosen, cgroup) = match v1("memory") {
        Some(chosen) => (Some(chosen), Cgroup::v1("memory")),
        None => (None, Some(Cgroup::v2())),
    };
    let cgroup = cgroup.expect("it is mounted");
    let limit = if chosen.is_some() { "memory.limit_in_bytes" } else { "memory.max" };
    if std::fs::write(cgroup.path.join(limit), "33554432").is_err() {
        eprintln!("NOT RUN: no memory controller for us here");
        return;
    }
    let mut tracer = Tracer::new(&Settings { cgroup_v1: chosen, ..Settings::default() });
    tracer.probe.track(cgroup.id()).expect("there is room");
    let process = cgroup.run("exec /usr/bin/python3 -c 'x = bytearray(300_000_000)'");
    let victim = tracer.event("victim", |what| match what {
        What::OomVictim(victim) => Some(victim.clone()),
        _ => None,
    });
    assert_eq!(victim.pid, process.pid());
    if tracer.probe.info().oom_task() {
        assert_eq!(victim.task.map(|task| task.cgroup), Some(cgroup.id()));
    }
    let status = tracer.event("exit", |what| match what {
        What::Exit(exit) if exit.task.pid == process.pid() => Some(exit.status),
        _ => None,
    });
    assert_eq!(status, 9);
}
