//! The containerd that a test upgrades to: of the Debian after this one, unpacked and never installed.

use super::apt::Archive;
use crate::{paths, ui};
use anyhow::Result;
use std::path::PathBuf;

/// Its containerd asks for no newer C library than Debian 12 has.
const RELEASE: &str = "trixie";

/// The directory of its programs, where they are or will be.
pub(crate) fn programs() -> PathBuf {
    paths::target().join("upgrade/usr/bin")
}

/// Downloads it if it is missing. Says whether it was.
pub(super) fn ensure() -> Result<bool> {
    if programs().join("containerd").exists() {
        return Ok(false);
    }
    ui::note("containerd of Debian 13: a test upgrades to it (into target/upgrade, not installed)");
    let archive = Archive::of_release(RELEASE)?;
    archive.refresh()?;
    archive.unpack("containerd", &paths::target_dir("upgrade")?, "./usr/bin")?;
    Ok(true)
}
