//! The pages. Each keeps what the person chose on it, draws itself from a [`Scene`], and answers input.

use ratatui::Frame;
use ratatui::layout::Rect;

use super::input::{Effect, Input};
use super::scene::Scene;
use super::theme::{Theme, Tone};
use crate::event::BootNs;
use crate::model::Change;

pub mod containers;
pub(super) mod findings;
mod shutdown;
pub mod signals;
mod zombies;

pub use findings::Findings;
pub use shutdown::Shutdown;
pub(crate) use shutdown::waiting_for;
pub use zombies::Zombies;

/// Which page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PageKind {
    /// A row for each container.
    #[default]
    Containers,
    /// The grace period as a picture.
    Shutdown,
    /// Who is not reaped, and by whom.
    Zombies,
    /// The log of signals.
    Signals,
    /// All that is wrong, with explanations and fixes.
    Findings,
}

impl PageKind {
    /// All of them, in the order of their tabs and of the keys 1 to 5.
    pub const ALL: [Self; 5] = [Self::Containers, Self::Shutdown, Self::Zombies, Self::Signals, Self::Findings];

    /// Its place among the tabs, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Name on its tab.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Containers => "Containers",
            Self::Shutdown => "Shutdown",
            Self::Zombies => "Zombies",
            Self::Signals => "Signals",
            Self::Findings => "Findings",
        }
    }
}

/// The pages, in the order of [`PageKind::ALL`].
#[must_use]
pub(super) fn all() -> [Box<dyn Page>; 5] {
    [
        Box::new(containers::Containers::default()),
        Box::new(Shutdown::default()),
        Box::new(Zombies::default()),
        Box::new(signals::Signals::default()),
        Box::new(Findings::default()),
    ]
}

/// One line of the help: keys and what they do here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Help {
    /// As people write them: `j, ↓`.
    pub keys: &'static str,
    /// What they do, as a verb.
    pub does: &'static str,
}

/// A page.
pub trait Page {
    /// The keys that mean something on this page, beyond those that mean the same everywhere. The help screen and the
    /// footer come from here.
    fn help(&self) -> &'static [Help];

    /// Takes note of something that became known. Also called while the view is paused: then the scene is the one that
    /// goes on behind it.
    fn take(&mut self, change: &Change, scene: &Scene<'_>);

    /// Answers input; [`Effect::Pass`] when it means nothing here.
    fn input(&mut self, input: Input, scene: &Scene<'_>) -> Effect;

    /// Turns to this container (an id), if it is shown.
    fn select(&mut self, container: &str, scene: &Scene<'_>);

    /// Whether the page takes letters as text at the moment (a filter is being typed).
    fn is_typing(&self) -> bool {
        false
    }

    /// Forgets what [`Self::take`] took in: a recording is folded anew from its beginning. What the person chose stays.
    fn reset(&mut self) {}

    /// The view is paused, or goes on. While it is paused the scene stands still, and so must what [`Self::take`] took in.
    fn pause(&mut self, _paused: bool) {}

    /// When what it shows changes by itself, without any news: an age, a rate. `None` when it never does. While a stop
    /// goes on all is drawn ten times a second anyway.
    fn next(&self, _scene: &Scene<'_>) -> Option<BootNs> {
        None
    }

    /// A word on its tab: how many there are of what it shows, and how bad that is.
    fn badge(&self, _scene: &Scene<'_>) -> Option<(String, Tone)> {
        None
    }

    /// Draws itself. Must cope with every size, and with names of any length and of any characters.
    fn render(&mut self, frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, theme: &Theme);
}
