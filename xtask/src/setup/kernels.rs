//! Kernels for the virtual machines, and the busybox they run: downloaded and unpacked, never installed.

use super::apt;
use crate::{elf, paths, sh, ui};
use anyhow::{Context, Result, bail};
use std::cmp::Reverse;
use std::fs;
use std::path::{Path, PathBuf};

/// The kernel series the tests boot: the oldest we support, and a current one.
pub(crate) const SERIES: [&str; 2] = ["6.1", "6.12"];

/// Downloads what target/vm lacks. Says whether anything was.
pub(super) fn ensure() -> Result<bool> {
    let mut did = false;
    for series in SERIES {
        if image(series)?.is_none() {
            ui::note(format!("Debian's Linux {series}: the tests boot it (into target/vm, not installed)"));
            apt::refresh()?;
            let package = kernel_package(series)?;
            unpack(&package, &paths::target_dir(&format!("vm/{series}"))?, "./boot")?;
            did = true;
        }
    }
    if elf::assert_static(&busybox()?).is_err() {
        ui::note("busybox-static: the virtual machines' shell (into target/vm, not installed)");
        apt::refresh()?;
        unpack("busybox-static", &paths::target_dir("vm/busybox")?, ".")?;
        did = true;
    }
    Ok(did)
}

/// The kernel of a series, if it is there.
pub(crate) fn image(series: &str) -> Result<Option<PathBuf>> {
    let boot = paths::target_dir(&format!("vm/{series}"))?.join("boot");
    let Ok(entries) = fs::read_dir(&boot) else { return Ok(None) };
    let mut images = entries.flatten().map(|entry| entry.path());
    Ok(images.find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-"))))
}

/// The static busybox, where it is or will be.
pub(crate) fn busybox() -> Result<PathBuf> {
    let root = paths::target_dir("vm/busybox")?;
    let merged = root.join("usr/bin/busybox");
    Ok(if merged.exists() { merged } else { root.join("bin/busybox") })
}

/// The newest cloud kernel of the series that apt can really download.
fn kernel_package(series: &str) -> Result<String> {
    let mut names = apt::names(&format!("linux-image-{series}."))?;
    names.retain(|name| name.ends_with("-cloud-amd64"));
    names.sort_by_key(|name| Reverse(numbers(name)));
    for name in names {
        if apt::offers(&name)? {
            return Ok(name);
        }
    }
    bail!(
        "apt knows no linux-image-{series}.*-cloud-amd64: on Debian 12 it is in the security suite or in backports; \
         elsewhere run the other stages only, `cargo xtask test --stage pure --stage privileged`"
    )
}

/// The numbers in a name, so that 6.12.117 comes after 6.12.99.
fn numbers(name: &str) -> Vec<u32> {
    name.split(|letter: char| !letter.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

/// Downloads a package and unpacks one directory of it.
fn unpack(package: &str, dir: &Path, part: &str) -> Result<()> {
    let staging = paths::target_dir("vm/download")?;
    apt::download(package, &staging)?;
    let prefix = format!("{package}_");
    let debs = fs::read_dir(&staging).with_context(|| format!("cannot list {}", staging.display()))?;
    let deb = debs.flatten().find(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    let deb = deb.with_context(|| format!("apt-get download {package} left no file in {}", staging.display()))?.path();
    let script = r#"set -o pipefail; dpkg-deb --fsys-tarfile "$1" | tar --extract --directory "$2" "$3""#;
    sh::read(sh::cmd("bash").args(["-c", script, "unpack"]).arg(&deb).arg(dir).arg(part))?;
    fs::remove_file(&deb).with_context(|| format!("cannot remove {}", deb.display()))
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
