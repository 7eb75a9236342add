//! Typed programs and those for kernels that refuse them tell the same: both are attached, and watch the same processes.

use tracer_user::event::What;
use tracer_user::probe::Settings;
use tracer_user::signal::Signal;

use crate::support::{Cgroup, Tracer, kill, v1};

/// Forks, execs, signals of all kinds (from inside and outside, from the kernel, blocked, caught, dropped, at threads), exits.
///
/// On one processor: it is idle now and then, and an interrupt in that time makes a signal whose sender is no process.
const SCRIPT: &str = r#"
taskset -cp 0 $$ >/dev/null
sh -c 'kill -USR1 $$'
sh -c 'trap : USR1; kill -USR1 $$'
sh -c 'trap "" USR1; kill -USR1 $$'
unshare --pid --fork sh -c 'kill -USR1 $$; unshare --pid --fork sh -c "kill -USR1 \$\$"'
perl -MTime::HiRes=ualarm -e '$SIG{ALRM} = sub {}; ualarm(1000); sleep 1'
perl -e 'pipe(R, W); close R; syswrite W, "x"'
perl -e 'use POSIX; sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGTERM)); kill 15, $$; kill 15, $$'
python3 -c '
import os, signal, threading
signal.signal(signal.SIGUSR1, lambda *_: None)
def other():
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
    signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
thread = threading.Thread(target=other)
thread.start()
thread.join()
'
exec sleep 1000
"#;

/// What a tracer told until the last process was killed.
fn told(tracer: &mut Tracer) -> Vec<What> {
    tracer.event("the last exit", |what| match what {
        What::Exit(exited) if exited.task.comm.as_str() == "sleep" => Some(()),
        _ => None,
    });
    let mut told: Vec<What> = tracer.events().cloned().collect();
    // when somebody is freed is another processor's business
    told.retain(|what| !matches!(what, What::Reaped(_)));
    let last = told.iter().position(|what| matches!(what, What::Exit(exited) if exited.task.comm.as_str() == "sleep"));
    told.truncate(last.map_or(0, |last| last + 1));
    told
}

fn compare(settings: &Settings) {
    let settings = Settings { all_signals: true, ..settings.clone() };
    let mut tracers = [true, false].map(|typed| Tracer::new(&Settings { typed, ..settings.clone() }));
    let typed = tracers.each_ref().map(|tracer| tracer.probe.info().typed.clone());
    assert_eq!(typed, [vec!["signal_generate", "signal_deliver"], vec![]], "or else one is compared with itself");
    let cgroup = Cgroup::v2();
    for tracer in &mut tracers {
        tracer.probe.track(cgroup.id()).expect("there is room");
    }
    let process = cgroup.run(SCRIPT);
    tracers[0].exec_of("sleep");
    kill(process.pid(), "HUP");
    let [typed, raw] = tracers.each_mut().map(told);
    let signals = |told: &[What], wanted: &dyn Fn(&tracer_user::event::SignalSent) -> bool| {
        told.iter().filter(|what| matches!(what, What::Signal(sent) if wanted(sent))).count()
    };
    // or else nothing was compared
    assert!(signals(&typed, &|sent| !sent.ancestors.is_empty()) > 0, "one from outside: {typed:#?}");
    assert!(
        signals(&typed, &|sent| sent.target.is_init() && sent.target.ns_pid == 1) > 0,
        "one at an init: {typed:#?}"
    );
    assert!(signals(&typed, &|sent| sent.code == 0x80) > 0, "one from the kernel: {typed:#?}");
    assert!(signals(&typed, &|sent| sent.signal == Signal::TERM && sent.blocked) > 0, "a blocked one: {typed:#?}");
    assert!(signals(&typed, &|sent| sent.sender.tid != sent.sender.pid) > 0, "one by another thread: {typed:#?}");
    assert!(signals(&typed, &|sent| sent.target.tid != sent.target.pid) > 0, "one at another thread: {typed:#?}");
    assert!(typed.iter().any(|what| matches!(what, What::Deliver(_))), "{typed:#?}");
    for (index, (typed, raw)) in typed.iter().zip(&raw).enumerate() {
        assert_eq!(typed, raw, "event {index}");
    }
    assert_eq!(typed.len(), raw.len());
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn typed_programs_and_raw_ones_tell_the_same() {
    compare(&Settings::default());
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn typed_programs_and_raw_ones_tell_the_same_where_v1_is_looked_up_first() {
    let Some(cgroup_v1) = v1("pids") else {
        eprintln!("NOT RUN: no cgroup v1 hierarchy with the pids controller here");
        return;
    };
    compare(&Settings { cgroup_v1: Some(cgroup_v1), ..Settings::default() });
}
