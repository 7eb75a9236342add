//! containerd, CRI-O and whoever else serves Kubernetes: the Container Runtime Interface, version 1.

pub(super) mod api;
mod cache;
mod describe;
mod grpc;
mod info;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};

use crate::event::Described;

use super::bounds::answers;
use super::client::{ANSWER, Answer, Client, Events, Heard, Version, within};
use super::state::Failure;
use api::state;
use cache::Cache;
use describe::{ImageFacts, Sandbox};
use grpc::{Answers, Connection};
use info::Info;

const VERSION: &str = "/runtime.v1.RuntimeService/Version";
const LIST_CONTAINERS: &str = "/runtime.v1.RuntimeService/ListContainers";
const LIST_SANDBOXES: &str = "/runtime.v1.RuntimeService/ListPodSandbox";
const CONTAINER_STATUS: &str = "/runtime.v1.RuntimeService/ContainerStatus";
const SANDBOX_STATUS: &str = "/runtime.v1.RuntimeService/PodSandboxStatus";
const IMAGE_STATUS: &str = "/runtime.v1.ImageService/ImageStatus";
const EVENTS: &str = "/runtime.v1.RuntimeService/GetContainerEvents";

/// What an answer may weigh, bytes; decoded it may hold many times as much. A list has a few KB a container; when it has
/// more, each container is asked about as its cgroup is seen. Kubernetes allows 256 KiB of annotations, which a status
/// has more than once, and an event has two of those.
const LIST_SIZE: usize = 8 << 20;
const STATUS_SIZE: usize = 1 << 20;
const EVENT_SIZE: usize = 4 << 20;
const VERSION_SIZE: usize = 64 << 10;
/// How much of a version is told.
const VERSION_LENGTH: usize = 64;

/// A runtime that has said what it is.
#[derive(Clone, Debug)]
pub(super) struct Cri(Arc<Runtime>);

#[derive(Debug)]
struct Runtime {
    socket: PathBuf,
    name: String,
    tells_everyone: bool,
    sandboxes: Cache<Sandbox>,
    images: Cache<ImageFacts>,
}

impl Client for Cri {
    const HAS_EVENTS: bool = false;
    const KNOWS_LATE: bool = true;

    async fn connect(socket: &Path) -> Result<(Self, Version), Failure> {
        let connection = Connection::open(socket).await?;
        let told = connection.ask(VERSION, api::VersionRequest { version: b"v1".to_vec() }, VERSION_SIZE).await?;
        let told: api::VersionResponse = told.ok_or(Failure::Unserved)?;
        let short = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(VERSION_LENGTH).collect::<String>();
        let version = Version { runtime: short(&told.runtime_name), version: short(&told.runtime_version) };
        let runtime = Runtime {
            socket: socket.to_owned(),
            name: version.runtime.clone(),
            tells_everyone: tells_everyone(&version),
            sandboxes: Cache::default(),
            images: Cache::default(),
        };
        Ok((Self(Arc::new(runtime)), version))
    }

    async fn running(&self) -> Result<Vec<String>, Failure> {
        let connection = Connection::open(&self.0.socket).await?;
        let filter = Some(api::ContainerFilter { state: Some(api::StateValue { state: state::RUNNING }) });
        let containers = list(&connection, LIST_CONTAINERS, api::ListContainersRequest { filter }).await?;
        let filter = Some(api::PodSandboxFilter { state: Some(api::StateValue { state: 0 }) });
        let sandboxes = list(&connection, LIST_SANDBOXES, api::ListPodSandboxRequest { filter }).await?;
        Ok(containers.chain(sandboxes).collect())
    }

    async fn inspect(&self, id: &str) -> Result<Answer, Failure> {
        let connection = Connection::open(&self.0.socket).await?;
        let told = connection.ask(CONTAINER_STATUS, status_request(id), STATUS_SIZE).await?;
        match told {
            Some(told) => self.container(&connection, id, told).await,
            None => self.sandbox(&connection, id).await,
        }
    }

    fn events(&self) -> Option<Events> {
        if !self.0.tells_everyone {
            return None;
        }
        let runtime = self.0.clone();
        let answers = stream::once(async move {
            let connection = Connection::open(&runtime.socket).await?;
            connection.listen(EVENTS, api::GetEventsRequest {}, EVENT_SIZE).await
        });
        let events = answers.flat_map(|answers| match answers {
            Ok(answers) => each(answers).boxed(),
            Err(failure) => stream::once(async { Err(failure) }).boxed(),
        });
        Some(events.boxed())
    }
}

impl Cri {
    async fn container(
        &self,
        connection: &Connection,
        asked: &str,
        told: api::ContainerStatusResponse,
    ) -> Result<Answer, Failure> {
        let status = told.status.unwrap_or_default();
        let id = checked(&status.id, asked)?;
        let info = Info::read(&told.info);
        // side by side: a container may live for half a second, and a busy runtime takes a third of that for an answer
        let sandbox = async {
            match describe::sandbox_id(&info) {
                Some(id) => self.sandbox_of(connection, &id).await,
                None => None,
            }
        };
        let image = async {
            match describe::image_key(&status, &info) {
                Some(key) => self.image(connection, &key).await,
                None => ImageFacts::default(),
            }
        };
        let (sandbox, image) = tokio::join!(sandbox, image);
        let described = Box::new(describe::container(&self.0.name, id, &status, &info, sandbox, &image));
        let starting = status.state == state::CREATED && described.pid.is_none();
        Ok(if starting || described.partial { Answer::Starting(described) } else { Answer::Told(described) })
    }

    /// What is no container may be a sandbox.
    async fn sandbox(&self, connection: &Connection, asked: &str) -> Result<Answer, Failure> {
        let told = connection.ask(SANDBOX_STATUS, status_request(asked), STATUS_SIZE).await?;
        let Some(told): Option<api::PodSandboxStatusResponse> = told else { return Ok(Answer::Unknown) };
        let status = told.status.unwrap_or_default();
        let id = checked(&status.id, asked)?;
        // its containers come next
        let known = Sandbox::new(&status);
        let weight = known.weight();
        self.0.sandboxes.put(&id, known, weight);
        let described: Described = describe::sandbox(&self.0.name, id, &status, &Info::read(&told.info));
        Ok(Answer::Told(Box::new(described)))
    }

    /// What a container takes over from its sandbox. Without an answer it is described all the same.
    async fn sandbox_of(&self, connection: &Connection, id: &str) -> Option<Sandbox> {
        if let Some(known) = self.0.sandboxes.get(id) {
            return Some(known);
        }
        let request = api::StatusRequest { verbose: false, ..status_request(id) };
        let told = within(ANSWER / 4, connection.ask(SANDBOX_STATUS, request, STATUS_SIZE)).await;
        let told: api::PodSandboxStatusResponse = told.ok()??;
        let status = told.status.filter(|status| checked(&status.id, id).is_ok())?;
        let sandbox = Sandbox::new(&status);
        self.0.sandboxes.put(id, sandbox.clone(), sandbox.weight());
        Some(sandbox)
    }

    /// What a container takes over from its image. Without an answer it is described all the same.
    async fn image(&self, connection: &Connection, key: &str) -> ImageFacts {
        if let Some(known) = self.0.images.get(key) {
            return known;
        }
        let image = Some(api::ImageSpec { image: key.as_bytes().to_vec(), ..api::ImageSpec::default() });
        let request = api::ImageStatusRequest { image, verbose: true };
        let told = within(ANSWER / 4, connection.ask(IMAGE_STATUS, request, STATUS_SIZE)).await;
        let Ok(Some(told)): Result<Option<api::ImageStatusResponse>, _> = told else { return ImageFacts::default() };
        let Some(image) = told.image else { return ImageFacts::default() };
        let facts = ImageFacts::new(&image, &told.info);
        self.0.images.put(key, facts.clone(), key.len() + facts.name.as_ref().map_or(0, String::len));
        facts
    }
}

/// What any answer tells of containers, whatever it is the answer to.
pub(super) fn described(bytes: &[u8]) -> Vec<Described> {
    use prost::Message as _;
    let version = api::VersionResponse::decode(bytes).map(|told| told.runtime_version).unwrap_or_default();
    let version = Version { runtime: String::new(), version: String::from_utf8_lossy(&version).into_owned() };
    let listed = api::ListResponse::decode(bytes).map(|told| told.items.len()).unwrap_or_default();
    let heard = api::ContainerEventResponse::decode(bytes).map(|told| told.container_id).unwrap_or_default();
    // nothing of these is told: what they name is asked for
    let _ = (tells_everyone(&version), listed, heard.len());
    let image = api::ImageStatusResponse::decode(bytes).ok();
    let image = image.and_then(|told| told.image.map(|image| ImageFacts::new(&image, &told.info))).unwrap_or_default();
    let sandbox = api::PodSandboxStatusResponse::decode(bytes).ok().and_then(|told| Some((told.status?, told.info)));
    let from = |id: &[u8]| checked(id, "").ok();
    let of_sandbox = sandbox
        .as_ref()
        .and_then(|(status, info)| Some(describe::sandbox("containerd", from(&status.id)?, status, &Info::read(info))));
    let of_container = api::ContainerStatusResponse::decode(bytes).ok().and_then(|told| {
        let (status, info) = (told.status?, Info::read(&told.info));
        let sandbox = sandbox.as_ref().map(|(status, _)| Sandbox::new(status));
        // the image is asked for by this
        describe::image_key(&status, &info);
        Some(describe::container("containerd", from(&status.id)?, &status, &info, sandbox, &image))
    });
    of_sandbox.into_iter().chain(of_container).collect()
}

fn status_request(id: &str) -> api::StatusRequest {
    api::StatusRequest { id: id.as_bytes().to_vec(), verbose: true }
}

async fn list<Q: prost::Message + 'static>(
    connection: &Connection,
    method: &'static str,
    request: Q,
) -> Result<impl Iterator<Item = String> + use<Q>, Failure> {
    let told: Option<api::ListResponse> = connection.ask(method, request, LIST_SIZE).await?;
    let items = told.unwrap_or_default().items;
    if items.len() > api::MAX_ITEMS {
        return Err(Failure::refused("it lists more containers than a node can have"));
    }
    Ok(items.into_iter().filter_map(|item| String::from_utf8(item.id).ok()))
}

/// The id that was told, which must be the one that was asked for.
fn checked(told: &[u8], asked: &str) -> Result<String, Failure> {
    let told = std::str::from_utf8(told).ok().filter(|told| answers(told, asked));
    told.map(str::to_owned).ok_or_else(|| Failure::refused("it was asked for one container, and told of another"))
}

/// Whether each one who listens is told every event. In older versions those who listen take events away from each
/// other, and from kubelet, which may depend on them: <https://github.com/containerd/containerd/issues/7318>,
/// <https://github.com/cri-o/cri-o/issues/6466>. There the cgroup events have to do.
fn tells_everyone(told: &Version) -> bool {
    let version = told.version.strip_prefix('v').unwrap_or(&told.version);
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse::<u32>().ok());
    let (Some(Some(major)), Some(Some(minor))) = (numbers.next(), numbers.next()) else { return false };
    match told.runtime.as_str() {
        "containerd" => major >= 2,
        "cri-o" => (major, minor) >= (1, 29),
        _ => false,
    }
}

/// Those that give a container a name or a pid: that it was created or started.
fn each(answers: Answers<api::ContainerEventResponse>) -> impl futures_util::Stream<Item = Result<Heard, Failure>> {
    stream::try_unfold(answers, |mut answers| async move {
        while let Some(event) = answers.next().await? {
            if let (0 | 1, Ok(id)) = (event.event, String::from_utf8(event.container_id)) {
                return Ok(Some((Heard { id, described: None }, answers)));
            }
        }
        Ok(None)
    })
}

#[cfg(test)]
mod tests;
