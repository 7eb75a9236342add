//! Standard output behind a thread: a reader that stalls never stalls the tracing.
//!
//! Text is handed over in chunks, one for each batch of events. When the reader is slow the chunks queue up until
//! they hold [`ROOM`] bytes; then writing fails over to waiting, the ring fills, and what does not fit is counted as
//! lost: nothing disappears in silence.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::time::Instant;

/// Bytes that may wait for the reader.
const ROOM: u32 = 16 << 20;
/// Bytes written in one go: so often it is seen whether the reader still reads.
const PIECE: usize = 16 * 1024;
/// However slowly somebody reads, in the end we wait no longer than this.
const LONGEST: Duration = Duration::from_secs(10);
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
    /// Bytes handed over, and bytes written.
    handed_over: usize,
    written: Arc<AtomicUsize>,
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
        let written = Arc::new(AtomicUsize::new(0));
        let progress = written.clone();
        let mut write = move || {
            while let Some((chunk, weight)) = incoming.blocking_recv() {
                for piece in chunk.chunks(PIECE) {
                    out.write_all(piece)?;
                    progress.fetch_add(piece.len(), Ordering::Relaxed);
                }
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
        let (buffer, chunks, thread) = (Buffer::default(), Some(chunks), Some(thread));
        Ok(Self { buffer, room, handed_over: 0, written, chunks, thread })
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
                let chunk = self.buffer.take();
                self.handed_over += chunk.len();
                chunks.send((chunk, weight)).is_err()
            }
            _ => true,
        };
        if gone { self.join() } else { Ok(()) }
    }

    /// Writes the rest as long as somebody reads: a reader that takes nothing for `patience` must not keep the program
    /// from ending. What it did not take is said.
    ///
    /// # Errors
    /// What the thread met.
    pub async fn close(mut self, patience: Duration) -> io::Result<()> {
        let begun = Instant::now();
        let mut seen = (self.written.load(Ordering::Relaxed), begun);
        let delivered = loop {
            let short = Duration::from_millis(20);
            if let Ok(delivered) = tokio::time::timeout(short, self.deliver()).await {
                break Some(delivered);
            }
            if self.is_hopeless(&mut seen, begun, patience) {
                break None;
            }
        };
        drop(self.chunks.take());
        if let Some(delivered) = delivered {
            delivered?;
            while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
                if self.is_hopeless(&mut seen, begun, patience) {
                    self.say_what_is_lost();
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            return self.join();
        }
        self.say_what_is_lost();
        Ok(())
    }

    /// Whether nobody reads any more. `seen` is how much was written, and when that was noticed.
    fn is_hopeless(&self, seen: &mut (usize, Instant), begun: Instant, patience: Duration) -> bool {
        let written = self.written.load(Ordering::Relaxed);
        if written != seen.0 {
            *seen = (written, Instant::now());
        }
        seen.1.elapsed() >= patience || begun.elapsed() >= LONGEST
    }

    fn say_what_is_lost(&self) {
        let left = self.handed_over + self.buffer.weight() as usize - self.written.load(Ordering::Relaxed);
        log::warn!("nobody reads the output: its last {} KiB are not written", left.div_ceil(1024));
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
    async fn a_slow_reader_gets_it_all() {
        struct Slow(Arc<AtomicUsize>);
        impl Write for Slow {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                std::thread::sleep(Duration::from_millis(5));
                self.0.fetch_add(bytes.len(), Ordering::Relaxed);
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let read = Arc::new(AtomicUsize::new(0));
        let sink = Sink::new(Slow(read.clone())).expect("a thread");
        sink.buffer().write_all(&vec![b'x'; 40 * PIECE]).expect("memory");
        // it takes 200 ms and more
        sink.close(Duration::from_millis(100)).await.expect("it reads");
        assert_eq!(read.load(Ordering::Relaxed), 40 * PIECE);
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
