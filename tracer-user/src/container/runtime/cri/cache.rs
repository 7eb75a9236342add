//! What many containers share is asked for once: sandboxes and images do not change.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Entries, and bytes that they may hold together: a node has a few hundred pods and images.
const MAX_ENTRIES: usize = 2048;
const MAX_WEIGHT: usize = 8 << 20;

/// By id. When it is full it begins anew.
#[derive(Debug)]
pub(super) struct Cache<T>(Mutex<Held<T>>);

#[derive(Debug)]
struct Held<T> {
    entries: HashMap<String, T>,
    weight: usize,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self(Mutex::new(Held { entries: HashMap::new(), weight: 0 }))
    }
}

impl<T: Clone> Cache<T> {
    /// What is known.
    pub(super) fn get(&self, id: &str) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entries.get(id).cloned()
    }

    /// Keeps something that holds about `weight` bytes.
    pub(super) fn put(&self, id: &str, value: T, weight: usize) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let weight = weight + id.len() + size_of::<T>();
        if held.entries.len() >= MAX_ENTRIES || held.weight.saturating_add(weight) > MAX_WEIGHT {
            held.entries.clear();
            held.weight = 0;
        }
        if weight <= MAX_WEIGHT && held.entries.insert(id.to_owned(), value).is_none() {
            held.weight += weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_in_number_and_in_weight() {
        let cache = Cache::default();
        for n in 0..3 * MAX_ENTRIES {
            cache.put(&n.to_string(), n, 0);
        }
        let held = |cache: &Cache<usize>| cache.0.lock().map(|held| (held.entries.len(), held.weight)).expect("sound");
        assert_eq!(held(&cache).0, MAX_ENTRIES);
        assert_eq!((cache.get("0"), cache.get(&(3 * MAX_ENTRIES - 1).to_string())), (None, Some(3 * MAX_ENTRIES - 1)));
        for n in 0..100 {
            cache.put(&format!("big {n}"), n, 1 << 20);
            assert!(held(&cache).1 <= MAX_WEIGHT);
        }
        assert_eq!(cache.get("big 99"), Some(99));
        cache.put("too big", 1, MAX_WEIGHT);
        assert_eq!(cache.get("too big"), None);
    }
}
