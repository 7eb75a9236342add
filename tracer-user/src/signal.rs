//! Signal numbers, names and sets.
//!
//! Numbers are those of x86 and arm64 (`include/uapi/asm-generic/signal.h`); real-time signals are named as glibc
//! does, from `SIGRTMIN` = 34.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A signal number, 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];
/// glibc's `SIGRTMIN`; 32 and 33 belong to its threads library.
const RTMIN: u8 = 34;
const RTMAX: u8 = 64;

impl Signal {
    /// `SIGHUP`.
    pub const HUP: Self = Self(1);
    /// `SIGINT`.
    pub const INT: Self = Self(2);
    /// `SIGQUIT`.
    pub const QUIT: Self = Self(3);
    /// `SIGILL`.
    pub const ILL: Self = Self(4);
    /// `SIGTRAP`.
    pub const TRAP: Self = Self(5);
    /// `SIGABRT`.
    pub const ABRT: Self = Self(6);
    /// `SIGBUS`.
    pub const BUS: Self = Self(7);
    /// `SIGFPE`.
    pub const FPE: Self = Self(8);
    /// `SIGKILL`.
    pub const KILL: Self = Self(9);
    /// `SIGUSR1`.
    pub const USR1: Self = Self(10);
    /// `SIGSEGV`.
    pub const SEGV: Self = Self(11);
    /// `SIGUSR2`.
    pub const USR2: Self = Self(12);
    /// `SIGTERM`.
    pub const TERM: Self = Self(15);
    /// `SIGCHLD`.
    pub const CHLD: Self = Self(17);
    /// `SIGCONT`.
    pub const CONT: Self = Self(18);
    /// `SIGSTOP`.
    pub const STOP: Self = Self(19);
    /// `SIGURG`.
    pub const URG: Self = Self(23);
    /// `SIGXCPU`.
    pub const XCPU: Self = Self(24);
    /// `SIGXFSZ`.
    pub const XFSZ: Self = Self(25);
    /// `SIGWINCH`.
    pub const WINCH: Self = Self(28);
    /// `SIGSYS`.
    pub const SYS: Self = Self(31);

    /// From a number.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number >= 1 && number <= 64 {
            #[expect(clippy::cast_possible_truncation, reason = "checked to be at most 64")]
            return Some(Self(number as u8));
        }
        None
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Whether it is no real-time signal: at most one is pending at a time.
    #[must_use]
    pub const fn is_standard(self) -> bool {
        self.0 < 32
    }

    /// Whether its default action is to be ignored (`SIG_KERNEL_IGNORE_MASK`, `include/linux/signal.h`).
    #[must_use]
    pub const fn default_is_ignore(self) -> bool {
        matches!(self, Self::CHLD | Self::CONT | Self::URG | Self::WINCH)
    }

    /// Whether its default action is to stop the process (`SIG_KERNEL_STOP_MASK`).
    #[must_use]
    pub const fn default_is_stop(self) -> bool {
        matches!(self.0, 19..=22)
    }

    /// Whether its default action is to end the process with a core dump (`SIG_KERNEL_COREDUMP_MASK`).
    #[must_use]
    pub const fn default_is_core(self) -> bool {
        matches!(self.0, 3..=8 | 11 | 24 | 25 | 31)
    }

    /// Whether it tells of a fault of the program itself.
    #[must_use]
    pub const fn is_crash(self) -> bool {
        matches!(
            self,
            Self::ILL
                | Self::TRAP
                | Self::ABRT
                | Self::BUS
                | Self::FPE
                | Self::SEGV
                | Self::XCPU
                | Self::XFSZ
                | Self::SYS
        )
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            n @ 1..=31 => return f.pad(&format!("SIG{}", NAMES[usize::from(n) - 1])),
            n @ (32 | 33) => format!("SIG{n}"),
            RTMIN => "SIGRTMIN".to_owned(),
            RTMAX => "SIGRTMAX".to_owned(),
            n if n <= 49 => format!("SIGRTMIN+{}", n - RTMIN),
            n => format!("SIGRTMAX-{}", RTMAX - n),
        };
        f.pad(&text)
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Text that names no signal.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("no signal is called {0:?}; use a name such as TERM, SIGTERM or RTMIN+3, or a number from 1 to 64")]
pub struct NoSuchSignal(pub String);

impl FromStr for Signal {
    type Err = NoSuchSignal;

    /// `TERM`, `SIGTERM`, `sigterm`, `15`, `RTMIN+3`, `SIGRTMAX-2`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NoSuchSignal(text.to_owned());
        let upper = text.trim().to_ascii_uppercase();
        if let Ok(number) = upper.parse::<u32>() {
            return Self::new(number).ok_or_else(wrong);
        }
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some(index) = NAMES.iter().position(|&known| known == name) {
            return u32::try_from(index + 1).ok().and_then(Self::new).ok_or_else(wrong);
        }
        let number = match name {
            "IOT" => Some(Self::ABRT.0),
            "CLD" => Some(Self::CHLD.0),
            "POLL" => Some(29),
            "32" | "33" => name.parse().ok(),
            "RTMIN" => Some(RTMIN),
            "RTMAX" => Some(RTMAX),
            _ => match (name.strip_prefix("RTMIN+"), name.strip_prefix("RTMAX-")) {
                (Some(n), _) => n.parse::<u8>().ok().and_then(|n| RTMIN.checked_add(n)).filter(|&n| n <= RTMAX),
                (_, Some(n)) => n.parse::<u8>().ok().and_then(|n| RTMAX.checked_sub(n)).filter(|&n| n >= RTMIN),
                _ => None,
            },
        };
        number.and_then(|n| Self::new(u32::from(n))).ok_or_else(wrong)
    }
}

impl Serialize for Signal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Signal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Signal;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a signal name")
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Signal, E> {
                name.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// A set of signals; bit `n-1` is signal `n`, as in `/proc/PID/status`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct SignalSet(pub u64);

impl SignalSet {
    /// Whether `signal` is in it.
    #[must_use]
    pub const fn has(self, signal: Signal) -> bool {
        self.0 & (1 << (signal.0 - 1)) != 0
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its members in ascending order.
    pub fn iter(self) -> impl Iterator<Item = Signal> {
        (1..=64).filter_map(Signal::new).filter(move |&signal| self.has(signal))
    }
}

impl FromIterator<Signal> for SignalSet {
    fn from_iter<I: IntoIterator<Item = Signal>>(signals: I) -> Self {
        Self(signals.into_iter().fold(0, |set, signal| set | 1 << (signal.0 - 1)))
    }
}

impl fmt::Debug for SignalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Serialize for SignalSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:x}", self.0))
    }
}

impl<'de> Deserialize<'de> for SignalSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = SignalSet;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a signal mask in hexadecimal digits, as in /proc/PID/status")
            }
            fn visit_str<E: serde::de::Error>(self, digits: &str) -> Result<SignalSet, E> {
                u64::from_str_radix(digits, 16).map(SignalSet).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for number in 1..=64 {
            let signal = Signal::new(number).expect("1 to 64");
            assert_eq!(signal.to_string().parse(), Ok(signal));
            assert_eq!(number.to_string().parse(), Ok(signal));
        }
    }

    #[test]
    fn names_people_type() {
        for (text, number) in [("TERM", 15), ("sigterm", 15), ("SIGRTMIN+3", 37), ("RTMAX-1", 63), ("IOT", 6)] {
            assert_eq!(text.parse::<Signal>().map(Signal::number), Ok(number), "{text}");
        }
        for text in ["", "SIG", "0", "65", "TERMINATE", "RTMIN+31", "RTMAX-31", "-1"] {
            assert_eq!(text.parse::<Signal>(), Err(NoSuchSignal(text.to_owned())));
        }
    }
}
