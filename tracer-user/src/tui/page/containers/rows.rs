//! What there is to show: a row for each container, those of a pod together, problems first.

use std::cmp::{Ordering, Reverse};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::rates::Rates;
use crate::event::{BootNs, Foreseen, Foresight};
use crate::model::{
    Condition, ConditionKind, Container, ContainerKey, ContainerName, Figure, Outcome, Pod, PodKey, Stop, Termination,
    Verdict,
};
use crate::output::line::Paint;
use crate::signal::Signal;
use crate::tui::scene::Scene;
use crate::tui::typing::fuzzy;

/// What rows are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    /// What stops, then what is ill or ended badly, the latest first.
    #[default]
    Problems,
    Name,
    Processes,
    Zombies,
    Signals,
    Age,
}

impl Sort {
    const ALL: [Self; 6] = [Self::Problems, Self::Name, Self::Processes, Self::Zombies, Self::Signals, Self::Age];

    pub(super) const fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % Self::ALL.len()]
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Problems => "problems",
            Self::Name => "name",
            Self::Processes => "processes",
            Self::Zombies => "zombies",
            Self::Signals => "signals",
            Self::Age => "age",
        }
    }
}

/// How a container fares.
#[derive(Clone, Copy, Debug)]
pub(super) enum State<'a> {
    /// It is being stopped.
    Stopping(&'a Stop),
    /// Something is wrong with it.
    Ill(BootNs, &'a Condition),
    /// It ended, or the one that was there before it did.
    Ended(&'a Termination),
    /// It runs, and nothing is known against it.
    Fine,
    /// It is gone, and nobody saw how.
    Gone,
}

/// A container.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    pub(super) key: ContainerKey,
    /// What people call it.
    name: String,
    pub(super) container: &'a Container,
    pub(super) state: State<'a>,
    /// Of it or of the one that was there before.
    pub(super) last: Option<&'a Termination>,
    pub(super) processes: usize,
    /// Signals in the last minute.
    pub(super) signals: u64,
}

/// A line of the page.
#[derive(Clone, Debug)]
pub(super) enum Row<'a> {
    /// A pod of several containers.
    Pod {
        pod: &'a Pod,
        folded: bool,
        /// Its containers, the worst first.
        entries: Vec<Entry<'a>>,
    },
    /// A container; within a pod's group or by itself.
    Container { entry: Entry<'a>, grouped: bool },
}

/// What a line is about, whatever its place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Id {
    Pod(String),
    Container(String),
}

impl Row<'_> {
    pub(super) fn id(&self) -> Id {
        match self {
            Row::Pod { pod, .. } => Id::Pod(pod.uid.clone()),
            Row::Container { entry, .. } => Id::Container(entry.container.name.id.clone()),
        }
    }

    /// The container a line is about: of a pod, its worst.
    pub(super) fn entry(&self) -> Option<&Entry<'_>> {
        match self {
            Row::Pod { entries, .. } => entries.first(),
            Row::Container { entry, .. } => Some(entry),
        }
    }
}

/// A container through its lives: a runtime gives each a new id.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Who<'a> {
    InPod(&'a str, &'a str, &'a str, &'a str),
    Named(&'a str),
    Id(&'a str),
}

fn who(name: &ContainerName) -> Who<'_> {
    match (&name.pod, &name.name) {
        (Some(pod), Some(name)) => Who::InPod(&pod.namespace, &pod.name, &pod.uid, name),
        (None, Some(name)) => Who::Named(name),
        (_, None) => Who::Id(&name.id),
    }
}

/// What a person chose.
pub(super) struct Wanted<'a> {
    pub(super) sort: Sort,
    pub(super) reversed: bool,
    pub(super) filter: &'a str,
    pub(super) folded: &'a HashSet<String>,
}

/// The lines, in their order.
pub(super) fn rows<'a>(scene: &Scene<'a>, rates: &Rates, wanted: &Wanted<'_>) -> Vec<Row<'a>> {
    let mut pods: HashMap<PodKey, Vec<Entry<'a>>> = HashMap::new();
    let mut groups: Vec<Vec<Entry<'a>>> = Vec::new();
    for entry in entries(scene, rates).into_iter().filter(|entry| entry.matches(wanted.filter, scene)) {
        match entry.container.pod {
            Some(pod) => pods.entry(pod).or_default().push(entry),
            None => groups.push(vec![entry]),
        }
    }
    groups.extend(pods.into_values());
    let order = |one: &Entry<'_>, other: &Entry<'_>| {
        let order = wanted.sort.compare(one, other);
        if wanted.reversed { order.reverse() } else { order }
    };
    for group in &mut groups {
        group.sort_by(order);
    }
    groups.sort_by(|one, other| order(&one[0], &other[0]));
    let mut rows = Vec::new();
    for group in groups {
        push_group(&mut rows, group, scene, wanted.folded);
    }
    rows
}

fn push_group<'a>(rows: &mut Vec<Row<'a>>, mut group: Vec<Entry<'a>>, scene: &Scene<'a>, folded: &HashSet<String>) {
    let (Some(pod), 2..) = (group[0].pod(scene), group.len()) else {
        rows.extend(group.drain(..).map(|entry| Row::Container { entry, grouped: false }));
        return;
    };
    let folded = folded.contains(&pod.uid);
    rows.push(Row::Pod { pod, folded, entries: group.clone() });
    if !folded {
        rows.extend(group.into_iter().map(|entry| Row::Container { entry, grouped: true }));
    }
}

/// Containers with what is known of them; of one that was replaced only the one that is there now.
fn entries<'a>(scene: &Scene<'a>, rates: &Rates) -> Vec<Entry<'a>> {
    let node = scene.node;
    let last: HashMap<Who<'a>, &'a Arc<Termination>> = node
        .terminations()
        .filter(|ended| scene.shows(&ended.container))
        .map(|ended| (who(&ended.container), ended))
        .collect();
    let mut ill: HashMap<&'a str, (BootNs, &'a Arc<Condition>)> = HashMap::new();
    for (at, condition) in node.conditions() {
        if let Some(container) = &condition.container {
            ill.insert(&container.id, (at, condition));
        }
    }
    let mut present: HashMap<Who<'a>, (ContainerKey, bool)> = HashMap::new();
    for (key, container) in scene.containers() {
        let there = container.gone.is_none();
        let place = present.entry(who(&container.name)).or_insert((key, there));
        if there || !place.1 {
            *place = (key, there);
        }
    }
    let is_latest = |key, container: &Container| {
        container.gone.is_none() || present.get(&who(&container.name)).is_none_or(|(latest, _)| *latest == key)
    };
    scene
        .containers()
        .filter(|(key, container)| is_latest(*key, container))
        .map(|(key, container)| {
            let last = last.get(&who(&container.name)).map(|last| &***last);
            let ill = ill.get(container.name.id.as_str()).copied();
            let processes = node.processes().of(key).filter(|process| process.is_live()).count();
            let signals = rates.of(&container.name.id, scene.now);
            let signals = signals.map_or(0, |counts| counts.iter().copied().map(u64::from).sum());
            Entry {
                key,
                name: container.name.friendly(),
                container,
                state: state(container, last, ill),
                last,
                processes,
                signals,
            }
        })
        .collect()
}

fn state<'a>(
    container: &'a Container,
    last: Option<&'a Termination>,
    ill: Option<(BootNs, &'a Arc<Condition>)>,
) -> State<'a> {
    if let Some(stop) = &container.stop {
        return State::Stopping(stop);
    }
    let present = container.gone.is_none();
    let ill = ill.filter(|(at, condition)| {
        let over = condition.kind == ConditionKind::Zombies && container.zombies == 0;
        present && !over && last.is_none_or(|last| last.ended.is_none_or(|ended| ended < *at))
    });
    match (ill, last, present) {
        (Some((at, condition)), ..) => State::Ill(at, condition),
        (None, Some(last), _) => State::Ended(last),
        (None, None, true) => State::Fine,
        (None, None, false) => State::Gone,
    }
}

/// How bad an end was.
pub(super) fn is_bad(verdict: Verdict) -> bool {
    !matches!(verdict, Verdict::Graceful | Verdict::Exited | Verdict::DefaultAction)
}

impl Entry<'_> {
    /// When its state began.
    pub(super) fn since(&self) -> Option<BootNs> {
        match self.state {
            State::Stopping(stop) => Some(stop.started),
            State::Ill(at, _) => Some(at),
            State::Ended(last) => last.ended.or(last.exited),
            State::Fine => None,
            State::Gone => self.container.gone,
        }
    }

    /// The pod it is part of.
    pub(super) fn pod<'a>(&self, scene: &Scene<'a>) -> Option<&'a Pod> {
        scene.node.pod(self.container.pod?)
    }

    /// What a stop signal would meet: seen where one was sent to it, foreseen where that was worked out, or else what the
    /// one that was there before did with it.
    pub(super) fn meets(&self) -> Option<Met> {
        let seen = |(word, paint)| Met { word, paint, foreseen: false };
        if let Some(met) = self.met() {
            return Some(seen(met));
        }
        match self.foresight() {
            Some(told) if told.foreseen != Foreseen::Unknown => Some(foreseen(told.foreseen)),
            told => self.met_before().map(seen).or_else(|| told.map(|told| foreseen(told.foreseen))),
        }
    }

    /// What is foreseen of one that runs.
    pub(super) fn foresight(&self) -> Option<&Foresight> {
        let is_there = self.container.gone.is_none() && self.container.stop.is_none();
        self.container.foresight.as_ref().filter(|_| is_there).map(|(_, told)| told)
    }

    /// What a stop signal met: that of the stop that goes on, or one that was dropped outside of a stop.
    fn met(&self) -> Option<(&'static str, Paint)> {
        if let State::Stopping(stop) = self.state {
            let signal = stop.signal()?;
            return outcome(signal.outcome, signal.taken);
        }
        if let State::Ill(_, condition) = self.state
            && condition.kind == ConditionKind::DroppedSignal
        {
            let stop = self.container.stop_signal().unwrap_or(Signal::TERM).to_string();
            if condition.figures.iter().any(|(name, value)| *name == "signal" && *value == Figure::Text(stop.clone())) {
                return outcome(Outcome::Dropped, false);
            }
        }
        None
    }

    /// What that of the last stop met: of this container, of an earlier life of it, or of the one in whose place it is.
    fn met_before(&self) -> Option<(&'static str, Paint)> {
        let last = self.last.filter(|last| last.stop_signal.is_some())?;
        match last.verdict {
            // caught, raised again, and then dropped
            Verdict::SigtermDropped => outcome(Outcome::Dropped, false),
            _ => outcome(last.outcome?, last.taken),
        }
    }

    fn rank(&self) -> u8 {
        let present = self.container.gone.is_none();
        match self.state {
            State::Stopping(_) => 0,
            State::Ill(..) => 1,
            State::Ended(last) if is_bad(last.verdict) => 1,
            State::Fine | State::Ended(_) if present => {
                // it runs, and would not stop
                if self.foresight().is_some_and(|told| told.foreseen.is_bad()) { 2 } else { 3 }
            }
            State::Ended(_) => 4,
            State::Fine | State::Gone => 5,
        }
    }

    fn matches(&self, filter: &str, scene: &Scene<'_>) -> bool {
        if filter.is_empty() {
            return true;
        }
        let container = self.container;
        let own = container.name.name.as_deref().unwrap_or_default();
        let image = container.described.as_ref().and_then(|described| described.image.as_deref()).unwrap_or_default();
        let comm = container.first.and_then(|first| scene.node.processes().get(first));
        let comm = comm.map(|first| first.comm().to_string()).unwrap_or_default();
        let state = match self.state {
            State::Stopping(_) => "stopping",
            State::Ill(_, condition) => condition.kind.slug(),
            State::Ended(last) => last.verdict.slug(),
            State::Fine => "running",
            State::Gone => "gone",
        };
        let id = &container.name.id;
        [self.name.as_str(), own, image, &comm, state].into_iter().any(|text| fuzzy(filter, text))
            || id.starts_with(filter)
    }
}

/// What a stop signal meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Met {
    pub(super) word: &'static str,
    pub(super) paint: Paint,
    /// Nobody sent one: it would meet that.
    pub(super) foreseen: bool,
}

fn foreseen(foreseen: Foreseen) -> Met {
    let paint = match foreseen {
        Foreseen::Dropped | Foreseen::Ignored => Paint::Bad,
        Foreseen::Blocked => Paint::Warn,
        Foreseen::Caught | Foreseen::Taken => Paint::Good,
        Foreseen::Default => Paint::Note,
        Foreseen::Unknown => Paint::Dim,
    };
    Met { word: foreseen.slug(), paint, foreseen: true }
}

fn outcome(outcome: Outcome, taken: bool) -> Option<(&'static str, Paint)> {
    Some(match outcome {
        Outcome::Dropped => ("dropped", Paint::Bad),
        Outcome::Ignored => ("ignored", Paint::Bad),
        Outcome::Caught => ("caught", Paint::Good),
        Outcome::Blocked if taken => ("taken", Paint::Good),
        Outcome::Blocked => ("blocked", Paint::Warn),
        Outcome::Default => ("default", Paint::Note),
        Outcome::Noise => return None,
    })
}

impl Sort {
    fn compare(self, one: &Entry<'_>, other: &Entry<'_>) -> Ordering {
        let name = || one.name.cmp(&other.name).then(one.key.cmp(&other.key));
        let by = |of: fn(&Entry<'_>) -> u64| of(other).cmp(&of(one));
        match self {
            Self::Problems => {
                let recent = |entry: &Entry<'_>| (entry.rank() < 2).then(|| Reverse(entry.since()));
                one.rank().cmp(&other.rank()).then_with(|| recent(one).cmp(&recent(other)))
            }
            Self::Name => Ordering::Equal,
            Self::Processes => by(|entry| entry.processes as u64),
            Self::Zombies => by(|entry| entry.container.zombies as u64),
            Self::Signals => by(|entry| entry.signals),
            Self::Age => by(|entry| entry.since().map_or(0, |since| since.0)),
        }
        .then_with(name)
    }
}
