//! Which changes are listed.

use std::fmt::Write as _;

use crate::model::{Change, News, Outcome, Party};
use crate::signal::Signal;

/// What the person asked for; empty lets pass what concerns signals and ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    /// Programs and zombies, too.
    pub(super) everything: bool,
    pub(super) outcome: Option<Outcome>,
    /// Id of the container.
    pub(super) container: Option<String>,
    pub(super) signal: Option<Signal>,
    /// Words that each must be in it, whatever their case.
    pub(super) text: String,
}

/// What can be asked for, in the order of the key.
const OUTCOMES: [Option<Outcome>; 7] = [
    None,
    Some(Outcome::Dropped),
    Some(Outcome::Ignored),
    Some(Outcome::Blocked),
    Some(Outcome::Caught),
    Some(Outcome::Default),
    Some(Outcome::Noise),
];

impl Filter {
    /// The next outcome to ask for.
    pub(super) fn turn_outcome(&mut self) {
        let place = OUTCOMES.iter().position(|outcome| *outcome == self.outcome).unwrap_or(0);
        self.outcome = OUTCOMES[(place + 1) % OUTCOMES.len()];
    }

    /// Whether a change is asked for. Losses concern everybody.
    pub(super) fn passes(&self, change: &Change) -> bool {
        let news = &change.news;
        if matches!(news, News::Lost(_)) {
            return true;
        }
        let kind = self.everything || !matches!(news, News::Exec(_) | News::Fork(_) | News::Zombie(_));
        let container = self.container.as_ref().is_none_or(|id| news.container().is_some_and(|c| c.id == *id));
        kind && container && self.passes_signal(news) && self.passes_text(change)
    }

    fn passes_signal(&self, news: &News) -> bool {
        if self.signal.is_none() && self.outcome.is_none() {
            return true;
        }
        let (signal, outcome) = match news {
            News::Signal(news) => (news.signal, Some(news.outcome)),
            News::Deliver(news) if news.dropped => (news.signal, Some(Outcome::Dropped)),
            News::Deliver(news) => (news.signal, None),
            _ => return false,
        };
        self.signal.is_none_or(|wanted| wanted == signal) && (self.outcome.is_none() || self.outcome == outcome)
    }

    fn passes_text(&self, change: &Change) -> bool {
        if self.text.trim().is_empty() {
            return true;
        }
        let told = told(&change.news).to_lowercase();
        self.text.to_lowercase().split_whitespace().all(|word| told.contains(word))
    }
}

/// The words of a change that one may look for.
fn told(news: &News) -> String {
    let mut text = news.container().map(|container| container.friendly()).unwrap_or_default();
    // writing to a String cannot fail
    let mut add = |words: std::fmt::Arguments<'_>| write!(text, " {words}").unwrap_or_default();
    match news {
        News::Signal(news) => {
            add(format_args!("{} {} {}", news.signal, news.outcome, news.role));
            add(format_args!("{} {}", party(&news.target), party(&news.sender)));
            news.ancestors.iter().for_each(|ancestor| add(format_args!("{}", ancestor.comm)));
        }
        News::Deliver(news) => {
            let how = if news.dropped { "dropped" } else { "taken" };
            add(format_args!("{} {how} {}", news.signal, party(&news.target)));
        }
        News::Exit(news) => {
            add(format_args!("exit {}", party(&news.process)));
            match (news.status.code(), news.status.signal()) {
                (Some(code), _) => add(format_args!("code {code}")),
                (None, Some(signal)) => add(format_args!("{signal}")),
                (None, None) => {}
            }
        }
        News::Exec(news) => {
            add(format_args!("exec {} {}", party(&news.process), news.filename.as_deref().unwrap_or_default()));
        }
        News::Fork(news) => add(format_args!("fork {}", party(&news.process))),
        News::Zombie(news) => add(format_args!("zombie {}", party(&news.process))),
        News::Container(news) => {
            add(format_args!("container {} {}", news.state, news.image.as_deref().unwrap_or_default()));
        }
        News::Stopping(_) => add(format_args!("stopping")),
        News::Foreseen(_) => {}
        News::Termination(news) => add(format_args!("termination {}", news.verdict)),
        News::Condition(news) => add(format_args!("condition {} {}", news.kind, news.explanation)),
        News::Pod(news) => {
            add(format_args!("pod {}", news.uid));
            news.containers.iter().for_each(|end| add(format_args!("{} {}", end.container.friendly(), end.verdict)));
        }
        News::Restarted(_) => add(format_args!("restarted")),
        News::Lost(_) => add(format_args!("lost")),
    }
    text
}

fn party(party: &Party) -> impl std::fmt::Display {
    std::fmt::from_fn(|f| write!(f, "{} {}", party.comm, party.pid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{BootNs, Lost};
    use crate::output::fixtures;

    fn passes(filter: &Filter, news: News) -> bool {
        filter.passes(&Change { at: BootNs(1), news })
    }

    fn signal() -> News {
        News::Signal(Box::new(fixtures::signal_news()))
    }

    #[test]
    fn each_part_must_fit() {
        let text = |text: &str| Filter { text: text.to_owned(), ..Filter::default() };
        assert!(passes(&Filter::default(), signal()));
        for (words, expect) in [("sigterm runc", true), ("DROPPED shop/web", true), ("4123", true), ("sigkill", false)]
        {
            assert_eq!(passes(&text(words), signal()), expect, "{words}");
        }
        let outcome = |outcome| Filter { outcome: Some(outcome), ..Filter::default() };
        assert!(passes(&outcome(Outcome::Dropped), signal()) && !passes(&outcome(Outcome::Caught), signal()));
        let other = Filter { container: Some("another".to_owned()), ..Filter::default() };
        assert!(!passes(&other, signal()));
        assert!(passes(&other, News::Lost(Lost::default())), "losses concern everybody");
        let kill = Filter { signal: Some(Signal::KILL), ..Filter::default() };
        assert!(!passes(&kill, signal()));
    }

    #[test]
    fn outcomes_come_round() {
        let mut filter = Filter::default();
        for _ in OUTCOMES {
            filter.turn_outcome();
        }
        assert_eq!(filter, Filter::default());
    }
}
