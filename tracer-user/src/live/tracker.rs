//! The kernel's side of live tracing: which cgroups are tracked, and the events that the world makes of it.
//!
//! Start-up order: attach, find the cgroups, track them, and only then take the snapshot. What happens before a cgroup
//! is tracked is in the snapshot; what happens after comes through the ring; a cgroup made in between is tracked on
//! trial by the kernel program itself.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tracer_common::CGROUP_V1;

use crate::container::filter::Filters;
use crate::container::hierarchy::Hierarchies;
use crate::container::scan::{Classifier, cgroups_of, figures};
use crate::event::{BootNs, CgroupFound, CgroupGone, CgroupId, Counted, Described, Event, Lost, Task, TaskKey, What};
use crate::model::Want;
use crate::probe::{CgroupMade, CgroupV1, KernelLog, Probe, Record, Ring, Settings, TaskSeen};

use super::answers;
use super::boot_now;

/// A removed cgroup stays tracked this long, ms: its last processes may still be zombies.
const LINGER_MS: u64 = 5_000;
/// Records taken in one go before anything else gets its turn.
const BUDGET: usize = 1_024;
/// Descriptions kept for containers whose cgroup has not been seen yet.
const DESCRIPTIONS: usize = 4_096;

/// The kernel programs, and what is known of cgroups.
#[derive(Debug)]
pub struct Tracker {
    probe: Probe,
    ring: Ring,
    log: Option<KernelLog>,
    hierarchies: Hierarchies,
    classifier: Classifier,
    /// Tracked cgroups.
    cgroups: HashMap<CgroupId, CgroupFound>,
    /// Only what `--cgroup` and `--pid` name.
    only: Option<Only>,
    /// Removed cgroups that are still tracked.
    lingering: VecDeque<(BootNs, CgroupId)>,
    /// What the runtimes said, by container id.
    descriptions: HashMap<String, Described>,
    /// Containers whose names have not been asked for.
    nameless: Vec<String>,
    /// Time of the last record.
    drained_to: BootNs,
    /// Cgroups may have been made or removed that nobody told of.
    missed_cgroups: bool,
    /// Counters as they were last told.
    counted: HashMap<CgroupId, [u64; 3]>,
}

/// What `--cgroup` and `--pid` name.
#[derive(Debug, Default)]
struct Only {
    /// Containers of the processes that `--pid` names.
    containers: HashSet<String>,
    /// Processes outside of containers that `--pid` names.
    pids: HashSet<u32>,
}

/// All processes there were at a moment.
#[derive(Clone, Debug)]
pub struct Present {
    at: BootNs,
    tasks: HashSet<TaskKey>,
}

impl Present {
    /// Whether a process was gone by then.
    #[must_use]
    pub fn lacks(&self, process: TaskKey) -> bool {
        process.start < self.at.0 && !self.tasks.contains(&process)
    }
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
        };
        let mut probe = Probe::load(&settings)?;
        let ring = probe.open_ring(drain)?;
        let log = if options.log { Some(probe.kernel_log()?) } else { None };
        log::info!("attached to {} after {} ms", probe.info().programs.join(", "), begun.elapsed().as_millis());
        let mut tracker = Self {
            probe,
            ring,
            log,
            hierarchies,
            classifier,
            cgroups: HashMap::new(),
            only,
            lingering: VecDeque::new(),
            descriptions: HashMap::new(),
            nameless: Vec::new(),
            drained_to: BootNs(0),
            missed_cgroups: false,
            counted: HashMap::new(),
        };
        let at = boot_now();
        for found in tracker.classifier.scan(&tracker.hierarchies).found {
            tracker.found(at, found, events)?;
        }
        for found in containers_of_pids {
            tracker.found(at, found, events)?;
        }
        tracker.follow_pids(at, events)?;
        tracker.snapshot(events)?;
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
        let mut records = Vec::new();
        let drained = self.ring.drain(BUDGET, |record| records.push(record))?;
        for record in records {
            match record {
                Record::Event(event) => {
                    self.drained_to = event.0;
                    self.noticed(event, events);
                }
                Record::CgroupMade(at, made) => self.made(at, &made, events)?,
            }
        }
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

    /// Time of the last record that was drained.
    #[must_use]
    pub const fn drained_to(&self) -> BootNs {
        self.drained_to
    }

    fn noticed(&mut self, event: Event, events: &mut Vec<Event>) {
        if self.is_strangers(&event.1) {
            return;
        }
        if let What::CgroupGone(gone) = &event.1 {
            if !self.cgroups.contains_key(&gone.cgroup) {
                return;
            }
            self.lingering.push_back((event.0.plus_ms(LINGER_MS), gone.cgroup));
        }
        events.push(event);
    }

    /// Whether it is of a cgroup that was tracked on trial and is not asked for. That one's record came first, so by now
    /// all that is asked for is known; what is not concerns nobody here, and has no place in a recording.
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
        let follows_pids = self.only.as_ref().is_some_and(|only| !only.pids.is_empty());
        !follows_pids && !self.cgroups.contains_key(&task.cgroup)
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
        match found.filter(|found| self.is_wanted(found)) {
            Some(found) => {
                self.probe.confirm(made.id)?;
                self.tell(at, found, events);
            }
            None => self.probe.untrack(made.id)?,
        }
        Ok(())
    }

    fn found(&mut self, at: BootNs, found: CgroupFound, events: &mut Vec<Event>) -> anyhow::Result<()> {
        if self.is_wanted(&found) && !self.cgroups.contains_key(&found.cgroup) {
            self.probe.track(found.cgroup)?;
            self.tell(at, found, events);
        }
        Ok(())
    }

    fn tell(&mut self, at: BootNs, found: CgroupFound, events: &mut Vec<Event>) {
        let described = self.descriptions.get(&found.container).cloned();
        // a restarted container has another pid: the runtime is asked again
        if found.own && found.runtime != "cgroup" && !self.nameless.contains(&found.container) {
            self.nameless.push(found.container.clone());
        }
        self.cgroups.insert(found.cgroup, found.clone());
        events.push(Event(at, What::Cgroup(found)));
        events.extend(described.map(|described| Event(at, What::Described(described))));
    }

    fn is_wanted(&self, found: &CgroupFound) -> bool {
        let Some(only) = &self.only else { return true };
        only.containers.contains(&found.container)
            || found.runtime == "cgroup"
            || self.classifier.is_named(found.cgroup, &found.path)
    }

    /// A runtime described a container; kept until its cgroup is seen.
    pub fn described(&mut self, described: Described, events: &mut Vec<Event>) {
        let known = self.cgroups.values().any(|found| found.container == described.id);
        if known {
            events.push(Event(boot_now(), What::Described(described.clone())));
        }
        if self.descriptions.len() >= DESCRIPTIONS {
            // whoever is not there any more needs no name
            let live: HashSet<&str> = self.cgroups.values().map(|found| found.container.as_str()).collect();
            self.descriptions.retain(|id, _| live.contains(id.as_str()));
        }
        if known || self.descriptions.len() < DESCRIPTIONS {
            self.descriptions.insert(described.id.clone(), described);
        }
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

    /// All processes of what is tracked, as they are now.
    ///
    /// # Errors
    /// When the task iterator cannot be read.
    pub fn snapshot(&mut self, events: &mut Vec<Event>) -> anyhow::Result<Present> {
        let at = boot_now();
        let tasks = self.probe.snapshot()?;
        let present = Present { at, tasks: tasks.iter().map(|seen| seen.process.task.key()).collect() };
        let followed = self.followed(&tasks)?;
        for TaskSeen { time, mut process, cgroup_v2, cgroup_v1, .. } in tasks.into_iter().filter(|seen| !seen.ending) {
            // in the order of the kernel programs
            let tracked = [cgroup_v1, cgroup_v2].into_iter().find(|cgroup| self.cgroups.contains_key(cgroup));
            match tracked {
                Some(cgroup) => process.task.cgroup = cgroup,
                None if followed.contains(&process.task.pid) => {}
                None => continue,
            }
            process.exe = answers::executable(process.task.pid);
            events.push(Event(time, What::Process(process)));
        }
        Ok(present)
    }

    /// The processes that `--pid` names and their descendants, parents first.
    fn followed(&mut self, tasks: &[TaskSeen]) -> anyhow::Result<HashSet<u32>> {
        let Some(only) = &self.only else { return Ok(HashSet::new()) };
        let mut followed = only.pids.clone();
        loop {
            let more: Vec<&Task> = tasks
                .iter()
                .filter(|seen| followed.contains(&seen.process.parent.pid))
                .map(|seen| &seen.process.task)
                .filter(|task| !followed.contains(&task.pid))
                .collect();
            if more.is_empty() {
                return Ok(followed);
            }
            for task in more {
                self.probe.follow_pid(task.pid)?;
                followed.insert(task.pid);
            }
        }
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
            Want::Snapshot => return self.look_again(events).map(drop),
        };
        events.extend(what.map(|what| Event(boot_now(), what)));
        Ok(())
    }

    /// After a loss: what should have been told is looked up.
    ///
    /// # Errors
    /// When the task iterator cannot be read.
    pub fn look_again(&mut self, events: &mut Vec<Event>) -> anyhow::Result<Present> {
        if std::mem::take(&mut self.missed_cgroups) {
            self.find_missed_cgroups(boot_now(), events)?;
        }
        self.snapshot(events).context("cannot look at all processes again after a loss")
    }

    fn find_missed_cgroups(&mut self, at: BootNs, events: &mut Vec<Event>) -> anyhow::Result<()> {
        let scan = self.classifier.scan(&self.hierarchies);
        let there: HashSet<_> = scan.found.iter().map(|found| found.cgroup).collect();
        for found in scan.found {
            self.found(at, found, events)?;
        }
        // a mount that does not show everything says nothing of what it does not show
        let Hierarchies { v2, v1 } = &self.hierarchies;
        let shows = [v2.as_ref(), v1.as_ref().map(|v1| &v1.mount)].map(|mount| mount.is_some_and(|mount| mount.whole));
        let lingering: HashSet<_> = self.lingering.iter().map(|(_, cgroup)| *cgroup).collect();
        let gone = |cgroup: &CgroupId| {
            let visible = shows[usize::from(cgroup.0 & CGROUP_V1 != 0)];
            visible && !scan.cut && !there.contains(cgroup) && !lingering.contains(cgroup)
        };
        let gone: Vec<_> = self.cgroups.keys().copied().filter(gone).collect();
        for cgroup in gone {
            self.noticed(Event(at, What::CgroupGone(CgroupGone { cgroup })), events);
        }
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

    /// Stops tracking a container that the filters do not ask for.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn untrack(&mut self, container: &str) -> anyhow::Result<()> {
        let cgroups: Vec<_> =
            self.cgroups.iter().filter(|(_, found)| found.container == container).map(|(id, _)| *id).collect();
        for cgroup in cgroups {
            self.probe.untrack(cgroup)?;
            self.cgroups.remove(&cgroup);
        }
        Ok(())
    }
}

/// Something was lost before, between or after the events from `start` on: nobody knows where. What ends by one of them
/// must not be judged as if all were there, so each end comes with a loss of nothing.
fn mark_ends(events: &mut Vec<Event>, start: usize) {
    for event in events.split_off(start) {
        if matches!(event.1, What::Exit(_) | What::Reaped(_) | What::CgroupGone(_)) {
            events.push(Event(event.0, What::Lost(Lost::default())));
        }
        events.push(event);
    }
}

impl Only {
    /// `None` when neither `--cgroup` nor `--pid` is given. With it, what the containers of the pids are.
    fn new(
        filters: &Filters,
        hierarchies: &Hierarchies,
        classifier: &Classifier,
    ) -> anyhow::Result<(Option<Self>, Vec<CgroupFound>)> {
        if filters.cgroups.is_empty() && filters.pids.is_empty() {
            return Ok((None, Vec::new()));
        }
        let mut only = Self::default();
        let mut all = Vec::new();
        for &pid in &filters.pids {
            let cgroups = cgroups_of(hierarchies, pid).map_err(|_gone| super::NoSuchProcess(pid))?;
            let mut found: Vec<_> = cgroups
                .iter()
                .filter_map(|cgroup| {
                    let id = cgroup.id.unwrap_or(CgroupId(if cgroup.v1 { CGROUP_V1 } else { 0 }));
                    classifier.classify(id, &cgroup.path, false)
                })
                .collect();
            if found.is_empty() {
                only.pids.insert(pid);
            }
            // beside v1, its v2 cgroup may still be that of a container around its own
            let own = found.first().map(|found| found.container.clone());
            found.retain(|found| own.as_ref() == Some(&found.container));
            for found in found {
                only.containers.insert(found.container.clone());
                if found.cgroup.0 & !CGROUP_V1 != 0 {
                    all.push(found);
                }
            }
        }
        Ok((Some(only), all))
    }
}
