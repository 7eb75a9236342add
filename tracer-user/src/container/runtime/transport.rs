//! One connection for each request, over a Unix socket, with a limit on what is read.
//!
//! The client crate reads an answer to its end and a line of the event stream to its newline, however long they are.
//! Here every connection has an allowance of bytes; once that is used up, reading fails, and so does the request.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bollard::errors::Error;
use bollard::{BollardRequest, ClientVersion, Docker};
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue};
use hyper::rt::ReadBufCursor;
use hyper::{Response, Uri};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

/// What is read from a socket at once, and what hyper may read ahead.
const READ_SIZE: usize = 8 << 10;
const READ_AHEAD: usize = 64 << 10;
/// Seconds until the head of an answer; callers have deadlines of their own for the whole.
const HEAD_TIMEOUT_S: u64 = 30;
/// The requests carry no version, so that a daemon of any age answers with its own.
const VERSION: ClientVersion = ClientVersion { major_version: 1, minor_version: 24 };

/// How many bytes may still be read.
#[derive(Clone, Debug)]
pub(super) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    /// Sets what may be read from now on: a stream is without end, but each of its lines has one.
    pub(super) fn renew(&self, bytes: usize) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    fn take(&self, bytes: usize) -> io::Result<()> {
        let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        left.map(drop)
            .map_err(|left| io::Error::other(format!("the answer is longer than allowed ({left} bytes left)")))
    }
}

/// A client whose every request makes a connection to `socket` and may read `allowance` from it.
pub(super) fn client(socket: &Path, allowance: &Allowance) -> Result<Docker, Error> {
    let (socket, allowance) = (socket.to_owned(), allowance.clone());
    let transport = move |request| send(socket.clone(), allowance.clone(), request);
    Docker::connect_with_custom_transport(transport, Some("http://docker"), HEAD_TIMEOUT_S, &VERSION)
}

async fn send(socket: PathBuf, allowance: Allowance, mut request: BollardRequest) -> Result<Response<Incoming>, Error> {
    let stream = UnixStream::connect(&socket).await?;
    let metered = Metered { stream, allowance };
    let (mut sender, connection) =
        hyper::client::conn::http1::Builder::new().max_buf_size(READ_AHEAD).handshake(metered).await?;
    // It ends by itself, with an error or not, when the request and its answer are dropped.
    tokio::spawn(async move { connection.await.unwrap_or_default() });
    // the form that a server, and not a proxy, is asked in
    if let Some(target) = request.uri().path_and_query().cloned() {
        *request.uri_mut() = Uri::from(target);
    }
    request.headers_mut().insert(HOST, HeaderValue::from_static("docker"));
    Ok(sender.send_request(request).await?)
}

struct Metered {
    stream: UnixStream,
    allowance: Allowance,
}

impl hyper::rt::Read for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut space = [0; READ_SIZE];
        let room = into.remaining().min(READ_SIZE);
        let mut buffer = ReadBuf::new(&mut space[..room]);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
        self.allowance.take(buffer.filled().len())?;
        into.put_slice(buffer.filled());
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for Metered {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
