//! HTTP/1.1 over a Unix socket: one connection for each request.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use tokio::time::timeout;

use super::super::state::Failure;
use super::super::transport::{self, Allowance, Metered};

/// What hyper may read ahead.
const READ_AHEAD: usize = 64 << 10;
/// How long the head of a stream may take; answers that end have deadlines of their own for the whole.
const HEAD: Duration = Duration::from_secs(30);
/// How much is read of an answer that says that something went wrong.
const COMPLAINT: usize = 4 << 10;

/// Asks for `target`, a path with its query, and reads the answer to its end.
pub(super) async fn get(socket: &Path, target: &str, limit: usize) -> Result<Reply, Failure> {
    let (status, bytes) = exchange(socket, Method::GET, target, None, limit).await?;
    Reply::new(status, bytes)
}

/// Sends a request, with JSON if there is a body, and reads the answer to its end.
pub(super) async fn exchange(
    socket: &Path,
    method: Method,
    target: &str,
    body: Option<Bytes>,
    limit: usize,
) -> Result<(StatusCode, Vec<u8>), Failure> {
    let response = send(socket, method, target, body, &Allowance::new(limit)).await?;
    let status = response.status();
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(data) = next(&mut body).await? {
        bytes.extend_from_slice(&data);
        if !status.is_success() && bytes.len() >= COMPLAINT {
            break;
        }
    }
    Ok((status, bytes))
}

/// What was answered.
#[derive(Debug)]
pub(super) enum Reply {
    /// What was asked for.
    Found(String),
    /// There is no such thing.
    NotFound,
}

impl Reply {
    fn new(status: StatusCode, bytes: Vec<u8>) -> Result<Self, Failure> {
        let text = String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into());
        match status {
            StatusCode::NOT_FOUND => Ok(Self::NotFound),
            status if status.is_success() => Ok(Self::Found(text)),
            status => Err(Failure::refused(&format!("{status}: {text}"))),
        }
    }

    /// What was asked for, which is always there.
    pub(super) fn found(self) -> Result<String, Failure> {
        match self {
            Self::Found(text) => Ok(text),
            Self::NotFound => Err(Failure::refused("it is no Docker Engine: it knows none of its paths")),
        }
    }
}

/// An answer that does not end, in pieces.
pub(super) struct Stream {
    body: Incoming,
    allowance: Allowance,
    limit: usize,
}

impl Stream {
    /// Asks for `target`; each piece may be as long as `limit`.
    pub(super) async fn get(socket: &Path, target: &str, limit: usize) -> Result<Self, Failure> {
        let allowance = Allowance::new(limit);
        let sent = timeout(HEAD, send(socket, Method::GET, target, None, &allowance)).await;
        let response = sent.unwrap_or(Err(Failure::TimedOut))?;
        if !response.status().is_success() {
            return Err(Failure::refused(&response.status().to_string()));
        }
        Ok(Self { body: response.into_body(), allowance, limit })
    }

    /// The next piece; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let data = next(&mut self.body).await?;
        self.allowance.renew(self.limit);
        Ok(data)
    }
}

/// Lines of an answer that does not end.
pub(super) struct Lines {
    stream: Stream,
    read: transport::Lines,
}

impl Lines {
    /// Asks for `target`; each line may be as long as `limit`.
    pub(super) async fn get(socket: &Path, target: &str, limit: usize) -> Result<Self, Failure> {
        Ok(Self { stream: Stream::get(socket, target, limit).await?, read: transport::Lines::default() })
    }

    /// The next line. `None` at the end; what has no line end then is none.
    pub(super) async fn next(&mut self) -> Result<Option<String>, Failure> {
        loop {
            if let Some(line) = self.read.take() {
                self.stream.allowance.renew(self.stream.limit);
                return Ok(Some(line));
            }
            // what has no end yet is not forgiven: a line has a limit
            let Some(data) = next(&mut self.stream.body).await? else { return Ok(None) };
            self.read.add(&data);
        }
    }
}

async fn send(
    socket: &Path,
    method: Method,
    target: &str,
    body: Option<Bytes>,
    allowance: &Allowance,
) -> Result<Response<Incoming>, Failure> {
    let stream = Metered::connect(socket, allowance).await?;
    let mut builder = hyper::client::conn::http1::Builder::new();
    let (mut sender, connection) =
        builder.max_buf_size(READ_AHEAD).handshake(stream).await.map_err(|error| Failure::from(&error))?;
    // It ends by itself, with an error or not, when the request and its answer are dropped.
    tokio::spawn(async move { connection.await.unwrap_or_default() });
    let mut request = Request::builder().method(method).uri(target).header(HOST, "docker");
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let request = request.body(Full::new(body.unwrap_or_default()));
    let request = request.map_err(|error| Failure::refused(&error.to_string()))?;
    sender.send_request(request).await.map_err(|error| Failure::from(&error))
}

/// The next piece of a body; `None` at its end.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Failure> {
    while let Some(frame) = body.frame().await {
        // trailers are of no interest
        if let Ok(data) = frame.map_err(|error| Failure::from(&error))?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}
