//! Requests to the API: one connection for each, with a limit of time and of bytes.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use tokio::time::timeout;

use crate::container::runtime::transport::{self, Allowance};
use crate::https::{self, HEAD_BYTES, Unanswered, next};

use super::access::{Access, NoAccess};

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
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    #[error("no request: {0}")]
    NoRequest(http::Error),
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
                return Ok(Ok(Lines { body, allowance: allowance.clone(), limit, read: transport::Lines::default() }));
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
        let (request, trust) = (self.request(ask)?, self.access.trust()?);
        Ok(https::send((host, *port), trust, request, allowance).await?)
    }

    fn request(&self, ask: &Ask) -> Result<Request<Full<Bytes>>, Trouble> {
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(&ask.target)
            .header(HOST, self.access.authority())
            .header(USER_AGENT, concat!("tracer/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, ask.accept);
        if let Some(token) = self.access.token()? {
            let mut value =
                HeaderValue::try_from(format!("Bearer {token}")).map_err(|error| Trouble::NoRequest(error.into()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let (kind, body) = ask.body.clone().unzip();
        if let Some(kind) = kind {
            request = request.header(CONTENT_TYPE, kind);
        }
        request.body(Full::new(body.unwrap_or_default())).map_err(Trouble::NoRequest)
    }
}

/// Lines of an answer that does not end.
pub(super) struct Lines {
    body: Incoming,
    allowance: Allowance,
    limit: usize,
    read: transport::Lines,
}

impl Lines {
    /// The next line; `None` at the end. What has no line end then is none. Safe to cancel.
    pub(super) async fn next(&mut self) -> Result<Option<String>, Trouble> {
        loop {
            if let Some(line) = self.read.take() {
                self.allowance.renew(self.limit.saturating_add(HEAD_BYTES));
                return Ok(Some(line));
            }
            // what has no end yet is not forgiven: a line has a limit
            let Some(data) = next(&mut self.body).await? else { return Ok(None) };
            self.read.add(&data);
        }
    }
}

/// In seconds; a date is not what this API sends.
fn retry_after(response: &Response<Incoming>) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::https::testing::{CA, OTHER, SERVER, server};

    fn acceptor(versions: &[&'static rustls::SupportedProtocolVersion]) -> TlsAcceptor {
        TlsAcceptor::from(server(SERVER, versions))
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
            let (answer, asked) = ask(CA, acceptor(&versions), 200_000).await;
            let answer = answer.expect("there is one");
            assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 100_000));
            let asked = asked.expect("it was asked");
            assert!(asked.starts_with("GET /version HTTP/1.1\r\n"), "{asked}");
            assert!(asked.contains("authorization: Bearer secret\r\n"), "{asked}");
        }
    }

    #[tokio::test]
    async fn another_one_is_told_nothing() {
        let (answer, asked) = ask(OTHER, acceptor(rustls::ALL_VERSIONS), 200_000).await;
        let trouble = answer.expect_err("it is a stranger").to_string();
        assert!(trouble.contains("cannot be trusted: its certificate is of an unknown authority"), "{trouble}");
        assert_eq!(asked, None);
    }

    #[tokio::test]
    async fn an_answer_without_end_has_one() {
        let (answer, _) = ask(CA, acceptor(rustls::ALL_VERSIONS), 1_000).await;
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
