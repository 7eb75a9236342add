//! `tracer agent`: traces for days, remembers, and serves those who attach.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::agent::config::{self, Config, ConfigError, Layer, Origin, SETTINGS, USUAL_FILE};
use crate::agent::metrics::{self, Ask, Listening, Own};
use crate::agent::server::{Request as Wanted, Server};
use crate::agent::{BindError, Ends, Hub, Rotator, Sink, Sinks, listen};
use crate::kubernetes;
use crate::live::{End, Options, Request, Session};
use crate::otlp::{Exporter, Queue, Summary, Target};

use super::options::{Failure, print};
use super::{DONE, UNSUITABLE, USAGE, logging};

/// Requests of clients that may wait.
const REQUESTS: usize = 32;

/// Options of `tracer agent`. Each may stand in the environment (`TRACER_RECORD_DIR`) or in the file (`record-dir = …`).
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each option but --config and --print-config may also stand in the environment (TRACER_RECORD_DIR=/var/lib/tracer) or in
the file (record-dir = \"/var/lib/tracer\"). Flags come first, then the environment, then the file. SIGHUP reads the file
again; SIGTERM ends it.")]
pub(super) struct Args {
    /// Where clients find it; the directory is made for root alone if it is not there [default: /run/tracer/agent.sock]
    #[arg(long, value_name = "PATH")]
    socket: Option<String>,
    /// Configuration; /etc/tracer/agent.toml if that is there
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Tell every setting and where it is from, and end
    #[arg(long)]
    print_config: bool,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    sockets: Sockets,
    #[command(flatten)]
    memory: Memory,
    #[command(flatten)]
    metrics: Metrics,
    #[command(flatten)]
    kubernetes: Kubernetes,
    #[command(flatten)]
    traces: Traces,
    #[command(flatten)]
    logs: Logs,
}

/// What is traced.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Filters (as for live tracing; without any, every container)")]
struct Filters {
    /// Only this container
    #[arg(short, long, value_name = "ID|NAME")]
    container: Vec<String>,
    /// Only this pod
    #[arg(long, value_name = "[NAMESPACE/]NAME")]
    pod: Vec<String>,
    /// Only the pods of this namespace
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Vec<String>,
    /// Only what has this label
    #[arg(short, long, value_name = "KEY[=VALUE]", value_delimiter = ',')]
    label: Vec<String>,
    /// Only this cgroup and what is below
    #[arg(long, value_name = "PATH")]
    cgroup: Vec<String>,
}

/// Who is asked for names.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Container runtimes")]
struct Sockets {
    /// Socket of a runtime that Kubernetes uses, instead of those in the usual places
    #[arg(long, value_name = "SOCKET")]
    cri: Vec<String>,
    /// Socket of Docker or Podman, instead of those in the usual places
    #[arg(long, value_name = "SOCKET")]
    docker: Vec<String>,
}

/// What is kept.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Memory and recordings")]
struct Memory {
    /// Keep the arguments of containers' commands and preStop hooks, too, which may hold secrets [default: the program alone]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    command_lines: Option<String>,
    /// Terminations that are remembered [default: 512]
    #[arg(long, value_name = "NUMBER")]
    history_terminations: Option<String>,
    /// Memory for all that is remembered [default: 64MiB]
    #[arg(long, value_name = "SIZE")]
    history_size: Option<String>,
    /// Keep recordings in this directory, for tracer replay
    #[arg(long, value_name = "DIR")]
    record_dir: Option<String>,
    /// Begin a new one at this size [default: 64MiB]
    #[arg(long, value_name = "SIZE")]
    record_size: Option<String>,
    /// Delete the oldest when there are more than this [default: 8]
    #[arg(long, value_name = "NUMBER")]
    record_files: Option<String>,
}

/// What is served to Prometheus.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Metrics")]
struct Metrics {
    /// Serve /metrics, /healthz and /readyz there over HTTP, to whoever can connect [default: nowhere]
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics_listen: Option<String>,
    /// Tell the pod of each series, too: many more of them
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    metrics_pod_names: Option<String>,
}

/// What is wanted of the Kubernetes API.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Kubernetes")]
struct Kubernetes {
    /// Tell what goes wrong as Events on the pods, for kubectl describe pod [default: false]
    #[arg(long = "kubernetes-events", value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true")]
    events: Option<String>,
    /// Hear from the API when somebody deletes a pod of this node, and which workload it belongs to [default: false]
    #[arg(long = "kubernetes-watch", value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true")]
    watch: Option<String>,
    /// The API without encryption, instead of where a pod finds it: kubectl proxy, a test
    #[arg(long = "kubernetes-api", value_name = "URL", hide = true)]
    api: Option<String>,
    /// Name of this node: spec.nodeName by the downward API
    #[arg(long, value_name = "NAME")]
    node_name: Option<String>,
}

/// Where traces of terminations go.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Traces (OpenTelemetry)")]
struct Traces {
    /// Send each termination as a trace to the collector at this address (OTLP over HTTP)
    #[arg(long, value_name = "http://HOST:4318")]
    otlp_endpoint: Option<String>,
    /// What is true of all on this machine: k8s.cluster.name=east
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',')]
    otlp_attributes: Vec<String>,
}

/// What it says on standard error.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Logs")]
struct Logs {
    /// error, warn, info or debug [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// text (key=value) or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

impl Args {
    /// What the command line says of each setting.
    fn flags(&self) -> Layer {
        let Self { socket, config: _, print_config: _, filters, sockets, memory, metrics, kubernetes, traces, logs } =
            self;
        let one = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
        let values = SETTINGS.iter().map(|setting| {
            let values = match setting.name {
                "socket" => one(socket),
                "container" => filters.container.clone(),
                "pod" => filters.pod.clone(),
                "namespace" => filters.namespace.clone(),
                "label" => filters.label.clone(),
                "cgroup" => filters.cgroup.clone(),
                "cri" => sockets.cri.clone(),
                "docker" => sockets.docker.clone(),
                "command-lines" => one(&memory.command_lines),
                "history-terminations" => one(&memory.history_terminations),
                "history-size" => one(&memory.history_size),
                "record-dir" => one(&memory.record_dir),
                "record-size" => one(&memory.record_size),
                "record-files" => one(&memory.record_files),
                "metrics-listen" => one(&metrics.metrics_listen),
                "metrics-pod-names" => one(&metrics.metrics_pod_names),
                "kubernetes-events" => one(&kubernetes.events),
                "kubernetes-watch" => one(&kubernetes.watch),
                "kubernetes-api" => one(&kubernetes.api),
                "node-name" => one(&kubernetes.node_name),
                "otlp-endpoint" => one(&traces.otlp_endpoint),
                "otlp-attributes" => traces.otlp_attributes.clone(),
                "log-level" => one(&logs.log_level),
                "log-format" => one(&logs.log_format),
                _ => Vec::new(),
            };
            (setting.name, values)
        });
        let said = values.filter(|(_, values)| !values.is_empty());
        said.map(|(name, values)| (name, (values, Origin::Flag))).collect()
    }

    /// Everything together.
    fn load(&self) -> Result<Config, ConfigError> {
        let path = self.config.as_deref().unwrap_or(Path::new(USUAL_FILE));
        let file = match std::fs::read_to_string(path) {
            Ok(text) => config::file(path, &text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.config.is_none() => Layer::new(),
            Err(error) => {
                let at = path.display().to_string();
                return Err(ConfigError { at, what: format!("cannot be read: {error}") });
            }
        };
        let environment = config::environment(|name| std::env::var(name).ok());
        Config::new(self.flags(), environment, file)
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.load().map_err(|error| Failure::new(USAGE, error.to_string()))?;
    if args.print_config {
        print(config.print().as_bytes())?;
        return Ok(ExitCode::from(DONE));
    }
    logging::init_agent(config.level, config.format);
    crate::doctor::preflight().map_err(|unsuitable| Failure::new(UNSUITABLE, unsuitable.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(serve(args, config));
    runtime.shutdown_background();
    result
}

/// What the loop came back for.
enum Woken {
    /// Somebody wants events.
    Wanted(Wanted),
    /// Somebody wants to know how it stands.
    Asked(Ask),
    /// SIGHUP.
    Hangup,
}

async fn serve(args: &Args, config: Config) -> anyhow::Result<ExitCode> {
    // before anything is attached: where an agent runs already, this one is not wanted
    let bound = listen(&config.socket).map_err(|error| match error {
        BindError::Io { .. } => anyhow::Error::new(error),
        other => Failure::new(1, other.to_string()).into(),
    })?;
    let listening = match config.metrics {
        Some(address) => Some(Listening::on(address).with_context(|| format!("cannot serve metrics on {address}"))?),
        None => None,
    };
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let request = Request {
        filters: config.filters.clone(),
        command: std::env::args().skip(1).collect(),
        sockets: config.sockets.clone(),
        outlives_hangup: true,
        // somebody may look at it on the terminal UI
        foresee: true,
        options: Options { programs_only: !config.command_lines, ..Options::default() },
        ..Request::default()
    };
    let hub = Hub::new(config.bounds, config.typed_filters());
    let counted = metrics::Metrics::new(config.metrics_pod_names);
    // whoever wants changes (metrics, events) has its place here
    let mut sinks: Vec<Box<dyn Sink>> = listening.iter().map(|_| counted.sink()).collect();
    let traces = config.traces.clone().map(|target| (target, Arc::new(Queue::default())));
    if let Some((_, queue)) = &traces {
        sinks.push(Box::new(Ends::new(Arc::clone(queue))));
    }
    let mut kubernetes = None;
    let mut session = Session::start(&request, |_, _| {
        // a thread of ours, now that no privilege is left that is not needed
        kubernetes = config.kubernetes.as_ref().and_then(start_kubernetes).map(|started| {
            sinks.extend(started.events.map(|events| Box::new(events) as Box<dyn Sink>));
            (started.thread, started.pods)
        });
        Box::new(Sinks::new(sinks))
    })
    .map_err(super::live::unsuitable)?;
    let (kubernetes, pods) = kubernetes.unzip();
    if let Some(pods) = pods.flatten() {
        session.listen(pods);
    }
    // the one before it may have been killed in the middle of a stop
    session.doubt_the_past();
    session.pipeline.set_tap(Box::new(hub.clone()));
    // threads of ours are made now that no privilege is left that is not needed
    let (requests, mut wanted) = mpsc::channel(REQUESTS);
    let server = Server::start(bound, requests.clone()).context("cannot serve clients")?;
    let (asks, mut asked) = mpsc::channel(REQUESTS);
    let metrics = match listening {
        Some(listening) => {
            log::info!("metrics are served on http://{}/metrics", listening.address);
            let hierarchies = session.tracker().hierarchies().clone();
            Some(metrics::Server::start(listening, hierarchies, asks.clone()).context("cannot serve metrics")?)
        }
        None => None,
    };
    let exporter = traces.map(export).transpose().context("cannot export traces")?;
    log::info!("tracing; clients attach on {}", config.socket.display());
    let mut running = Running { config, rotator: None, kubernetes, requests };
    running.record()?;
    loop {
        let woken = async {
            tokio::select! {
                Some(request) = wanted.recv() => Woken::Wanted(request),
                Some(ask) = asked.recv() => Woken::Asked(ask),
                Some(()) = hangup.recv() => Woken::Hangup,
            }
        };
        match session.run_until(woken, |_| None).await? {
            End::Interrupted => break,
            End::Done(Woken::Wanted(request)) => {
                let start = session.start_record().clone();
                hub.subscribe(request, &session.pipeline, &start);
            }
            End::Done(Woken::Asked(ask)) => {
                let own = own(&hub, &session);
                // who does not wait for the answer needs none
                drop(ask.send(counted.snapshot(&session.pipeline.node, own)));
            }
            End::Done(Woken::Hangup) => running.reload(args, &hub),
        }
    }
    log::info!("asked to end");
    // who waits for an answer gets none; what is attached gets what there is
    drop(wanted);
    if let Some(metrics) = metrics {
        metrics.stop();
    }
    hub.close();
    server.stop();
    running.stop();
    // which waits for nobody longer than a moment
    let finished = session.finish().await;
    if let Some(kubernetes) = running.kubernetes.take() {
        kubernetes.stop();
    }
    // the last ends are told by that
    if let Some(exporter) = exporter {
        match exporter.stop() {
            Summary { sent, lost: 0 } => log::info!("{sent} terminations were exported"),
            Summary { sent, lost } => log::warn!("{sent} terminations were exported, {lost} were not"),
        }
    }
    finished?;
    Ok(ExitCode::from(DONE))
}

/// What there is to tell of the agent itself.
fn own(hub: &Hub, session: &Session) -> Own {
    let info = session.tracker().probe().info();
    Own {
        kernel: info.kernel.clone(),
        programs: info.programs.len(),
        wakeups: session.wakeups(),
        ring_fill: session.tracker().ring_fill(),
        ..hub.own()
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

/// What can change while it runs.
struct Running {
    config: Config,
    rotator: Option<Rotator>,
    kubernetes: Option<kubernetes::Kubernetes>,
    requests: mpsc::Sender<Wanted>,
}

/// Without an API the agent does what else it does.
fn start_kubernetes(settings: &kubernetes::Settings) -> Option<kubernetes::Started> {
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

impl Running {
    /// Begins to record if that is wanted.
    fn record(&mut self) -> anyhow::Result<()> {
        if let Some(rotation) = &self.config.record {
            let started = Rotator::start(rotation.clone(), self.requests.clone());
            self.rotator = Some(started.with_context(|| format!("cannot record in {}", rotation.dir.display()))?);
            log::info!("recordings go to {}", rotation.dir.display());
        }
        Ok(())
    }

    fn stop(&mut self) {
        if let Some(rotator) = self.rotator.take() {
            rotator.stop();
        }
    }

    /// Reads the configuration again. What is wrong changes nothing.
    fn reload(&mut self, args: &Args, hub: &Hub) {
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
            self.stop();
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
