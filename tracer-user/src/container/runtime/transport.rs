//! Connections that hyper can use, with a limit on what is read.
//!
//! Every connection has an allowance of bytes; once that is used up, reading fails, and so does what it was for.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use hyper::rt::ReadBufCursor;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

/// What is read from a socket at once.
const READ_SIZE: usize = 8 << 10;

/// How many bytes may still be read.
#[derive(Clone, Debug)]
pub(crate) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    /// Sets what may be read from now on: a stream is without end, but each of its parts has one.
    pub(crate) fn renew(&self, bytes: usize) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    fn take(&self, bytes: usize) -> io::Result<()> {
        let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        left.map(drop)
            .map_err(|left| io::Error::other(format!("the answer is longer than allowed ({left} bytes left)")))
    }
}

/// A connection that hyper can use.
#[derive(Debug)]
pub(crate) struct Metered<S = UnixStream> {
    stream: S,
    allowance: Allowance,
}

impl Metered {
    pub(super) async fn connect(socket: &Path, allowance: &Allowance) -> io::Result<Self> {
        Ok(Self::over(UnixStream::connect(socket).await?, allowance))
    }
}

impl<S> Metered<S> {
    pub(crate) fn over(stream: S, allowance: &Allowance) -> Self {
        Self { stream, allowance: allowance.clone() }
    }
}

impl<S: AsyncRead + Unpin> hyper::rt::Read for Metered<S> {
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

impl<S: AsyncWrite + Unpin> hyper::rt::Write for Metered<S> {
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

/// Lines of an answer that does not end, which comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// What came and was not handed over.
    rest: Vec<u8>,
    /// How much of it holds no line end.
    searched: usize,
}

impl Lines {
    /// The next line, if all of it is there. What has no line end then is none.
    pub(crate) fn take(&mut self) -> Option<String> {
        let Some(end) = memchr::memchr(b'\n', &self.rest[self.searched..]) else {
            self.searched = self.rest.len();
            return None;
        };
        let end = self.searched + end;
        let line = String::from_utf8_lossy(&self.rest[..end]).into_owned();
        self.rest.drain(..=end);
        self.searched = 0;
        Some(line)
    }

    /// Another piece.
    pub(crate) fn add(&mut self, piece: &[u8]) {
        self.rest.extend_from_slice(piece);
    }
}

/// Runs what belongs to a connection beside it.
#[derive(Clone)]
pub(super) struct Tasks;

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, task: F) {
        tokio::spawn(task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_pieces() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(), None);
        let mut told = Vec::new();
        for piece in ["a", "b\n", "", "c\n\nd", "e", "\nf"] {
            lines.add(piece.as_bytes());
            told.extend(std::iter::from_fn(|| lines.take()));
        }
        assert_eq!(told, ["ab", "c", "", "de"]);
    }
}
