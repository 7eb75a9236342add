//! Events made by hand, for tests: containers with processes that are told what happens to them.

use std::collections::BTreeMap;

use super::{
    BootNs, CgroupFigures, CgroupFound, CgroupGone, CgroupId, Comm, Described, Event, Execed, Exited, Forked, Handler,
    Joined, PodName, ProcessSeen, Reaped, SendResult, SignalSent, Task, What,
};
use crate::signal::{Signal, SignalSet};

/// Milliseconds since boot.
pub(crate) fn at(ms: u64) -> BootNs {
    BootNs(ms * 1_000_000)
}

/// A container made by hand: its cgroup is `number`, its first process has the pid `number * 100`.
#[derive(Clone, Copy)]
pub(crate) struct Made {
    pub(crate) number: u32,
}

impl Made {
    pub(crate) fn id(self) -> String {
        format!("{:064x}", u64::from(self.number) * 0x1234_5678_9abc)
    }

    /// The host's side, which every container shares.
    pub(crate) fn runc() -> Task {
        Task { pid: 90, tid: 90, ns_pid: 90, start: 1, cgroup: CgroupId(1), comm: Comm::from("runc"), flags: 0 }
    }

    /// A process of it by its pid in the container.
    pub(crate) fn task(self, ns_pid: u32, comm: &str) -> Task {
        let pid = self.number * 100_000 + ns_pid;
        let flags =
            if ns_pid == 1 { tracer_common::task_flags::INIT | tracer_common::task_flags::UNKILLABLE } else { 0 };
        let cgroup = CgroupId(u64::from(self.number));
        Task { pid, tid: pid, ns_pid, start: u64::from(pid), cgroup, comm: Comm::from(comm), flags }
    }

    /// It is there, with its name, its pod (`namespace/name`) and its grace period.
    pub(crate) fn found(self, name: &str, pod: Option<&str>, grace_ms: Option<u64>, pid_1: &str) -> Vec<Event> {
        let pod = pod.and_then(|pod| pod.split_once('/')).map(|(namespace, name)| PodName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: format!("uid-of-{name}"),
        });
        let found = CgroupFound {
            cgroup: CgroupId(u64::from(self.number)),
            path: format!("/kubepods/{}", self.id()),
            container: self.id(),
            own: true,
            runtime: "containerd".to_owned(),
            pod_uid: None,
            new: false,
        };
        let described = Described {
            id: self.id(),
            name: Some(name.to_owned()),
            grace_ms,
            grace_source: grace_ms.map(|_| "cri".to_owned()),
            pre_stop: pod.is_some(),
            pid: Some(self.task(1, pid_1).pid),
            labels: BTreeMap::new(),
            pod,
            ..Described::default()
        };
        vec![
            Event(at(1), What::Cgroup(found)),
            Self::seen(1, self.task(1, pid_1), Self::runc()),
            Event(at(1), What::Described(described)),
        ]
    }

    /// A process is there.
    pub(crate) fn seen(ms: u64, task: Task, parent: Task) -> Event {
        let seen = ProcessSeen {
            task,
            parent,
            zombie: None,
            blocked: SignalSet(0),
            pending: SignalSet(0),
            caught: SignalSet(0),
            ignored: SignalSet(0),
            exe: None,
        };
        Event(at(ms), What::Process(seen))
    }
}

/// A process is created.
pub(crate) fn fork(ms: u64, child: Task, parent: Task) -> Event {
    Event(at(ms), What::Fork(Forked { child, parent }))
}

/// A process comes from outside and runs a program.
pub(crate) fn joins(ms: u64, task: Task) -> [Event; 2] {
    let parent = Made::runc();
    let filename = format!("/bin/{}", task.comm);
    [
        Event(at(ms), What::Joined(Joined { task, parent })),
        Event(at(ms), What::Exec(Execed { task, parent, filename, interpreter: None })),
    ]
}

/// A signal is sent.
pub(crate) fn signal(ms: u64, signal: Signal, target: Task, sender: Task, handler: Handler) -> Event {
    let dropped = target.is_init() && handler == Handler::Default && signal != Signal::KILL;
    let sent = SignalSent {
        signal,
        result: if dropped { SendResult::Ignored } else { SendResult::Queued },
        code: if sender.is_init() && signal == Signal::KILL { 128 } else { 0 },
        target,
        sender,
        ancestors: Vec::new(),
        handler,
        sa_flags: 0,
        group: true,
        blocked: false,
        real_blocked: false,
        mask: SignalSet(0),
        caught: None,
        ignored: None,
    };
    Event(at(ms), What::Signal(sent))
}

/// A process exits, with a wait status.
pub(crate) fn exit(ms: u64, task: Task, parent: Task, status: u32) -> Event {
    Event(at(ms), What::Exit(Exited { task, parent, status, autoreap: false, pending: SignalSet(0) }))
}

/// A process is reaped.
pub(crate) fn reaped(ms: u64, task: Task) -> Event {
    Event(at(ms), What::Reaped(Reaped { task }))
}

/// The cgroup is removed.
pub(crate) fn gone(ms: u64, made: Made) -> Event {
    Event(at(ms), What::CgroupGone(CgroupGone { cgroup: CgroupId(u64::from(made.number)) }))
}

/// The cgroup's figures.
pub(crate) fn figures(ms: u64, made: Made, current: u64, max: Option<u64>) -> Event {
    let cgroup = CgroupId(u64::from(made.number));
    Event(at(ms), What::CgroupFigures(CgroupFigures { cgroup, pids_current: Some(current), pids_max: max }))
}
