//! From what a runtime says about a container or a sandbox to what the model is told. Pure.

use crate::event::{Described, PidNamespace, PodName};
use crate::signal::Signal;

use super::super::bounds::{self, Labels, is_id};
use super::super::kubernetes::{self, Annotations};
use super::api::{ContainerStatus, Entry, Image, PodSandboxStatus, SIGNALS};
use super::info::{Info, pid_namespace, stop_signal};

/// Who told the grace period.
const SOURCE: &str = "cri";

/// What containers take over from their sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sandbox {
    pub(super) pod: Option<PodName>,
    pub(super) labels: Labels,
    pub(super) source: Option<String>,
}

impl Sandbox {
    pub(super) fn new(status: &PodSandboxStatus) -> Self {
        let labels = labels(&status.labels);
        let told = status.metadata.as_ref().and_then(|metadata| {
            let name = text(&metadata.name)?;
            let (namespace, uid) = (text(&metadata.namespace)?, text(&metadata.uid).unwrap_or_default());
            Some(PodName { namespace, name, uid })
        });
        Self { pod: told.or_else(|| kubernetes::pod(&labels)), labels, source: Notes(&status.annotations).source() }
    }

    /// Bytes that it holds, about.
    pub(super) fn weight(&self) -> usize {
        self.labels.iter().map(|(name, value)| name.len() + value.len() + 2 * size_of::<String>()).sum()
    }
}

/// What containers take over from their image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ImageFacts {
    /// `None` when it was not told.
    pub(super) stop_signal: Option<Signal>,
    pub(super) name: Option<String>,
}

impl ImageFacts {
    pub(super) fn new(image: &Image, info: &[Entry]) -> Self {
        Self { stop_signal: stop_signal(info), name: image.repo_tags.iter().find_map(|tag| text(tag)) }
    }
}

/// What a container's status told, once its id was looked at. What is unset is unknown: kubelet sets everything, and
/// others who make containers have their own ideas.
pub(super) fn container(
    runtime: &str,
    id: String,
    status: &ContainerStatus,
    info: &Info,
    sandbox: Option<Sandbox>,
    image: &ImageFacts,
) -> Described {
    let own = labels(&status.labels);
    let notes = Notes(&status.annotations);
    let sandbox = sandbox.unwrap_or_default();
    let (pre_stop, hook) = notes.pre_stop();
    let grace_ms = notes.grace_ms();
    let metadata = status.metadata.as_ref();
    let attempt = metadata.map(|metadata| metadata.attempt);
    Described {
        id,
        name: kubernetes::container_name(&own).or_else(|| metadata.and_then(|metadata| text(&metadata.name))),
        image: image_name(status, info, image),
        runtime: Some(runtime.to_owned()),
        pid: info.pid(),
        stop_signal: configured_stop_signal(status).or(image.stop_signal),
        grace_ms,
        grace_source: grace_ms.map(|_| SOURCE.to_owned()),
        pre_stop,
        hook,
        pod: sandbox.pod.or_else(|| kubernetes::pod(&own)),
        labels: bounds::labels(own.into_iter().chain(sandbox.labels)),
        command: bounds::command(info.command()),
        sandbox_id: sandbox_id(info),
        restarts: notes.restarts().or(attempt),
        pid_namespace: info.pid_namespace(),
        pod_source: sandbox.source,
        ..Described::default()
    }
}

/// What a sandbox's status told, once its id was looked at. How it is stopped is its runtime's business.
pub(super) fn sandbox(runtime: &str, id: String, status: &PodSandboxStatus, info: &Info) -> Described {
    let told = Sandbox::new(status);
    let namespaces = status.linux.as_ref().and_then(|linux| linux.namespaces.as_ref());
    let mode = namespaces.and_then(|namespaces| namespaces.options.as_ref()).map_or(0, |options| options.pid);
    Described {
        id,
        image: info.images().find_map(bounds::text),
        runtime: Some(runtime.to_owned()),
        pid: info.pid(),
        sandbox: true,
        pod: told.pod,
        labels: told.labels,
        command: bounds::command(info.command()),
        // whether containers share it or not, it is init in the one that it has
        pid_namespace: pid_namespace(mode).map(|mode| match mode {
            PidNamespace::Host => PidNamespace::Host,
            _ => PidNamespace::Container,
        }),
        pod_source: told.source,
        ..Described::default()
    }
}

/// The sandbox to ask about.
pub(super) fn sandbox_id(info: &Info) -> Option<String> {
    info.sandbox_id().filter(|id| is_id(id)).map(str::to_owned)
}

/// The stop signal that the runtime will use, where it tells.
pub(super) fn configured_stop_signal(status: &ContainerStatus) -> Option<Signal> {
    SIGNALS.get(usize::try_from(status.stop_signal).ok()?)?.parse().ok()
}

/// What to ask about the image by: the closer to an id the better.
pub(super) fn image_key(status: &ContainerStatus, info: &Info) -> Option<String> {
    let named = status.image.as_ref().and_then(|image| text(&image.image));
    let made_of = info.image_id().and_then(bounds::text);
    text(&status.image_id).or(made_of).or_else(|| text(&status.image_ref)).or(named)
}

/// As the user named it; an id only when nobody knows a name.
fn image_name(status: &ContainerStatus, info: &Info, image: &ImageFacts) -> Option<String> {
    let told = status.image.as_ref();
    let (specified, named) =
        (told.and_then(|image| text(&image.user_specified_image)), told.and_then(|image| text(&image.image)));
    let is_name = |name: &String| !is_bare(name);
    specified
        .filter(is_name)
        .or_else(|| info.images().find(|name| !is_bare(name)).and_then(bounds::text))
        .or_else(|| named.clone().filter(is_name))
        .or_else(|| image.name.clone().filter(is_name))
        .or(named)
        .or_else(|| text(&status.image_ref))
}

/// Whether it is a digest or an id, which says nothing to people.
fn is_bare(image: &str) -> bool {
    image.starts_with("sha256:") || (image.len() == 64 && is_id(image))
}

/// Text that says something; what is not UTF-8 is replaced.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    bounds::text(&String::from_utf8_lossy(bytes))
}

fn labels(entries: &[Entry]) -> Labels {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    bounds::labels(entries.iter().map(|entry| (lossy(&entry.key), lossy(&entry.value))))
}

struct Notes<'a>(&'a [Entry]);

impl Annotations for Notes<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let entry = self.0.iter().find(|entry| entry.key == name.as_bytes())?;
        std::str::from_utf8(&entry.value).ok()
    }
}
