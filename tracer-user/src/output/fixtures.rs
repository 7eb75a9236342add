//! News made by hand, for the tests of the views.

pub(super) mod audit;
mod events;

use std::sync::Arc;

use super::{Clock, View};
use crate::event::{Ancestor, BootNs, Comm, Handler, PodName, SendResult};
use crate::model::{
    Cause, Change, Condition, ConditionKind, ContainerName, ContainerRef, ExitStatus, Figure, Grace, Hint, HintKind,
    HookKind, Kill, News, Outcome, Party, PreStop, Received, Role, Sender, SignalNews, Termination, TerminationProcess,
    Verdict,
};
use crate::signal::{Signal, SignalSet};

pub(crate) use events::every_event;

/// Boot is at 2026-11-21 14:03:00 UTC.
pub(crate) const CLOCK: Clock = Clock { boot_to_wall_ns: 1_795_269_780_000_000_000 };
/// When the terminations begin: 14:03:07.284.
pub(crate) const START_MS: u64 = 7284;
/// A name that tries to clear the screen, ring the bell and be no UTF-8.
pub(crate) const HOSTILE: [u8; 16] = *b"\x1b[2J\x07\xff\xfe\xc2\x9b31m\n\0\0\0";

pub(crate) fn ms(ms: u64) -> BootNs {
    BootNs(ms * 1_000_000)
}

/// `ms` after the beginning of a termination.
pub(crate) fn after(offset_ms: u64) -> BootNs {
    ms(START_MS + offset_ms)
}

pub(crate) fn container() -> ContainerRef {
    Arc::new(ContainerName {
        id: "4f0c7a1e9b2d".repeat(5) + "a1b2",
        name: Some("app".to_owned()),
        pod: Some(PodName {
            namespace: "shop".to_owned(),
            name: "web-7d9f8b6c5-x2x4k".to_owned(),
            uid: "9d3c6a52-7c1e-4a57-8f4c-0a4a5a0b7f11".to_owned(),
        }),
        ..ContainerName::default()
    })
}

/// A container nobody has described yet.
pub(crate) fn nameless() -> ContainerRef {
    Arc::new(ContainerName { id: "0123456789abcdef".repeat(4), ..ContainerName::default() })
}

pub(crate) fn party(comm: &str, pid: u32, ns_pid: u32) -> Party {
    Party {
        pid,
        tid: pid,
        ns_pid: Some(ns_pid),
        start: u64::from(pid) * 1000,
        comm: Comm::from(comm),
        is_init: ns_pid == 1,
        ppid: None,
        container: Some(container()),
    }
}

pub(crate) fn outsider(comm: &str, pid: u32) -> Party {
    Party { ns_pid: Some(pid), container: None, ..party(comm, pid, pid) }
}

/// A process of which next to nothing is known, with a hostile name.
pub(crate) fn stranger() -> Party {
    Party {
        pid: 666,
        tid: 666,
        ns_pid: None,
        start: 0,
        comm: Comm::new(HOSTILE),
        is_init: false,
        ppid: None,
        container: None,
    }
}

pub(crate) fn runc() -> Sender {
    Sender { party: outsider("runc", 900), role: Role::Runtime, ancestors: shim() }
}

pub(crate) fn shim() -> Vec<Ancestor> {
    vec![Ancestor { pid: 800, comm: Comm::from("containerd-shim") }, Ancestor { pid: 700, comm: Comm::from("systemd") }]
}

pub(crate) fn exited(code: u32) -> ExitStatus {
    ExitStatus { raw: code << 8 }
}

pub(crate) fn killed_by(signal: Signal) -> ExitStatus {
    ExitStatus { raw: u32::from(signal.number()) }
}

pub(crate) fn signal_news() -> SignalNews {
    SignalNews {
        signal: Signal::TERM,
        result: SendResult::Ignored,
        outcome: Outcome::Dropped,
        code: 0,
        sender: outsider("runc", 900),
        role: Role::Runtime,
        ancestors: shim(),
        target: party("sh", 4123, 1),
        handler: Handler::Default,
        mask: SignalSet(0),
        caught: Some([Signal::CHLD].into_iter().collect()),
        container: Some(container()),
    }
}

pub(crate) fn received(signal: Signal, at: BootNs, sender: &Sender, outcome: Outcome) -> Received {
    Received { signal, at, sender: sender.party.clone(), role: sender.role, outcome, taken: false }
}

pub(crate) fn process(party: Party, depth: Option<u32>, received: Vec<Received>) -> TerminationProcess {
    TerminationProcess { process: party, depth, received, exit: None, exited: None }
}

impl TerminationProcess {
    pub(crate) fn ends(self, at: BootNs, status: ExitStatus) -> Self {
        Self { exit: Some(status), exited: Some(at), ..self }
    }
}

/// `docker stop` or `kubectl delete` of `sh -c 'sleep …'`: dropped, 30 s of nothing, SIGKILL.
pub(crate) fn dropped() -> Termination {
    let killed = killed_by(Signal::KILL);
    let init = Sender { party: party("sh", 4123, 1), role: Role::Inside, ancestors: Vec::new() };
    Termination {
        container: container(),
        verdict: Verdict::SigtermDropped,
        cause: Some(Cause::NoHandler),
        certain: true,
        stop_signal: Some(Signal::TERM),
        outcome: Some(Outcome::Dropped),
        taken: false,
        sender: Some(runc()),
        kill: Some(Kill { at: after(30_013), sender: runc() }),
        started: after(0),
        pod_started: None,
        deletion: None,
        owner: None,
        exited: Some(after(30_014)),
        ended: Some(after(30_026)),
        grace: Grace { budget_ms: Some(30_000), source: Some("cri".to_owned()), used_ms: 30_014, since: after(0) },
        exit: Some(killed),
        processes: vec![
            process(
                party("sh", 4123, 1),
                Some(0),
                vec![
                    received(Signal::TERM, after(0), &runc(), Outcome::Dropped),
                    received(Signal::KILL, after(30_013), &runc(), Outcome::Default),
                ],
            )
            .ends(after(30_014), killed),
            process(
                party("sleep", 4130, 7),
                Some(1),
                vec![received(Signal::KILL, after(30_015), &init, Outcome::Default)],
            )
            .ends(after(30_016), killed),
        ],
        pre_stop: None,
        hints: Vec::new(),
        explanation: "sh is PID 1 of the container and has no handler for SIGTERM, so the kernel dropped it. \
                      Nothing happened for 30.0 s, then runc sent SIGKILL."
            .to_owned(),
        fix: Some(
            "Start the program in exec form, so that it is PID 1 itself: ENTRYPOINT [\"/app\"] instead of \
             ENTRYPOINT /app.\nOr run an init that forwards signals: docker run --init, or tini in the image."
                .to_owned(),
        ),
    }
}

/// nginx with two workers, all stopped in order.
pub(crate) fn graceful() -> Termination {
    let master = Sender { party: party("nginx", 4123, 1), role: Role::Inside, ancestors: Vec::new() };
    let worker = |pid, ns_pid| {
        process(party("nginx", pid, ns_pid), Some(1), vec![received(Signal::QUIT, after(4), &master, Outcome::Caught)])
            .ends(after(812), exited(0))
    };
    Termination {
        verdict: Verdict::Graceful,
        cause: None,
        stop_signal: Some(Signal::QUIT),
        outcome: Some(Outcome::Caught),
        kill: None,
        exited: Some(after(834)),
        ended: Some(after(850)),
        grace: Grace { budget_ms: Some(30_000), source: Some("cri".to_owned()), used_ms: 834, since: after(0) },
        exit: Some(exited(0)),
        processes: vec![
            process(party("nginx", 4123, 1), Some(0), vec![received(Signal::QUIT, after(0), &runc(), Outcome::Caught)])
                .ends(after(834), exited(0)),
            worker(4130, 20),
            worker(4131, 21),
        ],
        hints: vec![Hint {
            kind: HintKind::TooEarly,
            text: "It exited 0.8 s after SIGQUIT and has no preStop hook: load balancers may still send to it.".into(),
        }],
        explanation: "nginx (PID 1) caught SIGQUIT and exited with code 0 after 0.8 s.".to_owned(),
        fix: None,
        ..dropped()
    }
}

/// npm took it and exited, its children were torn down with the namespace.
pub(crate) fn not_forwarded(children: u32) -> Termination {
    let init = Sender { party: party("npm start", 4123, 1), role: Role::Inside, ancestors: Vec::new() };
    let killed = killed_by(Signal::KILL);
    let mut processes = vec![
        process(party("npm start", 4123, 1), Some(0), vec![received(Signal::TERM, after(0), &runc(), Outcome::Caught)])
            .ends(after(2_310), exited(143)),
        process(party("sh", 4130, 18), Some(1), vec![received(Signal::KILL, after(2_311), &init, Outcome::Default)])
            .ends(after(2_312), killed),
    ];
    processes.extend((0..children).map(|n| {
        process(
            party("node", 4140 + n, 30 + n),
            Some(2),
            vec![received(Signal::KILL, after(2_311), &init, Outcome::Default)],
        )
        .ends(after(2_313), killed)
    }));
    Termination {
        verdict: Verdict::NotForwarded,
        cause: None,
        outcome: Some(Outcome::Caught),
        kill: None,
        exited: Some(after(2_310)),
        ended: Some(after(2_320)),
        grace: Grace { budget_ms: Some(10_000), source: Some("docker".to_owned()), used_ms: 2_310, since: after(0) },
        exit: Some(exited(143)),
        processes,
        explanation: "npm start (PID 1) took SIGTERM and exited, but node never got it: the kernel killed it when PID 1 was gone.".to_owned(),
        fix: Some("Run node itself as the entrypoint: CMD [\"node\", \"server.js\"].".to_owned()),
        ..dropped()
    }
}

/// A preStop hook that leaves little, then a slow handler, and a shell from an exec beside it.
pub(crate) fn too_slow() -> Termination {
    let killed = killed_by(Signal::KILL);
    Termination {
        verdict: Verdict::TooSlow,
        cause: None,
        outcome: Some(Outcome::Caught),
        grace: Grace { budget_ms: Some(30_000), source: Some("cri".to_owned()), used_ms: 32_050, since: after(0) },
        kill: Some(Kill { at: after(32_040), sender: runc() }),
        exited: Some(after(32_050)),
        ended: Some(after(32_060)),
        exit: Some(killed),
        pre_stop: Some(PreStop {
            kind: HookKind::Exec,
            process: Some(Party { start: after(0).0, ..party("sleep", 4200, 40) }),
            started: after(0),
            ended: Some(after(20_000)),
            exit: Some(exited(0)),
            of_ms: Some(30_000),
            used_ms: 20_000,
        }),
        processes: vec![
            process(
                party("java", 4123, 1),
                Some(0),
                vec![
                    received(Signal::TERM, after(20_040), &runc(), Outcome::Caught),
                    received(Signal::KILL, after(32_040), &runc(), Outcome::Default),
                ],
            )
            .ends(after(32_050), killed),
            process(
                party("bash", 4190, 33),
                None,
                vec![received(Signal::KILL, after(32_045), &runc(), Outcome::Default)],
            )
            .ends(after(32_051), killed),
        ],
        hints: vec![Hint {
            kind: HintKind::LeftBehind,
            text: "bash 4190 was not below PID 1: it came from an exec and got no stop signal.".to_owned(),
        }],
        explanation: "java (PID 1) caught SIGTERM after a preStop hook of 20.0 s and was still running 12.0 s later, when runc sent SIGKILL.".to_owned(),
        fix: Some("Raise terminationGracePeriodSeconds above 32 s, or shorten the preStop hook: it counts against the grace period.".to_owned()),
        ..dropped()
    }
}

/// Blocked and taken by sigwait, as tini does; then the rest follows.
pub(crate) fn taken() -> Termination {
    let tini = Sender { party: party("tini", 4123, 1), role: Role::Inside, ancestors: Vec::new() };
    Termination {
        verdict: Verdict::Graceful,
        cause: None,
        outcome: Some(Outcome::Blocked),
        taken: true,
        kill: None,
        exited: Some(after(5_120)),
        ended: Some(after(5_130)),
        grace: Grace { budget_ms: Some(10_000), source: Some("default".to_owned()), used_ms: 5_120, since: after(0) },
        exit: Some(exited(143)),
        processes: vec![
            process(
                party("tini", 4123, 1),
                Some(0),
                vec![Received { taken: true, ..received(Signal::TERM, after(0), &runc(), Outcome::Blocked) }],
            )
            .ends(after(5_120), exited(143)),
            process(
                party("python3", 4130, 7),
                Some(1),
                vec![received(Signal::TERM, after(1), &tini, Outcome::Default)],
            )
            .ends(after(5_110), killed_by(Signal::TERM)),
        ],
        explanation: "tini (PID 1) took SIGTERM and passed it on; python3 died by it after 5.1 s.".to_owned(),
        fix: None,
        ..dropped()
    }
}

/// Somebody on the host killed it, while events were lost.
pub(crate) fn killed() -> Termination {
    let killer = Sender {
        party: outsider("kill", 999),
        role: Role::Host,
        ancestors: vec![
            Ancestor { pid: 990, comm: Comm::from("bash") },
            Ancestor { pid: 980, comm: Comm::from("cron") },
        ],
    };
    let status = killed_by(Signal::KILL);
    Termination {
        container: nameless(),
        verdict: Verdict::Killed,
        cause: Some(Cause::NeverSignalled),
        certain: false,
        stop_signal: None,
        outcome: None,
        sender: Some(killer.clone()),
        kill: Some(Kill { at: after(0), sender: killer.clone() }),
        exited: Some(after(1)),
        ended: Some(after(2)),
        grace: Grace { budget_ms: None, source: None, used_ms: 1, since: after(0) },
        exit: Some(status),
        processes: vec![
            process(
                party("postgres", 4123, 1),
                Some(0),
                vec![received(Signal::KILL, after(0), &killer, Outcome::Default)],
            )
            .ends(after(1), status),
        ],
        explanation: "A process of the host sent SIGKILL: kill 999, started by bash and cron.".to_owned(),
        fix: None,
        ..dropped()
    }
}

/// An unknown termination full of names from strangers.
pub(crate) fn hostile() -> Termination {
    Termination {
        container: Arc::new(ContainerName {
            id: "\x1b]0;id\x07".to_owned(),
            name: Some("\x1b[31mname\u{202e}".to_owned()),
            pod: Some(PodName { namespace: "n\ns".to_owned(), name: "p\to\rd".to_owned(), uid: String::new() }),
            ..ContainerName::default()
        }),
        certain: false,
        cause: None,
        stop_signal: None,
        outcome: None,
        sender: None,
        kill: None,
        exited: None,
        ended: None,
        grace: Grace::default(),
        exit: None,
        processes: vec![process(stranger(), None, Vec::new())],
        hints: vec![Hint { kind: HintKind::Twice, text: "\x1b[1m bold".to_owned() }],
        explanation: "first\x1b[2J\nsecond\u{9b}".to_owned(),
        fix: Some("run \u{200b}this".to_owned()),
        ..dropped()
    }
}

pub(crate) fn condition() -> Condition {
    Condition {
        kind: ConditionKind::Zombies,
        container: Some(container()),
        explanation: "37 zombies wait for node (PID 1), which does not reap what it adopted; the oldest for 312 s."
            .to_owned(),
        fix: Some("Run an init as PID 1: docker run --init, or shareProcessNamespace: true.".to_owned()),
        figures: vec![
            ("zombies", Figure::Number(37)),
            ("oldest_ms", Figure::Number(312_000)),
            ("parent", Figure::Text("node".to_owned())),
            ("pids_max", Figure::Unknown),
        ],
    }
}

/// What a view writes for `changes`.
pub(crate) fn show<V: View>(view: &mut V, changes: &[Change]) {
    for change in changes {
        view.show(change).expect("a Vec takes everything");
    }
    view.flush().expect("a Vec takes everything");
}

pub(crate) fn terminated(termination: Termination) -> Change {
    Change { at: after(termination.grace.used_ms), news: News::Termination(Arc::new(termination)) }
}
