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

/// The time between them, with `0` for any digit.
const TIME: &str = "0000-00-00T00.00.00.000000000Z";

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

impl Rotation {
    /// Whether recordings could go there, as far as can be told without writing one. Waits for the disk.
    ///
    /// # Errors
    /// When there is no such directory.
    pub fn check(&self) -> io::Result<()> {
        fs::read_dir(&self.dir).map(drop)
    }
}

/// The thread that records.
#[derive(Debug)]
pub struct Rotator {
    thread: Option<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

impl Rotator {
    /// Records from now on. Does not wait for the disk: what is wrong with the directory the thread says, and tries again.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(rotation: Rotation, requests: mpsc::Sender<Request>) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let thread = std::thread::Builder::new().name("tracer-record".to_owned()).spawn(move || {
            runtime.block_on(record(&rotation, &requests, stopped));
        })?;
        Ok(Self { thread: Some(thread), stop })
    }

    /// It shall end: what has happened by now is still written, and the recording completed. Waits for nothing.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ends it and waits for that, and so for the disk: nothing for the tracing thread while it traces.
    pub fn join(mut self) {
        self.stop();
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
            None => match subscribe(requests, None, &mut stopped).await {
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
/// `None` when nobody answers any more, or nobody wants the answer: the tracing thread, which alone answers, may be the
/// one that stops us.
async fn subscribe(
    requests: &mpsc::Sender<Request>,
    replaces: Option<Arc<Queue>>,
    stopped: &mut watch::Receiver<bool>,
) -> Option<Subscription> {
    let (reply, answer) = oneshot::channel();
    let answered = async {
        requests.send(Request { present_only: true, replaces, reply }).await.ok()?;
        answer.await.ok()
    };
    tokio::select! {
        subscription = answered => subscription,
        _ = stopped.wait_for(|stopped| *stopped) => None,
    }
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
    let path = rotation.dir.join(name(clock));
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
            next = subscribe(requests, Some(Arc::clone(&queue)), stopped).await;
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

/// The name of a recording that begins now.
fn name(clock: Clock) -> String {
    format!("{}{}{}", NAME.0, clock.rfc3339(boot_now()).to_string().replace(':', "."), NAME.1)
}

/// Whether a file has the name of a recording that is rotated. Others may be there: the terminal UI saves
/// `tracer-CONTAINER-TIME.rec`, and those are not ours to delete.
fn is_ours(name: &str) -> bool {
    let time = name.strip_prefix(NAME.0).and_then(|name| name.strip_suffix(NAME.1));
    time.is_some_and(|time| {
        time.len() == TIME.len()
            && time.bytes().zip(TIME.bytes()).all(
                |(is, like)| {
                    if like == b'0' { is.is_ascii_digit() } else { is == like }
                },
            )
    })
}

/// Deletes the oldest, so that with a new one there are as many as are wanted.
fn make_room(rotation: &Rotation) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(&rotation.dir)? {
        let name = entry?.file_name();
        if name.to_str().is_some_and(is_ours) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::made::Made;
    use crate::stream::{Cgroups, FORMAT, Reader, Start};
    use std::io::BufReader;
    use std::time::Duration;
    use tempfile::TempDir;

    use super::super::protocol::{PROTOCOL, Welcome};
    use super::super::thin::Kept;

    /// More than any machine needs.
    const PATIENCE: Duration = Duration::from_secs(30);

    fn rotation() -> (TempDir, Rotation) {
        let dir = tempfile::tempdir().expect("there is room");
        let rotation = Rotation { dir: dir.path().to_owned(), size: 1, files: 3 };
        (dir, rotation)
    }

    fn ends(rotator: Rotator) {
        let (over, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            rotator.join();
            over.send(())
        });
        ended.recv_timeout(PATIENCE).expect("it ends although nobody answers");
    }

    /// What the tracing thread gives, with a history of these events.
    fn answer(request: Request, history: &[Event]) -> Arc<Queue> {
        let queue = Arc::new(Queue::new(false));
        let history = history.iter().cloned().map(Arc::new).collect();
        let welcome = Welcome {
            protocol: PROTOCOL,
            tool: String::new(),
            format: FORMAT,
            pid: 1,
            since: boot_now(),
            history: 0,
            terminations: 0,
            filters: Vec::new(),
        };
        let start = Start {
            format: FORMAT,
            tool: String::new(),
            kernel: String::new(),
            arch: String::new(),
            boot_id: String::new(),
            boot_to_wall_ns: 0,
            attached: Vec::new(),
            cgroups: Cgroups::V2,
            command: Vec::new(),
        };
        let subscription = Subscription { start, history, queue: Arc::clone(&queue), welcome };
        request.reply.send(subscription).expect("it waits");
        queue
    }

    #[test]
    fn who_waits_for_a_first_answer_ends_without_it() {
        let (_dir, rotation) = rotation();
        let (requests, wanted) = mpsc::channel(1);
        let rotator = Rotator::start(rotation, requests).expect("a thread");
        ends(rotator);
        drop(wanted);
    }

    #[test]
    fn who_waits_for_another_recording_ends_without_it_and_completes_the_one_it_has() {
        let (dir, rotation) = rotation();
        let (requests, mut wanted) = mpsc::channel(1);
        let rotator = Rotator::start(rotation, requests).expect("a thread");
        let known = Made { number: 3 }.found("web", None, None, "sh");
        let queue = answer(wanted.blocking_recv().expect("it asks"), &known);
        let more: Vec<_> = (1..200)
            .map(|number| Made { number: 3 }.task(number, "true"))
            .map(|task| Arc::new(Made::seen(2, task, Made::runc())))
            .collect();
        let more: Vec<_> = (1..).zip(more).map(|(seq, event)| Kept { seq, event }).collect();
        assert!(queue.push(&more));
        let unanswered = wanted.blocking_recv().expect("it is full");
        assert!(unanswered.replaces.is_some());
        ends(rotator);
        let files: Vec<_> = fs::read_dir(dir.path()).expect("it is there").map(|file| file.expect("one")).collect();
        let [file] = files.as_slice() else { panic!("{files:?}") };
        let events = Reader::new(BufReader::new(File::open(file.path()).expect("ours"))).expect("a recording");
        let events: Vec<_> = events.map(|event| event.expect("it is good")).collect();
        assert_eq!(events.len(), known.len() + more.len());
    }

    #[test]
    fn room_is_made_at_the_cost_of_our_own_recordings_alone() {
        let (dir, rotation) = rotation();
        let ours = (1..=4).map(|second| format!("tracer-2026-11-21T14.03.0{second}.000000000Z.rec"));
        let ours: Vec<_> = ours.chain([name(Clock { boot_to_wall_ns: 1_795_269_787_000_000_000 })]).collect();
        let others = [
            "tracer-web-2026-11-21T14.03.07.rec",
            "tracer-2026-11-21T14.03.07Z.rec",
            "tracer-2026-11-21-2026-11-21T14.03.07.000000000Z.rec",
            "tracer-.rec",
        ];
        for name in ours.iter().map(String::as_str).chain(others) {
            fs::write(dir.path().join(name), "").expect("there is room");
        }
        make_room(&rotation).expect("they can be deleted");
        let is_left = |name: &str| dir.path().join(name).exists();
        assert!(others.iter().all(|name| is_left(name)));
        // three are wanted, one of them is the new one
        let left: Vec<_> = ours.iter().map(|name| is_left(name)).collect();
        assert_eq!(left, [false, false, false, true, true]);
    }
}
