//! Containers that turned out not to be asked for. They are remembered so that a look at all cgroups does not take them
//! for new ones.

use std::collections::HashMap;

use crate::container::hierarchy::Hierarchies;
use crate::container::scan::is_there;
use crate::event::CgroupFound;

/// From this many containers on, those that are gone are looked for and forgotten.
const FEW: usize = 1_024;

/// Cgroups that were let go of, by their container.
#[derive(Debug)]
pub(super) struct Unwanted {
    containers: HashMap<String, Vec<CgroupFound>>,
    limit: usize,
}

impl Unwanted {
    pub(super) fn new() -> Self {
        Self { containers: HashMap::new(), limit: FEW }
    }

    /// A container is let go of, with these cgroups.
    pub(super) fn insert(&mut self, container: &str, cgroups: Vec<CgroupFound>, hierarchies: &Hierarchies) {
        if cgroups.is_empty() {
            return;
        }
        if self.containers.len() >= self.limit {
            // nobody tells of their ends
            let there = |found: &CgroupFound| is_there(hierarchies, found.cgroup, &found.path) != Some(false);
            self.containers.retain(|_, cgroups| cgroups.iter().any(there));
            self.limit = FEW.max(2 * self.containers.len());
        }
        self.containers.entry(container.to_owned()).or_default().extend(cgroups);
    }

    /// Whether a cgroup belongs to a container that was let go of. One that has another cgroup of its own by now was
    /// started again: it may have another name, too.
    pub(super) fn holds(&self, found: &CgroupFound) -> bool {
        self.containers
            .get(&found.container)
            .is_some_and(|cgroups| !found.own || cgroups.iter().any(|known| known.cgroup == found.cgroup))
    }

    /// A container may be asked for after all. Returns its cgroups.
    pub(super) fn take(&mut self, container: &str) -> Vec<CgroupFound> {
        self.containers.remove(container).unwrap_or_default()
    }

    /// Whether a container was let go of.
    pub(super) fn has(&self, container: &str) -> bool {
        self.containers.contains_key(container)
    }

    /// A container is started again, and nobody knows yet whether it is asked for.
    pub(super) fn forgive(&mut self, container: &str) {
        self.containers.remove(container);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::hierarchy::Mount;
    use crate::event::CgroupId;

    fn cgroup(container: &str, cgroup: u64, own: bool) -> CgroupFound {
        CgroupFound {
            cgroup: CgroupId(cgroup),
            path: format!("/docker/{container}"),
            container: container.to_owned(),
            own,
            runtime: "docker".to_owned(),
            pod_uid: None,
            new: false,
        }
    }

    fn nothing_is_seen() -> Hierarchies {
        Hierarchies { v2: None, v1: None }
    }

    #[test]
    fn what_was_let_go_of_is_known_again_until_it_is_restarted() {
        let mut unwanted = Unwanted::new();
        unwanted.insert("a", vec![cgroup("a", 1, true)], &nothing_is_seen());
        assert!(unwanted.holds(&cgroup("a", 1, true)), "a look at all cgroups finds it again");
        assert!(unwanted.holds(&cgroup("a", 2, false)), "what it makes inside itself is not asked for either");
        assert!(!unwanted.holds(&cgroup("a", 3, true)), "another life");
        assert!(!unwanted.holds(&cgroup("b", 1, true)));
        unwanted.forgive("a");
        assert!(!unwanted.holds(&cgroup("a", 2, false)) && !unwanted.has("a"));
    }

    #[test]
    fn who_is_gone_is_not_remembered_for_ever() {
        let at = tempfile::tempdir().expect("a directory");
        let mount = Mount { point: at.path().to_owned(), root: "/".to_owned(), whole: true, home: Vec::new() };
        let hierarchies = Hierarchies { v2: Some(mount), v1: None };
        let mut unwanted = Unwanted::new();
        for number in 0..100_000_u64 {
            let id = format!("{number:06}");
            unwanted.insert(&id, vec![cgroup(&id, number, true)], &hierarchies);
            assert!(unwanted.containers.len() <= FEW);
        }
    }
}
