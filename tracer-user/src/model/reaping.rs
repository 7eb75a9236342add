//! Who reaps in a container, and who does not: what views show of its zombies. Read only.

use std::collections::BTreeMap;

use crate::event::{BootNs, TaskKey};

use super::change::Party;
use super::explain;
use super::limits;
use super::node::Node;
use super::process::{ContainerKey, Place, Process};

/// The zombies of a container, and where that leads.
#[derive(Clone, Debug, PartialEq)]
pub struct Reaping {
    /// Those that are there, the oldest first.
    pub zombies: Vec<Zombie>,
    /// Who should reap them, with how many of them; who owes most is first.
    pub negligent: Vec<Negligent>,
    /// How many more there are each minute at the present rate, in tenths.
    pub per_minute_tenths: u64,
    /// `pids.current`, as last read.
    pub pids_current: Option<u64>,
    /// `pids.max`; `None` where there is none or it is not known.
    pub pids_max: Option<u64>,
    /// Time until `pids.max` is reached at the present rate, ms.
    pub full_in_ms: Option<u64>,
}

/// A process that ended and was not reaped.
#[derive(Clone, Debug, PartialEq)]
pub struct Zombie {
    /// Who.
    pub process: Party,
    /// Time since its exit, ms; since it was seen, where it was there before tracing began.
    pub age_ms: u64,
    /// It was a zombie already when tracing began: it is older than its age says.
    pub older: bool,
    /// Who should reap it, unless that is unknown.
    pub parent: Option<Party>,
    /// Its parent died, and this one got it.
    pub adopted: bool,
    /// It came from an exec into the container (`docker exec`, a probe), or descends from such a process.
    pub from_exec: bool,
}

/// A process that does not reap.
#[derive(Clone, Debug, PartialEq)]
pub struct Negligent {
    /// Who; `None` where the parent of some is unknown.
    pub parent: Option<Party>,
    /// Children of its own that wait for it.
    pub own: usize,
    /// Those it adopted.
    pub adopted: usize,
}

impl Reaping {
    /// Age of the oldest zombie, ms.
    #[must_use]
    pub fn oldest_ms(&self) -> u64 {
        self.zombies.first().map_or(0, |zombie| zombie.age_ms)
    }

    /// Zombies that an exec into the container left.
    #[must_use]
    pub fn from_exec(&self) -> usize {
        self.zombies.iter().filter(|zombie| zombie.from_exec).count()
    }
}

impl Node {
    /// How it stands with the zombies of a container; nothing where there are none that were told.
    #[must_use]
    pub fn reaping(&self, owner: ContainerKey, now: BootNs) -> Option<Reaping> {
        let container = self.container(owner)?;
        let mut dead: Vec<_> =
            self.told_zombies(owner).filter(|process| Some(process.key()) != container.first).collect();
        if dead.is_empty() {
            return None;
        }
        dead.sort_by_key(|process| (process.exit.map(|(at, _)| at), process.key()));
        let zombies: Vec<_> = dead.iter().map(|process| self.zombie(process, now)).collect();
        let per_minute_tenths = rate(&zombies);
        let figures = container.figures;
        let room = figures.pids_max.zip(figures.pids_current).map(|(max, current)| max.saturating_sub(current));
        Some(Reaping {
            negligent: negligent(&zombies, &dead),
            per_minute_tenths,
            pids_current: figures.pids_current,
            pids_max: figures.pids_max,
            full_in_ms: room.and_then(|room| room.saturating_mul(600_000).checked_div(per_minute_tenths)),
            zombies,
        })
    }

    /// Who gets the orphans of a container in which an init made for containers runs and is not PID 1, in a sentence. From
    /// strangers: not safe for a terminal.
    #[must_use]
    pub fn init_below(&self, owner: ContainerKey) -> Option<String> {
        let first = self.processes.get(self.container(owner)?.first?)?;
        let there = |process: &&Process| process.key() != first.key() && (process.is_live() || process.zombie);
        explain::init_below(first, &self.processes.of(owner).filter(there).collect::<Vec<_>>())
    }

    fn zombie(&self, process: &Process, now: BootNs) -> Zombie {
        Zombie {
            process: self.process_party(process),
            age_ms: process.exit.map_or(0, |(at, _)| now.ms_since(at)),
            older: process.found_dead,
            parent: (process.reaper.pid != 0).then(|| self.party(&process.reaper)),
            adopted: process.is_adopted(),
            from_exec: process.joined.is_some() || process.place == Place::Outside,
        }
    }
}

/// What was added in the last minute; where they are there for less than that, in that time, but ten seconds at least.
fn rate(zombies: &[Zombie]) -> u64 {
    // when those came that were there before is not known
    let ages: Vec<_> = zombies.iter().filter(|zombie| !zombie.older).map(|zombie| zombie.age_ms).collect();
    let oldest = ages.iter().copied().max().unwrap_or(0);
    let window = oldest.clamp(limits::ZOMBIE_RATE_LEAST_MS, limits::ZOMBIE_RATE_MS);
    let recent = ages.iter().filter(|age| **age <= window).count() as u64;
    recent.saturating_mul(600_000) / window
}

fn negligent(zombies: &[Zombie], dead: &[&Process]) -> Vec<Negligent> {
    let mut by_parent: BTreeMap<TaskKey, Negligent> = BTreeMap::new();
    for (zombie, process) in zombies.iter().zip(dead) {
        let entry = by_parent.entry(process.reaper.key()).or_insert_with(|| Negligent {
            parent: zombie.parent.clone(),
            own: 0,
            adopted: 0,
        });
        *(if zombie.adopted { &mut entry.adopted } else { &mut entry.own }) += 1;
    }
    let mut all: Vec<_> = by_parent.into_values().collect();
    all.sort_by_key(|entry| {
        let parent = entry.parent.as_ref().map(|parent| (parent.pid, parent.start));
        (std::cmp::Reverse(entry.own + entry.adopted), parent)
    });
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::made::{Made, at, exit, figures, fork, joins};

    fn zombies_every(ms: u64, count: u32, now: u64) -> Reaping {
        let made = Made { number: 2 };
        let (first, shell) = (made.task(1, "node"), made.task(5, "sh"));
        let mut events = made.found("app", None, None, "node");
        events.push(fork(1_000, shell, first));
        for n in 0..count {
            let child = made.task(10 + n, "curl");
            let at = 2_000 + u64::from(n) * ms;
            events.push(fork(at, child, if n % 2 == 0 { first } else { shell }));
            events.push(exit(at + 1, child, first, 0));
        }
        let probe = made.task(900, "probe");
        events.extend(joins(2_000, probe));
        events.push(exit(2_001, probe, first, 0));
        events.push(figures(2_000, made, 100, Some(200)));
        events.sort_by_key(|event| event.0);
        let mut node = Node::new();
        for event in &events {
            node.apply(event);
        }
        node.tick(at(now));
        let key = node.containers().next().map(|(key, _)| key).expect("it is there");
        node.reaping(key, at(now)).expect("there are some")
    }

    #[test]
    fn a_rate_from_those_that_are_there() {
        let reaping = zombies_every(1_000, 120, 130_000);
        assert_eq!(reaping.zombies.len(), 121);
        assert_eq!(reaping.from_exec(), 1);
        assert_eq!(reaping.oldest_ms(), 127_999);
        // one a second until nine seconds ago
        assert_eq!(reaping.per_minute_tenths, 520);
        assert_eq!(reaping.full_in_ms, Some(100 * 600_000 / 520));
        let [first] = reaping.negligent.as_slice() else { panic!("{:?}", reaping.negligent) };
        // curl of the shell, and what came from outside, were not its own
        assert_eq!((first.own, first.adopted), (60, 61));
        assert!(!reaping.zombies[0].older);
    }

    #[test]
    fn the_first_seconds_promise_nothing() {
        // three in ten seconds at most, not three in 1.5 s
        assert_eq!(zombies_every(100, 2, 3_500).per_minute_tenths, 180);
    }
}
