//! Standard output behind a thread: a reader that stalls never stalls the tracing.
//!
//! Text is handed over in chunks, one for each batch of events. When the reader is slow the chunks queue up to so many
//! bytes; then [`Sink::deliver`] waits, nobody drains the ring, it fills, and what does not fit is counted as lost:
//! nothing disappears in silence.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// What an error of it is about.
pub const CANNOT_WRITE: &str = "cannot write to standard output";
/// Bytes that may wait for the reader.
const QUEUED: u32 = 16 << 20;
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

    /// Whether enough is waiting to be worth a chunk of its own.
    #[must_use]
    pub fn is_large(&self) -> bool {
        self.len() >= CHUNK
    }

    /// Bytes written since the last [`Buffer::take`].
    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// The thread that writes.
#[derive(Debug)]
pub struct Sink {
    buffer: Buffer,
    chunks: Option<UnboundedSender<Chunk>>,
    /// Bytes that may still be queued. Closed by the thread as it ends.
    room: Arc<Semaphore>,
    thread: Option<JoinHandle<io::Result<()>>>,
    /// The thread ended with an error, which was told: nobody reads any more.
    broken: bool,
}

/// Text on its way, and the room it takes until it is written.
struct Chunk {
    text: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

/// Wakes whoever waits for room when the thread ends, however it ends.
struct Closing(Arc<Semaphore>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Sink {
    /// Writes to `out`.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn new(mut out: impl Write + Send + 'static) -> io::Result<Self> {
        // bounded by the room that each chunk takes
        let (chunks, mut incoming) = mpsc::unbounded_channel::<Chunk>();
        let room = Arc::new(Semaphore::new(QUEUED as usize));
        let closing = Closing(Arc::clone(&room));
        let thread = std::thread::Builder::new().name("tracer-output".to_owned()).spawn(move || {
            let closing = closing;
            while let Some(chunk) = incoming.blocking_recv() {
                let written = out.write_all(&chunk.text);
                let written = written.and_then(|()| if incoming.is_empty() { out.flush() } else { Ok(()) });
                if written.is_err() {
                    // before the chunk's room comes back: all of it free means that all is written
                    closing.0.close();
                    return written;
                }
            }
            out.flush()
        })?;
        Ok(Self { buffer: Buffer::default(), chunks: Some(chunks), room, thread: Some(thread), broken: false })
    }

    /// What views write to.
    #[must_use]
    pub fn buffer(&self) -> Buffer {
        self.buffer.clone()
    }

    /// Whether nobody reads any more.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        self.broken
    }

    /// Hands over what was written. Waits only when the reader is far behind. Safe to cancel: what is not handed over
    /// stays in the buffer.
    ///
    /// # Errors
    /// What the thread met: it ended. A broken pipe among others.
    pub async fn deliver(&mut self) -> io::Result<()> {
        let length = self.buffer.len();
        if length == 0 {
            return Ok(());
        }
        // what is larger than the whole queue has it for itself
        let room = u32::try_from(length).unwrap_or(QUEUED).min(QUEUED);
        let Ok(room) = Arc::clone(&self.room).acquire_many_owned(room).await else { return self.join() };
        let chunk = Chunk { text: self.buffer.take(), _room: room };
        let gone = self.chunks.as_ref().is_none_or(|chunks| chunks.send(chunk).is_err());
        if gone { self.join() } else { Ok(()) }
    }

    /// Whether everything is written: the reader is not behind.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.buffer.len() == 0 && self.room.available_permits() == QUEUED as usize
    }

    /// Hands over what was written and waits until it is read, for as long as the reader may take.
    ///
    /// # Errors
    /// What the thread met.
    pub async fn drain(&mut self, patience: Duration) -> io::Result<()> {
        let deadline = Instant::now() + patience;
        let Ok(delivered) = tokio::time::timeout_at(deadline, self.deliver()).await else { return Ok(()) };
        delivered?;
        // all the room is free when all is written
        let all = tokio::time::timeout_at(deadline, self.room.acquire_many(QUEUED)).await;
        let ended = matches!(all, Ok(Err(_)));
        drop(all);
        if ended { self.join() } else { Ok(()) }
    }

    /// Writes the rest until `deadline`: a reader that stalls must not keep the program from ending. Returns how many
    /// bytes, more or less, it did not take.
    ///
    /// # Errors
    /// What the thread met, unless it was told before.
    pub async fn close(mut self, deadline: Instant) -> io::Result<usize> {
        let delivered = tokio::time::timeout_at(deadline, self.deliver()).await;
        drop(self.chunks.take());
        let mut pause = Duration::from_micros(100);
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            if Instant::now() >= deadline {
                return Ok(self.buffer.len() + (QUEUED as usize).saturating_sub(self.room.available_permits()));
            }
            tokio::time::sleep_until(deadline.min(Instant::now() + pause)).await;
            pause = (pause * 2).min(Duration::from_millis(5));
        }
        delivered.unwrap_or(Ok(()))?;
        self.join()?;
        Ok(if self.broken { 0 } else { self.buffer.len() })
    }

    fn join(&mut self) -> io::Result<()> {
        drop(self.chunks.take());
        let ended = match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(io::Error::other("the thread that writes the output panicked")),
            None => Ok(()),
        };
        self.broken |= ended.is_err();
        ended
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

    /// Keeps what passes.
    struct Keeping(Stalled, Arc<Mutex<Vec<u8>>>);

    impl Write for Keeping {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let written = self.0.write(bytes)?;
            self.1.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&bytes[..written]);
            Ok(written)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn in_a_while() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[tokio::test]
    async fn a_broken_pipe_is_told() {
        let sink = Sink::new(Broken).expect("a thread");
        sink.buffer().write_all(b"line").expect("memory");
        let error = sink.close(in_a_while()).await.expect_err("the pipe is broken");
        assert!(crate::output::is_broken_pipe(&error));
    }

    #[tokio::test]
    async fn a_broken_pipe_is_told_to_whoever_waits_for_room() {
        let mut sink = Sink::new(Broken).expect("a thread");
        let chunk = vec![b'x'; 1 << 20];
        let error = loop {
            sink.buffer().write_all(&chunk).expect("memory");
            if let Err(error) = sink.deliver().await {
                break error;
            }
        };
        assert!(crate::output::is_broken_pipe(&error));
    }

    #[tokio::test]
    async fn who_knows_that_the_pipe_is_broken_is_not_told_again() {
        let mut sink = Sink::new(Broken).expect("a thread");
        while sink.deliver().await.is_ok() {
            sink.buffer().write_all(b"line").expect("memory");
        }
        sink.buffer().write_all(b"more").expect("memory");
        assert_eq!(sink.close(in_a_while()).await.expect("it is known"), 0);
    }

    #[tokio::test]
    async fn a_stalled_reader_does_not_keep_it_from_ending() {
        let (release, gate) = mpsc::channel();
        let sink = Sink::new(Stalled(gate)).expect("a thread");
        sink.buffer().write_all(b"line").expect("memory");
        let left = sink.close(Instant::now() + Duration::from_millis(20)).await;
        assert_eq!(left.expect("it ends without the reader"), 4);
        drop(release);
    }

    #[tokio::test]
    async fn what_waits_for_a_stalled_reader_is_bounded_in_bytes_and_nothing_of_it_is_lost() {
        let (release, gate) = mpsc::channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        let mut sink = Sink::new(Keeping(Stalled(gate), Arc::clone(&written))).expect("a thread");
        let chunk = vec![b'x'; 3 << 20];
        let mut told = 0;
        // the sixth chunk of 3 MiB does not fit into 16 MiB any more
        while told < 6 * chunk.len() {
            sink.buffer().write_all(&chunk).expect("memory");
            told += chunk.len();
            let delivered = tokio::time::timeout(Duration::from_millis(20), sink.deliver()).await;
            assert_eq!(delivered.is_ok(), told <= QUEUED as usize, "after {told} bytes");
        }
        // a wait that was given up costs nothing
        assert_eq!(sink.buffer().len(), chunk.len());
        drop(release);
        assert_eq!(sink.close(in_a_while()).await.expect("it is written"), 0);
        assert_eq!(written.lock().expect("no panic").len(), told);
    }

    #[tokio::test]
    async fn whoever_waits_for_the_reader_knows_when_it_has_read_and_does_not_wait_for_ever() {
        let (release, gate) = mpsc::channel();
        let mut sink = Sink::new(Stalled(gate)).expect("a thread");
        assert!(sink.is_idle());
        sink.buffer().write_all(b"frame").expect("memory");
        assert!(!sink.is_idle());
        sink.drain(Duration::from_millis(20)).await.expect("the reader may be slow");
        assert!(!sink.is_idle());
        drop(release);
        sink.drain(Duration::from_secs(10)).await.expect("it is written");
        assert!(sink.is_idle());
        let mut broken = Sink::new(Broken).expect("a thread");
        broken.buffer().write_all(b"frame").expect("memory");
        assert!(broken.drain(Duration::from_secs(10)).await.is_err());
    }

    #[tokio::test]
    async fn a_chunk_larger_than_all_room_is_written_too() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let (release, gate) = mpsc::channel();
        drop(release);
        let mut sink = Sink::new(Keeping(Stalled(gate), Arc::clone(&written))).expect("a thread");
        sink.buffer().write_all(&vec![b'x'; QUEUED as usize + 1]).expect("memory");
        sink.deliver().await.expect("it fits");
        assert_eq!(sink.close(in_a_while()).await.expect("it is written"), 0);
        assert_eq!(written.lock().expect("no panic").len(), QUEUED as usize + 1);
    }
}
