//! The containerd that a test upgrades to: of the Debian after this one, unpacked and never installed.

use super::apt::Archive;
use crate::test::strict;
use crate::{paths, ui};
use anyhow::{Context, Result};
use std::fs;
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
    match download() {
        Ok(()) => Ok(true),
        // one test alone does without, and says so
        Err(error) if !strict() => {
            ui::note(format!("{error:#}; going on without"));
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn download() -> Result<()> {
    let archive = Archive::of_release(RELEASE)?;
    archive.refresh()?;
    // what is in its place is whole
    let parts = paths::target_dir("upgrade.new")?;
    archive.unpack("containerd", &parts, "./usr/bin")?;
    let whole = paths::target().join("upgrade");
    if whole.exists() {
        fs::remove_dir_all(&whole).with_context(|| format!("cannot remove {}", whole.display()))?;
    }
    fs::rename(&parts, &whole).with_context(|| format!("cannot rename {}", parts.display()))
}
