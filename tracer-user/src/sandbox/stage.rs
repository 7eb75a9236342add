//! Starts containers, ends them as kubelet would, and leaves nothing behind.
//!
//! Nothing is left behind in any case: a [`Container`] that is dropped takes its processes and its cgroup along, whoever
//! is killed or panics leaves that to the shims, and what a power cut or `kill -9` of everything leaves, the next
//! [`Stage::open`] removes.

use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::unix::pipe;
use tokio::time::{Instant, timeout, timeout_at};

use super::cgroup::{self, Hierarchy, Root};
use super::probe::Probe;
use super::shim::{self, Spec, User};
use crate::event::CgroupId;
use crate::model::ExitStatus;
use crate::signal::Signal;

/// For what takes milliseconds, and much longer in an emulated machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a runtime stops a container: the stop signal, then SIGKILL when the grace period is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Stop signal.
    pub signal: Signal,
    /// Grace period.
    pub grace: Duration,
}

/// A container to make.
#[derive(Debug)]
pub struct Setup {
    /// Its name, and that of its cgroup.
    pub name: String,
    /// Its host name; that of the host when none is given.
    pub hostname: Option<String>,
    /// No pid namespace of its own, as in a pod with `hostPID` or `shareProcessNamespace`.
    pub share_pid: bool,
    /// Entrypoint and arguments.
    pub command: Vec<String>,
    /// How it is known that it runs, and where its output goes.
    pub announced: Announced,
    /// What it finds in its environment, beside what we have in ours.
    pub env: Vec<(String, String)>,
    /// Who it runs as; as we do when nobody is named.
    pub user: Option<User>,
    /// Where it runs.
    pub workdir: PathBuf,
}

/// How a container's start is known.
#[derive(Debug)]
pub enum Announced {
    /// Its entrypoint says `ready`; what else it says is lost.
    ByItself,
    /// It is started when its entrypoint runs. What that and its children print goes here.
    ByRunning(OwnedFd),
}

/// The place where containers are made: a cgroup of our own.
#[derive(Debug)]
pub struct Stage {
    hierarchy: Hierarchy,
    root: Root,
    binary: PathBuf,
}

impl Stage {
    /// Makes it for `command` (its cgroup is called `tracer-COMMAND-PID`), after removing what is left of those that
    /// were killed. Needs root.
    ///
    /// # Errors
    /// When no cgroup can be made: not root, or no hierarchy is mounted and writable.
    pub fn open(command: &str) -> anyhow::Result<Self> {
        Self::with_binary(command, shim::own_binary())
    }

    /// The same, with the `tracer` binary somewhere else: for tests.
    ///
    /// # Errors
    /// As [`Stage::open`].
    pub fn with_binary(command: &str, binary: PathBuf) -> anyhow::Result<Self> {
        let hierarchy = Hierarchy::find()?;
        let root = Root::make(&hierarchy, command)?;
        Ok(Self { hierarchy, root, binary })
    }

    /// Directory of the cgroup that all containers' cgroups are in.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.root.dir
    }

    /// Where and of which version the hierarchy is.
    #[must_use]
    pub fn hierarchy(&self) -> &Hierarchy {
        &self.hierarchy
    }

    /// The `tracer` binary.
    #[must_use]
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Path of the cgroup of a container of this name, from the root of its hierarchy.
    #[must_use]
    pub fn path_of(&self, name: &str) -> String {
        self.hierarchy.path_of(&self.root.dir.join(name))
    }

    /// Makes a container's cgroup. Nothing runs in it yet: this is the time to begin to trace it.
    ///
    /// # Errors
    /// When there is one of this name already.
    pub fn prepare(&self, setup: Setup) -> anyhow::Result<Prepared> {
        let dir = Dir(self.root.make_child(&setup.name)?);
        let id = self.hierarchy.id(&dir.0).with_context(|| format!("cannot look at {}", dir.0.display()))?;
        let cgroup = Cgroup { path: self.hierarchy.path_of(&dir.0), dir: dir.0.clone(), id };
        Ok(Prepared { cgroup, setup, dir, binary: self.binary.clone() })
    }
}

/// Where a container is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    /// Directory of its cgroup.
    pub dir: PathBuf,
    /// The cgroup's path from the root of its hierarchy.
    pub path: String,
    /// The cgroup's id.
    pub id: CgroupId,
}

/// Removes a cgroup, and what runs in it, when dropped.
#[derive(Debug)]
struct Dir(PathBuf);

impl Drop for Dir {
    fn drop(&mut self) {
        // Nothing more can be done here; the next one tries again.
        cgroup::remove(&self.0).unwrap_or_default();
    }
}

/// A container that has its cgroup and no process yet.
#[derive(Debug)]
pub struct Prepared {
    /// Where it is.
    pub cgroup: Cgroup,
    setup: Setup,
    dir: Dir,
    binary: PathBuf,
}

impl Prepared {
    /// Starts it, and returns when its entrypoint is as far as [`Announced`] says.
    ///
    /// # Errors
    /// When a namespace or `/proc` is refused, or the entrypoint does not come up.
    pub async fn start(self) -> anyhow::Result<Container> {
        let Self { setup, cgroup, dir, binary } = self;
        let Setup { name, hostname, share_pid, command, announced, env, user, workdir } = setup;
        let (announces, output) = match announced {
            Announced::ByItself => (true, shim::nothing()?),
            Announced::ByRunning(output) => (false, output.into()),
        };
        let spec = Spec {
            cgroup: cgroup.dir.clone(),
            hostname,
            share_pid,
            command,
            announces,
            user,
            workdir: workdir.clone(),
        };
        let shim = Shim::start(&binary, &spec, &env, output)?;
        let mut container = Container { name, cgroup, pid: 0, end: None, env, user, workdir, binary, shim, dir };
        let name = &container.name;
        match timeout(PATIENCE, container.shim.report()).await {
            Ok(Ok(Report::Ready(pid))) => container.pid = pid,
            Ok(Ok(Report::Error(message))) if announces => {
                bail!("the container of {name} could not be made: {message}")
            }
            Ok(Ok(Report::Error(message))) => bail!("{message}"),
            Ok(Ok(Report::Exit(_))) => bail!("the container of {name} ended before it was ready"),
            Ok(Err(error)) => return Err(error.context(format!("the container of {name} could not be made"))),
            Err(_) => bail!("the container of {name} was not ready within {} s", PATIENCE.as_secs()),
        }
        Ok(container)
    }
}

/// A running container. Dropping it ends it.
#[derive(Debug)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub cgroup: Cgroup,
    /// Host pid of its first process.
    pub pid: u32,
    end: Option<(ExitStatus, Instant)>,
    env: Vec<(String, String)>,
    user: Option<User>,
    workdir: PathBuf,
    binary: PathBuf,
    // In this order: the shim ends the container, then its cgroup can go.
    shim: Shim,
    dir: Dir,
}

/// How a container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Wait status of its first process.
    pub status: ExitStatus,
    /// It was sent SIGKILL.
    pub killed: bool,
    /// From the first signal to the end of the first process; nothing for one that had ended before.
    pub took: Duration,
}

impl Container {
    /// Lets time pass; returns early when the container ends.
    ///
    /// # Errors
    /// When the container's shim is gone.
    pub async fn watch(&mut self, time: Duration) -> anyhow::Result<()> {
        self.wait_until(Instant::now() + time).await
    }

    /// How its first process ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<ExitStatus> {
        self.end.map(|(status, _)| status)
    }

    /// Runs a shell command in it, as an exec probe does.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn probe(&self, command: &str) -> anyhow::Result<Probe> {
        Probe::start(&self.binary, self.pid, &self.cgroup.dir, (self.user, &self.workdir, &self.env), command)
    }

    /// Sends the first process a signal, from outside the container.
    ///
    /// # Errors
    /// When the container's shim is gone.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        self.shim.order(&format!("signal {}", signal.number()))
    }

    /// Ends it as kubelet would: the stop signal, up to the grace period of waiting, SIGKILL. Without a stop it gets
    /// SIGKILL at once, unless it has ended by itself.
    ///
    /// # Errors
    /// When the container's shim is gone, or the container does not die of SIGKILL.
    pub async fn stop(&mut self, stop: Option<Stop>) -> anyhow::Result<Ended> {
        self.wait_until(Instant::now()).await?;
        let begun = Instant::now();
        if let (None, Some(stop)) = (self.end, stop) {
            self.signal(stop.signal)?;
            self.wait_until(begun + stop.grace).await?;
        }
        let killed = self.end.is_none();
        if killed {
            self.signal(Signal::KILL)?;
            self.wait_until(Instant::now() + PATIENCE).await?;
        }
        let (status, at) = self.end.with_context(|| format!("{} did not end", self.name))?;
        Ok(Ended { status, killed, took: at.saturating_duration_since(begun) })
    }

    /// Removes what is left of it: processes, shim, cgroup.
    ///
    /// # Errors
    /// When the container's shim does not end, or its cgroup cannot be removed.
    pub async fn finish(mut self) -> anyhow::Result<()> {
        self.shim.leave().await?;
        let dir = self.dir.0.clone();
        // The shim has removed it already, unless it was killed itself.
        cgroup::remove(&dir).with_context(|| format!("cannot remove {}", dir.display()))
    }

    /// Waits for the end of the first process.
    async fn wait_until(&mut self, deadline: Instant) -> anyhow::Result<()> {
        if self.end.is_some() {
            return Ok(());
        }
        match timeout_at(deadline, self.shim.report()).await {
            Ok(Ok(Report::Exit(status))) => self.end = Some((status, Instant::now())),
            Ok(Ok(Report::Error(message))) => bail!("{}: {message}", self.name),
            // The time is over; nobody says twice that it is ready.
            Err(_) | Ok(Ok(Report::Ready(_))) => {}
            Ok(Err(error)) => return Err(error),
        }
        Ok(())
    }
}

/// The shim of a container, and the pipes to and from it.
#[derive(Debug)]
struct Shim {
    process: Child,
    orders: Option<ChildStdin>,
    reports: Lines<BufReader<pipe::Receiver>>,
}

/// What a shim tells.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Report {
    Ready(u32),
    Exit(ExitStatus),
    Error(String),
}

impl Report {
    fn parse(line: &str) -> Option<Self> {
        let (kind, rest) = line.split_once(' ')?;
        match kind {
            "ready" => rest.parse().ok().map(Self::Ready),
            "exit" => rest.parse().ok().map(|raw| Self::Exit(ExitStatus { raw })),
            "error" => Some(Self::Error(rest.to_owned())),
            _ => None,
        }
    }
}

impl Shim {
    fn start(binary: &Path, spec: &Spec, env: &[(String, String)], output: Stdio) -> anyhow::Result<Self> {
        let mut command = shim::shim_command(binary, spec)?;
        let mut process = command
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot run {}", binary.display()))?;
        let orders = process.stdin.take();
        let reports = OwnedFd::from(process.stdout.take().context("the shim has no pipe")?);
        let reports = BufReader::new(pipe::Receiver::from_owned_fd(reports)?).lines();
        Ok(Self { process, orders, reports })
    }

    fn order(&mut self, line: &str) -> anyhow::Result<()> {
        // One short line into an empty pipe: this does not wait.
        let orders = self.orders.as_mut().context("the shim was told to leave")?;
        orders.write_all(format!("{line}\n").as_bytes()).context("the container's shim is gone")
    }

    async fn report(&mut self) -> anyhow::Result<Report> {
        let line = self.reports.next_line().await.context("cannot hear the container's shim")?;
        let line = line.context("the container's shim is gone")?;
        Report::parse(&line).with_context(|| format!("the shim says {line:?}"))
    }

    async fn leave(&mut self) -> anyhow::Result<()> {
        // A shim that was killed cannot be told, and need not be.
        self.order("leave").unwrap_or_default();
        drop(self.orders.take());
        let rest = async {
            let mut trouble = None;
            while let Ok(Some(line)) = self.reports.next_line().await {
                if let Some(Report::Error(message)) = Report::parse(&line) {
                    trouble = Some(message);
                }
            }
            trouble
        };
        let trouble = timeout(PATIENCE, rest).await.context("the container's shim does not end")?;
        // Its end of the pipe is closed: it is exiting, if it is not a zombie yet.
        self.process.wait()?;
        trouble.map_or(Ok(()), |message| bail!("{message}"))
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        // Told in this way, it ends the container: it cannot take longer than that does. Waiting fails only when it
        // was waited for before.
        self.order("leave").unwrap_or_default();
        drop(self.orders.take());
        self.process.wait().map(drop).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_understood() {
        assert_eq!(Report::parse("ready 12"), Some(Report::Ready(12)));
        assert_eq!(Report::parse("exit 9"), Some(Report::Exit(ExitStatus { raw: 9 })));
        assert_eq!(Report::parse("error no such file"), Some(Report::Error("no such file".to_owned())));
        assert_eq!(Report::parse("ready soon"), None);
    }
}
