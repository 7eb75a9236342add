//! What became known, as far back as there is room.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::model::{Change, News, PodEnd, RestartNews, Termination};

/// Changes kept; the oldest go first.
pub const KEPT: usize = 100_000;
/// Memory they may take, bytes. 100,000 signals take 41 MiB (tui/bench.rs measures it); what is larger goes sooner.
pub const BYTES: usize = 80 << 20;

/// The last changes. Each has a number, which stays its own when older ones go.
#[derive(Debug, Default)]
pub(super) struct History {
    entries: VecDeque<Change>,
    /// Number of the oldest.
    first: u64,
    /// What they take, more or less.
    bytes: usize,
}

impl History {
    /// Keeps a change, and returns its number.
    pub(super) fn push(&mut self, change: &Change) -> u64 {
        let change = brief(change);
        self.bytes += weight(&change);
        self.entries.push_back(change);
        while self.entries.len() > KEPT || (self.bytes > BYTES && self.entries.len() > 1) {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= weight(&oldest);
            self.first += 1;
        }
        self.next() - 1
    }

    /// Number of the next that comes.
    pub(super) fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    pub(super) fn get(&self, number: u64) -> Option<&Change> {
        self.entries.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Number of the oldest that is kept.
    pub(super) const fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Change)> {
        (self.first..).zip(&self.entries)
    }

    /// None is kept; numbers go on.
    pub(super) fn clear(&mut self) {
        *self = Self { first: self.next(), ..Self::default() };
    }
}

/// A change without what only other pages show: a termination holds up to 256 processes with all they were sent.
fn brief(change: &Change) -> Change {
    let without = |news: &Termination| Termination { processes: Vec::new(), hints: Vec::new(), ..news.clone() };
    let news = match &change.news {
        News::Termination(news) => News::Termination(Arc::new(without(news))),
        News::Stopping(news) => News::Stopping(Box::new(without(news))),
        News::Restarted(news) => {
            let before = news.before.as_deref().map(|before| Arc::new(without(before)));
            News::Restarted(Box::new(RestartNews { before, ..(**news).clone() }))
        }
        news => news.clone(),
    };
    Change { at: change.at, news }
}

/// What a change takes in memory, more or less, bytes. What many share (names, conditions that the model keeps) counts
/// for each.
fn weight(change: &Change) -> usize {
    /// What the allocator adds to a piece of memory.
    const PIECE: usize = 16;
    let boxed = match &change.news {
        News::Signal(news) => {
            let ancestors = news.ancestors.capacity() * size_of::<crate::event::Ancestor>();
            PIECE + size_of_val(&**news) + if ancestors > 0 { PIECE + ancestors } else { 0 }
        }
        News::Exec(news) | News::Fork(news) => news.filename.as_ref().map_or(0, |name| PIECE + name.capacity()),
        News::Container(news) => {
            let image = news.image.as_ref().map_or(0, |image| PIECE + image.capacity());
            let labels: usize = news.name.labels.iter().map(|(key, value)| 4 * PIECE + key.len() + value.len()).sum();
            PIECE + size_of_val(&**news) + image + labels + size_of_val(&*news.name)
        }
        News::Stopping(news) => told(news),
        News::Termination(news) => told(news),
        News::Condition(news) => {
            let figures = news.figures.len() * 64;
            size_of_val(&**news) + news.explanation.len() + news.fix.as_ref().map_or(0, String::len) + figures
        }
        News::Pod(news) => PIECE + size_of_val(&**news) + news.containers.capacity() * size_of::<PodEnd>(),
        News::Restarted(news) => PIECE + size_of_val(&**news) + news.before.as_deref().map_or(0, told),
        News::Deliver(_) | News::Exit(_) | News::Zombie(_) | News::Lost(_) | News::Foreseen(_) => 0,
    };
    size_of::<Change>() + boxed
}

fn told(news: &Termination) -> usize {
    size_of_val(news) + news.explanation.len() + news.fix.as_ref().map_or(0, String::len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::BootNs;
    use crate::output::fixtures;

    fn signal(at: u64) -> Change {
        Change { at: BootNs(at), news: News::Signal(Box::new(fixtures::signal_news())) }
    }

    #[test]
    fn so_many_are_kept_and_keep_their_numbers() {
        let mut history = History::default();
        for at in 0..KEPT as u64 + 7 {
            assert_eq!(history.push(&signal(at)), at);
        }
        assert_eq!((history.len(), history.first()), (KEPT, 7));
        assert!(history.get(6).is_none());
        assert_eq!(history.get(7).map(|change| change.at), Some(BootNs(7)));
        assert!(history.get(KEPT as u64 + 7).is_none());
        assert!(history.bytes < BYTES, "100,000 signals fit: {}", history.bytes);
        assert_eq!(history.bytes, history.iter().map(|(_, change)| weight(change)).sum::<usize>());
    }

    #[test]
    fn what_is_large_goes_sooner() {
        let mut history = History::default();
        let mut large = fixtures::dropped();
        large.explanation = "x".repeat(1 << 20);
        let large = Change { at: BootNs(1), news: News::Termination(Arc::new(large)) };
        for _ in 0..200 {
            history.push(&large);
        }
        assert!(history.bytes <= BYTES && history.len() < 100 && history.len() > 50);
        assert!(matches!(&history.entries[0].news, News::Termination(news) if news.processes.is_empty()));
    }
}
