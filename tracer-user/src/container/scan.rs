//! The cgroups of containers: those there are, those just made, and those a process is in.
//!
//! On a hybrid host a container has a cgroup in each hierarchy: it is found twice, under two numbers.

use std::fs;
use std::io;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use tracer_common::CGROUP_V1;

use crate::event::{CgroupFigures, CgroupFound, CgroupId};

use super::hierarchy::{Hierarchies, Mount, climb, parse_membership};
use super::path;

/// More cgroups than any node has: a walk stops here, so that whoever may make cgroups cannot keep it busy forever.
const MAX_CGROUPS: usize = 200_000;
/// The kernel allows any depth; `cgroup.max.depth` and systemd stay far below this.
const MAX_DEPTH: usize = 64;

/// Tells what a cgroup is: part of a container, of what `--cgroup` names, or neither.
#[derive(Clone, Debug, Default)]
pub struct Classifier {
    named: Vec<Named>,
}

/// A cgroup that `--cgroup` names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    /// From the root of its hierarchy, no slash at the end: empty for the root.
    path: String,
    /// In the v1 hierarchy (true), in v2's (false), or in whichever has it.
    v1: Option<bool>,
}

impl Classifier {
    /// With the values of `--cgroup`: each a path below a mounted hierarchy (`/sys/fs/cgroup/user.slice`, also when the
    /// host's is mounted elsewhere in a container) or from the root of any (`/user.slice`, `user.slice`). It need not
    /// exist yet. One that climbs out with `..` names nothing.
    #[must_use]
    pub fn new(hierarchies: &Hierarchies, cgroups: &[String]) -> Self {
        Self { named: cgroups.iter().filter_map(|cgroup| name(hierarchies, cgroup)).collect() }
    }

    /// What the cgroup `id` with the path `path` is; `None` when it belongs to nothing that is traced.
    ///
    /// The path counts from the root of its hierarchy, as the kernel's `cgroup_mkdir` tells it: in full, also when the
    /// process that made it sits in a cgroup namespace. `new` says that it was just made.
    ///
    /// Inside what `--cgroup` names, a container keeps its own id; everything else has the named path for its id. The
    /// named cgroup may itself be a container's, which then is told as that container.
    #[must_use]
    pub fn classify(&self, id: CgroupId, path: &str, new: bool) -> Option<CgroupFound> {
        let container = path::parse(path);
        let v1 = id.0 & CGROUP_V1 != 0;
        let named = self
            .named
            .iter()
            .filter(|named| named.v1.is_none_or(|only| only == v1) && named.holds(path))
            .max_by_key(|named| named.path.len())
            // below a container's own cgroup the name is the more exact one
            .filter(|named| container.as_ref().is_none_or(|container| named.path.len() > container.own_len));
        Some(match (named, container) {
            (Some(named), _) => CgroupFound {
                cgroup: id,
                path: path.to_owned(),
                container: if named.path.is_empty() { "/".to_owned() } else { named.path.clone() },
                own: path.trim_end_matches('/') == named.path,
                runtime: "cgroup".to_owned(),
                pod_uid: None,
                new,
            },
            (None, Some(container)) => CgroupFound {
                cgroup: id,
                path: path.to_owned(),
                own: container.is_own(path),
                container: container.id,
                runtime: container.runtime.to_owned(),
                pod_uid: container.pod_uid,
                new,
            },
            (None, None) => return None,
        })
    }

    /// Whether a cgroup is one that `--cgroup` names, or below it.
    #[must_use]
    pub fn is_named(&self, id: CgroupId, path: &str) -> bool {
        let v1 = id.0 & CGROUP_V1 != 0;
        self.named.iter().any(|named| named.v1.is_none_or(|only| only == v1) && named.holds(path))
    }

    /// The same for a cgroup that was just made and whose path did not fit into its record: what is left of it, without
    /// the component that was cut.
    #[must_use]
    pub fn classify_cut(&self, id: CgroupId, path: &str) -> Option<CgroupFound> {
        let (whole, _) = path.rsplit_once('/')?;
        self.classify(id, whole, true).map(|found| CgroupFound { own: false, ..found })
    }

    /// Every cgroup of a container, or below one that `--cgroup` names, in the mounted hierarchies. Parents come before
    /// their children. What vanishes during the walk is left out.
    #[must_use]
    pub fn scan(&self, hierarchies: &Hierarchies) -> Scan {
        let mut scan = Scan::default();
        let v2 = hierarchies.v2.iter().map(|mount| (mount, 0));
        let v1 = hierarchies.v1.iter().map(|v1| (&v1.mount, CGROUP_V1));
        for (mount, flag) in v2.chain(v1) {
            self.walk(mount, flag, &mut scan);
        }
        scan
    }

    fn walk(&self, mount: &Mount, flag: u64, scan: &mut Scan) {
        let root = match fs::metadata(&mount.point) {
            Ok(root) => root,
            Err(error) => return scan.miss(&mount.point, &error),
        };
        let prefix: String = mount.prefix().iter().flat_map(|name| ["/", name]).collect();
        let mut left = vec![(mount.point.clone(), prefix, root.ino(), 0)];
        let mut seen = 0;
        while let Some((directory, path, inode, depth)) = left.pop() {
            let told = if path.is_empty() { "/" } else { &path };
            scan.found.extend(self.classify(CgroupId(inode | flag), told, false));
            seen += 1;
            if seen >= MAX_CGROUPS {
                scan.cut = true;
                return;
            }
            if depth >= MAX_DEPTH {
                scan.cut = true;
                continue;
            }
            let entries = match fs::read_dir(&directory).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
                Ok(entries) => entries,
                Err(error) => {
                    scan.miss(&directory, &error);
                    continue;
                }
            };
            for entry in entries.iter().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
                let name = entry.file_name();
                left.push((
                    directory.join(&name),
                    format!("{path}/{}", name.to_string_lossy()),
                    entry.ino(),
                    depth + 1,
                ));
            }
        }
    }
}

impl Named {
    fn holds(&self, path: &str) -> bool {
        path.strip_prefix(self.path.as_str()).is_some_and(|below| below.is_empty() || below.starts_with('/'))
    }
}

/// What a value of `--cgroup` names.
fn name(hierarchies: &Hierarchies, cgroup: &str) -> Option<Named> {
    let v2 = hierarchies.v2.iter().map(|mount| (mount, false));
    let v1 = hierarchies.v1.iter().map(|v1| (&v1.mount, true));
    // on a hybrid host v1's mounts and v2's lie side by side, but a v2 mount may also hold a v1 one
    let mount = v2
        .chain(v1)
        .flat_map(|(mount, v1)| [Some(mount.point.as_path()), on_the_host(mount)].map(|point| (mount, v1, point)))
        .filter_map(|(mount, v1, point)| Some((mount, v1, point?)))
        .filter(|(.., point)| *point != Path::new("/") && Path::new(cgroup).starts_with(point))
        .max_by_key(|(.., point)| point.as_os_str().len());
    let (prefix, below, v1) = match mount {
        Some((mount, v1, point)) => {
            (mount.prefix(), cgroup.get(point.to_str()?.trim_end_matches('/').len()..)?, Some(v1))
        }
        None => (Vec::new(), cgroup, None),
    };
    let (0, down) = climb(below) else { return None };
    Some(Named { path: prefix.iter().chain(&down).flat_map(|name| ["/", name]).collect(), v1 })
}

/// Where a hierarchy that is mounted somewhere else in our container is on the host: in the usual place.
fn on_the_host(mount: &Mount) -> Option<&Path> {
    const USUAL: &str = "/sys/fs/cgroup";
    let point = mount.point.to_str()?;
    Some(Path::new(&point[point.find(USUAL).filter(|_| mount.whole)?..]))
}

/// What a walk found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scan {
    /// The cgroups.
    pub found: Vec<CgroupFound>,
    /// There were more, or deeper ones, than a walk looks at.
    pub cut: bool,
    /// A directory that is there and could not be read, with the reason: what is below it is not among the cgroups.
    pub unread: Option<String>,
}

impl Scan {
    fn miss(&mut self, directory: &Path, error: &io::Error) {
        // removed since its parent was read: nothing is missing
        if error.kind() != io::ErrorKind::NotFound {
            self.unread.get_or_insert_with(|| format!("{}: {error}", directory.display()));
        }
    }
}

/// A cgroup that a process is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcCgroup {
    /// Its number, unless it was removed or cannot be reached from this cgroup namespace.
    pub id: Option<CgroupId>,
    /// Its path from the root of the hierarchy; where that cannot be known, from the root of our cgroup namespace.
    pub path: String,
    /// In the v1 hierarchy.
    pub v1: bool,
}

/// The cgroups of a process in the hierarchies that matter: v1's first, where there is one, because that is where its
/// runtime puts it.
///
/// # Errors
/// When `/proc/PID/cgroup` cannot be read: no such process, or `/proc` hides it.
pub fn cgroups_of(hierarchies: &Hierarchies, pid: u32) -> io::Result<Vec<ProcCgroup>> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    Ok(cgroups_in(hierarchies, &text))
}

/// The same over the text of the file.
fn cgroups_in(hierarchies: &Hierarchies, text: &str) -> Vec<ProcCgroup> {
    let lines = parse_membership(text);
    let v1 = hierarchies.v1.iter().filter_map(|v1| {
        let line = lines.iter().find(|line| line.has(v1.controller))?;
        Some((line, &v1.mount, true))
    });
    let v2 = hierarchies.v2.iter().filter_map(|mount| {
        let line = lines.iter().find(|line| line.hierarchy == 0 && line.controllers.is_empty())?;
        Some((line, mount, false))
    });
    v1.chain(v2)
        .map(|(line, mount, v1)| {
            let directory = mount.directory(&line.path).filter(|_| !line.deleted);
            let inode = directory.and_then(|directory| Some(fs::metadata(directory).ok()?.ino()));
            let id = inode.map(|inode| CgroupId(if v1 { inode | CGROUP_V1 } else { inode }));
            ProcCgroup { id, path: mount.path(&line.path).unwrap_or_else(|| line.path.clone()), v1 }
        })
        .collect()
}

/// `pids.current` and `pids.max` of a cgroup that [`Classifier`] told. `None` when its hierarchy has no pids
/// controller (v2 beside a v1 one; there the container's v1 cgroup has the figures) or it is gone.
#[must_use]
pub fn figures(hierarchies: &Hierarchies, cgroup: CgroupId, path: &str) -> Option<CgroupFigures> {
    let mount = if cgroup.0 & CGROUP_V1 == 0 {
        hierarchies.v2.as_ref()
    } else {
        hierarchies.v1.as_ref().filter(|v1| v1.controller == "pids").map(|v1| &v1.mount)
    };
    let directory = mount?.below(path)?;
    let current = number(&directory, "pids.current")?;
    Some(CgroupFigures { cgroup, pids_current: Some(current), pids_max: number(&directory, "pids.max") })
}

/// Whether a cgroup is still there. `None` when that cannot be seen from here.
#[must_use]
pub fn is_there(hierarchies: &Hierarchies, cgroup: CgroupId, path: &str) -> Option<bool> {
    let mount =
        if cgroup.0 & CGROUP_V1 == 0 { hierarchies.v2.as_ref() } else { hierarchies.v1.as_ref().map(|v1| &v1.mount) };
    // a mount that does not show everything says nothing of what it does not show
    let directory = mount.filter(|mount| mount.whole)?.below(path)?;
    match fs::metadata(directory) {
        // another one may have taken its name
        Ok(metadata) => Some(metadata.ino() == cgroup.0 & !CGROUP_V1),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(false),
        Err(_) => None,
    }
}

/// A file that holds one number; `None` for `max` and when it cannot be read.
fn number(directory: &Path, file: &str) -> Option<u64> {
    let path: PathBuf = directory.join(file);
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
