//! Signals a second of each container, for the last minute.

use std::collections::HashMap;

use crate::event::BootNs;

/// Seconds that are remembered.
pub(super) const SECONDS: usize = 60;
/// Containers that are remembered before those without any signal in the last minute are forgotten.
const KEPT: usize = 1_024;

/// By container id. Memory: 136 bytes and the id for each container that was sent a signal.
#[derive(Clone, Debug, Default)]
pub(super) struct Rates(HashMap<String, Rate>);

/// Signals in each of the last seconds.
#[derive(Clone, Debug)]
struct Rate {
    /// The second since boot that the last count is of.
    last: u64,
    /// Oldest first.
    counts: [u16; SECONDS],
}

fn second(at: BootNs) -> u64 {
    at.0 / 1_000_000_000
}

impl Rate {
    /// The counts as they are later: what is too old is out of it.
    fn at(&self, second: u64) -> [u16; SECONDS] {
        let mut counts = self.counts;
        let passed = usize::try_from(second.saturating_sub(self.last)).map_or(SECONDS, |passed| passed.min(SECONDS));
        counts.rotate_left(passed % SECONDS);
        counts[SECONDS - passed..].fill(0);
        counts
    }
}

impl Rates {
    /// A signal to this container.
    pub(super) fn add(&mut self, container: &str, at: BootNs) {
        let second = second(at);
        if !self.0.contains_key(container) {
            if self.0.len() >= KEPT {
                self.0.retain(|_, rate| second.saturating_sub(rate.last) < SECONDS as u64);
            }
            self.0.insert(container.to_owned(), Rate { last: second, counts: [0; SECONDS] });
        }
        let Some(rate) = self.0.get_mut(container) else { return };
        if second > rate.last {
            rate.counts = rate.at(second);
            rate.last = second;
        }
        // news may be a little older than the last
        let age = usize::try_from(rate.last - second.min(rate.last)).unwrap_or(SECONDS);
        if let Some(count) = (SECONDS - 1).checked_sub(age).and_then(|index| rate.counts.get_mut(index)) {
            *count = count.saturating_add(1);
        }
    }

    /// Counts of the last minute, oldest first; `None` when there was no signal in it.
    pub(super) fn of(&self, container: &str, now: BootNs) -> Option<[u16; SECONDS]> {
        let counts = self.0.get(container)?.at(second(now));
        counts.iter().any(|count| *count > 0).then_some(counts)
    }

    /// Whether any sparkline moves.
    pub(super) fn any(&self, now: BootNs) -> bool {
        self.0.values().any(|rate| second(now).saturating_sub(rate.last) < SECONDS as u64)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> BootNs {
        BootNs(seconds * 1_000_000_000 + 7)
    }

    #[test]
    fn a_minute_is_remembered_and_no_more() {
        let mut rates = Rates::default();
        for seconds in [100, 100, 102, 101, 130] {
            rates.add("a", at(seconds));
        }
        let counts = rates.of("a", at(130)).expect("there were signals");
        let told: Vec<_> = counts.iter().enumerate().filter(|(_, count)| **count > 0).collect();
        assert_eq!(told, [(29, &2), (30, &1), (31, &1), (59, &1)]);
        let later = rates.of("a", at(161)).expect("one is left");
        assert_eq!(later.iter().map(|count| usize::from(*count)).sum::<usize>(), 2);
        assert!(rates.any(at(189)) && !rates.any(at(190)));
        assert!(rates.of("a", at(190)).is_none() && rates.of("b", at(100)).is_none());
    }

    #[test]
    fn memory_is_bounded_by_what_is_alive() {
        let mut rates = Rates::default();
        for n in 0..KEPT {
            rates.add(&format!("old {n}"), at(1));
        }
        rates.add("new", at(100));
        assert_eq!(rates.0.len(), 1);
    }
}
