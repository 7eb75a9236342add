//! The only file system of a virtual machine.

use super::boot::{Boot, Cgroups};
use super::checks::Check;
use super::cpio::Archive;
use super::replay::Replay;
use crate::setup::kernels;
use crate::statics::Programs;
use anyhow::{Context, Result};
use std::path::Path;

/// Writes it: a shell, the programs, what is replayed, one script for each check, and the init that runs them.
pub(super) fn write(boot: Boot, checks: &[&Check], programs: &Programs, replays: &[Replay], to: &Path) -> Result<()> {
    let mut archive = Archive::default();
    for dir in ["bin", "checks", "dev", "proc", "replay", "run", "sys", "tmp", "root"] {
        archive.directory(dir);
    }
    // The kernel opens it for init before anything is mounted.
    archive.device("dev/console", 5, 1);
    archive.file("bin/busybox", &read(&kernels::busybox(boot.kernel.arch)?)?);
    archive.file("bin/tracer", &read(&programs.tracer)?);
    archive.file("bin/dispositions", &read(&programs.dispositions)?);
    archive.file("init", include_bytes!("init.sh"));
    let kind = if boot.cgroups == Cgroups::V1 { "1" } else { "2" };
    archive.file("settings", format!("SERIES={}\nCGROUP_VERSION={kind}\n", boot.kernel.series).as_bytes());
    for Replay { name, recording, text } in replays {
        archive.file(&format!("replay/{name}.rec"), recording);
        archive.file(&format!("replay/{name}.txt"), text);
    }
    for (number, check) in checks.iter().enumerate() {
        // The shell takes them in the order of their names: the number keeps the table's.
        archive.file(&format!("checks/{number:03}-{}", check.name), check.script().as_bytes());
    }
    std::fs::write(to, archive.finish()).with_context(|| format!("cannot write {}", to.display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
