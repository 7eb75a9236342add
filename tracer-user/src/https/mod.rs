//! A request over HTTP/1.1, on a connection of its own, with TLS or without: what the API of Kubernetes and collectors of
//! traces are asked is rare. How long that may take is up to who asks.

#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod tls;

use std::error::Error;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::Builder;
use hyper::{Request, Response};
use rustls::ClientConfig;
use tokio::net::TcpStream;

use crate::causes;
use crate::container::runtime::transport::{Allowance, Metered};
use crate::printable;
use tls::NoTls;

/// What hyper may read ahead.
const READ_AHEAD: usize = 64 << 10;
/// Heads may weigh this much beside a body, bytes.
pub(crate) const HEAD_BYTES: usize = 64 << 10;

/// Why there was no answer. Safe for a terminal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    /// Nobody is there.
    #[error("{at} cannot be reached: {what}")]
    Unreachable { at: String, what: io::Error },
    /// Somebody is there, and is not to be trusted, or cannot be spoken with.
    #[error("{at} cannot be trusted: {what}")]
    Untrusted { at: String, what: NoTls },
    /// What was said breaks off, or is no HTTP.
    #[error("the answer breaks off: {0}")]
    Broken(String),
}

/// Sends a request to a host: a name or an address, of IPv6 without its brackets. With `tls`, encrypted, and only to who has
/// a certificate that is trusted.
pub(crate) async fn send(
    (host, port): (&str, u16),
    tls: Option<Arc<ClientConfig>>,
    request: Request<Full<Bytes>>,
    allowance: &Allowance,
) -> Result<Response<Incoming>, Unanswered> {
    let at = || printable::text(&authority(host, port)).into_owned();
    let stream = TcpStream::connect((host, port)).await;
    let stream = stream.map_err(|what| Unanswered::Unreachable { at: at(), what })?;
    let Some(config) = tls else { return exchange(Metered::over(stream, allowance), request).await };
    let stream = tls::connect(config, host, stream).await;
    let stream = stream.map_err(|what| Unanswered::Untrusted { at: at(), what })?;
    exchange(Metered::over(stream, allowance), request).await
}

/// As a URL has it.
pub(crate) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

async fn exchange<S>(stream: Metered<S>, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Unanswered>
where
    Metered<S>: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let mut builder = Builder::new();
    let handshake = builder.max_buf_size(READ_AHEAD).handshake(stream).await;
    let (mut sender, connection) = handshake.map_err(|error| broken(&error))?;
    // It ends by itself, with an error or not, when the request and its answer are dropped.
    tokio::spawn(async move { connection.await.unwrap_or_default() });
    sender.send_request(request).await.map_err(|error| broken(&error))
}

/// The next piece of a body; `None` at its end.
pub(crate) async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Unanswered> {
    while let Some(frame) = body.frame().await {
        // trailers are of no interest
        if let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

fn broken(error: &hyper::Error) -> Unanswered {
    Unanswered::Broken(told(error))
}

/// An error with its causes, unless it repeats them. Safe for a terminal.
pub(crate) fn told(error: &(dyn Error + 'static)) -> String {
    printable::text(&causes::chain(error)).into_owned()
}
