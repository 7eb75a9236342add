//! Which containers are shown: what `--container` and `--signal` leave of the news.
//!
//! A container that is asked for by its name is not known to be the one until a runtime has told its name. Until then
//! its news are held back, in order, and shown or thrown away when the name comes.

use std::collections::HashMap;

use crate::container::filter::{Filters, Known};
use crate::model::{Change, ContainerRef, News};

/// News held back for one container; the oldest go first when there are more.
const HELD: usize = 1_000;

/// What is known of a container's place behind the filter.
#[derive(Debug)]
enum State {
    /// Shown.
    Wanted,
    /// Not shown.
    Unwanted,
    /// Its name may still decide.
    Open(Vec<Change>),
}

/// Lets through what was asked for.
#[derive(Debug)]
pub struct Gate {
    filters: Filters,
    containers: HashMap<String, State>,
    matched: usize,
    unwanted: Vec<String>,
}

impl Gate {
    /// With the filters of the command line.
    #[must_use]
    pub fn new(filters: Filters) -> Self {
        Self { filters, containers: HashMap::new(), matched: 0, unwanted: Vec::new() }
    }

    /// How many containers passed so far.
    #[must_use]
    pub const fn matched(&self) -> usize {
        self.matched
    }

    /// The filters.
    #[must_use]
    pub const fn filters(&self) -> &Filters {
        &self.filters
    }

    /// Whether a container passed.
    #[must_use]
    pub fn is_wanted(&self, id: &str) -> bool {
        matches!(self.containers.get(id), Some(State::Wanted))
    }

    /// Passes a change on to `show`, with those that were held back for it if it brings the name they waited for.
    ///
    /// # Errors
    /// Those of `show`.
    pub fn pass<E>(&mut self, change: Change, mut show: impl FnMut(&Change) -> Result<(), E>) -> Result<(), E> {
        if !self.shows_signal(&change.news) {
            return Ok(());
        }
        let Some(container) = container_of(&change.news).cloned() else {
            // losses concern everybody; processes of no container are nobody's
            return if matches!(change.news, News::Lost(_)) { show(&change) } else { Ok(()) };
        };
        let known = Known { id: &container.id, name: container.name.as_deref() };
        let wanted = self.filters.container(known);
        if !self.containers.contains_key(&container.id) {
            self.containers.insert(container.id.clone(), State::Open(Vec::new()));
        }
        let Some(state) = self.containers.get_mut(&container.id) else { return Ok(()) };
        if let State::Open(held) = state {
            let named = container.name.is_some();
            if wanted {
                let held = std::mem::take(held);
                *state = State::Wanted;
                self.matched += 1;
                held.iter().try_for_each(&mut show)?;
            } else if named {
                *state = State::Unwanted;
                self.unwanted.push(container.id.clone());
            } else {
                if held.len() == HELD {
                    held.remove(0);
                }
                held.push(change);
                return Ok(());
            }
        } else if wanted && matches!(state, State::Unwanted) {
            // renamed to what was asked for
            *state = State::Wanted;
            self.matched += 1;
        }
        if matches!(state, State::Wanted) { show(&change) } else { Ok(()) }
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

/// The container that news are of; none for losses, and for processes of no container.
#[must_use]
pub fn container_of(news: &News) -> Option<&ContainerRef> {
    match news {
        News::Signal(news) => news.container.as_ref(),
        News::Deliver(news) => news.container.as_ref(),
        News::Exit(news) => news.container.as_ref(),
        News::Exec(news) | News::Fork(news) => news.container.as_ref(),
        News::Zombie(news) => news.container.as_ref(),
        News::Container(news) => Some(&news.name),
        News::Stopping(news) => Some(&news.container),
        News::Termination(news) => Some(&news.container),
        News::Condition(news) => news.container.as_ref(),
        News::Lost(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use super::*;
    use crate::event::BootNs;
    use crate::model::{ContainerName, ContainerNews, ContainerState};

    fn news(id: &str, name: Option<&str>, at: u64) -> Change {
        let name =
            Arc::new(ContainerName { id: id.to_owned(), name: name.map(str::to_owned), ..ContainerName::default() });
        let state = if name.name.is_some() { ContainerState::Described } else { ContainerState::Found };
        let news =
            ContainerNews { state, name, image: None, runtime: None, pid: None, stop_signal: None, grace_ms: None };
        Change { at: BootNs(at), news: News::Container(Box::new(news)) }
    }

    fn shown(filters: &[&str], changes: Vec<Change>) -> (Vec<u64>, usize) {
        let containers = filters.iter().map(|&filter| filter.to_owned()).collect();
        let mut gate = Gate::new(Filters { containers, ..Filters::default() });
        let mut shown = Vec::new();
        for change in changes {
            let passed = gate.pass(change, |change| {
                shown.push(change.at.0);
                Ok::<_, Infallible>(())
            });
            assert_eq!(passed, Ok(()));
        }
        (shown, gate.matched())
    }

    #[test]
    fn without_a_filter_all_is_shown_at_once() {
        assert_eq!(shown(&[], vec![news("aaaa", None, 1), news("bbbb", None, 2)]), (vec![1, 2], 2));
    }

    #[test]
    fn a_name_that_comes_late_frees_what_was_held_back() {
        let changes = || {
            vec![
                news("aaaa", None, 1),
                news("bbbb", None, 2),
                news("aaaa", None, 3),
                news("bbbb", Some("other"), 4),
                news("aaaa", Some("web"), 5),
                news("bbbb", None, 6),
            ]
        };
        assert_eq!(shown(&["web"], changes()), (vec![1, 3, 5], 1));
        assert_eq!(shown(&["bbbb"], changes()), (vec![2, 4, 6], 1));
        assert_eq!(shown(&["nobody"], changes()), (vec![], 0));
    }
}
