//! Runs scenarios in containers of our own: see [`crate::sandbox`].

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

use anyhow::bail;

use super::actors;
use super::scenarios::{Entry, Scenario};
use crate::sandbox::{self, Announced, Ended, Setup};

/// What the demo's cgroup is named after.
const COMMAND: &str = "demo";

/// The place where scenarios are played: a cgroup of our own.
#[derive(Debug)]
pub struct Stage(sandbox::Stage);

impl Deref for Stage {
    type Target = sandbox::Stage;

    fn deref(&self) -> &sandbox::Stage {
        &self.0
    }
}

impl Stage {
    /// See [`sandbox::Stage::open`].
    ///
    /// # Errors
    /// As there.
    pub fn open() -> anyhow::Result<Self> {
        sandbox::Stage::open(COMMAND).map(Self)
    }

    /// See [`sandbox::Stage::with_binary`].
    ///
    /// # Errors
    /// As there.
    pub fn with_binary(binary: PathBuf) -> anyhow::Result<Self> {
        sandbox::Stage::with_binary(COMMAND, binary).map(Self)
    }

    /// Makes the cgroup of a scenario's container. Nothing runs in it yet: this is the time to begin to trace it.
    ///
    /// # Errors
    /// When the scenario runs already, or needs a program that is not there.
    pub fn prepare(&self, scenario: &'static Scenario) -> anyhow::Result<Prepared> {
        if !scenario.is_available() {
            bail!("{} needs {:?}, which is not there", scenario.name, scenario.entry);
        }
        let command = match scenario.entry {
            Entry::Actor(name) => {
                vec![self.binary().to_string_lossy().into_owned(), actors::COMMAND.to_owned(), name.to_owned()]
            }
            Entry::Host(command) => command.iter().map(|&word| word.to_owned()).collect(),
        };
        let setup = Setup {
            name: scenario.name.to_owned(),
            hostname: Some(scenario.name.to_owned()),
            share_pid: scenario.share_pid,
            command,
            announced: Announced::ByItself,
            env: Vec::new(),
            user: None,
            workdir: PathBuf::from("/"),
        };
        Ok(Prepared { scenario, container: self.0.prepare(setup)? })
    }

    /// Starts a scenario's container, and returns when its entrypoint is ready.
    ///
    /// # Errors
    /// As [`Stage::prepare`] and [`Prepared::start`].
    pub async fn start(&self, scenario: &'static Scenario) -> anyhow::Result<Container> {
        self.prepare(scenario)?.start().await
    }
}

/// A scenario's container that has no process yet.
#[derive(Debug)]
pub struct Prepared {
    scenario: &'static Scenario,
    container: sandbox::Prepared,
}

impl Deref for Prepared {
    type Target = sandbox::Prepared;

    fn deref(&self) -> &sandbox::Prepared {
        &self.container
    }
}

impl Prepared {
    /// Starts it, and returns when its entrypoint is ready.
    ///
    /// # Errors
    /// As [`sandbox::Prepared::start`].
    pub async fn start(self) -> anyhow::Result<Container> {
        Ok(Container { scenario: self.scenario, container: self.container.start().await? })
    }
}

/// A scenario's container. Dropping it ends it.
#[derive(Debug)]
pub struct Container {
    /// What it is for.
    pub scenario: &'static Scenario,
    container: sandbox::Container,
}

impl Deref for Container {
    type Target = sandbox::Container;

    fn deref(&self) -> &sandbox::Container {
        &self.container
    }
}

impl DerefMut for Container {
    fn deref_mut(&mut self) -> &mut sandbox::Container {
        &mut self.container
    }
}

impl Container {
    /// Lets the scenario's time pass in which something is to be seen; returns early when the container ends.
    ///
    /// # Errors
    /// When the container's shim is gone.
    pub async fn watch(&mut self) -> anyhow::Result<()> {
        self.container.watch(self.scenario.watch).await
    }

    /// Ends it in the scenario's way.
    ///
    /// # Errors
    /// As [`sandbox::Container::stop`].
    pub async fn stop(&mut self) -> anyhow::Result<Ended> {
        self.container.stop(self.scenario.stop).await
    }

    /// Removes what is left of it: processes, shim, cgroup.
    ///
    /// # Errors
    /// As [`sandbox::Container::finish`].
    pub async fn finish(self) -> anyhow::Result<()> {
        self.container.finish().await
    }
}
