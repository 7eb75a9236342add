//! Describing a task: [`TaskRef`] and what exit and the snapshot need besides.

use tracer_common::{ANCESTORS, Ancestor, TaskRef, task_flags};

use crate::{
    cgroup::Place,
    kernel::{Addr, at},
    sigaction::{Action, SIGCHLD},
};

/// <https://github.com/torvalds/linux/blob/v6.18/include/linux/sched.h#L1741-L1775>
const PF_EXITING: u32 = 0x4;
const PF_KTHREAD: u32 = 0x0020_0000;
/// <https://github.com/torvalds/linux/blob/v6.18/include/linux/sched/signal.h#L260-L274>
const SIGNAL_GROUP_EXIT: u32 = 0x4;
const SIGNAL_UNKILLABLE: u32 = 0x40;
/// `MAX_PID_NS_LEVEL`: no pid namespace is nested more deeply.
const MAX_PID_NS_LEVEL: u32 = 32;
const SA_NOCLDWAIT: u32 = 2;

/// Describes a task. What cannot be read stays zero, and the flag [`task_flags::INCOMPLETE`] says so.
#[inline(always)]
pub(crate) fn describe(task: Addr, cgroup: u64, to: &mut TaskRef) {
    let mut flags = 0;
    let mut all = cgroup != 0;
    to.cgroup = cgroup;
    let mut read = |offset| {
        let value = task.get::<u32>(offset);
        all &= value.is_some();
        value.unwrap_or(0)
    };
    to.tgid = read(at!(task_tgid));
    to.tid = read(at!(task_pid));
    let task_state = read(at!(task_flags));
    if task_state & PF_EXITING != 0 {
        flags |= task_flags::EXITING;
    }
    if task_state & PF_KTHREAD != 0 {
        flags |= task_flags::KTHREAD;
    }
    if read(at!(task_ptrace)) != 0 {
        flags |= task_flags::PTRACED;
    }
    if let Some(state) = signal_flags(task) {
        if state & SIGNAL_UNKILLABLE != 0 {
            flags |= task_flags::UNKILLABLE;
        }
        if state & SIGNAL_GROUP_EXIT != 0 {
            flags |= task_flags::GROUP_EXIT;
        }
    } else {
        all = false;
    }
    if let Some(leader) = task.follow(at!(task_group_leader)) {
        all &= leader.copy(at!(task_comm), &mut to.comm);
        if let Some(start) = leader.get(at!(task_start_boottime)) {
            to.start = start;
        } else {
            all = false;
        }
        // a reaped task has no pid any more
        if let Some(number) = innermost_pid(leader) {
            to.ns_tgid = number;
            if number == 1 {
                flags |= task_flags::INIT;
            }
        } else {
            all = false;
        }
    } else {
        all = false;
    }
    if !all {
        flags |= task_flags::INCOMPLETE;
    }
    to.flags = flags;
}

/// The same with its cgroup looked up.
#[inline(always)]
pub(crate) fn describe_anywhere(task: Addr, to: &mut TaskRef) {
    describe(task, Place::of(task).key, to);
}

/// Describes `real_parent`.
#[inline(always)]
pub(crate) fn describe_parent(task: Addr, to: &mut TaskRef) {
    match task.follow(at!(task_real_parent)) {
        Some(parent) => describe_anywhere(parent, to),
        None => to.flags = task_flags::INCOMPLETE,
    }
}

/// Parent, grandparent and so on, up to init of the host.
#[inline(always)]
pub(crate) fn ancestors(task: Addr, to: &mut [Ancestor; ANCESTORS]) {
    let mut task = task;
    for ancestor in to {
        let Some(parent) = task.follow(at!(task_real_parent)) else { return };
        // a thread may be the parent; the process is what has a name
        let Some(leader) = parent.follow(at!(task_group_leader)) else { return };
        let Some(tgid) = leader.get::<u32>(at!(task_tgid)) else { return };
        if tgid == 0 {
            return;
        }
        ancestor.tgid = tgid;
        leader.copy(at!(task_comm), &mut ancestor.comm);
        task = leader;
    }
}

/// Whether it is the leader of its thread group. After an exec by another thread that one took over, pid and all.
#[inline(always)]
pub(crate) fn is_leader(task: Addr) -> bool {
    match (task.get::<u32>(at!(task_pid)), task.get::<u32>(at!(task_tgid))) {
        (Some(pid), Some(tgid)) => pid == tgid,
        _ => false,
    }
}

/// The wait status as `wait_task_zombie` tells it:
/// <https://github.com/torvalds/linux/blob/v6.18/kernel/exit.c#L1199-L1201>
#[inline(always)]
pub(crate) fn wait_status(leader: Addr) -> u32 {
    if let Some(signal) = leader.follow(at!(task_signal))
        && signal.get::<u32>(at!(signal_flags)).is_some_and(|flags| flags & SIGNAL_GROUP_EXIT != 0)
    {
        return signal.get(at!(signal_group_exit_code)).unwrap_or(0);
    }
    leader.get(at!(task_exit_code)).unwrap_or(0)
}

/// Signals pending for the process and for its leader.
#[inline(always)]
pub(crate) fn pending(leader: Addr) -> u64 {
    let own = leader.get::<u64>(at!(task_pending)).unwrap_or(0);
    let shared = leader.follow(at!(task_signal)).and_then(|signal| signal.get::<u64>(at!(signal_shared_pending)));
    own | shared.unwrap_or(0)
}

/// `(blocked, real_blocked)` of a thread.
#[inline(always)]
pub(crate) fn blocked(task: Addr) -> (u64, u64) {
    (task.get(at!(task_blocked)).unwrap_or(0), task.get(at!(task_real_blocked)).unwrap_or(0))
}

/// Whether the kernel itself reaps it, as `do_notify_parent` decides:
/// <https://github.com/torvalds/linux/blob/v6.18/kernel/signal.c#L2236-L2260>
#[inline(always)]
pub(crate) fn is_autoreaped(leader: Addr) -> bool {
    if leader.get::<u32>(at!(task_exit_signal)) != Some(SIGCHLD) || leader.get::<u32>(at!(task_ptrace)) != Some(0) {
        return false;
    }
    leader.follow(at!(task_real_parent)).is_some_and(|parent| {
        let action = Action::of(parent, SIGCHLD);
        action.handler == tracer_common::handler::IGNORE || action.flags & SA_NOCLDWAIT != 0
    })
}

/// `signal->flags`.
#[inline(always)]
fn signal_flags(task: Addr) -> Option<u32> {
    task.follow(at!(task_signal))?.get(at!(signal_flags))
}

/// The pid in the innermost namespace.
#[inline(always)]
fn innermost_pid(leader: Addr) -> Option<u32> {
    let pid = leader.follow(at!(task_thread_pid))?;
    let level = pid.get::<u32>(at!(pid_level))?;
    if level > MAX_PID_NS_LEVEL {
        return None;
    }
    pid.get(at!(pid_numbers) + level * at!(upid_size) + at!(upid_nr))
}

/// Whether it is init of its innermost pid namespace.
#[inline(always)]
pub(crate) fn is_init(task: Addr) -> bool {
    task.follow(at!(task_group_leader)).and_then(innermost_pid) == Some(1)
}
