//! Cgroups of our own, processes in them, and a tracer whose records are waited for with a deadline.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tracer_common::CGROUP_V1;
use tracer_user::event::{CgroupId, Event, What};
use tracer_user::probe::{CgroupV1, DRAIN_INTERVAL_LIVE, Probe, Record, Ring, Settings};

/// How long anything may take on a loaded machine before it counts as not happening.
const DEADLINE: Duration = Duration::from_secs(20);

/// Where a cgroup hierarchy is mounted: v2, or v1 with a controller.
pub(crate) fn mount(controller: Option<&str>) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("/proc is mounted");
    mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let (kind, options) = (kind.next()?, kind.nth(1)?);
        let found = match controller {
            None => kind == "cgroup2",
            Some(controller) => kind == "cgroup" && options.split(',').any(|option| option == controller),
        };
        found.then(|| PathBuf::from(place.split(' ').nth(4).unwrap_or_default()))
    })
}

/// The v1 hierarchy of a controller, if there is one.
pub(crate) fn v1(controller: &str) -> Option<CgroupV1> {
    let lines = fs::read_to_string("/proc/self/cgroup").expect("/proc is mounted");
    lines.lines().find_map(|line| {
        let mut fields = line.split(':');
        let hierarchy = fields.next()?.parse().ok()?;
        let found = fields.next()?.split(',').any(|name| name == controller);
        found.then(|| CgroupV1 { controller: controller.to_owned(), hierarchy })
    })
}

/// A cgroup that goes, with all in it, when this does.
pub(crate) struct Cgroup {
    pub(crate) path: PathBuf,
    is_v1: bool,
}

impl Cgroup {
    pub(crate) fn v2() -> Self {
        let mount = mount(None).expect("these tests need a cgroup2 mount");
        Self::below(&mount, false)
    }

    pub(crate) fn v1(controller: &str) -> Option<Self> {
        mount(Some(controller)).map(|mount| Self::below(&mount, true))
    }

    fn below(mount: &Path, is_v1: bool) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tracer-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self { path: mount.join(name), is_v1 }.made()
    }

    pub(crate) fn child(&self, name: &str) -> Self {
        Self { path: self.path.join(name), is_v1: self.is_v1 }.made()
    }

    fn made(self) -> Self {
        fs::create_dir(&self.path).expect("root may make cgroups");
        self
    }

    pub(crate) fn id(&self) -> CgroupId {
        let number = fs::metadata(&self.path).expect("the cgroup exists").ino();
        CgroupId(if self.is_v1 { number | CGROUP_V1 } else { number })
    }

    /// Runs a shell script in it. The script's pid is the child's, also after an `exec` in it.
    pub(crate) fn run(&self, script: &str) -> Process {
        let enter = format!("echo $$ > '{}/cgroup.procs' || exit 99; {script}", self.path.display());
        let mut command = Command::new("sh");
        command.args(["-c", &enter]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Process(command.spawn().expect("there is a shell"))
    }

    fn pids(&self) -> Vec<String> {
        let procs = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        procs.lines().map(str::to_owned).collect()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let end = Instant::now() + DEADLINE;
        // processes take a moment to leave; the directory cannot go before
        while fs::remove_dir(&self.path).is_err() && self.path.exists() && Instant::now() < end {
            for pid in self.pids() {
                kill(pid.parse().unwrap_or(0), "KILL");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A child that is killed and reaped when this goes.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn wait(&mut self) {
        self.0.wait().expect("it is our child");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // gone already is fine
        if self.0.kill().is_ok() {
            self.wait();
        }
    }
}

/// Sends a signal, by name, from this process's own child-free context: `kill` of a shell would be another sender.
pub(crate) fn kill(pid: u32, signal: &str) {
    let signal: tracer_user::signal::Signal = signal.parse().expect("a signal name");
    let pid = libc::pid_t::try_from(pid).expect("a pid");
    if pid > 1 {
        #[expect(unsafe_code, reason = "kill(2)")]
        // SAFETY: takes two numbers.
        unsafe {
            libc::kill(pid, i32::from(signal.number()));
        }
    }
}

/// A probe, its ring, and what came so far.
pub(crate) struct Tracer {
    pub(crate) runtime: Runtime,
    pub(crate) probe: Probe,
    pub(crate) ring: Ring,
    pub(crate) records: Vec<Record>,
}

impl Tracer {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self::with_interval(settings, DRAIN_INTERVAL_LIVE)
    }

    pub(crate) fn with_interval(settings: &Settings, interval: Duration) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut probe = Probe::load(settings).expect("the programs load");
        let guard = runtime.enter();
        let ring = probe.open_ring(interval).expect("the ring opens");
        drop(guard);
        Self { runtime, probe, ring, records: Vec::new() }
    }

    /// With a new v2 cgroup that is tracked.
    pub(crate) fn with_cgroup() -> (Self, Cgroup) {
        let mut tracer = Self::new(&Settings::default());
        let cgroup = Cgroup::v2();
        tracer.probe.track(cgroup.id()).expect("there is room");
        (tracer, cgroup)
    }

    /// Takes records until one of them fits.
    pub(crate) fn until<T>(&mut self, what: &str, find: impl Fn(&Record) -> Option<T>) -> T {
        let end = Instant::now() + DEADLINE;
        let mut seen = 0;
        loop {
            if let Some(found) = self.records[seen..].iter().find_map(&find) {
                return found;
            }
            seen = self.records.len();
            assert!(Instant::now() < end, "no {what} among {:#?}", self.records);
            self.pull(end - Instant::now());
        }
    }

    /// The same for events.
    pub(crate) fn event<T>(&mut self, what: &str, find: impl Fn(&What) -> Option<T>) -> T {
        self.until(what, |record| match record {
            Record::Event(Event(_, what)) => find(what),
            Record::CgroupMade(..) => None,
        })
    }

    /// Waits until the ring is readable and drains it once; returns at the latest after `patience`.
    pub(crate) fn pull(&mut self, patience: Duration) {
        let Self { runtime, ring, records, .. } = self;
        runtime.block_on(async {
            if let Ok(readable) = tokio::time::timeout(patience, ring.readable()).await {
                readable.expect("the ring is readable");
            }
        });
        ring.drain(100_000, |record| records.push(record)).expect("the ring drains");
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = &What> {
        self.records.iter().filter_map(|record| match record {
            Record::Event(Event(_, what)) => Some(what),
            Record::CgroupMade(..) => None,
        })
    }

    /// Waits until a process of ours has become `comm`, having set itself up.
    pub(crate) fn exec_of(&mut self, comm: &str) -> u32 {
        self.event(comm, |what| match what {
            What::Exec(exec) if exec.task.comm.as_str() == comm => Some(exec.task.pid),
            _ => None,
        })
    }
}

/// Polls until something holds.
pub(crate) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < end, "{what} does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}
