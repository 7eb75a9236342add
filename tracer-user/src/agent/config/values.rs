//! What the text of a setting means.

use std::net::SocketAddr;
use std::path::PathBuf;

use log::LevelFilter;

use crate::otlp::{Endpoint, Target, header, pair};

use super::{ConfigError, Layer, Origin, PROTOCOLS, TRACES_ENDPOINT, TRACES_EXPORTER};

/// As `--ring-size` of the other commands has it.
const MOST_RING_BYTES: u32 = 1 << 30;

/// Values that are to be understood.
pub(super) struct Values(pub(super) Layer);

/// What becomes of traces.
pub(super) enum Traces {
    /// Nobody said where to.
    Unwanted,
    /// They are sent there.
    To(Target),
    /// A variable that is meant for all programs says where to, and that is nothing for us: why.
    Off(String),
}

impl Values {
    pub(super) fn each<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, ConfigError> {
        let Some((values, origin)) = self.0.get(name) else { return Ok(Vec::new()) };
        let parsed = values.iter().map(|value| parse(value).map_err(|what| (value, what))).collect::<Result<_, _>>();
        parsed.map_err(|(_, what)| ConfigError { at: format!("{name} from {origin}"), what })
    }

    pub(super) fn one<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        Ok(self.each(name, parse)?.pop())
    }

    /// Where traces go, if anybody wants some. What is wrong with our own settings is an error; variables that others agreed
    /// on are often set for all programs, and then there are no traces.
    pub(super) fn traces(&self) -> Result<Traces, ConfigError> {
        if let Some((_, Origin::Environment(variable))) = self.0.get("otlp-endpoint")
            && variable.starts_with("OTEL_")
            && let Some(why) = self.turned_off()
        {
            return Ok(Traces::Off(format!("{variable} is set, and {why}; to export nevertheless set otlp-endpoint")));
        }
        let is_for_all = |at: &str| {
            ["otlp-endpoint", "otlp-headers", "otlp-attributes", "otlp-certificate"]
                .iter()
                .any(|name| at.starts_with(&format!("{name} from OTEL_")))
        };
        match self.target() {
            Ok(None) => Ok(Traces::Unwanted),
            Ok(Some(target)) => Ok(Traces::To(target)),
            Err(error) if !is_for_all(&error.at) => Err(error),
            Err(_) if !self.0.contains_key("otlp-endpoint") => Ok(Traces::Unwanted),
            Err(error) => Ok(Traces::Off(error.to_string())),
        }
    }

    /// What others agreed on to say that traces are not for us.
    fn turned_off(&self) -> Option<String> {
        let said = |name: &str| self.0.get(name)?.0.first().map(|text| text.trim()).filter(|text| !text.is_empty());
        if said(TRACES_EXPORTER) == Some("none") {
            return Some(format!("{TRACES_EXPORTER} is none"));
        }
        let (name, protocol) = PROTOCOLS.iter().find_map(|name| Some((name, said(name)?)))?;
        (protocol == "grpc").then(|| format!("{name} is grpc, which is not spoken"))
    }

    fn target(&self) -> Result<Option<Target>, ConfigError> {
        let origin = self.0.get("otlp-endpoint").map(|(_, origin)| origin);
        let whole = origin.is_some_and(|origin| *origin == Origin::Environment(TRACES_ENDPOINT.to_owned()));
        let parse = |text: &str| if whole { Endpoint::of_traces(text) } else { Endpoint::of_collector(text) };
        let endpoint = self.one("otlp-endpoint", parse)?;
        let headers = self.each("otlp-headers", header)?;
        let authorities = self.one("otlp-certificate", file)?;
        let mut attributes = self.each("otlp-attributes", pair)?;
        if let Some(node) = self.one("node-name", node_name)? {
            // behind what was configured, which counts more
            attributes.extend(["k8s.node.name", "host.name"].map(|key| (key.to_owned(), node.clone())));
        }
        let headers = headers.into_iter().collect();
        Ok(endpoint.map(|endpoint| Target { endpoint, headers, attributes, authorities }))
    }

    pub(super) fn wanted<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, ConfigError> {
        self.one(name, parse)?.ok_or_else(|| ConfigError { at: name.to_owned(), what: "it has no value".to_owned() })
    }
}

/// What may be the name of a node, and nothing that would be more than a name in a request.
pub(super) fn node_name(text: &str) -> Result<String, String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    if !text.is_empty() && text.len() <= 253 && text.bytes().all(fits) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text} is no name of a node"))
    }
}

fn file(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("the name of a file is wanted".to_owned()) } else { Ok(PathBuf::from(text)) }
}

pub(super) fn yes_or_no(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_neither| format!("{text} is neither true nor false"))
}

pub(super) fn level(text: &str) -> Result<LevelFilter, String> {
    match text {
        "error" => Ok(LevelFilter::Error),
        "warn" => Ok(LevelFilter::Warn),
        "info" => Ok(LevelFilter::Info),
        "debug" => Ok(LevelFilter::Debug),
        _ => Err(format!("{text} is none of error, warn, info, debug")),
    }
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let wanted = "an address and a port are wanted, such as 127.0.0.1:9469, [::]:9469 or, for every address, :9469";
    let all = text.strip_prefix(':').map(|port| format!("[::]:{port}"));
    all.as_deref().unwrap_or(text).parse().map_err(|error| format!("{text} cannot be listened on ({error}): {wanted}"))
}

/// `64MiB`, `500M`, `1G`, `1048576`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
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

/// The kernel takes a power of two; a size between two becomes the larger one.
pub(super) fn ring(text: &str) -> Result<u32, String> {
    match u32::try_from(bytes(text)?) {
        Ok(bytes @ ..=MOST_RING_BYTES) => Ok(bytes.next_power_of_two()),
        _ => Err(format!("{text} is too much: 1GiB at most")),
    }
}
