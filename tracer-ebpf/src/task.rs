//! Describing a task: [`TaskRef`] and what exit and the snapshot need besides.

use tracer_common::{ANCESTORS, Ancestor, TaskRef, handler, task_flags};

use crate::{
    cgroup::Place,
    kernel::{Pointer, at, is_nonzero, is_zero},
    sigaction::{Action, SIGCHLD},
};

/// <https://github.com/torvalds/linux/blob/v6.18/include/linux/sched.h>
const PF_EXITING: u32 = 0x4;
const PF_KTHREAD: u32 = 0x0020_0000;
/// <https://github.com/torvalds/linux/blob/v6.18/include/linux/sched/signal.h>
const SIGNAL_GROUP_EXIT: u32 = 0x4;
const SIGNAL_UNKILLABLE: u32 = 0x40;
const SA_NOCLDWAIT: u32 = 2;

/// A task, and what is found by way of it.
#[derive(Clone, Copy)]
pub(crate) struct Subject<P> {
    /// The thread.
    pub(crate) task: P,
    /// Its process's `signal_struct`.
    signal: P,
    /// Its process's first thread.
    pub(crate) leader: P,
}

impl<P: Pointer> Subject<P> {
    /// Follows its pointers.
    #[inline(always)]
    pub(crate) fn of(task: P) -> Self {
        let signal = task.follow(at!(task_signal));
        Self { task, signal, leader: task.leader(signal) }
    }

    /// The key of its process's cgroup. A first thread that has ended is moved no more, and of the idle task of processor 0
    /// none is known: then it is that of the thread.
    #[inline(always)]
    pub(crate) fn key(&self) -> u64 {
        let exited = self.leader.load::<u32>(at!(task_exit_state)) != 0;
        if exited || self.leader.load::<u64>(at!(task_start_boottime)) == 0 {
            Place::key_of(self.task.address())
        } else {
            Place::key_of(self.leader)
        }
    }

    /// Process id on the host.
    #[inline(always)]
    pub(crate) fn tgid(&self) -> u32 {
        self.task.load(at!(task_tgid))
    }

    /// Whether it is init of its innermost pid namespace.
    #[inline(always)]
    pub(crate) fn is_init(&self) -> bool {
        innermost_pid(self.leader) == 1
    }

    /// 1 for a thread that has ended while others of its process run, 0 for any other.
    #[inline(always)]
    pub(crate) fn ended_alone(&self) -> u32 {
        let live = self.signal.load::<u32>(at!(signal_live));
        u32::from(self.task.load::<u32>(at!(task_exit_state)) != 0) & u32::from(live != 0)
    }
}

/// Describes a task. What cannot be read stays zero, and the flag [`task_flags::INCOMPLETE`] says so.
#[inline(always)]
pub(crate) fn describe(task: impl Pointer, cgroup: u64, to: &mut TaskRef) {
    describe_subject(&Subject::of(task), cgroup, to);
}

/// The same of one whose pointers were followed already.
#[inline(always)]
pub(crate) fn describe_subject(subject: &Subject<impl Pointer>, cgroup: u64, to: &mut TaskRef) {
    let &Subject { task, signal, leader } = subject;
    to.cgroup = cgroup;
    to.tgid = task.load(at!(task_tgid));
    to.tid = task.load(at!(task_pid));
    to.start = leader.load(at!(task_start_boottime));
    // a reaped task has no pid in its namespace any more
    to.ns_tgid = innermost_pid(leader);
    leader.copy_name(at!(task_comm), &mut to.comm);
    if to.start == 0 {
        // the idle task of processor 0, in whose time an interrupt makes signals
        task.copy_name(at!(task_comm), &mut to.comm);
    }
    let state = task.load::<u32>(at!(task_flags));
    let signal = signal.load(at!(signal_flags));
    let complete = is_nonzero(to.ns_tgid) & is_nonzero(to.start) & is_nonzero(cgroup);
    to.flags = bit(state, PF_EXITING, task_flags::EXITING)
        | bit(state, PF_KTHREAD, task_flags::KTHREAD)
        | bit(signal, SIGNAL_UNKILLABLE, task_flags::UNKILLABLE)
        | bit(signal, SIGNAL_GROUP_EXIT, task_flags::GROUP_EXIT)
        | flag(is_nonzero(task.load::<u32>(at!(task_ptrace))), task_flags::PTRACED)
        | flag(is_zero(to.ns_tgid ^ 1), task_flags::INIT)
        | flag(complete ^ 1, task_flags::INCOMPLETE);
}

/// A flag, if `set` is 1; it is 0 or 1.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "0 or 1")]
const fn flag(set: u64, flag: u32) -> u32 {
    (set as u32) << flag.trailing_zeros()
}

/// `to` if the bit `from` is set in `word`, both being single bits: arithmetic where a branch would double the paths.
#[inline(always)]
const fn bit(word: u32, from: u32, to: u32) -> u32 {
    ((word & from) >> from.trailing_zeros()) << to.trailing_zeros()
}

/// The same with its cgroup looked up.
#[inline(always)]
pub(crate) fn describe_anywhere(task: impl Pointer, to: &mut TaskRef) {
    describe(task, Place::key_of(task), to);
}

/// Describes `real_parent`.
#[inline(always)]
pub(crate) fn describe_parent(task: impl Pointer, to: &mut TaskRef) {
    describe_anywhere(task.follow(at!(task_real_parent)), to);
}

/// Parent, grandparent and so on, up to init of the host.
#[inline(always)]
pub(crate) fn ancestors(task: impl Pointer, to: &mut [Ancestor; ANCESTORS]) {
    let mut task = task;
    for ancestor in to {
        // a thread may be the parent; the process is what has a name
        task = task.follow(at!(task_real_parent)).follow(at!(task_group_leader));
        ancestor.tgid = task.load(at!(task_tgid));
        // above init is pid 0, which user space takes for the end
        task.copy_name(at!(task_comm), &mut ancestor.comm);
    }
}

/// Whether it is the leader of its thread group. After an exec by another thread that one took over, pid and all.
#[inline(always)]
pub(crate) fn is_leader(task: impl Pointer) -> bool {
    let pid = task.load::<u32>(at!(task_pid));
    pid != 0 && pid == task.load::<u32>(at!(task_tgid))
}

/// The wait status as `wait_task_zombie` tells it:
/// <https://github.com/torvalds/linux/blob/v6.18/kernel/exit.c>
#[inline(always)]
pub(crate) fn wait_status(leader: impl Pointer) -> u32 {
    if signal_flags(leader) & SIGNAL_GROUP_EXIT != 0 {
        leader.follow(at!(task_signal)).load(at!(signal_group_exit_code))
    } else {
        leader.load(at!(task_exit_code))
    }
}

/// `signal->live`: how many threads of its process have not begun to exit.
#[inline(always)]
pub(crate) fn live(task: impl Pointer) -> u32 {
    task.follow(at!(task_signal)).load(at!(signal_live))
}

/// Signals pending for the process and for its leader.
#[inline(always)]
pub(crate) fn pending(leader: impl Pointer) -> u64 {
    leader.load::<u64>(at!(task_pending)) | leader.follow(at!(task_signal)).load::<u64>(at!(signal_shared_pending))
}

/// Signals pending for a thread alone, and for its process.
#[inline(always)]
pub(crate) fn pending_apart(task: impl Pointer) -> (u64, u64) {
    (task.load(at!(task_pending)), task.follow(at!(task_signal)).load(at!(signal_shared_pending)))
}

/// `(blocked, real_blocked)` of a thread.
#[inline(always)]
pub(crate) fn blocked(task: impl Pointer) -> (u64, u64) {
    (task.load(at!(task_blocked)), task.load(at!(task_real_blocked)))
}

/// Whether the kernel itself reaps it, as `do_notify_parent` decides:
/// <https://github.com/torvalds/linux/blob/v6.18/kernel/signal.c>
#[inline(always)]
pub(crate) fn is_autoreaped(leader: impl Pointer) -> bool {
    if leader.load::<u32>(at!(task_exit_signal)) != SIGCHLD || leader.load::<u32>(at!(task_ptrace)) != 0 {
        return false;
    }
    let action = Action::of(leader.follow(at!(task_real_parent)), SIGCHLD);
    action.handler == handler::IGNORE || action.flags & SA_NOCLDWAIT != 0
}

/// `signal->flags`.
#[inline(always)]
fn signal_flags(task: impl Pointer) -> u32 {
    task.follow(at!(task_signal)).load(at!(signal_flags))
}

/// The pid in the innermost namespace, 0 when there is none any more.
#[inline(always)]
fn innermost_pid(leader: impl Pointer) -> u32 {
    let pid = leader.follow(at!(task_thread_pid));
    let level = pid.load::<u32>(at!(pid_level));
    let first = at!(pid_numbers) + at!(upid_nr);
    match level {
        0 => pid.load(first),
        // a container, with its own namespace: most of them
        1 if at!(pid_numbers_flexible) != 0 => pid.load(first + at!(upid_size)),
        _ => pid.address().load(first + level * at!(upid_size)),
    }
}
