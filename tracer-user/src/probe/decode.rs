//! From the bytes of a record to an [`Event`]: length and kind are checked, then fields are read one by one in the
//! order of their definition in `tracer-common`. Pure.

use bytes::Buf;
use thiserror::Error;
use tracer_common::{
    ANCESTORS, ActionsRecord, CGROUP_PATH_LEN, COMM_LEN, CgroupRecord, DeliverRecord, ExecRecord, ExitRecord,
    FILENAME_LEN, ForeignSignalRecord, ForkRecord, FreeRecord, JoinRecord, OomRecord, SignalRecord, TaskRecord,
    ThreadRecord, cgroup_flags, exit_flags, handler, kind, signal_info, task_flags,
};

use crate::event::{
    Ancestor, BootNs, CgroupGone, CgroupId, Comm, Delivered, Event, Execed, Exited, Forked, Handler, Joined, OomVictim,
    ProcessSeen, Reaped, SendResult, SignalSent, Task, What,
};
use crate::printable;
use crate::signal::{Signal, SignalSet};

/// One thing the ring brought.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all are events, handed on at once and never stored")]
pub enum Record {
    /// Something for the model as it is.
    Event(Event),
    /// A cgroup was made: the container layer decides what it is.
    CgroupMade(BootNs, CgroupMade),
}

impl Record {
    /// When it was written.
    #[must_use]
    pub const fn at(&self) -> BootNs {
        match self {
            Self::Event(Event(at, _)) | Self::CgroupMade(at, _) => *at,
        }
    }
}

/// A cgroup was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupMade {
    /// The new one.
    pub id: CgroupId,
    /// Where it was made; 0 when that could not be read.
    pub parent: CgroupId,
    /// Path from the root of its hierarchy. Not for a terminal as it is.
    pub path: String,
    /// The path was too long and lacks its end.
    pub path_cut: bool,
    /// Tracked for good, since its parent was.
    pub inherited: bool,
    /// Tracked until [`super::Probe::confirm`] or [`super::Probe::untrack`] decides.
    pub on_trial: bool,
}

/// One process of the snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskSeen {
    /// When it was seen.
    pub time: BootNs,
    /// The process.
    pub process: ProcessSeen,
    /// Its cgroup in the v2 hierarchy.
    pub cgroup_v2: CgroupId,
    /// Its cgroup in the chosen v1 hierarchy, 0 if there is none.
    pub cgroup_v1: CgroupId,
    /// It is on its way out: none of its threads lives, and it is no zombie yet. Its exit has been told, or will be (before
    /// 6.16 the kernel tells it somewhat later).
    pub ending: bool,
}

/// Why a record could not be decoded.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Its length is not that of its kind.
    #[error("a record of kind {kind} has {found} bytes instead of {expected}")]
    Length {
        /// Its kind.
        kind: u16,
        /// Its length, bytes.
        found: usize,
        /// What it should be.
        expected: usize,
    },
    /// No such kind.
    #[error("a record is of the unknown kind {kind}")]
    Kind {
        /// The kind.
        kind: u16,
    },
    /// A field holds what it cannot hold.
    #[error("a record of kind {kind} has {value} as its {field}")]
    Value {
        /// Its kind.
        kind: u16,
        /// The field.
        field: &'static str,
        /// What it holds.
        value: u64,
    },
}

/// `EXIT_DEAD`: reaped, and about to vanish.
const EXIT_DEAD: u32 = 0x10;
/// `EXIT_ZOMBIE`: dead, and not reaped. Together with [`EXIT_DEAD`] it is `EXIT_TRACE`, a zombie whose tracer waits.
const EXIT_ZOMBIE: u32 = 0x20;

/// Decodes one item of the ring.
///
/// # Errors
/// When it is none.
pub(super) fn record(bytes: &[u8]) -> Result<Record, DecodeError> {
    let (time, kind, mut rest) = header(bytes)?;
    let what = match kind {
        kind::SIGNAL => What::Signal(signal(kind, &mut rest)?),
        kind::FOREIGN_SIGNAL => {
            let sent = signal(kind, &mut rest)?;
            What::Signal(SignalSent { ancestors: ancestors(&mut rest), ..sent })
        }
        kind::DELIVER => What::Deliver(deliver(kind, &mut rest)?),
        kind::EXIT => What::Exit(exit(&mut rest)),
        kind::FORK => What::Fork(Forked { child: task(&mut rest), parent: task(&mut rest) }),
        kind::EXEC => What::Exec(Execed {
            task: task(&mut rest),
            parent: task(&mut rest),
            filename: filename(&mut rest).unwrap_or_default(),
            interpreter: filename(&mut rest),
        }),
        kind::FREE => What::Reaped(Reaped { task: task(&mut rest) }),
        kind::JOIN => What::Joined(Joined { task: task(&mut rest), parent: task(&mut rest) }),
        kind::OOM => What::OomVictim(oom(&mut rest)),
        kind::CGROUP_MKDIR => return Ok(Record::CgroupMade(time, cgroup(kind, &mut rest)?)),
        kind::CGROUP_RMDIR => What::CgroupGone(CgroupGone { cgroup: cgroup(kind, &mut rest)?.id }),
        kind => return Err(DecodeError::Kind { kind }),
    };
    Ok(Record::Event(Event(time, what)))
}

/// Decodes all that the task iterator wrote. Whoever is reaped already is left out.
///
/// # Errors
/// When one of them is no [`TaskRecord`].
pub(super) fn tasks(bytes: &[u8]) -> Result<Vec<TaskSeen>, DecodeError> {
    bytes.chunks(size_of::<TaskRecord>()).filter_map(|bytes| task_seen(bytes).transpose()).collect()
}

/// `None` for a process that is reaped.
fn task_seen(bytes: &[u8]) -> Result<Option<TaskSeen>, DecodeError> {
    let (time, kind, mut rest) = header(bytes)?;
    if kind != kind::TASK {
        return Err(DecodeError::Kind { kind });
    }
    let rest = &mut rest;
    let (task, parent) = (task(rest), task(rest));
    let (cgroup_v2, cgroup_v1) = (CgroupId(rest.get_u64_ne()), CgroupId(rest.get_u64_ne()));
    let (exit_state, status) = (rest.get_u32_ne(), rest.get_u32_ne());
    let (live, _pad) = (rest.get_u32_ne(), rest.get_u32_ne());
    if exit_state & EXIT_DEAD != 0 && exit_state & EXIT_ZOMBIE == 0 {
        return Ok(None);
    }
    // a leader that exited before its threads is a zombie by itself, and its process lives
    let zombie = exit_state & EXIT_ZOMBIE != 0 && live == 0;
    let process = ProcessSeen {
        task,
        parent,
        zombie: zombie.then_some(status),
        blocked: SignalSet(rest.get_u64_ne()),
        pending: SignalSet(rest.get_u64_ne()),
        caught: SignalSet(rest.get_u64_ne()),
        ignored: SignalSet(rest.get_u64_ne()),
        exe: None,
    };
    Ok(Some(TaskSeen { time, process, cgroup_v2, cgroup_v1, ending: live == 0 && !zombie }))
}

/// Length of the records of a kind.
const fn length(kind: u16) -> Option<usize> {
    Some(match kind {
        kind::SIGNAL => size_of::<SignalRecord>(),
        kind::FOREIGN_SIGNAL => size_of::<ForeignSignalRecord>(),
        kind::DELIVER => size_of::<DeliverRecord>(),
        kind::EXIT => size_of::<ExitRecord>(),
        kind::FORK => size_of::<ForkRecord>(),
        kind::EXEC => size_of::<ExecRecord>(),
        kind::FREE => size_of::<FreeRecord>(),
        kind::CGROUP_MKDIR | kind::CGROUP_RMDIR => size_of::<CgroupRecord>(),
        kind::JOIN => size_of::<JoinRecord>(),
        kind::OOM => size_of::<OomRecord>(),
        kind::TASK => size_of::<TaskRecord>(),
        kind::THREAD => size_of::<ThreadRecord>(),
        kind::ACTIONS => size_of::<ActionsRecord>(),
        _ => return None,
    })
}

/// Checks the length against the kind, so that reading the fields cannot run out of bytes.
pub(super) fn header(bytes: &[u8]) -> Result<(BootNs, u16, &[u8]), DecodeError> {
    const HEADER: usize = size_of::<tracer_common::Header>();
    let found = bytes.len();
    let mut rest = bytes;
    if found < HEADER {
        return Err(DecodeError::Length { kind: 0, found, expected: HEADER });
    }
    let (time, kind, _cpu, len) = (rest.get_u64_ne(), rest.get_u16_ne(), rest.get_u16_ne(), rest.get_u32_ne());
    let expected = length(kind).ok_or(DecodeError::Kind { kind })?;
    if found != expected || usize::try_from(len) != Ok(expected) {
        return Err(DecodeError::Length { kind, found, expected });
    }
    Ok((BootNs(time), kind, rest))
}

fn array<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let mut array = [0; N];
    bytes.copy_to_slice(&mut array);
    array
}

fn filename(bytes: &mut &[u8]) -> Option<String> {
    let name = array::<FILENAME_LEN>(bytes);
    let name = until_nul(&name);
    (!name.is_empty()).then(|| printable::bytes(name).to_string())
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or(bytes)
}

fn task(bytes: &mut &[u8]) -> Task {
    let (pid, tid) = (bytes.get_u32_ne(), bytes.get_u32_ne());
    let (ns_pid, flags) = (bytes.get_u32_ne(), bytes.get_u32_ne());
    let (start, cgroup) = (bytes.get_u64_ne(), CgroupId(bytes.get_u64_ne()));
    Task { pid, tid, ns_pid, start, cgroup, comm: Comm::new(array::<COMM_LEN>(bytes)), flags }
}

fn signal_number(kind: u16, number: u32) -> Result<Signal, DecodeError> {
    Signal::new(number).ok_or(DecodeError::Value { kind, field: "signal", value: number.into() })
}

/// `TRACE_SIGNAL_*`
fn send_result(kind: u16, number: u8) -> Result<SendResult, DecodeError> {
    Ok(match number {
        0 => SendResult::Queued,
        1 => SendResult::Ignored,
        2 => SendResult::AlreadyPending,
        3 => SendResult::Overflow,
        4 => SendResult::InfoLost,
        _ => return Err(DecodeError::Value { kind, field: "result", value: number.into() }),
    })
}

fn disposition(kind: u16, number: u8) -> Result<Handler, DecodeError> {
    Ok(match number {
        handler::DEFAULT => Handler::Default,
        handler::IGNORE => Handler::Ignore,
        handler::FUNCTION => Handler::Function,
        handler::UNKNOWN => Handler::Unknown,
        _ => return Err(DecodeError::Value { kind, field: "handler", value: number.into() }),
    })
}

fn signal(kind: u16, bytes: &mut &[u8]) -> Result<SignalSent, DecodeError> {
    let (target, sender) = (task(bytes), task(bytes));
    let signal = signal_number(kind, bytes.get_u32_ne())?;
    let (code, sa_flags) = (bytes.get_i32_ne(), bytes.get_u32_ne());
    let result = send_result(kind, bytes.get_u8())?;
    let handler = disposition(kind, bytes.get_u8())?;
    let (group, info) = (bytes.get_u8() != 0, bytes.get_u8());
    let has = |bit| info & bit != 0;
    let mask = SignalSet(bytes.get_u64_ne());
    let (caught, ignored) = (SignalSet(bytes.get_u64_ne()), SignalSet(bytes.get_u64_ne()));
    let masks = has(signal_info::MASKS);
    Ok(SignalSent {
        signal,
        result,
        code,
        target,
        sender,
        ancestors: Vec::new(),
        handler,
        sa_flags,
        group,
        blocked: has(signal_info::BLOCKED),
        real_blocked: has(signal_info::REAL_BLOCKED),
        mask,
        caught: masks.then_some(caught),
        ignored: masks.then_some(ignored),
    })
}

fn ancestors(bytes: &mut &[u8]) -> Vec<Ancestor> {
    let read = |_| Ancestor { pid: bytes.get_u32_ne(), comm: Comm::new(array::<COMM_LEN>(bytes)) };
    (0..ANCESTORS).map(read).take_while(|ancestor| ancestor.pid != 0).collect()
}

fn deliver(kind: u16, bytes: &mut &[u8]) -> Result<Delivered, DecodeError> {
    let target = task(bytes);
    let signal = signal_number(kind, bytes.get_u32_ne())?;
    let (code, sa_flags) = (bytes.get_i32_ne(), bytes.get_u32_ne());
    Ok(Delivered { signal, code, target, handler: disposition(kind, bytes.get_u8())?, sa_flags })
}

fn exit(bytes: &mut &[u8]) -> Exited {
    let (task, parent) = (task(bytes), task(bytes));
    let (status, flags) = (bytes.get_u32_ne(), bytes.get_u32_ne());
    let autoreap = flags & exit_flags::AUTOREAP != 0;
    Exited { task, parent, status, autoreap, pending: SignalSet(bytes.get_u64_ne()) }
}

fn oom(bytes: &mut &[u8]) -> OomVictim {
    let task = task(bytes);
    // before 6.8 the kernel tells the pid alone, and the record says that the rest is missing
    let known = !(task.has(task_flags::INCOMPLETE) && task.start == 0);
    OomVictim { pid: task.pid, task: known.then_some(task) }
}

fn cgroup(kind: u16, bytes: &mut &[u8]) -> Result<CgroupMade, DecodeError> {
    let (id, parent) = (CgroupId(bytes.get_u64_ne()), CgroupId(bytes.get_u64_ne()));
    let (flags, len) = (bytes.get_u32_ne(), bytes.get_u32_ne());
    let path = array::<CGROUP_PATH_LEN>(bytes);
    let path = usize::try_from(len).ok().and_then(|len| path.get(..len)).ok_or(DecodeError::Value {
        kind,
        field: "path length",
        value: len.into(),
    })?;
    Ok(CgroupMade {
        id,
        parent,
        path: String::from_utf8_lossy(path).into_owned(),
        path_cut: flags & cgroup_flags::PATH_CUT != 0,
        inherited: flags & cgroup_flags::INHERITED != 0,
        on_trial: flags & cgroup_flags::ON_TRIAL != 0,
    })
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
