//! What SIGHUP changes in an agent that runs.

use anyhow::Context as _;
use tokio::sync::mpsc;

use crate::agent::config::Config;
use crate::agent::server::Request as Wanted;
use crate::agent::{Hub, Rotator};
use crate::commands::logging;
use crate::kubernetes;

use super::options::Args;

/// What can change while it runs.
pub(super) struct Running {
    pub(super) config: Config,
    pub(super) rotator: Option<Rotator>,
    /// Those that were told to end and may wait for a slow disk, which the tracing must not.
    pub(super) leaving: Vec<Rotator>,
    pub(super) kubernetes: Option<kubernetes::Kubernetes>,
    pub(super) requests: mpsc::Sender<Wanted>,
}

impl Running {
    /// Whether it can record if that is wanted: at the beginning a wrong directory ends the agent.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let Some(rotation) = &self.config.record else { return Ok(()) };
        rotation.check().with_context(|| format!("cannot record in {}", rotation.dir.display()))
    }

    /// Begins to record if that is wanted.
    pub(super) fn record(&mut self) -> anyhow::Result<()> {
        if let Some(rotation) = &self.config.record {
            let started = Rotator::start(rotation.clone(), self.requests.clone());
            self.rotator = Some(started.with_context(|| format!("cannot record in {}", rotation.dir.display()))?);
            log::info!("recordings go to {}", rotation.dir.display());
        }
        Ok(())
    }

    /// Does not record any more.
    fn leave(&mut self) {
        self.leaving.retain(|rotator| !rotator.is_over());
        if let Some(rotator) = self.rotator.take() {
            rotator.stop();
            self.leaving.push(rotator);
        }
    }

    /// Completes the recordings, at the end of the agent.
    pub(super) fn stop(&mut self) {
        self.leave();
        self.leaving.drain(..).for_each(Rotator::join);
    }

    /// Reads the configuration again. What is wrong changes nothing.
    pub(super) fn reload(&mut self, args: &Args, hub: &Hub) {
        if let Some(kubernetes) = &self.kubernetes {
            kubernetes.try_again();
        }
        let new = match args.load() {
            Ok(new) => new,
            Err(error) => return log::error!("the configuration is not taken over, the old one stays: {error}"),
        };
        let (changed, fixed) = self.config.changes(&new);
        if !fixed.is_empty() {
            log::warn!("only a restart takes over: {}", fixed.join(", "));
        }
        let (bounds, level, format, record) = (new.bounds, new.level, new.format, new.record.clone());
        let other_record = record != self.config.record;
        // what is not taken over is not what is used
        let mut values = new.values;
        for name in &fixed {
            match self.config.values.get(name) {
                Some(value) => drop(values.insert(name, value.clone())),
                None => drop(values.remove(name)),
            }
        }
        self.config = Config { bounds, record, level, format, values, ..self.config.clone() };
        hub.set_bounds(bounds);
        logging::set_agent(level, format);
        if other_record {
            self.leave();
            if let Err(error) = self.record() {
                log::error!("{error:#}");
            }
        }
        match changed.as_slice() {
            [] => log::info!("the configuration was read again, and nothing changed that can be taken over"),
            changed => log::info!("the configuration was read again; new: {}", changed.join(", ")),
        }
    }
}
