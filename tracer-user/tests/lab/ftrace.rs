//! The kernel's own word: its tracepoints, recorded by ftrace in an instance of the test's own.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// Where tracefs usually is.
const USUAL: &str = "/sys/kernel/tracing";
/// What the names of our instances begin with; the pid of the test and a number follow.
const PREFIX: &str = "tracer-test-";
/// Instances that were made.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A recording that goes on. Dropping it ends it and removes the instance.
pub(crate) struct Ftrace {
    /// As long as this is open the file system is there, mounted or not.
    _root: File,
    instance: PathBuf,
}

/// One event, as the kernel prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Microseconds since boot.
    pub(crate) at: u64,
    /// The thread that ran.
    pub(crate) tid: u32,
    /// Name of the tracepoint.
    pub(crate) event: String,
    /// The rest: `sig=15 errno=0 …`.
    pub(crate) fields: String,
}

impl Ftrace {
    /// Begins to record these events (`signal/signal_generate`), with buffers of that size for each CPU.
    #[track_caller]
    pub(crate) fn start(events: &[&str], kib_per_cpu: u32) -> Self {
        let root = open();
        let instances = PathBuf::from(format!("/proc/self/fd/{}/instances", root.as_raw_fd()));
        remove_leftovers(&instances);
        let (pid, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let instance = instances.join(format!("{PREFIX}{pid}-{count}"));
        std::fs::create_dir(&instance).expect("an instance of ftrace can be made");
        let ftrace = Self { _root: root, instance };
        ftrace.write("trace_clock", "boot");
        ftrace.write("buffer_size_kb", &kib_per_cpu.to_string());
        for event in events {
            ftrace.write(&format!("events/{event}/enable"), "1");
        }
        ftrace
    }

    /// Whether this kernel has such an event, with such a field.
    pub(crate) fn has(&self, event: &str, field: &str) -> bool {
        let format = std::fs::read_to_string(self.instance.join(format!("events/{event}/format")));
        format.is_ok_and(|format| format.contains(&format!(" {field};")))
    }

    /// Records nothing more.
    #[track_caller]
    pub(crate) fn stop(&self) {
        self.write("tracing_on", "0");
    }

    /// All that was recorded, oldest first.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Line> {
        let text = std::fs::read(self.instance.join("trace")).expect("the trace can be read");
        let text = String::from_utf8_lossy(&text);
        // where it lost some it says so between the lines, too: that is for `assert_whole`
        let is_event = |line: &&str| !line.starts_with('#') && !line.is_empty() && !line.ends_with("[LOST EVENTS]");
        let lines = text.lines().filter(is_event);
        lines.map(|line| Line::parse(line).unwrap_or_else(|| panic!("what is this: {line}"))).collect()
    }

    /// Nothing was overwritten or thrown away.
    #[track_caller]
    pub(crate) fn assert_whole(&self) {
        for cpu in std::fs::read_dir(self.instance.join("per_cpu")).expect("there are CPUs") {
            let stats = cpu.expect("a CPU").path().join("stats");
            let stats = std::fs::read_to_string(stats).expect("a CPU has statistics");
            let lost = |name: &str| stats.lines().any(|line| line.starts_with(name) && !line.ends_with(": 0"));
            assert!(!lost("overrun") && !lost("dropped events"), "ftrace itself lost events:\n{stats}");
        }
    }

    #[track_caller]
    fn write(&self, file: &str, value: &str) {
        let path = self.instance.join(file);
        std::fs::write(&path, value).unwrap_or_else(|error| panic!("cannot write {value} to {file}: {error}"));
    }
}

impl Drop for Ftrace {
    fn drop(&mut self) {
        // busy for a moment after it was read
        let started = Instant::now();
        while self.instance.exists() && started.elapsed() < Duration::from_secs(5) {
            if std::fs::remove_dir(&self.instance).is_err() {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

/// The root of tracefs. Where it is not mounted it is for a moment: the descriptor keeps it alive afterwards, and
/// nothing stays behind even if the test is killed.
fn open() -> File {
    if Path::new(USUAL).join("instances").is_dir() {
        return File::open(USUAL).expect("root may open it");
    }
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    mount(Some("tracer-test"), dir.path(), Some("tracefs"), MsFlags::empty(), None::<&str>).expect("tracefs mounts");
    let root = File::open(dir.path());
    umount2(dir.path(), MntFlags::MNT_DETACH).expect("it can be unmounted");
    root.expect("root may open it")
}

/// A test that was killed left its instance.
fn remove_leftovers(instances: &Path) {
    for name in std::fs::read_dir(instances).into_iter().flatten().flatten().map(|entry| entry.file_name()) {
        let rest = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let pid = rest.and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            drop(std::fs::remove_dir(instances.join(&name)));
        }
    }
}

impl Line {
    /// `            bash-1234    [001] d..1. 12.345678: signal_generate: sig=15 …`; a name may hold anything.
    fn parse(line: &str) -> Option<Self> {
        // the time is the first word of digits, dot, digits and colon behind the CPU's brackets
        let (at, rest) = line.match_indices("] ").find_map(|(place, _)| {
            let (flags_and_time, rest) = line[place + 2..].split_once(": ")?;
            let (_, time) = flags_and_time.trim_start().rsplit_once(' ')?;
            let (seconds, micros) = time.trim_start().split_once('.')?;
            let micros: u64 = micros.parse().ok().filter(|_| micros.len() == 6)?;
            Some(((seconds.parse::<u64>().ok()? * 1_000_000 + micros, place), rest))
        })?;
        let (at, place) = at;
        let (who, _cpu) = line[..place].rsplit_once('[')?;
        let (_, tid) = who.trim_end().rsplit_once('-')?;
        let (event, fields) = rest.split_once(':')?;
        Some(Self {
            at,
            tid: tid.parse().ok()?,
            event: event.to_owned(),
            fields: fields.strip_prefix(' ').unwrap_or(fields).to_owned(),
        })
    }

    /// The value of a field, up to the next space. The last one of that name: a process' name, which may hold anything,
    /// comes before the numbers that matter.
    pub(crate) fn field(&self, name: &str) -> &str {
        let wanted = format!("{name}=");
        let all = self.fields.match_indices(&wanted).map(|(place, _)| place);
        let whole = |place: &usize| *place == 0 || self.fields.as_bytes()[place - 1] == b' ';
        let Some(place) = all.filter(whole).last() else { panic!("no {name} in {self:?}") };
        self.fields[place + wanted.len()..].split(' ').next().unwrap_or_default()
    }

    /// The same as a number.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> T {
        self.field(name).parse().unwrap_or_else(|_| panic!("{name} is no number in {self:?}"))
    }
}
