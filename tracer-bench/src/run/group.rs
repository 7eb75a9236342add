//! Cgroups of this run, in the v2 hierarchy. Their names are no container's, so that another tracer does not list them.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// A cgroup, removed with what runs in it when dropped.
pub(super) struct Group {
    dir: PathBuf,
    point: PathBuf,
}

impl Group {
    /// The one that all others are in.
    pub(super) fn make() -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").context("cannot read /proc/self/mounts")?;
        let point = v2(&mounts).context("no cgroup v2 hierarchy is mounted")?;
        let group = Self { dir: point.join(format!("tracer-bench-{}", std::process::id())), point };
        fs::create_dir(&group.dir).with_context(|| format!("cannot make {}", group.dir.display()))?;
        Ok(group)
    }

    /// One below.
    pub(super) fn below(&self, name: &str) -> Result<Self> {
        let group = Self { dir: self.dir.join(name), point: self.point.clone() };
        fs::create_dir(&group.dir).with_context(|| format!("cannot make {}", group.dir.display()))?;
        Ok(group)
    }

    /// One beside it, which who tracks this one does not track.
    pub(super) fn beside(&self, name: &str) -> Result<Self> {
        let dir = self.point.join(format!("tracer-bench-{name}-{}", std::process::id()));
        let group = Self { dir, point: self.point.clone() };
        fs::create_dir(&group.dir).with_context(|| format!("cannot make {}", group.dir.display()))?;
        Ok(group)
    }

    /// Its directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Directory of the whole hierarchy.
    pub(super) fn root(&self) -> &Path {
        &self.point
    }

    /// What `--cgroup` calls it.
    pub(super) fn path(&self) -> String {
        Path::new("/").join(self.dir.strip_prefix(&self.point).unwrap_or(&self.dir)).display().to_string()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // that it is empty already is fine; whoever dies in it takes a moment
        for _ in 0..200 {
            fs::write(self.dir.join("cgroup.kill"), "1").unwrap_or_default();
            if fs::remove_dir(&self.dir).is_ok() {
                return;
            }
            sleep(Duration::from_millis(10));
        }
    }
}

/// Where the v2 hierarchy is mounted; the usual place first.
fn v2(mounts: &str) -> Option<PathBuf> {
    let points = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (_, point, kind) = (words.next()?, words.next()?, words.next()?);
        (kind == "cgroup2").then_some(point)
    });
    points.min_by_key(|point| !point.starts_with("/sys/fs/cgroup")).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::v2;
    use std::path::Path;

    #[test]
    fn the_usual_place_comes_first() {
        let mounts =
            "c /chroot/cg cgroup2 rw 0 0\nt /sys/fs/cgroup tmpfs rw 0 0\nc /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(v2(mounts).as_deref(), Some(Path::new("/sys/fs/cgroup/unified")));
        assert_eq!(v2("t /sys/fs/cgroup tmpfs rw 0 0\n"), None);
    }
}
