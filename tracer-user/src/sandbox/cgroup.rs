//! Cgroups of our own: where to make them, and how to leave none behind.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::doctor::mounts::Mount;
use crate::event::CgroupId;

/// Where cgroups are mounted, unless somebody has reasons.
const USUAL_PLACE: &str = "/sys/fs/cgroup";
/// Processes that were killed are gone within milliseconds, unless the kernel itself hangs.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

/// A mounted cgroup hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub point: PathBuf,
    /// It is one of cgroup v1.
    pub v1: bool,
}

impl Hierarchy {
    /// The hierarchy to use: cgroup v2 where it is mounted, else the v1 controller that container runtimes always use.
    #[must_use]
    pub fn choose(mounts: &[Mount]) -> Option<Self> {
        // The usual place first: the same may be mounted in somebody's chroot, too.
        let (usual, other): (Vec<_>, Vec<_>) = mounts.iter().partition(|mount| mount.point.starts_with(USUAL_PLACE));
        let first = |wanted: &dyn Fn(&Mount) -> bool| usual.iter().chain(&other).copied().find(|mount| wanted(mount));
        let v1 = |controller| first(&|mount| mount.kind == "cgroup" && mount.has(controller));
        let chosen = first(&|mount| mount.kind == "cgroup2")
            .or_else(|| ["pids", "memory", "name=systemd"].into_iter().find_map(v1))?;
        Some(Self { point: chosen.point.clone(), v1: chosen.kind == "cgroup" })
    }

    /// The hierarchy to use on this machine.
    ///
    /// # Errors
    /// When none is mounted, or `/proc` is not.
    pub fn find() -> anyhow::Result<Self> {
        let text = fs::read_to_string("/proc/self/mountinfo").context("cannot read /proc/self/mountinfo")?;
        Self::choose(&Mount::parse(&text))
            .context("no cgroup hierarchy is mounted: mount one with `mount -t cgroup2 none /sys/fs/cgroup`")
    }

    /// The id that the kernel knows a directory of this hierarchy by.
    ///
    /// # Errors
    /// When the directory is gone.
    pub fn id(&self, dir: &Path) -> io::Result<CgroupId> {
        let inode = fs::metadata(dir)?.ino();
        Ok(CgroupId(if self.v1 { inode | tracer_common::CGROUP_V1 } else { inode }))
    }

    /// The directory's path as `/proc/PID/cgroup` shows it.
    #[must_use]
    pub fn path_of(&self, dir: &Path) -> String {
        Path::new("/").join(dir.strip_prefix(&self.point).unwrap_or(dir)).to_string_lossy().into_owned()
    }
}

/// A command's own cgroup, parent of its containers'. It is removed when dropped; a lock on the directory tells others
/// that its owner lives.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) dir: PathBuf,
    _lock: File,
}

impl Root {
    /// Makes it, after removing what those left that were killed. Its name is `tracer-COMMAND-` and our pid.
    pub(super) fn make(hierarchy: &Hierarchy, command: &str) -> anyhow::Result<Self> {
        remove_leftovers(&hierarchy.point, command);
        let (prefix, pid) = (prefix(command), std::process::id());
        for attempt in 1..=64 {
            let name = if attempt == 1 { format!("{prefix}{pid}") } else { format!("{prefix}{pid}-{attempt}") };
            let dir = hierarchy.point.join(name);
            match fs::create_dir(&dir) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(cannot_make(&dir, error)),
            }
            // Another one may take the directory for a leftover before it is locked; then the next name is tried.
            if let Some(lock) = File::open(&dir).ok().filter(|lock| lock.try_lock().is_ok())
                && dir.exists()
            {
                return Ok(Self { dir, _lock: lock });
            }
        }
        bail!("cannot make a cgroup in {}: every name is taken", hierarchy.point.display())
    }

    /// Makes a container's cgroup in it.
    pub(super) fn make_child(&self, name: &str) -> anyhow::Result<PathBuf> {
        let dir = self.dir.join(name);
        fs::create_dir(&dir).map_err(|error| cannot_make(&dir, error))?;
        Ok(dir)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // A container that outlives its stage keeps it; the next one removes it.
        fs::remove_dir(&self.dir).unwrap_or_default();
    }
}

fn cannot_make(dir: &Path, error: io::Error) -> anyhow::Error {
    let advice = match error.kind() {
        io::ErrorKind::PermissionDenied => ": run it as root",
        io::ErrorKind::ReadOnlyFilesystem => ": it is mounted read-only here; run it on the host",
        _ => "",
    };
    anyhow::Error::new(error).context(format!("cannot make the cgroup {}{advice}", dir.display()))
}

/// What the names of a command's directories begin with; a pid follows.
fn prefix(command: &str) -> String {
    format!("tracer-{command}-")
}

/// Removes the cgroups of those that were killed, with everything that still runs in them. What cannot be removed
/// stays: it must not keep a new one from starting.
fn remove_leftovers(point: &Path, command: &str) {
    let prefix = prefix(command);
    let Ok(entries) = fs::read_dir(point) else { return };
    for entry in entries.flatten().filter(|entry| is_ours(&entry.file_name(), &prefix)) {
        let dir = entry.path();
        let Ok(lock) = File::open(&dir) else { continue };
        let same = |lock: &File| lock.metadata().is_ok_and(|found| found.ino() == entry.ino());
        if lock.try_lock().is_ok() && same(&lock) {
            remove(&dir).unwrap_or_default();
        }
    }
}

fn is_ours(name: &OsStr, prefix: &str) -> bool {
    let digits = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    name.to_str().and_then(|name| name.strip_prefix(prefix)).is_some_and(digits)
}

/// The processes of a cgroup.
///
/// # Errors
/// When the cgroup is gone.
pub fn processes(dir: &Path) -> io::Result<Vec<u32>> {
    let text = fs::read_to_string(dir.join("cgroup.procs"))?;
    Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
}

/// Kills what runs in a cgroup and those below it, and removes them all: a container may have made some of its own, as
/// systemd does. That it is gone already is fine.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        kill_all(dir);
        match remove_tree(dir) {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() >= deadline => return Err(error),
            // somebody in it is about to end, or has just made another one
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => sleep(PAUSE),
            Err(error) => return Err(error),
        }
    }
}

/// Removes a cgroup after those below it.
fn remove_tree(dir: &Path) -> io::Result<()> {
    for child in below(dir) {
        remove_tree(&child)?;
    }
    match fs::remove_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The cgroups directly below one.
fn below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

fn kill_all(dir: &Path) {
    // Linux 5.14 and v2: with all below it at once, whatever they fork meanwhile
    if File::options().write(true).open(dir.join("cgroup.kill")).and_then(|mut kill| kill.write_all(b"1")).is_ok() {
        return;
    }
    for pid in processes(dir).unwrap_or_default() {
        // 0 stands for a process of another pid namespace; as an argument of kill(2) it would mean ourselves. That a
        // process is gone by now is what we want.
        if let Some(pid) = i32::try_from(pid).ok().filter(|&pid| pid > 0) {
            kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap_or_default();
        }
    }
    for child in below(dir) {
        kill_all(&child);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2: &str = "1 0 0:1 / /sys/fs/cgroup rw - cgroup2 none rw\n";
    const V1: &str = "2 0 0:2 / /cg/memory rw - cgroup none rw,memory\n3 0 0:3 / /cg/pids rw - cgroup none rw,pids\n";

    #[test]
    fn v2_where_there_is_one_else_the_best_of_v1() {
        let point = |text: &str| Hierarchy::choose(&Mount::parse(text)).map(|found| (found.point, found.v1));
        assert_eq!(point(&format!("{V1}{V2}")), Some(("/sys/fs/cgroup".into(), false)));
        assert_eq!(
            point(&format!("{}{V2}", V2.replace("/sys", "/chroot/sys"))),
            Some(("/sys/fs/cgroup".into(), false))
        );
        assert_eq!(point(V1), Some(("/cg/pids".into(), true)));
        assert_eq!(point("3 0 0:3 / /cg/cpu rw - cgroup none rw,cpu\n"), None);
    }

    #[test]
    fn only_our_own_directories_are_leftovers() {
        let is_ours = |name: &str| is_ours(OsStr::new(name), &prefix("demo"));
        assert!(is_ours("tracer-demo-12") && is_ours("tracer-demo-12-2"));
        assert!(!is_ours("tracer-demo-") && !is_ours("tracer-demo-ns"));
        assert!(!is_ours("system.slice") && !is_ours("tracer-check-12"));
    }

    #[test]
    fn those_below_are_removed_first_and_one_that_is_gone_is_fine() {
        let directory = tempfile::tempdir().expect("a directory");
        let dir = directory.path().join("container");
        fs::create_dir_all(dir.join("init.scope/deeper")).expect("directories");
        fs::create_dir(dir.join("system.slice")).expect("a directory");
        remove(&dir).expect("it is removed");
        assert!(!dir.exists());
        remove(&dir).expect("it is gone");
    }
}
