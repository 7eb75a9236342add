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

    /// Asks for lines without end, each of at most `limit` bytes; or what was answered instead.
    pub(super) async fn follow(
        &self,
        ask: &Ask,
        limit: usize,
        time: Duration,
    ) -> Result<Result<Lines, Answer>, Trouble> {
        let allowance = Allowance::new(limit.saturating_add(HEAD_BYTES));
        let begin = async {
            let response = self.send(ask, &allowance).await?;
            let (status, retry_after) = (response.status(), retry_after(&response));
            let mut body = response.into_body();
            if status.is_success() {
                return Ok(Ok(Lines { body, allowance: allowance.clone(), limit, rest: Vec::new(), searched: 0 }));
            }
            let mut bytes = Vec::new();
            while let Some(data) = next(&mut body).await? {
                bytes.extend_from_slice(&data);
            }
            Ok(Err(Answer { status, retry_after, body: bytes }))
        };
        timeout(time, begin).await.unwrap_or(Err(Trouble::TimedOut(time)))
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

/// Lines of an answer that does not end.
pub(super) struct Lines {
    body: Incoming,
    allowance: Allowance,
    limit: usize,
    /// What was read and not handed over.
    rest: Vec<u8>,
    /// How much of it holds no line end.
    searched: usize,
}

impl Lines {
    /// The next line; `None` at the end. What has no line end then is none. Safe to cancel.
    pub(super) async fn next(&mut self) -> Result<Option<String>, Trouble> {
        loop {
            if let Some(end) = self.rest[self.searched..].iter().position(|&byte| byte == b'\n') {
                let end = self.searched + end;
                let line = String::from_utf8_lossy(&self.rest[..end]).into_owned();
                self.rest.drain(..=end);
                self.searched = 0;
                self.allowance.renew(self.limit.saturating_add(HEAD_BYTES));
                return Ok(Some(line));
            }
            self.searched = self.rest.len();
            // what has no end yet is not forgiven: a line has a limit
            let Some(data) = next(&mut self.body).await? else { return Ok(None) };
            self.rest.extend_from_slice(&data);
        }
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use rustls::ServerConfig;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    const CA: &[u8] = include_bytes!("fixtures/ca.crt");
    const OTHER: &[u8] = include_bytes!("fixtures/other.crt");

    /// As kube-apiserver has it: a certificate of RSA, signed by another one.
    fn server(versions: &[&'static rustls::SupportedProtocolVersion]) -> TlsAcceptor {
        let certificate = CertificateDer::from_pem_slice(include_bytes!("fixtures/server.crt")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("fixtures/server.key")).expect("a key");
        let provider = Arc::new(rustls_graviola::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("the provider has them")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("they belong together");
        TlsAcceptor::from(Arc::new(config))
    }

    fn given(ca: &[u8]) -> tempfile::TempDir {
        let given = tempfile::tempdir().expect("a directory can be made");
        std::fs::write(given.path().join("ca.crt"), ca).expect("there is room");
        std::fs::write(given.path().join("token"), "secret\n").expect("there is room");
        given
    }

    fn access(given: &Path, port: u16) -> Api {
        let variable = |name: &str| match name {
            "KUBERNETES_SERVICE_HOST" => Some("127.0.0.1".to_owned()),
            "KUBERNETES_SERVICE_PORT" => Some(port.to_string()),
            _ => None,
        };
        Api::new(Access::given_in(given, variable).expect("this processor is new enough"))
    }

    fn version() -> Ask {
        Ask { method: Method::GET, target: "/version".to_owned(), accept: JSON, body: None }
    }

    /// Asks one server that answers once, and returns what it was asked as well.
    async fn ask(ca: &[u8], acceptor: TlsAcceptor, limit: usize) -> (Result<Answer, Trouble>, Option<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        let serve = async {
            let (stream, _) = listener.accept().await.ok()?;
            let mut stream = acceptor.accept(stream).await.ok()?;
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(stream.read_u8().await.ok()?);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n").await.ok()?;
            stream.write_all(&vec![b' '; 100_000]).await.ok()?;
            stream.shutdown().await.ok()?;
            Some(String::from_utf8(asked).expect("text"))
        };
        let given = given(ca);
        let api = access(given.path(), port);
        let version = version();
        tokio::join!(api.ask(&version, limit, Duration::from_secs(10)), serve)
    }

    #[tokio::test]
    async fn an_api_is_spoken_with_that_has_the_right_certificate() {
        for versions in [[&rustls::version::TLS12], [&rustls::version::TLS13]] {
            let (answer, asked) = ask(CA, server(&versions), 200_000).await;
            let answer = answer.expect("there is one");
            assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 100_000));
            let asked = asked.expect("it was asked");
            assert!(asked.starts_with("GET /version HTTP/1.1\r\n"), "{asked}");
            assert!(asked.contains("authorization: Bearer secret\r\n"), "{asked}");
        }
    }

    #[tokio::test]
    async fn another_one_is_told_nothing() {
        let (answer, asked) = ask(OTHER, server(rustls::ALL_VERSIONS), 200_000).await;
        let trouble = answer.expect_err("it is a stranger").to_string();
        assert!(trouble.contains("cannot be reached: invalid peer certificate"), "{trouble}");
        assert_eq!(asked, None);
    }

    #[tokio::test]
    async fn an_answer_without_end_has_one() {
        let (answer, _) = ask(CA, server(rustls::ALL_VERSIONS), 1_000).await;
        let trouble = answer.expect_err("it is too long").to_string();
        assert!(trouble.contains("longer than allowed"), "{trouble}");
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let given = given(CA);
        let api = access(given.path(), listener.local_addr().expect("it listens").port());
        let trouble = api.ask(&version(), 1_000, Duration::from_millis(50)).await.expect_err("it says nothing");
        assert!(matches!(trouble, Trouble::TimedOut(_)), "{trouble}");
    }
}
