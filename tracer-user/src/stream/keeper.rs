//! The last events, in memory: what just happened can be written down although nobody asked for a recording in time.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;

use crate::event::{CgroupId, Event, TaskKey, What};

use super::{Recorder, Start, about};

/// Events kept, at most. One takes some hundred bytes.
const KEPT: usize = 60_000;

/// What is done without when there is no room, in this order.
const DISPENSABLE: [fn(&What) -> bool; 3] = [
    |what| matches!(what, What::Exit(_)),
    |what| matches!(what, What::Fork(_) | What::Exec(_)),
    |what| !matches!(what, What::Cgroup(_) | What::Described(_) | What::Pod(_)),
];

/// The last events, and of the older ones those that a replay needs to know who is who.
#[derive(Clone, Debug)]
pub struct Keeper {
    start: Start,
    events: VecDeque<Event>,
    limit: usize,
}

impl Keeper {
    /// Keeps nothing yet. Recordings of it begin with `start`.
    #[must_use]
    pub const fn new(start: Start) -> Self {
        Self { start, events: VecDeque::new(), limit: KEPT }
    }

    /// Keeps an event.
    pub fn push(&mut self, event: Event) {
        if self.events.len() >= self.limit {
            self.thin();
        }
        self.events.push_back(event);
    }

    /// A recording of what concerns a container, by its full id, or (`None`) of everything.
    ///
    /// # Errors
    /// When nothing of the container is kept, or an event cannot be written as JSON.
    pub fn recording(&self, container: Option<&str>) -> io::Result<Vec<u8>> {
        let events = match container {
            Some(id) => about(id, self.events.iter())?,
            None => self.events.iter().cloned().collect(),
        };
        record(&self.start, &events)
    }

    /// Makes room: of the older half only what says who is there stays. If that is too much, processes go first, and what
    /// the containers are stays.
    fn thin(&mut self) {
        let newer = self.events.split_off(self.events.len() / 2);
        let older = std::mem::replace(&mut self.events, newer);
        let gone = Gone::of(older.iter());
        let mut founding: VecDeque<Event> = older
            .into_iter()
            .enumerate()
            .filter(|(n, event)| gone.spares(*n, &event.1))
            .map(|(_, event)| event)
            .collect();
        let most = self.limit / 3;
        for dispensable in DISPENSABLE {
            if founding.len() <= most {
                break;
            }
            founding.retain(|event| !dispensable(&event.1));
        }
        // the last resort, with more containers than any machine has
        founding.drain(..founding.len().saturating_sub(most));
        founding.append(&mut self.events);
        self.events = founding;
    }
}

/// A recording as it is in a file.
///
/// # Errors
/// When an event cannot be written as JSON.
pub fn record(start: &Start, events: &[Event]) -> io::Result<Vec<u8>> {
    let mut recorder = Recorder::new(Vec::new(), start)?;
    for event in events {
        match recorder.record(event) {
            // one that is too long is left out, as in any recording
            Err(error) if error.kind() != io::ErrorKind::InvalidInput => return Err(error),
            _ => {}
        }
    }
    recorder.finish()
}

/// Who is not there any more, and what was said again later.
#[derive(Default)]
struct Gone {
    cgroups: HashSet<CgroupId>,
    tasks: HashSet<TaskKey>,
    /// The last word on each container.
    described: HashMap<String, usize>,
    /// The last word on each pod.
    pods: HashMap<String, usize>,
    foreseen: HashMap<TaskKey, usize>,
}

impl Gone {
    fn of<'a>(events: impl Iterator<Item = &'a Event>) -> Self {
        let mut gone = Self::default();
        for (n, Event(_, what)) in events.enumerate() {
            match what {
                What::CgroupGone(event) => drop(gone.cgroups.insert(event.cgroup)),
                What::Reaped(event) => drop(gone.tasks.insert(event.task.key())),
                What::Described(told) => drop(gone.described.insert(told.id.clone(), n)),
                What::Pod(told) => drop(gone.pods.insert(told.pod.uid.clone(), n)),
                What::Foreseen(told) => drop(gone.foreseen.insert(told.task, n)),
                _ => {}
            }
        }
        gone
    }

    /// Whether an event is needed to know who is there.
    fn spares(&self, n: usize, what: &What) -> bool {
        let lives = |key: TaskKey| !self.tasks.contains(&key);
        match what {
            What::Cgroup(found) => !self.cgroups.contains(&found.cgroup),
            What::Described(told) => self.described.get(&told.id) == Some(&n),
            What::Pod(told) => self.pods.get(&told.pod.uid) == Some(&n),
            What::Foreseen(told) => lives(told.task) && self.foreseen.get(&told.task) == Some(&n),
            What::Process(seen) => lives(seen.task.key()),
            What::Fork(forked) => lives(forked.child.key()),
            What::Exec(execed) => lives(execed.task.key()),
            What::Joined(joined) => lives(joined.task.key()),
            // a zombie that nobody reaps
            What::Exit(exited) => lives(exited.task.key()),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::BufReader;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::event::BootNs;
    use crate::event::made::{Made, fork};
    use crate::model::{Node, Termination};
    use crate::stream::Reader;

    fn scenarios() -> Vec<PathBuf> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
        let files = std::fs::read_dir(dir).expect("scenarios").map(|entry| entry.expect("a file").path());
        let mut recordings: Vec<_> = files.filter(|path| path.extension().is_some_and(|ext| ext == "rec")).collect();
        recordings.sort();
        recordings
    }

    fn read(input: impl io::BufRead) -> (Start, Vec<Event>) {
        let reader = Reader::new(input).expect("a recording");
        (reader.start().clone(), reader.map(|event| event.expect("an event")).collect())
    }

    fn ends(events: &[Event]) -> Vec<Termination> {
        let mut node = Node::new();
        for event in events {
            node.apply(event);
        }
        node.conclude();
        node.terminations().map(|end| (**end).clone()).collect()
    }

    /// Whatever container is asked for: its recording tells the same end as the whole.
    #[test]
    fn the_recording_of_one_container_tells_of_its_end_as_the_whole_did() {
        let mut told = 0;
        for path in scenarios() {
            let (start, events) = read(BufReader::new(File::open(&path).expect("it is there")));
            let mut keeper = Keeper::new(start.clone());
            for event in &events {
                keeper.push(event.clone());
            }
            for end in ends(&events) {
                let id = &end.container.id;
                let recording = keeper.recording(Some(id)).expect("memory");
                let (again, part) = read(&recording[..]);
                assert_eq!(again, start);
                let alone = ends(&part);
                assert!(alone.contains(&end), "{}: {id}: {alone:#?}\nis not {end:#?}", path.display());
                told += 1;
            }
            let whole = keeper.recording(None).expect("memory");
            assert_eq!(read(&whole[..]).1, events);
        }
        assert!(told > 60, "{told}");
    }

    /// With no room for all of it, what is left still tells the end, if that was the last that happened.
    #[test]
    fn who_is_there_is_kept_when_older_events_go() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/dash-drops.rec");
        let (start, events) = read(BufReader::new(File::open(path).expect("it is there")));
        let stop = events.iter().position(|event| matches!(event.1, What::Signal(_))).expect("it is stopped");
        let mut keeper = Keeper { limit: 200, ..Keeper::new(start) };
        for event in &events[..stop] {
            keeper.push(event.clone());
        }
        let last = events[stop - 1].0;
        for n in 1..=2_000 {
            keeper.push(Event(BootNs(last.0 + n), What::Tick {}));
        }
        assert!(keeper.events.len() <= 200);
        for event in &events[stop..] {
            keeper.push(event.clone());
        }
        let (whole, part) = (ends(&events), ends(&keeper.events.iter().cloned().collect::<Vec<_>>()));
        assert_eq!(part.len(), 1);
        assert_eq!((part[0].verdict, &part[0].explanation), (whole[0].verdict, &whole[0].explanation));
    }

    /// A machine full of processes that stay: what the container is stays, too.
    #[test]
    fn processes_go_before_what_the_containers_are() {
        let (start, _) = read(BufReader::new(File::open(&scenarios()[0]).expect("it is there")));
        let made = Made { number: 2 };
        let mut keeper = Keeper { limit: 100, ..Keeper::new(start) };
        for event in made.found("app", None, None, "node") {
            keeper.push(event);
        }
        for n in 0..1_000 {
            keeper.push(fork(1_000 + u64::from(n), made.task(100 + n, "worker"), made.task(1, "node")));
        }
        assert!(keeper.events.len() <= 100);
        let recording = keeper.recording(Some(&made.id())).expect("it is still known");
        let kept = read(&recording[..]).1;
        assert!(kept.iter().any(|event| matches!(event.1, What::Cgroup(_))));
        assert!(kept.iter().any(|event| matches!(event.1, What::Described(_))));
        let error = keeper.recording(Some("somebody else")).expect_err("there is nothing of it");
        assert_eq!(error.to_string(), "nothing of this container is kept any more");
    }

    #[test]
    fn there_is_a_limit_even_if_everybody_stays() {
        let (start, events) = read(BufReader::new(File::open(&scenarios()[0]).expect("it is there")));
        let founding = events.iter().find(|event| matches!(event.1, What::Cgroup(_))).expect("a container");
        let mut keeper = Keeper { limit: 100, ..Keeper::new(start) };
        for _ in 0..1_000 {
            keeper.push(founding.clone());
        }
        assert!(keeper.events.len() <= 100);
    }
}
