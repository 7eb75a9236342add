//! What is booted, and the initramfs that it is booted with.

use super::checks::Check;
use super::cpio::Archive;
use crate::setup::kernels;
use anyhow::{Context, Result};
use std::fmt;
use std::path::Path;

/// A kernel and its cgroup hierarchies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Boot {
    /// The kernel's series, one of [`kernels::SERIES`].
    pub(super) series: &'static str,
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

/// Every virtual machine that the tests boot.
pub(super) const ALL: [Boot; 3] = [
    Boot { series: "6.1", cgroups: Cgroups::V2 },
    Boot { series: "6.1", cgroups: Cgroups::V1 },
    Boot { series: "6.12", cgroups: Cgroups::V2 },
];

/// The line by which the machine says that it ran everything.
pub(super) const DONE: &str = "@@done";

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cgroups = match self.cgroups {
            Cgroups::V1 => "cgroup1",
            Cgroups::V2 => "cgroup2",
        };
        write!(f, "{}-{cgroups}", self.series)
    }
}

/// Writes the initramfs: a shell, the binary, one script for each check, and the init that runs them.
pub(super) fn initramfs(boot: Boot, checks: &[&Check], tracer: &Path, to: &Path) -> Result<()> {
    let mut archive = Archive::default();
    for dir in ["bin", "checks", "dev", "proc", "run", "sys", "tmp", "root"] {
        archive.directory(dir);
    }
    // The kernel opens it for init before anything is mounted.
    archive.device("dev/console", 5, 1);
    archive.file("bin/busybox", &read(&kernels::busybox()?)?);
    archive.file("bin/tracer", &read(tracer)?);
    archive.file("init", include_bytes!("init.sh"));
    let kind = if boot.cgroups == Cgroups::V1 { "1" } else { "2" };
    archive.file("settings", format!("SERIES={}\nCGROUP_VERSION={kind}\n", boot.series).as_bytes());
    for (number, check) in checks.iter().enumerate() {
        // The shell takes them in the order of their names: the number keeps the table's.
        archive.file(&format!("checks/{number:03}-{}", check.name), check.script().as_bytes());
    }
    std::fs::write(to, archive.finish()).with_context(|| format!("cannot write {}", to.display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::ALL;
    use crate::setup::kernels::SERIES;

    #[test]
    fn every_series_is_booted_and_every_boot_has_a_kernel() {
        assert!(SERIES.iter().all(|series| ALL.iter().any(|boot| boot.series == *series)));
        assert!(ALL.iter().all(|boot| SERIES.contains(&boot.series)));
    }
}
