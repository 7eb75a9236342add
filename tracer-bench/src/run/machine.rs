//! The machine, in general terms: figures mean nothing without it.

use std::fmt;
use std::fs;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// What of a machine decides about figures.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Machine {
    processor: String,
    processors: usize,
    is_virtual: bool,
    memory_mib: u64,
    kernel: String,
    arch: String,
    /// Cgroup hierarchies: `v2`, `hybrid`.
    cgroups: String,
}

impl Machine {
    /// This one.
    pub(super) fn this() -> Result<Self> {
        let cpu = read("/proc/cpuinfo")?;
        let field = |name: &str| {
            let line = cpu.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
        };
        let mounts = read("/proc/self/mounts")?;
        let v1 = mounts.lines().any(|line| line.split(' ').nth(2) == Some("cgroup"));
        Ok(Self {
            processor: field("model name").unwrap_or_else(|| "unknown".to_owned()),
            processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            is_virtual: field("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            memory_mib: super::process::number(&read("/proc/meminfo")?, "MemTotal:") >> 10,
            kernel: version(&read("/proc/sys/kernel/osrelease")?),
            arch: std::env::consts::ARCH.to_owned(),
            cgroups: if v1 { "v1 and v2 (hybrid)" } else { "v2" }.to_owned(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_virtual { "virtual machine" } else { "machine" };
        let Self { processor, processors, memory_mib, kernel, arch, cgroups, .. } = self;
        let gib = (memory_mib + 512) >> 10;
        write!(f, "{kind}, {processors} processors ({processor}), {gib} GiB, Linux {kernel}, {arch}, cgroup {cgroups}")
    }
}

/// The numbers of a kernel's release, without what its builder calls it.
fn version(release: &str) -> String {
    release.trim().split(['-', '+']).next().unwrap_or_default().to_owned()
}

/// Processes that wanted to run at once in the last minute, on average.
pub(super) fn load_average() -> Result<f64> {
    let text = read("/proc/loadavg")?;
    text.split(' ').next().and_then(|word| word.parse().ok()).context("/proc/loadavg begins with no number")
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_kernel_is_named_by_its_numbers() {
        assert_eq!(super::version("6.1.0-28-cloud-amd64\n"), "6.1.0");
        assert_eq!(super::version("6.18.44+deb"), "6.18.44");
    }
}
