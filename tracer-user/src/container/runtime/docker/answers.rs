//! What the Engine API answers, as far as it is of use. Whatever else is in an answer is passed over, and a field that
//! is not what it should be is as if it were not there: Docker and Podman differ, and so do their versions.

use std::collections::HashMap;

use super::super::bounds::{self, Labels};
use super::super::lenient::Lenient;

/// Text, or a number instead of it: Podman tells stop signals so.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(untagged)]
pub(super) enum Word {
    Text(String),
    Number(i64),
}

impl Word {
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        }
    }
}

/// `GET /version`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Version {
    pub(super) version: Lenient<String>,
    pub(super) components: Lenient<Vec<Component>>,
}

/// One of the programs that a daemon consists of.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Component {
    pub(super) name: Lenient<String>,
}

/// One of `GET /containers/json`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Listed {
    pub(super) id: Lenient<String>,
}

/// `GET /containers/ID/json`, and Podman's own `GET /libpod/containers/ID/json`, which has more.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Inspected {
    pub(super) id: Lenient<String>,
    pub(super) name: Lenient<String>,
    pub(super) path: Lenient<String>,
    pub(super) args: Lenient<Vec<String>>,
    pub(super) state: Lenient<Running>,
    pub(super) config: Lenient<Config>,
    pub(super) host_config: Lenient<HostConfig>,
    /// Podman: id of its pod.
    pub(super) pod: Lenient<String>,
    /// Podman: it is what a pod's namespaces hang on.
    pub(super) is_infra: Lenient<bool>,
}

/// How it stands with a container.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Running {
    pub(super) pid: Lenient<i64>,
}

/// How a container was made.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Config {
    pub(super) image: Lenient<String>,
    pub(super) stop_signal: Lenient<Word>,
    pub(super) stop_timeout: Lenient<i64>,
    pub(super) labels: Lenient<HashMap<String, Lenient<String>>>,
}

/// How a container was set into the host.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct HostConfig {
    pub(super) init: Lenient<bool>,
    pub(super) pid_mode: Lenient<String>,
}

/// Podman's `GET /libpod/pods/ID/json`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Pod {
    pub(super) id: Lenient<String>,
    pub(super) name: Lenient<String>,
    pub(super) labels: Lenient<HashMap<String, Lenient<String>>>,
}

/// A line of `GET /events`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Event {
    pub(super) action: Lenient<String>,
    pub(super) actor: Lenient<Actor>,
}

/// What it happened to.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Actor {
    #[serde(rename = "ID")]
    pub(super) id: Lenient<String>,
    pub(super) attributes: Lenient<HashMap<String, Lenient<String>>>,
}

/// Those labels that are text.
pub(super) fn labels(all: Lenient<HashMap<String, Lenient<String>>>) -> Labels {
    bounds::labels(all.0.into_iter().flatten().filter_map(|(name, value)| Some((name, value.0?))))
}
