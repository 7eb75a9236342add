//! Bytes in, events out.

use tracer_common::{Header, TaskRef};

use super::*;

/// Puts records together as the kernel programs do.
#[derive(Default)]
struct Wire(Vec<u8>);

impl Wire {
    fn record(kind: u16) -> Self {
        let len = u32::try_from(length(kind).unwrap()).unwrap();
        Self::default().u64(77).u16(kind).u16(3).u32(len)
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn u64(self, value: u64) -> Self {
        self.bytes(&value.to_ne_bytes())
    }

    fn u32(self, value: u32) -> Self {
        self.bytes(&value.to_ne_bytes())
    }

    fn u16(self, value: u16) -> Self {
        self.bytes(&value.to_ne_bytes())
    }

    fn task(self, pid: u32, comm: &str) -> Self {
        let mut name = [0; COMM_LEN];
        name[..comm.len()].copy_from_slice(comm.as_bytes());
        self.u32(pid).u32(pid + 1).u32(1).u32(task_flags::INIT).u64(500).u64(9).bytes(&name)
    }

    fn signal(kind: u16, number: u32, result: u8, handler: u8) -> Self {
        let info = signal_info::BLOCKED | signal_info::MASKS;
        Self::record(kind)
            .task(10, "target")
            .task(20, "sender")
            .u32(number)
            .u32(u32::MAX)
            .u32(5)
            .bytes(&[result, handler, 1, info])
            .u64(1 << 14)
            .u64(2)
            .u64(4)
    }

    fn padded(mut self) -> Vec<u8> {
        let kind = u16::from_ne_bytes(self.0[8..10].try_into().unwrap());
        self.0.resize(length(kind).unwrap(), 0);
        self.0
    }
}

fn event(wire: Wire) -> What {
    match record(&wire.padded()) {
        Ok(Record::Event(Event(BootNs(77), what))) => what,
        other => panic!("{other:?}"),
    }
}

fn task_of(pid: u32, comm: &str) -> Task {
    Task { pid, tid: pid + 1, ns_pid: 1, start: 500, cgroup: CgroupId(9), comm: comm.into(), flags: task_flags::INIT }
}

#[test]
fn a_signal_with_all_its_fields() {
    let expected = SignalSent {
        signal: Signal::TERM,
        result: SendResult::Ignored,
        code: -1,
        target: task_of(10, "target"),
        sender: task_of(20, "sender"),
        ancestors: Vec::new(),
        handler: Handler::Default,
        sa_flags: 5,
        group: true,
        blocked: true,
        real_blocked: false,
        mask: SignalSet(1 << 14),
        caught: Some(SignalSet(2)),
        ignored: Some(SignalSet(4)),
    };
    assert_eq!(event(Wire::signal(kind::SIGNAL, 15, 1, handler::DEFAULT)), What::Signal(expected.clone()));
    let mut shim = [0; COMM_LEN];
    shim[..4].copy_from_slice(b"shim");
    let foreign = Wire::signal(kind::FOREIGN_SIGNAL, 15, 1, handler::DEFAULT).u32(30).bytes(&shim);
    let ancestors = vec![Ancestor { pid: 30, comm: "shim".into() }];
    assert_eq!(event(foreign), What::Signal(SignalSent { ancestors, ..expected }));
}

#[test]
fn the_life_of_a_process() {
    let (task, parent) = (task_of(10, "a"), task_of(20, "b"));
    let two = |kind| Wire::record(kind).task(10, "a").task(20, "b");
    assert_eq!(event(two(kind::FORK)), What::Fork(Forked { child: task, parent }));
    assert_eq!(event(two(kind::JOIN)), What::Joined(Joined { task, parent }));
    let execed = |filename: &str, interpreter: Option<&str>| {
        let interpreter = interpreter.map(str::to_owned);
        What::Exec(Execed { task, parent, filename: filename.to_owned(), interpreter })
    };
    assert_eq!(event(two(kind::EXEC).bytes(b"/bin/\x1b[2J\0junk")), execed("/bin/\\x1b[2J", None));
    let mut file = [0; FILENAME_LEN];
    file[..7].copy_from_slice(b"/run.sh");
    assert_eq!(event(two(kind::EXEC).bytes(&file).bytes(b"/bin/sh\0junk")), execed("/run.sh", Some("/bin/sh")));
    assert_eq!(
        event(two(kind::EXIT).u32(143 << 8).u32(exit_flags::AUTOREAP).u64(1)),
        What::Exit(Exited { task, parent, status: 143 << 8, autoreap: true, pending: SignalSet(1) })
    );
    assert_eq!(event(Wire::record(kind::FREE).task(10, "a")), What::Reaped(Reaped { task }));
}

#[test]
fn an_oom_victim_with_and_without_its_task() {
    let known = What::OomVictim(OomVictim { pid: 10, task: Some(task_of(10, "a")) });
    assert_eq!(event(Wire::record(kind::OOM).task(10, "a")), known);
    let bare = Wire::record(kind::OOM).u32(10).u32(0).u32(0).u32(task_flags::INCOMPLETE);
    assert_eq!(event(bare), What::OomVictim(OomVictim { pid: 10, task: None }));
}

#[test]
fn cgroups_come_and_go() {
    let wire = |kind, len| {
        Wire::record(kind)
            .u64(7)
            .u64(6)
            .u32(cgroup_flags::ON_TRIAL | cgroup_flags::PATH_CUT)
            .u32(len)
            .bytes(b"/a/b\xff")
    };
    let made = CgroupMade {
        id: CgroupId(7),
        parent: CgroupId(6),
        path: "/a/b\u{fffd}".to_owned(),
        path_cut: true,
        inherited: false,
        on_trial: true,
    };
    assert_eq!(record(&wire(kind::CGROUP_MKDIR, 5).padded()), Ok(Record::CgroupMade(BootNs(77), made)));
    assert_eq!(event(wire(kind::CGROUP_RMDIR, 5)), What::CgroupGone(CgroupGone { cgroup: CgroupId(7) }));
    let value = u64::from(u32::MAX);
    assert_eq!(
        record(&wire(kind::CGROUP_MKDIR, u32::MAX).padded()),
        Err(DecodeError::Value { kind: kind::CGROUP_MKDIR, field: "path length", value })
    );
}

#[test]
fn the_snapshot() {
    let one = |exit_state, live| {
        Wire::record(kind::TASK)
            .task(10, "a")
            .task(20, "b")
            .u64(3)
            .u64(4)
            .u32(exit_state)
            .u32(9)
            .u32(live)
            .u32(0)
            .u64(1)
            .u64(2)
            .u64(3)
            .u64(4)
            .0
    };
    let seen = tasks(&[one(0, 1), one(EXIT_ZOMBIE, 0)].concat()).unwrap();
    assert_eq!(seen.len(), 2);
    assert_eq!((seen[0].process.zombie, seen[1].process.zombie), (None, Some(9)));
    assert_eq!((seen[0].cgroup_v2, seen[0].cgroup_v1), (CgroupId(3), CgroupId(4)));
    assert_eq!((seen[0].process.blocked, seen[0].process.ignored), (SignalSet(1), SignalSet(4)));
    // the leader is gone and its threads are not; on its way out; reaped; a zombie that is traced
    let states = [(EXIT_ZOMBIE, 2), (0, 0), (EXIT_DEAD, 0), (EXIT_DEAD, 1), (EXIT_DEAD | EXIT_ZOMBIE, 0)];
    let bytes: Vec<_> = states.iter().flat_map(|&(exit_state, live)| one(exit_state, live)).collect();
    let told: Vec<_> = tasks(&bytes).unwrap().iter().map(|seen| (seen.process.zombie, seen.ending)).collect();
    assert_eq!(told, [(None, false), (None, true), (Some(9), false)]);
    let expected = size_of::<TaskRecord>();
    assert_eq!(tasks(&one(0, 1)[..100]), Err(DecodeError::Length { kind: kind::TASK, found: 100, expected }));
    assert_eq!(tasks(&[]), Ok(Vec::new()));
    assert_eq!(tasks(&Wire::record(kind::FREE).padded()), Err(DecodeError::Kind { kind: kind::FREE }));
}

#[test]
fn what_is_no_record_is_refused() {
    let value = |field, value| Err(DecodeError::Value { kind: kind::SIGNAL, field, value });
    let signal = |number, result, handler| record(&Wire::signal(kind::SIGNAL, number, result, handler).padded());
    assert_eq!(signal(0, 0, 0), value("signal", 0));
    assert_eq!(signal(65, 0, 0), value("signal", 65));
    assert_eq!(signal(15, 5, 0), value("result", 5));
    assert_eq!(signal(15, 0, 3), value("handler", 3));
    assert!(signal(15, 0, handler::UNKNOWN).is_ok());
    assert_eq!(record(&[]), Err(DecodeError::Length { kind: 0, found: 0, expected: size_of::<Header>() }));
    let unknown = Wire::default().u64(1).u16(999).u16(0).u32(16).0;
    assert_eq!(record(&unknown), Err(DecodeError::Kind { kind: 999 }));
    assert_eq!(record(&Wire::record(kind::TASK).padded()), Err(DecodeError::Kind { kind: kind::TASK }));
}

#[test]
fn every_kind_is_refused_at_every_other_length() {
    // Miri takes a minute for all of them
    let step = if cfg!(miri) { 53 } else { 1 };
    for kind in 0..=100 {
        let Some(len) = length(kind) else { continue };
        let good = Wire::record(kind).padded();
        for found in (0..len).step_by(step).chain([len - 1, len + 1, len + 8]) {
            let mut bytes = good.clone();
            bytes.resize(found, 0);
            assert!(matches!(record(&bytes), Err(DecodeError::Length { .. })), "kind {kind}, {found} bytes");
        }
        // the length within must agree as well
        let mut bytes = good;
        bytes[12] ^= 1;
        assert!(matches!(record(&bytes), Err(DecodeError::Length { .. })), "kind {kind}");
    }
    assert_eq!(size_of::<TaskRef>(), 48);
}
