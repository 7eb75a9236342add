//! Whose a cgroup is when its name is that of a container which has its cgroup elsewhere.
//!
//! Whoever may make cgroups below its own (a container with a cgroup namespace that it may write to, for one) may name
//! one after any container of the host. It stays a part of its maker's container: else the end of the forged one would
//! be told as the end of the other, which runs on.

use std::collections::HashMap;

use tracer_common::CGROUP_V1;

use crate::container::path;
use crate::event::{CgroupFound, CgroupId};

/// The own cgroups of the tracked containers that are there, by container.
#[derive(Debug, Default)]
pub(super) struct Owned(HashMap<String, Vec<(CgroupId, String)>>);

impl Owned {
    /// A cgroup is tracked.
    pub(super) fn insert(&mut self, found: &CgroupFound) {
        if found.own && found.runtime != "cgroup" {
            self.0.entry(found.container.clone()).or_default().push((found.cgroup, found.path.clone()));
        }
    }

    /// A cgroup was removed, or is tracked no longer.
    pub(super) fn remove(&mut self, container: &str, cgroup: CgroupId) {
        if let Some(owned) = self.0.get_mut(container) {
            owned.retain(|&(known, _)| known != cgroup);
            if owned.is_empty() {
                self.0.remove(container);
            }
        }
    }

    /// Whether a container has its own cgroup elsewhere, and not at `own`, which lies inside the container `around`.
    fn has_elsewhere(&self, container: &str, cgroup: CgroupId, own: &str, around: &str) -> bool {
        let is_v1 = |cgroup: CgroupId| cgroup.0 & CGROUP_V1 != 0;
        let known = self.0.get(container).map_or(&[][..], Vec::as_slice);
        let mut here = known.iter().filter(|&&(known, _)| is_v1(known) == is_v1(cgroup)).peekable();
        if here.peek().is_some() {
            return here.all(|(_, path)| path != own);
        }
        // of the other hierarchy nothing is sure but which container it is in
        known.iter().any(|(_, path)| outside(path).and_then(path::parse).is_none_or(|outer| outer.id != around))
    }
}

/// What a cgroup is, after a look at where the container has its cgroup that this one is named after. `classify` tells
/// what a path is.
pub(super) fn rightful(
    owned: &Owned,
    found: CgroupFound,
    classify: impl Fn(CgroupId, &str) -> Option<CgroupFound>,
) -> CgroupFound {
    let mut is = found.clone();
    // what --cgroup names was named by whoever asks
    while is.runtime != "cgroup"
        && let Some(own) = path::parse(&is.path).and_then(|named| is.path.get(..named.own_len))
        && let Some(around) = outside(own).and_then(|outer| classify(found.cgroup, outer))
        && owned.has_elsewhere(&is.container, found.cgroup, own, &around.container)
    {
        is = around;
    }
    if is.path == found.path {
        return found;
    }
    CgroupFound { path: found.path, own: false, new: found.new, ..is }
}

/// What a container's cgroup lies in: the path without the innermost container that it names.
fn outside(path: &str) -> Option<&str> {
    let named = path::parse(path)?;
    Some(path.get(..named.own_len)?.rsplit_once('/')?.0)
}

/// In the order of how many containers they lie in, so that those of the host are known before those that may be
/// forged. Otherwise the order stays.
pub(super) fn outer_first(mut found: Vec<CgroupFound>) -> Vec<CgroupFound> {
    found.sort_by_cached_key(|found| std::iter::successors(outside(&found.path), |path| outside(path)).count());
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::scan::Classifier;

    fn scope(letter: &str) -> String {
        format!("/docker-{}.scope", letter.repeat(64))
    }

    fn found(cgroup: u64, path: &str) -> CgroupFound {
        Classifier::default().classify(CgroupId(cgroup), path, true).expect("a container's")
    }

    fn owned(of: &[(u64, &str)]) -> Owned {
        let mut owned = Owned::default();
        for &(cgroup, path) in of {
            owned.insert(&found(cgroup, path));
        }
        owned
    }

    #[track_caller]
    fn check(owned: &Owned, path: &str, cgroup: u64, letter: &str, own: bool) {
        let classify = |id: CgroupId, path: &str| Classifier::default().classify(id, path, true);
        let is = rightful(owned, found(cgroup, path), classify);
        assert_eq!((is.container, is.own), (letter.repeat(64), own), "{path}");
        assert_eq!((is.path.as_str(), is.cgroup), (path, CgroupId(cgroup)));
    }

    #[test]
    fn who_names_a_cgroup_after_another_container_keeps_it() {
        let (a, b, c) = (scope("a"), scope("b"), scope("c"));
        let known = owned(&[(1, &a), (2, &b), (3, &c)]);
        check(&known, &format!("{a}{b}"), 9, "a", false);
        check(&known, &format!("{a}/x{b}/y"), 9, "a", false);
        check(&known, &format!("{a}{b}{c}"), 9, "a", false);
        check(&known, &format!("{b}{b}"), 9, "b", false);
        // also when nobody asks for the outer one, which is not tracked then
        check(&owned(&[(2, &b)]), &format!("{a}{b}"), 9, "a", false);
        // and where the other has a cgroup in the other hierarchy only
        check(&known, &format!("{a}{b}"), CGROUP_V1 | 9, "a", false);
    }

    #[test]
    fn who_has_no_other_cgroup_has_this_one() {
        let (a, b) = (scope("a"), scope("b"));
        let nested = format!("{a}{b}");
        let mut known = owned(&[(1, &a), (2, &b)]);
        check(&known, &b, 9, "b", true); // restarted before the end of the last one is told
        check(&known, &format!("/elsewhere.slice{b}"), 9, "b", true);
        check(&known, &format!("{b}/init"), 9, "b", false);
        known.remove(&"b".repeat(64), CgroupId(2));
        check(&known, &nested, 9, "b", true);
        known.insert(&found(3, &nested));
        check(&known, &nested, 9, "b", true);
        check(&known, &format!("{nested}/init"), 9, "b", false);
        check(&known, &nested, CGROUP_V1 | 9, "b", true);
    }

    #[test]
    fn those_of_the_host_come_first() {
        let (a, b) = (scope("a"), scope("b"));
        let nested = format!("{a}{b}");
        let order = [(1, a.as_str()), (2, nested.as_str()), (3, b.as_str()), (4, "/x.slice"), (5, "/")];
        let all = order.iter().filter(|(_, path)| path::parse(path).is_some()).map(|&(id, path)| found(id, path));
        let sorted: Vec<u64> = outer_first(all.collect()).into_iter().map(|found| found.cgroup.0).collect();
        assert_eq!(sorted, [1, 3, 2]);
    }
}
