//! What `/proc` alone shows: the members of each cgroup, their masks, and the system call each thread sits in.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use procfs::process::{Process, Stat, Status};

use crate::audit::places::Place;
use crate::audit::subject::{Thread, Waits};
use crate::container::hierarchy::Hierarchies;
use crate::event::{BootNs, TaskKey};
use crate::signal::SignalSet;

use super::{Look, Seen, Signals};

/// `USER_HZ`: what `/proc` counts starts in, on every architecture we support.
const NS_PER_TICK: u64 = 10_000_000;
/// `__NR_rt_sigtimedwait`
/// <https://github.com/torvalds/linux/blob/v6.18/arch/x86/entry/syscalls/syscall_64.tbl> and
/// <https://github.com/torvalds/linux/blob/v6.18/scripts/syscall.tbl>
const SIGTIMEDWAIT: &str = if cfg!(target_arch = "x86_64") { "128" } else { "137" };

pub(super) fn look(at: BootNs, hierarchies: &Hierarchies, places: &[Place]) -> Look {
    let mut look = Look { at, ..Look::default() };
    let parents = parents();
    for place in places {
        let mut pids = place.processes(hierarchies);
        // zombies are in no cgroup.procs; their parents are
        let zombies = parents.iter().filter(|(_, (parent, zombie))| *zombie && pids.contains(parent));
        let zombies: Vec<_> = zombies.map(|(pid, _)| *pid).collect();
        pids.extend(zombies);
        let members: Vec<_> = pids.into_iter().filter_map(seen).collect();
        if !members.is_empty() {
            look.members.insert(place.id.clone(), members);
        }
    }
    look
}

/// The parent of every process, and whether it is a zombie.
fn parents() -> HashMap<u32, (u32, bool)> {
    let all = procfs::process::all_processes().into_iter().flatten().flatten();
    all.filter_map(|process| {
        let stat = process.stat().ok()?;
        Some((pid(stat.pid)?, (pid(stat.ppid)?, is_zombie(&stat))))
    })
    .collect()
}

fn pid(number: i32) -> Option<u32> {
    u32::try_from(number).ok()
}

/// Its leader is dead, and no other thread lives.
fn is_zombie(stat: &Stat) -> bool {
    stat.state == 'Z' && stat.num_threads <= 1
}

fn seen(of: u32) -> Option<Seen> {
    let process = Process::new(i32::try_from(of).ok()?).ok()?;
    let (stat, status) = (process.stat().ok()?, process.status().ok()?);
    let ns_pid = status.nspid.as_ref().and_then(|all| all.last().copied()).and_then(pid);
    let zombie = is_zombie(&stat);
    Some(Seen {
        key: TaskKey { pid: of, start: stat.starttime.saturating_mul(NS_PER_TICK) },
        parent: pid(stat.ppid)?,
        ns_pid,
        init: ns_pid == Some(1),
        traced: status.tracerpid != 0,
        ending: matches!(stat.state, 'X' | 'x'),
        zombie,
        signals: signals(&process, &status),
        comm: stat.comm,
    })
}

fn signals(process: &Process, status: &Status) -> Signals {
    let mut pending = status.shdpnd;
    let mut threads = Vec::new();
    for task in process.tasks().into_iter().flatten().flatten() {
        let (Some(tid), Ok(status)) = (pid(task.tid), task.status()) else { continue };
        pending |= status.sigpnd;
        let mut thread = Thread {
            tid,
            blocked: SignalSet(status.sigblk),
            waits: waits(process.pid, tid),
            exiting: status.state.starts_with(['Z', 'X']),
        };
        if let Waits::For(signals) = thread.waits {
            // if it had not blocked them before they would not wait for it: nobody waits that way
            thread.blocked.0 |= signals.0;
        }
        threads.push(thread);
    }
    let leader = pid(process.pid);
    threads.sort_by_key(|thread| (Some(thread.tid) != leader, thread.tid));
    Signals {
        caught: SignalSet(status.sigcgt),
        ignored: SignalSet(status.sigign),
        pending: SignalSet(pending),
        actions: None,
        threads,
    }
}

/// Whether a thread sits in `sigtimedwait`, and for what. `/proc/PID/task/TID/syscall` has the number and the arguments,
/// `running`, or cannot be read.
fn waits(pid: i32, tid: u32) -> Waits {
    let Ok(call) = fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall")) else { return Waits::Unseen };
    let Some(set) = waits_for(&call) else { return Waits::No };
    let mut bytes = [0; 8];
    let memory = File::open(format!("/proc/{pid}/mem"));
    match memory.and_then(|memory| memory.read_exact_at(&mut bytes, set)) {
        // SIGKILL and SIGSTOP cannot be waited for
        Ok(()) => Waits::For(SignalSet(u64::from_ne_bytes(bytes) & !(1 << 8 | 1 << 18))),
        Err(_unreadable) => Waits::Somehow,
    }
}

/// Where the set is that a thread in `sigtimedwait` waits for.
pub(in super::super) fn waits_for(call: &str) -> Option<u64> {
    let mut fields = call.split_ascii_whitespace();
    if fields.next()? != SIGTIMEDWAIT {
        return None;
    }
    u64::from_str_radix(fields.next()?.strip_prefix("0x")?, 16).ok()
}

impl Place {
    /// Its processes, by `cgroup.procs`.
    fn processes(&self, hierarchies: &Hierarchies) -> HashSet<u32> {
        let directories = self.cgroups.iter().filter_map(|cgroup| cgroup.directory(hierarchies));
        let files = directories.filter_map(|directory| fs::read_to_string(directory.join("cgroup.procs")).ok());
        files.flat_map(|text| text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<_>>()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Signal;

    #[test]
    fn a_wait_is_known_by_its_call() {
        let call = format!("{SIGTIMEDWAIT} 0x7ffd1c8 0x7ffd148 0x0 0x8 0x0 0x0 0x7ffd120 0x7f2a\n");
        assert_eq!(waits_for(&call), Some(0x7ff_d1c8));
        for other in ["running", "7 0x1 0x2", "-1 0x7ffd 0x7f", "", "128"] {
            assert_eq!(waits_for(other), None, "{other}");
        }
    }

    #[test]
    #[ignore = "needs root: cargo xtask test runs it"]
    fn a_thread_that_waits_is_seen_waiting() {
        let mut child = std::process::Command::new("python3")
            .args(["-c", "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM}); signal.sigwait({signal.SIGTERM})"])
            .spawn()
            .expect("python3 starts");
        let begun = std::time::Instant::now();
        let thread = loop {
            let thread = seen(child.id()).expect("it runs").signals.threads[0];
            if matches!(thread.waits, Waits::For(_)) || begun.elapsed().as_secs() > 20 {
                break thread;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        };
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        assert_eq!(thread.waits, Waits::For(SignalSet::from_iter([Signal::TERM])));
        assert!(thread.blocked.has(Signal::TERM));
    }
}
