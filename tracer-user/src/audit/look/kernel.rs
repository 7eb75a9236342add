//! What the task iterators show, sorted by container.

use std::collections::HashMap;

use tracer_common::task_flags;

use crate::event::{BootNs, CgroupId, Task};
use crate::probe::{Surveyed, TaskSeen, ThreadSeen};
use crate::signal::SignalSet;

use super::{Look, Seen, Signals};
use crate::audit::subject::{Thread, Waits};

pub(super) fn look(at: BootNs, mut surveyed: Surveyed, containers: &HashMap<CgroupId, &str>) -> Look {
    let mut look = Look { at, ..Look::default() };
    for task in std::mem::take(&mut surveyed.tasks) {
        let container = [task.cgroup_v1, task.cgroup_v2].into_iter().find_map(|cgroup| containers.get(&cgroup));
        let Some(&container) = container else {
            // some are parents of zombies
            look.strangers.insert(task.process.task.pid, task.process.task.comm.to_string());
            continue;
        };
        let seen = seen(&task, &surveyed);
        look.members.entry(container.to_owned()).or_default().push(seen);
    }
    look
}

fn seen(seen: &TaskSeen, surveyed: &Surveyed) -> Seen {
    let process = &seen.process;
    let task: &Task = &process.task;
    let key = task.key();
    let mut threads: Vec<ThreadSeen> = surveyed.threads.get(&key).cloned().unwrap_or_default();
    threads.sort_by_key(|thread| (thread.tid != task.pid, thread.tid));
    let pending = threads.iter().fold(process.pending.0, |all, thread| all | thread.pending.0);
    Seen {
        key,
        parent: process.parent.pid,
        ns_pid: (task.ns_pid != 0).then_some(task.ns_pid),
        comm: task.comm.to_string(),
        init: task.is_init(),
        traced: task.has(task_flags::PTRACED),
        ending: seen.ending || task.has(task_flags::GROUP_EXIT),
        zombie: process.zombie.is_some(),
        signals: Signals {
            caught: process.caught,
            ignored: process.ignored,
            pending: SignalSet(pending),
            actions: surveyed.actions.get(&key).copied(),
            threads: threads.into_iter().map(thread).collect(),
        },
    }
}

/// In `sigtimedwait` the kernel takes what is waited for out of `blocked` and keeps what was blocked before in
/// `real_blocked`: <https://github.com/torvalds/linux/blob/v6.18/kernel/signal.c> (`do_sigtimedwait`). Nothing else uses
/// it, so the difference is what the thread waits for.
fn thread(seen: ThreadSeen) -> Thread {
    let ThreadSeen { tid, blocked, real_blocked, pending: _, exiting } = seen;
    let waits = if real_blocked.is_empty() { Waits::No } else { Waits::For(SignalSet(real_blocked.0 & !blocked.0)) };
    Thread { tid, blocked: SignalSet(blocked.0 | real_blocked.0), waits, exiting }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Signal;

    #[test]
    fn what_is_waited_for_counts_as_blocked() {
        let all = SignalSet(u64::MAX);
        let seen = ThreadSeen {
            tid: 1,
            blocked: SignalSet(all.0 & !(1 << 14)),
            real_blocked: all,
            pending: SignalSet(0),
            exiting: false,
        };
        let waiting = thread(seen);
        assert!(waiting.blocked.has(Signal::TERM));
        assert_eq!(waiting.waits, Waits::For(SignalSet::from_iter([Signal::TERM])));
        let plain = thread(ThreadSeen { real_blocked: SignalSet(0), ..seen });
        assert!(!plain.blocked.has(Signal::TERM));
        assert_eq!(plain.waits, Waits::No);
    }
}
