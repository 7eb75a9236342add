//! Gathers the facts: looks, and tries the one or two things that only trying tells. Judges nothing.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use aya::maps::MapType;
use aya::programs::{ProgramError, ProgramType};
use aya::sys::{is_map_supported, is_program_supported};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use crate::container::hierarchy::Hierarchies;
use crate::container::path;
use crate::container::scan::cgroups_of;

use super::facts::{Btf, Facts, HOST_CGROUP_NAMESPACE, HOST_PID_NAMESPACE, Inside, Lockdown, Probe, Socket};
use super::mounts::Mount;

/// Where runtimes put their sockets. In some images `/var/run` is another directory than `/run`.
const SOCKETS: &[(&str, &str)] = &[
    ("docker", "/run/docker.sock"),
    ("docker", "/var/run/docker.sock"),
    ("containerd", "/run/containerd/containerd.sock"),
    ("containerd", "/var/run/containerd/containerd.sock"),
    ("containerd", "/run/k3s/containerd/containerd.sock"),
    ("containerd", "/run/k0s/containerd.sock"),
    ("containerd", "/var/snap/microk8s/common/run/containerd.sock"),
    ("cri-o", "/run/crio/crio.sock"),
    ("cri-o", "/var/run/crio/crio.sock"),
    ("podman", "/run/podman/podman.sock"),
];

impl Facts {
    /// All of this machine.
    #[must_use]
    pub fn gather() -> Self {
        Self { sockets: sockets(SOCKETS), ..Self::gather_without_sockets() }
    }

    /// All but the sockets of runtimes: they decide about names only.
    #[must_use]
    pub fn gather_without_sockets() -> Self {
        let read = |path: &str| fs::read_to_string(path).ok();
        let namespace = |kind: &str| fs::metadata(format!("/proc/self/ns/{kind}")).ok().map(|found| found.ino());
        let pid_namespace = namespace("pid");
        let hierarchies = Hierarchies::discover().unwrap_or_default();
        Self {
            inside: inside(&hierarchies, pid_namespace, namespace("cgroup")),
            hierarchies,
            release: read("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned()),
            btf: btf(Path::new("/sys/kernel/btf/vmlinux")),
            ring_buffer: match is_map_supported(MapType::RingBuf) {
                Ok(there) => supported(there),
                Err(error) => failed(&error.io_error),
            },
            raw_tracepoint: match is_program_supported(ProgramType::RawTracePoint) {
                Ok(there) => supported(there),
                Err(ProgramError::SyscallError(error)) => failed(&error.io_error),
                Err(error) => Probe::Failed(error.to_string()),
            },
            capabilities: read("/proc/self/status").as_deref().and_then(effective),
            user_namespace: namespace("user"),
            pid_namespace,
            lockdown: read("/sys/kernel/security/lockdown").map_or(Lockdown::Unknown, |text| Lockdown::parse(&text)),
            proc_knows_us: fs::read_link("/proc/self")
                .is_ok_and(|link| link == Path::new(&std::process::id().to_string())),
            mounts: read("/proc/self/mountinfo").map(|text| Mount::parse(&text)).unwrap_or_default(),
            memlock: getrlimit(Resource::RLIMIT_MEMLOCK).ok().map(|(soft, _)| soft),
            sockets: Vec::new(),
        }
    }
}

/// `/.dockerenv` is not looked at: a virtual machine made from an image has it as well. A container that shares the
/// host's cgroup namespace is told by its cgroup.
fn inside(hierarchies: &Hierarchies, pid_namespace: Option<u64>, cgroup_namespace: Option<u64>) -> Inside {
    let own = cgroups_of(hierarchies, std::process::id()).unwrap_or_default();
    if let Some(container) = own.iter().find_map(|cgroup| path::parse(&cgroup.path)) {
        return Inside::Container(container);
    }
    let other = |namespace: Option<u64>, hosts: u64| namespace.is_some_and(|inode| inode != hosts);
    if other(pid_namespace, HOST_PID_NAMESPACE) {
        Inside::Some("its pid namespace")
    } else if other(cgroup_namespace, HOST_CGROUP_NAMESPACE) {
        Inside::Some("its cgroup namespace")
    } else {
        Inside::Host
    }
}

fn supported(there: bool) -> Probe {
    if there { Probe::Works } else { Probe::Missing }
}

fn failed(error: &io::Error) -> Probe {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => Probe::NotPermitted,
        Some(libc::ENOSYS) => Probe::Missing,
        _ => Probe::Failed(error.to_string()),
    }
}

fn btf(path: &Path) -> Btf {
    match File::open(path).and_then(|mut file| file.read_exact(&mut [0; 4])) {
        Ok(()) => Btf::Readable,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Btf::Missing,
        Err(error) => Btf::Unreadable(error.to_string()),
    }
}

fn effective(status: &str) -> Option<u64> {
    let digits = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(digits.trim(), 16).ok()
}

fn sockets(places: &[(&'static str, &str)]) -> Vec<Socket> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    let alias = fs::canonicalize("/var/run").is_ok_and(|real| real == Path::new("/run"));
    for &(runtime, place) in places.iter().filter(|(_, place)| !(alias && place.starts_with("/var/run/"))) {
        let path = PathBuf::from(place);
        match fs::metadata(&path) {
            Ok(file) if seen.insert((file.dev(), file.ino())) => {
                let trouble = try_connect(&path).err().map(|error| error.desc().to_owned());
                found.push(Socket { runtime, path, trouble });
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                found.push(Socket { runtime, path, trouble: Some(Errno::EACCES.desc().to_owned()) });
            }
            _ => {}
        }
    }
    found
}

/// Without waiting: a runtime that hangs has a full queue of connections sooner or later.
fn try_connect(path: &Path) -> Result<(), Errno> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn effective_capabilities_are_read() {
        assert_eq!(effective("Name:\tx\nCapPrm:\t00\nCapEff:\t000001ffffffffff\n"), Some(0x1ff_ffff_ffff));
        assert_eq!(effective("Name:\tCapEff:\n"), None);
    }

    #[test]
    fn sockets_that_live_are_told_from_those_that_do_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let place = |name: &str| dir.path().join(name).to_str().expect("UTF-8").to_owned();
        let (live, stale, twin, absent) = (place("live"), place("stale"), place("twin"), place("absent"));
        let _listener = UnixListener::bind(&live).expect("a socket");
        drop(UnixListener::bind(&stale).expect("a socket"));
        std::os::unix::fs::symlink(&live, &twin).expect("a link");
        let found = sockets(&[("a", &live), ("b", &stale), ("a", &twin), ("c", &absent)]);
        let found: Vec<_> = found.iter().map(|socket| (socket.runtime, socket.trouble.as_deref())).collect();
        assert_eq!(found, [("a", None), ("b", Some("Connection refused"))]);
    }
}
