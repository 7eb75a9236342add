//! Which containers are shown: what the filters leave of the news.
//!
//! Of a container that is asked for by its name, its pod or its labels nobody knows that it is the one until a runtime
//! has described it. Until then its news are held back, in order, and shown or thrown away when the description comes.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::container::filter::{Filters, Verdict};
use crate::model::{Change, ContainerRef, ContainerState, News};

/// News held back for one container; the oldest go first when there are more.
const HELD: usize = 1_000;
/// News held back for all of them; no more are kept when there are as many.
const HELD_IN_ALL: usize = 50_000;
/// Containers that are gone and whose names may still come; the oldest are given up when there are more.
const LATE: usize = 256;
/// Containers that are not asked for, whose names are kept to say what there is.
const OTHERS: usize = 256;

/// Lets through what was asked for.
#[derive(Debug)]
pub struct Gate {
    filters: Filters,
    /// Containers that are there and shown.
    wanted: HashSet<String>,
    /// News of containers that are undecided.
    held: HashMap<String, VecDeque<Change>>,
    held_in_all: usize,
    /// Containers that are gone, the oldest first: who lives for some milliseconds is named after its end.
    gone: VecDeque<String>,
    /// The last containers that are not asked for.
    others: VecDeque<ContainerRef>,
    matched: usize,
    unwanted: Vec<String>,
}

impl Gate {
    /// With the filters of the command line.
    #[must_use]
    pub fn new(filters: Filters) -> Self {
        Self {
            filters,
            wanted: HashSet::new(),
            held: HashMap::new(),
            held_in_all: 0,
            gone: VecDeque::new(),
            others: VecDeque::new(),
            matched: 0,
            unwanted: Vec::new(),
        }
    }

    /// How many containers passed so far; one that was gone and came back counts again.
    #[must_use]
    pub const fn matched(&self) -> usize {
        self.matched
    }

    /// The filters.
    #[must_use]
    pub const fn filters(&self) -> &Filters {
        &self.filters
    }

    /// Whether a container is there and passed.
    #[must_use]
    pub fn is_wanted(&self, id: &str) -> bool {
        self.wanted.contains(id)
    }

    /// The last containers that are not asked for: the model may know nothing of them any more.
    pub fn others(&self) -> impl Iterator<Item = &ContainerRef> {
        self.others.iter()
    }

    /// Passes a change on to `show`, with those that were held back for it if it brings what they waited for.
    ///
    /// # Errors
    /// Those of `show`.
    pub fn pass<E>(&mut self, change: Change, mut show: impl FnMut(&Change) -> Result<(), E>) -> Result<(), E> {
        if !self.shows_signal(&change.news) {
            return Ok(());
        }
        let Some(container) = change.news.container().cloned() else {
            // losses concern everybody; processes of no container are nobody's
            return if matches!(change.news, News::Lost(_)) { show(&change) } else { Ok(()) };
        };
        let life = match &change.news {
            News::Container(news) => Some(news.state),
            _ => None,
        };
        if life == Some(ContainerState::Found) {
            // or found again, perhaps with another name: it is judged anew
            self.wanted.remove(&container.id);
            self.gone.retain(|gone| *gone != container.id);
        }
        let verdict = match self.filters.container(&container) {
            // whoever renames a container while it is watched does not end that: Compose does so before it replaces one
            _ if self.wanted.contains(&container.id) => Verdict::Wanted,
            verdict => verdict,
        };
        match verdict {
            Verdict::Wanted => {
                self.admit(&container, life);
                self.take_held(&container.id).iter().try_for_each(&mut show)?;
                show(&change)?;
            }
            Verdict::Unwanted => self.turn_away(&container, life),
            Verdict::Undecided => self.hold(&container, change),
        }
        if life == Some(ContainerState::Gone) {
            self.leaves(&container.id);
        }
        Ok(())
    }

    fn admit(&mut self, container: &ContainerRef, life: Option<ContainerState>) {
        if !matches!(life, Some(ContainerState::Found | ContainerState::Described)) {
            return;
        }
        let is_new = if self.gone.contains(&container.id) {
            // named after its end, for the first time or once more
            self.held.contains_key(&container.id)
        } else {
            self.wanted.insert(container.id.clone())
        };
        if is_new {
            self.others.retain(|other| other.id != container.id);
            self.matched += 1;
        }
    }

    fn turn_away(&mut self, container: &ContainerRef, life: Option<ContainerState>) {
        drop(self.take_held(&container.id));
        if !matches!(life, Some(ContainerState::Found | ContainerState::Described)) {
            return;
        }
        self.others.retain(|other| other.id != container.id);
        if self.others.len() == OTHERS {
            self.others.pop_front();
        }
        self.others.push_back(container.clone());
        if !self.unwanted.contains(&container.id) {
            self.unwanted.push(container.id.clone());
        }
    }

    fn hold(&mut self, container: &ContainerRef, change: Change) {
        let held = self.held.entry(container.id.clone()).or_default();
        if held.len() == HELD || self.held_in_all == HELD_IN_ALL {
            if held.pop_front().is_none() {
                return;
            }
            self.held_in_all -= 1;
        }
        held.push_back(change);
        self.held_in_all += 1;
    }

    fn take_held(&mut self, id: &str) -> VecDeque<Change> {
        let held = self.held.remove(id).unwrap_or_default();
        self.held_in_all -= held.len();
        held
    }

    fn leaves(&mut self, id: &str) {
        self.wanted.remove(id);
        if self.gone.len() == LATE
            && let Some(oldest) = self.gone.pop_front()
        {
            drop(self.take_held(&oldest));
        }
        self.gone.push_back(id.to_owned());
    }

    /// Ids of containers that turned out not to be asked for, since the last call: they need not be traced.
    pub fn take_unwanted(&mut self) -> Vec<String> {
        std::mem::take(&mut self.unwanted)
    }

    fn shows_signal(&self, news: &News) -> bool {
        match news {
            News::Signal(news) => self.filters.signal(news.signal),
            News::Deliver(news) => self.filters.signal(news.signal),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests;
