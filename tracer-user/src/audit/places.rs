//! Which containers there are, by their cgroups.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tracer_common::CGROUP_V1;

use crate::container::filter::Filters;
use crate::container::hierarchy::Hierarchies;
use crate::container::scan::{Classifier, cgroups_of, figures};
use crate::container::{InNoContainer, NoSuchProcess};
use crate::event::{CgroupFound, CgroupId};

use super::subject::Pids;

/// A container as its cgroups tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Full id.
    pub(super) id: String,
    /// What the path tells of the runtime.
    pub(super) runtime: String,
    /// It is part of a pod.
    pub(super) of_pod: bool,
    /// Its cgroups: its own, those below it, on a hybrid host in both hierarchies.
    pub(super) cgroups: Vec<Cgroup>,
}

/// One of its cgroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cgroup {
    pub(super) id: CgroupId,
    path: String,
    own: bool,
}

impl Cgroup {
    /// Its directory, if we can reach it.
    pub(super) fn directory(&self, hierarchies: &Hierarchies) -> Option<PathBuf> {
        let v1 = self.id.0 & CGROUP_V1 != 0;
        let mount = if v1 { hierarchies.v1.as_ref().map(|v1| &v1.mount) } else { hierarchies.v2.as_ref() };
        mount?.below(&self.path)
    }
}

impl Place {
    /// It is a runtime's, and not only a cgroup that was named.
    pub(super) fn has_runtime(&self) -> bool {
        self.runtime != "cgroup"
    }

    /// Figures of its own cgroup.
    pub(super) fn pids(&self, hierarchies: &Hierarchies) -> Pids {
        let mut own = self.cgroups.iter().filter(|cgroup| cgroup.own);
        let told = own.find_map(|cgroup| figures(hierarchies, cgroup.id, &cgroup.path));
        told.map_or_else(Pids::default, |told| Pids { current: told.pids_current, max: told.pids_max })
    }
}

/// All of them that `--cgroup` and `--pid` ask for, by their ids. Whether there were more than a scan looks at.
///
/// # Errors
/// When `--pid` names no process, or one that is in no container; when a cgroup that is there cannot be read.
pub(super) fn places(hierarchies: &Hierarchies, filters: &Filters) -> anyhow::Result<(Vec<Place>, bool)> {
    let classifier = Classifier::new(hierarchies, &filters.cgroups);
    let mut of_pids = Vec::new();
    for &pid in &filters.pids {
        let cgroups = cgroups_of(hierarchies, pid).map_err(|_gone| NoSuchProcess(pid))?;
        let found = cgroups.iter().filter_map(|cgroup| classifier.classify(cgroup.id?, &cgroup.path, false));
        let before = of_pids.len();
        of_pids.extend(found.map(|found| found.container));
        if of_pids.len() == before {
            return Err(InNoContainer(pid).into());
        }
    }
    let everything = filters.cgroups.is_empty() && filters.pids.is_empty();
    let wanted = |found: &CgroupFound| {
        everything || of_pids.contains(&found.container) || classifier.is_named(found.cgroup, &found.path)
    };
    let scan = classifier.scan(hierarchies);
    if let Some(unread) = scan.unread {
        anyhow::bail!("containers may be missing, so nothing is judged: cannot read {unread}");
    }
    let mut places: BTreeMap<String, Place> = BTreeMap::new();
    for found in scan.found.into_iter().filter(wanted) {
        let CgroupFound { cgroup, path, container, own, runtime, pod_uid, new: _ } = found;
        let place = places.entry(container.clone()).or_insert_with(|| Place {
            id: container,
            runtime,
            of_pod: pod_uid.is_some(),
            cgroups: Vec::new(),
        });
        place.cgroups.push(Cgroup { id: cgroup, path, own });
    }
    Ok((places.into_values().collect(), scan.cut))
}
