//! What the command line asks for, and which container that is.
//!
//! Of one kind of filter any will do, except that a container must have all the labels; different kinds narrow each
//! other down: `--pod web-0 --pod web-1 --label app=shop` is what has the label in either pod.

mod fit;
mod resolve;

use std::fmt;
use std::str::FromStr;

use crate::model::ContainerName;
use crate::signal::Signal;

pub use fit::MIN_ID_PREFIX;
pub use resolve::{Kind, Meaning, Resolved};

use fit::Fit;

/// The filters. Each may hold several; an empty one lets all pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// `--container`: ids, prefixes of ids, or names.
    pub containers: Vec<String>,
    /// `--pod`.
    pub pods: Vec<PodFilter>,
    /// `--namespace`.
    pub namespaces: Vec<String>,
    /// `--label`.
    pub labels: Vec<LabelFilter>,
    /// `--cgroup`: paths, see [`super::scan::Classifier::new`].
    pub cgroups: Vec<String>,
    /// `--pid`: host pids.
    pub pids: Vec<u32>,
    /// `--signal`.
    pub signals: Vec<Signal>,
}

/// What the filters say of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is asked for.
    Wanted,
    /// It is not.
    Unwanted,
    /// No runtime has described it yet: that may decide it.
    Undecided,
}

impl Filters {
    /// Whether nothing is filtered: everything on the host is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.is_everything() && self.signals.is_empty()
    }

    /// Whether every container is asked for.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        let Self { containers: _, pods: _, namespaces: _, labels: _, cgroups, pids, signals: _ } = self;
        !self.asks_by_name() && cgroups.is_empty() && pids.is_empty()
    }

    /// Whether containers are asked for by what a runtime says of them.
    #[must_use]
    pub fn asks_by_name(&self) -> bool {
        !(self.containers.is_empty() && self.pods.is_empty() && self.namespaces.is_empty() && self.labels.is_empty())
    }

    /// Whether a signal is asked for.
    #[must_use]
    pub fn signal(&self, signal: Signal) -> bool {
        self.signals.is_empty() || self.signals.contains(&signal)
    }

    /// Whether a container is asked for, by all that is known of it. `--cgroup` and `--pid` are not looked at: what they
    /// leave out is not traced.
    #[must_use]
    pub fn container(&self, name: &ContainerName) -> Verdict {
        let ContainerName { pod, labels, .. } = name;
        let any = |list: &[String], fits: &dyn Fn(&String) -> bool| list.is_empty() || list.iter().any(fits);
        let container = any(&self.containers, &|wanted| fit::container(wanted, name) != Fit::No);
        let in_pod = self.pods.is_empty() || self.pods.iter().any(|wanted| fit::pod(wanted, name));
        let namespace =
            any(&self.namespaces, &|wanted| pod.as_ref().is_some_and(|pod| pod.namespace == wanted.as_str()));
        let labelled = self.labels.iter().all(|wanted| wanted.fits(labels));
        if container && in_pod && namespace && labelled {
            Verdict::Wanted
        } else if name.name.is_some() || pod.is_some() || !labels.is_empty() {
            Verdict::Unwanted
        } else {
            Verdict::Undecided
        }
    }

    /// What each filter means among the containers that are known, in the order of the kinds and of the command line.
    #[must_use]
    pub fn resolve(&self, known: &[&ContainerName]) -> Vec<Resolved> {
        let containers = self.containers.iter().map(|wanted| resolve::container(wanted, known));
        let pods = self.pods.iter().map(|wanted| resolve::pod(wanted, known));
        let namespaces = self.namespaces.iter().map(|wanted| resolve::namespace(wanted, known));
        let labels = self.labels.iter().map(|wanted| resolve::label(wanted, known));
        containers.chain(pods).chain(namespaces).chain(labels).collect()
    }

    /// What is asked for by name, in words: `pod web-0 or web-1, label app=shop`. Not safe for a terminal.
    #[must_use]
    pub fn asked(&self) -> String {
        let list = |kind: Kind, values: Vec<String>, between: &str| {
            (!values.is_empty()).then(|| format!("{kind} {}", values.join(between)))
        };
        let strings = |values: &[String]| values.to_vec();
        let parts = [
            list(Kind::Container, strings(&self.containers), " or "),
            list(Kind::Pod, self.pods.iter().map(PodFilter::to_string).collect(), " or "),
            list(Kind::Namespace, strings(&self.namespaces), " or "),
            list(Kind::Label, self.labels.iter().map(LabelFilter::to_string).collect(), " and "),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// A pod, as `--pod` names it: `[NAMESPACE/]NAME`. Without a namespace those of all namespaces are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFilter {
    /// Namespace, if it was given.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

/// `--pod` is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a pod is NAME or NAMESPACE/NAME")]
pub struct NoPod;

impl FromStr for PodFilter {
    type Err = NoPod;

    fn from_str(text: &str) -> Result<Self, NoPod> {
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, text),
        };
        if name.is_empty() || name.contains('/') || namespace == Some("") {
            return Err(NoPod);
        }
        Ok(Self { namespace: namespace.map(str::to_owned), name: name.to_owned() })
    }
}

impl fmt::Display for PodFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// A label, as `--label` names it: `KEY=VALUE` or `KEY==VALUE`, or `KEY` with whatever value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelFilter {
    /// Name of the label.
    pub key: String,
    /// Its value, if it matters.
    pub value: Option<String>,
}

/// `--label` is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("only KEY or KEY=VALUE; repeat or separate by commas")]
pub struct NoLabel;

impl LabelFilter {
    fn fits(&self, labels: &std::collections::BTreeMap<String, String>) -> bool {
        labels.get(&self.key).is_some_and(|value| self.value.as_ref().is_none_or(|wanted| wanted == value))
    }
}

impl FromStr for LabelFilter {
    type Err = NoLabel;

    fn from_str(text: &str) -> Result<Self, NoLabel> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Some(value.strip_prefix('=').unwrap_or(value))),
            None => (text, None),
        };
        // kubectl's `KEY!=VALUE`, `!KEY` and `KEY in (VALUE)` would be taken for something else in silence
        if key.is_empty() || key.contains(|c: char| c.is_whitespace() || "!()".contains(c)) {
            return Err(NoLabel);
        }
        Ok(Self { key: key.to_owned(), value: value.map(str::to_owned) })
    }
}

impl fmt::Display for LabelFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}", self.key),
            None => f.write_str(&self.key),
        }
    }
}

#[cfg(test)]
mod tests;
