//! Docker and Podman, by way of the Docker Engine API.
//!
//! The requests carry no version, so that a daemon of any age answers with its own.

mod answers;
mod describe;
pub mod engine;
mod http;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::{StreamExt as _, stream};
use serde::de::Deserialize;

use crate::event::Described;

use super::bounds::{answers, is_id};
use super::client::{Answer, Client, Events, Heard, Version};
use super::lenient::Lenient;
use super::state::Failure;
use answers::{Event, Inspected, Listed, Pod};
use describe::{describe, of_event, with_pod};
use http::{Lines, Reply, get};

/// What an answer may weigh, bytes. A list has a few KB a container, an inspection and an event all of its labels.
const LIST_SIZE: usize = 16 << 20;
const INSPECT_SIZE: usize = 4 << 20;
const EVENT_SIZE: usize = 1 << 20;
const VERSION_SIZE: usize = 1 << 20;
/// How much of a version is told.
const VERSION_LENGTH: usize = 64;
/// The oldest version of Podman's own API that those of today still serve, and the newest that 4.0 does.
const LIBPOD: &str = "/v4.0.0/libpod";

/// A daemon that has said what it is.
#[derive(Clone, Debug)]
pub(super) struct Docker {
    socket: Arc<PathBuf>,
    runtime: &'static str,
}

const PODMAN: &str = "podman";

impl Client for Docker {
    const HAS_EVENTS: bool = true;
    const KNOWS_LATE: bool = false;

    async fn connect(socket: &Path) -> Result<(Self, Version), Failure> {
        let told: answers::Version = read(&get(socket, "/version", VERSION_SIZE).await?.found()?)?;
        let is_podman = |name: Lenient<String>| name.0.is_some_and(|name| name.starts_with("Podman"));
        let podman = told.components.0.into_iter().flatten().any(|component| is_podman(component.name));
        let runtime = if podman { PODMAN } else { "docker" };
        let version = told.version.0.unwrap_or_default().chars().take(VERSION_LENGTH).collect();
        Ok((Self { socket: Arc::new(socket.to_owned()), runtime }, Version { runtime: runtime.to_owned(), version }))
    }

    async fn running(&self) -> Result<Vec<String>, Failure> {
        let list = get(&self.socket, "/containers/json", LIST_SIZE).await?.found()?;
        let list: Vec<Lenient<Listed>> = read(&list)?;
        Ok(list.into_iter().filter_map(|one| one.0?.id.0).collect())
    }

    async fn inspect(&self, id: &str) -> Result<Answer, Failure> {
        let Reply::Found(told) = get(&self.socket, &format!("/containers/{id}/json"), INSPECT_SIZE).await? else {
            return Ok(Answer::Unknown);
        };
        let told = describe(read(&told)?, self.runtime).filter(|told| answers(&told.id, id));
        let told = told.ok_or_else(|| Failure::refused("it was asked for one container, and told of another"))?;
        let told = if self.runtime == PODMAN { self.in_pod(told).await } else { told };
        Ok(Answer::Told(Box::new(told)))
    }

    fn events(&self) -> Option<Events> {
        let (socket, runtime) = (self.socket.clone(), self.runtime);
        let lines = stream::once(async move { Lines::get(&socket, &events_target(), EVENT_SIZE).await });
        let events = lines.flat_map(move |lines| match lines {
            Ok(lines) => each(lines, runtime).boxed(),
            Err(failure) => stream::once(async { Err(failure) }).boxed(),
        });
        Some(events.boxed())
    }
}

impl Docker {
    /// What only Podman's own API tells: whether the container belongs to a pod, and whether it is what the pod hangs
    /// on. Without an answer the container is described all the same, in part.
    async fn in_pod(&self, told: Described) -> Described {
        let Some(own) = self.libpod::<Inspected>(&format!("containers/{}", told.id)).await else {
            return Described { partial: true, ..told };
        };
        let sandbox = told.sandbox || own.is_infra.0 == Some(true);
        let told = Described { sandbox, ..told };
        let Some(pod) = own.pod.0.filter(|pod| is_id(pod)) else { return told };
        match self.libpod::<Pod>(&format!("pods/{pod}")).await {
            Some(pod) => with_pod(told, pod),
            None => Described { partial: true, ..told },
        }
    }

    async fn libpod<T: for<'de> Deserialize<'de>>(&self, what: &str) -> Option<T> {
        let reply = get(&self.socket, &format!("{LIBPOD}/{what}/json"), INSPECT_SIZE).await.ok()?;
        read(&reply.found().ok()?).ok()
    }
}

/// What any answer tells of containers, whatever it is the answer to.
pub(super) fn described(text: &str) -> Vec<Described> {
    let told = |told: Result<answers::Version, Failure>| told.is_ok();
    let listed: Result<Vec<Lenient<Listed>>, Failure> = read(text);
    // neither is told as it is: a version is cut, and what is listed is asked for
    let _ = (told(read(text)), listed.is_ok());
    let inspected = read::<Inspected>(text).ok().and_then(|inspected| describe(inspected, PODMAN));
    let heard = hear(text, PODMAN).ok().flatten().and_then(|heard| heard.described);
    let described = inspected.into_iter().chain(heard);
    let in_pod = |described: Described| match read::<Pod>(text) {
        Ok(pod) => vec![described.clone(), with_pod(described, pod)],
        Err(_) => vec![described],
    };
    described.flat_map(in_pod).collect()
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::refused(&error.to_string()))
}

/// Everything that gives a container a name, a pid or both. The daemon answers before it listens to itself; what
/// happens in between is told again because of `since`.
fn events_target() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    // {"type":["container"],"event":["create","start","rename"]}, as it must be written in a target
    let filters = "%7B%22type%22:%5B%22container%22%5D,%22event%22:%5B%22create%22,%22start%22,%22rename%22%5D%7D";
    format!("/events?since={now}&filters={filters}")
}

fn each(lines: Lines, runtime: &'static str) -> impl futures_util::Stream<Item = Result<Heard, Failure>> {
    stream::try_unfold(lines, move |mut lines| async move {
        while let Some(line) = lines.next().await? {
            if let Some(heard) = hear(&line, runtime)? {
                return Ok(Some((heard, lines)));
            }
        }
        Ok(None)
    })
}

/// What an event says; `None` when it is about something else. That a container was created is worth more than the
/// occasion to ask: it tells the name, while an inspection waits until the container has started, and by then one that
/// lives a moment only may be gone.
fn hear(line: &str, runtime: &str) -> Result<Option<Heard>, Failure> {
    if line.trim().is_empty() {
        return Ok(None);
    }
    let event: Event = read(line)?;
    let created = event.action.0.as_deref() == Some("create");
    let Some(actor) = event.actor.0 else { return Ok(None) };
    let Some(id) = actor.id.0.clone() else { return Ok(None) };
    let described = if created { of_event(actor, runtime) } else { None };
    Ok(Some(Heard { id, described }))
}
