//! What may be left out of a stretch of events so that what is left still tells who is there.
//!
//! Nothing is made up: a thinned stretch is a selection of what happened, in order. Both the history and the queue of a
//! client that is slow are thinned by these rules.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::event::{BootNs, CgroupId, Counted, Event, Lost, TaskKey, What};

/// An event that is kept, and its place among all of them.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Counts up over all events.
    pub seq: u64,
    /// Shared with everybody who keeps it, too.
    pub event: Arc<Event>,
}

/// The process that an event is about, by its key.
pub(super) fn subject(what: &What) -> Option<TaskKey> {
    Some(match what {
        What::Signal(sent) => sent.target.key(),
        What::Deliver(delivered) => delivered.target.key(),
        What::Exit(exited) => exited.task.key(),
        What::Fork(forked) => forked.child.key(),
        What::Exec(execed) => execed.task.key(),
        What::Reaped(reaped) => reaped.task.key(),
        What::Joined(joined) => joined.task.key(),
        What::OomVictim(victim) => victim.task?.key(),
        What::Process(seen) => seen.task.key(),
        What::Pending(seen) => seen.task,
        What::State(seen) => seen.task,
        What::Foreseen(foresight) => foresight.task,
        What::Cgroup(_)
        | What::CgroupGone(_)
        | What::Dismissed(_)
        | What::Described(_)
        | What::Pod(_)
        | What::CgroupFigures(_)
        | What::Counted(_)
        | What::Lost(_)
        | What::Tick {} => return None,
    })
}

/// The cgroup that somebody was in.
fn place(what: &What) -> Option<CgroupId> {
    Some(match what {
        What::Signal(sent) => sent.target.cgroup,
        What::Deliver(delivered) => delivered.target.cgroup,
        What::Exit(exited) => exited.task.cgroup,
        What::Fork(forked) => forked.child.cgroup,
        What::Exec(execed) => execed.task.cgroup,
        What::Reaped(reaped) => reaped.task.cgroup,
        What::Joined(joined) => joined.task.cgroup,
        What::OomVictim(victim) => victim.task?.cgroup,
        What::Process(seen) => seen.task.cgroup,
        _ => return None,
    })
}

/// Cgroups within containers that came and went, and with them nobody who stays; and the containers' own cgroups, which
/// take over what was counted there.
#[derive(Debug, Default)]
struct Passing {
    gone: HashMap<CgroupId, String>,
    own: HashMap<String, CgroupId>,
}

impl Passing {
    /// `keep` is what stays in any case, `stays` what stays at all.
    fn new(events: &[Kept], keep: impl Fn(&Kept) -> bool, stays: impl Fn(&Kept) -> bool) -> Self {
        let mut passing = Self::default();
        // those that cannot go: others than those that came and went within what may be left out
        let mut needed = HashSet::new();
        let mut there = HashMap::new();
        for kept in events {
            let kept_anyway = keep(kept);
            match &kept.event.1 {
                What::Cgroup(found) if found.own => {
                    passing.own.insert(found.container.clone(), found.cgroup);
                    needed.insert(found.cgroup);
                }
                What::Cgroup(found) if kept_anyway => drop(needed.insert(found.cgroup)),
                What::Cgroup(found) => {
                    passing.gone.remove(&found.cgroup);
                    there.insert(found.cgroup, &found.container);
                }
                What::CgroupGone(gone) => match there.remove(&gone.cgroup).filter(|_| !kept_anyway) {
                    Some(container) => drop(passing.gone.insert(gone.cgroup, container.clone())),
                    None => drop(needed.insert(gone.cgroup)),
                },
                What::CgroupFigures(figures) if kept_anyway => drop(needed.insert(figures.cgroup)),
                What::Counted(counted) if kept_anyway => drop(needed.insert(counted.cgroup)),
                what if stays(kept) => needed.extend(place(what)),
                _ => {}
            }
        }
        passing.gone.retain(|cgroup, _| !needed.contains(cgroup));
        passing
    }

    /// Whether an event is about nothing but such a cgroup.
    fn takes(&self, what: &What) -> bool {
        match what {
            What::Cgroup(found) => self.gone.contains_key(&found.cgroup),
            What::CgroupGone(gone) => self.gone.contains_key(&gone.cgroup),
            What::CgroupFigures(figures) => self.gone.contains_key(&figures.cgroup),
            _ => false,
        }
    }

    /// Where to count what was counted in a cgroup; `None` if nobody is there any more for whom it could be.
    fn counts_for(&self, cgroup: CgroupId) -> Option<CgroupId> {
        self.gone.get(&cgroup).map_or(Some(cgroup), |container| self.own.get(container).copied())
    }
}

/// Whether an event brings a process.
const fn is_birth(what: &What) -> bool {
    matches!(what, What::Fork(_) | What::Process(_) | What::Joined(_))
}

/// Bytes that an event takes in memory, more or less.
pub(super) fn weight(event: &Event) -> usize {
    let heap = match &event.1 {
        What::Signal(sent) => size_of_val(sent.ancestors.as_slice()),
        What::Exec(execed) => execed.filename.len(),
        What::Process(seen) => seen.exe.as_ref().map_or(0, String::len),
        What::State(seen) => seen.stack.iter().map(|name| name.len() + 24).sum(),
        What::Cgroup(found) => found.path.len() + found.container.len() + found.runtime.len() + 40,
        What::Dismissed(dismissed) => dismissed.container.len(),
        What::Foreseen(foresight) => {
            let notes: usize = foresight.notes.iter().map(|note| note.len() + 24).sum();
            foresight.why.len() + foresight.fix.as_ref().map_or(0, String::len) + notes
        }
        What::Pod(told) => {
            let owner = told.owner.as_ref().map_or(0, |owner| owner.kind.len() + owner.name.len());
            told.pod.namespace.len() + told.pod.name.len() + 2 * told.pod.uid.len() + owner
        }
        What::Described(described) => {
            let labels: usize = described.labels.iter().map(|(key, value)| key.len() + value.len() + 64).sum();
            let command: usize = described.command.iter().map(|word| word.len() + 24).sum();
            labels + command + 512
        }
        _ => 0,
    };
    size_of::<Kept>() + size_of::<Event>() + 16 + heap
}

/// What thinning leaves out, apart from what nobody will miss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// By kind.
    pub(super) lost: Lost,
    /// When the first of them was.
    pub(super) first: Option<BootNs>,
}

impl LeftOut {
    fn add(&mut self, event: &Event) {
        let lost = &mut self.lost;
        match event.1 {
            What::Signal(_) => lost.signal += 1,
            What::Deliver(_) => lost.deliver += 1,
            What::Exit(_) => lost.exit += 1,
            What::Fork(_) => lost.fork += 1,
            What::Exec(_) => lost.exec += 1,
            What::Reaped(_) => lost.reaped += 1,
            What::Joined(_) => lost.joined += 1,
            What::OomVictim(_) => lost.oom += 1,
            _ => return,
        }
        self.first.get_or_insert(event.0);
    }
}

/// Thins `events`; those for which `keep` holds stay in any case, and so do the ends of the processes in `known`.
///
/// What stays: cgroups and what runtimes said (the last word of each), every process that was not reaped within the
/// stretch (how it came, what it runs, how it exited), and the ends of those that had come before it. What goes:
/// signals, processes that came and went, and cgroups within containers that did so and hold nobody who stays. Signals
/// go on to be counted, as those are that the kernel only counts.
pub(super) fn thin(events: &mut Vec<Kept>, known: &HashSet<TaskKey>, keep: impl Fn(&Kept) -> bool) -> LeftOut {
    let mut left_out = LeftOut::default();
    let mut born = HashSet::new();
    let mut passed = HashSet::new();
    let mut last_exec = HashMap::new();
    let mut last_word = HashMap::new();
    let mut last_figures = HashMap::new();
    let mut last_foresight = HashMap::new();
    // what stays in any case takes the place of nothing before it: a program that runs another one at the end was the
    // program before, too, and who was reaped there was there before
    for kept in events.iter().filter(|kept| !keep(kept)) {
        match &kept.event.1 {
            What::Reaped(reaped) if born.contains(&reaped.task.key()) && !known.contains(&reaped.task.key()) => {
                passed.insert(reaped.task.key());
            }
            What::Exec(execed) => drop(last_exec.insert(execed.task.key(), kept.seq)),
            What::Described(described) => drop(last_word.insert(described.id.clone(), kept.seq)),
            What::Foreseen(foresight) => drop(last_foresight.insert(foresight.task, kept.seq)),
            What::CgroupFigures(figures) => drop(last_figures.insert(figures.cgroup, kept.seq)),
            what if is_birth(what) => drop(subject(what).map(|key| born.insert(key))),
            _ => {}
        }
    }
    let stays = |kept: &Kept| {
        let what = &kept.event.1;
        let lives_on = || subject(what).is_none_or(|key| !passed.contains(&key));
        match what {
            What::Cgroup(_) | What::CgroupGone(_) | What::Dismissed(_) | What::Pod(_) | What::Lost(_) => true,
            What::Described(described) => last_word.get(&described.id) == Some(&kept.seq),
            What::CgroupFigures(figures) => last_figures.get(&figures.cgroup) == Some(&kept.seq),
            What::Foreseen(foresight) => lives_on() && last_foresight.get(&foresight.task) == Some(&kept.seq),
            What::Exec(execed) => lives_on() && last_exec.get(&execed.task.key()) == Some(&kept.seq),
            What::Exit(_) | What::Reaped(_) => lives_on(),
            what if is_birth(what) => lives_on(),
            _ => false,
        }
    };
    let passing = Passing::new(events, &keep, |kept| keep(kept) || stays(kept));
    let mut counted: HashMap<CgroupId, (usize, Counted)> = HashMap::new();
    let mut thinned: Vec<Kept> = Vec::with_capacity(events.len() / 4);
    for kept in events.drain(..) {
        let what = &kept.event.1;
        if keep(&kept) || (stays(&kept) && !passing.takes(what)) {
            thinned.push(kept);
            continue;
        }
        left_out.add(&kept.event);
        let told = match what {
            What::Signal(sent) => Some(Counted { cgroup: sent.target.cgroup, other: 1, ..Counted::default() }),
            What::Counted(counted) => Some(*counted),
            _ => None,
        };
        let told = told.and_then(|told| Some(Counted { cgroup: passing.counts_for(told.cgroup)?, ..told }));
        if let Some(told) = told {
            let (at, sum) = counted.entry(told.cgroup).or_insert_with(|| {
                // its place is that of the first of them; the number follows
                thinned.push(kept.clone());
                (thinned.len() - 1, Counted { cgroup: told.cgroup, ..Counted::default() })
            });
            (sum.child, sum.urgent, sum.other) =
                (sum.child + told.child, sum.urgent + told.urgent, sum.other + told.other);
            let Kept { seq, event } = &thinned[*at];
            thinned[*at] = Kept { seq: *seq, event: Arc::new(Event(event.0, What::Counted(*sum))) };
        }
    }
    *events = thinned;
    left_out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::made::{self, Made, at};
    use crate::event::{CgroupFigures, CgroupFound, CgroupGone, Execed, Exited, Forked, Handler, Reaped, Task};
    use crate::signal::Signal;

    fn numbered(events: Vec<Event>) -> Vec<Kept> {
        (1..).zip(events).map(|(seq, event)| Kept { seq, event: Arc::new(event) }).collect()
    }

    fn fork(ms: u64, child: Task, parent: Task) -> Event {
        Event(at(ms), What::Fork(Forked { child, parent }))
    }

    fn exec(ms: u64, task: Task, parent: Task, filename: &str) -> Event {
        Event(at(ms), What::Exec(Execed { task, parent, filename: filename.to_owned(), interpreter: None }))
    }

    fn exit(ms: u64, task: Task, parent: Task) -> Event {
        let exited = Exited { task, parent, status: 0, autoreap: false, pending: crate::signal::SignalSet::default() };
        Event(at(ms), What::Exit(exited))
    }

    fn reaped(ms: u64, task: Task) -> Event {
        Event(at(ms), What::Reaped(Reaped { task }))
    }

    #[test]
    fn who_is_there_stays_and_who_came_and_went_goes() {
        let made = Made { number: 3 };
        let (first, probe, worker) = (made.task(1, "sh"), made.task(7, "probe"), made.task(8, "worker"));
        let mut events = made.found("web", None, None, "sh");
        let before = events.len();
        events.extend([
            fork(10, probe, first),
            exec(11, probe, first, "/probe"),
            exit(12, probe, first),
            reaped(13, probe),
            fork(20, worker, first),
            exec(21, worker, first, "/bin/sh"),
            exec(22, worker, first, "/worker"),
        ]);
        let mut events = numbered(events);
        let left_out = thin(&mut events, &HashSet::new(), |_| false);
        let kept: Vec<u64> = events.iter().map(|kept| kept.seq).collect();
        let before = before as u64;
        assert_eq!(kept, [1, 2, 3, before + 5, before + 7]);
        assert_eq!(left_out.lost, Lost { fork: 1, exec: 2, exit: 1, reaped: 1, ..Lost::default() });
        assert_eq!(left_out.first, Some(at(10)));
    }

    #[test]
    fn ends_of_those_who_came_before_or_are_known_elsewhere_stay() {
        let made = Made { number: 3 };
        let (first, old, pinned) = (made.task(1, "sh"), made.task(7, "old"), made.task(8, "pinned"));
        let events = vec![exit(1, old, first), reaped(2, old), fork(3, pinned, first), reaped(4, pinned)];
        let mut events = numbered(events);
        thin(&mut events, &HashSet::from([pinned.key()]), |_| false);
        assert_eq!(events.len(), 4);
    }

    #[test]
    fn cgroups_within_a_container_that_came_and_went_go_unless_somebody_who_stays_is_in_them() {
        let made = Made { number: 3 };
        let first = made.task(1, "sh");
        let within = |cgroup| {
            let cgroup = CgroupId(cgroup);
            let found = CgroupFound { cgroup, own: false, ..made_found(made) };
            [Event(at(5), What::Cgroup(found)), Event(at(9), What::CgroupGone(CgroupGone { cgroup }))]
        };
        let [empty, empty_gone] = within(100);
        let [used, used_gone] = within(101);
        let [left, left_gone] = within(102);
        let [late, late_gone] = within(103);
        let [there, _] = within(104);
        let probe = Task { cgroup: CgroupId(101), ..made.task(7, "probe") };
        let stays = Task { cgroup: CgroupId(102), ..made.task(8, "stays") };
        let signal = made::signal(7, Signal::USR1, probe, first, Handler::Function);
        let figures = CgroupFigures { cgroup: CgroupId(101), pids_current: Some(1), pids_max: None };
        let mut events = made.found("web", None, None, "sh");
        events.extend([
            empty,
            empty_gone,
            used,
            fork(6, probe, first),
            signal,
            Event(at(7), What::CgroupFigures(figures)),
            exit(8, probe, first),
            reaped(8, probe),
            used_gone,
            left,
            fork(6, stays, first),
            left_gone,
            there,
            late,
            late_gone,
        ]);
        let all = events.len() as u64;
        let mut events = numbered(events);
        thin(&mut events, &HashSet::new(), |kept| kept.seq == all);
        let of = |kept: &Kept| match &kept.event.1 {
            What::Cgroup(found) => Some((true, found.cgroup.0)),
            What::CgroupGone(gone) => Some((false, gone.cgroup.0)),
            _ => None,
        };
        let cgroups: Vec<_> = events.iter().filter_map(of).collect();
        assert_eq!(cgroups, [(true, 3), (true, 102), (false, 102), (true, 104), (true, 103), (false, 103)]);
        let counted: Vec<_> = events
            .iter()
            .filter_map(|kept| if let What::Counted(counted) = &kept.event.1 { Some(*counted) } else { None })
            .collect();
        assert_eq!(counted, [Counted { cgroup: CgroupId(3), other: 1, ..Counted::default() }], "for the container");
        assert!(!events.iter().any(|kept| matches!(kept.event.1, What::CgroupFigures(_))));
        // the next time the last one goes, too
        thin(&mut events, &HashSet::new(), |_| false);
        let cgroups: Vec<_> = events.iter().filter_map(of).collect();
        assert_eq!(cgroups, [(true, 3), (true, 102), (false, 102), (true, 104)]);
    }

    fn made_found(made: Made) -> CgroupFound {
        match made.found("web", None, None, "sh").into_iter().next() {
            Some(Event(_, What::Cgroup(found))) => found,
            other => panic!("{other:?}"),
        }
    }
}
