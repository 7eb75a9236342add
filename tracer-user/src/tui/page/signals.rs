//! The log: every signal and what became of it, as far back as there is room.

use std::collections::VecDeque;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::Rect;

use super::{Help, Page};
use crate::model::{Change, News};
use crate::output::glyphs::UNICODE;
use crate::output::is_silent;
use crate::tui::export::{self, Export};
use crate::tui::input::{Effect, Input};
use crate::tui::keys::{self, Binding, Key};
use crate::tui::list::{Clicked, List, MOVES, Move};
use crate::tui::scene::Scene;
use crate::tui::theme::Theme;
use crate::tui::typing::{Typed, Typing};

mod details;
mod draw;
mod filter;
mod history;

#[cfg(test)]
mod tests;

use filter::Filter;
use history::History;
pub use history::{BYTES, KEPT};

/// What a key means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Details,
    Follow,
    Filter,
    Outcome,
    Container,
    Signal,
    Everything,
    Drop,
    Export(Export),
}

const KEYS: [Binding<Action>; 10] = [
    Binding::new("Enter", "details", &[Key::Code(KeyCode::Enter)], &[Action::Details]),
    Binding::new("f", "follow", &[Key::Char('f')], &[Action::Follow]),
    Binding::new("/", "filter", &[Key::Char('/')], &[Action::Filter]),
    Binding::new("o", "outcome", &[Key::Char('o')], &[Action::Outcome]),
    Binding::new("c", "only this container", &[Key::Char('c')], &[Action::Container]),
    Binding::new("s", "only this signal", &[Key::Char('s')], &[Action::Signal]),
    Binding::new("a", "programs and zombies, too", &[Key::Char('a')], &[Action::Everything]),
    Binding::new("Esc", "no details, no filter", &[Key::Code(KeyCode::Esc)], &[Action::Drop]),
    Binding::new("y", "copy", &[Key::Char('y')], &[Action::Export(Export::Copy)]),
    Binding::new(
        "w R",
        "save: Markdown, recording",
        &[Key::Char('w'), Key::Char('R'), Key::Char('J')],
        &[Action::Export(Export::Markdown), Action::Export(Export::Recording), Action::Export(Export::Json)],
    ),
];

const HELP: [Help; 13] = {
    let (own, moves) = (keys::help(&KEYS), keys::help(&MOVES));
    [own[0], own[1], own[2], own[3], own[4], own[5], own[6], own[7], moves[0], moves[1], moves[2], own[8], own[9]]
};

/// The page.
#[derive(Debug, Default)]
pub struct Signals {
    history: History,
    /// Numbers of the changes that the filter lets pass, in order.
    listed: VecDeque<u64>,
    filter: Filter,
    typing: Typing,
    list: List,
    /// Number of the chosen change, unless the newest is.
    chosen: Option<u64>,
    details: bool,
    /// The view is paused: this number and those after it came later.
    paused: Option<u64>,
}

impl Signals {
    /// How many of the listed changes are to be seen: while paused those that came later are not.
    fn seen(&self) -> usize {
        self.paused.map_or(self.listed.len(), |paused| self.listed.partition_point(|number| *number < paused))
    }

    /// Puts the choice where the chosen change is now, and returns how many lines there are.
    fn settle(&mut self) -> usize {
        let seen = self.seen();
        let last = seen.saturating_sub(1);
        self.list.selected = match self.chosen {
            None => last,
            // one that is gone, or hidden by a filter, leaves the choice to the next
            Some(chosen) => self.listed.partition_point(|number| *number < chosen).min(last),
        };
        seen
    }

    fn is_following(&self) -> bool {
        self.chosen.is_none()
    }

    /// The chosen change.
    fn current(&mut self) -> Option<&Change> {
        self.settle();
        self.history.get(*self.listed.get(self.list.selected)?)
    }

    /// Remembers what is chosen by its number.
    fn choose(&mut self, follow: bool) {
        self.chosen = if follow { None } else { self.listed.get(self.list.selected).copied() };
    }

    fn list_anew(&mut self) {
        let Self { history, listed, filter, .. } = self;
        listed.clear();
        listed.extend(history.iter().filter(|(_, change)| filter.passes(change)).map(|(number, _)| number));
    }

    fn key(&mut self, key: KeyEvent, scene: &Scene<'_>) -> Effect {
        match self.typing.key(key) {
            Typed::Nothing if self.typing.is_active() => {}
            Typed::Nothing => {
                if let Some(Action::Export(export)) = keys::find(&KEYS, key) {
                    return self.export(export, scene);
                }
                if let Some(action) = keys::find(&KEYS, key) {
                    self.act(action);
                    return Effect::Draw;
                }
            }
            Typed::Changed | Typed::Done | Typed::Dropped => {
                if self.filter.text != self.typing.text() {
                    self.typing.text().clone_into(&mut self.filter.text);
                    self.list_anew();
                }
                return Effect::Draw;
            }
        }
        let Some(to) = keys::find(&MOVES, key) else { return Effect::Pass };
        let seen = self.settle();
        self.list.go(to, seen);
        let down = matches!(to, Move::Down | Move::PageDown);
        let stays = self.is_following() && down;
        self.choose(to == Move::Last || stays);
        Effect::Draw
    }

    /// The chosen event in plain words, or a recording of its container.
    fn export(&mut self, export: Export, scene: &Scene<'_>) -> Effect {
        let Some(change) = self.current() else {
            return Effect::Say("there is no event to write down yet".to_owned());
        };
        match (export, change.news.container()) {
            (Export::Recording, Some(container)) => export::recording(container, scene),
            (Export::Recording, None) => Effect::Say("this event is of no container".to_owned()),
            (Export::Json, _) => {
                Effect::Say("one event is not saved as JSON: tracer -o json writes them all".to_owned())
            }
            (Export::Copy, _) => Effect::Copy(export::event(&details::details(change, scene, &UNICODE))),
            (Export::Markdown, _) => {
                let text = export::event(&details::details(change, scene, &UNICODE));
                Effect::Save(export::event_file(change.at, scene), text)
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Details => self.details = !self.details,
            Action::Follow => {
                self.settle();
                self.choose(!self.is_following());
            }
            // that leaves the page
            Action::Export(_) => {}
            Action::Filter => self.typing.begin(),
            Action::Drop if self.details => self.details = false,
            Action::Drop => {
                self.typing.clear();
                self.filter = Filter::default();
            }
            Action::Outcome => self.filter.turn_outcome(),
            Action::Everything => self.filter.everything = !self.filter.everything,
            Action::Container => {
                let current = self.current().and_then(|change| change.news.container());
                let id = current.map(|container| container.id.clone());
                self.filter.container = if self.filter.container.is_some() { None } else { id };
            }
            Action::Signal => {
                let current = self.current().and_then(|change| match &change.news {
                    News::Signal(news) => Some(news.signal),
                    News::Deliver(news) => Some(news.signal),
                    _ => None,
                });
                self.filter.signal = if self.filter.signal.is_some() { None } else { current };
            }
        }
        if !matches!(action, Action::Details | Action::Follow | Action::Filter) {
            self.list_anew();
        }
    }
}

impl Page for Signals {
    fn help(&self) -> &'static [Help] {
        &HELP
    }

    fn take(&mut self, change: &Change, _scene: &Scene<'_>) {
        if is_silent(&change.news) {
            return;
        }
        let number = self.history.push(change);
        let first = self.history.first();
        while self.listed.front().is_some_and(|oldest| *oldest < first) {
            self.listed.pop_front();
        }
        if self.filter.passes(change) {
            self.listed.push_back(number);
        }
    }

    fn reset(&mut self) {
        self.history.clear();
        self.listed.clear();
        self.chosen = None;
    }

    fn pause(&mut self, paused: bool) {
        self.paused = paused.then(|| self.history.next());
    }

    fn input(&mut self, input: Input, scene: &Scene<'_>) -> Effect {
        match input {
            Input::Key(key) => self.key(key, scene),
            Input::Mouse(mouse) => {
                let seen = self.settle();
                let clicked = self.list.mouse(mouse, seen);
                match clicked {
                    Clicked::Nothing => return Effect::Pass,
                    Clicked::Opened => self.details = !self.details,
                    Clicked::Moved => {}
                }
                // at its end the wheel follows again
                let at_end = self.list.selected + 1 >= seen && clicked == Clicked::Moved;
                self.choose(at_end);
                Effect::Draw
            }
            Input::Resize(..) => Effect::Draw,
        }
    }

    fn select(&mut self, container: &str, _scene: &Scene<'_>) {
        self.filter.container = Some(container.to_owned());
        self.list_anew();
    }

    fn is_typing(&self) -> bool {
        self.typing.is_active()
    }

    fn render(&mut self, frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, theme: &Theme) {
        draw::page(self, frame, area, scene, *theme);
    }
}
