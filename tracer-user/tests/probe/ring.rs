//! The ring: loss, wake-ups, and several tracers at once.

use std::time::{Duration, Instant};

use tracer_user::event::{Event, What};
use tracer_user::probe::{ProbeError, Record, Settings};
use tracer_user::signal::Signal;

use crate::support::{Cgroup, Tracer, kill};

const USR1: &str = "USR1";

fn is_usr1(record: &Record) -> bool {
    matches!(record, Record::Event(Event(_, What::Signal(sent))) if sent.signal == USR1.parse().expect("a signal"))
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn what_does_not_fit_is_counted() {
    const SENT: usize = 1000;
    let mut tracer = Tracer::new(&Settings { ring_bytes: 4096, ..Settings::default() });
    let cgroup = Cgroup::v2();
    tracer.probe.track(cgroup.id()).expect("there is room");
    let process = cgroup.run("trap '' USR1; exec /bin/sleep 1000");
    tracer.exec_of("sleep");
    let before = tracer.probe.take_losses().expect("readable");
    for _ in 0..SENT {
        kill(process.pid(), USR1);
    }
    let lost = tracer.probe.take_losses().expect("readable");
    tracer.pull(Duration::ZERO);
    let read = tracer.records.iter().filter(|record| is_usr1(record)).count();
    assert!(lost.signal > 0 && read > 0, "before: {before:?}");
    assert_eq!(read + usize::try_from(lost.signal).expect("small"), SENT);
    assert_eq!(tracer.probe.take_losses().expect("readable").signal, 0, "told once");
    // and it goes on
    kill(process.pid(), "TERM");
    tracer.event("SIGTERM after the loss", |what| match what {
        What::Signal(sent) if sent.signal == Signal::TERM => Some(()),
        _ => None,
    });
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_person_does_not_wait_for_the_timer() {
    let mut tracer = Tracer::with_interval(&Settings::default(), Duration::from_hours(1));
    let cgroup = Cgroup::v2();
    tracer.probe.track(cgroup.id()).expect("there is room");
    let process = cgroup.run("trap '' TERM; exec /bin/sleep 1000");
    // nothing of this is urgent but the new cgroup, so look whenever it suits us
    let end = Instant::now() + Duration::from_secs(20);
    while !tracer.events().any(|what| matches!(what, What::Exec(_))) {
        assert!(Instant::now() < end);
        tracer.pull(Duration::from_millis(5));
    }
    for _ in 0..10 {
        tracer.records.clear();
        kill(process.pid(), "TERM");
        tracer.event("SIGTERM", |what| match what {
            What::Signal(sent) if sent.signal == Signal::TERM => Some(()),
            _ => None,
        });
    }
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_storm_reaches_us_whole_with_a_sleeping_reader() {
    const SENT: usize = 100_000;
    let mut tracer = Tracer::with_interval(&Settings::default(), Duration::from_hours(1));
    let cgroup = Cgroup::v2();
    tracer.probe.track(cgroup.id()).expect("there is room");
    // from inside, so that none of them is urgent: only the half-full ring wakes us
    let _storm = cgroup.run(&format!(
        "exec /usr/bin/python3 -c 'import os, signal\nsignal.signal(10, signal.SIG_IGN)\nfor _ in range({SENT}): os.kill(os.getpid(), 10)\nos.kill(os.getpid(), 9)'"
    ));
    let end = Instant::now() + Duration::from_secs(20);
    let (mut seen, mut lost, mut pulls) = (0, 0, 0);
    // the SIGKILL comes last, and may be lost as well
    while seen + lost < SENT + 1 {
        assert!(Instant::now() < end, "{seen} seen, {lost} lost in {pulls} pulls");
        tracer.pull(Duration::from_secs(1));
        pulls += 1;
        seen += tracer.events().filter(|what| matches!(what, What::Signal(_))).count();
        tracer.records.clear();
        lost += usize::try_from(tracer.probe.take_losses().expect("readable").signal).expect("small");
    }
    assert_eq!(seen + lost, SENT + 1);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn two_at_once_and_nothing_shared() {
    let (mut one, cgroup) = Tracer::with_cgroup();
    let mut two = Tracer::new(&Settings::default());
    let other = Cgroup::v2();
    two.probe.track(other.id()).expect("there is room");
    assert!(matches!(one.probe.open_ring(Duration::from_secs(1)), Err(ProbeError::RingTaken)));
    let (first, second) = (cgroup.run("exec /bin/sleep 1000"), other.run("exec /bin/sleep 1000"));
    assert_eq!((one.exec_of("sleep"), two.exec_of("sleep")), (first.pid(), second.pid()));
    drop(two);
    kill(first.pid(), "TERM");
    one.event("SIGTERM", |what| match what {
        What::Signal(sent) if sent.target.pid == first.pid() => Some(()),
        _ => None,
    });
    assert!(!one.events().any(|what| matches!(what, What::Exec(exec) if exec.task.pid == second.pid())));
    assert!(matches!(one.probe.follow_pid(1), Err(ProbeError::NotFollowing)));
}
