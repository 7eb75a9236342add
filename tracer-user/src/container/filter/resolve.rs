//! What a filter means among the containers that are known; and if it means none, which names are much like it.

use std::collections::BTreeSet;
use std::fmt;

use crate::model::ContainerName;
use crate::printable;

use super::fit::{self, Fit};
use super::{LabelFilter, PodFilter};

/// How many names are offered when a filter matches nothing.
const OFFERED: usize = 3;
/// How many are listed when it matches several.
const LISTED: usize = 8;
/// Names and filters are compared up to here: the distance of two strings takes time in proportion to both lengths.
const COMPARED: usize = 128;
/// So many names are looked at: strangers may make up labels without end.
const CANDIDATES: usize = 2_000;

/// Kinds of filters that go by what a runtime says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `--container`.
    Container,
    /// `--pod`.
    Pod,
    /// `--namespace`.
    Namespace,
    /// `--label`.
    Label,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Container => "container",
            Self::Pod => "pod",
            Self::Namespace => "namespace",
            Self::Label => "label",
        })
    }
}

/// What one filter means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// What it asks for.
    pub kind: Kind,
    /// As it was given.
    pub wanted: String,
    /// Which that is.
    pub meaning: Meaning,
}

/// Which containers or pods a filter means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// What it names.
    One(String),
    /// It begins several ids. All of them are traced; this is to be told.
    Ids(Vec<String>),
    /// Several containers are called that, or several pods in different namespaces. This is to be told, too.
    Several(Vec<String>),
    /// There is some of it: of a namespace and of a label any number is to be expected.
    Some,
    /// Nothing yet: it may be still to come, or a slip.
    Nothing {
        /// Names that are much like it, the nearest first.
        nearest: Vec<String>,
        /// Other values of that label.
        others: Vec<String>,
    },
}

impl Resolved {
    /// Whether nothing is known that it could mean.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        matches!(self.meaning, Meaning::Nothing { .. })
    }

    /// Whether nothing is known that it could mean, but something that is much like it.
    #[must_use]
    pub const fn is_near_miss(&self) -> bool {
        matches!(&self.meaning, Meaning::Nothing { nearest, .. } if !nearest.is_empty())
    }

    /// Whether it means more than whoever gave it may have thought.
    #[must_use]
    pub const fn is_ambiguous(&self) -> bool {
        matches!(self.meaning, Meaning::Ids(_) | Meaning::Several(_))
    }
}

impl fmt::Display for Resolved {
    /// In one sentence, safe for a terminal, while what is not there may still come.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tell(" yet"))
    }
}

impl Resolved {
    /// The same when nothing comes any more.
    #[must_use]
    pub fn finally(&self) -> String {
        self.tell("")
    }

    fn tell(&self, yet: &str) -> String {
        let Self { kind, wanted, meaning } = self;
        let wanted = printable::text(wanted);
        match meaning {
            Meaning::One(name) => format!("{kind} {}", printable::text(name)),
            Meaning::Some => format!("{kind} {wanted}"),
            Meaning::Ids(ids) => {
                format!("{wanted} begins {} ids ({}); give more of the one you mean", ids.len(), listed(ids))
            }
            Meaning::Several(names) if *kind == Kind::Pod => {
                format!("there is a pod {wanted} in {} namespaces ({})", names.len(), listed(names))
            }
            Meaning::Several(names) => format!("{wanted} names {} containers ({})", names.len(), listed(names)),
            Meaning::Nothing { nearest, others } => {
                let nothing = match kind {
                    Kind::Container | Kind::Pod => format!("no {kind} is called {wanted}{yet}"),
                    Kind::Namespace => format!("no pod is in the namespace {wanted}{yet}"),
                    Kind::Label => format!("no container has the label {wanted}{yet}"),
                };
                match (others.len(), nearest.is_empty()) {
                    (0, true) => nothing,
                    (0, false) => format!("{nothing}; did you mean {}?", choice(nearest)),
                    (1, _) => format!("{nothing}; there is {}", listed(others)),
                    _ => format!("{nothing}; there are {}", listed(others)),
                }
            }
        }
    }
}

pub(super) fn container(wanted: &str, known: &[&ContainerName]) -> Resolved {
    let best = known.iter().map(|container| fit::container(wanted, container)).max().unwrap_or(Fit::No);
    let fitting = || known.iter().filter(|container| fit::container(wanted, container) == best);
    let meaning = match best {
        Fit::No => {
            let candidates = known.iter().map(|container| (all_names(container), container.friendly()));
            Meaning::Nothing { nearest: nearest(wanted, candidates), others: Vec::new() }
        }
        _ if fitting().count() == 1 => Meaning::One(fitting().map(|one| short(&one.id)).collect()),
        Fit::Prefix => Meaning::Ids(fitting().map(|container| short(&container.id)).collect()),
        // two runtimes may both have a container of that name
        _ => Meaning::Several(fitting().map(|container| named(container)).collect()),
    };
    Resolved { kind: Kind::Container, wanted: wanted.to_owned(), meaning }
}

pub(super) fn pod(wanted: &PodFilter, known: &[&ContainerName]) -> Resolved {
    let pods = || known.iter().filter_map(|container| container.pod.as_ref());
    let fitting = known.iter().filter(|container| fit::pod(wanted, container));
    // one that was made again under its name counts once
    let namespaces: BTreeSet<_> = fitting.filter_map(|known| Some(known.pod.as_ref()?.namespace.clone())).collect();
    let mut namespaces = namespaces.into_iter();
    let meaning = match (namespaces.next(), namespaces.len()) {
        (None, _) => {
            let candidates = pods().map(|pod| {
                let whole = pod.friendly();
                (vec![pod.name.clone(), whole.clone()], whole)
            });
            Meaning::Nothing { nearest: nearest(&wanted.to_string(), candidates), others: Vec::new() }
        }
        (Some(namespace), 0) => Meaning::One(format!("{namespace}/{}", wanted.name)),
        (Some(first), _) => Meaning::Several(std::iter::once(first).chain(namespaces).collect()),
    };
    Resolved { kind: Kind::Pod, wanted: wanted.to_string(), meaning }
}

pub(super) fn namespace(wanted: &str, known: &[&ContainerName]) -> Resolved {
    let namespaces = || known.iter().filter_map(|container| container.pod.as_ref()).map(|pod| &pod.namespace);
    let meaning = if namespaces().any(|namespace| namespace == wanted) {
        Meaning::Some
    } else {
        let candidates = namespaces().map(|namespace| (vec![namespace.clone()], namespace.clone()));
        Meaning::Nothing { nearest: nearest(wanted, candidates), others: Vec::new() }
    };
    Resolved { kind: Kind::Namespace, wanted: wanted.to_owned(), meaning }
}

pub(super) fn label(wanted: &LabelFilter, known: &[&ContainerName]) -> Resolved {
    let meaning = if known.iter().any(|container| wanted.fits(&container.labels)) {
        Meaning::Some
    } else {
        let values = known.iter().filter_map(|container| container.labels.get(&wanted.key));
        let others: BTreeSet<_> = values.map(|value| format!("{}={}", wanted.key, cut(value))).collect();
        let keys = known.iter().flat_map(|container| container.labels.keys());
        let keys: BTreeSet<_> = keys.filter(|_| others.is_empty()).collect();
        let candidates = keys.into_iter().map(|key| (vec![key.clone()], key.clone()));
        Meaning::Nothing { nearest: nearest(&wanted.key, candidates), others: others.into_iter().collect() }
    };
    Resolved { kind: Kind::Label, wanted: wanted.to_string(), meaning }
}

/// All that a container may be called, and what it is often mistaken for.
fn all_names(container: &ContainerName) -> Vec<String> {
    let service = fit::service(container).map(|(_, service)| service);
    let id = Some(container.short_id()).filter(|_| container.name.is_none());
    let names = fit::own_names(container).chain(container.service.as_deref()).chain(service).chain(id);
    let without_pod =
        container.pod.iter().flat_map(|pod| fit::own_names(container).map(|name| format!("{}/{name}", pod.namespace)));
    names.map(str::to_owned).chain(without_pod).chain([container.friendly()]).collect()
}

/// What is most like `wanted`, if it is like it at all: of each candidate what it may be called, and what is offered.
fn nearest(wanted: &str, candidates: impl Iterator<Item = (Vec<String>, String)>) -> Vec<String> {
    let wanted = cut(wanted).to_lowercase();
    let likeness = |name: &String| {
        let name = cut(name).to_lowercase();
        // a part of a name, as in `web` for `shop-web-1`, is as good as a typing error
        if wanted.len() >= 3 && name.contains(&wanted) {
            1.0
        } else {
            strsim::normalized_damerau_levenshtein(&wanted, &name)
        }
    };
    let mut near: Vec<(f64, String)> = candidates
        .take(CANDIDATES)
        .map(|(names, offered)| (names.iter().map(likeness).fold(0.0, f64::max), offered))
        .filter(|(likeness, _)| *likeness >= 0.6)
        .collect();
    near.sort_by(|(a, a_name), (b, b_name)| b.total_cmp(a).then_with(|| a_name.cmp(b_name)));
    near.dedup_by(|(_, a), (_, b)| a == b);
    near.truncate(OFFERED);
    near.into_iter().map(|(_, name)| name).collect()
}

fn cut(text: &str) -> String {
    text.chars().take(COMPARED).collect()
}

/// `a, b or c`.
fn choice(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| printable::text(&cut(name)).into_owned()).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// `a, b, c and 5 more`.
fn listed(names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(LISTED).map(|name| printable::text(&cut(name)).into_owned()).collect();
    let more = names.len() - shown.len();
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

/// What tells it from others of that name.
fn named(container: &ContainerName) -> String {
    if container.pod.is_some() || container.service.is_some() { container.friendly() } else { short(&container.id) }
}

/// The first twelve characters, as people write an id.
fn short(id: &str) -> String {
    id.chars().take(12).collect()
}
