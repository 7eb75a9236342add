//! Where our own cgroup namespace begins.
//!
//! `/proc/PID/cgroup` counts paths from there. With the host's hierarchy mounted beside, the names between the two are
//! all that is missing to have them from the hierarchy's root, as everybody else on the host has them.

use std::fs::{self, DirEntry};
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::Path;

use super::{CgroupMount, Membership, Mount, climb};

/// Cgroups looked at in search of our own: more than any node has.
const MAX_LOOKED_AT: usize = 200_000;

/// The names on the way from `mount`, if that is above our cgroup namespace's root, down to that root. Empty when it is
/// not, or cannot be found.
///
/// A mount of ours tells which cgroup it is. Without one it is the one from which our own path leads to our own cgroup,
/// which has us in it: `shown` is the line of `/proc/self/cgroup`.
pub(super) fn find(mount: &Mount, own: &[CgroupMount], shown: Option<&Membership>) -> Vec<String> {
    let levels = climb(&mount.root).0;
    let Ok(data) = fs::metadata(&mount.point) else { return Vec::new() };
    if levels == 0 {
        return Vec::new();
    }
    let inode = own
        .iter()
        .filter(|own| own.root == "/" && own.device == super::device(data.dev()))
        .find_map(|own| Some(fs::metadata(&own.point).ok()?.ino()));
    let found = match (inode, shown.map(|line| climb(&line.path))) {
        (Some(inode), _) => way_to(&|entry| entry.ino() == inode, levels, &mount.point, &mut 0),
        (None, Some((0, down))) => {
            let us = std::process::id().to_string();
            let has_us = |entry: &DirEntry| holds(&down.iter().fold(entry.path(), |path, name| path.join(name)), &us);
            way_to(&has_us, levels, &mount.point, &mut 0)
        }
        // we are in a cgroup outside of our own namespace
        (None, _) => None,
    };
    found.unwrap_or_default()
}

/// Whether a process is in the cgroup of that directory.
fn holds(directory: &Path, pid: &str) -> bool {
    fs::read_to_string(directory.join("cgroup.procs")).is_ok_and(|text| text.lines().any(|line| line == pid))
}

/// The names on the way from `from` to the cgroup that is meant, which is `levels` below it.
fn way_to(
    is_meant: &dyn Fn(&DirEntry) -> bool,
    levels: usize,
    from: &Path,
    looked_at: &mut usize,
) -> Option<Vec<String>> {
    for entry in fs::read_dir(from).ok()?.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        *looked_at += 1;
        if *looked_at > MAX_LOOKED_AT {
            return None;
        }
        let name = || entry.file_name().into_string().ok();
        if levels == 1 {
            if is_meant(&entry) {
                return Some(vec![name()?]);
            }
        } else if let Some(mut way) = way_to(is_meant, levels - 1, &entry.path(), looked_at) {
            way.insert(0, name()?);
            return Some(way);
        }
    }
    None
}
