//! Everything that a scrape shows, as it stood at one moment: plain data, made on the tracing thread and shown by another.

use std::collections::BTreeMap;

use crate::event::{BootNs, CgroupFigures, CgroupId, Lost};
use crate::model::{Container, Node, Process};
use crate::otlp::Summary;
use crate::printable;

use super::super::limits;
use super::counts::{Counts, pod_label};
use super::family::{Labels, OTHER};
use super::seen::Seen;
use super::workload::workload;

/// What a scrape shows.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub(super) counts: Counts,
    pub(super) containers: Vec<Stand>,
    pub(super) own: Own,
    pub(super) lost: Lost,
}

/// What is known of the agent itself.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// Release of the kernel.
    pub kernel: String,
    /// Kernel programs that are attached.
    pub programs: usize,
    /// How often the loop woke up.
    pub wakeups: u64,
    /// How full the ring was at the most, in the last half minute or more; 1 is full.
    pub ring_fill: f64,
    /// Who is attached, recordings not counted.
    pub clients: usize,
    /// Events that clients and recordings missed because they were slow.
    pub missed: u64,
    /// Terminations that are remembered.
    pub terminations: usize,
    /// Memory for what is remembered, bytes.
    pub bytes: usize,
    /// Events that came, by kind.
    pub seen: Seen,
    /// What became of terminations that are exported as traces, where they are.
    pub traces: Option<Summary>,
}

/// How it stands with a container.
#[derive(Clone, Debug)]
pub(super) struct Stand {
    labels: Labels,
    /// Its own cgroups, and their path.
    cgroups: [CgroupId; 2],
    path: String,
    /// Zombies older than a second, and the age of the oldest, s.
    zombies: u64,
    oldest: f64,
    /// The last figures that the model has.
    figures: CgroupFigures,
}

/// What is told of containers with the same labels: those of one workload cannot be told apart without their pods.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Gauges {
    /// Together.
    pub(super) zombies: u64,
    /// Of all.
    pub(super) oldest: f64,
    /// Of the one that is nearest to its limit.
    pub(super) pids: Option<(u64, Option<u64>)>,
}

impl Snapshot {
    pub(super) fn new(node: &Node, counts: Counts, own: Own) -> Self {
        let there = node.containers().filter(|(_, one)| one.gone.is_none() && !one.is_sandbox());
        let containers = there.map(|(key, one)| {
            let zombies = if one.zombies == 0 { (0, 0.0) } else { zombies(node.processes().of(key), node.now()) };
            stand(one, counts.pod_names, zombies)
        });
        Self { containers: containers.collect(), lost: *node.lost(), own, counts }
    }

    /// Puts figures that were just read in the place of those that the model has.
    pub(super) fn read_figures(&mut self, read: impl Fn(CgroupId, &str) -> Option<CgroupFigures>) {
        for one in &mut self.containers {
            let mut own = one.cgroups.into_iter().filter(|cgroup| cgroup.0 != 0);
            if let Some(figures) = own.find_map(|cgroup| read(cgroup, &one.path)) {
                one.figures = figures;
            }
        }
    }

    /// What is told of containers, by their labels. Too many are `other` together.
    pub(super) fn gauges(&self) -> BTreeMap<Labels, Gauges> {
        let mut gauges = BTreeMap::new();
        for one in &self.containers {
            let pids = one.figures.pids_current.map(|current| (current, one.figures.pids_max));
            if pids.is_none() && one.zombies == 0 {
                continue;
            }
            let known = gauges.len() < limits::SERIES || gauges.contains_key(&one.labels);
            let labels = if known { one.labels.clone() } else { one.labels.iter().map(|_| OTHER.to_owned()).collect() };
            let all: &mut Gauges = gauges.entry(labels).or_default();
            all.zombies += one.zombies;
            all.oldest = all.oldest.max(one.oldest);
            all.pids = all.pids.into_iter().chain(pids).max_by(|one, other| share(*one).total_cmp(&share(*other)));
        }
        gauges
    }
}

/// How near to its limit, 1 being at it; without one, farther than any that has one.
#[expect(clippy::cast_precision_loss, reason = "numbers of processes")]
fn share((current, max): (u64, Option<u64>)) -> f64 {
    match max {
        Some(max) => current as f64 / max.max(1) as f64,
        None => -1.0 / (current as f64 + 1.0),
    }
}

fn stand(container: &Container, pod_names: bool, (zombies, oldest): (u64, f64)) -> Stand {
    let (namespace, workload) = workload(&container.name);
    let mut labels = vec![namespace, workload, printable::text(container.name.own()).into_owned()];
    labels.extend(pod_names.then(|| pod_label(&container.name)));
    let Container { cgroups, path, figures, .. } = container;
    Stand { labels: labels.into(), cgroups: *cgroups, path: path.clone(), zombies, oldest, figures: *figures }
}

/// How many zombies were told, and the age of the oldest, s.
fn zombies<'a>(processes: impl Iterator<Item = &'a Process>, now: BootNs) -> (u64, f64) {
    let told = processes.filter(|process| process.zombie_told && process.is_zombie_now());
    let exits = told.filter_map(|process| process.exit.map(|(at, _)| at));
    exits.fold((0, 0.0), |(count, oldest): (u64, f64), exit| {
        let age = std::time::Duration::from_nanos(now.since(exit)).as_secs_f64();
        (count + 1, oldest.max(age))
    })
}
