//! What the agent remembers: a selection of the events that happened, so that whoever folds them knows what it knows.
//!
//! Of each container that is there the events that tell who is in it, and the last ones as they came. Of each end the
//! events that led to it, for as long as there is room. See `ARCHITECTURE.md` for why these are events and not results.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use crate::event::{BootNs, CgroupId, Event, Lost, TaskKey, What};
use crate::model::{Condition, Node, Termination};

use super::limits::{self, Bounds};
use super::thin::{Kept, subject, thin, weight};

/// The memory of an agent.
#[derive(Debug)]
pub struct History {
    bounds: Bounds,
    seq: u64,
    lives: HashMap<Arc<str>, Life>,
    cgroups: HashMap<CgroupId, (Arc<str>, bool)>,
    /// Ends and conditions, the oldest first.
    clips: VecDeque<Clip>,
    /// Containers that are gone and whose end may still be told, with the time they went.
    fading: VecDeque<(BootNs, Arc<str>)>,
    /// What the API of Kubernetes said last of each pod, by UID.
    pods: HashMap<String, Kept>,
    lost: VecDeque<Kept>,
    /// When something was lost, nobody knows how much: the last times.
    marks: VecDeque<Kept>,
    /// Those that were told before, to know the new ones.
    last_termination: Option<Arc<Termination>>,
    last_condition: Option<Arc<Condition>>,
    bytes: usize,
    /// Make it fit when it takes so much.
    fit_at: usize,
    terminations: usize,
}

/// A container that is there.
#[derive(Debug, Default)]
struct Life {
    events: Vec<Kept>,
    bytes: usize,
    /// Thin it when it holds so many.
    thin_at: usize,
    /// Processes that a clip brings back to life: their ends must not be left out.
    pinned: HashSet<TaskKey>,
    /// Events that the last thinning left.
    thinned_to: usize,
    gone: bool,
}

/// The events that led to an end, or to a condition.
#[derive(Debug)]
struct Clip {
    container: Arc<str>,
    events: Vec<Kept>,
    bytes: usize,
    is_end: bool,
}

/// How much is remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Terminations.
    pub terminations: usize,
    /// Conditions and terminations together.
    pub clips: usize,
    /// Containers that are there.
    pub containers: usize,
    /// Events, those that are held twice counted twice.
    pub events: usize,
    /// Bytes, likewise.
    pub bytes: usize,
}

impl History {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            seq: 0,
            lives: HashMap::new(),
            cgroups: HashMap::new(),
            clips: VecDeque::new(),
            fading: VecDeque::new(),
            pods: HashMap::new(),
            lost: VecDeque::new(),
            marks: VecDeque::new(),
            last_termination: None,
            last_condition: None,
            bytes: 0,
            fit_at: bounds.bytes,
            terminations: 0,
        }
    }

    /// Other bounds from now on.
    pub fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = bounds;
        self.fit_at = bounds.bytes;
        while self.terminations > bounds.terminations {
            if !self.drop_oldest() {
                break;
            }
        }
        self.make_room();
    }

    /// How much is remembered.
    #[must_use]
    pub fn size(&self) -> Size {
        let lives = self.lives.values().map(|life| life.events.len());
        let clips = self.clips.iter().map(|clip| clip.events.len());
        Size {
            terminations: self.terminations,
            clips: self.clips.len(),
            containers: self.lives.len(),
            events: lives.chain(clips).sum::<usize>() + self.lost.len() + self.marks.len(),
            bytes: self.bytes,
        }
    }

    /// Takes an event that `node` is about to fold.
    pub fn before(&mut self, event: &Arc<Event>, node: &Node) {
        self.seq += 1;
        let kept = Kept { seq: self.seq, event: Arc::clone(event) };
        match &event.1 {
            What::Lost(lost) => return self.lost(kept, lost),
            What::Tick {} => return,
            What::Dismissed(dismissed) => return self.forget(&dismissed.container),
            What::Pod(told) => return self.pod(kept, &told.pod.uid),
            _ => {}
        }
        let Some(container) = self.container(&event.1, node) else { return };
        if let What::CgroupGone(gone) = &event.1
            && let Some((_, own)) = self.cgroups.remove(&gone.cgroup)
            && own
            && !self.cgroups.values().any(|(other, own)| *own && *other == container)
        {
            self.fading.push_back((event.0, Arc::clone(&container)));
            self.lives.entry(Arc::clone(&container)).or_default().gone = true;
        }
        let life = self.lives.entry(Arc::clone(&container)).or_default();
        if matches!(event.1, What::Cgroup(_)) {
            life.gone = false;
        }
        let bytes = weight(event);
        life.events.push(kept);
        life.bytes += bytes;
        self.bytes += bytes;
        if life.events.len() >= life.thin_at.max(limits::LIFE_EVENTS) {
            let since = stop_since(&container, node);
            self.thin_life(&container, limits::LIFE_TAIL, since);
        }
    }

    /// `node` has folded it: what came of it?
    pub fn after(&mut self, now: BootNs, node: &Node) {
        let is_new = |last: &Option<Arc<Termination>>, told: &Arc<Termination>| {
            last.as_ref().is_none_or(|last| !Arc::ptr_eq(last, told))
        };
        let ends: Vec<_> =
            node.terminations().rev().take_while(|told| is_new(&self.last_termination, told)).cloned().collect();
        for end in ends.iter().rev() {
            let container: Arc<str> = Arc::from(end.container.id.as_str());
            self.clip(&container, Some(end.started), node);
        }
        if let Some(last) = ends.into_iter().next() {
            self.last_termination = Some(last);
        }
        let is_new = |last: &Option<Arc<Condition>>, told: &Arc<Condition>| {
            last.as_ref().is_none_or(|last| !Arc::ptr_eq(last, told))
        };
        let told = node.conditions().rev().map(|(_, condition)| condition);
        let told: Vec<_> = told.take_while(|told| is_new(&self.last_condition, told)).cloned().collect();
        for container in told.iter().rev().filter_map(|condition| condition.container.as_ref()) {
            self.clip(&Arc::from(container.id.as_str()), None, node);
        }
        if let Some(last) = told.into_iter().next() {
            self.last_condition = Some(last);
        }
        while let Some((gone, container)) = self.fading.front().cloned() {
            if now.ms_since(gone) < limits::FADING_MS {
                break;
            }
            self.fading.pop_front();
            self.fade(&container);
        }
        if self.bytes > self.fit_at {
            self.fit(node);
        }
    }

    /// All that is remembered, in the order it happened, for somebody who begins to fold.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Event>> {
        let clips = self.clips.iter().flat_map(|clip| &clip.events);
        let lives = self.lives.values().flat_map(|life| &life.events);
        in_order(clips.chain(lives).chain(self.pods.values()).chain(&self.lost).chain(&self.marks))
    }

    /// What is remembered of the containers that are there.
    #[must_use]
    pub fn present(&self) -> Vec<Arc<Event>> {
        let lives = self.lives.values().filter(|life| !life.gone).flat_map(|life| &life.events);
        in_order(lives.chain(self.pods.values()))
    }

    /// Which container an event is about.
    fn container(&mut self, what: &What, node: &Node) -> Option<Arc<str>> {
        let by_cgroup = |cgroup: CgroupId| self.cgroups.get(&cgroup).map(|(container, _)| Arc::clone(container));
        let cgroup = match what {
            What::Cgroup(found) => {
                let known = self.lives.get_key_value(found.container.as_str()).map(|(id, _)| Arc::clone(id));
                let container = known.unwrap_or_else(|| Arc::from(found.container.as_str()));
                if found.cgroup != CgroupId(0) {
                    self.cgroups.insert(found.cgroup, (Arc::clone(&container), found.own));
                }
                return Some(container);
            }
            What::Described(described) => {
                return self.lives.get_key_value(described.id.as_str()).map(|(id, _)| Arc::clone(id));
            }
            What::Signal(sent) => sent.target.cgroup,
            What::Deliver(delivered) => delivered.target.cgroup,
            What::Exit(exited) => exited.task.cgroup,
            What::Fork(forked) => forked.child.cgroup,
            What::Exec(execed) => execed.task.cgroup,
            What::Reaped(reaped) => reaped.task.cgroup,
            What::Joined(joined) => joined.task.cgroup,
            What::Process(seen) => seen.task.cgroup,
            What::OomVictim(victim) => victim.task.map_or(CgroupId(0), |task| task.cgroup),
            What::CgroupGone(gone) => gone.cgroup,
            What::CgroupFigures(figures) => figures.cgroup,
            What::Counted(counted) => counted.cgroup,
            What::Pending(_)
            | What::State(_)
            | What::Foreseen(_)
            | What::Dismissed(_)
            | What::Pod(_)
            | What::Lost(_)
            | What::Tick {} => CgroupId(0),
        };
        by_cgroup(cgroup).or_else(|| {
            let process = match what {
                What::OomVictim(victim) => node.processes().by_pid(victim.pid),
                What::Fork(forked) => {
                    let processes = node.processes();
                    processes.get(forked.child.key()).or_else(|| processes.get(forked.parent.key()))
                }
                what => node.processes().get(subject(what)?),
            };
            let id = &node.container(process?.container?)?.name.id;
            self.lives.get_key_value(id.as_str()).map(|(id, _)| Arc::clone(id))
        })
    }

    /// The last word on a pod: of those that are over, and then of all, the oldest is forgotten when there are many.
    fn pod(&mut self, kept: Kept, uid: &str) {
        let is_over = |kept: &Kept| matches!(&kept.event.1, What::Pod(told) if told.gone);
        if self.pods.len() >= limits::PODS && !self.pods.contains_key(uid) {
            let oldest = self.pods.iter().min_by_key(|(_, kept)| (!is_over(kept), kept.seq));
            if let Some(oldest) = oldest.map(|(uid, _)| uid.clone())
                && let Some(oldest) = self.pods.remove(&oldest)
            {
                self.bytes -= weight(&oldest.event);
            }
        }
        self.bytes += weight(&kept.event);
        if let Some(before) = self.pods.insert(uid.to_owned(), kept) {
            self.bytes -= weight(&before.event);
        }
    }

    /// A loss: the oldest two become one when there are many. What is uncertain because of one holds it by itself.
    fn lost(&mut self, kept: Kept, lost: &Lost) {
        let mark = Kept { seq: kept.seq, event: Arc::new(Event(kept.event.0, What::Lost(Lost::default()))) };
        add_mark(&mut self.marks, mark);
        if lost.total() == 0 {
            return;
        }
        if self.lost.len() >= limits::LOSSES
            && let Some(oldest) = self.lost.pop_front()
            && let Some(next) = self.lost.front_mut()
            && let (What::Lost(one), What::Lost(other)) = (&oldest.event.1, &next.event.1)
        {
            next.event = Arc::new(Event(next.event.0, What::Lost(one.plus(other))));
        }
        self.lost.push_back(kept);
    }

    /// Keeps what led to the end of a container, whose first sign was at `since`, or to a condition.
    fn clip(&mut self, container: &Arc<str>, since: Option<BootNs>, node: &Node) {
        let is_end = since.is_some();
        let tail = if is_end { limits::END_TAIL } else { limits::CONDITION_TAIL };
        // a condition in the middle of a stop must not take away what that stop's end will need
        self.thin_life(container, tail, since.or_else(|| stop_since(container, node)));
        let Some(life) = self.lives.get_mut(container) else { return };
        let mut events = life.events.clone();
        let marks = self.marks.iter().filter(|mark| {
            since.is_some_and(|since| mark.event.0 >= since || since.ms_since(mark.event.0) <= limits::LOSS_MEMORY_MS)
        });
        events.extend(marks.cloned());
        let pod = node.container_by_id(container).and_then(|(_, container)| node.pod(container.pod?));
        events.extend(pod.and_then(|pod| self.pods.get(&pod.uid)).cloned());
        let bytes = events.iter().map(|kept| weight(&kept.event)).sum();
        self.bytes += bytes;
        self.terminations += usize::from(is_end);
        if life.gone {
            self.bytes -= life.bytes;
            self.lives.remove(container);
        } else {
            let there = life.events.iter().filter_map(|kept| subject(&kept.event.1));
            life.pinned = there.filter(|key| node.processes().get(*key).is_some()).collect();
            if is_end {
                // what led to this end is in the clip
                self.thin_life(container, 0, None);
            }
        }
        self.clips.push_back(Clip { container: Arc::clone(container), events, bytes, is_end });
        while self.terminations > self.bounds.terminations || self.clips.len() > self.bounds.terminations * 2 {
            if !self.drop_oldest() {
                break;
            }
        }
    }

    /// A container is gone, and so is the time in which its end could be told.
    fn fade(&mut self, container: &Arc<str>) {
        if !self.lives.get(container).is_some_and(|life| life.gone) {
            return;
        }
        let Some(life) = self.lives.remove(container) else { return };
        self.bytes -= life.bytes;
        // what happened after its end, its going above all, belongs to that
        if let Some(clip) = self.clips.iter_mut().rev().find(|clip| clip.container == *container) {
            let last = clip.events.iter().map(|kept| kept.seq).max().unwrap_or(0);
            let rest = life.events.into_iter().filter(|kept| kept.seq > last);
            for kept in rest {
                let bytes = weight(&kept.event);
                clip.bytes += bytes;
                self.bytes += bytes;
                clip.events.push(kept);
            }
        }
    }

    /// Nobody asks for a container.
    fn forget(&mut self, container: &str) {
        if let Some(life) = self.lives.remove(container) {
            self.bytes -= life.bytes;
        }
        self.cgroups.retain(|_, (owner, _)| &**owner != container);
    }

    /// Leaves out of a life what nobody needs any more; the last `tail` events stay, and all `since` a stop began.
    fn thin_life(&mut self, container: &Arc<str>, tail: usize, since: Option<BootNs>) {
        let Some(life) = self.lives.get_mut(container) else { return };
        let before_tail = life.events.len().checked_sub(tail + 1).and_then(|at| life.events.get(at));
        let older = before_tail.map_or(0, |kept| kept.seq);
        let keep = |kept: &Kept| kept.seq > older || since.is_some_and(|since| kept.event.0 >= since);
        thin(&mut life.events, &life.pinned, keep);
        if life.events.len() > limits::STOP_EVENTS && since.is_some() {
            // a storm during a stop: a part of it has to go, and then nobody can be sure
            let half = life.events[life.events.len() / 2].seq;
            let left_out = thin(&mut life.events, &life.pinned, |kept| kept.seq > half);
            if let Some(first) = left_out.first {
                let event = Arc::new(Event(first, What::Lost(Lost::default())));
                add_mark(&mut self.marks, Kept { seq: half, event });
            }
        }
        self.bytes -= life.bytes;
        life.bytes = life.events.iter().map(|kept| weight(&kept.event)).sum();
        self.bytes += life.bytes;
        life.thin_at = life.events.len() * 2;
        life.thinned_to = life.events.len();
    }

    fn drop_oldest(&mut self) -> bool {
        let Some(clip) = self.clips.pop_front() else { return false };
        self.bytes -= clip.bytes;
        self.terminations -= usize::from(clip.is_end);
        true
    }

    /// Makes everything fit. Containers that are there may take half of it, and give up all but the last events of more;
    /// then the oldest goes first.
    fn fit(&mut self, node: &Node) {
        let lives: usize = self.lives.values().map(|life| life.bytes).sum();
        if lives > self.bounds.bytes / 2 {
            let share = self.bounds.bytes / 2 / self.lives.len().max(1);
            // what was thinned and has hardly grown since would give up nothing
            let grown = |life: &Life| life.events.len() > life.thinned_to * 5 / 4 + limits::END_TAIL;
            let large = self.lives.iter().filter(|(_, life)| life.bytes > share && grown(life));
            let large: Vec<_> = large.map(|(container, _)| Arc::clone(container)).collect();
            for container in large {
                self.thin_life(&container, limits::END_TAIL, stop_since(&container, node));
            }
        }
        self.make_room();
        // where even that does not help, it is not tried with each event again
        self.fit_at = self.bounds.bytes.max(self.bytes + self.bytes / 16);
    }

    /// The oldest goes until everything fits. Where containers that are there take too much by themselves that would
    /// cost all and not help: a quarter stays.
    fn make_room(&mut self) {
        let mut clips: usize = self.clips.iter().map(|clip| clip.bytes).sum();
        while self.bytes > self.bounds.bytes && clips > self.bounds.bytes / 4 {
            clips -= self.clips.front().map_or(0, |clip| clip.bytes);
            if !self.drop_oldest() {
                break;
            }
        }
    }
}

/// Keeps when something was lost; the oldest goes when there are many.
fn add_mark(marks: &mut VecDeque<Kept>, mark: Kept) {
    if marks.back().is_none_or(|last| last.event.0 != mark.event.0) {
        if marks.len() >= limits::MARKS {
            marks.pop_front();
        }
        marks.push_back(mark);
    }
}

/// When the stop of a container that goes on began.
fn stop_since(container: &str, node: &Node) -> Option<BootNs> {
    let (_, container) = node.container_by_id(container)?;
    container.stop.as_ref().map(|stop| stop.started)
}

fn in_order<'a>(kept: impl Iterator<Item = &'a Kept>) -> Vec<Arc<Event>> {
    let mut kept: Vec<&Kept> = kept.collect();
    kept.sort_by_key(|one| one.seq);
    // what a clip and a life both hold is told once
    kept.dedup_by(|one, other| one.seq == other.seq && Arc::ptr_eq(&one.event, &other.event));
    kept.into_iter().map(|one| Arc::clone(&one.event)).collect()
}

#[cfg(test)]
mod tests;
