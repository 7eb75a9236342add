//! Gathers the facts: looks, and tries the one or two things that only trying tells. Judges nothing.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use aya::maps::MapType;
use aya::programs::{ProgramError, ProgramType};
use aya::sys::{is_map_supported, is_program_supported};
use nix::sys::resource::{Resource, getrlimit};

use crate::container::hierarchy::Hierarchies;
use crate::container::path;
use crate::container::runtime::{Socket, State, who_answers};
use crate::container::scan::cgroups_of;

use super::facts::{Btf, Facts, HOST_CGROUP_NAMESPACE, HOST_PID_NAMESPACE, Inside, Lockdown, Probe, Runtime};
use super::mounts::Mount;

/// How long runtimes may take to say who they are.
const PATIENCE: Duration = Duration::from_secs(3);

impl Facts {
    /// All of this machine, with the runtimes at those `sockets` that exist, or that are `named`.
    ///
    /// # Panics
    /// In a tokio runtime: it waits for the runtimes to answer.
    #[must_use]
    pub fn gather(sockets: Vec<Socket>, named: impl Fn(&Socket) -> bool) -> Self {
        let wanted = sockets.into_iter().filter(|socket| named(socket) || exists(&socket.path)).collect();
        Self { runtimes: runtimes(wanted), ..Self::gather_without_runtimes() }
    }

    /// All but the runtimes: they decide about names only.
    #[must_use]
    pub fn gather_without_runtimes() -> Self {
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
            others: others(),
            mounts: read("/proc/self/mountinfo").map(|text| Mount::parse(&text)).unwrap_or_default(),
            memlock: getrlimit(Resource::RLIMIT_MEMLOCK).ok().map(|(soft, _)| soft),
            runtimes: Vec::new(),
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

/// Whether the executable's link of any other process can be read. A single one says little: some are protected.
fn others() -> Probe {
    let us = std::process::id();
    let mut found = Probe::Missing;
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        if pid.is_none_or(|pid| pid == us) {
            continue;
        }
        match fs::read_link(entry.path().join("exe")) {
            Ok(_) => return Probe::Works,
            Err(error) if failed(&error) == Probe::NotPermitted => found = Probe::NotPermitted,
            // a kernel thread has none, and others are gone by now
            Err(_) => {}
        }
    }
    found
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

/// Whether there is something, as far as we may see.
fn exists(path: &Path) -> bool {
    !matches!(fs::metadata(path), Err(error) if error.kind() != io::ErrorKind::PermissionDenied)
}

fn runtimes(sockets: Vec<Socket>) -> Vec<Runtime> {
    let states = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(tasks) => tasks.block_on(who_answers(&sockets, PATIENCE)),
        Err(error) => {
            let failing = State::Failing(error.to_string());
            sockets.into_iter().map(|socket| (socket, failing.clone())).collect()
        }
    };
    states.into_iter().map(|(socket, state)| Runtime { socket, state }).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;
    use crate::container::runtime::Kind;

    #[test]
    fn effective_capabilities_are_read() {
        assert_eq!(effective("Name:\tx\nCapPrm:\t00\nCapEff:\t000001ffffffffff\n"), Some(0x1ff_ffff_ffff));
        assert_eq!(effective("Name:\tCapEff:\n"), None);
    }

    #[test]
    fn sockets_that_live_are_told_from_those_that_do_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let place = |name: &str| Socket { path: dir.path().join(name), kind: Kind::Docker };
        let (live, stale, absent, named) = (place("live"), place("stale"), place("absent"), place("named"));
        let listener = UnixListener::bind(&live.path).expect("a socket");
        drop(UnixListener::bind(&stale.path).expect("a socket"));
        let answer = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("who asks");
            // an answer that comes before the question is none
            let mut question = Vec::new();
            while !question.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a question");
                question.extend(byte);
            }
            let told = "HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{\"Version\": \"1.2\"}";
            stream.write_all(told.as_bytes()).expect("somebody listens");
            stream.read_to_end(&mut Vec::new()).unwrap_or_default();
        });
        let facts = Facts::gather(vec![live, stale, absent, named.clone()], |socket| *socket == named);
        answer.join().expect("no panic");
        let states: Vec<_> = facts.runtimes.into_iter().map(|runtime| runtime.state).collect();
        let connected = State::Connected { runtime: "docker".to_owned(), version: "1.2".to_owned() };
        assert_eq!(states, [connected, State::Deserted, State::Absent]);
    }
}
