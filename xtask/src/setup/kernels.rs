//! Kernels for the virtual machines, and the busybox they run: downloaded and unpacked, never installed.

use super::apt::Archive;
use crate::{elf, paths, ui};
use anyhow::{Result, bail};
use std::cmp::Reverse;
use std::fmt;
use std::fs;
use std::path::PathBuf;

/// The architectures that are tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Arch {
    /// 64-bit x86.
    X86,
    /// 64-bit Arm, emulated on other machines.
    Arm,
}

impl Arch {
    /// This machine's; `None` if it is none that is tested.
    pub(crate) fn here() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self::X86),
            "aarch64" => Some(Self::Arm),
            _ => None,
        }
    }

    /// The target that its static binaries are built for.
    pub(crate) fn triple(self) -> &'static str {
        match self {
            Self::X86 => "x86_64-unknown-linux-musl",
            Self::Arm => "aarch64-unknown-linux-musl",
        }
    }

    /// Debian's name for it.
    fn debian(self) -> &'static str {
        match self {
            Self::X86 => "amd64",
            Self::Arm => "arm64",
        }
    }
}

/// One of Debian's kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// Its series: "6.12".
    pub(crate) series: &'static str,
    /// What it runs on.
    pub(crate) arch: Arch,
}

/// The kernels that the tests boot: the oldest series we support, and a current one; of arm64, the current one.
pub(crate) const KERNELS: [Kernel; 3] = [
    Kernel { series: "6.1", arch: Arch::X86 },
    Kernel { series: "6.12", arch: Arch::X86 },
    Kernel { series: "6.12", arch: Arch::Arm },
];

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.arch {
            Arch::X86 => f.write_str(self.series),
            Arch::Arm => write!(f, "{}-arm64", self.series),
        }
    }
}

/// Downloads what target/vm lacks. Says whether anything was.
pub(super) fn ensure() -> Result<bool> {
    let mut did = false;
    for kernel in KERNELS {
        let Kernel { series, arch } = kernel;
        let archive = Archive::of(arch.debian())?;
        if image(kernel)?.is_none() {
            let name = arch.debian();
            ui::note(format!("Debian's Linux {series} for {name}: the tests boot it (into target/vm, not installed)"));
            archive.refresh()?;
            let package = kernel_package(kernel, &archive)?;
            archive.unpack(&package, &paths::target_dir(&format!("vm/{kernel}"))?, "./boot")?;
            did = true;
        }
        if elf::assert_static(&busybox(arch)?).is_err() {
            ui::note("busybox-static: the virtual machines' shell (into target/vm, not installed)");
            archive.refresh()?;
            archive.unpack("busybox-static", &busybox_dir(arch)?, ".")?;
            did = true;
        }
    }
    Ok(did)
}

/// A kernel's image, if it is there.
pub(crate) fn image(kernel: Kernel) -> Result<Option<PathBuf>> {
    let boot = paths::target_dir(&format!("vm/{kernel}"))?.join("boot");
    let Ok(entries) = fs::read_dir(&boot) else { return Ok(None) };
    let mut images = entries.flatten().map(|entry| entry.path());
    Ok(images.find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-"))))
}

/// The static busybox, where it is or will be.
pub(crate) fn busybox(arch: Arch) -> Result<PathBuf> {
    let root = busybox_dir(arch)?;
    let merged = root.join("usr/bin/busybox");
    Ok(if merged.exists() { merged } else { root.join("bin/busybox") })
}

fn busybox_dir(arch: Arch) -> Result<PathBuf> {
    match arch {
        Arch::X86 => paths::target_dir("vm/busybox"),
        Arch::Arm => paths::target_dir("vm/busybox-arm64"),
    }
}

/// The newest cloud kernel of the series that apt can really download.
fn kernel_package(Kernel { series, arch }: Kernel, archive: &Archive) -> Result<String> {
    let flavour = format!("-cloud-{}", arch.debian());
    let mut names = archive.names(&format!("linux-image-{series}."))?;
    names.retain(|name| name.ends_with(&flavour));
    names.sort_by_key(|name| Reverse(numbers(name)));
    for name in names {
        if archive.offers(&name)? {
            return Ok(name);
        }
    }
    bail!(
        "apt knows no linux-image-{series}.*{flavour}: on Debian 12 it is in the security suite or in backports; \
         elsewhere run the other stages only, `cargo xtask test --stage pure --stage privileged`"
    )
}

/// The numbers in a name, so that 6.12.117 comes after 6.12.99.
fn numbers(name: &str) -> Vec<u32> {
    name.split(|letter: char| !letter.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn versions_sort_by_number() {
        assert!(numbers("linux-image-6.12.117+deb12-cloud-amd64") > numbers("linux-image-6.12.99+deb12-cloud-amd64"));
        assert!(numbers("linux-image-6.1.0-56-cloud-amd64") > numbers("linux-image-6.1.0-9-cloud-amd64"));
    }
}
