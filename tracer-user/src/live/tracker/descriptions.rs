//! What the runtimes said, kept for cgroups that are seen later. A daemon may make up as many containers as it likes.

use std::collections::{HashMap, HashSet};

use crate::event::Described;

/// Descriptions kept, and bytes that they may hold together, about.
const MOST: usize = 4_096;
const MAX_WEIGHT: usize = 32 << 20;

/// Descriptions by the id of their container, bounded in number and in weight.
#[derive(Debug, Default)]
pub(super) struct Descriptions {
    held: HashMap<String, Described>,
    weight: usize,
}

impl Descriptions {
    pub(super) fn get(&self, id: &str) -> Option<&Described> {
        self.held.get(id)
    }

    /// Keeps a description. When there is no room, those of containers that are not in `live` are forgotten; when there
    /// is still none, this one is not kept: its container is asked about when its cgroup is seen.
    pub(super) fn put<'a>(&mut self, described: Described, live: impl Fn() -> HashSet<&'a str>) {
        self.forget(&described.id);
        let heavy = weight(&described);
        if !self.has_room(heavy) {
            let live = live();
            self.held.retain(|id, _| live.contains(id.as_str()));
            self.weight = self.held.values().map(weight).sum();
        }
        if self.has_room(heavy) {
            self.weight += heavy;
            self.held.insert(described.id.clone(), described);
        }
    }

    fn has_room(&self, heavy: usize) -> bool {
        self.held.len() < MOST && self.weight + heavy <= MAX_WEIGHT
    }

    fn forget(&mut self, id: &str) {
        if let Some(old) = self.held.remove(id) {
            self.weight -= weight(&old);
        }
    }
}

/// Bytes that it holds, about: labels and the command are most of it.
fn weight(described: &Described) -> usize {
    let labels: usize =
        described.labels.iter().map(|(name, value)| name.len() + value.len() + 2 * size_of::<String>()).sum();
    let command: usize = described.command.iter().map(|word| word.len() + size_of::<String>()).sum();
    let texts = [&described.name, &described.image, &described.runtime, &described.sandbox_id];
    let texts: usize = texts.into_iter().flatten().map(String::len).sum();
    let hook = described.hook.as_ref().map_or(0, |hook| match hook {
        crate::event::Hook::Exec { command } => command.iter().map(|word| word.len() + size_of::<String>()).sum(),
        _ => 0,
    });
    size_of::<Described>() + 2 * described.id.len() + labels + command + texts + hook
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(id: &str, bytes: usize) -> Described {
        let labels = [("a".to_owned(), "x".repeat(bytes))].into();
        Described { id: id.to_owned(), labels, ..Described::default() }
    }

    #[test]
    fn they_are_bounded_in_number_and_in_weight() {
        let mut kept = Descriptions::default();
        for n in 0..3 * MOST {
            kept.put(described(&n.to_string(), 0), || HashSet::from(["0"]));
            assert!(kept.held.len() <= MOST);
        }
        assert!(kept.get("0").is_some() && kept.get("1").is_none());
        for n in 0..100 {
            kept.put(described(&format!("big {n}"), 1 << 20), || HashSet::from(["0", "big 0"]));
            assert!(kept.weight <= MAX_WEIGHT);
        }
        assert!(["0", "big 0", "big 99"].iter().all(|id| kept.get(id).is_some()));
        assert_eq!(kept.weight, kept.held.values().map(weight).sum::<usize>());
        // the last word counts, and weighs once
        for bytes in [1 << 20, 5] {
            kept.put(described("big 0", bytes), HashSet::new);
            assert_eq!(kept.get("big 0"), Some(&described("big 0", bytes)));
        }
        assert_eq!(kept.weight, kept.held.values().map(weight).sum::<usize>());
        kept.put(described("too big", MAX_WEIGHT), HashSet::new);
        assert_eq!((kept.get("too big"), kept.weight), (None, 0));
    }
}
