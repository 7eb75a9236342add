//! Processes that SIGKILL does not end, and what they wait for.

use crate::event::{BootNs, StateSeen, TaskKey};
use crate::signal::Signal;

use super::change::{Condition, Figure};
use super::limits;
use super::names::{ConditionKind, Outcome};
use super::node::{Node, Timer, Want};
use super::words::seconds;

/// The letter for a process that is not there any more.
const GONE: char = 'X';
/// The kernel function that ends a process: on the stack of all that are on their way out.
pub(crate) const EXITS: &str = "do_exit";

impl Node {
    /// A process should be gone by now. Where it is stuck comes as an event, and with it the condition.
    pub(super) fn stuck_due(&mut self, key: TaskKey) {
        if self.processes.get(key).is_some_and(|process| process.is_live() && !process.stuck_told) {
            self.want(Want::State(key));
        }
    }

    pub(super) fn on_state(&mut self, at: BootNs, seen: &StateSeen) {
        let Some(process) = self.processes.get_mut(seen.task) else { return };
        if seen.state == GONE {
            // of one that lives its exit is on its way, or was lost: a look at all processes tells
            if process.exit.is_some() {
                self.zombie_is_gone(at, seen.task);
            }
            return;
        }
        // one from inside that was dropped at PID 1 is none
        let acts =
            |receipt: &&super::process::Receipt| receipt.signal == Signal::KILL && receipt.outcome == Outcome::Default;
        let kill = process.received.iter().find(acts).map(|receipt| receipt.at);
        let (Some(kill), true, false) = (kill, process.is_live(), process.stuck_told) else { return };
        let since = at.ms_since(kill);
        if since < limits::STUCK_MS {
            return;
        }
        let place = Place::of(seen);
        if place == Place::Leaving && since < limits::STUCK_AGAIN_MS {
            self.remind(kill.plus_ms(limits::STUCK_AGAIN_MS), Timer::Stuck(seen.task));
            return;
        }
        process.stuck_told = true;
        let (comm, pid) = (process.comm(), process.task.pid);
        let container = process.container.and_then(|key| self.containers.get(&key)).map(|c| c.name.clone());
        let function = seen.stack.first().map_or_else(String::new, |function| format!(" (in {function})"));
        let condition = Condition {
            kind: ConditionKind::Stuck,
            container,
            explanation: format!(
                "SIGKILL was sent to {comm} (pid {pid}) {} ago and it is still there: {}{function}.",
                seconds(since),
                place.what()
            ),
            fix: Some(place.fix(pid)),
            figures: vec![
                ("pid", Figure::Number(u64::from(pid))),
                ("state", Figure::Text(seen.state.to_string())),
                ("since_ms", Figure::Number(since)),
                ("stack", Figure::Text(seen.stack.join(" < "))),
            ],
        };
        self.tell_condition(at, condition);
    }
}

/// What holds a process that SIGKILL should have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The freezer of cgroup v1: SIGKILL waits for the thaw.
    Frozen,
    /// A file system that was frozen.
    FrozenFiles,
    Nfs,
    Fuse,
    Storage,
    Asleep,
    Traced,
    Leaving,
    /// Its leader has ended, another of its threads has not.
    Threads,
    Running,
    Other,
}

impl Place {
    fn of(seen: &StateSeen) -> Self {
        let any = |parts: &[&str]| seen.stack.iter().any(|function| parts.iter().any(|part| function.contains(part)));
        match seen.state {
            'D' if any(&["refrigerator"]) => Self::Frozen,
            'D' if any(&["nfs", "rpc_"]) => Self::Nfs,
            'D' if any(&["fuse", "request_wait_answer"]) => Self::Fuse,
            'D' if any(&["sb_start_write", "percpu_rwsem_wait", "percpu_down_read"]) => Self::FrozenFiles,
            'D' if any(&["io_schedule", "blk_", "bio", "folio_wait", "jbd2", "xfs", "ext4", "btrfs"]) => Self::Storage,
            'D' => Self::Asleep,
            'T' | 't' => Self::Traced,
            'Z' => Self::Threads,
            'R' if any(&[EXITS]) => Self::Leaving,
            'R' => Self::Running,
            _ => Self::Other,
        }
    }

    const fn what(self) -> &'static str {
        match self {
            Self::Frozen => {
                "its cgroup is frozen (cgroup v1), and a frozen process takes SIGKILL only when it is thawed"
            }
            Self::FrozenFiles => {
                "it waits to write to a file system, as one does that is frozen (fsfreeze, a snapshot being made)"
            }
            Self::Nfs => "it waits in uninterruptible sleep (D) for a network file system",
            Self::Fuse => "it waits in uninterruptible sleep (D) for the server of a FUSE file system to answer",
            Self::Storage => "it waits in uninterruptible sleep (D) for storage",
            Self::Asleep => {
                "it is in uninterruptible sleep (D), inside the kernel, which often waits for storage or a network file system"
            }
            Self::Traced => "a debugger or tracer (gdb, strace) holds it",
            Self::Leaving => "it is on its way out, and frees its memory",
            Self::Threads => "its first thread has ended, another one has not",
            Self::Running => "it is ready to run (R), and either gets no CPU time or works inside the kernel",
            Self::Other => "what it waits for is not known",
        }
    }

    fn fix(self, pid: u32) -> String {
        match self {
            Self::Frozen => "Thaw it: docker unpause, or write THAWED to freezer.state of its cgroup. The SIGKILL is not lost, it acts then.".to_owned(),
            Self::FrozenFiles => "Thaw the file system (fsfreeze -u MOUNTPOINT), or end what made the snapshot. The SIGKILL acts then.".to_owned(),
            Self::Nfs => format!("Bring the server of the mount back, or unmount it by force (umount -f, or -l); /proc/{pid}/mounts names the mounts. The SIGKILL acts then."),
            Self::Fuse => format!("Restart or kill the process that serves the mount, or write 1 to /sys/fs/fuse/connections/*/abort; /proc/{pid}/mounts names the mounts. The SIGKILL acts then."),
            Self::Traced => format!("End the tracer: TracerPid in /proc/{pid}/status names it."),
            Self::Leaving => "Wait: much memory takes a while to free, longer with swap. Look at the kernel log if it does not end.".to_owned(),
            Self::Threads => format!("Look at its threads: /proc/{pid}/task/*/stack (as root) tells where they wait."),
            Self::Running => format!("Look at the CPU limit of its container (cpu.max, cpu.stat), and at /proc/{pid}/stack (as root)."),
            Self::Storage | Self::Asleep | Self::Other => format!("No signal ends it: what it waits for must come. Look at /proc/{pid}/stack (as root), at its volumes (/proc/{pid}/mounts), and at the kernel log for errors of storage."),
        }
    }
}
