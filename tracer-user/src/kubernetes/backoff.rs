//! How long to wait before something is tried again: longer each time, and not all nodes of a cluster at once.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// A wait that doubles.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
    tries: u32,
    random: RandomState,
}

impl Backoff {
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first, tries: 0, random: RandomState::new() }
    }

    /// How often [`Self::wait`] was asked since the last [`Self::reset`].
    pub(super) const fn tries(&self) -> u32 {
        self.tries
    }

    /// How long to wait now: what the server asked for, but no longer than the longest; half as much again at most.
    pub(super) fn wait(&mut self, asked: Option<Duration>) -> Duration {
        let wait = asked.unwrap_or(self.next).min(self.longest);
        self.next = (self.next * 2).min(self.longest);
        self.tries = self.tries.saturating_add(1);
        // std has no random numbers, but a hash with random keys
        let share = u32::try_from(self.random.hash_one(self.tries) % 512).unwrap_or(0);
        wait + wait * share / 1_024
    }

    /// It has worked.
    pub(super) const fn reset(&mut self) {
        self.next = self.first;
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_an_end_and_varies() {
        let (first, longest) = (Duration::from_secs(1), Duration::from_secs(5));
        let mut backoff = Backoff::new(first, longest);
        for least in [1, 2, 4, 5, 5].map(Duration::from_secs) {
            let wait = backoff.wait(None);
            assert!(wait >= least && wait <= least * 3 / 2, "{wait:?}");
        }
        assert!(backoff.wait(Some(Duration::from_hours(1))) <= longest * 3 / 2);
        assert!(backoff.wait(Some(Duration::from_secs(2))) < Duration::from_secs(4));
        assert_eq!(backoff.tries(), 7);
        backoff.reset();
        assert!(backoff.wait(None) <= first * 3 / 2);
        let waits: std::collections::HashSet<_> = (0..20).map(|_| Backoff::new(first, longest).wait(None)).collect();
        assert!(waits.len() > 10, "{waits:?}");
    }
}
