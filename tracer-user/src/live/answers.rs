//! What the model asks and `/proc` knows: was a blocked signal taken, where is a process stuck.

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use procfs::process::Process;

use crate::event::{PendingSeen, StateSeen, TaskKey};
use crate::model::EXITS;
use crate::signal::SignalSet;

/// Functions of a kernel stack that are told.
const STACK: usize = 8;
/// `USER_HZ`: what `/proc` counts starts in, on every architecture we support.
const NS_PER_TICK: u64 = 10_000_000;

/// `PF_EXITING` of `include/linux/sched.h`: a task in `do_exit()`.
const PF_EXITING: u32 = 0x4;

/// Which signals are pending for a process. `None` when it is gone.
pub(super) fn pending(task: TaskKey) -> Option<PendingSeen> {
    let status = find(task)?.status().ok()?;
    Some(PendingSeen { task, pending: SignalSet(status.shdpnd | status.sigpnd) })
}

/// In which state a process is, and where in the kernel. `None` when that cannot be seen.
pub(super) fn state(task: TaskKey) -> Option<StateSeen> {
    let seen = find(task).and_then(|process| Some((process.stat().ok()?, process)));
    let Some((stat, process)) = seen else {
        return is_gone(task).then(|| StateSeen { task, state: 'X', stack: Vec::new() });
    };
    // needs CAP_SYS_ADMIN, which live tracing gives up, and a kernel with CONFIG_STACKTRACE
    let stack = std::fs::read_to_string(format!("/proc/{}/stack", task.pid)).unwrap_or_default();
    let mut stack = functions(&stack);
    if stack.is_empty() {
        // the function in which it sleeps; CAP_SYS_PTRACE will do
        stack.extend(process.wchan().ok().filter(|function| !matches!(function.as_str(), "" | "0")));
    }
    // of one that is on its way out that much is known, whatever it does there
    if stat.flags & PF_EXITING != 0 && !stack.iter().any(|function| function == EXITS) {
        stack.push(EXITS.to_owned());
    }
    Some(StateSeen { task, state: stat.state, stack })
}

/// The executable of a process, as it sees it itself.
pub(super) fn executable(pid: u32) -> Option<String> {
    let path = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    Some(path.to_string_lossy().into_owned())
}

/// The process, unless its pid belongs to another one by now.
fn find(task: TaskKey) -> Option<Process> {
    let process = Process::new(i32::try_from(task.pid).ok()?).ok()?;
    (process.stat().ok()?.starttime == ticks(task)).then_some(process)
}

/// When a process started, as `/proc` tells it.
const fn ticks(task: TaskKey) -> u64 {
    task.start / NS_PER_TICK
}

/// Whether a process is there no more. A `/proc` that hides it does not mean that.
fn is_gone(task: TaskKey) -> bool {
    let Ok(pid) = i32::try_from(task.pid) else { return true };
    // the null signal sends nothing; zombies exist
    let nobody = kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH);
    nobody || Process::new(pid).and_then(|other| other.stat()).is_ok_and(|other| other.starttime != ticks(task))
}

/// Names from lines such as `[<0>] do_nanosleep+0x62/0x130`.
pub(super) fn functions(stack: &str) -> Vec<String> {
    stack
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .filter_map(|place| place.split('+').next())
        .take(STACK)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_becomes_names() {
        let stack = "[<0>] hrtimer_nanosleep+0xaa/0x150\n[<0>] do_syscall_64+0x5e/0x90\n\ngarbage\n";
        assert_eq!(functions(stack), ["hrtimer_nanosleep", "do_syscall_64"]);
    }

    #[test]
    fn our_own_process_is_found_by_its_start_only() {
        let own = Process::myself().expect("/proc").stat().expect("/proc/self/stat");
        let pid = std::process::id();
        let task = TaskKey { pid, start: own.starttime * NS_PER_TICK + 1 };
        assert_eq!(pending(task).map(|seen| seen.task), Some(task));
        // the main thread, whose state this is, runs or waits for us
        assert!(matches!(state(task).map(|seen| seen.state), Some('R' | 'S')));
        assert_eq!(pending(TaskKey { pid, start: task.start + NS_PER_TICK }), None);
        assert_eq!(pending(TaskKey { pid: 0, start: 0 }), None);
    }

    #[test]
    fn who_is_gone_is_told_apart_from_a_zombie() {
        let mut child = std::process::Command::new("true").spawn().expect("it is everywhere");
        let pid = child.id();
        let of_child = || Process::new(i32::try_from(pid).expect("a pid")).and_then(|process| process.stat());
        let start = of_child().expect("nobody has reaped it").starttime * NS_PER_TICK;
        let task = TaskKey { pid, start };
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while of_child().is_ok_and(|stat| stat.state != 'Z') && std::time::Instant::now() < deadline {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert_eq!(state(task).map(|seen| seen.state), Some('Z'));
        // another one that had the pid before
        assert_eq!(state(TaskKey { start: start - NS_PER_TICK, ..task }).map(|seen| seen.state), Some('X'));
        child.wait().expect("it is ours");
        assert_eq!(state(task).map(|seen| seen.state), Some('X'));
    }

    /// As live tracing is, once it has given up what it does not need.
    #[test]
    fn where_a_process_sleeps_is_known_without_many_privileges() {
        use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
        use std::time::{Duration, Instant};
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().expect("sleep is everywhere");
        let pid = child.id();
        let of_child = Process::new(i32::try_from(pid).expect("a pid")).and_then(|process| process.stat());
        let task = TaskKey { pid, start: of_child.expect("it runs").starttime * NS_PER_TICK };
        // capabilities are those of a thread
        let seen = std::thread::spawn(move || {
            let kept = capabilities(None).expect("its own").permitted & CapabilitySet::SYS_PTRACE;
            let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
            set_capabilities(None, sets).expect("fewer are always allowed");
            let deadline = Instant::now() + Duration::from_secs(30);
            loop {
                let seen = state(task);
                let asleep = |seen: &StateSeen| seen.stack.iter().any(|function| function.contains("nanosleep"));
                if seen.as_ref().is_some_and(asleep) || Instant::now() > deadline {
                    return seen;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let seen = seen.join();
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        let seen = seen.expect("no panic").expect("it runs");
        assert_eq!((seen.state, seen.stack.len()), ('S', 1), "{seen:?}");
    }
}
