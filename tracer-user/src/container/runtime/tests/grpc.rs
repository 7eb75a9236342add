//! A runtime with CRI that is none: it says whatever a test makes it say.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use prost::Message;
use tokio::net::UnixListener;
use tokio::sync::Notify;

use super::super::cri::api::{self, Entry};
use super::super::transport::{Allowance, Metered, Tasks};
use super::super::{Kind, Socket};

/// What the fake says when it is asked for something.
#[derive(Clone, Debug)]
pub(super) enum Say {
    /// An answer.
    Message(Vec<u8>),
    /// These bytes where an answer should be, and an end in order.
    Raw(Vec<u8>),
    /// Such an end.
    Status(u32, &'static str),
    /// An answer of this many bytes.
    Huge(usize),
    /// The head of an answer and nothing more.
    Stall,
    /// Nothing at all.
    Silence,
    /// These answers, and then nothing until the test ends.
    Stream(Vec<Vec<u8>>),
    /// The head of an answer, part of it, and the connection is gone.
    Vanish,
}

pub(super) const UNKNOWN: u32 = 2;
pub(super) const NOT_FOUND: u32 = 5;
pub(super) const UNIMPLEMENTED: u32 = 12;

/// A server whose answers are changed as the test goes on.
pub(super) struct Fake {
    path: PathBuf,
    says: Arc<Mutex<HashMap<String, Say>>>,
    asked: Arc<Mutex<Vec<String>>>,
    hang_up: Arc<Notify>,
    _directory: tempfile::TempDir,
}

impl Fake {
    /// containerd 1.7, where nothing runs.
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let fake = Self {
            path: directory.path().join("cri.sock"),
            says: Arc::default(),
            asked: Arc::default(),
            hang_up: Arc::default(),
            _directory: directory,
        };
        fake.is("containerd", "1.7.24");
        fake.runs(&[], &[]);
        fake
    }

    pub(super) fn socket(&self) -> Socket {
        Socket { path: self.path.clone(), kind: Kind::Cri }
    }

    /// `what` is a method, and of those that ask about something, its id: `ContainerStatus 0123…`.
    pub(super) fn say(&self, what: &str, say: Say) {
        self.says.lock().expect("no panic").insert(what.to_owned(), say);
    }

    pub(super) fn answer(&self, what: &str, message: &impl Message) {
        self.say(what, Say::Message(message.encode_to_vec()));
    }

    pub(super) fn is(&self, name: &str, version: &str) {
        let answer = api::VersionResponse { runtime_name: name.into(), runtime_version: version.into() };
        self.answer("Version", &answer);
    }

    pub(super) fn runs(&self, containers: &[&str], sandboxes: &[&str]) {
        let list =
            |ids: &[&str]| api::ListResponse { items: ids.iter().map(|&id| api::Item { id: id.into() }).collect() };
        self.answer("ListContainers", &list(containers));
        self.answer("ListPodSandbox", &list(sandboxes));
    }

    /// Knows a container that runs.
    pub(super) fn has(&self, id: &str, name: &str) {
        self.answer(&format!("ContainerStatus {id}"), &status(id, name, 1, r#"{"pid": 7}"#));
    }

    pub(super) fn asked_for(&self, what: &str) -> usize {
        self.asked.lock().expect("no panic").iter().filter(|asked| *asked == what).count()
    }

    /// Serves until the returned task is aborted. A socket that was there before is replaced.
    pub(super) fn listen(&self) -> tokio::task::JoinHandle<()> {
        // there is none the first time
        std::fs::remove_file(&self.path).unwrap_or_default();
        let listener = UnixListener::bind(&self.path).expect("a free path");
        let (says, asked, hang_up) = (self.says.clone(), self.asked.clone(), self.hang_up.clone());
        tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (says, asked, hang_up) = (says.clone(), asked.clone(), hang_up.clone());
                let serve = {
                    let hang_up = hang_up.clone();
                    service_fn(move |request| reply(request, says.clone(), asked.clone(), hang_up.clone()))
                };
                let stream = Metered::over(stream, &Allowance::new(usize::MAX));
                connections.spawn(async move {
                    let served = hyper::server::conn::http2::Builder::new(Tasks).serve_connection(stream, serve);
                    tokio::select! {
                        served = served => drop(served),
                        () = hang_up.notified() => {}
                    }
                });
            }
        })
    }
}

/// A container's status: state 0 created, 1 running, 2 exited.
pub(super) fn status(id: &str, name: &str, state: i32, info: &str) -> api::ContainerStatusResponse {
    let metadata = Some(api::ContainerMetadata { name: name.into(), attempt: 0 });
    let status = api::ContainerStatus { id: id.into(), metadata, state, ..Default::default() };
    api::ContainerStatusResponse { status: Some(status), info: vec![entry("info", info)] }
}

pub(super) fn entry(key: &str, value: impl Into<Vec<u8>>) -> Entry {
    Entry { key: key.into(), value: value.into() }
}

type Body = http_body_util::combinators::BoxBody<Bytes, std::io::Error>;

async fn reply(
    request: Request<Incoming>,
    says: Arc<Mutex<HashMap<String, Say>>>,
    asked: Arc<Mutex<Vec<String>>>,
    hang_up: Arc<Notify>,
) -> Result<Response<Body>, Infallible> {
    let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    let bytes = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let message = bytes.get(5..).unwrap_or_default();
    let about = match method.as_str() {
        "ContainerStatus" | "PodSandboxStatus" => api::StatusRequest::decode(message).ok().map(|asked| asked.id),
        "ImageStatus" => api::ImageStatusRequest::decode(message).ok().and_then(|asked| Some(asked.image?.image)),
        _ => None,
    };
    let what = match about {
        Some(about) => format!("{method} {}", String::from_utf8_lossy(&about)),
        None => method.clone(),
    };
    asked.lock().expect("no panic").push(what.clone());
    let say = says.lock().expect("no panic").get(&what).cloned();
    let unknown = if method == "GetContainerEvents" { UNIMPLEMENTED } else { NOT_FOUND };
    let body = match say.unwrap_or(Say::Status(unknown, "no such thing")) {
        Say::Message(message) => frames(vec![framed(&message)], Some(trailers(0, ""))),
        Say::Raw(bytes) => frames(vec![bytes.into()], Some(trailers(0, ""))),
        Say::Status(code, message) => frames(Vec::new(), Some(trailers(code, message))),
        Say::Huge(size) => huge(size),
        Say::Stall => frames(Vec::new(), None),
        Say::Silence => std::future::pending().await,
        Say::Stream(messages) => frames(messages.iter().map(|message| framed(message)).collect(), None),
        Say::Vanish => {
            tokio::spawn(async move {
                tokio::task::yield_now().await;
                hang_up.notify_waiters();
            });
            frames(vec![Bytes::from_static(&[0, 0, 0, 1, 0, b'x'])], None)
        }
    };
    Ok(Response::builder().header("content-type", "application/grpc").body(body).expect("a response"))
}

fn framed(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).expect("a small one"));
    framed.put_slice(message);
    framed.freeze()
}

/// These, then the trailers, or nothing for ever.
fn frames(data: Vec<Bytes>, trailers: Option<HeaderMap>) -> Body {
    let data = stream::iter(data).map(|data| Ok(Frame::data(data)));
    match trailers {
        Some(trailers) => {
            http_body_util::BodyExt::boxed(StreamBody::new(data.chain(stream::iter([Ok(Frame::trailers(trailers))]))))
        }
        None => http_body_util::BodyExt::boxed(StreamBody::new(data.chain(stream::pending()))),
    }
}

fn huge(size: usize) -> Body {
    let piece = Bytes::from(vec![0x0a; 64 << 10]);
    let mut head = BytesMut::new();
    head.put_u8(0);
    head.put_u32(u32::try_from(size).unwrap_or(u32::MAX));
    let pieces = stream::iter((0..size / piece.len()).map(move |_| piece.clone()));
    let data = stream::iter([head.freeze()]).chain(pieces).map(|data| Ok(Frame::data(data)));
    http_body_util::BodyExt::boxed(StreamBody::new(data.chain(stream::iter([Ok(Frame::trailers(trailers(0, "")))]))))
}

fn trailers(code: u32, message: &str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.into());
    trailers.insert("grpc-message", message.parse().expect("plain text"));
    trailers
}
