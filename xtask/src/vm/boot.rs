//! What the checks run on: kernels in virtual machines, each with its cgroup hierarchies, and the kernel that is here.

use crate::setup::kernels::{Arch, KERNELS, Kernel};
use std::fmt;

/// Where checks are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// This machine, as it is.
    Host,
    /// A virtual machine.
    Machine(Boot),
}

/// A kernel and its cgroup hierarchies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Boot {
    /// The kernel.
    pub(super) kernel: Kernel,
    /// What /sys/fs/cgroup is.
    pub(super) cgroups: Cgroups,
}

/// The kinds of cgroup hierarchies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cgroups {
    /// One hierarchy for each controller.
    V1,
    /// One for all.
    V2,
}

const OLD: Kernel = KERNELS[0];
const NEW: Kernel = KERNELS[1];
const ARM: Kernel = KERNELS[2];

/// Every virtual machine that the tests boot.
pub(super) const ALL: [Boot; 4] = [
    Boot { kernel: ARM, cgroups: Cgroups::V2 },
    Boot { kernel: OLD, cgroups: Cgroups::V2 },
    Boot { kernel: OLD, cgroups: Cgroups::V1 },
    Boot { kernel: NEW, cgroups: Cgroups::V2 },
];

/// A kernel by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Name {
    /// Debian 12's, the oldest that is tested; with cgroup v2 and with v1
    #[value(name = "6.1")]
    Old,
    /// Debian 13's
    #[value(name = "6.12")]
    New,
    /// The same on arm64, emulated
    #[value(name = "6.12-arm64")]
    Arm,
    /// The one that runs here, without a virtual machine
    Host,
}

impl Name {
    /// All of them; the slowest machine is the first that is started.
    pub(super) const ALL: [Self; 4] = [Self::Host, Self::Arm, Self::Old, Self::New];

    /// Where the checks of this kernel run.
    pub(super) fn places(self) -> Vec<Place> {
        let kernel = match self {
            Self::Old => OLD,
            Self::New => NEW,
            Self::Arm => ARM,
            Self::Host => return vec![Place::Host],
        };
        ALL.into_iter().filter(|boot| boot.kernel == kernel).map(Place::Machine).collect()
    }
}

impl Place {
    /// The architecture there, where it can be another than this machine's.
    pub(super) fn arch(self) -> Option<Arch> {
        match self {
            Self::Machine(boot) => Some(boot.kernel.arch),
            Self::Host => None,
        }
    }

    /// Its cgroup hierarchies, where we make them.
    pub(super) fn cgroups(self) -> Option<Cgroups> {
        match self {
            Self::Machine(boot) => Some(boot.cgroups),
            Self::Host => None,
        }
    }
}

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cgroups = match self.cgroups {
            Cgroups::V1 => "cgroup1",
            Cgroups::V2 => "cgroup2",
        };
        write!(f, "{}-{cgroups}", self.kernel)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Machine(boot) => boot.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, Name, Place};
    use crate::setup::kernels::KERNELS;

    #[test]
    fn every_kernel_is_booted_and_every_boot_has_a_name() {
        assert!(KERNELS.iter().all(|kernel| ALL.iter().any(|boot| boot.kernel == *kernel)));
        let named: Vec<_> = Name::ALL.into_iter().flat_map(Name::places).collect();
        assert!(ALL.iter().all(|boot| named.contains(&Place::Machine(*boot))));
        assert_eq!(named.len(), ALL.len() + 1);
    }
}
