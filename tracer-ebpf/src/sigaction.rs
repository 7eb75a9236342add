//! What a process does with a signal: its `sighand_struct`.

use tracer_common::handler;

use crate::kernel::{Addr, Pointer, at, is_nonzero};

pub(crate) const SIGKILL: u32 = 9;
pub(crate) const SIGCHLD: u32 = 17;
pub(crate) const SIGCONT: u32 = 18;
pub(crate) const SIGURG: u32 = 23;
pub(crate) const SIGWINCH: u32 = 28;
pub(crate) const SIGRT_LAST: u32 = 64;

/// `SEND_SIG_NOINFO`, which is null, and `SEND_SIG_PRIV` stand where a siginfo's address would:
/// <https://github.com/torvalds/linux/blob/v6.18/include/linux/sched/signal.h>
const SEND_SIG_PRIV: u64 = 1;
const SI_KERNEL: i32 = 0x80;

/// A `k_sigaction`.
#[derive(Clone, Copy)]
pub(crate) struct Action {
    /// One of [`handler`].
    pub(crate) handler: u8,
    /// `sa_flags`, low 32 bits.
    pub(crate) flags: u32,
}

impl Action {
    /// Reads a `k_sigaction`.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "0 or 1, and the low half of the flags")]
    pub(crate) fn read(action: Addr) -> Self {
        // an unsigned long on every 64-bit machine; the flags that exist fit into its low half
        let mut both = [0_u64; 2];
        let (read, flags) = if at!(action_flags) == at!(action_handler) + 8 {
            let read = action.copy(at!(action_handler), &mut both);
            (read, both[1] as u32)
        } else {
            (action.copy(at!(action_handler), &mut both[0]), action.load(at!(action_flags)))
        };
        // SIG_DFL and SIG_IGN are 0 and 1, and everything else is an address
        let [handler, _] = both;
        let known = is_nonzero(handler) + is_nonzero(handler >> 1);
        Self { handler: known as u8 | (u8::from(!read) * handler::UNKNOWN), flags }
    }

    /// The action of a task for a signal, 1 to 64. Not of a pointer that the verifier trusts: where the kernel's BTF says that
    /// `sighand` is `__rcu`, such a one must be compared with null before anything is added to it.
    #[inline(always)]
    pub(crate) fn of(task: impl Pointer, signal: u32) -> Self {
        let unknown = Self { handler: handler::UNKNOWN, flags: 0 };
        if !(1..=SIGRT_LAST).contains(&signal) {
            return unknown;
        }
        // a task that was reaped has no sighand, and reading below null fails
        Self::read(task.follow(at!(task_sighand)).address().plus(at!(sighand_action) + (signal - 1) * at!(action_size)))
    }
}

/// `si_code`. Without a siginfo (null) it reads as 0, which is `SI_USER` and what `SEND_SIG_NOINFO` means. It is not compared
/// with null: a verifier that believes a typed argument to be no such thing would leave that branch out.
#[inline(always)]
pub(crate) fn si_code(info: Addr) -> i32 {
    if info.number() == SEND_SIG_PRIV { SI_KERNEL } else { info.load(at!(siginfo_code)) }
}

/// Whether a signal's default action is to be ignored: `SIG_KERNEL_IGNORE_MASK`.
#[inline(always)]
pub(crate) const fn default_is_ignore(signal: u32) -> bool {
    matches!(signal, SIGCHLD | SIGCONT | SIGURG | SIGWINCH)
}

/// Whether a signal is sent all the time and says nothing, whoever handles it.
#[inline(always)]
pub(crate) const fn is_chatter(signal: u32) -> bool {
    matches!(signal, SIGCHLD | SIGURG)
}
