//! Streams of events that no kernel would send: recorded ones, mangled, and such as are made up from nothing.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

use super::super::{Event, Task, What};
use super::made_up;
use crate::event::{BootNs, Lost};
use crate::stream::Reader;

/// What was recorded of real containers, each one a stream in order.
static RECORDED: LazyLock<Vec<Vec<Event>>> = LazyLock::new(|| {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let files = std::fs::read_dir(&directory).expect("tests/scenarios is there");
    let mut files: Vec<_> = files.map(|file| file.expect("it can be listed").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rec"));
    // the same case for the same number, wherever it runs
    files.sort();
    let read = |file: &Path| {
        let input = BufReader::new(File::open(file).expect("it can be opened"));
        let events = Reader::new(input).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        events.unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    files.iter().map(|file| read(file)).collect()
});

/// One thing that is done to a stream. Places are relative to its length.
#[derive(Clone, Debug)]
enum Mangle {
    /// An event comes earlier or later than it did.
    Move(Index, Index),
    /// An event comes a second time.
    Again(Index, Index),
    /// All between two places comes in reverse order.
    Backwards(Index, Index),
    /// An event has another time.
    At(Index, BootNs),
    /// The time goes back to zero from here on.
    Reset(Index),
    /// A process has the pid of another.
    Pid(Index, Index),
    /// A process is another one with the same pid.
    Reused(Index, u64),
    /// A process is in the cgroup of another.
    Cgroup(Index, Index),
    /// Something was lost, and that was noticed.
    Lost(Index, Lost),
    /// Something made up happens.
    Other(Index, Box<What>),
}

fn mangle() -> impl Strategy<Value = Mangle> {
    let index = any::<Index>;
    prop_oneof![
        (index(), index()).prop_map(|(from, to)| Mangle::Move(from, to)),
        (index(), index()).prop_map(|(from, to)| Mangle::Again(from, to)),
        (index(), index()).prop_map(|(from, to)| Mangle::Backwards(from, to)),
        (index(), made_up::moment()).prop_map(|(which, at)| Mangle::At(which, at)),
        index().prop_map(Mangle::Reset),
        (index(), index()).prop_map(|(from, to)| Mangle::Pid(from, to)),
        (index(), 0..3_u64).prop_map(|(which, start)| Mangle::Reused(which, start)),
        (index(), index()).prop_map(|(from, to)| Mangle::Cgroup(from, to)),
        (index(), made_up::lost()).prop_map(|(to, lost)| Mangle::Lost(to, lost)),
        (index(), made_up::what()).prop_map(|(to, what)| Mangle::Other(to, Box::new(what))),
    ]
}

impl Mangle {
    fn apply(self, events: &mut Vec<Event>) {
        let len = events.len();
        if len == 0 {
            return;
        }
        let at = |index: Index| index.index(len);
        match self {
            Self::Move(from, to) => {
                let event = events.remove(at(from));
                events.insert(at(to).min(len - 1), event);
            }
            Self::Again(from, to) => events.insert(at(to), events[at(from)].clone()),
            Self::Backwards(one, other) => events[at(one).min(at(other))..at(one).max(at(other))].reverse(),
            Self::At(which, time) => events[at(which)].0 = time,
            Self::Reset(from) => {
                let zero = events[at(from)].0;
                events[at(from)..].iter_mut().for_each(|event| event.0 = BootNs(event.0.since(zero)));
            }
            Self::Pid(from, to) => {
                let pid = tasks(&mut events[at(from)].1).first().map(|task| task.pid);
                for (task, pid) in tasks(&mut events[at(to)].1).into_iter().zip(pid) {
                    task.pid = pid;
                }
            }
            Self::Reused(which, start) => {
                if let Some(task) = tasks(&mut events[at(which)].1).first_mut() {
                    task.start = task.start.wrapping_add(start);
                }
            }
            Self::Cgroup(from, to) => {
                let cgroup = tasks(&mut events[at(from)].1).first().map(|task| task.cgroup);
                for (task, cgroup) in tasks(&mut events[at(to)].1).into_iter().zip(cgroup) {
                    task.cgroup = cgroup;
                }
            }
            Self::Lost(to, lost) => events.insert(at(to), Event(events[at(to)].0, What::Lost(lost))),
            Self::Other(to, what) => events.insert(at(to), Event(events[at(to)].0, *what)),
        }
    }
}

/// The processes that an event tells of.
fn tasks(what: &mut What) -> Vec<&mut Task> {
    match what {
        What::Signal(sent) => vec![&mut sent.target, &mut sent.sender],
        What::Deliver(delivered) => vec![&mut delivered.target],
        What::Exit(exited) => vec![&mut exited.task, &mut exited.parent],
        What::Fork(forked) => vec![&mut forked.child, &mut forked.parent],
        What::Exec(execed) => vec![&mut execed.task, &mut execed.parent],
        What::Reaped(reaped) => vec![&mut reaped.task],
        What::Joined(joined) => vec![&mut joined.task, &mut joined.parent],
        What::OomVictim(victim) => victim.task.iter_mut().collect(),
        What::Process(seen) => vec![&mut seen.task, &mut seen.parent],
        _ => Vec::new(),
    }
}

/// A recorded stream of which each event may be lost, and to which things are done.
pub(super) fn mangled() -> impl Strategy<Value = Vec<Event>> {
    select((0..RECORDED.len()).collect::<Vec<_>>())
        .prop_flat_map(|which| {
            let all: Vec<_> = (0..RECORDED[which].len()).collect();
            let (most, some) = (all.len().saturating_sub(3)..=all.len(), 0..=all.len());
            let kept = prop_oneof![Just(all.clone()), subsequence(all.clone(), most), subsequence(all, some)];
            (Just(which), kept, vec(mangle(), 0..8))
        })
        .prop_map(|(which, kept, mangles)| {
            let mut events: Vec<_> = kept.into_iter().map(|index| RECORDED[which][index].clone()).collect();
            for mangle in mangles {
                mangle.apply(&mut events);
            }
            events
        })
}

/// A recorded stream in any order at all, of which some may be lost.
pub(super) fn shuffled() -> impl Strategy<Value = Vec<Event>> {
    select((0..RECORDED.len()).collect::<Vec<_>>()).prop_flat_map(|which| {
        let all = &RECORDED[which];
        prop_oneof![Just(all.clone()), subsequence(all.clone(), 0..=all.len())].prop_shuffle()
    })
}
