//! Whoever else is told what an agent learns: Prometheus, Kubernetes, a collector of traces.

use std::io;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::mpsc;

use crate::agent::config::Config;
use crate::agent::metrics::{self, Ask, Listening};
use crate::agent::{Ends, Sink};
use crate::kubernetes;
use crate::live::Session;
use crate::otlp::{Exporter, Queue, Summary, Target};

/// Metrics and traces, before anything is traced.
pub(super) struct Prepared {
    listening: Option<Listening>,
    /// What the metrics count.
    pub(super) counted: metrics::Metrics,
    traces: Option<(Target, Arc<Queue>)>,
}

/// The threads of metrics and traces.
pub(super) struct Started {
    metrics: Option<metrics::Server>,
    exporter: Option<Exporter>,
}

impl Prepared {
    /// Takes the port, if one is wanted.
    pub(super) fn new(config: &Config) -> anyhow::Result<Self> {
        let on = |address| Listening::on(address).with_context(|| format!("cannot serve metrics on {address}"));
        if let Some(why) = &config.traces_off {
            log::warn!("no traces are exported: {why}");
        }
        Ok(Self {
            listening: config.metrics.map(on).transpose()?,
            counted: metrics::Metrics::new(config.metrics_pod_names),
            traces: config.traces.clone().map(|target| (target, Arc::new(Queue::default()))),
        })
    }

    /// Those who want changes.
    pub(super) fn sinks(&self) -> Vec<Box<dyn Sink>> {
        let metrics = self.listening.iter().map(|_| self.counted.sink());
        let ends = self.traces.iter().map(|(_, queue)| Box::new(Ends::new(Arc::clone(queue))) as Box<dyn Sink>);
        metrics.chain(ends).collect()
    }

    /// Starts the threads. `asks` is where scrapes ask.
    pub(super) fn start(
        self,
        session: &Session,
        asks: mpsc::Sender<Ask>,
    ) -> anyhow::Result<(Started, metrics::Metrics)> {
        let Self { listening, counted, traces } = self;
        let serve = |listening: Listening| {
            log::info!("metrics are served on http://{}/metrics", listening.address);
            metrics::Server::start(listening, session.tracker().hierarchies().clone(), asks)
        };
        let metrics = listening.map(serve).transpose().context("cannot serve metrics")?;
        let exporter = traces.map(export).transpose().context("cannot export traces")?;
        Ok((Started { metrics, exporter }, counted))
    }
}

impl Started {
    /// Nobody is answered any more.
    pub(super) fn stop_metrics(&mut self) {
        if let Some(metrics) = self.metrics.take() {
            metrics.stop();
        }
    }

    /// What became of ends that are exported, if they are.
    pub(super) fn traces(&self) -> Option<Summary> {
        self.exporter.as_ref().map(Exporter::so_far)
    }

    /// Waits a moment for the last ends to be taken, and says how many were.
    pub(super) fn stop_traces(&mut self) {
        match self.exporter.take().map(Exporter::stop) {
            None => {}
            Some(Summary { sent, lost: 0 }) => log::info!("{sent} terminations were exported"),
            Some(Summary { sent, lost }) => log::warn!("{sent} terminations were exported, {lost} were not"),
        }
    }
}

/// Begins to send what ends.
fn export((mut target, queue): (Target, Arc<Queue>)) -> io::Result<Exporter> {
    log::info!("terminations are exported to {}", target.endpoint);
    // after what was configured, which counts more: in a container this may be the pod's name
    let host = nix::unistd::gethostname().unwrap_or_default();
    target.attributes.push(("host.name".to_owned(), host.to_string_lossy().into_owned()));
    Exporter::start(target, queue)
}

/// Without an API the agent does what else it does.
pub(super) fn start_kubernetes(settings: &kubernetes::Settings) -> Option<kubernetes::Started> {
    let started = match kubernetes::Kubernetes::start(settings) {
        Ok(started) => started,
        Err(error) => {
            log::warn!("nothing of Kubernetes' API: {error}");
            return None;
        }
    };
    if settings.events {
        log::info!("Kubernetes is told what goes wrong, as Events on the pods");
    }
    if let Some(node) = settings.node.as_ref().filter(|_| settings.watch) {
        log::info!("the pods of node {node} are watched");
    }
    Some(started)
}
