//! From what was looked at to a [`Subject`].

use std::collections::{HashMap, HashSet};

use crate::container::hierarchy::Hierarchies;
use crate::event::{BootNs, Described, TaskKey};
use crate::model::ContainerName;

use super::details::{self, Executables};
use super::known;
use super::look::{Look, Seen};
use super::places::Place;
use super::subject::{Member, Negligent, Process, Sight, StopSignal, Subject, Zombies};
use crate::signal::SignalSet;

/// Children of an init that are looked at closely, and descendants that are told.
const MAX_CHILDREN: usize = 16;
const MAX_BELOW: usize = 256;
/// A signal that is pending for this long, ms, was not just about to be taken.
const UNTAKEN_MS: u64 = 250;

/// What is needed for all containers together.
#[derive(Debug)]
pub(super) struct Gatherer<'a> {
    pub(super) hierarchies: &'a Hierarchies,
    pub(super) sight: Sight,
    pub(super) described: HashMap<String, Described>,
    pub(super) executables: Executables,
}

impl Gatherer<'_> {
    /// The container at a place; `None` when nothing runs there, or it is a pod's sandbox. `earlier` is the first look.
    pub(super) fn subject(&mut self, place: &Place, look: &Look, earlier: &Look) -> Option<Subject> {
        let none = Vec::new();
        let members = look.members.get(&place.id)?;
        let before = earlier.members.get(&place.id).unwrap_or(&none);
        let now = Now { look, earlier, before };
        let described = self.described.get(&place.id).cloned();
        let first = first(members, described.as_ref().and_then(|described| described.pid))?;
        if described.as_ref().map_or_else(|| is_pause(place, first), |described| described.sandbox) {
            return None;
        }
        let below = below(first, members);
        let mut subject = Subject {
            container: name(&place.id, described.as_ref()),
            runtime: described.as_ref().and_then(|told| told.runtime.clone()).or_else(|| Some(place.runtime.clone())),
            image: described.as_ref().and_then(|told| told.image.clone()),
            stop: stop_signal(described.as_ref(), &place.runtime),
            grace_ms: described.as_ref().and_then(|told| told.grace_ms),
            pre_stop: described.as_ref().is_some_and(|told| told.pre_stop),
            sight: self.sight,
            first: self.process(first, &now)?,
            below: below.iter().map(|(seen, depth)| member(seen, *depth)).collect(),
            children: Vec::new(),
            zombies: zombies(members, first, &now),
            pids: place.pids(self.hierarchies),
        };
        if known::manner(&subject.first).is_some() {
            let children = below.iter().filter(|(_, depth)| *depth == 1).take(MAX_CHILDREN);
            subject.children = children.filter_map(|(seen, _)| self.process(seen, &now)).collect();
        }
        Some(subject)
    }

    /// All about a process; `None` when it is another one by now.
    fn process(&mut self, seen: &Seen, now: &Now<'_>) -> Option<Process> {
        let pid = seen.key.pid;
        let signals = &seen.signals;
        let process = Process {
            pid,
            ns_pid: seen.ns_pid,
            start: seen.key.start,
            age_ms: now.look.at.ms_since(BootNs(seen.key.start)),
            comm: seen.comm.clone(),
            exe: details::executable(pid),
            command: details::command(pid),
            init: seen.init,
            traced: seen.traced,
            stopped: false,
            ending: seen.ending,
            caught: signals.caught,
            ignored: signals.ignored,
            untaken: now.untaken(seen),
            actions: signals.actions,
            threads: signals.threads.clone(),
            signalfds: details::signalfds(pid),
            go: self.executables.go(pid),
        };
        let state = details::state(seen.key)?;
        Some(Process { stopped: matches!(state, 'T' | 't'), ..process })
    }
}

/// What is seen of a container now, and was seen of it at the first look.
struct Now<'a> {
    look: &'a Look,
    earlier: &'a Look,
    before: &'a [Seen],
}

impl Now<'_> {
    /// Signals that are pending now and were long before.
    fn untaken(&self, seen: &Seen) -> SignalSet {
        let was = self.before.iter().find(|other| other.key == seen.key).map(|other| other.signals.pending.0);
        let long_ago = self.look.at.ms_since(self.earlier.at) >= UNTAKEN_MS;
        SignalSet(if long_ago { seen.signals.pending.0 & was.unwrap_or_default() } else { 0 })
    }
}

/// The container's first process: the one that the runtime names, or else the init that was made by somebody outside,
/// or else the oldest that was.
fn first(members: &[Seen], told: Option<u32>) -> Option<&Seen> {
    let pids: HashSet<u32> = members.iter().map(|seen| seen.key.pid).collect();
    let live = || members.iter().filter(|seen| !seen.zombie);
    live().find(|seen| Some(seen.key.pid) == told).or_else(|| {
        let from_outside = live().filter(|seen| !pids.contains(&seen.parent));
        from_outside
            .min_by_key(|seen| (!seen.init, seen.key.start))
            .or_else(|| live().min_by_key(|seen| seen.key.start))
    })
}

/// The process of a pod's sandbox, where no runtime tells.
fn is_pause(place: &Place, first: &Seen) -> bool {
    place.of_pod && first.comm == "pause"
}

/// What a container is called, as far as its runtime told.
pub(super) fn name(id: &str, described: Option<&Described>) -> ContainerName {
    described.map_or_else(|| ContainerName { id: id.to_owned(), ..ContainerName::default() }, ContainerName::from)
}

/// What the runtime says, and who that is.
fn stop_signal(described: Option<&Described>, runtime: &str) -> StopSignal {
    described.map_or_else(StopSignal::default, |told| {
        told.stop_signal.map_or_else(StopSignal::default, |signal| StopSignal {
            signal,
            source: told.runtime.clone().unwrap_or_else(|| runtime.to_owned()),
        })
    })
}

/// The living processes below the first, parents before their children, with their depths.
fn below<'a>(first: &Seen, members: &'a [Seen]) -> Vec<(&'a Seen, usize)> {
    let mut children: HashMap<u32, Vec<&Seen>> = HashMap::new();
    for seen in members.iter().filter(|seen| !seen.zombie && seen.key != first.key) {
        children.entry(seen.parent).or_default().push(seen);
    }
    let mut found = Vec::new();
    let mut generation = vec![first.key.pid];
    for depth in 1.. {
        let mut next: Vec<&Seen> = generation.iter().filter_map(|pid| children.remove(pid)).flatten().collect();
        next.sort_by_key(|seen| seen.key.start);
        next.truncate(MAX_BELOW - found.len());
        if next.is_empty() {
            break;
        }
        generation = next.iter().map(|seen| seen.key.pid).collect();
        found.extend(next.into_iter().map(|seen| (seen, depth)));
    }
    found
}

fn member(seen: &Seen, depth: usize) -> Member {
    let exe = details::executable(seen.key.pid);
    let is_init = known::init(&seen.comm, exe.as_deref()).is_some();
    Member {
        pid: seen.key.pid,
        ns_pid: seen.ns_pid,
        comm: seen.comm.clone(),
        command: if is_init { details::command(seen.key.pid) } else { Vec::new() },
        exe,
        depth,
    }
}

/// Those that were zombies at the first look, and are.
fn zombies(members: &[Seen], first: &Seen, now: &Now<'_>) -> Zombies {
    let look = now.look;
    let earlier: HashSet<TaskKey> = now.before.iter().filter(|seen| seen.zombie).map(|seen| seen.key).collect();
    let still: Vec<&Seen> = members.iter().filter(|seen| seen.zombie && earlier.contains(&seen.key)).collect();
    let mut parents: Vec<Negligent> = Vec::new();
    for zombie in &still {
        if let Some(known) = parents.iter_mut().find(|known| known.pid == zombie.parent) {
            known.zombies += 1;
            continue;
        }
        let parent = members.iter().find(|seen| seen.key.pid == zombie.parent);
        let stranger = || look.strangers.get(&zombie.parent).cloned().unwrap_or_default();
        parents.push(Negligent {
            pid: zombie.parent,
            ns_pid: parent.and_then(|seen| seen.ns_pid),
            comm: parent.map_or_else(stranger, |seen| seen.comm.clone()),
            first: zombie.parent == first.key.pid,
            zombies: 1,
        });
    }
    parents.sort_by_key(|parent| std::cmp::Reverse(parent.zombies));
    let oldest = still.iter().map(|seen| seen.key.start).min();
    Zombies { count: still.len(), oldest_at_most_ms: oldest.map(|start| look.at.ms_since(BootNs(start))), parents }
}

#[cfg(test)]
#[path = "gather_tests.rs"]
mod tests;
