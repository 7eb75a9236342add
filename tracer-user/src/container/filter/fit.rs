//! Whether one filter fits one container, and how well.

use crate::model::ContainerName;

use super::PodFilter;

/// The fewest characters that count as a prefix of an id. One hex digit would match a sixteenth of all containers; four
/// are what people copy at least.
pub const MIN_ID_PREFIX: usize = 4;

/// What kubelet calls a container in its pod; Docker has a longer name for it.
const KUBELETS_NAME: &str = "io.kubernetes.container.name";
const COMPOSE_PROJECT: &str = "com.docker.compose.project";
const COMPOSE_SERVICE: &str = "com.docker.compose.service";

/// How well a filter fits a container; the better is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    No,
    /// The filter begins the id.
    Prefix,
    /// It is the name of a Compose service, in whatever project.
    Service,
    /// It is the name, or the name with what it belongs to. A name that looks like the beginning of another's id is
    /// still a name.
    Name,
    /// It is the id.
    Id,
}

/// How well a `--container` fits.
pub(super) fn container(wanted: &str, container: &ContainerName) -> Fit {
    if wanted.is_empty() {
        return Fit::No;
    }
    let name = wanted.strip_prefix('/').unwrap_or(wanted); // as `docker inspect` has it
    if wanted == container.id {
        Fit::Id
    } else if is_name(name, container) {
        Fit::Name
    } else if is_service(name, container) {
        Fit::Service
    } else if wanted.len() >= MIN_ID_PREFIX && container.id.starts_with(wanted) {
        Fit::Prefix
    } else {
        Fit::No
    }
}

/// Whether a `--pod` fits.
pub(super) fn pod(wanted: &PodFilter, container: &ContainerName) -> bool {
    container.pod.as_ref().is_some_and(|pod| {
        wanted.name == pod.name && wanted.namespace.as_ref().is_none_or(|namespace| *namespace == pod.namespace)
    })
}

/// What the container itself is called: by its runtime, and by kubelet.
pub(super) fn own_names(container: &ContainerName) -> impl Iterator<Item = &str> {
    let kubelets = container.labels.get(KUBELETS_NAME).filter(|_| container.pod.is_some());
    container.name.iter().chain(kubelets).map(String::as_str)
}

/// Compose's project and service.
pub(super) fn service(container: &ContainerName) -> Option<(&str, &str)> {
    let label = |name: &str| container.labels.get(name).map(String::as_str).filter(|value| !value.is_empty());
    Some((label(COMPOSE_PROJECT)?, label(COMPOSE_SERVICE)?))
}

/// `NAME`, `POD/NAME`, `NAMESPACE/POD/NAME`, `PROJECT/SERVICE`, `PROJECT/SERVICE-NUMBER`.
fn is_name(wanted: &str, container: &ContainerName) -> bool {
    own_names(container).any(|own| {
        wanted == own
            || container.pod.as_ref().is_some_and(|pod| {
                below(wanted, own).is_some_and(|place| {
                    place == pod.name || below(place, &pod.name).is_some_and(|namespace| namespace == pod.namespace)
                })
            })
    }) || container.service.as_deref() == Some(wanted)
        || service(container).is_some_and(|(project, service)| below(wanted, service) == Some(project))
}

/// `SERVICE`, and `SERVICE-NUMBER` from the second replica on.
fn is_service(wanted: &str, container: &ContainerName) -> bool {
    service(container).is_some_and(|(project, service)| {
        let replica = container.service.as_deref().and_then(|whole| whole.strip_prefix(project)?.strip_prefix('/'));
        wanted == service || replica == Some(wanted)
    })
}

/// `a/b` for `a/b/c` and `c`.
fn below<'a>(whole: &'a str, name: &str) -> Option<&'a str> {
    whole.strip_suffix(name)?.strip_suffix('/')
}
