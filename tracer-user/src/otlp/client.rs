//! One request: OTLP over HTTP/1.1, on a connection of its own. Ends are rare.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use prost::Message as _;
use time::OffsetDateTime;
use tokio::time::timeout;

use super::endpoint::Endpoint;
use super::exporter::Target;
use super::limits;
use super::proto::{ExportTracePartialSuccess, ExportTraceServiceResponse, RpcStatus};
use super::retry::retry_after;
use crate::container::runtime::transport::Allowance;
use crate::https::{self, HEAD_BYTES, Unanswered, next, told};
use crate::printable;

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
pub(super) async fn post(target: &Target, body: Bytes, limit: Duration) -> Answer {
    match timeout(limit, exchange(target, body)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(why)) => Answer::Later(None, why),
        Err(_) => Answer::Later(None, format!("no answer within {} s", limit.as_secs_f64())),
    }
}

async fn exchange(target: &Target, body: Bytes) -> Result<Answer, String> {
    let Target { endpoint: Endpoint { host, port, path, authority, .. }, headers, .. } = target;
    let mut request = Request::post(path)
        .header(HOST, authority)
        .header(CONTENT_TYPE, "application/x-protobuf")
        .header(USER_AGENT, concat!("tracer/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(body))
        .map_err(|error| bounded(told(&error).as_bytes()))?;
    request.headers_mut().extend(headers.clone());
    let trust = target.trust().map_err(|error| error.to_string())?;
    let allowance = Allowance::new(limits::ANSWER + HEAD_BYTES);
    let response = https::send((host, *port), trust, request, &allowance).await.map_err(|error| why(&error))?;
    Ok(understand(response).await)
}

/// Where that was is known.
fn why(error: &Unanswered) -> String {
    let text = match error {
        Unanswered::Unreachable { at: _, what } => told(what),
        Unanswered::Untrusted { at: _, what } => what.to_string(),
        Unanswered::Broken(what) => what.clone(),
    };
    bounded(text.as_bytes())
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
    while let Some(data) = next(&mut body).await.map_err(|error| why(&error))? {
        bytes.extend_from_slice(&data);
        if bytes.len() > limits::ANSWER {
            return Err(format!("the answer is longer than {} KiB", limits::ANSWER >> 10));
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
