//! What there is to ask a daemon, and what is being asked.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::client::{ANSWER, AT_ONCE, Answer, Client, within};
use super::state::Failure;

/// Jobs that wait. A node runs a few hundred containers.
const MAX_QUEUE: usize = 8192;
/// How long a job waits before it is tried again, and at most.
const FIRST_RETRY: Duration = if cfg!(test) { Duration::from_millis(200) } else { Duration::from_secs(2) };
const LAST_RETRY: Duration = Duration::from_mins(1);
/// When to ask again about a container whose first process is still to come, which is not known yet, or about which
/// something else was said that may be otherwise a moment later.
const SOON: [Duration; 3] = if cfg!(test) {
    [Duration::from_millis(10), Duration::from_millis(30), Duration::from_millis(90)]
} else {
    [Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(3)]
};

/// Something to ask the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) what: What,
    /// Somebody asked for it: it goes first, and the answer is told even if nothing changed.
    pub(super) wanted: bool,
    /// How often it failed.
    failed: u32,
    /// How often the answer was that it is too early.
    early: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum What {
    /// Which containers run.
    List,
    /// All about one.
    Inspect(String),
}

impl Job {
    pub(super) fn list() -> Self {
        Self { what: What::List, wanted: false, failed: 0, early: 0 }
    }

    pub(super) fn wanted(id: String) -> Self {
        Self { what: What::Inspect(id), wanted: true, failed: 0, early: 0 }
    }

    pub(super) fn inspect(id: String) -> Self {
        Self { wanted: false, ..Self::wanted(id) }
    }

    /// Whether somebody asked for it, now or when it was too early.
    pub(super) const fn is_asked_for(&self) -> bool {
        self.wanted || self.early > 0
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::List => f.write_str("what runs"),
            What::Inspect(id) => write!(f, "container {}", id.get(..12).unwrap_or(id)),
        }
    }
}

/// What came of a job.
pub(super) enum Done {
    Listed(Vec<String>),
    Answered(Answer),
}

/// Jobs that wait for their turn.
#[derive(Debug, Default)]
pub(super) struct Queue {
    jobs: VecDeque<Job>,
    /// What waits: a daemon may list hundreds of thousands, and each is looked for.
    waiting: HashSet<What>,
}

impl Queue {
    /// Puts a job in, unless it waits there already: wanted ones before all others. What does not fit is dropped; its
    /// container keeps its id for a name.
    pub(super) fn push(&mut self, job: Job) {
        if self.waiting.contains(&job.what) {
            let waits = |waiting: &Job| !waiting.wanted && waiting.what == job.what;
            let Some(at) = job.wanted.then(|| self.jobs.iter().position(waits)).flatten() else { return };
            self.jobs.remove(at);
        } else if self.jobs.len() >= MAX_QUEUE {
            return;
        } else {
            self.waiting.insert(job.what.clone());
        }
        if job.wanted {
            let others = self.jobs.iter().position(|waiting| !waiting.wanted).unwrap_or(self.jobs.len());
            self.jobs.insert(others, job);
        } else {
            self.jobs.push_back(job);
        }
    }

    /// The first job that is none of those.
    fn take(&mut self, busy: &HashMap<What, Job>) -> Option<Job> {
        let at = self.jobs.iter().position(|job| !busy.contains_key(&job.what))?;
        let job = self.jobs.remove(at)?;
        self.waiting.remove(&job.what);
        Some(job)
    }
}

/// Jobs under way, and those put off.
#[derive(Default)]
pub(super) struct Work {
    running: JoinSet<(Job, Result<Done, Failure>)>,
    /// What is running, so that an event does not make it run twice.
    busy: HashMap<What, Job>,
    later: Vec<(Instant, Job)>,
}

impl Work {
    pub(super) fn start<C: Client>(&mut self, queue: &mut Queue, client: &C) {
        while self.running.len() < AT_ONCE {
            // what is being asked already is asked again afterwards: the answer may be older than the event
            let Some(job) = queue.take(&self.busy) else { return };
            self.busy.insert(job.what.clone(), job.clone());
            let client = client.clone();
            self.running.spawn(async move {
                let done = match &job.what {
                    What::List => within(2 * ANSWER, client.running()).await.map(Done::Listed),
                    What::Inspect(id) => within(ANSWER, client.inspect(id)).await.map(Done::Answered),
                };
                (job, done)
            });
        }
    }

    /// The next job that is done; `None` (and never ready again until one is started) when none runs.
    pub(super) async fn next(&mut self) -> Option<(Job, Result<Done, Failure>)> {
        // a job that panicked would be ours to mend; it counts as one that never was
        let (job, done) = self.running.join_next().await?.ok()?;
        self.busy.remove(&job.what);
        Some((job, done))
    }

    /// What is under way or put off.
    pub(super) fn unfinished(self) -> impl Iterator<Item = Job> {
        self.busy.into_values().chain(self.later.into_iter().map(|(_, job)| job))
    }

    /// Tries it again, ever more rarely.
    pub(super) fn put_off(&mut self, mut job: Job) {
        let wait = FIRST_RETRY.saturating_mul(1 << job.failed.min(10)).min(LAST_RETRY);
        job.failed += 1;
        self.wait(job, wait);
    }

    /// Asks once more soon, unless that was done often enough. What is asked for the first time goes before.
    pub(super) fn again_soon(&mut self, job: Job) {
        if let Some(&wait) = SOON.get(job.early) {
            self.wait(Job { wanted: false, early: job.early + 1, ..job }, wait);
        }
    }

    fn wait(&mut self, job: Job, wait: Duration) {
        if self.later.len() < MAX_QUEUE {
            self.later.push((Instant::now() + wait, job));
        }
    }

    /// When something that was put off is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.later.iter().map(|(at, _)| *at).min()
    }

    pub(super) fn bring_back(&mut self, queue: &mut Queue) {
        let now = Instant::now();
        for (_, job) in self.later.extract_if(.., |(at, _)| *at <= now) {
            queue.push(job);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_ones_go_first_and_once() {
        let mut queue = Queue::default();
        let inspect = |id: &str| Job::inspect(id.to_owned());
        let wanted = |id: &str| Job::wanted(id.to_owned());
        for job in [Job::list(), inspect("a"), wanted("c"), wanted("d"), wanted("c"), wanted("a"), inspect("d")] {
            queue.push(job);
        }
        assert_eq!(queue.jobs, [wanted("c"), wanted("d"), wanted("a"), Job::list()]);
    }

    #[test]
    fn it_is_bounded() {
        let mut queue = Queue::default();
        for n in 0..=MAX_QUEUE {
            queue.push(Job::inspect(n.to_string()));
        }
        assert_eq!(queue.jobs.len(), MAX_QUEUE);
    }

    /// A list of 16 MiB holds that many ids: all of them are passed over in a moment, or nothing else gets its turn.
    #[test]
    fn a_list_without_end_takes_no_time() {
        let mut queue = Queue::default();
        for n in 0..700_000 {
            queue.push(Job::inspect(format!("{n:012x}")));
        }
        assert_eq!((queue.jobs.len(), queue.waiting.len()), (MAX_QUEUE, MAX_QUEUE));
        while let Some(job) = queue.take(&HashMap::new()) {
            assert!(!queue.waiting.contains(&job.what));
        }
        assert!(queue.jobs.is_empty() && queue.waiting.is_empty());
    }

    #[test]
    fn it_is_too_early_three_times() {
        let mut work = Work::default();
        let mut job = Job::wanted("a".to_owned());
        for _ in SOON {
            work.again_soon(job);
            job = work.later.pop().expect("asked again").1;
        }
        work.again_soon(job);
        assert!(work.due().is_none());
    }
}
