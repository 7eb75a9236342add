//! The other end of the socket: what an agent tells, folded and shown as if it came from the kernel.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::container::filter::Filters;
use crate::container::runtime::{self, Socket};
use crate::event::{BootNs, Event};
use crate::live::interrupt::Interrupt;
use crate::live::sink::{Buffer, CANNOT_WRITE, Sink};
use crate::live::{End, Pipeline, Tracing, boot_now, drop_privileges};
use crate::output::{Clock, View};
use crate::stream::{self, ReadError, Reader};

use super::protocol::{Answer, Greeting, Skew, Welcome};

/// An agent that does not answer within this time is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest line that an agent answers with, bytes.
const ANSWER: u64 = 1 << 20;
/// Events that were read and not folded yet.
const READ: usize = 4_096;
/// Events taken in before what they gave is handed over.
const BATCH: usize = 512;
/// The agent tells when time has passed. What it does not tell within this time after it was due happens by our clock.
const SLACK_NS: u64 = 1_000_000_000;
/// A reader of ours that stalls keeps us no longer than this.
const CLOSE: Duration = Duration::from_millis(700);

/// Why nobody could be attached to.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// Nobody listens there.
    #[error("no agent answers on {}: sudo tracer agent starts one", .0.display())]
    Nobody(PathBuf),
    /// The socket is not for us.
    #[error("the agent's socket {} is not for this user: run it as root", .0.display())]
    Denied(PathBuf),
    /// It is of another version.
    #[error(transparent)]
    Skew(#[from] Skew),
    /// It said no.
    #[error("the agent on {} does not serve us: {why}", path.display())]
    Refused {
        /// Where.
        path: PathBuf,
        /// What it said, printable.
        why: String,
    },
    /// It is something else, or broken.
    #[error("what answers on {} is no tracer agent", .0.display())]
    NoAgent(PathBuf),
    /// What it tells cannot be understood.
    #[error("cannot read what the agent on {} tells", path.display())]
    Recording {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        source: ReadError,
    },
    /// The system said no.
    #[error("cannot attach to the agent on {}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// An agent that has said who it is.
#[derive(Debug)]
pub struct Connection {
    path: PathBuf,
    stream: UnixStream,
    reader: Reader<BufReader<UnixStream>>,
    /// What it said.
    pub welcome: Welcome,
}

impl Connection {
    /// Asks the agent that listens on `path`.
    ///
    /// # Errors
    /// When there is none, or none that we understand.
    pub fn open(path: &Path) -> Result<Self, AttachError> {
        let io = |source: io::Error| {
            let path = path.to_owned();
            match source.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::ConnectionRefused => {
                    AttachError::Nobody(path)
                }
                ErrorKind::PermissionDenied => AttachError::Denied(path),
                _ => AttachError::Io { path, source },
            }
        };
        let mut stream = UnixStream::connect(path).map_err(io)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(io)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(io)?;
        let mut line = serde_json::to_vec(&Greeting::own()).map_err(|error| io(error.into()))?;
        line.push(b'\n');
        match stream.write_all(&line) {
            // who we are was enough to refuse us: why is there to be read
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            written => written.map_err(io)?,
        }
        let mut input = BufReader::new(stream.try_clone().map_err(io)?);
        line.clear();
        input.by_ref().take(ANSWER).read_until(b'\n', &mut line).map_err(io)?;
        let welcome = match Answer::parse(&line) {
            Answer::Welcome(welcome) => welcome,
            Answer::Skew(skew) => return Err(skew.into()),
            Answer::Refused(why) => return Err(AttachError::Refused { path: path.to_owned(), why }),
            Answer::Nonsense => return Err(AttachError::NoAgent(path.to_owned())),
        };
        let reader = Reader::new(input);
        let reader = reader.map_err(|source| AttachError::Recording { path: path.to_owned(), source })?;
        // what happens may take its time
        stream.set_read_timeout(None).map_err(io)?;
        Ok(Self { path: path.to_owned(), stream, reader, welcome })
    }

    /// Follows what it tells. `keep` is for who may want a recording of the last events.
    ///
    /// # Errors
    /// When the recording cannot be made, or a thread or a signal cannot be had.
    pub fn follow(
        self,
        filters: Filters,
        record: Option<&Path>,
        keep: bool,
        view: impl FnOnce(Buffer, Clock) -> Box<dyn View>,
    ) -> anyhow::Result<Attached> {
        let Self { path, stream, reader, welcome } = self;
        let interrupt = Interrupt::new().context("cannot listen for signals")?;
        let clock = Clock { boot_to_wall_ns: reader.start().boot_to_wall_ns };
        let start = reader.start().clone();
        let recorder = record.map(|path| stream::create(path, reader.start())).transpose()?;
        drop_privileges();
        let sink = Sink::new(io::stdout()).context("cannot start the thread that writes the output")?;
        let view = view(sink.buffer(), clock);
        let (sender, incoming) = mpsc::channel(READ);
        std::thread::Builder::new()
            .name("tracer-agent".to_owned())
            .spawn(move || {
                for event in reader {
                    if sender.blocking_send(event).is_err() {
                        return;
                    }
                }
            })
            .context("cannot start the thread that reads from the agent")?;
        let mut pipeline = Pipeline::new(filters, view, recorder);
        if keep {
            pipeline.keep(start);
        }
        let history = welcome.history;
        Ok(Attached { path, stream, pipeline, sink, interrupt, incoming, history, lost_recording: false })
    }
}

/// Tracing that an agent does for us.
pub struct Attached {
    path: PathBuf,
    stream: UnixStream,
    pipeline: Pipeline,
    sink: Sink,
    interrupt: Interrupt,
    incoming: mpsc::Receiver<Result<Event, ReadError>>,
    /// Events of the history that are still to come.
    history: u64,
    lost_recording: bool,
}

impl Attached {
    /// Takes in what was read.
    fn take_in(&mut self, read: &mut Vec<Result<Event, ReadError>>) -> anyhow::Result<()> {
        let mut events = Vec::with_capacity(read.len());
        let mut broken = None;
        for event in read.drain(..) {
            match event {
                Ok(event) => events.push(event),
                Err(error) => broken = Some(error),
            }
        }
        let was_history = self.history > 0;
        let past = events.len().min(usize::try_from(self.history).unwrap_or(usize::MAX));
        self.pipeline.take(&events[..past])?;
        self.history -= past as u64;
        if was_history && self.history == 0 {
            self.pipeline.forget_the_past();
        }
        self.pipeline.take(&events[past..])?;
        // the agent asks, and lets go of nothing for our sake
        drop(self.pipeline.wants());
        drop(self.pipeline.gate.take_unwanted());
        if let Some(trouble) = self.pipeline.take_trouble() {
            self.lost_recording = true;
            log::warn!("the recording ends here, what the agent tells goes on: {trouble}");
        }
        self.pipeline.flush()?;
        let path = self.path.display();
        match broken {
            None => Ok(()),
            Some(ReadError::Truncated { .. }) => {
                anyhow::bail!("the agent on {path} is gone: it was killed, or cut us off for being too slow")
            }
            Some(error) => {
                Err(anyhow::Error::new(error).context(format!("cannot read what the agent on {path} tells")))
            }
        }
    }

    /// When time should have passed without the agent telling so.
    fn due(&self) -> Option<Instant> {
        let due = BootNs(self.pipeline.node.next_tick()?.0.saturating_add(SLACK_NS));
        Some(Instant::now() + Duration::from_nanos(due.since(boot_now())))
    }
}

impl Tracing for Attached {
    fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    fn pipeline_and_sink(&mut self) -> (&Pipeline, &mut Sink) {
        (&self.pipeline, &mut self.sink)
    }

    fn runtimes(&self) -> Option<Vec<(&Socket, runtime::State)>> {
        None
    }

    async fn run_until<T>(
        &mut self,
        end: impl Future<Output = T>,
        mut over: impl FnMut(&Pipeline) -> Option<T>,
    ) -> anyhow::Result<End<T>> {
        tokio::pin!(end);
        let mut read = Vec::with_capacity(BATCH);
        loop {
            // nothing ends before what happened before is known
            let is_past = self.history > 0;
            if !is_past && let Some(value) = over(&self.pipeline) {
                return Ok(End::Done(value));
            }
            tokio::select! {
                biased;
                () = self.interrupt.wait() => return Ok(End::Interrupted),
                delivered = self.sink.deliver() => delivered.context(CANNOT_WRITE)?,
                value = &mut end, if !is_past => return Ok(End::Done(value)),
            }
            let due = self.due();
            tokio::select! {
                biased;
                () = self.interrupt.wait() => return Ok(End::Interrupted),
                value = &mut end, if !is_past => return Ok(End::Done(value)),
                count = self.incoming.recv_many(&mut read, BATCH) => {
                    anyhow::ensure!(count > 0, "the agent on {} has ended", self.path.display());
                    self.take_in(&mut read)?;
                }
                () = async { tokio::time::sleep_until(due.unwrap_or_else(Instant::now)).await },
                    if !is_past && due.is_some() =>
                {
                    self.pipeline.tick(BootNs(boot_now().0.saturating_sub(SLACK_NS)))?;
                    self.pipeline.flush()?;
                }
            }
        }
    }

    async fn finish_with(mut self, last_words: impl FnOnce(&Pipeline, Buffer) -> io::Result<()>) -> anyhow::Result<()> {
        let begun = Instant::now();
        // ends the thread that reads
        self.stream.shutdown(Shutdown::Both).unwrap_or_default();
        self.pipeline.conclude()?;
        self.pipeline.flush()?;
        last_words(&self.pipeline, self.sink.buffer())?;
        let recorded = self.pipeline.finish_recording();
        let closed = self.sink.close(begun + CLOSE).await;
        recorded.context("cannot complete the recording")?;
        anyhow::ensure!(!self.lost_recording, "the recording is not complete");
        let unread = closed.context(CANNOT_WRITE)?;
        anyhow::ensure!(unread == 0, "the output is not complete: its reader is too slow and left {unread} bytes");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_no_socket_can_be_nobody_listens() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("tracer");
        std::fs::write(&file, "a program").expect("the directory is ours");
        for path in [file.join("agent.sock"), dir.path().join("agent.sock")] {
            let opened = Connection::open(&path);
            assert!(matches!(opened, Err(AttachError::Nobody(_))), "{opened:?}");
        }
    }
}
