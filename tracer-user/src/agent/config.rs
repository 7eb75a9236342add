//! The agent's configuration: flags, then the environment, then a file, then what is usual; and where each value is from.
//!
//! One table, [`SETTINGS`], names every setting. Whatever a value comes from, it is text first, and is understood in one
//! place, so that an error always tells where it stands.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use log::LevelFilter;
use toml::de::{DeTable, DeValue};

use crate::container::filter::Filters;
use crate::container::runtime::{Kind, Socket, socket_path, usual_sockets};
use crate::kubernetes;
use crate::otlp::{Endpoint, Target, header, pair};

use super::limits::Bounds;
use super::protocol::USUAL_SOCKET;
use super::rotation::Rotation;

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

/// All of them.
pub const SETTINGS: [Setting; 25] = [
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
        let values = Values(values);
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
            record,
            command_lines: values.wanted("command-lines", yes_or_no)?,
            metrics: values.one("metrics-listen", address)?,
            metrics_pod_names: values.wanted("metrics-pod-names", yes_or_no)?,
            kubernetes: Some(kubernetes).filter(kubernetes::Settings::is_wanted),
            traces: values.traces()?,
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

/// Values that are to be understood.
struct Values(Layer);

impl Values {
    fn each<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, ConfigError> {
        let Some((values, origin)) = self.0.get(name) else { return Ok(Vec::new()) };
        let parsed = values.iter().map(|value| parse(value).map_err(|what| (value, what))).collect::<Result<_, _>>();
        parsed.map_err(|(_, what)| ConfigError { at: format!("{name} from {origin}"), what })
    }

    fn one<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, ConfigError> {
        Ok(self.each(name, parse)?.pop())
    }

    /// Where traces go, if anybody wants some.
    fn traces(&self) -> Result<Option<Target>, ConfigError> {
        let origin = self.0.get("otlp-endpoint").map(|(_, origin)| origin);
        let whole = origin.is_some_and(|origin| *origin == Origin::Environment(TRACES_ENDPOINT.to_owned()));
        let parse = |text: &str| if whole { Endpoint::of_traces(text) } else { Endpoint::of_collector(text) };
        let endpoint = self.one("otlp-endpoint", parse)?;
        let headers = self.each("otlp-headers", header)?;
        let mut attributes = self.each("otlp-attributes", pair)?;
        if let Some(node) = self.one("node-name", node_name)? {
            // behind what was configured, which counts more
            attributes.extend(["k8s.node.name", "host.name"].map(|key| (key.to_owned(), node.clone())));
        }
        Ok(endpoint.map(|endpoint| Target { endpoint, headers: headers.into_iter().collect(), attributes }))
    }

    fn wanted<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, ConfigError> {
        self.one(name, parse)?.ok_or_else(|| ConfigError { at: name.to_owned(), what: "it has no value".to_owned() })
    }
}

/// What may be the name of a node, and nothing that would be more than a name in a request.
fn node_name(text: &str) -> Result<String, String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    if !text.is_empty() && text.len() <= 253 && text.bytes().all(fits) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text} is no name of a node"))
    }
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_neither| format!("{text} is neither true nor false"))
}

fn level(text: &str) -> Result<LevelFilter, String> {
    match text {
        "error" => Ok(LevelFilter::Error),
        "warn" => Ok(LevelFilter::Warn),
        "info" => Ok(LevelFilter::Info),
        "debug" => Ok(LevelFilter::Debug),
        _ => Err(format!("{text} is none of error, warn, info, debug")),
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let wanted = "an address and a port are wanted, such as 127.0.0.1:9469 or [::]:9469";
    text.parse().map_err(|error| format!("{text} cannot be listened on ({error}): {wanted}"))
}

/// `64MiB`, `500M`, `1G`, `1048576`.
fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "B" => 1,
        "k" | "K" | "kB" | "KB" => 1_000,
        "M" | "MB" => 1_000_000,
        "G" | "GB" => 1_000_000_000,
        "Ki" | "KiB" => 1 << 10,
        "Mi" | "MiB" => 1 << 20,
        "Gi" | "GiB" => 1 << 30,
        _ => return Err(format!("{text} is no size such as 64MiB, 500M or 1048576")),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    match bytes {
        Some(bytes @ 65_536..) => Ok(bytes),
        Some(_) => Err(format!("{text} is too little: 64KiB at least")),
        None => Err(format!("{text} is no size such as 64MiB, 500M or 1048576")),
    }
}

/// What the environment says.
#[must_use]
pub fn environment(read: impl Fn(&str) -> Option<String>) -> Layer {
    let mut layer = Layer::new();
    for setting in &SETTINGS {
        let names = std::iter::once(setting.variable()).chain(setting.standard.iter().map(|&name| name.to_owned()));
        let said = |name: String| read(&name).filter(|text| !text.is_empty()).map(|text| (name, text));
        let Some((name, text)) = names.into_iter().find_map(said) else { continue };
        let values = if setting.list { text.split(',').map(str::to_owned).collect() } else { vec![text] };
        layer.insert(setting.name, (values, Origin::Environment(name)));
    }
    layer
}

/// What a file says.
///
/// # Errors
/// When it is no TOML, or has a key that is no setting.
pub fn file(path: &Path, text: &str) -> Result<Layer, ConfigError> {
    let line = |at: usize| text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
    let wrong = |at: usize, what: String| ConfigError { at: format!("{}:{}", path.display(), line(at)), what };
    let table = DeTable::parse(text)
        .map_err(|error| wrong(error.span().map_or(0, |span| span.start), error.message().to_owned()))?;
    let mut layer = Layer::new();
    for (key, value) in table.get_ref() {
        let (name, at) = (key.get_ref().as_ref(), key.span().start);
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
            return Err(wrong(at, format!("there is no setting {name}{}", nearest(name))));
        };
        let values = match value.get_ref() {
            DeValue::Array(values) if setting.list => {
                values.iter().map(|value| scalar(value.get_ref())).collect::<Option<Vec<_>>>()
            }
            value => scalar(value).map(|value| vec![value]),
        };
        let Some(values) = values else {
            let wanted = if setting.list { "a text or a list of texts" } else { "one value" };
            return Err(wrong(value.span().start, format!("{name} wants {wanted}")));
        };
        layer.insert(setting.name, (values, Origin::File(path.to_owned(), line(at))));
    }
    Ok(layer)
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Boolean(value) => Some(value.to_string()),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// What may have been meant.
fn nearest(name: &str) -> String {
    let alike = |setting: &Setting| strsim::jaro_winkler(&name.replace('_', "-"), setting.name);
    let best = SETTINGS.iter().max_by(|one, other| alike(one).total_cmp(&alike(other)));
    best.filter(|best| alike(best) > 0.7).map_or_else(String::new, |best| format!("; did you mean {}?", best.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag(name: &'static str, value: &str) -> Layer {
        Layer::from([(name, (vec![value.to_owned()], Origin::Flag))])
    }

    fn parsed(text: &str) -> Result<Layer, ConfigError> {
        file(Path::new("/etc/tracer/agent.toml"), text)
    }

    #[test]
    fn flags_come_before_the_environment_and_that_before_the_file() {
        let text = "# comment\nrecord-files = 3\nhistory-size = \"1MiB\"\nsocket = \"/run/file.sock\"\n";
        let environment = environment(|name| match name {
            "TRACER_HISTORY_SIZE" => Some("2MiB".to_owned()),
            "TRACER_SOCKET" => Some("/run/environment.sock".to_owned()),
            "TRACER_NAMESPACE" => Some("shop,bank".to_owned()),
            _ => None,
        });
        let file = parsed(text).expect("it is good");
        let config = Config::new(flag("socket", "/run/flag.sock"), environment, file).expect("it is good");
        assert_eq!(config.socket, Path::new("/run/flag.sock"));
        assert_eq!(config.bounds, Bounds { bytes: 2 << 20, terminations: 512 });
        assert_eq!(config.filters.namespaces, ["shop", "bank"]);
        assert_eq!(config.typed_filters(), ["--namespace shop", "--namespace bank"]);
        let printed = config.print();
        for line in [
            "socket = \"/run/flag.sock\"  # the command line",
            "history-size = \"2MiB\"  # TRACER_HISTORY_SIZE",
            "record-files = \"3\"  # /etc/tracer/agent.toml:2",
            "log-level = \"info\"  # default",
            "namespace = [\"shop\", \"bank\"]  # TRACER_NAMESPACE",
            "# record-dir is not set",
        ] {
            assert!(printed.lines().any(|printed| printed == line), "{line} is not in\n{printed}");
        }
        // what is printed says the same
        let again = parsed(&printed).expect("it is a file");
        let again = Config::new(Layer::new(), Layer::new(), again).expect("it is good");
        assert_eq!(again.changes(&config), (Vec::new(), Vec::new()));
    }

    #[test]
    fn what_is_unknown_is_named_with_its_line_and_what_is_nearest() {
        let told = |text: &str| parsed(text).expect_err("it is wrong").to_string();
        assert_eq!(
            told("socket = \"/a\"\n\nrecord_dir = \"/var\"\n"),
            "/etc/tracer/agent.toml:3: there is no setting record_dir; did you mean record-dir?"
        );
        assert_eq!(told("zzz = 1"), "/etc/tracer/agent.toml:1: there is no setting zzz");
        assert_eq!(told("\nsocket = [\"/a\"]\n"), "/etc/tracer/agent.toml:2: socket wants one value");
        assert_eq!(told("\nlabel = [1.5]\n"), "/etc/tracer/agent.toml:2: label wants a text or a list of texts");
        assert!(told("a = 1\nb ==\n").starts_with("/etc/tracer/agent.toml:2: "));
    }

    #[test]
    fn a_value_that_means_nothing_is_told_with_where_it_is_from() {
        for (name, value, what) in [
            ("log-level", "loud", "loud is none of error, warn, info, debug"),
            ("history-size", "12XB", "12XB is no size such as 64MiB, 500M or 1048576"),
            ("history-size", "1k", "1k is too little: 64KiB at least"),
            ("history-terminations", "0", "0 is no number from 1 to 1000000"),
            ("socket", "agent.sock", "a path that begins with / is wanted"),
            ("log-format", "xml", "xml is neither text nor json"),
            (
                "metrics-listen",
                "9469",
                "9469 cannot be listened on (invalid socket address syntax): an address and a port are wanted, such as \
                 127.0.0.1:9469 or [::]:9469",
            ),
            ("metrics-pod-names", "yes", "yes is neither true nor false"),
            ("kubernetes-events", "yes", "yes is neither true nor false"),
            ("node-name", "a&b", "a&b is no name of a node"),
            ("kubernetes-api", "k8s", "k8s is no address such as http://127.0.0.1:8001"),
        ] {
            let error = Config::new(flag(name, value), Layer::new(), Layer::new()).expect_err(value);
            assert_eq!(error.to_string(), format!("{name} from the command line: {what}"));
        }
        assert_eq!((bytes("64MiB"), bytes("500M"), bytes("65536")), (Ok(64 << 20), Ok(500_000_000), Ok(65_536)));
    }

    #[test]
    fn nothing_is_wanted_of_kubernetes_that_nobody_asked_for() {
        let config = |text: &str| Config::new(Layer::new(), Layer::new(), parsed(text).expect("good")).expect("good");
        assert_eq!(config("node-name = \"n1\"\nkubernetes-events = false\n").kubernetes, None);
        let wanted = config("node-name = \"n1\"\nkubernetes-events = true\n").kubernetes.expect("it is wanted");
        assert_eq!((wanted.events, wanted.watch, wanted.node.as_deref()), (true, false, Some("n1")));
        let watch = Config::new(flag("kubernetes-watch", "true"), Layer::new(), Layer::new());
        let error = watch.expect_err("of which node?").to_string();
        assert!(error.starts_with("kubernetes-watch: node-name is wanted as well"), "{error}");
    }

    #[test]
    fn the_variables_that_opentelemetry_agreed_on_count_after_our_own() {
        let told = |variables: &[(&str, &str)]| {
            let read =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            Config::new(Layer::new(), environment(read), Layer::new())
        };
        let config = told(&[]).expect("good");
        assert_eq!(config.traces, None);
        let config = told(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20c2VjcmV0,x-tenant=shop"),
            ("OTEL_RESOURCE_ATTRIBUTES", "k8s.cluster.name=east,k8s.node.name=node-1"),
        ]);
        let config = config.expect("good");
        let printed = config.print();
        assert!(printed.contains("otlp-endpoint = \"http://c:4318\"  # OTEL_EXPORTER_OTLP_ENDPOINT\n"), "{printed}");
        assert!(printed.contains("# otlp-headers is set and not shown  # OTEL_EXPORTER_OTLP_HEADERS\n"), "{printed}");
        assert!(!printed.contains("c2VjcmV0") && !format!("{:?}", config.traces).contains("secret"), "{printed}");
        let traces = config.traces.expect("it is set");
        assert_eq!(traces.endpoint.to_string(), "http://c:4318/v1/traces");
        assert_eq!((&traces.headers["authorization"], &traces.headers["x-tenant"]).0, "Basic c2VjcmV0");
        assert_eq!(traces.attributes[1], ("k8s.node.name".to_owned(), "node-1".to_owned()));
        let node = told(&[("TRACER_NODE_NAME", "n1"), ("TRACER_OTLP_ENDPOINT", "http://c")]).expect("good");
        let named = ["k8s.node.name", "host.name"].map(|key| (key.to_owned(), "n1".to_owned()));
        assert_eq!(node.traces.expect("it is set").attributes, named);
        // the address for traces alone is the whole of it
        let endpoint =
            |variables: &[(&str, &str)]| told(variables).expect("good").traces.expect("set").endpoint.to_string();
        let (all, only, own) = (
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://only/in"),
            ("TRACER_OTLP_ENDPOINT", "http://own"),
        );
        assert_eq!(endpoint(&[all, only]), "http://only/in");
        assert_eq!(endpoint(&[all, only, own]), "http://own/v1/traces");
        let error = told(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c")]).expect_err("no TLS").to_string();
        assert!(
            error.starts_with("otlp-endpoint from OTEL_EXPORTER_OTLP_ENDPOINT: https://c: https is not"),
            "{error}"
        );
        let error = told(&[("TRACER_OTLP_HEADERS", "x-a=sec\u{1}ret")]).expect_err("no header").to_string();
        assert!(error.contains("x-a") && !error.contains("ret"), "{error}");
    }

    #[test]
    fn what_changed_is_told_apart_by_whether_it_can_be_taken_over() {
        let config = |text: &str| Config::new(Layer::new(), Layer::new(), parsed(text).expect("good")).expect("good");
        let (before, after) = (config(""), config("log-level = \"warn\"\nsocket = \"/a\"\nrecord-dir = \"/var\"\n"));
        assert_eq!(before.changes(&after), (vec!["record-dir", "log-level"], vec!["socket"]));
        assert!(before.metrics.is_none() && !before.metrics_pod_names, "nothing listens if nobody says so");
        assert!(!before.command_lines && config("command-lines = true\n").command_lines, "only if somebody says so");
        let metrics = config("metrics-listen = \"[::]:9469\"\nmetrics-pod-names = true\n");
        assert_eq!((metrics.metrics.map(|at| at.port()), metrics.metrics_pod_names), (Some(9469), true));
        assert_eq!(after.record.expect("it is set").files, 8);
    }
}
