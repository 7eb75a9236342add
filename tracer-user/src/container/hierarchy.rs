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
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

mod home;
mod lines;

pub use lines::{CgroupMount, Controller, Membership, parse_controllers, parse_membership, parse_mountinfo};

/// Inode number of the root cgroup of any hierarchy: kernfs numbers from 1.
const ROOT_INODE: u64 = 1;

/// Processes that see what the host has mounted, if `/proc` shows the host's pids and lets us look: its init, and
/// kthreadd where a security policy keeps its init to itself. Kernel threads live in the first mount namespace.
const OF_THE_HOST: [&str; 2] = ["1", "2"];

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
    /// Looks at what is mounted in our mount namespace, and if that is not everything, at what the host has mounted.
    ///
    /// # Errors
    /// When `/proc/self/mountinfo` cannot be read, or neither cgroup v2 nor a v1 controller is mounted.
    pub fn discover() -> Result<Self, Error> {
        let own = mounted("self", Path::new("/")).map_err(|error| Error::Read("/proc/self/mountinfo".into(), error))?;
        // absent where the kernel was built without v1
        let controllers = parse_controllers(&fs::read_to_string("/proc/cgroups").unwrap_or_default());
        let mut all = Self::choose(&own, &controllers).looked_at();
        for process in OF_THE_HOST {
            if all.is_whole() {
                break;
            }
            // not there in a pid namespace of our own, not allowed without CAP_SYS_PTRACE
            let hosts = mounted(process, Path::new(&format!("/proc/{process}/root"))).unwrap_or_default();
            all = Self::choose(&[own.as_slice(), &hosts].concat(), &controllers).looked_at();
        }
        if all.v2.is_none() && all.v1.is_none() {
            return Err(Error::NoneMounted);
        }
        let membership = parse_membership(&fs::read_to_string("/proc/self/cgroup").unwrap_or_default());
        if let Some(mount) = &mut all.v2 {
            let shown = membership.iter().find(|line| line.hierarchy == 0 && line.controllers.is_empty());
            mount.home = home::find(mount, &own, shown);
        }
        if let Some(V1 { controller, mount, .. }) = &mut all.v1 {
            let shown = membership.iter().find(|line| line.has(controller));
            mount.home = home::find(mount, &own, shown);
        }
        Ok(all)
    }

    /// Whether something is mounted, and all of it can be seen: every container of the host.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let Self { v2, v1 } = self;
        let mut mounts = v2.iter().chain(v1.iter().map(|v1| &v1.mount)).peekable();
        mounts.peek().is_some() && mounts.all(|mount| mount.whole)
    }

    /// With what only a look at the directories tells.
    fn looked_at(mut self) -> Self {
        let Self { v2, v1 } = &mut self;
        for mount in v2.iter_mut().chain(v1.iter_mut().map(|v1| &mut v1.mount)) {
            mount.whole = fs::metadata(&mount.point).is_ok_and(|data| data.ino() == ROOT_INODE);
        }
        self
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
        let whole = self.names(path)?;
        let (_, mount_down) = climb(&self.root);
        let below = whole.strip_prefix(mount_down.as_slice())?;
        Some(below.iter().fold(self.point.clone(), |directory, name| directory.join(name)))
    }

    /// The path of a cgroup from the root of the hierarchy, as the host and the kernel's records have it, given its path
    /// as `/proc/PID/cgroup` shows it to us. `None` when that cannot be known from here.
    #[must_use]
    pub fn path(&self, shown: &str) -> Option<String> {
        let names = self.names(shown)?;
        Some(if names.is_empty() { "/".to_owned() } else { names.iter().flat_map(|name| ["/", name]).collect() })
    }

    /// The names on the way down to a cgroup, from where the mount's own path stops climbing: with the whole hierarchy
    /// mounted, from its root.
    fn names<'a>(&'a self, shown: &'a str) -> Option<Vec<&'a str>> {
        let (up, down) = climb(shown);
        let from_home = climb(&self.root).0.checked_sub(up)?;
        // what lies between the mount and where the climb ends has names only if home was found
        let between = self.home.get(..from_home)?.iter().map(String::as_str);
        Some(between.chain(down).collect())
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

/// The cgroup mounts of a process, as far as they can be seen from here below `root`, its root directory.
fn mounted(process: &str, root: &Path) -> io::Result<Vec<CgroupMount>> {
    let mut mounts = parse_mountinfo(&fs::read_to_string(format!("/proc/{process}/mountinfo"))?);
    for mount in &mut mounts {
        mount.point = root.join(mount.point.strip_prefix("/").unwrap_or(&mount.point));
    }
    // what another mount covers is listed all the same
    mounts.retain(|mount| fs::metadata(&mount.point).is_ok_and(|data| device(data.dev()) == mount.device));
    Ok(mounts)
}

fn device(number: u64) -> (u32, u32) {
    (libc::major(number), libc::minor(number))
}

#[cfg(test)]
mod tests;
