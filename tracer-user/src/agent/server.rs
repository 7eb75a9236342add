//! Serves clients, on a thread of its own: the tracing thread hands over what happens and never waits for anybody.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::event::Event;
use crate::stream::{MAX_LINE, Recorder, Start};

use super::limits;
use super::protocol::{Greeting, PROTOCOL, Refusal, Welcome};
use super::queue::{End, Queue, Taken};
use super::socket::{Bound, peer};

/// How long clients have at the end to take what is left.
const LAST: Duration = Duration::from_millis(300);
/// After the listening socket failed it is asked again this much later.
const PAUSE: Duration = Duration::from_millis(200);

/// Somebody wants events.
#[derive(Debug)]
pub struct Request {
    /// Only containers that are there are of interest, not what is over.
    pub present_only: bool,
    /// Of who asked before: it ends where this one begins.
    pub replaces: Option<Arc<Queue>>,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Subscription>,
}

/// What somebody gets who wants events.
#[derive(Debug)]
pub struct Subscription {
    /// Whose events they are.
    pub start: Start,
    /// What happened before, as far as it is remembered.
    pub history: Vec<Arc<Event>>,
    /// What happens from then on.
    pub queue: Arc<Queue>,
    /// For clients.
    pub welcome: Welcome,
}

/// The thread that serves.
#[derive(Debug)]
pub struct Server {
    thread: Option<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

impl Server {
    /// Serves who connects to a socket; what they want is asked of whoever has the other end of `requests`.
    ///
    /// # Errors
    /// When there is no thread to be had, or the socket cannot be waited for.
    pub fn start(bound: Bound, requests: mpsc::Sender<Request>) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("tracer-clients".to_owned()).spawn(move || {
            runtime.block_on(accept(&bound, requests, stopped));
            // a client that is stuck must not keep us
            runtime.shutdown_background();
        })?;
        Ok(Self { thread: Some(thread), stop })
    }

    /// Ends it: clients get what is left, within a moment.
    pub fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread that serves clients panicked");
        }
    }
}

/// What each client's task has.
#[derive(Clone)]
struct Desk {
    requests: mpsc::Sender<Request>,
    slots: Arc<Semaphore>,
}

async fn accept(bound: &Bound, requests: mpsc::Sender<Request>, mut stopped: watch::Receiver<bool>) {
    let listener = bound.listener.try_clone().and_then(UnixListener::from_std);
    let listener = match listener {
        Ok(listener) => listener,
        Err(error) => return log::error!("nobody can attach: cannot wait for clients: {error}"),
    };
    let desk = Desk { requests, slots: Arc::new(Semaphore::new(limits::CLIENTS)) };
    let mut clients = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => break,
            _ = clients.join_next(), if !clients.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(clients.spawn(client(stream, desk.clone()))),
                Err(error) => {
                    log::warn!("a client could not be let in: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
    let rest = async { while clients.join_next().await.is_some() {} };
    timeout(LAST, rest).await.unwrap_or_default();
}

/// Serves one client to its end, and says how it ended.
async fn client(stream: UnixStream, desk: Desk) {
    let who = match peer(&stream) {
        Ok(who) => who,
        Err(error) => return log::warn!("a client was cut off: cannot tell who it is: {error}"),
    };
    let (name, uid) = (format!("client {}", who.pid()), who.uid());
    let (from, mut to) = stream.into_split();
    let own = rustix::process::geteuid().as_raw();
    if uid != 0 && uid != own {
        log::warn!("{name} was refused: it is of user {uid}, and only root and user {own} may attach");
        let refused = format!("only root and user {own} may attach, you are user {uid}");
        return refuse(&mut to, refused).await;
    }
    match converse(&name, from, &mut to, &desk).await {
        Ok(Gone::Refused(why)) => {
            log::warn!("{name} was refused: {why}");
            refuse(&mut to, why).await;
        }
        Ok(gone) if gone.is_ordinary() => log::info!("{name} {gone}"),
        Ok(gone) => log::warn!("{name} {gone}"),
        Err(error) if is_gone(&error) => log::info!("{name} {}", Gone::Left),
        Err(error) => log::warn!("{name} was cut off: {error}"),
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Gone {
    Left,
    Over,
    Silent,
    Stalled,
    Talkative,
    TooFarBehind,
    Refused(String),
}

impl Gone {
    const fn is_ordinary(&self) -> bool {
        matches!(self, Self::Left | Self::Over)
    }
}

impl std::fmt::Display for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Left => f.write_str("left"),
            Self::Over => f.write_str("got all there was: the agent ends"),
            Self::Silent => f.write_str("was cut off: it did not say who it is"),
            Self::Stalled => {
                write!(f, "was cut off: it has read nothing for {} s", limits::STALLED.as_secs())
            }
            Self::Talkative => f.write_str("was cut off: it sent what nobody asked for"),
            Self::TooFarBehind => f.write_str("was cut off: it reads too slowly"),
            Self::Refused(why) => write!(f, "was refused: {why}"),
        }
    }
}

async fn refuse(to: &mut OwnedWriteHalf, refused: String) {
    let tool = env!("CARGO_PKG_VERSION").to_owned();
    let Ok(mut line) = serde_json::to_vec(&Refusal { protocol: PROTOCOL, tool, refused }) else { return };
    line.push(b'\n');
    // who does not listen is not told
    drop(timeout(limits::GREETING_TIME, to.write_all(&line)).await);
}

async fn converse(name: &str, mut from: OwnedReadHalf, to: &mut OwnedWriteHalf, desk: &Desk) -> io::Result<Gone> {
    let greeting = match timeout(limits::GREETING_TIME, greeting(&mut from)).await {
        Err(_) => return Ok(Gone::Silent),
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Gone::Left),
        Ok(greeting) => greeting?,
    };
    let Some(greeting) = greeting else {
        return Ok(Gone::Refused("this is a tracer agent, and that was no greeting of a tracer".to_owned()));
    };
    if let Some(trouble) = greeting.trouble() {
        return Ok(Gone::Refused(trouble));
    }
    let Ok(_slot) = desk.slots.try_acquire() else {
        return Ok(Gone::Refused(format!("{} clients are attached, more are not served", limits::CLIENTS)));
    };
    let (reply, answer) = oneshot::channel();
    let request = Request { present_only: false, replaces: None, reply };
    if desk.requests.send(request).await.is_err() {
        return Ok(Gone::Over);
    }
    let Ok(Subscription { start, history, queue, welcome }) = answer.await else { return Ok(Gone::Over) };
    log::info!("{name} attached");
    let closing = Closing(&queue);
    let gone = serve(from, to, &start, history, &queue, &welcome).await;
    drop(closing);
    match queue.missed() {
        0 => {}
        missed => log::info!("{name} was slow and missed {missed} events"),
    }
    gone
}

/// Whatever happens, nobody goes on to fill the queue.
struct Closing<'a>(&'a Queue);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The client's line. `None` when it is nonsense, or too much of it.
async fn greeting(from: &mut OwnedReadHalf) -> io::Result<Option<Greeting>> {
    let mut line = Vec::new();
    let mut chunk = [0; 512];
    loop {
        let length = from.read(&mut chunk).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.extend_from_slice(&chunk[..length]);
        match memchr::memchr(b'\n', &line) {
            // what follows is not asked for
            Some(end) => return Ok(Greeting::parse(&line[..end]).filter(|_| end + 1 == line.len())),
            None if line.len() > limits::GREETING_BYTES => return Ok(None),
            None => {}
        }
    }
}

async fn serve(
    mut from: OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    start: &Start,
    history: Vec<Arc<Event>>,
    queue: &Queue,
    welcome: &Welcome,
) -> io::Result<Gone> {
    let talks = async {
        let mut one = [0];
        match from.read(&mut one).await {
            Ok(0) | Err(_) => Gone::Left,
            Ok(_) => Gone::Talkative,
        }
    };
    let tells = async {
        let mut out = Out::new(to, welcome, start)?;
        for event in &history {
            if let Some(gone) = out.event(event).await? {
                return Ok(gone);
            }
        }
        drop(history);
        loop {
            if let Some(gone) = out.flush().await? {
                return Ok(gone);
            }
            let Taken { events, end } = queue.take().await;
            for kept in events {
                if let Some(gone) = out.event(&kept.event).await? {
                    return Ok(gone);
                }
            }
            match end {
                None => {}
                Some(End::TooFarBehind) => return Ok(Gone::TooFarBehind),
                Some(End::Over) => {
                    out.finish().await?;
                    return Ok(Gone::Over);
                }
            }
        }
    };
    tokio::select! {
        biased;
        gone = talks => Ok(gone),
        gone = tells => gone,
    }
}

/// A recording on its way to a client.
struct Out<'a> {
    to: &'a mut OwnedWriteHalf,
    recorder: Option<Recorder<Vec<u8>>>,
    /// Lines that were written by the recorder and not sent.
    unsent: usize,
}

impl<'a> Out<'a> {
    fn new(to: &'a mut OwnedWriteHalf, welcome: &Welcome, start: &Start) -> io::Result<Self> {
        let mut lines = serde_json::to_vec(welcome)?;
        lines.push(b'\n');
        Ok(Self { to, recorder: Some(Recorder::new(lines, start)?), unsent: 0 })
    }

    async fn event(&mut self, event: &Event) -> io::Result<Option<Gone>> {
        let Some(recorder) = &mut self.recorder else { return Ok(None) };
        match recorder.record(event) {
            // one with a line that is too long is left out, as in every recording
            Err(error) if error.kind() != io::ErrorKind::InvalidInput => return Err(error),
            _ => {}
        }
        self.unsent += 1;
        // most lines are short, and none is longer than MAX_LINE
        if self.unsent >= 128 { self.flush().await } else { Ok(None) }
    }

    async fn flush(&mut self) -> io::Result<Option<Gone>> {
        let Some(recorder) = &mut self.recorder else { return Ok(None) };
        self.unsent = 0;
        let lines = recorder.take()?;
        self.send(&lines).await
    }

    async fn finish(&mut self) -> io::Result<Option<Gone>> {
        let Some(recorder) = self.recorder.take() else { return Ok(None) };
        let lines = recorder.finish()?;
        self.send(&lines).await
    }

    async fn send(&mut self, lines: &[u8]) -> io::Result<Option<Gone>> {
        const { assert!(limits::CHUNK <= MAX_LINE) }
        for chunk in lines.chunks(limits::CHUNK) {
            match timeout(limits::STALLED, self.to.write_all(chunk)).await {
                Ok(written) => written?,
                Err(_) => return Ok(Some(Gone::Stalled)),
            }
        }
        Ok(None)
    }
}
