//! One connection to a daemon, until it ends.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::Path;
use std::pin::pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::errors::Error;
use bollard::models::EventMessage;
use bollard::query_parameters::{EventsOptions, InspectContainerOptions, ListContainersOptions};
use futures_util::{Stream, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::event::Described;
use crate::printable;

use super::State;
use super::describe::{describe, is_id, of_event};
use super::transport::{Allowance, client};

/// How long a daemon may take for an answer. Tests against one that never answers are in a hurry.
const ANSWER: Duration = if cfg!(test) { Duration::from_millis(300) } else { Duration::from_secs(5) };
/// How many inspections are under way at once: a daemon takes locks for each.
const AT_ONCE: usize = 4;
/// Jobs that wait. A node runs a few hundred containers.
const MAX_QUEUE: usize = 8192;
/// Descriptions whose fingerprints are kept, so that what did not change is not told again.
const MAX_TOLD: usize = 8192;
/// How long a job waits before it is tried again, and at most.
const FIRST_RETRY: Duration = if cfg!(test) { Duration::from_millis(200) } else { Duration::from_secs(2) };
const LAST_RETRY: Duration = Duration::from_mins(1);

/// What an answer may weigh, bytes. A list has a few KB a container, an inspection and an event all of its labels.
const LIST_SIZE: usize = 16 << 20;
const INSPECT_SIZE: usize = 4 << 20;
const EVENT_SIZE: usize = 1 << 20;
const VERSION_SIZE: usize = 1 << 20;

/// Something to ask the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    what: What,
    /// Somebody asked for it: it goes first, and the answer is told even if nothing changed.
    wanted: bool,
    /// How often it failed.
    failed: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    /// Which containers run.
    List,
    /// All about one.
    Inspect(String),
}

impl Job {
    pub(super) fn wanted(id: String) -> Self {
        Self { what: What::Inspect(id), wanted: true, failed: 0 }
    }

    fn inspect(id: String) -> Self {
        Self { what: What::Inspect(id), wanted: false, failed: 0 }
    }
}

/// Puts a job into the queue, unless it waits there already: wanted ones before all others. What does not fit is
/// dropped; its container keeps its id for a name.
pub(super) fn enqueue(queue: &mut VecDeque<Job>, job: Job) {
    if let Some(at) = queue.iter().position(|waiting| waiting.what == job.what) {
        if queue[at].wanted || !job.wanted {
            return;
        }
        queue.remove(at);
    }
    if queue.len() >= MAX_QUEUE {
        return;
    }
    if job.wanted {
        let others = queue.iter().position(|waiting| !waiting.wanted).unwrap_or(queue.len());
        queue.insert(others, job);
    } else {
        queue.push_back(job);
    }
}

/// What came of a job.
enum Answer {
    Running(Vec<String>),
    Told(Box<Described>),
    /// Asked and answered: the daemon knows no such container.
    Unknown,
}

/// Why there was no answer.
#[derive(Debug)]
pub(super) enum Failure {
    TimedOut,
    /// Nobody there.
    Absent,
    /// It said so itself, or it said nonsense: asking again would not help.
    Refused(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::RequestTimeoutError => Self::TimedOut,
            // its backlog is full: it accepts nothing
            Error::IOError { err } if err.kind() == io::ErrorKind::WouldBlock => Self::TimedOut,
            Error::IOError { err } if is_absent(&err) => Self::Absent,
            Error::HyperResponseError { err } if err.is_incomplete_message() || err.is_canceled() => Self::Absent,
            error => Self::Refused(printable::text(&chain(&error)).chars().take(300).collect()),
        }
    }
}

fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound};
    matches!(error.kind(), NotFound | ConnectionRefused | ConnectionReset | BrokenPipe)
}

/// An error with its causes, unless it repeats them.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

impl From<Failure> for State {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::TimedOut => Self::Hanging,
            Failure::Absent => Self::Absent,
            Failure::Refused(why) => Self::Failing(why),
        }
    }
}

/// One session. What it did not get done stays in `queue` for the next one.
pub(super) struct Session<'a> {
    pub(super) socket: &'a Path,
    pub(super) wanted: &'a mut mpsc::Receiver<String>,
    pub(super) out: &'a mpsc::Sender<Described>,
    pub(super) state: &'a watch::Sender<State>,
    pub(super) queue: &'a mut VecDeque<Job>,
}

impl Session<'_> {
    /// Talks to the daemon for as long as its event stream goes on. `None` when nobody listens to us any more.
    pub(super) async fn run(&mut self) -> Option<State> {
        let (runtime, version) = match within(ANSWER, version(self.socket)).await {
            Ok(told) => told,
            Err(failure) => return Some(failure.into()),
        };
        let connected = State::Connected { runtime: runtime.clone(), version };
        self.tell(&connected);
        enqueue(self.queue, Job { what: What::List, wanted: false, failed: 0 });
        let mut work = Work::default();
        let ended = self.follow(&mut work, &runtime, &connected).await;
        // the next session lists what runs; what somebody waits for it must not forget
        for job in work.unfinished().filter(|job| job.wanted) {
            enqueue(self.queue, job);
        }
        ended
    }

    async fn follow(&mut self, work: &mut Work, runtime: &str, connected: &State) -> Option<State> {
        let allowance = Allowance::new(EVENT_SIZE);
        let events = match events(self.socket, &allowance) {
            Ok(events) => events,
            Err(error) => return Some(Failure::from(error).into()),
        };
        let mut events = pin!(events);
        let mut told = Told::default();
        loop {
            work.start(self.queue, self.socket, runtime);
            let retry = work.later.iter().map(|(at, _)| *at).min();
            tokio::select! {
                event = events.next() => match event {
                    Some(Ok(event)) => {
                        allowance.renew(EVENT_SIZE);
                        self.take_event(event, &mut told, runtime).await?;
                    }
                    Some(Err(error)) => return Some(Failure::from(error).into()),
                    None => return Some(State::Absent),
                },
                id = self.wanted.recv() => enqueue(self.queue, Job::wanted(id?)),
                Some((job, answer)) = work.next() => match answer {
                    Ok(answer) => {
                        self.tell(connected);
                        self.take(&mut told, &job, answer).await?;
                    }
                    Err(failure) => {
                        // one that cannot be understood would not be the second time either
                        if !matches!(failure, Failure::Refused(_)) {
                            work.put_off(job);
                        }
                        self.tell(&failure.into());
                    }
                },
                () = sleep_until(retry.unwrap_or_else(Instant::now)), if retry.is_some() => work.bring_back(self.queue),
                () = self.out.closed() => return None,
            }
        }
    }

    /// `None` when nobody listens to us any more.
    async fn take(&mut self, told: &mut Told, job: &Job, answer: Answer) -> Option<()> {
        match answer {
            Answer::Running(ids) => {
                for id in ids {
                    enqueue(self.queue, Job::inspect(id));
                }
            }
            Answer::Told(described) => {
                let news = told.is_news(&described);
                if news || job.wanted {
                    self.out.send(*described).await.ok()?;
                }
            }
            Answer::Unknown => {}
        }
        Some(())
    }

    /// Tells how it stands, and wakes those who watch only if that is new.
    fn tell(&self, state: &State) {
        self.state.send_if_modified(|known| {
            let new = known != state;
            if new {
                known.clone_from(state);
            }
            new
        });
    }

    /// An event is worth an inspection. That a container was created is worth more: it tells the name, while an
    /// inspection waits until the container has started, and by then one that lives a moment only may be gone.
    /// `None` when nobody listens to us any more.
    async fn take_event(&mut self, event: EventMessage, told: &mut Told, runtime: &str) -> Option<()> {
        let created = event.action.as_deref() == Some("create");
        let Some(actor) = event.actor else { return Some(()) };
        let Some(id) = actor.id.filter(|id| is_id(id)) else { return Some(()) };
        if created && let Some(described) = of_event(&id, actor.attributes.unwrap_or_default(), runtime) {
            self.out.send(described).await.ok()?;
            // an event that is told again must not be the last word
            told.0.remove(&id);
        }
        enqueue(self.queue, Job::inspect(id));
        Some(())
    }
}

/// Jobs under way, and those put off.
#[derive(Default)]
struct Work {
    running: JoinSet<(Job, Result<Answer, Failure>)>,
    /// What is running, so that an event does not make it run twice.
    busy: HashMap<What, Job>,
    later: Vec<(Instant, Job)>,
}

impl Work {
    fn start(&mut self, queue: &mut VecDeque<Job>, socket: &Path, runtime: &str) {
        while self.running.len() < AT_ONCE {
            // what is being asked already is asked again afterwards: the answer may be older than the event
            let Some(at) = queue.iter().position(|job| !self.busy.contains_key(&job.what)) else { return };
            let Some(job) = queue.remove(at) else { return };
            self.busy.insert(job.what.clone(), job.clone());
            let (socket, runtime) = (socket.to_owned(), runtime.to_owned());
            self.running.spawn(async move {
                let answer = match &job.what {
                    What::List => within(2 * ANSWER, list(&socket)).await,
                    What::Inspect(id) => within(ANSWER, inspect(&socket, id, &runtime)).await,
                };
                (job, answer)
            });
        }
    }

    /// The next job that is done; `None` (and never ready again until one is started) when none runs.
    async fn next(&mut self) -> Option<(Job, Result<Answer, Failure>)> {
        // a job that panicked would be ours to mend; it counts as one that never was
        let (job, answer) = self.running.join_next().await?.ok()?;
        self.busy.remove(&job.what);
        Some((job, answer))
    }

    /// What is under way or put off.
    fn unfinished(self) -> impl Iterator<Item = Job> {
        self.busy.into_values().chain(self.later.into_iter().map(|(_, job)| job))
    }

    fn put_off(&mut self, mut job: Job) {
        let wait = FIRST_RETRY.saturating_mul(1 << job.failed.min(10)).min(LAST_RETRY);
        job.failed += 1;
        if self.later.len() < MAX_QUEUE {
            self.later.push((Instant::now() + wait, job));
        }
    }

    fn bring_back(&mut self, queue: &mut VecDeque<Job>) {
        let now = Instant::now();
        for (_, job) in self.later.extract_if(.., |(at, _)| *at <= now) {
            enqueue(queue, job);
        }
    }
}

/// Fingerprints of what was told.
#[derive(Default)]
struct Told(HashMap<String, u64>);

impl Told {
    fn is_news(&mut self, described: &Described) -> bool {
        let mut hasher = DefaultHasher::new();
        format!("{described:?}").hash(&mut hasher);
        let print = hasher.finish();
        if self.0.len() >= MAX_TOLD {
            self.0.clear();
        }
        self.0.insert(described.id.clone(), print) != Some(print)
    }
}

async fn within<T>(limit: Duration, ask: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
    match timeout(limit, ask).await {
        Ok(answer) => answer.map_err(Failure::from),
        Err(_elapsed) => Err(Failure::TimedOut),
    }
}

/// Who it is, `docker` or `podman`, and its version.
async fn version(socket: &Path) -> Result<(String, String), Error> {
    let told = client(socket, &Allowance::new(VERSION_SIZE))?.version().await?;
    let podman = told.components.iter().flatten().any(|component| component.name.starts_with("Podman"));
    let version = told.version.unwrap_or_default().chars().take(64).collect();
    Ok((if podman { "podman" } else { "docker" }.to_owned(), version))
}

/// Everything that gives a container a name, a pid or both.
fn events(socket: &Path, allowance: &Allowance) -> Result<impl Stream<Item = Result<EventMessage, Error>>, Error> {
    let list = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let filters = HashMap::from([
        ("type".to_owned(), list(&["container"])),
        ("event".to_owned(), list(&["create", "start", "rename"])),
    ]);
    // The daemon answers before it listens to itself; what happens in between is told again because of this.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let options = EventsOptions { since: Some(now.to_string()), until: None, filters: Some(filters) };
    Ok(client(socket, allowance)?.events(Some(options)))
}

async fn list(socket: &Path) -> Result<Answer, Error> {
    let running = client(socket, &Allowance::new(LIST_SIZE))?.list_containers(None::<ListContainersOptions>).await?;
    Ok(Answer::Running(running.into_iter().filter_map(|container| container.id).filter(|id| is_id(id)).collect()))
}

async fn inspect(socket: &Path, id: &str, runtime: &str) -> Result<Answer, Error> {
    let docker = client(socket, &Allowance::new(INSPECT_SIZE))?;
    match docker.inspect_container(id, None::<InspectContainerOptions>).await {
        Ok(told) => Ok(describe(told, runtime).map_or(Answer::Unknown, |told| Answer::Told(Box::new(told)))),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(Answer::Unknown),
        Err(error) => Err(error),
    }
}

/// Asks for these containers, one after the other.
pub(super) async fn ask(socket: &Path, ids: &[String], out: &mpsc::Sender<Described>) -> Result<State, Failure> {
    let (runtime, version) = within(ANSWER, version(socket)).await?;
    for id in ids.iter().filter(|id| is_id(id)) {
        if let Answer::Told(described) = within(ANSWER, inspect(socket, id, &runtime)).await?
            && out.send(*described).await.is_err()
        {
            break;
        }
    }
    Ok(State::Connected { runtime, version })
}
