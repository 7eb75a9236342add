//! Recordings that are rotated: each complete in itself, the oldest deleted, a full disk survived.
//!
//! A recording is a client like others, on a thread of its own: a slow disk never slows the tracing.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::event::Event;
use crate::live::boot_now;
use crate::output::Clock;
use crate::stream::{self, Recorder};

use super::limits;
use super::queue::{Queue, Taken};
use super::server::{Request, Subscription};

/// What the names of recordings begin and end with.
const NAME: (&str, &str) = ("tracer-", ".rec");

/// Where recordings go, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// A directory.
    pub dir: PathBuf,
    /// A new one is begun when one has this size, bytes.
    pub size: u64,
    /// The oldest are deleted when there are more.
    pub files: usize,
}

/// The thread that records.
#[derive(Debug)]
pub struct Rotator {
    thread: Option<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

impl Rotator {
    /// Records from now on.
    ///
    /// # Errors
    /// When there is no directory to write to, or no thread to be had.
    pub fn start(rotation: Rotation, requests: mpsc::Sender<Request>) -> io::Result<Self> {
        fs::read_dir(&rotation.dir).map(drop)?;
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let thread = std::thread::Builder::new().name("tracer-record".to_owned()).spawn(move || {
            runtime.block_on(record(&rotation, &requests, stopped));
        })?;
        Ok(Self { thread: Some(thread), stop })
    }

    /// Ends it; what has happened by now is in the last recording, which is completed, once the hub is closed.
    pub fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread that records panicked");
        }
    }
}

/// Why a file ended.
enum Next {
    /// It is full: this is what the next one begins with.
    Another(Box<Subscription>),
    /// The agent ends, or recordings are not wanted any more.
    Over,
}

async fn record(rotation: &Rotation, requests: &mpsc::Sender<Request>, mut stopped: watch::Receiver<bool>) {
    let mut failing = false;
    let mut next = None;
    loop {
        let subscription = match next.take() {
            Some(subscription) => subscription,
            None => match subscribe(requests, None).await {
                Some(subscription) => subscription,
                None => return,
            },
        };
        match one(rotation, requests, subscription, &mut stopped, &mut failing).await {
            Ok(Next::Another(subscription)) => next = Some(*subscription),
            Ok(Next::Over) => return,
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    let dir = rotation.dir.display();
                    log::warn!("cannot record in {dir}: {error}; tracing goes on, and recordings as soon as they can");
                }
                let over = stopped.wait_for(|stopped| *stopped);
                if timeout(limits::DISK_RETRY, over).await.is_ok() {
                    return;
                }
            }
        }
    }
}

/// Asks for what is there and what happens; whatever `replaces` is the queue of ends at the same moment.
async fn subscribe(requests: &mpsc::Sender<Request>, replaces: Option<Arc<Queue>>) -> Option<Subscription> {
    let (reply, answer) = oneshot::channel();
    requests.send(Request { present_only: true, replaces, reply }).await.ok()?;
    answer.await.ok()
}

/// Writes one file. It is removed if not even what was known at its beginning is in it.
async fn one(
    rotation: &Rotation,
    requests: &mpsc::Sender<Request>,
    subscription: Subscription,
    stopped: &mut watch::Receiver<bool>,
    failing: &mut bool,
) -> io::Result<Next> {
    let Subscription { start, history, queue, .. } = subscription;
    let closing = Closing(Arc::clone(&queue));
    let clock = Clock { boot_to_wall_ns: start.boot_to_wall_ns };
    // not the time of the last event: on a quiet node that may be the one before's, too
    let name = format!("{}{}{}", NAME.0, clock.rfc3339(boot_now()).to_string().replace(':', "."), NAME.1);
    let path = rotation.dir.join(name);
    make_room(rotation)?;
    let begun = stream::create(&path, &start).map_err(|error| error.source).and_then(|recorder| {
        let mut file = Written { recorder, path: &path };
        history.iter().try_for_each(|event| file.event(event))?;
        file.recorder.flush()?;
        Ok(file)
    });
    let mut file = match begun {
        Ok(file) => file,
        Err(error) => {
            fs::remove_file(&path).unwrap_or_default();
            return Err(error);
        }
    };
    if std::mem::replace(failing, false) {
        log::warn!("recordings go on with {}", path.display());
    }
    drop(history);
    // one that begins with more than fits must not be full at once, or there would be nothing but beginnings
    let full = rotation.size.max(fs::metadata(&path)?.len().saturating_mul(2));
    let mut next = None;
    let mut asked = false;
    loop {
        let Taken { events, end } = tokio::select! {
            taken = queue.take() => taken,
            _ = stopped.wait_for(|stopped| *stopped), if !asked => {
                asked = true;
                queue.close();
                continue;
            }
        };
        events.iter().try_for_each(|kept| file.event(&kept.event))?;
        file.recorder.flush()?;
        if end.is_some() {
            file.recorder.finish()?;
            drop(closing);
            return Ok(next.map_or(Next::Over, |next| Next::Another(Box::new(next))));
        }
        if next.is_none() && fs::metadata(&path)?.len() >= full {
            // what happens until the next one begins is still for this one
            next = subscribe(requests, Some(Arc::clone(&queue))).await;
        }
    }
}

/// Whatever happens, nobody goes on to fill the queue.
struct Closing(Arc<Queue>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

struct Written<'a> {
    recorder: Recorder<File>,
    path: &'a Path,
}

impl Written<'_> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match self.recorder.record(event) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                log::debug!("an event is too long for {}", self.path.display());
                Ok(())
            }
            other => other,
        }
    }
}

/// Deletes the oldest, so that with a new one there are as many as are wanted.
fn make_room(rotation: &Rotation) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(&rotation.dir)? {
        let name = entry?.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(NAME.0) && name.ends_with(NAME.1)) {
            names.push(name);
        }
    }
    // named by the time they began, so that this is their order
    names.sort();
    let surplus = (names.len() + 1).saturating_sub(rotation.files.max(1));
    for name in names.into_iter().take(surplus) {
        fs::remove_file(rotation.dir.join(name))?;
    }
    Ok(())
}
