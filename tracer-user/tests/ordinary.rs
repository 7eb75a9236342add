//! Healthy programs at work: an hour of it tells nothing. What the zoo's `ordinary-*` recorded between the first exec into
//! the container and its stop happens again and again here, as it was and slower, without root and without a kernel.

#![expect(clippy::unwrap_used, reason = "a test")]

mod expect;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use tracer_user::event::{BootNs, Event, Task, What};
use tracer_user::model::{ConditionKind, Node};
use tracer_user::stream::Reader;

const HOUR_NS: u64 = 3_600_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;

/// A recording, cut in two: how the container came to serve, and how it served.
struct Work {
    before: Vec<Event>,
    events: Vec<Event>,
    from: u64,
    until: u64,
}

impl Work {
    fn of(path: &Path) -> Self {
        let events: Vec<_> =
            Reader::new(BufReader::new(File::open(path).unwrap())).unwrap().map(Result::unwrap).collect();
        let begins =
            events.iter().position(|Event(_, what)| matches!(what, What::Exec(e) if e.filename.ends_with("/true")));
        let begins = begins.unwrap_or_else(|| panic!("{}: no exec of true", path.display()));
        let Event(_, What::Exec(marker)) = &events[begins] else { unreachable!("it was found as one") };
        let joins = |event: &&Event| matches!(&event.1, What::Joined(joined) if joined.task.key() == marker.task.key());
        let from = events.iter().find(joins).unwrap().0.0;
        let stops = |event: &&Event| matches!(&event.1, What::Signal(sent) if sent.target.ns_pid == 1 && sent.sender.comm.as_str() == "runc");
        let until = events.iter().find(stops).unwrap().0.0;
        let (before, rest): (Vec<_>, Vec<_>) = events.into_iter().partition(|event| event.0.0 < from);
        let events = rest.into_iter().filter(|event| event.0.0 < until && !matches!(event.1, What::Tick {})).collect();
        Self { before, events, from, until }
    }

    /// Its work again and again for an hour, everything in it as many times as long.
    fn for_an_hour(&self, slower: u64) -> Node {
        let mut node = Node::new();
        for event in &self.before {
            node.apply(event);
        }
        let length = (self.until - self.from) * slower;
        let mut start = self.from;
        while start - self.from < HOUR_NS {
            let moved = |ns: u64| if ns < self.from { ns } else { start + (ns - self.from) * slower };
            for Event(at, what) in &self.events {
                let mut what = what.clone();
                for task in tasks(&mut what) {
                    task.start = moved(task.start);
                }
                let at = BootNs(moved(at.0));
                node.tick(at);
                node.apply(&Event(at, what));
            }
            start += length;
            node.take_wants();
        }
        for second in 0..600 {
            node.tick(BootNs(start + second * SECOND_NS));
        }
        node
    }
}

/// All tasks that an event names.
fn tasks(what: &mut What) -> Vec<&mut Task> {
    match what {
        What::Signal(sent) => vec![&mut sent.target, &mut sent.sender],
        What::Deliver(delivered) => vec![&mut delivered.target],
        What::Exit(exited) => vec![&mut exited.task, &mut exited.parent],
        What::Fork(forked) => vec![&mut forked.child, &mut forked.parent],
        What::Exec(execed) => vec![&mut execed.task, &mut execed.parent],
        What::Joined(joined) => vec![&mut joined.task, &mut joined.parent],
        What::Reaped(reaped) => vec![&mut reaped.task],
        What::Process(seen) => vec![&mut seen.task, &mut seen.parent],
        _ => Vec::new(),
    }
}

fn recordings() -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(expect::directory()).unwrap().map(|file| file.unwrap().path());
    let ordinary = |path: &std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap();
        name.starts_with("ordinary-") && path.extension().is_some_and(|extension| extension == "rec")
    };
    files.filter(ordinary).collect()
}

/// The same without its reaping is told: the test above would notice.
#[test]
fn an_hour_of_it_without_reaping_is_told() {
    for path in recordings() {
        let mut work = Work::of(&path);
        work.events.retain(|event| !matches!(event.1, What::Reaped(_)));
        let node = work.for_an_hour(1);
        let told: Vec<_> = node.conditions().map(|(_, condition)| condition.kind).collect();
        assert!(told.contains(&ConditionKind::Zombies), "{}: {told:?}", path.display());
    }
}

#[test]
fn an_hour_of_ordinary_work_tells_nothing() {
    let recordings = recordings();
    assert!(recordings.len() >= 7, "{recordings:?}");
    for path in recordings {
        let work = Work::of(&path);
        let name = path.display();
        let seconds = (work.until - work.from) / SECOND_NS;
        let forks = work.events.iter().filter(|event| matches!(event.1, What::Fork(_) | What::Joined(_))).count();
        assert!(seconds >= 4 && forks >= 3, "{name}: {seconds} s, in which {forks} processes began");
        for slower in [1, 4] {
            let node = work.for_an_hour(slower);
            let told: Vec<_> = node.conditions().map(|(_, condition)| condition.explanation.clone()).collect();
            assert_eq!(told, Vec::<String>::new(), "{name}, {slower} times as slow");
            assert_eq!(node.terminations().count(), 0, "{name} has not ended");
            let left = node.processes().len();
            assert!(left < 40, "{name}: {left} processes are left in the model");
        }
    }
}
