//! A command that is run in a container of our own while its entrypoint runs, as kubelet's exec probes are.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus};

use anyhow::{Context as _, ensure};
use nix::sched::{CloneFlags, setns};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::shim::{COMMAND, User, nothing, own_binary};
use super::sys;

pub(super) const OUTSIDE: &str = "probe";
pub(super) const INSIDE: &str = "probe-inside";
/// How much of what it printed is kept, from the beginning.
const KEPT: u64 = 64 << 10;

/// What to run, and where.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    /// The container's first process.
    pid: u32,
    cgroup: PathBuf,
    user: Option<User>,
    workdir: PathBuf,
    /// For `sh -c`.
    command: String,
}

/// A command that runs in a container. Dropping it ends it.
#[derive(Debug)]
pub struct Probe {
    process: Child,
    output: File,
}

impl Probe {
    pub(super) fn start(
        binary: &Path,
        pid: u32,
        cgroup: &Path,
        (user, workdir, env): (Option<User>, &Path, &[(String, String)]),
        command: &str,
    ) -> anyhow::Result<Self> {
        let spec =
            Spec { pid, cgroup: cgroup.to_owned(), user, workdir: workdir.to_owned(), command: command.to_owned() };
        // a file in memory: a pipe would have to be read, or stop it when it is full
        let output = memfd_create("probe", MFdFlags::MFD_CLOEXEC).context("cannot make a file in memory")?;
        let output = File::from(output);
        let mut process = Command::new(binary);
        process.args([COMMAND, OUTSIDE, &serde_json::to_string(&spec)?]).process_group(0);
        process.envs(env.iter().map(|(name, value)| (name, value)));
        process.stdin(nothing()?).stdout(output.try_clone()?).stderr(output.try_clone()?);
        let process = process.spawn().with_context(|| format!("cannot run {}", binary.display()))?;
        Ok(Self { process, output })
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.process.try_wait().context("cannot wait for the command")
    }

    /// The last line that it printed and that has something in it.
    #[must_use]
    pub fn last_line(&mut self) -> Option<String> {
        let mut printed = Vec::new();
        self.output.rewind().ok()?;
        (&self.output).take(KEPT).read_to_end(&mut printed).ok()?;
        let printed = String::from_utf8_lossy(&printed);
        printed.lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // what it started inside dies with it; that it has ended by now is as good
        self.process.kill().unwrap_or_default();
        self.process.wait().map(drop).unwrap_or_default();
    }
}

/// Joins the container, of whose pid namespace only children can be, and waits for one.
pub(super) fn outside(spec: &Spec) -> anyhow::Result<ExitCode> {
    sys::reset().context("cannot reset the signals")?;
    prctl::set_pdeathsig(Signal::SIGKILL).context("cannot ask to be killed with who started this")?;
    fs::write(spec.cgroup.join("cgroup.procs"), "0").context("cannot join the container's cgroup")?;
    join(spec.pid, "pid", CloneFlags::CLONE_NEWPID)?;
    let mut inside = Command::new(own_binary());
    let mut inside = inside.args([COMMAND, INSIDE, &serde_json::to_string(spec)?]).spawn()?;
    let status = inside.wait()?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// Is in its pid namespace already.
pub(super) fn inside(spec: &Spec) -> anyhow::Result<Infallible> {
    sys::reset().context("cannot reset the signals")?;
    join(spec.pid, "uts", CloneFlags::CLONE_NEWUTS)?;
    join(spec.pid, "mnt", CloneFlags::CLONE_NEWNS)?;
    spec.user.map_or(Ok(()), User::become_it)?;
    prctl::set_pdeathsig(Signal::SIGKILL).context("cannot ask to be killed with who started this")?;
    let workdir = &spec.workdir;
    std::env::set_current_dir(workdir).with_context(|| format!("cannot enter {}", workdir.display()))?;
    Err(Command::new("/bin/sh").args(["-c", &spec.command]).exec()).context("cannot run /bin/sh")
}

fn join(pid: u32, namespace: &str, flag: CloneFlags) -> anyhow::Result<()> {
    ensure!(pid > 0, "the container has no process");
    let path = format!("/proc/{pid}/ns/{namespace}");
    let file = File::open(&path).with_context(|| format!("cannot open {path}"))?;
    setns(file, flag).with_context(|| format!("cannot join {path}"))
}
