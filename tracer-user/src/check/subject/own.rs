//! A program in a container of our own.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use crate::check::ready::Attempt;
use crate::container::filter::Filters;
use crate::event::Described;
use crate::sandbox::{Announced, Container, Prepared, Probe, Setup, Stage, Stop, User};

/// Name of the one container.
const NAME: &str = "check";
/// Who says what the stop signal and the grace period are, and that it is us who run it.
const RUNTIME: &str = "check";

/// A program to check, and how to run it.
#[derive(Debug)]
pub struct Program {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Additions to its environment.
    pub env: Vec<(String, String)>,
    /// Who it runs as.
    pub user: Option<User>,
    /// Where it runs.
    pub workdir: PathBuf,
}

/// A program in a container of our own. Dropping it ends it and leaves nothing behind.
#[derive(Debug)]
pub struct Own {
    name: String,
    // Before the stage: what is in it has to be gone first.
    prepared: Option<Prepared>,
    container: Option<Container>,
    attempt: Option<Probe>,
    stage: Stage,
    path: String,
}

impl Own {
    /// Makes the container's cgroup; its output goes to `output`. Nothing runs yet.
    pub(super) fn prepare(name: String, program: Program, output: OwnedFd) -> anyhow::Result<Self> {
        let stage = Stage::open(NAME).context("cannot make a container for the check")?;
        let path = stage.path_of(NAME);
        let Program { command, env, user, workdir } = program;
        let setup = Setup {
            name: NAME.to_owned(),
            hostname: None,
            share_pid: false,
            command,
            announced: Announced::ByRunning(output),
            env,
            user,
            workdir,
        };
        let prepared = Some(stage.prepare(setup)?);
        Ok(Self { name, prepared, container: None, attempt: None, stage, path })
    }

    /// What the model calls it.
    pub(super) fn id(&self) -> &str {
        &self.path
    }

    /// What to trace.
    pub(super) fn filters(&self) -> Filters {
        Filters { cgroups: vec![self.path.clone()], ..Filters::default() }
    }

    /// What a runtime would say of it.
    pub(super) fn described(&self, stop: Stop) -> Described {
        Described {
            id: self.path.clone(),
            name: Some(self.name.clone()),
            runtime: Some(RUNTIME.to_owned()),
            stop_signal: Some(stop.signal),
            grace_ms: u64::try_from(stop.grace.as_millis()).ok(),
            grace_source: Some(RUNTIME.to_owned()),
            ..Described::default()
        }
    }

    /// Starts it.
    pub(super) async fn start(&mut self) -> anyhow::Result<()> {
        let prepared = self.prepared.take().context("it was started before")?;
        self.container = Some(prepared.start().await?);
        Ok(())
    }

    /// Lets time pass; returns early, and true, when it has ended.
    pub(super) async fn watch(&mut self, time: Duration) -> anyhow::Result<bool> {
        let container = self.container()?;
        container.watch(time).await?;
        Ok(container.ended().is_some())
    }

    /// Runs a shell command in it, or looks how far that is. `None` while it runs.
    pub(super) fn attempt(&mut self, command: &str) -> anyhow::Result<Option<Attempt>> {
        let mut attempt = match self.attempt.take() {
            Some(attempt) => attempt,
            None => self.container()?.probe(command)?,
        };
        let Some(status) = attempt.ended()? else {
            self.attempt = Some(attempt);
            return Ok(None);
        };
        Ok(Some(Attempt { code: status.code().unwrap_or(1), said: attempt.last_line() }))
    }

    /// Stops it as kubelet would; returns when its first process has ended.
    pub(super) async fn stop(&mut self, stop: Stop) -> anyhow::Result<()> {
        self.attempt = None;
        self.container()?.stop(Some(stop)).await.map(drop)
    }

    /// Ends what still runs, and removes all there is of it.
    pub(super) async fn remove(self) -> anyhow::Result<()> {
        let Self { prepared, container, attempt, stage, .. } = self;
        drop((prepared, attempt));
        if let Some(container) = container {
            container.finish().await?;
        }
        drop(stage);
        Ok(())
    }

    fn container(&mut self) -> anyhow::Result<&mut Container> {
        self.container.as_mut().context("it was not started")
    }
}
