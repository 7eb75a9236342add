//! Made-up containers, one for each program and each way to treat a signal.

use super::*;
use crate::audit::subject::{Go, Member, Negligent, SignalFd, StopSignal, Zombies};
use crate::model::ContainerName;
use crate::probe::{Actions, SignalAction};
use crate::signal::SignalSet;

const PID: u32 = 4_000;
const SA_RESETHAND: u64 = 0x8000_0000;
/// Addresses of handlers.
const OWN: u64 = 0x40_1000;
const RUNTIME: u64 = 0x40_2000;

fn set(signals: &[Signal]) -> SignalSet {
    signals.iter().copied().collect()
}

/// A program as PID 1 that has been running for a while, with the default action for every signal.
fn init(comm: &str) -> Process {
    Process {
        pid: PID,
        ns_pid: Some(1),
        start: 1,
        age_ms: 60_000,
        comm: comm.to_owned(),
        exe: Some(format!("/usr/bin/{comm}")),
        command: vec![comm.to_owned()],
        init: true,
        actions: Some(Actions([SignalAction::default(); 64])),
        threads: vec![thread(0, &[], Waits::No)],
        signalfds: Some(vec![]),
        ..Process::default()
    }
}

fn thread(n: u32, blocked: &[Signal], waits: Waits) -> Thread {
    Thread { tid: PID + n, blocked: set(blocked), waits, exiting: false }
}

impl Process {
    fn handles(mut self, signal: Signal, handler: u64, flags: u64) -> Self {
        self.caught.0 |= 1 << (signal.number() - 1);
        if let Some(actions) = &mut self.actions {
            actions.0[usize::from(signal.number()) - 1] = SignalAction { handler, flags };
        }
        self
    }

    fn ignores(mut self, signal: Signal) -> Self {
        self.ignored.0 |= 1 << (signal.number() - 1);
        self
    }

    fn with_threads(mut self, threads: Vec<Thread>) -> Self {
        self.threads = threads;
        self
    }

    fn no_init(mut self) -> Self {
        (self.init, self.ns_pid) = (false, Some(self.pid));
        self
    }
}

fn subject(first: Process) -> Subject {
    Subject {
        container: ContainerName { id: "0123456789ab".to_owned(), ..ContainerName::default() },
        runtime: Some("docker".to_owned()),
        image: None,
        stop: StopSignal { source: "docker".to_owned(), ..StopSignal::default() },
        grace_ms: None,
        pre_stop: false,
        sight: Sight::Kernel,
        first,
        below: vec![],
        children: vec![],
        zombies: Zombies::default(),
        pids: crate::audit::Pids::default(),
    }
}

fn stopped_by(signal: Signal, first: Process) -> Subject {
    Subject { stop: StopSignal { signal, source: "docker".to_owned() }, ..subject(first) }
}

#[track_caller]
fn check(what: &str, subject: &Subject, foreseen: Foreseen, verdict: Option<Verdict>, cause: Option<Cause>) -> Finding {
    let finding = judge(subject);
    assert_eq!((finding.foreseen, finding.verdict, finding.cause), (foreseen, verdict, cause), "{what}: {finding:#?}");
    let unsettling = matches!(foreseen, Foreseen::Unknown | Foreseen::Blocked);
    assert_eq!(finding.certain, !unsettling && subject.sight == Sight::Kernel, "{what}: {finding:#?}");
    let bad = verdict.is_some();
    assert_eq!(
        finding.fix.is_some(),
        bad,
        "{what}: there is advice for what is bad, and for nothing else: {finding:#?}"
    );
    finding
}

#[track_caller]
fn dropped(what: &str, subject: &Subject, cause: Cause) -> Finding {
    check(what, subject, Foreseen::Dropped, Some(Verdict::SigtermDropped), Some(cause))
}

#[track_caller]
fn fine(what: &str, subject: &Subject, foreseen: Foreseen) -> Finding {
    check(what, subject, foreseen, None, None)
}

#[track_caller]
fn unknown(what: &str, subject: &Subject) -> Finding {
    check(what, subject, Foreseen::Unknown, None, None)
}

#[test]
fn inits_take_it_by_a_wait() {
    let all = SignalSet(!(1 << 8 | 1 << 18));
    let blocks: Vec<Signal> = all.iter().collect();
    let tini = init("tini").with_threads(vec![thread(0, &blocks, Waits::For(all))]);
    let mut tini = subject(tini);
    let child = init("sleep").no_init().with_threads(vec![thread(1, &[], Waits::No)]);
    tini.children = vec![Process { pid: PID + 1, start: 2, ..child }];
    let finding = fine("tini", &tini, Foreseen::Taken);
    assert_eq!(finding.init, Some(Init { name: "tini".to_owned(), depth: 0 }));
    assert_eq!(finding.notes[0].note, NoteKind::Forwarded);
    assert!(finding.notes[0].text.contains("dies by it at once"), "{finding:#?}");

    // dumb-init, catatonit, s6 and systemd read a signalfd
    for name in ["catatonit", "s6-svscan", "systemd"] {
        let mut process = init(name).with_threads(vec![thread(0, &blocks, Waits::No)]);
        process.signalfds = Some(vec![SignalFd { fd: 4, mask: set(&[Signal::TERM, Signal::CHLD]) }]);
        let finding = judge(&subject(process.clone()));
        assert_eq!((finding.foreseen, finding.verdict, finding.certain), (Foreseen::Taken, None, true), "{name}");
        assert!(finding.explanation.contains("file descriptor 4 is a signalfd"), "{finding:#?}");
        let other = name == "systemd";
        assert_eq!(finding.notes.iter().any(|note| note.note == NoteKind::OtherMeaning), other, "{finding:#?}");
        let fix = finding.fix.as_deref();
        assert_eq!(fix.is_some_and(|fix| fix.contains("STOPSIGNAL SIGRTMIN+3")), other, "{finding:#?}");
        // only an init takes it for that, and only SIGTERM
        assert_eq!(judge(&subject(process.clone().no_init())).fix, None);
        // the signalfd is not for this one
        unknown(name, &stopped_by(Signal::QUIT, process));
    }
}

#[test]
fn between_two_waits_it_is_the_state_of_a_moment() {
    let busy = init("tini").with_threads(vec![thread(0, &[Signal::TERM], Waits::No)]);
    let finding = unknown("tini at work", &subject(busy.clone()));
    assert!(finding.passing);
    let mut untaken = busy;
    untaken.untaken = set(&[Signal::TERM]);
    let finding = check("never taken", &subject(untaken), Foreseen::Blocked, Some(Verdict::SigtermBlocked), None);
    assert!(!finding.passing);
}

#[test]
fn languages_as_pid_1() {
    dropped("python", &subject(init("python3")), Cause::NoHandler);
    fine("python with a handler", &subject(init("python3").handles(Signal::TERM, OWN, 0)), Foreseen::Caught);
    // the interpreter's own handler is no reason to stop by SIGINT
    dropped("python's own SIGINT", &subject(init("python3").handles(Signal::INT, RUNTIME, 0)), Cause::NoHandler);
    let node = init("node").handles(Signal::TERM, RUNTIME, SA_RESETHAND).handles(Signal::INT, RUNTIME, SA_RESETHAND);
    let finding = dropped("node", &subject(node.clone()), Cause::HandlerReraised);
    for exe in ["/usr/bin/node-22", "/usr/bin/node (deleted)"] {
        let node = Process { exe: Some(exe.to_owned()), ..node.clone() };
        dropped(exe, &subject(node), Cause::HandlerReraised);
    }
    assert!(finding.fix.is_some_and(|fix| fix.contains("process.on('SIGTERM'")));
    fine("node with a handler", &subject(init("node").handles(Signal::TERM, OWN, 0x1400_0000)), Foreseen::Caught);
    let one_shot = init("server").handles(Signal::TERM, OWN, SA_RESETHAND);
    fine("another program with SA_RESETHAND", &subject(one_shot), Foreseen::Caught);
    let java = init("java").handles(Signal::TERM, RUNTIME, 0);
    assert!(fine("java", &subject(java), Foreseen::Caught).explanation.contains("shutdown hooks"));
    let quits = stopped_by(Signal::QUIT, init("java").handles(Signal::QUIT, RUNTIME, 0));
    assert!(fine("java and SIGQUIT", &quits, Foreseen::Caught).explanation.contains("dump of its threads"));
    dropped("java -Xrs", &subject(init("java")), Cause::NoHandler);
}

/// A runtime that nobody could ask may send another signal than SIGTERM.
#[test]
fn what_rests_on_an_assumed_signal_is_not_certain() {
    let told = subject(init("app"));
    let assumed = Subject { stop: StopSignal::default(), ..told.clone() };
    assert!(judge(&told).certain && !judge(&assumed).certain);
    assert_eq!(judge(&assumed).foreseen, Foreseen::Dropped);
}

/// In `/proc` a wait that ends between two reads looks like none: it is looked at again.
#[test]
fn a_drop_seen_in_proc_alone_is_looked_at_again() {
    let seen = |sight| judge(&Subject { sight, ..subject(init("app")) });
    assert!(seen(Sight::Proc).passing && !seen(Sight::Kernel).passing);
}

#[test]
fn go_programs() {
    let go = |go, handler| {
        let process = init("app").handles(Signal::TERM, handler, 0).handles(Signal::URG, RUNTIME, 0);
        subject(Process { go: Some(go), ..process })
    };
    let finding = dropped("cannot ask", &go(Go::WithoutNotify, RUNTIME), Cause::HandlerReraised);
    assert!(finding.fix.is_some_and(|fix| fix.contains("signal.Notify")), "advice is Go's");
    dropped("has not asked", &go(Go::Wants(set(&[Signal::INT])), RUNTIME), Cause::HandlerReraised);
    fine("has asked", &go(Go::Wants(set(&[Signal::TERM])), RUNTIME), Foreseen::Caught);
    unknown("may have asked", &go(Go::WithNotify, RUNTIME));
    unknown("names obfuscated", &go(Go::Unreadable, RUNTIME));
    let packed = [Signal::TERM, Signal::URG, Signal::XCPU];
    let packed = packed.into_iter().fold(init("app"), |process, signal| process.handles(signal, RUNTIME, 0));
    unknown("no Go program to look at, and yet Go's handlers", &subject(packed));
    fine("C code beside it has a handler", &go(Go::WithoutNotify, OWN), Foreseen::Caught);
    let child = Subject { first: go(Go::WithoutNotify, RUNTIME).first.no_init(), ..go(Go::WithoutNotify, RUNTIME) };
    fine("no init: raised again it ends it", &child, Foreseen::Caught);
}

fn with_child(first: Process, comm: &str) -> Subject {
    let child = Member { pid: PID + 7, ns_pid: Some(7), comm: comm.to_owned(), depth: 1, ..Member::default() };
    Subject { below: vec![child], ..subject(first) }
}

#[test]
fn shells() {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let sh = Process { command: words(&["sh", "-c", "sleep 1000; true"]), ..init("sh") };
    let finding = dropped("sh -c", &with_child(sh.clone(), "sleep"), Cause::NoHandler);
    assert_eq!(finding.notes.iter().map(|note| note.note).collect::<Vec<_>>(), [NoteKind::ShellForm]);
    assert!(finding.fix.is_some_and(|fix| fix.contains("exec sleep …")));
    let finding = dropped("a shell without a child", &subject(sh.clone()), Cause::NoHandler);
    assert!(finding.notes.is_empty());
    let script = Process { command: words(&["bash", "/entrypoint.sh"]), ..init("bash") };
    let finding = fine("trap", &with_child(script.clone().handles(Signal::TERM, OWN, 0), "node"), Foreseen::Caught);
    assert_eq!(finding.notes.iter().map(|note| note.note).collect::<Vec<_>>(), [NoteKind::TrapDeferred]);
    let exit_trap = script.handles(Signal::TERM, RUNTIME, 0).handles(Signal::XCPU, RUNTIME, 0);
    check("trap on EXIT", &subject(exit_trap), Foreseen::Caught, None, None);
    let finding = dropped("tini below a shell", &with_child(sh, "tini"), Cause::NoHandler);
    assert_eq!(finding.init, Some(Init { name: "tini".to_owned(), depth: 1 }));
    assert!(finding.fix.is_some_and(|fix| fix.contains("exec tini …")));
    assert!(finding.notes.iter().any(|note| note.note == NoteKind::InitNotFirst));
}

/// In a pipe no exec makes a program PID 1.
#[test]
fn programs_in_a_pipe() {
    let below = |comms: &[&str]| {
        let member = |(n, comm): (usize, &&str)| Member {
            pid: PID + 10 + u32::try_from(n).expect("few"),
            comm: (*comm).to_owned(),
            depth: 1,
            ..Member::default()
        };
        let below = comms.iter().enumerate().map(member).collect();
        let subject = Subject { below, ..subject(init("sh")) };
        dropped("a shell with children", &subject, Cause::NoHandler).fix.expect("advice")
    };
    let pipe = below(&["gunicorn", "sed"]);
    assert!(pipe.contains("drop the pipe") && !pipe.contains("pid=$!"), "{pipe}");
    for others in [&["gunicorn"][..], &["worker", "worker"], &["gunicorn", "bash"]] {
        let alone = below(others);
        assert!(!alone.contains("drop the pipe"), "{others:?}: {alone}");
    }
}

#[test]
fn servers_with_signals_of_their_own() {
    for (name, signal) in [("nginx", Signal::QUIT), ("postgres", Signal::INT), ("redis-server", Signal::TERM)] {
        fine(name, &stopped_by(signal, init(name).handles(signal, OWN, 0)), Foreseen::Caught);
    }
    let nginx = init("nginx").handles(Signal::QUIT, OWN, 0);
    let finding = dropped("the wrong signal", &subject(nginx), Cause::StopSignalMismatch);
    assert!(finding.fix.is_some_and(|fix| fix.contains("STOPSIGNAL SIGQUIT")));
}

#[test]
fn dispositions() {
    let ignored = Some(Verdict::SigtermIgnored);
    check("SIG_IGN", &subject(init("app").ignores(Signal::TERM)), Foreseen::Ignored, ignored, None);
    check("SIGWINCH", &stopped_by(Signal::WINCH, init("app")), Foreseen::Ignored, ignored, None);
    let acts = Some(Verdict::DefaultAction);
    let finding = check("no init", &subject(init("app").no_init()), Foreseen::Default, acts, None);
    assert!(finding.fix.is_some_and(|fix| fix.contains("would be gone at once")));
    check("SIGKILL", &stopped_by(Signal::KILL, init("app")), Foreseen::Default, Some(Verdict::Killed), None);
    let finding = judge(&stopped_by(Signal::STOP, init("app")));
    assert_eq!((finding.foreseen, finding.verdict), (Foreseen::Default, None));
    let traced = Process { traced: true, ..init("app") };
    dropped("traced", &subject(traced), Cause::DroppedAtDelivery);
    let rtmin_3: Signal = "RTMIN+3".parse().unwrap();
    dropped("a real-time signal", &stopped_by(rtmin_3, init("app")), Cause::NoHandler);
    fine("the same, handled", &stopped_by(rtmin_3, init("app").handles(rtmin_3, OWN, 0)), Foreseen::Caught);
}

#[test]
fn threads_decide_who_takes_it() {
    let term = set(&[Signal::TERM]);
    let blocks = |n| thread(n, &[Signal::TERM], Waits::No);
    let waits = |n| thread(n, &[Signal::TERM], Waits::For(term));
    let free = |n| thread(n, &[], Waits::No);
    let with = |threads: &[Thread]| subject(init("app").with_threads(threads.to_vec()));
    let handled =
        |threads: &[Thread]| subject(init("app").handles(Signal::TERM, OWN, 0).with_threads(threads.to_vec()));
    fine("another thread waits", &with(&[blocks(0), waits(1)]), Foreseen::Taken);
    // the kernel asks the first thread alone whether the signal is to be dropped
    let finding = dropped("it waits in vain", &with(&[free(0), waits(1)]), Cause::NoHandler);
    assert!(finding.explanation.contains("does not help"));
    // and then, where another thread can take it, kernels differ in whether they ask if it is an init
    let finding = unknown("another thread may end it", &with(&[blocks(0), free(1)]));
    assert!(finding.explanation.contains("most kernels end even an init"), "{finding:#?}");
    let traced = Process { traced: true, ..init("app").with_threads(vec![blocks(0), free(1)]) };
    dropped("another thread drops it for who traces", &subject(traced), Cause::DroppedAtDelivery);
    let quits = [thread(0, &[Signal::QUIT], Waits::No), free(1)];
    let quits = stopped_by(Signal::QUIT, init("app").with_threads(quits.to_vec()));
    dropped("another thread drops what dumps core", &quits, Cause::DroppedAtDelivery);
    fine("another thread handles it", &handled(&[blocks(0), free(1)]), Foreseen::Caught);
    fine("the first one handles it", &handled(&[free(0), blocks(1)]), Foreseen::Caught);
    unknown("two may get it", &with(&[blocks(0), waits(1), free(2)]));
    let exiting = Thread { exiting: true, ..free(1) };
    unknown("who exits takes nothing", &with(&[blocks(0), exiting]));
    unknown("the first thread is gone", &with(&[Thread { exiting: true, ..free(0) }, free(1)]));
    unknown("none was seen", &with(&[]));
    let mut vain = init("app");
    vain.signalfds = Some(vec![SignalFd { fd: 3, mask: term }]);
    let finding = dropped("a signalfd without a block", &subject(vain), Cause::NoHandler);
    assert!(finding.explanation.contains("signalfd"));
}

#[test]
fn the_young_are_not_judged() {
    let young = |process| subject(Process { age_ms: 300, ..process });
    unknown("no handler yet", &young(init("app")));
    fine("a handler already", &young(init("app").handles(Signal::TERM, OWN, 0)), Foreseen::Caught);
    unknown("ending", &subject(Process { ending: true, ..init("app") }));
}

#[test]
fn proc_alone_knows_less() {
    let seen = |process: Process| Subject { sight: Sight::Proc, ..subject(Process { actions: None, ..process }) };
    dropped("no handler", &seen(init("python3")), Cause::NoHandler);
    unknown("node's handler or its own", &seen(init("node").handles(Signal::TERM, RUNTIME, 0)));
    let waiting = |waits| seen(init("app").with_threads(vec![thread(0, &[], waits)]));
    unknown("waits for something", &waiting(Waits::Somehow));
    unknown("its system call is hidden", &waiting(Waits::Unseen));
    let term = set(&[Signal::TERM]);
    let tini = init("tini").with_threads(vec![thread(0, &[Signal::TERM], Waits::For(term))]);
    fine("tini", &seen(tini), Foreseen::Taken);
    let blocks = Process { signalfds: None, ..init("app").with_threads(vec![thread(0, &[Signal::TERM], Waits::No)]) };
    assert!(unknown("file descriptors are hidden", &seen(blocks)).explanation.contains("cannot be seen"));
}

#[test]
fn zombies_have_somebody_to_reap_them() {
    let negligent =
        |ns_pid| Negligent { pid: 9, ns_pid: Some(ns_pid), comm: "app".to_owned(), first: ns_pid == 1, zombies: 3 };
    let with = |ns_pid| {
        let zombies = Zombies { count: 3, oldest_at_most_ms: Some(5_000), parents: vec![negligent(ns_pid)] };
        judge(&Subject { zombies, ..subject(init("app").handles(Signal::TERM, OWN, 0)) })
    };
    assert!(
        with(1).zombie_fix.is_some_and(|fix| fix.contains("app must wait") && fix.contains("adopted: put an init"))
    );
    assert!(with(7).zombie_fix.is_some_and(|fix| fix.contains("app must wait for its children")));
    assert_eq!(judge(&subject(init("app"))).zombie_fix, None);
}

#[test]
fn tinis_options() {
    let is = |words: &[&str]| known::is_subreaper(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
    assert!(is(&["tini", "-s", "--", "app"]) && is(&["/tini", "-gs", "app"]));
    assert!(!is(&["tini", "--", "app", "-s"]) && !is(&["tini", "-g", "app", "-s"]) && !is(&["tini", "--version"]));
}
