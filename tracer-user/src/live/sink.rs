//! Standard output behind a thread: a reader that stalls never stalls the tracing.
//!
//! Text is handed over in chunks, one for each batch of events. When the reader is slow the chunks queue up until
//! they hold [`ROOM`] bytes; then writing fails over to waiting, the ring fills, and what does not fit is counted as
//! lost: nothing disappears in silence.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, UnboundedSender};

/// Bytes that may wait for the reader.
const ROOM: u32 = 16 << 20;
/// A chunk is handed over when it has this size, bytes.
const CHUNK: usize = 64 * 1024;

/// Where views write to: memory, until [`Sink::deliver`] hands it over.
#[derive(Clone, Debug, Default)]
pub struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Buffer {
    /// What was written since the last call.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How much of the room it needs; more than there is needs all of it.
    fn weight(&self) -> u32 {
        let len = self.0.lock().unwrap_or_else(PoisonError::into_inner).len();
        u32::try_from(len).map_or(ROOM, |len| len.min(ROOM))
    }

    /// Whether enough is waiting to be worth a chunk of its own.
    #[must_use]
    pub fn is_large(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len() >= CHUNK
    }
}

/// Text on its way, and the part of the room that it takes up.
type Chunk = (Vec<u8>, u32);

/// The thread that writes.
#[derive(Debug)]
pub struct Sink {
    buffer: Buffer,
    /// One permit a byte that may be queued. The thread closes it when it ends.
    room: Arc<Semaphore>,
    chunks: Option<UnboundedSender<Chunk>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Sink {
    /// Writes to `out`.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn new(mut out: impl Write + Send + 'static) -> io::Result<Self> {
        let (chunks, mut incoming) = mpsc::unbounded_channel::<Chunk>();
        let room = Arc::new(Semaphore::new(ROOM as usize));
        let given_back = room.clone();
        let mut write = move || {
            while let Some((chunk, weight)) = incoming.blocking_recv() {
                out.write_all(&chunk)?;
                given_back.add_permits(weight as usize);
                if incoming.is_empty() {
                    out.flush()?;
                }
            }
            out.flush()
        };
        let ended = room.clone();
        let thread = std::thread::Builder::new().name("tracer-output".to_owned()).spawn(move || {
            let result = write();
            ended.close();
            result
        })?;
        Ok(Self { buffer: Buffer::default(), room, chunks: Some(chunks), thread: Some(thread) })
    }

    /// What views write to.
    #[must_use]
    pub fn buffer(&self) -> Buffer {
        self.buffer.clone()
    }

    /// Hands over what was written. Waits only when the reader is far behind. Safe to cancel: what was not handed over
    /// stays in the buffer.
    ///
    /// # Errors
    /// What the thread met: it ended. A broken pipe among others.
    pub async fn deliver(&mut self) -> io::Result<()> {
        let weight = self.buffer.weight();
        if weight == 0 {
            return Ok(());
        }
        let gone = match (self.room.acquire_many(weight).await, &self.chunks) {
            (Ok(room), Some(chunks)) => {
                room.forget();
                chunks.send((self.buffer.take(), weight)).is_err()
            }
            _ => true,
        };
        if gone { self.join() } else { Ok(()) }
    }

    /// Writes the rest, for at most `patience`: a reader that stalls must not keep the program from ending.
    ///
    /// # Errors
    /// What the thread met.
    pub async fn close(mut self, patience: Duration) -> io::Result<()> {
        let delivered = tokio::time::timeout(patience, self.deliver()).await;
        drop(self.chunks.take());
        if !matches!(delivered, Ok(Ok(()))) {
            return delivered.unwrap_or(Ok(()));
        }
        let deadline = tokio::time::Instant::now() + patience;
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            if tokio::time::Instant::now() >= deadline {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.join()
    }

    fn join(&mut self) -> io::Result<()> {
        drop(self.chunks.take());
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(io::Error::other("the thread that writes the output panicked")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::from(io::ErrorKind::BrokenPipe))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Blocks until the test lets go of the other end.
    struct Stalled(mpsc::Receiver<()>);

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().unwrap_or_default();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_broken_pipe_is_told() {
        let sink = Sink::new(Broken).expect("a thread");
        sink.buffer().write_all(b"line").expect("memory");
        let error = sink.close(Duration::from_secs(10)).await.expect_err("the pipe is broken");
        assert!(crate::output::is_broken_pipe(&error));
    }

    #[tokio::test]
    async fn what_waits_for_a_stalled_reader_is_bounded_and_not_forgotten() {
        let (release, gate) = mpsc::channel();
        let mut sink = Sink::new(Stalled(gate)).expect("a thread");
        let mut buffer = sink.buffer();
        let half = vec![b'x'; ROOM as usize / 2 + 1];
        buffer.write_all(&half).expect("memory");
        sink.deliver().await.expect("there is room");
        buffer.write_all(&half).expect("memory");
        let soon = Duration::from_millis(1);
        assert!(tokio::time::timeout(soon, sink.deliver()).await.is_err(), "there is no room for both");
        assert_eq!(sink.buffer().take().len(), half.len(), "it is still there");
        drop(release);
    }

    #[tokio::test]
    async fn a_stalled_reader_does_not_keep_it_from_ending() {
        let (release, gate) = mpsc::channel();
        let sink = Sink::new(Stalled(gate)).expect("a thread");
        sink.buffer().write_all(b"line").expect("memory");
        sink.close(Duration::from_millis(20)).await.expect("it ends without the reader");
        drop(release);
    }
}
