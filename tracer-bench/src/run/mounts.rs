//! What peers and measures want to be mounted, in a mount namespace of our own: nobody else sees it.

use std::path::Path;

use anyhow::{Context as _, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

const CGROUPS: &str = "/sys/fs/cgroup";
const TRACEFS: &str = "/sys/kernel/tracing";

/// Mounts them.
pub(super) fn prepare(pure_v2: bool) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).context("cannot make a mount namespace")?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).context("cannot make the mounts private")?;
    if !Path::new(TRACEFS).join("events").exists() {
        // where it is not to be had, the peers that need it say so
        mount_at("tracefs", TRACEFS).unwrap_or_default();
    }
    if pure_v2 && !Path::new(CGROUPS).join("cgroup.controllers").exists() {
        umount2(CGROUPS, MntFlags::MNT_DETACH).context("cannot unmount the cgroup hierarchies")?;
        mount_at("cgroup2", CGROUPS).context("cannot mount cgroup v2")?;
    }
    Ok(())
}

fn mount_at(kind: &str, place: &str) -> nix::Result<()> {
    mount(Some(kind), place, Some(kind), MsFlags::empty(), None::<&str>)
}
