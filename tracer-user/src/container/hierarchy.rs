//! Which cgroup hierarchies matter on this host, decided once at start.
//!
//! On pure cgroup v2 there is one. On a v1 or hybrid host a task has one cgroup a hierarchy, and runtimes put a
//! container below the same path in every hierarchy with controllers; one of them is enough to tell containers apart.
//! The kernel program reaches it as `task->cgroups->subsys[i]->cgroup`, where `i` is the value of the enumerator
//! [`V1::enum_name`] in the running kernel's BTF. Counting lines of `/proc/cgroups` would not do: newer kernels leave
//! out the subsystems that v1 lacks (`proc_cgroupstats_show`,
//! <https://github.com/torvalds/linux/blob/v6.15/kernel/cgroup/cgroup-v1.c>). A named hierarchy (`name=systemd`) has no
//! subsystem and cannot be reached that way.

use std::fs;
use std::io;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Inode number of the root cgroup of any hierarchy: kernfs numbers from 1.
const ROOT_INODE: u64 = 1;

/// Cgroups looked at in search of our own: more than any node has.
const MAX_LOOKED_AT: usize = 200_000;

/// v1 controllers by how surely every runtime uses them, with the name of the kernel's enumerator. `blkio` is the v1
/// name of the `io` subsystem. Those that only tools other than runtimes mount (`net_cls` of a VPN, `perf_event`) come
/// last and count only where there is no v2.
const CONTROLLERS: [(&str, &str); 13] = [
    ("pids", "pids_cgrp_id"),
    ("memory", "memory_cgrp_id"),
    ("cpu", "cpu_cgrp_id"),
    ("cpuacct", "cpuacct_cgrp_id"),
    ("cpuset", "cpuset_cgrp_id"),
    ("blkio", "io_cgrp_id"),
    ("devices", "devices_cgrp_id"),
    ("freezer", "freezer_cgrp_id"),
    ("perf_event", "perf_event_cgrp_id"),
    ("net_cls", "net_cls_cgrp_id"),
    ("net_prio", "net_prio_cgrp_id"),
    ("hugetlb", "hugetlb_cgrp_id"),
    ("rdma", "rdma_cgrp_id"),
];
/// How many of [`CONTROLLERS`] every runtime uses.
const OF_RUNTIMES: usize = 8;

/// A mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub point: PathBuf,
    /// The cgroup that is mounted there, as seen from the root of our cgroup namespace: `/` for that root itself,
    /// `/..` and so on above it.
    pub root: String,
    /// It is the root of the whole hierarchy: paths below it are the kernel's own.
    pub whole: bool,
    /// Names on the way from there down to our cgroup namespace's root, when that is below it and could be found.
    pub home: Vec<String>,
}

/// The cgroup v1 hierarchy that tells containers apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V1 {
    /// A controller of it, as v1 names it: `pids`.
    pub controller: &'static str,
    /// Enumerator of `enum cgroup_subsys_id` in BTF: `pids_cgrp_id`.
    pub enum_name: &'static str,
    /// `cgroup_root->hierarchy_id`, the first field of its line in `/proc/PID/cgroup`.
    pub hierarchy_id: u32,
    /// Where it is mounted.
    pub mount: Mount,
}

/// The hierarchies that matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hierarchies {
    /// cgroup v2: alone, or beside v1 (systemd's `unified`).
    pub v2: Option<Mount>,
    /// The chosen v1 hierarchy, where runtimes use v1.
    pub v1: Option<V1>,
}

/// Why the hierarchies could not be told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of `/proc` could not be read.
    #[error("cannot read {0}: {1}; is /proc mounted?")]
    Read(PathBuf, io::Error),
    /// Nothing usable is mounted.
    #[error(
        "no cgroup hierarchy with a controller is mounted; mount one (mount -t cgroup2 none /sys/fs/cgroup), or make \
         the host's /sys/fs/cgroup visible here"
    )]
    NoneMounted,
}

impl Hierarchies {
    /// Looks at what is mounted in our mount namespace.
    ///
    /// # Errors
    /// When `/proc/self/mountinfo` cannot be read, or neither cgroup v2 nor a v1 controller is mounted.
    pub fn discover() -> Result<Self, Error> {
        let read = |path: &'static str| fs::read_to_string(path).map_err(|error| Error::Read(path.into(), error));
        let mut mounts = parse_mountinfo(&read("/proc/self/mountinfo")?);
        // what another mount covers is listed all the same
        mounts.retain(|mount| fs::metadata(&mount.point).is_ok_and(|data| device(data.dev()) == mount.device));
        // absent where the kernel was built without v1
        let controllers = fs::read_to_string("/proc/cgroups").unwrap_or_default();
        let mut all = Self::choose(&mounts, &parse_controllers(&controllers));
        for mount in all.v2.iter_mut().chain(all.v1.iter_mut().map(|v1| &mut v1.mount)) {
            let Ok(data) = fs::metadata(&mount.point) else { continue };
            mount.whole = data.ino() == ROOT_INODE;
            let levels = climb(&mount.root).0;
            let own = mounts.iter().find(|own| own.root == "/" && own.device == device(data.dev()));
            if let Some(own) = own.and_then(|own| fs::metadata(&own.point).ok()).filter(|_| levels > 0) {
                mount.home = way_to(own.ino(), levels, &mount.point, &mut 0).unwrap_or_default();
            }
        }
        if all.v2.is_none() && all.v1.is_none() {
            return Err(Error::NoneMounted);
        }
        Ok(all)
    }

    /// The decision itself, over what `/proc/self/mountinfo` and `/proc/cgroups` say.
    #[must_use]
    pub fn choose(mounts: &[CgroupMount], controllers: &[Controller]) -> Self {
        let v2 = best(mounts.iter().filter(|mount| mount.v1.is_none()));
        let candidates = if v2.is_some() { &CONTROLLERS[..OF_RUNTIMES] } else { &CONTROLLERS[..] };
        let v1 = candidates.iter().find_map(|&(controller, enum_name)| {
            let hierarchy_id = controllers.iter().find(|known| known.name == controller)?.hierarchy;
            // 0 is v2: a mount that is left over says nothing
            let used = mounts.iter().filter(|mount| mount.has(controller) && hierarchy_id != 0);
            Some(V1 { controller, enum_name, hierarchy_id, mount: best(used)? })
        });
        Self { v2, v1 }
    }
}

impl Mount {
    /// The directory of a cgroup, given its path as `/proc/PID/cgroup` shows it to us: counted from our cgroup
    /// namespace's root. `None` for one that is not below this mount, or that cannot be named from here.
    #[must_use]
    pub fn directory(&self, path: &str) -> Option<PathBuf> {
        let (up, down) = climb(path);
        let (mount_up, mount_down) = climb(&self.root);
        let from_home = mount_up.checked_sub(up)?;
        // what lies between the mount and where the climb ends has names only if home was found
        let between = self.home.get(..from_home)?.iter().map(String::as_str);
        let whole: Vec<_> = between.chain(down).collect();
        let below = whole.strip_prefix(mount_down.as_slice())?;
        Some(below.iter().fold(self.point.clone(), |directory, name| directory.join(name)))
    }

    /// The directory of a cgroup, given its path from the root of the hierarchy, as the kernel's records and
    /// [`super::scan`] have it. `None` when it is not below this mount, or tries to leave it.
    #[must_use]
    pub fn below(&self, path: &str) -> Option<PathBuf> {
        let (up, down) = climb(path);
        let below = down.strip_prefix(self.prefix().as_slice())?;
        (up == 0).then(|| below.iter().fold(self.point.clone(), |directory, name| directory.join(name)))
    }

    /// What to put before a path below the mount to have it from the root of the hierarchy, where that is known: from
    /// inside a cgroup namespace without the host's mount it is not, and paths begin at the namespace's root.
    #[must_use]
    pub fn prefix(&self) -> Vec<&str> {
        if self.whole { Vec::new() } else { climb(&self.root).1 }
    }
}

/// The names on the way from `from` to the cgroup with that inode number, which is `levels` below it.
fn way_to(inode: u64, levels: usize, from: &Path, looked_at: &mut usize) -> Option<Vec<String>> {
    for entry in fs::read_dir(from).ok()?.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        *looked_at += 1;
        if *looked_at > MAX_LOOKED_AT {
            return None;
        }
        let name = || entry.file_name().into_string().ok();
        if levels == 1 {
            if entry.ino() == inode {
                return Some(vec![name()?]);
            }
        } else if let Some(mut way) = way_to(inode, levels - 1, &entry.path(), looked_at) {
            way.insert(0, name()?);
            return Some(way);
        }
    }
    None
}

/// How often a path climbs, and the names that follow. A `..` after a name is a name that is taken back.
pub(super) fn climb(path: &str) -> (usize, Vec<&str>) {
    let mut up = 0;
    let mut down = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => up += usize::from(down.pop().is_none()),
            name => down.push(name),
        }
    }
    (up, down)
}

/// Of several mounts of one hierarchy the one that shows most: the host's own, bind-mounted into an agent's container,
/// shows more than the container's.
fn best<'a>(mounts: impl Iterator<Item = &'a CgroupMount>) -> Option<Mount> {
    let shown = |mount: &&CgroupMount| {
        let (up, down) = climb(&mount.root);
        (std::cmp::Reverse(up), down.len(), mount.point.as_os_str().len())
    };
    let CgroupMount { device: _, point, root, v1: _ } = mounts.min_by_key(shown)?;
    Some(Mount { point: point.clone(), root: root.clone(), whole: root == "/", home: Vec::new() })
}

/// A line of `/proc/self/mountinfo` about cgroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupMount {
    /// Major and minor number of the file system, the same for all mounts of one hierarchy.
    pub device: (u32, u32),
    /// Where.
    pub point: PathBuf,
    /// Which cgroup is mounted there.
    pub root: String,
    /// Super options of a v1 hierarchy: its controllers or `name=…` among others. `None` for v2.
    pub v1: Option<Vec<String>>,
}

impl CgroupMount {
    fn has(&self, controller: &str) -> bool {
        self.v1.as_ref().is_some_and(|options| options.iter().any(|option| option == controller))
    }
}

/// The cgroup mounts of a `/proc/PID/mountinfo`; other lines, and those that make no sense, are left out.
#[must_use]
pub fn parse_mountinfo(text: &str) -> Vec<CgroupMount> {
    text.lines().filter_map(mount_line).collect()
}

fn mount_line(line: &str) -> Option<CgroupMount> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(2);
    let (major, minor) = fields.next()?.split_once(':')?;
    let (root, point) = (unescape(fields.next()?), PathBuf::from(unescape(fields.next()?)));
    let mut fields = filesystem.split(' ');
    let v1 = match fields.next()? {
        "cgroup2" => None,
        "cgroup" => Some(fields.nth(1)?.split(',').map(str::to_owned).collect()),
        _ => return None,
    };
    Some(CgroupMount { device: (major.parse().ok()?, minor.parse().ok()?), point, root, v1 })
}

fn device(number: u64) -> (u32, u32) {
    (libc::major(number), libc::minor(number))
}

/// `mountinfo` writes space, tab, newline and backslash as three octal digits.
fn unescape(text: &str) -> String {
    let mut rest = text;
    let mut plain = String::with_capacity(text.len());
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let digits = rest.get(at + 1..at + 4).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(byte) = digits.filter(u8::is_ascii) {
            plain.push(char::from(byte));
            rest = &rest[at + 4..];
        } else {
            plain.push('\\');
            rest = &rest[at + 1..];
        }
    }
    plain.push_str(rest);
    plain
}

/// A line of `/proc/cgroups`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    /// Name.
    pub name: String,
    /// Id of its hierarchy; 0 when it is v2's or nobody's.
    pub hierarchy: u32,
}

/// `/proc/cgroups`; lines that make no sense are left out.
#[must_use]
pub fn parse_controllers(text: &str) -> Vec<Controller> {
    let line = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let name = fields.next().filter(|name| !name.starts_with('#'))?;
        Some(Controller { name: name.to_owned(), hierarchy: fields.next()?.parse().ok()? })
    };
    text.lines().filter_map(line).collect()
}

/// A line of `/proc/PID/cgroup`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Id of the hierarchy; 0 for v2.
    pub hierarchy: u32,
    /// Its controllers, or `name=…`; empty for v2.
    pub controllers: Vec<String>,
    /// Path from the root of the reader's cgroup namespace.
    pub path: String,
    /// The cgroup was removed: the process is a zombie.
    pub deleted: bool,
}

/// `/proc/PID/cgroup`; lines that make no sense are left out.
#[must_use]
pub fn parse_membership(text: &str) -> Vec<Membership> {
    let line = |line: &str| {
        let mut fields = line.splitn(3, ':');
        let hierarchy = fields.next()?.parse().ok()?;
        let controllers = fields.next()?.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let path = fields.next().filter(|path| path.starts_with('/'))?;
        let (path, deleted) = path.strip_suffix(" (deleted)").map_or((path, false), |path| (path, true));
        Some(Membership { hierarchy, controllers, path: path.to_owned(), deleted })
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests;
