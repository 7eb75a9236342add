//! Names of `si_code`: why a signal was sent.
//!
//! <https://github.com/torvalds/linux/blob/v6.12/include/uapi/asm-generic/siginfo.h>

use std::borrow::Cow;

use crate::signal::Signal;

/// Codes that mean the same for every signal.
const ANY: [(i32, &str); 10] = [
    (0, "SI_USER"),
    (0x80, "SI_KERNEL"),
    (-1, "SI_QUEUE"),
    (-2, "SI_TIMER"),
    (-3, "SI_MESGQ"),
    (-4, "SI_ASYNCIO"),
    (-5, "SI_SIGIO"),
    (-6, "SI_TKILL"),
    (-7, "SI_DETHREAD"),
    (-60, "SI_ASYNCNL"),
];

// The kernel numbers the others from 1, for each signal anew.
const ILL: &[&str] = &[
    "ILL_ILLOPC",
    "ILL_ILLOPN",
    "ILL_ILLADR",
    "ILL_ILLTRP",
    "ILL_PRVOPC",
    "ILL_PRVREG",
    "ILL_COPROC",
    "ILL_BADSTK",
    "ILL_BADIADDR",
];
const FPE: &[&str] =
    &["FPE_INTDIV", "FPE_INTOVF", "FPE_FLTDIV", "FPE_FLTOVF", "FPE_FLTUND", "FPE_FLTRES", "FPE_FLTINV", "FPE_FLTSUB"];
const SEGV: &[&str] = &[
    "SEGV_MAPERR",
    "SEGV_ACCERR",
    "SEGV_BNDERR",
    "SEGV_PKUERR",
    "SEGV_ACCADI",
    "SEGV_ADIDERR",
    "SEGV_ADIPERR",
    "SEGV_MTEAERR",
    "SEGV_MTESERR",
    "SEGV_CPERR",
];
const BUS: &[&str] = &["BUS_ADRALN", "BUS_ADRERR", "BUS_OBJERR", "BUS_MCEERR_AR", "BUS_MCEERR_AO"];
const TRAP: &[&str] = &["TRAP_BRKPT", "TRAP_TRACE", "TRAP_BRANCH", "TRAP_HWBKPT", "TRAP_UNK", "TRAP_PERF"];
const CHLD: &[&str] = &["CLD_EXITED", "CLD_KILLED", "CLD_DUMPED", "CLD_TRAPPED", "CLD_STOPPED", "CLD_CONTINUED"];
const POLL: &[&str] = &["POLL_IN", "POLL_OUT", "POLL_MSG", "POLL_ERR", "POLL_PRI", "POLL_HUP"];
const SYS: &[&str] = &["SYS_SECCOMP", "SYS_USER_DISPATCH"];

/// The name of `code` when it comes with `signal`, else the number in digits.
pub(crate) fn name(signal: Signal, code: i32) -> Cow<'static, str> {
    if let Some((_, name)) = ANY.iter().find(|(known, _)| *known == code) {
        return Cow::Borrowed(name);
    }
    let own = match signal {
        Signal::ILL => ILL,
        Signal::FPE => FPE,
        Signal::SEGV => SEGV,
        Signal::BUS => BUS,
        Signal::TRAP => TRAP,
        Signal::CHLD => CHLD,
        Signal::SYS => SYS,
        other if other.number() == 29 => POLL,
        _ => &[],
    };
    let index = usize::try_from(code).ok().and_then(|code| code.checked_sub(1));
    match index.and_then(|index| own.get(index)) {
        Some(name) => Cow::Borrowed(name),
        None => Cow::Owned(code.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signal_decides_what_a_small_code_means() {
        let io = Signal::new(29).expect("SIGIO");
        for (signal, code, expect) in [
            (Signal::TERM, 0, "SI_USER"),
            (Signal::KILL, 128, "SI_KERNEL"),
            (Signal::TERM, -1, "SI_QUEUE"),
            (Signal::TERM, -6, "SI_TKILL"),
            (Signal::CHLD, 1, "CLD_EXITED"),
            (Signal::CHLD, 6, "CLD_CONTINUED"),
            (Signal::CHLD, 7, "7"),
            (Signal::SEGV, 1, "SEGV_MAPERR"),
            (Signal::BUS, 4, "BUS_MCEERR_AR"),
            (Signal::SYS, 1, "SYS_SECCOMP"),
            (io, 6, "POLL_HUP"),
            (Signal::TERM, 1, "1"),
            (Signal::TERM, i32::MIN, "-2147483648"),
            (Signal::SEGV, i32::MAX, "2147483647"),
        ] {
            assert_eq!(name(signal, code), expect);
        }
    }
}
