//! What `--cgroup` and `--pid` name.

use std::collections::HashSet;

use tracer_common::CGROUP_V1;

use crate::container::filter::Filters;
use crate::container::hierarchy::Hierarchies;
use crate::container::scan::{Classifier, cgroups_of};
use crate::event::{CgroupFound, CgroupId};
use crate::live::NoSuchProcess;

/// What `--cgroup` and `--pid` name.
#[derive(Debug, Default)]
pub(super) struct Only {
    /// Containers of the processes that `--pid` names.
    pub(super) containers: HashSet<String>,
    /// Processes outside of containers that `--pid` names.
    pub(super) pids: HashSet<u32>,
}

impl Only {
    /// `None` when neither `--cgroup` nor `--pid` is given. With it, what the containers of the pids are.
    pub(super) fn new(
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
            let cgroups = cgroups_of(hierarchies, pid).map_err(|_gone| NoSuchProcess(pid))?;
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
