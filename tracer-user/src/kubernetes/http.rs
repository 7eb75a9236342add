//! Requests to the API: one connection for each, with a limit of time and of bytes.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::Builder;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::container::runtime::transport::{Allowance, Metered};
use crate::printable;

use super::access::{Access, NoAccess};

/// What hyper may read ahead.
const READ_AHEAD: usize = 64 << 10;
/// Heads may weigh this much beside a body.
const HEAD_BYTES: usize = 64 << 10;

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    /// The path, with its query.
    pub(super) target: String,
    /// The kind of answer that is wanted.
    pub(super) accept: &'static str,
    /// The body, and of which kind it is.
    pub(super) body: Option<(&'static str, Bytes)>,
}

/// JSON, as the API speaks it.
pub(super) const JSON: &str = "application/json";
/// What changes only the fields that it names.
pub(super) const MERGE_PATCH: &str = "application/merge-patch+json";

/// What was answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// When to ask again, if that was said.
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    NoAccess(#[from] NoAccess),
    #[error("{at} cannot be reached: {what}")]
    Unreachable { at: String, what: io::Error },
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    #[error("the answer breaks off: {0}")]
    Broken(String),
}

/// The API, as far as it is used here.
#[derive(Clone, Debug)]
pub(super) struct Api {
    access: Access,
}

impl Api {
    pub(super) const fn new(access: Access) -> Self {
        Self { access }
    }

    /// Asks, and reads the answer to its end.
    pub(super) async fn ask(&self, ask: &Ask, limit: usize, time: Duration) -> Result<Answer, Trouble> {
        let exchange = async {
            let allowance = Allowance::new(limit.saturating_add(HEAD_BYTES));
            let response = self.send(ask, &allowance).await?;
            let (status, retry_after) = (response.status(), retry_after(&response));
            let mut body = response.into_body();
            let mut bytes = Vec::new();
            while let Some(data) = next(&mut body).await? {
                bytes.extend_from_slice(&data);
            }
            Ok(Answer { status, retry_after, body: bytes })
        };
        timeout(time, exchange).await.unwrap_or(Err(Trouble::TimedOut(time)))
    }

    async fn send(&self, ask: &Ask, allowance: &Allowance) -> Result<Response<Incoming>, Trouble> {
        let Access { host, port, .. } = &self.access;
        let unreachable = |what| Trouble::Unreachable { at: self.access.authority(), what };
        let request = self.request(ask)?;
        let trust = self.access.trust()?;
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
        match trust {
            None => exchange(Metered::over(stream, allowance), request).await,
            Some((config, name)) => {
                let connected = TlsConnector::from(config).connect(name, stream).await.map_err(unreachable)?;
                exchange(Metered::over(connected, allowance), request).await
            }
        }
    }

    fn request(&self, ask: &Ask) -> Result<Request<Full<Bytes>>, Trouble> {
        let broken = |error: http::Error| Trouble::Broken(error.to_string());
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(&ask.target)
            .header(HOST, self.access.authority())
            .header(USER_AGENT, concat!("tracer/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, ask.accept);
        if let Some(token) = self.access.token()? {
            let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|error| broken(error.into()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let (kind, body) = ask.body.clone().unzip();
        if let Some(kind) = kind {
            request = request.header(CONTENT_TYPE, kind);
        }
        request.body(Full::new(body.unwrap_or_default())).map_err(broken)
    }
}

async fn exchange<S>(stream: Metered<S>, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Trouble>
where
    Metered<S>: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let mut builder = Builder::new();
    let (mut sender, connection) = builder.max_buf_size(READ_AHEAD).handshake(stream).await.map_err(broken)?;
    // It ends by itself, with an error or not, when the request and its answer are dropped.
    tokio::spawn(async move { connection.await.unwrap_or_default() });
    sender.send_request(request).await.map_err(broken)
}

/// The next piece of a body; `None` at its end.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Trouble> {
    while let Some(frame) = body.frame().await {
        // trailers are of no interest
        if let Ok(data) = frame.map_err(broken)?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn broken(error: hyper::Error) -> Trouble {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    Trouble::Broken(printable::text(&text).into_owned())
}

/// In seconds; a date is not what this API sends.
fn retry_after(response: &Response<Incoming>) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}
