//! A cgroup of a test's own, without any runtime: made, filled with processes, and removed with all that is in it.

use super::{PATIENCE, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tracer_user::container::hierarchy::{Hierarchies, Mount};

/// Which hierarchy a cgroup is made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// The unified hierarchy, or what is mounted of it beside v1.
    V2,
    /// The v1 hierarchy by which the tracer tells containers apart.
    V1,
}

/// A cgroup. Dropping it kills what is in it and removes it.
pub(crate) struct Cgroup {
    /// Its directory.
    pub(crate) dir: PathBuf,
    /// Its path from the root of its hierarchy.
    pub(crate) path: String,
}

/// Moves itself into the cgroup before it becomes the program, so that whatever that forks is in it from the start.
const JOIN: &str = r#"echo $$ > "$0/cgroup.procs" && exec "$@""#;

impl Cgroup {
    /// Makes one; `None` where this machine has no such hierarchy, which is said.
    #[track_caller]
    pub(crate) fn make(version: Version, name: &str) -> Option<Self> {
        let hierarchies = Hierarchies::discover().expect("cgroups are mounted");
        let mount = match version {
            Version::V2 => hierarchies.v2,
            Version::V1 => hierarchies.v1.map(|v1| v1.mount),
        };
        let Some(Mount { point, .. }) = mount else {
            eprintln!("{name}: this machine has no cgroup {version:?}, so there is nothing to test");
            return None;
        };
        let name = format!("tracer-test-{name}-{}", std::process::id());
        Some(Self::at(point.join(&name), format!("/{name}")))
    }

    /// The same, which must be: in either hierarchy.
    #[track_caller]
    pub(crate) fn any(name: &str) -> Self {
        Self::make(Version::V2, name).or_else(|| Self::make(Version::V1, name)).expect("a hierarchy is mounted")
    }

    /// One below this one.
    #[track_caller]
    pub(crate) fn below(&self, name: &str) -> Self {
        Self::at(self.dir.join(name), format!("{}/{name}", self.path))
    }

    /// One that nobody has made so far, at this place.
    #[track_caller]
    pub(crate) fn at(dir: PathBuf, path: String) -> Self {
        std::fs::create_dir(&dir).unwrap_or_else(|error| panic!("cannot make {}: {error}", dir.display()));
        Self { dir, path }
    }

    /// The directory as an argument.
    pub(crate) fn arg(&self) -> &str {
        self.dir.to_str().expect("no strange names")
    }

    /// A command that runs in it.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", JOIN]).arg(&self.dir).arg(program.as_ref());
        command.stdin(Stdio::null());
        command
    }

    /// A script that runs in it as PID 1 of a pid namespace of its own, as in a container: who starts it stays outside.
    pub(crate) fn init(&self, script: &str) -> Command {
        let mut command = Command::new("unshare");
        // 0 is whoever writes it: inside, it does not know its pid
        let join = r#"echo 0 > "$0/cgroup.procs" && exec sh -c "$1""#;
        command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", join]);
        command.arg(&self.dir).arg(script).stdin(Stdio::null());
        command
    }

    /// The processes in it.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let text = std::fs::read_to_string(self.dir.join("cgroup.procs")).unwrap_or_default();
        // Of one that is reaped while the file is read v2 says 0: whoever kills that kills itself and all its family.
        text.lines().filter_map(|line| line.parse().ok()).filter(|&pid| pid != 0).collect()
    }

    /// Waits until nothing runs in it, and removes it.
    #[track_caller]
    pub(crate) fn remove(&self) {
        until("the cgroup to be empty", PATIENCE, || std::fs::remove_dir(&self.dir).is_ok().then_some(()));
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let started = std::time::Instant::now();
        while self.dir.exists() && started.elapsed() < PATIENCE {
            for pid in self.processes().into_iter().filter_map(|pid| i32::try_from(pid).ok()) {
                // that it is gone by now is what we want
                kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap_or_default();
            }
            if std::fs::remove_dir(&self.dir).is_err() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
    }
}
