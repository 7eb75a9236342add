//! The kernel's side of live tracing: which cgroups are tracked, and the events that the world makes of it.
//!
//! Start-up order: attach, find the cgroups, track them, and only then take the snapshot. What happens before a cgroup
//! is tracked is in the snapshot; what happens after comes through the ring; a cgroup made in between is tracked on
//! trial by the kernel program itself.

mod descriptions;
mod forged;
mod only;
mod recover;
mod unwanted;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::container::filter::{Filters, Verdict};
use crate::container::hierarchy::Hierarchies;
use crate::container::scan::{Classifier, figures, is_there};
use crate::event::{BootNs, CgroupFound, CgroupGone, CgroupId, Counted, Described, Dismissed, Event, What};
use crate::model::{ContainerName, Want};
use crate::probe::{CgroupMade, CgroupV1, KernelLog, Probe, Record, Ring, Settings};

use super::answers;
use super::boot_now;
use super::loss::mark_ends;
use descriptions::Descriptions;
use forged::{Owned, outer_first, rightful};
use only::Only;
use recover::unless_full;
use unwanted::Unwanted;

/// A removed cgroup stays tracked this long, ms: its last processes may still be zombies.
const LINGER_MS: u64 = 5_000;
/// Records taken in one go before anything else gets its turn.
const BUDGET: usize = 1_024;
/// Containers that wait to be asked about.
const NAMELESS: usize = 4_096;

/// The kernel programs, and what is known of cgroups.
#[derive(Debug)]
pub struct Tracker {
    probe: Probe,
    ring: Ring,
    ring_bytes: u32,
    log: Option<KernelLog>,
    hierarchies: Hierarchies,
    classifier: Classifier,
    /// Tracked cgroups.
    cgroups: HashMap<CgroupId, CgroupFound>,
    /// Those that are containers' own and have not been removed.
    owned: Owned,
    /// What the command line asks for.
    filters: Filters,
    /// Arguments of commands are left out.
    programs_only: bool,
    /// Only what `--cgroup` and `--pid` name.
    only: Option<Only>,
    /// Removed cgroups that are still tracked.
    lingering: VecDeque<(BootNs, CgroupId)>,
    /// What the runtimes said.
    descriptions: Descriptions,
    /// Containers whose names have not been asked for.
    nameless: VecDeque<String>,
    /// Containers that are not asked for.
    unwanted: Unwanted,
    /// Room for the records of a drain; empty between two.
    records: Vec<Record>,
    /// Time of the last record.
    drained_to: BootNs,
    /// The last drain left records in the ring.
    more: bool,
    /// Cgroups may have been made or removed that nobody told of.
    missed_cgroups: bool,
    /// Counters as they were last told.
    counted: HashMap<CgroupId, [u64; 3]>,
}

/// What is fixed when tracing begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Stream every signal.
    pub all_signals: bool,
    /// Kernel-side diagnostics.
    pub log: bool,
    /// Size of the ring, bytes; `None` for the usual one.
    pub ring_bytes: Option<u32>,
    /// Of the commands that runtimes tell keep the program alone: arguments may hold secrets.
    pub programs_only: bool,
}

impl Tracker {
    /// Attaches, finds what runs, and tracks it. The events of what there was come first in `events`.
    ///
    /// # Errors
    /// When the kernel does not let us, or `--pid` names no process.
    pub fn start(
        filters: &Filters,
        options: Options,
        drain: Duration,
        events: &mut Vec<Event>,
    ) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let hierarchies = Hierarchies::discover()?;
        let classifier = Classifier::new(&hierarchies, &filters.cgroups);
        let (only, containers_of_pids) = Only::new(filters, &hierarchies, &classifier)?;
        let settings = Settings {
            all_signals: options.all_signals,
            ring_bytes: options.ring_bytes.unwrap_or(tracer_common::RING_BYTES),
            pids: only.as_ref().is_some_and(|only| !only.pids.is_empty()),
            log: options.log,
            cgroup_v1: hierarchies
                .v1
                .as_ref()
                .map(|v1| CgroupV1 { controller: v1.controller.to_owned(), hierarchy: v1.hierarchy_id }),
            try_new_cgroups: true,
            ..Settings::default()
        };
        let mut probe = Probe::load(&settings)?;
        let ring = probe.open_ring(drain)?;
        let log = if options.log { Some(probe.kernel_log()?) } else { None };
        log::info!("attached to {} after {} ms", probe.info().programs.join(", "), begun.elapsed().as_millis());
        let mut tracker = Self {
            probe,
            ring,
            ring_bytes: settings.ring_bytes,
            log,
            hierarchies,
            classifier,
            cgroups: HashMap::new(),
            owned: Owned::default(),
            filters: filters.clone(),
            programs_only: options.programs_only,
            only,
            lingering: VecDeque::new(),
            descriptions: Descriptions::default(),
            nameless: VecDeque::new(),
            unwanted: Unwanted::new(),
            records: Vec::new(),
            drained_to: BootNs(0),
            more: false,
            missed_cgroups: false,
            counted: HashMap::new(),
        };
        let at = boot_now();
        let scan = tracker.classifier.scan(&tracker.hierarchies);
        if let Some(unread) = &scan.unread {
            log::warn!("containers may be missing: cannot read {unread}");
        }
        for found in outer_first(scan.found) {
            tracker.found(at, found, events)?;
        }
        for found in containers_of_pids {
            tracker.found(at, found, events)?;
        }
        tracker.follow_pids(at, events)?;
        tracker.look(events)?;
        let cgroups = tracker.cgroups.len();
        log::info!("{cgroups} cgroups of containers tracked after {} ms", begun.elapsed().as_millis());
        Ok(tracker)
    }

    /// What was loaded.
    #[must_use]
    pub const fn probe(&self) -> &Probe {
        &self.probe
    }

    /// The hierarchies in use.
    #[must_use]
    pub const fn hierarchies(&self) -> &Hierarchies {
        &self.hierarchies
    }

    /// Waits until the kernel has something to tell. Safe to cancel.
    ///
    /// # Errors
    /// When the ring cannot be waited for.
    pub async fn readable(&mut self) -> anyhow::Result<()> {
        Ok(self.ring.readable().await?)
    }

    /// Takes what the kernel has to tell. Returns whether there is more.
    ///
    /// # Errors
    /// When a map cannot be read or written.
    pub fn drain(&mut self, events: &mut Vec<Event>) -> anyhow::Result<bool> {
        let before = events.len();
        let mut records = std::mem::take(&mut self.records);
        let drained = self.ring.drain(BUDGET, |record| records.push(record))?;
        for record in records.drain(..) {
            match record {
                Record::Event(event) => {
                    self.drained_to = event.0;
                    self.noticed(event, events)?;
                }
                Record::CgroupMade(at, made) => self.made(at, &made, events)?,
            }
        }
        self.records = records;
        self.more = drained.more;
        let mut lost = self.probe.take_losses()?;
        lost.undecodable += self.ring.take_undecodable();
        // a cgroup whose record was lost is nobody's until somebody looks
        self.missed_cgroups |= lost.cgroup + lost.untracked + lost.undecodable > 0;
        if lost.total() > 0 {
            mark_ends(events, before);
            events.push(Event(boot_now(), What::Lost(lost)));
        }
        self.let_go(boot_now())?;
        if let Some(log) = &mut self.log {
            log.flush();
        }
        Ok(drained.more)
    }

    /// How full the ring was at the most, in the last half minute or more; 1 is full.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    pub fn ring_fill(&self) -> f64 {
        self.ring.peak() as f64 / f64::from(self.ring_bytes)
    }

    /// How far the ring was read, while there is more in it.
    #[must_use]
    pub fn behind(&self) -> Option<BootNs> {
        self.more.then_some(self.drained_to)
    }

    fn noticed(&mut self, event: Event, events: &mut Vec<Event>) -> anyhow::Result<()> {
        if let What::CgroupGone(CgroupGone { cgroup }) = event.1 {
            if self.cgroups.contains_key(&cgroup) {
                self.removed(event, cgroup, events);
            } else {
                // tracked on trial, and the record that it was made is lost: else it would stay in the table for ever
                self.probe.untrack(cgroup)?;
            }
        } else if !self.is_strangers(&event.1) {
            events.push(event);
        }
        Ok(())
    }

    /// A tracked cgroup was removed. That may come twice: found missing after a loss, and told.
    fn removed(&mut self, event: Event, cgroup: CgroupId, events: &mut Vec<Event>) {
        if self.lingering.iter().all(|&(_, known)| known != cgroup) {
            if let Some(found) = self.cgroups.get(&cgroup) {
                self.owned.remove(&found.container, cgroup);
            }
            self.lingering.push_back((event.0.plus_ms(LINGER_MS), cgroup));
            events.push(event);
        }
    }

    /// Whether it is of a cgroup that was tracked on trial, or until lately, and is not asked for. The record of a cgroup
    /// comes before those of its processes, so by now all that is asked for is known; what is not concerns nobody here,
    /// and has no place in a recording.
    fn is_strangers(&self, what: &What) -> bool {
        let task = match what {
            What::Signal(sent) => &sent.target,
            What::Deliver(delivered) => &delivered.target,
            What::Exit(exited) => &exited.task,
            What::Fork(forked) => &forked.child,
            What::Exec(execed) => &execed.task,
            What::Reaped(reaped) => &reaped.task,
            What::Joined(joined) => &joined.task,
            _ => return false,
        };
        !self.follows_pids() && !self.cgroups.contains_key(&task.cgroup)
    }

    fn follows_pids(&self) -> bool {
        self.only.as_ref().is_some_and(|only| !only.pids.is_empty())
    }

    /// Stops tracking what was removed long enough ago.
    fn let_go(&mut self, now: BootNs) -> anyhow::Result<()> {
        while let Some(&(due, cgroup)) = self.lingering.front() {
            if due > now {
                break;
            }
            self.lingering.pop_front();
            self.cgroups.remove(&cgroup);
            self.counted.remove(&cgroup);
            self.probe.untrack(cgroup)?;
        }
        Ok(())
    }

    fn made(&mut self, at: BootNs, made: &CgroupMade, events: &mut Vec<Event>) -> anyhow::Result<()> {
        let found = if made.path_cut {
            self.classifier.classify_cut(made.id, &made.path)
        } else {
            self.classifier.classify(made.id, &made.path, true)
        };
        match found.map(|found| self.rightful(found)).filter(|found| self.is_wanted(found)) {
            // found by a look at all cgroups
            Some(_) if self.cgroups.contains_key(&made.id) => {}
            Some(found) if self.probe.counters(made.id).is_some() => {
                self.probe.confirm(made.id)?;
                self.tell(at, found, events);
            }
            // there was no room for it, or a look after a loss took it for a stray
            Some(found) => unless_full(self.found(at, found, events))?,
            None => self.probe.untrack(made.id)?,
        }
        Ok(())
    }

    fn rightful(&self, found: CgroupFound) -> CgroupFound {
        let new = found.new;
        rightful(&self.owned, found, |id, path| self.classifier.classify(id, path, new))
    }

    /// Tracks a cgroup that was not tracked, or confirms one that is tracked on trial.
    fn found(&mut self, at: BootNs, found: CgroupFound, events: &mut Vec<Event>) -> anyhow::Result<()> {
        let found = self.rightful(found);
        if !self.is_wanted(&found) || self.cgroups.contains_key(&found.cgroup) {
            return Ok(());
        }
        self.probe.track(found.cgroup)?;
        // from now on its removal is told; before, it was not
        if is_there(&self.hierarchies, found.cgroup, &found.path) == Some(false) {
            self.probe.untrack(found.cgroup)?;
        } else {
            self.tell(at, found, events);
        }
        Ok(())
    }

    fn tell(&mut self, at: BootNs, found: CgroupFound, events: &mut Vec<Event>) {
        let described = self.descriptions.get(&found.container).cloned();
        // a restarted container has another pid: the runtime is asked again
        if found.own && found.runtime != "cgroup" && !self.nameless.contains(&found.container) {
            if self.nameless.len() == NAMELESS {
                self.nameless.pop_front();
            }
            self.nameless.push_back(found.container.clone());
        }
        if found.own {
            self.unwanted.forgive(&found.container);
        }
        self.owned.insert(&found);
        self.cgroups.insert(found.cgroup, found.clone());
        events.push(Event(at, What::Cgroup(found)));
        events.extend(described.map(|described| Event(at, What::Described(described))));
    }

    fn is_wanted(&self, found: &CgroupFound) -> bool {
        if self.unwanted.holds(found) {
            return false;
        }
        let Some(only) = &self.only else { return true };
        only.containers.contains(&found.container)
            || found.runtime == "cgroup"
            || self.classifier.is_named(found.cgroup, &found.path)
    }

    /// A runtime described a container; kept until its cgroup is seen.
    ///
    /// # Errors
    /// When it turns out to be asked for after all, and a map or the task iterator fails.
    pub fn described(&mut self, mut described: Described, events: &mut Vec<Event>) -> anyhow::Result<()> {
        if self.programs_only {
            described.leave_out_arguments();
        }
        let known = self.cgroups.values().any(|found| found.container == described.id);
        if known {
            events.push(Event(boot_now(), What::Described(described.clone())));
        }
        let wanted = self.unwanted.has(&described.id)
            && self.filters.container(&ContainerName::from(&described)) == Verdict::Wanted;
        let id = described.id.clone();
        // whoever is not there yet is asked about once more when it comes
        let command = if known || wanted { described.command } else { Vec::new() };
        let live = || self.cgroups.values().map(|found| found.container.as_str()).collect();
        self.descriptions.put(Described { command, ..described }, live);
        if wanted { self.take_back(&id, events) } else { Ok(()) }
    }

    /// A container that was let go of has another name, or a runtime that knows more of it: it is asked for after all.
    fn take_back(&mut self, container: &str, events: &mut Vec<Event>) -> anyhow::Result<()> {
        for found in self.unwanted.take(container) {
            unless_full(self.found(boot_now(), found, events))?;
        }
        self.look(events).map(drop)
    }

    /// Asks for the names of containers that were found since the last call. `ask` tells whether it took the question.
    pub fn ask_names(&mut self, ask: impl Fn(&str) -> bool) {
        self.nameless.retain(|id| !ask(id));
    }

    fn follow_pids(&mut self, at: BootNs, events: &mut Vec<Event>) -> anyhow::Result<()> {
        let Some(only) = &self.only else { return Ok(()) };
        for &pid in &only.pids {
            self.probe.follow_pid(pid)?;
            let found = CgroupFound {
                cgroup: CgroupId(0),
                path: String::new(),
                container: format!("pid-{pid}"),
                own: true,
                runtime: "process".to_owned(),
                pod_uid: None,
                new: false,
            };
            events.push(Event(at, What::Cgroup(found)));
        }
        Ok(())
    }

    /// Answers what the model asked, as far as it can be answered.
    ///
    /// # Errors
    /// When a snapshot was asked for and cannot be taken.
    pub fn answer(&mut self, want: Want, events: &mut Vec<Event>) -> anyhow::Result<()> {
        let what = match want {
            Want::Pending(task) => answers::pending(task).map(What::Pending),
            Want::State(task) => answers::state(task).map(What::State),
            Want::Figures(cgroup) => self.figures(cgroup),
            // not from here: it takes its time
            Want::Foresee(_) => None,
            Want::Snapshot => return self.look_again(events).map(drop),
        };
        events.extend(what.map(|what| Event(boot_now(), what)));
        Ok(())
    }

    fn figures(&self, cgroup: CgroupId) -> Option<What> {
        let path = &self.cgroups.get(&cgroup)?.path;
        figures(&self.hierarchies, cgroup, path).map(What::CgroupFigures)
    }

    /// What was counted in the kernel since the last call.
    pub fn counted(&mut self, events: &mut Vec<Event>) {
        let at = boot_now();
        for (cgroup, counters) in self.probe.tracked() {
            let now = [counters.child_signals, counters.urgent_signals, counters.other_signals];
            let before = self.counted.entry(cgroup).or_default();
            let [child, urgent, other] = std::array::from_fn(|i| now[i].saturating_sub(before[i]));
            *before = now;
            if child + urgent + other > 0 {
                events.push(Event(at, What::Counted(Counted { cgroup, child, urgent, other })));
            }
        }
    }

    /// Stops tracking a container that the filters do not ask for. To the model it has never been.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn untrack(&mut self, container: &str, events: &mut Vec<Event>) -> anyhow::Result<()> {
        let cgroups: Vec<_> = self.cgroups.values().filter(|found| found.container == container).cloned().collect();
        for &CgroupFound { cgroup, .. } in &cgroups {
            self.probe.untrack(cgroup)?;
            self.owned.remove(container, cgroup);
            self.cgroups.remove(&cgroup);
            self.counted.remove(&cgroup);
            self.lingering.retain(|&(_, lingering)| lingering != cgroup);
        }
        if !cgroups.is_empty() {
            let dismissed = Dismissed { container: container.to_owned() };
            events.push(Event(boot_now(), What::Dismissed(dismissed)));
        }
        self.unwanted.insert(container, cgroups, &self.hierarchies);
        Ok(())
    }
}
