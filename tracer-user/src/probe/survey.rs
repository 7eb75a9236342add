//! One look at every process and thread, with all that decides what would become of a signal. Nothing is attached.

use std::collections::HashMap;

use aya::Ebpf;
use bytes::Buf as _;
use tracer_common::{Action, Header, kind, task_flags};

use super::decode::{self, DecodeError, TaskSeen};
use super::error::ProbeError;
use super::load;
use super::settings::{CgroupV1, Settings};
use crate::event::TaskKey;
use crate::signal::{Signal, SignalSet};

/// Program of the survey.
const THREADS: &str = "iter_thread";
/// The ring is not used: the smallest that every page size allows, bytes.
const NO_RING: u32 = 1 << 16;

/// The loaded iterators. Dropping it leaves nothing in the kernel.
#[derive(Debug)]
pub struct Survey {
    ebpf: Ebpf,
}

/// What one look shows. Its parts are read one after the other: what began or ended in between is in one of them only.
#[derive(Clone, Debug, Default)]
pub struct Surveyed {
    /// Every process, zombies included.
    pub tasks: Vec<TaskSeen>,
    /// The threads of every process, its leader among them.
    pub threads: HashMap<TaskKey, Vec<ThreadSeen>>,
    /// What every process does with its signals; not there for one that has no memory of its own any more.
    pub actions: HashMap<TaskKey, Actions>,
}

/// One thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadSeen {
    /// Host thread id.
    pub tid: u32,
    /// `task->blocked`.
    pub blocked: SignalSet,
    /// `task->real_blocked`.
    pub real_blocked: SignalSet,
    /// Pending for this thread, or for the whole process.
    pub pending: SignalSet,
    /// It has begun to exit.
    pub exiting: bool,
}

/// What a process does with each signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actions(pub [SignalAction; 64]);

/// What a process does with a signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignalAction {
    /// 0 (`SIG_DFL`), 1 (`SIG_IGN`), or the handler's address in the program.
    pub handler: u64,
    /// `sa_flags`.
    pub flags: u64,
}

impl Actions {
    /// What it does with this signal.
    #[must_use]
    pub const fn of(&self, signal: Signal) -> SignalAction {
        self.0[signal.number() as usize - 1]
    }

    /// Signals it has handlers for.
    #[must_use]
    pub fn caught(&self) -> SignalSet {
        self.those(|action| action.handler > 1)
    }

    /// Signals it ignores explicitly.
    #[must_use]
    pub fn ignored(&self) -> SignalSet {
        self.those(|action| action.handler == 1)
    }

    fn those(&self, wanted: impl Fn(SignalAction) -> bool) -> SignalSet {
        (1..=64).filter_map(Signal::new).filter(|&signal| wanted(self.of(signal))).collect()
    }
}

impl Survey {
    /// Loads the iterators, and nothing else.
    ///
    /// # Errors
    /// Whatever hinders it, with what to do.
    pub fn load(cgroup_v1: Option<CgroupV1>) -> Result<Self, ProbeError> {
        let object = load::object(&Settings { ring_bytes: NO_RING, cgroup_v1, ..Settings::default() })?;
        let load::Object { mut ebpf, numbers, .. } = object;
        for name in [load::TASKS, THREADS] {
            load::load_iterator(&mut ebpf, name, &numbers)?;
        }
        Ok(Self { ebpf })
    }

    /// Looks.
    ///
    /// # Errors
    /// When an iterator cannot be read.
    pub fn look(&mut self) -> Result<Surveyed, ProbeError> {
        let tasks = load::tasks(&mut self.ebpf)?;
        let bytes = load::read_iterator(&mut self.ebpf, THREADS)?;
        let mut surveyed = Surveyed { tasks, ..Surveyed::default() };
        take_in(&bytes, &mut surveyed).map_err(|error| ProbeError::Object { what: error.to_string() })?;
        Ok(surveyed)
    }
}

/// How many threads and actions there are in what the thread iterator wrote, if it is that.
pub(super) fn decoded(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut surveyed = Surveyed::default();
    take_in(bytes, &mut surveyed).ok()?;
    Some((surveyed.threads.len(), surveyed.actions.len()))
}

/// Decodes all that the thread iterator wrote.
fn take_in(mut bytes: &[u8], surveyed: &mut Surveyed) -> Result<(), DecodeError> {
    const LENGTH_AT: usize = size_of::<Header>() - size_of::<u32>();
    while !bytes.is_empty() {
        let length = bytes.get(LENGTH_AT..).and_then(|mut rest| rest.try_get_u32_ne().ok()).unwrap_or_default();
        // a length that is none makes the header fail
        let length = usize::try_from(length).unwrap_or(usize::MAX).clamp(1, bytes.len());
        let (record, rest) = bytes.split_at(length);
        bytes = rest;
        let (_, kind, mut fields) = decode::header(record)?;
        match kind {
            kind::THREAD => {
                let (key, thread) = thread(&mut fields);
                surveyed.threads.entry(key).or_default().push(thread);
            }
            kind::ACTIONS => {
                let (key, actions) = actions(&mut fields);
                surveyed.actions.insert(key, actions);
            }
            kind => return Err(DecodeError::Kind { kind }),
        }
    }
    Ok(())
}

fn thread(fields: &mut &[u8]) -> (TaskKey, ThreadSeen) {
    let (pid, tid, start) = (fields.get_u32_ne(), fields.get_u32_ne(), fields.get_u64_ne());
    let (blocked, real_blocked) = (SignalSet(fields.get_u64_ne()), SignalSet(fields.get_u64_ne()));
    let pending = SignalSet(fields.get_u64_ne() | fields.get_u64_ne());
    let exiting = fields.get_u32_ne() & (task_flags::EXITING | task_flags::GROUP_EXIT) != 0;
    (TaskKey { pid, start }, ThreadSeen { tid, blocked, real_blocked, pending, exiting })
}

fn actions(fields: &mut &[u8]) -> (TaskKey, Actions) {
    let (pid, _pad, start) = (fields.get_u32_ne(), fields.get_u32_ne(), fields.get_u64_ne());
    let mut actions = [SignalAction::default(); 64];
    for action in &mut actions {
        let [handler, flags, _restorer, _mask]: Action = std::array::from_fn(|_| fields.get_u64_ne());
        *action = SignalAction { handler, flags };
    }
    (TaskKey { pid, start }, Actions(actions))
}

#[cfg(test)]
#[path = "survey_tests.rs"]
mod tests;
