//! What becomes of signals, as the kernel does it.

use std::fs;

use tracer_common::task_flags;
use tracer_user::event::{Delivered, Handler, SendResult, SignalSent, What};
use tracer_user::probe::Settings;
use tracer_user::signal::Signal;

use crate::support::{Tracer, kill, wait_for};

fn sent(tracer: &mut Tracer, pid: u32, signal: Signal) -> SignalSent {
    tracer.event("signal", |what| match what {
        What::Signal(sent) if sent.target.pid == pid && sent.signal == signal => Some(sent.clone()),
        _ => None,
    })
}

fn delivered(tracer: &mut Tracer, pid: u32, signal: Signal) -> Delivered {
    tracer.event("delivery", |what| match what {
        What::Deliver(taken) if taken.target.pid == pid && taken.signal == signal => Some(taken.clone()),
        _ => None,
    })
}

fn exit_status(tracer: &mut Tracer, pid: u32) -> u32 {
    tracer.event("exit", |what| match what {
        What::Exit(exit) if exit.task.pid == pid => Some(exit.status),
        _ => None,
    })
}

/// Waits until a mask in `/proc/PID/status` holds a signal.
fn wait_mask(pid: u32, field: &str, signal: Signal) {
    wait_for(field, || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let mask = mask.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()).unwrap_or(0);
        mask & 1 << (signal.number() - 1) != 0
    });
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn default_action_kills() {
    let (mut tracer, cgroup) = Tracer::with_cgroup();
    let mut process = cgroup.run("exec /bin/sleep 1000");
    assert_eq!(tracer.exec_of("sleep"), process.pid());
    kill(process.pid(), "TERM");
    let signal = sent(&mut tracer, process.pid(), Signal::TERM);
    assert_eq!((signal.result, signal.handler, signal.code), (SendResult::Queued, Handler::Default, 0));
    assert!(signal.group && !signal.blocked && !signal.real_blocked && signal.caught.is_none());
    assert_eq!(signal.sender.pid, std::process::id());
    assert_eq!((signal.target.cgroup, signal.target.comm.as_str()), (cgroup.id(), "sleep"));
    assert!(!signal.ancestors.is_empty(), "the sender is outside");
    assert!(!signal.target.is_init() && signal.target.flags & task_flags::INCOMPLETE == 0);
    assert_eq!(exit_status(&mut tracer, process.pid()), 15);
    process.wait();
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_handler_catches() {
    let (mut tracer, cgroup) = Tracer::with_cgroup();
    let process = cgroup.run("trap 'exit 5' TERM; while :; do read x < /dev/zero & wait; done");
    wait_mask(process.pid(), "SigCgt", Signal::TERM);
    kill(process.pid(), "TERM");
    let signal = sent(&mut tracer, process.pid(), Signal::TERM);
    assert_eq!((signal.result, signal.handler), (SendResult::Queued, Handler::Function));
    assert_eq!(delivered(&mut tracer, process.pid(), Signal::TERM).handler, Handler::Function);
    assert_eq!(exit_status(&mut tracer, process.pid()), 5 << 8);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn ignored_is_ignored() {
    let (mut tracer, cgroup) = Tracer::with_cgroup();
    let process = cgroup.run("trap '' TERM; exec /bin/sleep 1000");
    tracer.exec_of("sleep");
    kill(process.pid(), "TERM");
    let signal = sent(&mut tracer, process.pid(), Signal::TERM);
    assert_eq!((signal.result, signal.handler), (SendResult::Ignored, Handler::Ignore));
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn an_init_without_handler_drops_it() {
    let (mut tracer, cgroup) = Tracer::with_cgroup();
    let _outer = cgroup.run("exec unshare -p -f /bin/sh -c 'trap : USR1; kill -KILL 1; /bin/sleep 1000 & wait'");
    let init = tracer.event("init", |what| match what {
        What::Exec(exec) if exec.task.comm.as_str() == "sh" && exec.task.ns_pid == 1 => Some(exec.task),
        _ => None,
    });
    assert!(init.is_init() && init.has(task_flags::UNKILLABLE) && init.pid != 1);
    let inside = sent(&mut tracer, init.pid, Signal::KILL);
    assert_eq!(inside.result, SendResult::Ignored, "kill -9 1 from inside does nothing");
    assert_eq!((inside.sender.pid, inside.ancestors.len()), (init.pid, 0));
    tracer.exec_of("sleep");
    kill(init.pid, "TERM");
    let outside = sent(&mut tracer, init.pid, Signal::TERM);
    assert_eq!((outside.result, outside.handler), (SendResult::Ignored, Handler::Default));
    assert!(outside.caught.expect("read at a drop").has("USR1".parse().expect("a signal")));
    kill(init.pid, "KILL");
    let last = tracer.event("SIGKILL that acts", |what| match what {
        What::Signal(sent) if sent.signal == Signal::KILL && sent.result == SendResult::Queued => Some(sent.clone()),
        _ => None,
    });
    assert_eq!((last.target.pid, last.sender.pid), (init.pid, std::process::id()));
    assert_eq!(exit_status(&mut tracer, init.pid), 9);
    let collateral = tracer.event("collateral", |what| match what {
        What::Signal(sent)
            if sent.signal == Signal::KILL && sent.sender.pid == init.pid && sent.target.pid != init.pid =>
        {
            Some(sent.clone())
        }
        _ => None,
    });
    assert_eq!(collateral.code, 0x80);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn blocked_and_waited_for() {
    let (mut tracer, cgroup) = Tracer::with_cgroup();
    let blocks = cgroup
        .run("exec /usr/bin/python3 -c 'import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {15}); signal.sigwait({10})'");
    wait_mask(blocks.pid(), "SigBlk", Signal::TERM);
    kill(blocks.pid(), "TERM");
    let signal = sent(&mut tracer, blocks.pid(), Signal::TERM);
    assert_eq!((signal.result, signal.handler), (SendResult::Queued, Handler::Default));
    assert!(signal.blocked && signal.mask.has(Signal::TERM));
    kill(blocks.pid(), "TERM");
    tracer.event("already pending", |what| match what {
        What::Signal(sent) if sent.result == SendResult::AlreadyPending => Some(()),
        _ => None,
    });
    kill(blocks.pid(), "KILL");
    let pending = tracer.event("exit", |what| match what {
        What::Exit(exit) if exit.task.pid == blocks.pid() => Some(exit.pending),
        _ => None,
    });
    assert!(pending.has(Signal::TERM), "sent and never taken");

    let waits = cgroup.run(
        "exec /usr/bin/python3 -c 'import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {15, 10}); signal.sigwait({15})'",
    );
    wait_mask(waits.pid(), "SigBlk", "USR1".parse().expect("a signal"));
    // in sigtimedwait the kernel has moved the set away from SigBlk
    wait_for("sigtimedwait", || {
        fs::read_to_string(format!("/proc/{}/syscall", waits.pid()))
            .is_ok_and(|call| call.starts_with(&format!("{} ", libc::SYS_rt_sigtimedwait)))
    });
    kill(waits.pid(), "TERM");
    let signal = sent(&mut tracer, waits.pid(), Signal::TERM);
    assert_eq!((signal.result, signal.blocked, signal.real_blocked), (SendResult::Queued, false, true));
    assert!(signal.mask.has(Signal::TERM));
    assert_eq!(exit_status(&mut tracer, waits.pid()), 0);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn chatter_is_counted_and_not_streamed() {
    let (mut tracer, cgroup) = Tracer::with_cgroup();
    let process = cgroup.run("exec /bin/sleep 1000");
    tracer.exec_of("sleep");
    let before = tracer.probe.counters(cgroup.id()).expect("tracked");
    for _ in 0..100 {
        kill(process.pid(), "CHLD");
        kill(process.pid(), "URG");
        kill(process.pid(), "WINCH");
    }
    let after = tracer.probe.counters(cgroup.id()).expect("tracked");
    assert_eq!(after.child_signals - before.child_signals, 100);
    assert_eq!(after.urgent_signals - before.urgent_signals, 100);
    assert_eq!(after.other_signals - before.other_signals, 100);
    // one that is streamed comes after all of them
    kill(process.pid(), "TERM");
    sent(&mut tracer, process.pid(), Signal::TERM);
    let signals = tracer.events().filter(|what| matches!(what, What::Signal(_))).count();
    assert_eq!(signals, 1);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn all_signals_when_asked_for_and_followed_processes() {
    let settings = Settings { all_signals: true, pids: true, ..Settings::default() };
    let mut tracer = Tracer::new(&settings);
    let cgroup = crate::support::Cgroup::v2();
    let mut process = cgroup.run("read x < /dev/zero & /bin/sh -c '/bin/sleep 0; kill -URG $$'; kill -TERM $!; wait");
    tracer.probe.follow_pid(process.pid()).expect("there is room");
    // whatever the shell forks from now on is followed too, or it had not begun yet
    process.wait();
    let again = cgroup.run("kill -STOP $$; sh -c 'kill -URG $$'; exit 4");
    tracer.probe.follow_pid(again.pid()).expect("there is room");
    wait_for("the stop", || {
        fs::read_to_string(format!("/proc/{}/stat", again.pid())).is_ok_and(|stat| stat.contains(") T "))
    });
    kill(again.pid(), "CONT");
    let child = tracer.event("fork", |what| match what {
        What::Fork(fork) if fork.parent.pid == again.pid() => Some(fork.child.pid),
        _ => None,
    });
    sent(&mut tracer, child, Signal::URG);
    assert_eq!(exit_status(&mut tracer, again.pid()), 4 << 8);
}
