//! What becomes of a signal, from what the kernel showed when it was generated; and who sent it.
//!
//! The rules are those of `sig_ignored()`, `prepare_signal()` and `get_signal()` in `kernel/signal.c`
//! (<https://github.com/torvalds/linux/blob/v6.12/kernel/signal.c>).

use tracer_common::task_flags;

use crate::event::{Ancestor, Comm, Delivered, Handler, SendResult, SignalSent, Task};
use crate::signal::Signal;

use super::names::{Outcome, Role};

/// `si_code` of a signal made by the kernel itself (`include/uapi/asm-generic/siginfo.h`).
const SI_KERNEL: i32 = 0x80;
/// `SI_TIMER`, `SI_MESGQ`, `SI_ASYNCIO`, `SI_SIGIO`: made by the kernel for somebody's request.
const KERNEL_CODES: [i32; 4] = [-2, -3, -4, -5];

/// What becomes of a signal, judged at the moment of its generation.
#[must_use]
pub fn outcome(sent: &SignalSent) -> Outcome {
    let target = &sent.target;
    if sent.result == SendResult::Ignored {
        if target.has(task_flags::EXITING | task_flags::GROUP_EXIT) {
            // after exit begins, "ignored" says only that the target was on its way out
            return Outcome::Ignored;
        }
        return match sent.handler {
            Handler::Default | Handler::Unknown if sent.signal.default_is_ignore() => Outcome::Noise,
            Handler::Default | Handler::Unknown if target.has(task_flags::INIT | task_flags::UNKILLABLE) => {
                Outcome::Dropped
            }
            _ => Outcome::Ignored,
        };
    }
    let always_acts = matches!(sent.signal, Signal::KILL | Signal::STOP);
    if always_acts {
        return Outcome::Default;
    }
    if sent.blocked || sent.real_blocked {
        return Outcome::Blocked;
    }
    match sent.handler {
        Handler::Function => Outcome::Caught,
        Handler::Ignore => Outcome::Ignored,
        Handler::Default | Handler::Unknown if sent.signal.default_is_ignore() => Outcome::Noise,
        // queued although the init has no handler: it is traced, and get_signal() will drop it
        Handler::Default if target.has(task_flags::UNKILLABLE) => Outcome::Dropped,
        Handler::Default | Handler::Unknown => Outcome::Default,
    }
}

/// Whether the kernel drops a signal when its target takes it from the queue: default action at an init.
pub(super) const fn dropped_at_delivery(delivered: &Delivered) -> bool {
    matches!(delivered.handler, Handler::Default)
        && delivered.target.has(task_flags::UNKILLABLE)
        && !matches!(delivered.signal, Signal::KILL | Signal::STOP)
        && !delivered.signal.default_is_ignore()
}

/// As what the sender sent it. `same_container` tells whether both are in one container, `contained` whether the sender
/// is in any.
pub(super) fn role(sent: &SignalSent, same_container: bool, contained: bool) -> Role {
    if sent.code > 0 || KERNEL_CODES.contains(&sent.code) || sent.code == SI_KERNEL {
        return Role::Kernel;
    }
    if sent.sender.pid == sent.target.pid {
        return Role::Own;
    }
    if same_container {
        return Role::Inside;
    }
    if is_runtime(&sent.sender, &sent.ancestors, contained) { Role::Runtime } else { Role::Host }
}

/// Name of what stands for a runtime in `tracer demo` and `tracer check`.
pub const OWN_SHIM: &str = "tracer-shim";

/// Programs that end containers on somebody's behalf. `comm` is cut at 15 characters.
const RUNTIMES: [&str; 17] = [
    "runc",
    "crun",
    "youki",
    "runsc",
    "containerd",
    "containerd-shim",
    "dockerd",
    "docker-init",
    "conmon",
    "conmonrs",
    "crio",
    "podman",
    "kubelet",
    "nerdctl",
    "buildkitd",
    "kata-runtime",
    OWN_SHIM,
];

fn is_runtime(sender: &Task, ancestors: &[Ancestor], contained: bool) -> bool {
    // A runtime that executes a sealed copy of itself carries that copy's name: its parent tells. The parent of any
    // container's PID 1 and of any exec is a shim, too: nobody else's parent counts.
    let copy = sender.comm.as_str() == "exe" || sender.comm.bytes().iter().all(u8::is_ascii_digit);
    let parent = ancestors.first().map(|parent| parent.comm).filter(|_| copy && !contained);
    std::iter::once(sender.comm).chain(parent).any(names_runtime)
}

/// Whether a name is that of a container runtime.
pub(super) fn names_runtime(comm: Comm) -> bool {
    RUNTIMES.contains(&comm.as_str()) || comm.bytes().starts_with(b"containerd-shim")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::CgroupId;
    use crate::signal::SignalSet;

    fn sent(signal: Signal, handler: Handler, result: SendResult, flags: u32) -> SignalSent {
        let task = |pid, comm| Task { pid, tid: pid, ns_pid: 1, start: 1, cgroup: CgroupId::default(), comm, flags };
        SignalSent {
            signal,
            result,
            code: 0,
            target: task(100, Comm::from("app")),
            sender: Task { flags: 0, ..task(200, Comm::from("runc")) },
            ancestors: vec![],
            handler,
            sa_flags: 0,
            group: true,
            blocked: false,
            real_blocked: false,
            mask: SignalSet::default(),
            caught: None,
            ignored: None,
        }
    }

    const INIT: u32 = task_flags::INIT | task_flags::UNKILLABLE;

    #[test]
    fn every_row_of_the_table() {
        use Handler::{Default as Dfl, Function, Ignore};
        use SendResult::{Ignored, Queued};
        let rows = [
            ("init, default, SIGTERM", Signal::TERM, Dfl, Ignored, INIT, Outcome::Dropped),
            ("init, default, SIGKILL from inside", Signal::KILL, Dfl, Ignored, INIT, Outcome::Dropped),
            ("init, default, SIGKILL from outside", Signal::KILL, Dfl, Queued, INIT, Outcome::Default),
            ("init, default, SIGSTOP from outside", Signal::STOP, Dfl, Queued, INIT, Outcome::Default),
            ("SIG_IGN", Signal::TERM, Ignore, Ignored, 0, Outcome::Ignored),
            ("init, SIG_IGN", Signal::TERM, Ignore, Ignored, INIT, Outcome::Ignored),
            ("default that is to ignore", Signal::CHLD, Dfl, Ignored, 0, Outcome::Noise),
            ("the same at an init", Signal::WINCH, Dfl, Ignored, INIT, Outcome::Noise),
            ("handler", Signal::TERM, Function, Queued, INIT, Outcome::Caught),
            ("init, default, ptraced", Signal::TERM, Dfl, Queued, INIT | task_flags::PTRACED, Outcome::Dropped),
            ("not init, default", Signal::TERM, Dfl, Queued, 0, Outcome::Default),
            (
                "fault of an init: the kernel takes UNKILLABLE away",
                Signal::SEGV,
                Dfl,
                Queued,
                task_flags::INIT,
                Outcome::Default,
            ),
            ("already exiting", Signal::TERM, Dfl, Ignored, INIT | task_flags::EXITING, Outcome::Ignored),
            ("group exit began", Signal::KILL, Dfl, Ignored, task_flags::GROUP_EXIT, Outcome::Ignored),
        ];
        for (name, signal, handler, result, flags, expected) in rows {
            assert_eq!(outcome(&sent(signal, handler, result, flags)), expected, "{name}");
        }
        let mut blocked = sent(Signal::TERM, Dfl, Queued, INIT);
        blocked.blocked = true;
        assert_eq!(outcome(&blocked), Outcome::Blocked);
        let mut waiting = sent(Signal::TERM, Dfl, Queued, INIT);
        waiting.real_blocked = true;
        assert_eq!(outcome(&waiting), Outcome::Blocked);
        blocked.signal = Signal::KILL;
        assert_eq!(outcome(&blocked), Outcome::Default, "SIGKILL cannot be blocked");
    }

    #[test]
    fn who_sent_it() {
        let mut signal = sent(Signal::TERM, Handler::Default, SendResult::Ignored, INIT);
        assert_eq!(role(&signal, false, false), Role::Runtime);
        assert_eq!(role(&signal, true, true), Role::Inside, "a program in the container may call itself runc");
        signal.sender.comm = Comm::from("exe");
        assert_eq!(role(&signal, false, false), Role::Host);
        signal.ancestors = vec![Ancestor { pid: 5, comm: Comm::from("containerd-shim") }];
        assert_eq!(role(&signal, false, false), Role::Runtime, "its parent is the shim");
        assert_eq!(role(&signal, false, true), Role::Host, "a container's process may call itself so");
        signal.sender.comm = Comm::from("cron");
        assert_eq!(role(&signal, false, false), Role::Host, "PID 1 of another container has a shim for its parent");
        signal.sender.pid = signal.target.pid;
        assert_eq!(role(&signal, true, true), Role::Own);
        signal.code = SI_KERNEL;
        assert_eq!(role(&signal, true, true), Role::Kernel);
        signal.code = -2;
        assert_eq!(role(&signal, true, true), Role::Kernel);
    }
}
