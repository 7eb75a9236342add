//! Events made up from nothing: few pids, few cgroups and few containers, so that they meet, and numbers at their edges.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::{Event, Execed, Handler, Signal, Task, What};
use crate::event::{
    Ancestor, BootNs, CgroupFigures, CgroupFound, CgroupGone, CgroupId, Comm, Counted, Deletion, Delivered, Described,
    Dismissed, Exited, Foreseen, Foresight, Forked, Hook, Joined, Lost, OomVictim, Owner, PendingSeen, PidNamespace,
    PodName, PodTold, ProcessSeen, Reaped, SendResult, SignalSent, StateSeen, TaskKey,
};
use crate::output::fixtures::HOSTILE;
use crate::signal::SignalSet;

const HOSTILE_TEXT: &str = "\x1b[2J\u{202e}\n\0\u{9b}31m\"},{";

/// Times as they come: a little later each, an hour later, earlier; now and then at the edge of what there is.
pub(super) fn moment() -> impl Strategy<Value = BootNs> {
    prop_oneof![
        40 => (0..200_000_u64).prop_map(|ms| BootNs(ms * 1_000_000)),
        4 => (0..100_000_000_u64).prop_map(|ms| BootNs(ms * 1_000_000)),
        1 => select(vec![0, 1, u64::MAX, u64::MAX - 1, 1 << 63]).prop_map(BootNs),
    ]
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..200_u64, 2 => 0..100_000_u64, 1 => select(vec![u64::MAX, u64::MAX / 2, 1 << 32])]
}

fn cgroup() -> impl Strategy<Value = CgroupId> {
    prop_oneof![6 => 0..5_u64, 1 => (1..4_u64).prop_map(|id| id | tracer_common::CGROUP_V1)].prop_map(CgroupId)
}

fn comm() -> impl Strategy<Value = Comm> {
    let names = ["sh", "node", "runc", "runc:[2:INIT]", "pause", "kubelet", "tini", "containerd-shim", "java"];
    prop_oneof![4 => select(names.to_vec()).prop_map(Comm::from), 1 => Just(Comm::new(HOSTILE)), 1 => Just(Comm::default())]
}

fn task() -> impl Strategy<Value = Task> {
    let flags = prop_oneof![Just(0), Just(tracer_common::task_flags::INIT), 0..256_u32];
    (0..7_u32, 0..3_u32, 0..3_u64, cgroup(), comm(), flags).prop_map(|(pid, ns_pid, start, cgroup, comm, flags)| Task {
        pid,
        tid: pid,
        ns_pid,
        start,
        cgroup,
        comm,
        flags,
    })
}

fn key() -> impl Strategy<Value = TaskKey> {
    (0..7_u32, 0..3_u64).prop_map(|(pid, start)| TaskKey { pid, start })
}

fn signal() -> impl Strategy<Value = Signal> {
    let likely = [Signal::TERM, Signal::KILL, Signal::QUIT, Signal::CHLD, Signal::SEGV, Signal::WINCH];
    let any = (1..=64_u32).prop_filter_map("there is such a signal", Signal::new);
    prop_oneof![4 => select(likely.to_vec()), 1 => any]
}

fn signals() -> impl Strategy<Value = SignalSet> {
    prop_oneof![Just(0), Just(1 << 14), any::<u64>()].prop_map(SignalSet)
}

fn handler() -> impl Strategy<Value = Handler> {
    select(vec![Handler::Default, Handler::Ignore, Handler::Function, Handler::Unknown])
}

fn result() -> impl Strategy<Value = SendResult> {
    use SendResult::{AlreadyPending, Ignored, InfoLost, Overflow, Queued};
    select(vec![Queued, Queued, Ignored, AlreadyPending, Overflow, InfoLost])
}

fn text() -> impl Strategy<Value = String> {
    let names = ["app", "/bin/sh", "", "docker", "cri", "/pause", "runc", HOSTILE_TEXT, "nginx", "process", "cgroup"];
    select(names.to_vec()).prop_map(str::to_owned)
}

fn container() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "c", "pid-1", "pid-2", HOSTILE_TEXT]).prop_map(str::to_owned)
}

fn pod() -> impl Strategy<Value = PodName> {
    (text(), text(), select(vec!["one", "two", ""])).prop_map(|(namespace, name, uid)| PodName {
        namespace,
        name,
        uid: uid.to_owned(),
    })
}

fn sent() -> impl Strategy<Value = What> {
    let who = (task(), task(), vec((0..9_u32, comm()).prop_map(|(pid, comm)| Ancestor { pid, comm }), 0..3));
    let what = (signal(), result(), select(vec![0, 128, -6, i32::MAX, i32::MIN]), handler(), any::<u32>());
    let masks = (any::<[bool; 3]>(), signals(), option::of(signals()), option::of(signals()));
    (who, what, masks).prop_map(|((target, sender, ancestors), (signal, result, code, handler, sa_flags), masks)| {
        let ([group, blocked, real_blocked], mask, caught, ignored) = masks;
        What::Signal(SignalSent {
            signal,
            result,
            code,
            target,
            sender,
            ancestors,
            handler,
            sa_flags,
            group,
            blocked,
            real_blocked,
            mask,
            caught,
            ignored,
        })
    })
}

fn seen() -> impl Strategy<Value = What> {
    let masks = (signals(), signals(), signals(), signals());
    (task(), task(), option::of(any::<u32>()), masks, option::of(text())).prop_map(
        |(task, parent, zombie, (blocked, pending, caught, ignored), exe)| {
            What::Process(ProcessSeen { task, parent, zombie, blocked, pending, caught, ignored, exe })
        },
    )
}

fn found() -> impl Strategy<Value = What> {
    let runtime = select(vec!["docker", "containerd", "cgroup", "process", ""]).prop_map(str::to_owned);
    let pod = option::of(select(vec!["one", "two", ""]).prop_map(str::to_owned));
    (cgroup(), text(), container(), any::<[bool; 2]>(), runtime, pod).prop_map(
        |(cgroup, path, container, [own, new], runtime, pod_uid)| {
            What::Cgroup(CgroupFound { cgroup, path, container, own, runtime, pod_uid, new })
        },
    )
}

fn hook() -> impl Strategy<Value = Hook> {
    prop_oneof![
        vec(text(), 0..2).prop_map(|command| Hook::Exec { command }),
        Just(Hook::HttpGet),
        Just(Hook::TcpSocket),
        number().prop_map(|seconds| Hook::Sleep { seconds }),
    ]
}

fn described() -> impl Strategy<Value = What> {
    use PidNamespace::{Container, Host, Pod, Target};
    let names = (container(), option::of(text()), option::of(text()), option::of(text()), option::of(pod()));
    let stop = (option::of(signal()), option::of(number()), option::of(text()), any::<[bool; 4]>(), option::of(hook()));
    let labels = option::of(text()).prop_map(|project| {
        let label = |name: &str, value: &str| (format!("com.docker.compose.{name}"), value.to_owned());
        project.map(|project| [label("project", &project), label("service", HOSTILE_TEXT)].into()).unwrap_or_default()
    });
    let rest = (
        option::of(0..7_u32),
        labels,
        vec(text(), 0..3),
        option::of(container()),
        option::of(any::<u32>()),
        option::of(select(vec![Container, Pod, Host, Target])),
        option::of(text()),
    );
    (names, stop, rest).prop_map(|((id, name, image, runtime, pod), stop, rest)| {
        let (stop_signal, grace_ms, grace_source, [pre_stop, init, sandbox, partial], hook) = stop;
        let (pid, labels, command, sandbox_id, restarts, pid_namespace, pod_source) = rest;
        What::Described(Described {
            id,
            name,
            image,
            runtime,
            pid,
            stop_signal,
            grace_ms,
            grace_source,
            pre_stop,
            hook,
            labels,
            pod,
            command,
            init,
            sandbox,
            sandbox_id,
            restarts,
            pid_namespace,
            pod_source,
            partial,
        })
    })
}

fn told() -> impl Strategy<Value = What> {
    let owner = option::of((text(), text()).prop_map(|(kind, name)| Owner { kind, name }));
    let deletion = (moment(), number(), any::<bool>()).prop_map(|(requested, grace_ms, imprecise)| Deletion {
        requested,
        grace_ms,
        imprecise,
    });
    (pod(), owner, option::of(deletion), any::<bool>())
        .prop_map(|(pod, owner, deletion, gone)| What::Pod(PodTold { pod, owner, deletion, gone }))
}

fn foreseen() -> impl Strategy<Value = What> {
    let what = select(vec![Foreseen::Dropped, Foreseen::Caught, Foreseen::Unknown]);
    (key(), signal(), what, text(), option::of(text()), vec(text(), 0..2)).prop_map(
        |(task, signal, foreseen, why, fix, notes)| {
            What::Foreseen(Foresight { task, signal, foreseen, why, fix, notes })
        },
    )
}

/// Losses of any size.
pub(super) fn lost() -> impl Strategy<Value = Lost> {
    (number(), number(), number()).prop_map(|(signal, exit, undecodable)| Lost {
        signal,
        exit,
        undecodable,
        ..Lost::default()
    })
}

/// Anything that may be told, true or not.
pub(super) fn what() -> impl Strategy<Value = What> {
    let exec = (task(), task(), text(), option::of(text()))
        .prop_map(|(task, parent, filename, interpreter)| What::Exec(Execed { task, parent, filename, interpreter }));
    let exit = (task(), task(), any::<u32>(), any::<bool>(), signals()).prop_map(
        |(task, parent, status, autoreap, pending)| What::Exit(Exited { task, parent, status, autoreap, pending }),
    );
    let state = (key(), select(vec!['D', 'X', 'Z', 'T', '\n', 'R']), vec(text(), 0..3))
        .prop_map(|(task, state, stack)| What::State(StateSeen { task, state, stack }));
    let figures =
        (cgroup(), option::of(number()), option::of(number())).prop_map(|(cgroup, pids_current, pids_max)| {
            What::CgroupFigures(CgroupFigures { cgroup, pids_current, pids_max })
        });
    let counted = (cgroup(), number(), number(), number())
        .prop_map(|(cgroup, child, urgent, other)| What::Counted(Counted { cgroup, child, urgent, other }));
    let delivered = (signal(), task(), handler(), any::<u32>()).prop_map(|(signal, target, handler, sa_flags)| {
        What::Deliver(Delivered { signal, code: 0, target, handler, sa_flags })
    });
    prop_oneof![
        6 => sent(),
        2 => delivered,
        6 => exit,
        4 => (task(), task()).prop_map(|(child, parent)| What::Fork(Forked { child, parent })),
        3 => exec,
        3 => task().prop_map(|task| What::Reaped(Reaped { task })),
        2 => (task(), task()).prop_map(|(task, parent)| What::Joined(Joined { task, parent })),
        1 => (0..7_u32, option::of(task())).prop_map(|(pid, task)| What::OomVictim(OomVictim { pid, task })),
        3 => seen(),
        1 => (key(), signals()).prop_map(|(task, pending)| What::Pending(PendingSeen { task, pending })),
        1 => state,
        4 => found(),
        2 => cgroup().prop_map(|cgroup| What::CgroupGone(CgroupGone { cgroup })),
        1 => container().prop_map(|container| What::Dismissed(Dismissed { container })),
        3 => described(),
        1 => told(),
        1 => figures,
        1 => foreseen(),
        1 => counted,
        1 => lost().prop_map(What::Lost),
        1 => Just(What::Tick {}),
    ]
}

/// A stream of such events.
pub(super) fn stream() -> impl Strategy<Value = Vec<Event>> {
    vec((moment(), what()).prop_map(|(at, what)| Event(at, what)), 1..120)
}
