//! The agent's configuration: flags, then the environment, then a file, then what is usual; and where each value is from.
//!
//! One table, [`SETTINGS`], names every setting. Whatever a value comes from, it is text first, and is understood in one
//! place, so that an error always tells where it stands.

mod layers;
mod values;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;

use log::LevelFilter;

use crate::container::filter::Filters;
use crate::container::runtime::{Kind, Socket, socket_path, usual_sockets};
use crate::kubernetes;
use crate::otlp::Target;

use super::limits::Bounds;
use super::protocol::USUAL_SOCKET;
use super::rotation::Rotation;

use values::{Traces, Values, address, bytes, level, node_name, ring, yes_or_no};

pub use layers::{environment, file};

/// Where the file is looked for when none is named.
pub const USUAL_FILE: &str = "/etc/tracer/agent.toml";

/// A setting: its name on the command line and in the file; in the environment it is `TRACER_` and that in capitals.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// `record-size`.
    pub name: &'static str,
    /// It may have several values.
    pub list: bool,
    /// What it is when nobody says.
    pub usual: Option<&'static str>,
    /// SIGHUP may change it.
    pub reloads: bool,
    /// Variables that others agreed on, in the order in which they count, after our own.
    pub standard: &'static [&'static str],
    /// Its value is not told.
    pub secret: bool,
}

const fn one(name: &'static str, usual: Option<&'static str>, reloads: bool) -> Setting {
    Setting { name, list: false, usual, reloads, standard: &[], secret: false }
}

const fn list(name: &'static str) -> Setting {
    Setting { name, list: true, usual: None, reloads: false, standard: &[], secret: false }
}

/// In which a whole address stands, and not that of a collector for all that it takes.
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

/// Variables that others agreed on and that only ever turn off what such variables turn on: whether traces are wanted at all,
/// and what the collector speaks.
const TRACES_EXPORTER: &str = "OTEL_TRACES_EXPORTER";
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];

/// All of them.
pub const SETTINGS: [Setting; 27] = [
    one("socket", Some(USUAL_SOCKET), false),
    list("container"),
    list("pod"),
    list("namespace"),
    list("label"),
    list("cgroup"),
    list("cri"),
    list("docker"),
    one("command-lines", Some("false"), false),
    one("history-terminations", Some("512"), true),
    one("history-size", Some("64MiB"), true),
    one("ring-size", Some("4MiB"), false),
    one("record-dir", None, true),
    one("record-size", Some("64MiB"), true),
    one("record-files", Some("8"), true),
    one("metrics-listen", None, false),
    one("metrics-pod-names", Some("false"), false),
    one("kubernetes-events", Some("false"), false),
    one("kubernetes-watch", Some("false"), false),
    one("kubernetes-api", None, false),
    one("node-name", None, false),
    Setting { standard: &[TRACES_ENDPOINT, "OTEL_EXPORTER_OTLP_ENDPOINT"], ..one("otlp-endpoint", None, false) },
    Setting {
        standard: &["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"],
        secret: true,
        ..list("otlp-headers")
    },
    Setting { standard: &["OTEL_RESOURCE_ATTRIBUTES"], ..list("otlp-attributes") },
    Setting {
        standard: &["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"],
        ..one("otlp-certificate", None, false)
    },
    one("log-level", Some("info"), true),
    one("log-format", Some("text"), true),
];

impl Setting {
    /// `TRACER_RECORD_SIZE`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("TRACER_{}", self.name.replace('-', "_").to_uppercase())
    }
}

/// Where a value is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// A variable of the environment.
    Environment(String),
    /// A line of the file.
    File(PathBuf, usize),
    /// Nowhere.
    Usual,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("the command line"),
            Self::Environment(name) => f.write_str(name),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Usual => f.write_str("default"),
        }
    }
}

/// Values by the names of their settings.
pub type Layer = BTreeMap<&'static str, (Vec<String>, Origin)>;

/// What is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {what}")]
pub struct ConfigError {
    /// Where.
    pub at: String,
    /// What, and what to do.
    pub what: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `key=value`.
    Text,
    /// One JSON object a line.
    Json,
}

/// What the agent does.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where it listens.
    pub socket: PathBuf,
    /// What it traces.
    pub filters: Filters,
    /// Who is asked for names.
    pub sockets: Vec<Socket>,
    /// Arguments of containers' commands and hooks are remembered and recorded, too: they may hold secrets.
    pub command_lines: bool,
    /// How much it remembers.
    pub bounds: Bounds,
    /// Size of the ring between kernel and agent in bytes, a power of two.
    pub ring_bytes: u32,
    /// Where it records to.
    pub record: Option<Rotation>,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
    /// Their series tell pods.
    pub metrics_pod_names: bool,
    /// What is wanted of the Kubernetes API, if anything is.
    pub kubernetes: Option<kubernetes::Settings>,
    /// Where traces go.
    pub traces: Option<Target>,
    /// Why they go nowhere, though a variable that is meant for all programs says where to.
    pub traces_off: Option<String>,
    /// What it says.
    pub level: LevelFilter,
    /// How it says it.
    pub format: LogFormat,
    /// The text of each value, and where it is from.
    pub values: Layer,
}

impl Config {
    /// From what was said on the command line, in the environment and in a file.
    ///
    /// # Errors
    /// When a value means nothing.
    pub fn new(flags: Layer, environment: Layer, file: Layer) -> Result<Self, ConfigError> {
        let usual = SETTINGS.iter().filter_map(|setting| {
            let value = setting.usual?;
            Some((setting.name, (vec![value.to_owned()], Origin::Usual)))
        });
        // whatever is said later takes the place of what was said before
        let values: Layer = usual.chain(file).chain(environment).chain(flags).collect();
        let mut values = Values(values);
        let (traces, traces_off) = match values.traces()? {
            Traces::To(target) => (Some(target), None),
            Traces::Unwanted => (None, None),
            Traces::Off(why) => {
                // it may hold a secret, and is not in use
                values.0.remove("otlp-endpoint");
                (None, Some(why))
            }
        };
        let socket = |text: &str| {
            let path = PathBuf::from(text);
            if path.is_absolute() { Ok(path) } else { Err("a path that begins with / is wanted".to_owned()) }
        };
        let runtime = |text: &str| socket_path(OsStr::new(text)).map_err(|error| error.to_string());
        let sockets = |name, kind| -> Result<Vec<Socket>, ConfigError> {
            let named = values.each(name, runtime)?;
            if named.is_empty() {
                return Ok(usual_sockets().into_iter().filter(|socket| socket.kind == kind).collect());
            }
            Ok(named.into_iter().map(|path| Socket { path, kind }).collect())
        };
        let filled = |text: &str| if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text.to_owned()) };
        let count = |text: &str| match text.parse() {
            Ok(number @ 1..=1_000_000) => Ok(number),
            _ => Err(format!("{text} is no number from 1 to 1000000")),
        };
        let record = match values.one("record-dir", socket)? {
            Some(dir) => Some(Rotation {
                dir,
                size: values.wanted("record-size", bytes)?,
                files: values.wanted("record-files", count)?,
            }),
            None => None,
        };
        let kubernetes = kubernetes::Settings {
            events: values.wanted("kubernetes-events", yes_or_no)?,
            watch: values.wanted("kubernetes-watch", yes_or_no)?,
            node: values.one("node-name", node_name)?,
            proxy: values.one("kubernetes-api", |text| text.parse().map_err(|error| format!("{error}")))?,
        };
        if kubernetes.watch && kubernetes.node.is_none() {
            let what = "node-name is wanted as well: in a pod, spec.nodeName by the downward API".to_owned();
            return Err(ConfigError { at: "kubernetes-watch".to_owned(), what });
        }
        Ok(Self {
            socket: values.wanted("socket", socket)?,
            filters: Filters {
                containers: values.each("container", filled)?,
                pods: values.each("pod", |text| text.parse().map_err(|error| format!("{error}")))?,
                namespaces: values.each("namespace", filled)?,
                labels: values.each("label", |text| text.parse().map_err(|error| format!("{error}")))?,
                cgroups: values.each("cgroup", filled)?,
                ..Filters::default()
            },
            sockets: [sockets("cri", Kind::Cri)?, sockets("docker", Kind::Docker)?].concat(),
            bounds: Bounds {
                terminations: values.wanted("history-terminations", count)?,
                bytes: values.wanted("history-size", |text| {
                    usize::try_from(bytes(text)?).map_err(|error| format!("{text} is too much: {error}"))
                })?,
            },
            ring_bytes: values.wanted("ring-size", ring)?,
            record,
            command_lines: values.wanted("command-lines", yes_or_no)?,
            metrics: values.one("metrics-listen", address)?,
            metrics_pod_names: values.wanted("metrics-pod-names", yes_or_no)?,
            kubernetes: Some(kubernetes).filter(kubernetes::Settings::is_wanted),
            traces,
            traces_off,
            level: values.wanted("log-level", level)?,
            format: values.wanted("log-format", |text| match text {
                "text" => Ok(LogFormat::Text),
                "json" => Ok(LogFormat::Json),
                _ => Err(format!("{text} is neither text nor json")),
            })?,
            values: values.0,
        })
    }

    /// The filters, as one would type them.
    #[must_use]
    pub fn typed_filters(&self) -> Vec<String> {
        let filters = ["container", "pod", "namespace", "label", "cgroup"];
        let values = filters.iter().filter_map(|name| Some((name, &self.values.get(name)?.0)));
        values.flat_map(|(name, values)| values.iter().map(move |value| format!("--{name} {value}"))).collect()
    }

    /// All of it as a file that would say the same, with where each value is from.
    #[must_use]
    pub fn print(&self) -> String {
        let mut text = String::new();
        for setting in &SETTINGS {
            let written = match self.values.get(setting.name) {
                None => writeln!(text, "# {} is not set", setting.name),
                Some((_, origin)) if setting.secret => {
                    writeln!(text, "# {} is set and not shown  # {origin}", setting.name)
                }
                Some((values, origin)) => {
                    // a JSON string is a TOML string, too
                    let quoted: Vec<_> = values.iter().map(|value| format!("{:?}", Json(value))).collect();
                    let value = if setting.list { format!("[{}]", quoted.join(", ")) } else { quoted.concat() };
                    writeln!(text, "{} = {value}  # {origin}", setting.name)
                }
            };
            // memory takes everything
            written.unwrap_or_default();
        }
        text
    }

    /// Which settings another configuration has otherwise: those that can be taken over while the agent runs, and those
    /// that cannot.
    #[must_use]
    pub fn changes(&self, new: &Self) -> (Vec<&'static str>, Vec<&'static str>) {
        let value = |config: &Self, name: &str| config.values.get(name).map(|(values, _)| values.clone());
        let changed = SETTINGS.iter().filter(|setting| value(self, setting.name) != value(new, setting.name));
        let (reloads, fixed): (Vec<_>, Vec<_>) = changed.partition(|setting| setting.reloads);
        let names = |settings: Vec<&Setting>| settings.into_iter().map(|setting| setting.name).collect();
        (names(reloads), names(fixed))
    }
}

/// Written as JSON.
struct Json<'a>(&'a str);

impl fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self.0).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
