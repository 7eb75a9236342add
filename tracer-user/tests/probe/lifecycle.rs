//! Processes come, run programs, exit and are reaped.

use tracer_user::event::{Exited, What};

use crate::support::{Tracer, kill};

fn exits(tracer: &Tracer, pid: u32) -> usize {
    tracer.events().filter(|what| matches!(what, What::Exit(exit) if exit.task.pid == pid)).count()
}

fn exit(tracer: &mut Tracer, pid: u32) -> Exited {
    tracer.event("exit", |what| match what {
        What::Exit(exit) if exit.task.pid == pid => Some(exit.clone()),
        _ => None,
    })
}

fn reaped(tracer: &mut Tracer, pid: u32, start: u64) {
    tracer.event("end", |what| match what {
        What::Reaped(reaped) if reaped.task.pid == pid && reaped.task.start == start => Some(()),
        _ => None,
    });
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn from_fork_to_reaping() {
    let (mut tracer, cgroup) = Tracer::with_cgroup();
    let mut shell = cgroup.run("/bin/sleep 0; (exit 3); exit 7");
    let joined = tracer.event("join", |what| match what {
        What::Joined(joined) => Some(joined.clone()),
        _ => None,
    });
    assert_eq!(
        (joined.task.pid, joined.task.cgroup, joined.parent.pid),
        (shell.pid(), cgroup.id(), std::process::id())
    );
    let fork = tracer.event("fork", |what| match what {
        What::Fork(fork) => Some(fork.clone()),
        _ => None,
    });
    assert_eq!((fork.parent.pid, fork.child.cgroup), (shell.pid(), cgroup.id()));
    let exec = tracer.event("exec", |what| match what {
        What::Exec(exec) => Some(exec.clone()),
        _ => None,
    });
    assert_eq!(exec.task.key(), fork.child.key());
    assert!(exec.task.comm.as_str() == "sleep" && exec.filename.ends_with("/sleep"), "{exec:?}");
    assert_eq!(exit(&mut tracer, exec.task.pid).status, 0);
    reaped(&mut tracer, exec.task.pid, exec.task.start);
    let end = exit(&mut tracer, shell.pid());
    assert_eq!((end.status, end.autoreap, end.parent.pid), (7 << 8, false, std::process::id()));
    assert_eq!(end.task.key(), joined.task.key());
    shell.wait();
    reaped(&mut tracer, shell.pid(), end.task.start);
    let codes: Vec<u32> = tracer
        .events()
        .filter_map(|what| match what {
            What::Exit(exit) => Some(exit.status),
            _ => None,
        })
        .collect();
    assert_eq!(codes, [0, 3 << 8, 7 << 8]);
    assert_eq!(tracer.probe.take_losses().expect("readable").total() + tracer.ring.take_undecodable(), 0);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn threads_are_no_processes() {
    let (mut tracer, cgroup) = Tracer::with_cgroup();
    let process = cgroup.run(
        "exec /usr/bin/python3 -c 'import threading as t; [x.start() for x in [t.Thread(target=print) for _ in range(8)]]'",
    );
    let end = exit(&mut tracer, process.pid());
    assert_eq!(end.status, 0);
    reaped_after_wait(&mut tracer, process, end.task.start);
}

fn reaped_after_wait(tracer: &mut Tracer, mut process: crate::support::Process, start: u64) {
    process.wait();
    reaped(tracer, process.pid(), start);
    assert_eq!(exits(tracer, process.pid()), 1);
    assert_eq!(tracer.events().find(|what| matches!(what, What::Fork(_))), None);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn autoreap_and_zombies() {
    let (mut tracer, cgroup) = Tracer::with_cgroup();
    let _ignores = cgroup.run(
        "exec /usr/bin/python3 -c 'import os, signal, time\nsignal.signal(17, signal.SIG_IGN)\nif os.fork() == 0: os._exit(4)\ntime.sleep(1000)'",
    );
    let auto = tracer.event("exit", |what| match what {
        What::Exit(exit) if exit.status == 4 << 8 => Some(exit.clone()),
        _ => None,
    });
    assert!(auto.autoreap);
    reaped(&mut tracer, auto.task.pid, auto.task.start);

    let _neglects =
        cgroup.run("exec /usr/bin/python3 -c 'import os, time\nif os.fork() == 0: os._exit(5)\ntime.sleep(1000)'");
    let zombie = tracer.event("exit", |what| match what {
        What::Exit(exit) if exit.status == 5 << 8 => Some(exit.clone()),
        _ => None,
    });
    assert!(!zombie.autoreap);
    crate::support::wait_for("the zombie in a snapshot", || {
        let tasks = tracer.probe.snapshot().expect("readable");
        tasks.iter().any(|seen| {
            seen.process.task.key() == zombie.task.key()
                && seen.process.zombie == Some(5 << 8)
                && seen.cgroup_v2 == cgroup.id()
        })
    });
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_process_lives_as_long_as_its_threads() {
    let (mut tracer, cgroup) = Tracer::with_cgroup();
    let mut process = cgroup.run(
        "exec /usr/bin/python3 -c 'import ctypes, os, signal, threading\n\
         signal.pthread_sigmask(signal.SIG_BLOCK, {10})\n\
         threading.Thread(target=lambda: (signal.sigwait({10}), os._exit(6))).start()\n\
         ctypes.CDLL(None).pthread_exit(None)'",
    );
    let pid = process.pid();
    let state = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is there until we wait for it");
        stat.rsplit(") ").next().and_then(|rest| rest.chars().next())
    };
    let seen = |tracer: &mut Tracer| {
        let tasks = tracer.probe.snapshot().expect("readable");
        tasks.into_iter().find(|seen| seen.process.task.pid == pid)
    };
    crate::support::wait_for("the end of the leader", || state() == Some('Z'));
    let alive = seen(&mut tracer).expect("its thread lives");
    assert!(alive.process.zombie.is_none() && !alive.ending, "{alive:?}");
    assert_eq!(exits(&tracer, pid), 0);
    kill(pid, "USR1");
    assert_eq!(exit(&mut tracer, pid).status, 6 << 8);
    crate::support::wait_for("the zombie", || {
        seen(&mut tracer).is_some_and(|seen| seen.process.zombie == Some(6 << 8) && !seen.ending)
    });
    process.wait();
    assert_eq!(seen(&mut tracer), None, "it is reaped");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn the_snapshot_agrees_with_proc() {
    let (mut tracer, cgroup) = Tracer::with_cgroup();
    let process = cgroup.run("trap '' HUP; exec /bin/sleep 1000");
    tracer.exec_of("sleep");
    let tasks = tracer.probe.snapshot().expect("readable");
    let seen = tasks.iter().find(|seen| seen.process.task.pid == process.pid()).expect("it is there");
    assert_eq!(seen.cgroup_v2, cgroup.id());
    assert_eq!(seen.process.task.cgroup, cgroup.id());
    assert_eq!(seen.process.parent.pid, std::process::id());
    assert!(seen.process.ignored.has("HUP".parse().expect("a signal")) && seen.process.caught.is_empty());
    let me = tasks.iter().find(|seen| seen.process.task.pid == std::process::id()).expect("we are there");
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    for (field, mask) in [("SigCgt", me.process.caught), ("SigIgn", me.process.ignored)] {
        let line = format!("{field}:\t{:016x}", mask.0);
        assert!(status.contains(&line), "{line} is not in {status}");
    }
    kill(process.pid(), "KILL");
}
