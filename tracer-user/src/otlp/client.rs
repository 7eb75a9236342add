//! One request: OTLP over HTTP/1.1, on a connection of its own. Ends are rare.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use prost::Message as _;
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::endpoint::Endpoint;
use super::limits;
use super::proto::{ExportTracePartialSuccess, ExportTraceServiceResponse, RpcStatus};
use super::retry::retry_after;
use crate::container::runtime::transport::{Allowance, Metered};
use crate::printable;

/// What hyper may read ahead.
const READ_AHEAD: usize = 16 << 10;
/// Heads of answers, beside their bodies.
const HEAD: usize = 64 << 10;

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// All was taken.
    Taken,
    /// Some spans were not taken, or there is a warning. Safe for a terminal.
    Partly(i64, String),
    /// It may work later: after so long, if that was said. Safe for a terminal.
    Later(Option<Duration>, String),
    /// It will not work. Safe for a terminal.
    Refused(String),
}

/// Sends `body`. Takes no longer than `limit`, from the look-up of the name to the last byte of the answer.
pub(super) async fn post(endpoint: &Endpoint, headers: &HeaderMap, body: Bytes, limit: Duration) -> Answer {
    match timeout(limit, exchange(endpoint, headers, body)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(why)) => Answer::Later(None, why),
        Err(_) => Answer::Later(None, format!("no answer within {} s", limit.as_secs_f64())),
    }
}

async fn exchange(endpoint: &Endpoint, headers: &HeaderMap, body: Bytes) -> Result<Answer, String> {
    let Endpoint { host, port, path, authority } = endpoint;
    let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(|error| told(&error))?;
    let stream = Metered::over(stream, &Allowance::new(limits::ANSWER + HEAD));
    let mut builder = hyper::client::conn::http1::Builder::new();
    let handshake = builder.max_buf_size(READ_AHEAD).handshake(stream).await;
    let (mut sender, connection) = handshake.map_err(|error| told(&error))?;
    // it ends by itself, with an error or not, when the request and its answer are dropped
    tokio::spawn(async move { connection.await.unwrap_or_default() });
    let mut request = Request::post(path)
        .header(HOST, authority)
        .header(CONTENT_TYPE, "application/x-protobuf")
        .header(USER_AGENT, concat!("tracer/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(body))
        .map_err(|error| told(&error))?;
    request.headers_mut().extend(headers.clone());
    let response = sender.send_request(request).await.map_err(|error| told(&error))?;
    Ok(understand(response).await)
}

async fn understand(response: Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let status = head.status;
    let asked = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let asked = asked.and_then(|value| retry_after(value, OffsetDateTime::now_utc()));
    let body = read(body).await;
    match status {
        // whoever says so has taken it, whatever becomes of the rest of the answer
        status if status.is_success() => taken(&body.unwrap_or_default()),
        // these and no others, says the specification
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Answer::Later(asked, complaint(status, &body.unwrap_or_default())),
        status => Answer::Refused(complaint(status, &body.unwrap_or_default())),
    }
}

/// A body, as far as it is read at all.
async fn read(mut body: Incoming) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        // trailers are of no interest
        if let Ok(data) = frame.map_err(|error| told(&error))?.into_data() {
            bytes.extend_from_slice(&data);
            if bytes.len() > limits::ANSWER {
                return Err(format!("the answer is longer than {} KiB", limits::ANSWER >> 10));
            }
        }
    }
    Ok(bytes)
}

/// What was said of what was taken. Who answers with something else has taken it nonetheless.
fn taken(body: &[u8]) -> Answer {
    let partial = ExportTraceServiceResponse::decode(body).unwrap_or_default().partial_success;
    let Some(ExportTracePartialSuccess { rejected_spans, error_message }) = partial else { return Answer::Taken };
    if rejected_spans <= 0 && error_message.is_empty() {
        return Answer::Taken;
    }
    Answer::Partly(rejected_spans.max(0), bounded(&error_message))
}

/// A status, and what came with it: protobuf, as the specification wants it, or what a proxy says.
fn complaint(status: StatusCode, body: &[u8]) -> String {
    let message = RpcStatus::decode(body).map(|told| told.message).ok().filter(|message| !message.is_empty());
    let text = bounded(message.as_deref().unwrap_or(body));
    if text.is_empty() { status.to_string() } else { format!("{status}: {text}") }
}

fn bounded(bytes: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(bytes).chars().take(limits::COMPLAINT).collect();
    printable::text(text.trim()).chars().take(limits::COMPLAINT).collect()
}

/// An error with its causes, unless it repeats them.
fn told(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    bounded(text.as_bytes())
}
