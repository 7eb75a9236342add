//! One connection to a daemon, until it ends.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;

use futures_util::StreamExt as _;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::event::Described;

use super::bounds::is_id;
use super::client::{ANSWER, Answer, Client, Events, Heard, within};
use super::queue::{Done, Job, Queue, Work};
use super::state::{Failure, State};

/// Descriptions whose fingerprints are kept, so that what did not change is not told again.
const MAX_TOLD: usize = 8192;

/// One session. What it did not get done stays in `queue` for the next one.
pub(super) struct Session<'a> {
    pub(super) socket: &'a Path,
    pub(super) wanted: &'a mut mpsc::Receiver<String>,
    pub(super) out: &'a mpsc::Sender<Described>,
    pub(super) state: &'a watch::Sender<State>,
    pub(super) queue: &'a mut Queue,
}

/// How a session ended.
pub(super) enum Ended {
    /// The daemon is to be tried again later.
    Daemon(State),
    /// Nobody listens to us any more.
    Nobody,
}

impl Session<'_> {
    /// Talks to the daemon for as long as it is there.
    pub(super) async fn run<C: Client>(&mut self) -> Ended {
        let (client, version) = match within(ANSWER, C::connect(self.socket)).await {
            Ok(told) => told,
            Err(failure) => return Ended::Daemon(State::at(self.socket, failure)),
        };
        let connected = State::from(version);
        self.tell(&connected);
        self.queue.push(Job::list());
        let mut work = Work::default();
        let ended = self.follow(&mut work, &client, &connected).await;
        // the next session lists what runs; what somebody waits for it must not forget
        for job in work.unfinished().filter(|job| job.wanted) {
            self.queue.push(job);
        }
        ended.map_or(Ended::Nobody, Ended::Daemon)
    }

    /// `None` when nobody listens to us any more.
    async fn follow<C: Client>(&mut self, work: &mut Work, client: &C, connected: &State) -> Option<State> {
        let mut events = client.events();
        let mut told = Told::default();
        loop {
            work.start(self.queue, client);
            let due = work.due();
            tokio::select! {
                heard = next(&mut events) => match heard {
                    Some(Ok(heard)) => self.hear(heard, &mut told).await?,
                    ended => {
                        if let Some(state) = self.end_of_events::<C>(ended) {
                            return Some(state);
                        }
                        events = None;
                    }
                },
                id = self.wanted.recv() => self.queue.push(Job::wanted(id?)),
                Some((job, done)) = work.next() => match done {
                    Ok(done) => {
                        self.tell(connected);
                        self.take::<C>(work, &mut told, job, done).await?;
                    }
                    Err(failure) => {
                        log::info!("{}: {job}: {failure}", self.socket.display());
                        // what cannot be understood, or was refused, will hardly be otherwise in an hour
                        if matches!(failure, Failure::Refused(_)) {
                            work.again_soon(job);
                        } else {
                            work.put_off(job);
                        }
                        // nobody else would say that it is gone
                        if failure == Failure::Absent && events.is_none() {
                            return Some(State::at(self.socket, failure));
                        }
                        self.tell(&State::at(self.socket, failure));
                    }
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => work.bring_back(self.queue),
                () = self.out.closed() => return None,
            }
        }
    }

    /// How the session ends along with the events, if it does: some runtimes have none, and say so in many ways.
    fn end_of_events<C: Client>(&self, ended: Option<Result<Heard, Failure>>) -> Option<State> {
        let failure = match ended {
            Some(Err(failure)) => failure,
            _ if C::HAS_EVENTS => Failure::Absent,
            _ => Failure::Unserved,
        };
        if C::HAS_EVENTS || failure == Failure::Absent {
            return Some(State::at(self.socket, failure));
        }
        log::debug!("{} tells no events: {failure}", self.socket.display());
        None
    }

    /// `None` when nobody listens to us any more.
    async fn take<C: Client>(&mut self, work: &mut Work, told: &mut Told, job: Job, done: Done) -> Option<()> {
        match done {
            Done::Listed(ids) => {
                for id in ids.into_iter().filter(|id| is_id(id)) {
                    self.queue.push(Job::inspect(id));
                }
            }
            Done::Answered(Answer::Told(described)) => self.tell_of(told, &job, *described).await?,
            Done::Answered(Answer::Starting(described)) => {
                self.tell_of(told, &job, *described).await?;
                work.again_soon(job);
            }
            Done::Answered(Answer::Unknown) => {
                if C::KNOWS_LATE && job.is_asked_for() {
                    work.again_soon(job);
                }
            }
        }
        Some(())
    }

    /// `None` when nobody listens to us any more.
    async fn tell_of(&self, told: &mut Told, job: &Job, described: Described) -> Option<()> {
        if told.is_news(&described) || job.wanted {
            self.out.send(described).await.ok()?;
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

    /// An event is worth a question. What it says itself is told at once: a container that lives a moment only may be
    /// gone by the time of an answer. `None` when nobody listens to us any more.
    async fn hear(&mut self, heard: Heard, told: &mut Told) -> Option<()> {
        if !is_id(&heard.id) {
            return Some(());
        }
        if let Some(described) = heard.described {
            self.out.send(described).await.ok()?;
            // an event that is told again must not be the last word
            told.0.remove(&heard.id);
        }
        self.queue.push(Job::inspect(heard.id));
        Some(())
    }
}

/// What is heard next; never anything where nothing is.
async fn next(events: &mut Option<Events>) -> Option<Result<Heard, Failure>> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
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
