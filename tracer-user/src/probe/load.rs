//! Loading the programs, attaching them, and talking to their maps.

use std::fs;
use std::io::Read as _;
use std::thread;

use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray};
use aya::programs::Iter;
use aya::{Ebpf, EbpfLoader, include_bytes_aligned};
use aya_log::EbpfLogger;
use tracer_common::{FOLLOWED_PIDS, Offsets, TRACKED_CGROUPS, TrackedCgroup, features, loss, map, tracked};

use super::decode::{self, TaskSeen};
use super::error::ProbeError;
use super::offsets::{self, Found};
use super::pod::{OffsetsValue, TrackedValue};
use super::programs;
use super::ring::Ring;
use super::settings::Settings;
use crate::event::{CgroupId, Lost};

static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tracer-ebpf"));

/// The kernel's own type information.
const BTF: &str = "/sys/kernel/btf/vmlinux";
/// Program of the snapshot.
pub(super) const TASKS: &str = "iter_task";

/// aya-log's ring, which exists whether it is used or not, and its size when it is.
const LOG_MAP: &str = "AYA_LOGS";
const LOG_BYTES: u32 = 1 << 17;
/// The smallest ring that every page size allows (64 KiB on some arm64).
const UNUSED_LOG_BYTES: u32 = 1 << 16;

/// The loaded and attached programs with their maps. Dropping it, in whatever way, leaves nothing in the kernel.
pub struct Probe {
    ebpf: Ebpf,
    tracked: HashMap<MapData, u64, TrackedValue>,
    pids: HashMap<MapData, u32, u8>,
    lost: PerCpuArray<MapData, u64>,
    /// Sums of `lost` when they were last told.
    told: [u64; loss::COUNT as usize],
    info: Info,
}

/// What was loaded, for the start record of a recording and for `tracer doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Names of the attached programs.
    pub programs: Vec<&'static str>,
    /// Those of them that are typed.
    pub typed: Vec<&'static str>,
    /// Kernel release, as `uname -r` tells it.
    pub kernel: String,
    /// What was asked for.
    pub settings: Settings,
    /// Where the kernel's members were found, and the switches.
    pub offsets: Offsets,
}

impl Info {
    /// Whether an exit is told exactly once (6.16 and later).
    #[must_use]
    pub const fn exact_exits(&self) -> bool {
        self.offsets.features & features::EXIT_GROUP_DEAD != 0
    }

    /// Whether the OOM killer's victim is told in full (6.8 and later).
    #[must_use]
    pub const fn oom_task(&self) -> bool {
        self.offsets.features & features::OOM_TASK != 0
    }
}

impl Probe {
    /// Loads and attaches the programs. Nothing is tracked yet, so nothing but new cgroups is told.
    ///
    /// # Errors
    /// Whatever hinders it, with what to do.
    pub fn load(settings: &Settings) -> Result<Self, ProbeError> {
        let Object { mut ebpf, offsets, numbers } = object(settings)?;
        let mut probe = Self {
            tracked: take(&mut ebpf, map::TRACKED)?,
            pids: take(&mut ebpf, map::PIDS)?,
            lost: take(&mut ebpf, map::LOST)?,
            told: [0; loss::COUNT as usize],
            info: Info {
                programs: Vec::new(),
                typed: Vec::new(),
                kernel: kernel_release(),
                settings: settings.clone(),
                offsets,
            },
            ebpf,
        };
        let typed = programs::load(&mut probe.ebpf, TASKS, settings.typed, &numbers)?;
        probe.info.programs.push(TASKS);
        for name in offsets::tracepoints() {
            if programs::attach(&mut probe.ebpf, name, typed.contains(&name))? {
                probe.info.typed.push(name);
            }
            probe.info.programs.push(name);
        }
        Ok(probe)
    }

    /// What was loaded.
    #[must_use]
    pub const fn info(&self) -> &Info {
        &self.info
    }

    /// The way records come. Call it once, within a tokio runtime with I/O and time enabled.
    ///
    /// # Errors
    /// When it was called before, or the ring cannot be mapped or polled.
    pub fn open_ring(&mut self, drain_interval: std::time::Duration) -> Result<Ring, ProbeError> {
        let ring = self.ebpf.take_map(map::RING).ok_or(ProbeError::RingTaken)?;
        let wake = Array::try_from(self.ebpf.take_map(map::WAKE).ok_or(ProbeError::RingTaken)?)
            .map_err(|cause| ProbeError::MapAccess { name: map::WAKE, what: "open", cause })?;
        Ring::new(ring, wake, drain_interval)
    }

    /// The diagnostics of the kernel programs: call [`KernelLog::flush`] now and then.
    ///
    /// # Errors
    /// When [`Settings::log`] was not set, or it was taken before.
    pub fn kernel_log(&mut self) -> Result<KernelLog, ProbeError> {
        if !self.info.settings.log {
            return Err(ProbeError::Object { what: "diagnostics were not asked for at load".to_owned() });
        }
        let logger =
            EbpfLogger::init(&mut self.ebpf).map_err(|error| ProbeError::Object { what: error.to_string() })?;
        Ok(KernelLog(logger))
    }

    /// Tracks a cgroup that belongs to a container, or confirms one that is tracked on trial. Its counters survive.
    ///
    /// # Errors
    /// When the table is full.
    pub fn track(&mut self, cgroup: CgroupId) -> Result<(), ProbeError> {
        // A signal counted between the look-up and the update is forgotten; only what is noise is counted there.
        let mut value = self.counters(cgroup).unwrap_or_default();
        value.flags = tracked::CONFIRMED;
        self.tracked
            .insert(cgroup.0, TrackedValue(value), 0)
            .map_err(|error| full_or(map::TRACKED, TRACKED_CGROUPS, error))
    }

    /// Confirms a cgroup that is tracked on trial; one that is not tracked any more stays so.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn confirm(&mut self, cgroup: CgroupId) -> Result<(), ProbeError> {
        if self.counters(cgroup).is_some() { self.track(cgroup) } else { Ok(()) }
    }

    /// Tracks a cgroup no longer. It is no error if it was not tracked.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn untrack(&mut self, cgroup: CgroupId) -> Result<(), ProbeError> {
        absent_is_fine(map::TRACKED, self.tracked.remove(&cgroup.0))
    }

    /// Follows one process and all that it forks from now on.
    ///
    /// # Errors
    /// When [`Settings::pids`] was not set, or the table is full.
    pub fn follow_pid(&mut self, pid: u32) -> Result<(), ProbeError> {
        if !self.info.settings.pids {
            return Err(ProbeError::NotFollowing);
        }
        self.pids.insert(pid, 1, 0).map_err(|error| full_or(map::PIDS, FOLLOWED_PIDS, error))
    }

    /// Follows one process no longer. It is no error if it was not followed.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn unfollow_pid(&mut self, pid: u32) -> Result<(), ProbeError> {
        absent_is_fine(map::PIDS, self.pids.remove(&pid))
    }

    /// All processes that are followed on their own.
    pub fn followed(&self) -> impl Iterator<Item = u32> {
        self.pids.keys().filter_map(Result::ok)
    }

    /// What was counted in a cgroup since it is tracked, `None` if it is not.
    #[must_use]
    pub fn counters(&self, cgroup: CgroupId) -> Option<TrackedCgroup> {
        self.tracked.get(&cgroup.0, 0).ok().map(|TrackedValue(value)| value)
    }

    /// All tracked cgroups and their counters.
    pub fn tracked(&self) -> impl Iterator<Item = (CgroupId, TrackedCgroup)> {
        self.tracked.iter().filter_map(Result::ok).map(|(id, TrackedValue(value))| (CgroupId(id), value))
    }

    /// What was lost since the last call. [`Lost::undecodable`] is the [`Ring`]'s to tell.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn take_losses(&mut self) -> Result<Lost, ProbeError> {
        let mut news = [0; loss::COUNT as usize];
        for (index, (told, new)) in (0..).zip(self.told.iter_mut().zip(&mut news)) {
            let counts = self.lost.get(&index, 0).map_err(|cause| ProbeError::MapAccess {
                name: map::LOST,
                what: "read",
                cause,
            })?;
            let sum = counts.iter().sum::<u64>();
            *new = sum - *told;
            *told = sum;
        }
        let [signal, deliver, exit, fork, exec, reaped, cgroup, joined, oom, untracked] = news;
        Ok(Lost { signal, deliver, exit, fork, exec, reaped, cgroup, joined, oom, untracked, undecodable: 0 })
    }

    /// All processes there are, zombies included, as the kernel shows them now.
    ///
    /// # Errors
    /// When the iterator cannot be read.
    pub fn snapshot(&mut self) -> Result<Vec<TaskSeen>, ProbeError> {
        tasks(&mut self.ebpf)
    }
}

/// The object with its constants set and its maps made; none of its programs is loaded yet.
pub(super) struct Object {
    pub(super) ebpf: Ebpf,
    pub(super) offsets: Offsets,
    /// For programs that attach by number.
    pub(super) numbers: aya::Btf,
}

/// Makes it.
pub(super) fn object(settings: &Settings) -> Result<Object, ProbeError> {
    if OBJECT.is_empty() {
        return Err(ProbeError::Stub);
    }
    let (mut loader, found) = thread::scope(|scope| {
        // aya parses all of the kernel's BTF for a loader, wanted or not, and that takes as long as our own look at it
        let loader = thread::Builder::new().spawn_scoped(scope, loader);
        let found = find(settings);
        (loader.ok().and_then(|made| made.join().ok()), found)
    });
    let Found { offsets, numbers } = found?;
    let numbers = aya::Btf::parse(&numbers, aya::Endianness::default())
        .map_err(|error| ProbeError::Object { what: error.to_string() })?;
    let value = OffsetsValue(offsets);
    let ebpf = loader
        .get_or_insert_with(self::loader)
        .override_global(map::OFFSETS, &value, true)
        .map_max_entries(map::RING, settings.ring_bytes)
        .map_max_entries(LOG_MAP, if settings.log { LOG_BYTES } else { UNUSED_LOG_BYTES })
        .load(OBJECT)?;
    Ok(Object { ebpf, offsets, numbers })
}

/// A loader without the kernel's BTF: the programs carry no relocations against its types.
fn loader<'a>() -> EbpfLoader<'a> {
    let mut loader = EbpfLoader::new();
    loader.btf(None);
    loader
}

/// Looks up what there is to know of this kernel.
fn find(settings: &Settings) -> Result<Found, ProbeError> {
    let btf = fs::read(BTF).map_err(|source| ProbeError::NoBtf { path: BTF, source })?;
    Ok(offsets::find(&btf, settings)?)
}

/// Loads a program of the kind `iter/task`.
pub(super) fn load_iterator(ebpf: &mut Ebpf, name: &'static str, btf: &aya::Btf) -> Result<(), ProbeError> {
    iterator(ebpf, name)?.load("task", btf).map_err(|error| ProbeError::load(name, error))
}

fn iterator<'a>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut Iter, ProbeError> {
    let program = ebpf.program_mut(name).ok_or_else(|| missing("program", name))?;
    program.try_into().map_err(|error| ProbeError::load(name, error))
}

/// All that a loaded iterator writes.
pub(super) fn read_iterator(ebpf: &mut Ebpf, name: &'static str) -> Result<Vec<u8>, ProbeError> {
    const WHAT: &str = "read the task iterator";
    let program = iterator(ebpf, name)?;
    let id = program.attach().map_err(|error| ProbeError::attach(name, error))?;
    let link = program.take_link(id).map_err(|error| ProbeError::attach(name, error))?;
    let mut file = link.into_file().map_err(|error| ProbeError::Object { what: format!("{name}: {error}") })?;
    let mut bytes = Vec::with_capacity(1 << 16);
    file.read_to_end(&mut bytes).map_err(|cause| ProbeError::Io { what: WHAT, cause })?;
    Ok(bytes)
}

/// The processes that the loaded iterator [`TASKS`] shows.
pub(super) fn tasks(ebpf: &mut Ebpf) -> Result<Vec<TaskSeen>, ProbeError> {
    let bytes = read_iterator(ebpf, TASKS)?;
    decode::tasks(&bytes).map_err(|error| ProbeError::Object { what: error.to_string() })
}

/// Diagnostics of the kernel programs, on their way to the logger of the `log` crate.
pub struct KernelLog(EbpfLogger<&'static dyn log::Log>);

impl KernelLog {
    /// Passes on what has come since the last call.
    pub fn flush(&mut self) {
        self.0.flush();
    }
}

impl std::fmt::Debug for KernelLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KernelLog").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probe").field("info", &self.info).finish_non_exhaustive()
    }
}

fn missing(what: &str, name: &str) -> ProbeError {
    ProbeError::Object { what: format!("no {what} {name}") }
}

fn take<M: TryFrom<Map, Error = MapError>>(ebpf: &mut Ebpf, name: &'static str) -> Result<M, ProbeError> {
    let map = ebpf.take_map(name).ok_or_else(|| missing("map", name))?;
    map.try_into().map_err(|cause| ProbeError::MapAccess { name, what: "open", cause })
}

fn full_or(name: &'static str, room: u32, cause: MapError) -> ProbeError {
    match &cause {
        MapError::SyscallError(error) if error.io_error.raw_os_error() == Some(libc::E2BIG) => {
            ProbeError::Full { name, room }
        }
        _ => ProbeError::MapAccess { name, what: "write", cause },
    }
}

fn absent_is_fine(name: &'static str, result: Result<(), MapError>) -> Result<(), ProbeError> {
    match result {
        Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        Err(MapError::KeyNotFound | MapError::ElementNotFound) => Ok(()),
        other => other.map_err(|cause| ProbeError::MapAccess { name, what: "write", cause }),
    }
}

fn kernel_release() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or_else(|_unknown| String::new(), |text| text.trim().to_owned())
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
