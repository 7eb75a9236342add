//! Options of `tracer agent`: the first of the three layers of its configuration.

use std::io;
use std::path::{Path, PathBuf};

use crate::agent::config::{self, Config, ConfigError, Layer, Origin, SETTINGS, USUAL_FILE};

/// Options of `tracer agent`. Each may stand in the environment (`TRACER_RECORD_DIR`) or in the file (`record-dir = …`).
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each option but --config and --print-config may also stand in the environment (TRACER_RECORD_DIR=/var/lib/tracer) or in
the file (record-dir = \"/var/lib/tracer\"). Flags come first, then the environment, then the file. SIGHUP reads the file
again; SIGTERM ends it.")]
pub(in crate::commands) struct Args {
    /// Where clients find it; the directory is made for root alone if it is not there [default: /run/tracer/agent.sock]
    #[arg(long, value_name = "PATH")]
    socket: Option<String>,
    /// Configuration; /etc/tracer/agent.toml if that is there
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Tell every setting and where it is from, and end
    #[arg(long)]
    pub(super) print_config: bool,
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
    /// Buffer between kernel and agent, such as 16MiB; more for storms of events [default: 4MiB]
    #[arg(long, value_name = "SIZE")]
    ring_size: Option<String>,
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
    /// Send each termination as a trace to the collector at this address, http or https (OTLP over HTTP)
    #[arg(long = "otlp-endpoint", value_name = "http://HOST:4318")]
    endpoint: Option<String>,
    /// Certificates of the authorities that vouch for it, as PEM, instead of those that this system trusts
    #[arg(long = "otlp-certificate", value_name = "FILE")]
    certificate: Option<String>,
    /// What is true of all on this machine: k8s.cluster.name=east
    #[arg(long = "otlp-attributes", value_name = "KEY=VALUE", value_delimiter = ',')]
    attributes: Vec<String>,
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
                "ring-size" => one(&memory.ring_size),
                "record-dir" => one(&memory.record_dir),
                "record-size" => one(&memory.record_size),
                "record-files" => one(&memory.record_files),
                "metrics-listen" => one(&metrics.metrics_listen),
                "metrics-pod-names" => one(&metrics.metrics_pod_names),
                "kubernetes-events" => one(&kubernetes.events),
                "kubernetes-watch" => one(&kubernetes.watch),
                "kubernetes-api" => one(&kubernetes.api),
                "node-name" => one(&kubernetes.node_name),
                "otlp-endpoint" => one(&traces.endpoint),
                "otlp-attributes" => traces.attributes.clone(),
                "otlp-certificate" => one(&traces.certificate),
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
    pub(super) fn load(&self) -> Result<Config, ConfigError> {
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
