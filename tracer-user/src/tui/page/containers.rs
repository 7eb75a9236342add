//! The first page: a row for each container, problems first.

use std::collections::HashSet;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::Rect;

use super::{Help, Page, PageKind};
use crate::event::BootNs;
use crate::model::{Change, News};
use crate::tui::export::{self, Export, Report};
use crate::tui::input::{Effect, Input};
use crate::tui::keys::{self, Binding, Key};
use crate::tui::list::{Clicked, List, MOVES};
use crate::tui::scene::Scene;
use crate::tui::theme::{Theme, Tone};
use crate::tui::typing::{Typed, Typing};

mod draw;
mod rates;
mod rows;
mod told;

#[cfg(test)]
mod tests;

use rates::Rates;
use rows::{Id, Row, Sort, State, Wanted, rows};

/// What a key means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Open,
    Fold,
    Unfold,
    FoldAll,
    Filter,
    Sort,
    Reverse,
    Record,
    Drop,
    Export(Export),
}

const KEYS: [Binding<Action>; 11] = [
    Binding::new("Enter", "open, or fold", &[Key::Code(KeyCode::Enter)], &[Action::Open]),
    Binding::new("/", "filter", &[Key::Char('/')], &[Action::Filter]),
    Binding::new("s S", "sort, reverse", &[Key::Char('s'), Key::Char('S')], &[Action::Sort, Action::Reverse]),
    Binding::new(
        "h l ← →",
        "fold, unfold",
        &[Key::Char('h'), Key::Char('l'), Key::Code(KeyCode::Left), Key::Code(KeyCode::Right)],
        &[Action::Fold, Action::Unfold, Action::Fold, Action::Unfold],
    ),
    Binding::new("z", "fold all pods, or none", &[Key::Char('z')], &[Action::FoldAll]),
    Binding::new("R", "save a recording", &[Key::Char('R')], &[Action::Record]),
    Binding::new("Esc", "no filter", &[Key::Code(KeyCode::Esc)], &[Action::Drop]),
    Binding::new("y", "copy", &[Key::Char('y')], &[Action::Export(Export::Copy)]),
    Binding::new(
        "w J",
        "save: Markdown, JSON",
        &[Key::Char('w'), Key::Char('J')],
        &[Action::Export(Export::Markdown), Action::Export(Export::Json)],
    ),
    Binding::new("click", "choose, again: open", &[], &[]),
    Binding::new("~caught, ~dropped", "foreseen: no stop signal was sent yet", &[], &[]),
];

const HELP: [Help; 14] = {
    let (own, moves) = (keys::help(&KEYS), keys::help(&MOVES));
    [
        own[0], own[1], own[2], own[3], own[4], own[5], own[6], moves[0], moves[1], moves[2], own[7], own[8], own[9],
        own[10],
    ]
};

/// The page.
#[derive(Debug, Default)]
pub struct Containers {
    list: List,
    chosen: Option<Id>,
    sort: Sort,
    reversed: bool,
    /// Pods that are folded.
    folded: HashSet<String>,
    filter: Typing,
    rates: Rates,
    /// As they were when the view was paused.
    paused: Option<Rates>,
    /// When the youngest state that was drawn last began.
    youngest: Option<BootNs>,
}

impl Containers {
    fn rows<'a>(&self, scene: &Scene<'a>) -> Vec<Row<'a>> {
        let wanted =
            Wanted { sort: self.sort, reversed: self.reversed, filter: self.filter.text(), folded: &self.folded };
        rows(scene, self.rates(), &wanted)
    }

    /// The rates to show.
    fn rates(&self) -> &Rates {
        self.paused.as_ref().unwrap_or(&self.rates)
    }

    /// The lines, with the choice where the chosen one is now.
    fn settled<'a>(&mut self, scene: &Scene<'a>) -> Vec<Row<'a>> {
        let rows = self.rows(scene);
        let place = self.chosen.as_ref().and_then(|chosen| rows.iter().position(|row| row.id() == *chosen));
        if let Some(place) = place {
            self.list.selected = place;
        }
        self.list.selected = self.list.selected.min(rows.len().saturating_sub(1));
        rows
    }

    fn choose(&mut self, rows: &[Row<'_>]) {
        self.chosen = rows.get(self.list.selected).map(Row::id);
    }

    fn key(&mut self, key: KeyEvent, scene: &Scene<'_>) -> Effect {
        match self.filter.key(key) {
            Typed::Nothing if self.filter.is_active() => {}
            Typed::Nothing => {
                if let Some(action) = keys::find(&KEYS, key) {
                    return self.act(action, scene);
                }
            }
            Typed::Changed | Typed::Done | Typed::Dropped => return Effect::Draw,
        }
        let Some(to) = keys::find(&MOVES, key) else { return Effect::Pass };
        let rows = self.settled(scene);
        self.list.go(to, rows.len());
        self.choose(&rows);
        Effect::Draw
    }

    fn act(&mut self, action: Action, scene: &Scene<'_>) -> Effect {
        match action {
            Action::Filter => self.filter.begin(),
            Action::Drop => self.filter.clear(),
            Action::Sort => {
                self.sort = self.sort.next();
                return self.say_sorted();
            }
            Action::Reverse => {
                self.reversed = !self.reversed;
                return self.say_sorted();
            }
            Action::FoldAll => self.fold_all(scene),
            Action::Open => return self.open(scene),
            Action::Record => return self.record(scene),
            Action::Export(export) => return self.export(export, scene),
            Action::Fold => self.fold(true, scene),
            Action::Unfold => self.fold(false, scene),
        }
        Effect::Draw
    }

    fn say_sorted(&self) -> Effect {
        let way = if self.reversed { ", the other way round" } else { "" };
        Effect::Say(format!("sorted by {}{way}", self.sort.word()))
    }

    fn open(&mut self, scene: &Scene<'_>) -> Effect {
        let rows = self.settled(scene);
        match rows.get(self.list.selected) {
            Some(Row::Pod { folded, .. }) => self.fold(!folded, scene),
            Some(Row::Container { entry, .. }) => {
                self.choose(&rows);
                return Effect::Show(PageKind::Shutdown, Some(entry.container.name.id.clone()));
            }
            None => {}
        }
        Effect::Draw
    }

    /// A recording of the chosen one, and with it of its pod.
    fn record(&mut self, scene: &Scene<'_>) -> Effect {
        let rows = self.settled(scene);
        match rows.get(self.list.selected).and_then(Row::entry) {
            Some(entry) => export::recording(&entry.container.name, scene),
            None => Effect::Say("no container is here yet".to_owned()),
        }
    }

    /// What is wrong with the chosen one, or how it ended last.
    fn export(&mut self, export: Export, scene: &Scene<'_>) -> Effect {
        let rows = self.settled(scene);
        let Some(entry) = rows.get(self.list.selected).and_then(Row::entry) else {
            return Effect::Say("no container is here yet".to_owned());
        };
        match (entry.state, entry.last) {
            (State::Stopping(_), _) => Effect::Say("it is being stopped: page 2 can write that down".to_owned()),
            (State::Ill(at, condition), _) => export.make(&Report::condition(at, condition, scene)),
            (_, Some(last)) => export.make(&Report::stop(last, scene)),
            (_, None) => {
                Effect::Say("nothing is known against it, and it did not end: nothing to write down".to_owned())
            }
        }
    }

    /// Folds or unfolds the pod that the chosen line belongs to.
    fn fold(&mut self, fold: bool, scene: &Scene<'_>) {
        let rows = self.settled(scene);
        let pod = match rows.get(self.list.selected) {
            Some(Row::Pod { pod, .. }) => Some(pod.uid.clone()),
            Some(Row::Container { entry, grouped: true }) => entry.pod(scene).map(|pod| pod.uid.clone()),
            _ => None,
        };
        let Some(pod) = pod else { return };
        self.chosen = Some(Id::Pod(pod.clone()));
        if fold {
            self.folded.insert(pod);
        } else {
            self.folded.remove(&pod);
        }
    }

    fn fold_all(&mut self, scene: &Scene<'_>) {
        let rows = self.settled(scene);
        let pods: Vec<_> = rows
            .iter()
            .filter_map(|row| match row {
                Row::Pod { pod, folded, .. } => Some((pod.uid.clone(), *folded)),
                Row::Container { .. } => None,
            })
            .collect();
        let fold = pods.iter().any(|(_, folded)| !folded);
        self.folded = if fold { pods.into_iter().map(|(pod, _)| pod).collect() } else { HashSet::new() };
    }
}

impl Page for Containers {
    fn help(&self) -> &'static [Help] {
        &HELP
    }

    fn take(&mut self, change: &Change, _scene: &Scene<'_>) {
        if let News::Signal(news) = &change.news
            && let Some(container) = &news.container
        {
            self.rates.add(&container.id, change.at);
        }
    }

    fn reset(&mut self) {
        self.rates.clear();
    }

    fn pause(&mut self, paused: bool) {
        self.paused = paused.then(|| self.rates.clone());
    }

    fn input(&mut self, input: Input, scene: &Scene<'_>) -> Effect {
        match input {
            Input::Key(key) => self.key(key, scene),
            Input::Mouse(mouse) => {
                let rows = self.settled(scene);
                let clicked = self.list.mouse(mouse, rows.len());
                self.choose(&rows);
                match clicked {
                    Clicked::Nothing => Effect::Pass,
                    Clicked::Moved => Effect::Draw,
                    Clicked::Opened => self.open(scene),
                }
            }
            Input::Resize(..) => Effect::Draw,
        }
    }

    fn select(&mut self, container: &str, _scene: &Scene<'_>) {
        self.chosen = Some(Id::Container(container.to_owned()));
    }

    fn is_typing(&self) -> bool {
        self.filter.is_active()
    }

    fn next(&self, scene: &Scene<'_>) -> Option<BootNs> {
        let second = scene.now.plus_ms(1_000);
        if self.rates.any(scene.now) {
            return Some(second);
        }
        // ages are told in seconds first, then in minutes, hours and days
        Some(match scene.now.ms_since(self.youngest?) {
            0..60_000 => second,
            60_000..3_600_000 => scene.now.plus_ms(60_000),
            _ => scene.now.plus_ms(3_600_000),
        })
    }

    fn badge(&self, scene: &Scene<'_>) -> Option<(String, Tone)> {
        let stopping = scene.containers().filter(|(_, container)| container.stop.is_some()).count();
        (stopping > 0).then(|| (stopping.to_string(), Tone::Warn))
    }

    fn render(&mut self, frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, theme: &Theme) {
        let rows = self.settled(scene);
        self.youngest = rows.iter().filter_map(|row| row.entry()?.since()).max();
        draw::page(self, &rows, frame, area, scene, *theme);
    }
}
