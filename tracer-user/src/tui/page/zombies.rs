//! The zombies page: who is not reaped, by whom, and when that fills the container.

mod render;

#[cfg(test)]
mod tests;

use crossterm::event::{KeyCode, KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};

use super::{Help, Page, PageKind};
use crate::event::BootNs;
use crate::model::{Change, Condition, ConditionKind, Container, Reaping};
use crate::tui::choice::{STEP_KEYS, Scroll, Step, TURN_KEYS, Turn};
use crate::tui::export::{self, Export, Report};
use crate::tui::input::{Effect, Input};
use crate::tui::keys::{self, Binding, Key};
use crate::tui::scene::Scene;
use crate::tui::theme::{Theme, Tone};

/// Lines that one notch of the mouse wheel scrolls.
const NOTCH: isize = 3;
/// Ages are told in seconds.
const AGE_MS: u64 = 1_000;

/// What a key means here.
#[derive(Clone, Copy)]
enum Action {
    Step(Step),
    Turn(Turn),
    Sort,
    Open,
    Export(Export),
}

const KEYS: [Binding<Action>; 6] = [
    Binding::new(
        "j k ↓ ↑",
        "other container",
        STEP_KEYS,
        &[
            Action::Step(Step::Next),
            Action::Step(Step::Previous),
            Action::Step(Step::Next),
            Action::Step(Step::Previous),
        ],
    ),
    Binding::new("s", "sort", &[Key::Char('s')], &[Action::Sort]),
    Binding::new("Enter", "its shutdown page", &[Key::Code(KeyCode::Enter)], &[Action::Open]),
    Binding::new("y", "copy", &[Key::Char('y')], &[Action::Export(Export::Copy)]),
    Binding::new(
        "PgDn PgUp Ctrl-D Ctrl-U",
        "scroll the zombies",
        TURN_KEYS,
        &[
            Action::Turn(Turn::Page),
            Action::Turn(Turn::PageBack),
            Action::Turn(Turn::Half),
            Action::Turn(Turn::HalfBack),
        ],
    ),
    Binding::new(
        "w J R",
        "save: Markdown, JSON, recording",
        &[Key::Char('w'), Key::Char('J'), Key::Char('R')],
        &[Action::Export(Export::Markdown), Action::Export(Export::Json), Action::Export(Export::Recording)],
    ),
];

const HELP: [Help; 6] = keys::help(&KEYS);

/// What the containers are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    /// How many there are.
    #[default]
    Count,
    /// How fast they become more.
    Rate,
    /// How old they are.
    Age,
    /// How soon no pid is left.
    Full,
}

impl Order {
    const fn next(self) -> Self {
        match self {
            Self::Count => Self::Rate,
            Self::Rate => Self::Age,
            Self::Age => Self::Full,
            Self::Full => Self::Count,
        }
    }

    /// The worst is the greatest.
    fn weight(self, reaping: &Reaping) -> u64 {
        match self {
            Self::Count => reaping.zombies.len() as u64,
            Self::Rate => reaping.per_minute_tenths,
            Self::Age => reaping.oldest_ms(),
            Self::Full => u64::MAX - reaping.full_in_ms.unwrap_or(u64::MAX),
        }
    }
}

/// The page and what the person chose on it.
#[derive(Debug, Default)]
pub struct Zombies {
    /// Id of the container.
    chosen: Option<String>,
    order: Order,
    table: Scroll,
    list: Scroll,
    /// Where the table was drawn last.
    drawn: Rect,
}

/// A container that has some.
struct Row<'a> {
    container: &'a Container,
    reaping: Reaping,
}

impl Zombies {
    /// The containers that have some, the worst first.
    fn rows<'a>(&self, scene: &Scene<'a>) -> Vec<Row<'a>> {
        let some = scene.containers().filter(|(_, container)| container.zombies > 0);
        let mut rows: Vec<_> = some
            .filter_map(|(key, container)| Some(Row { container, reaping: scene.node.reaping(key, scene.now)? }))
            .collect();
        rows.sort_by_cached_key(|row| {
            (std::cmp::Reverse(self.order.weight(&row.reaping)), row.container.name.id.clone())
        });
        rows
    }

    /// Which of them is looked at.
    fn index(&self, rows: &[Row<'_>]) -> Option<usize> {
        let found = self.chosen.as_ref().and_then(|id| rows.iter().position(|row| row.container.name.id == *id));
        found.or_else(|| (!rows.is_empty()).then_some(0))
    }

    /// What was told last, of the chosen container if anything was.
    fn earlier<'a>(&self, scene: &Scene<'a>) -> Option<(BootNs, &'a Condition)> {
        let told = || scene.conditions().rev().filter(|(_, condition)| condition.kind == ConditionKind::Zombies);
        let chosen = |condition: &Condition| {
            condition.container.as_ref().is_some_and(|of| self.chosen.as_ref().is_some_and(|id| of.id == *id))
        };
        told().find(|(_, condition)| chosen(condition)).or_else(|| told().next())
    }

    fn choose(&mut self, index: usize, rows: &[Row<'_>]) -> Effect {
        if let Some(row) = rows.get(index)
            && self.chosen.as_ref() != Some(&row.container.name.id)
        {
            self.chosen = Some(row.container.name.id.clone());
            self.list.first = 0;
        }
        Effect::Draw
    }

    fn key(&mut self, key: KeyEvent, scene: &Scene<'_>) -> Effect {
        let Some(action) = keys::find(&KEYS, key) else { return Effect::Pass };
        let rows = self.rows(scene);
        let index = self.index(&rows);
        match action {
            Action::Step(step) => match step.from(index, rows.len()) {
                Some(index) => self.choose(index, &rows),
                None => Effect::Draw,
            },
            Action::Turn(turn) => {
                self.list.turn(turn);
                Effect::Draw
            }
            Action::Sort => {
                // what is looked at stays, wherever it goes
                if let Some(index) = index {
                    self.choose(index, &rows);
                }
                self.order = self.order.next();
                Effect::Draw
            }
            Action::Open => index.map_or(Effect::Draw, |index| {
                Effect::Show(PageKind::Shutdown, Some(rows[index].container.name.id.clone()))
            }),
            Action::Export(export) => match (index, self.earlier(scene)) {
                (Some(index), _) => write_down(export, rows[index].container, scene),
                (None, Some((at, condition))) => export.make(&Report::condition(at, condition, scene)),
                (None, None) => Effect::Say("there are no zombies, and there were none".to_owned()),
            },
        }
    }

    fn mouse(&mut self, mouse: MouseEvent, scene: &Scene<'_>) -> Effect {
        let on_table = self.drawn.contains(Position { x: mouse.column, y: mouse.row });
        match mouse.kind {
            MouseEventKind::ScrollDown | MouseEventKind::ScrollUp => {
                let down = mouse.kind == MouseEventKind::ScrollDown;
                if on_table {
                    let rows = self.rows(scene);
                    let step = if down { Step::Next } else { Step::Previous };
                    let index = step.from(self.index(&rows), rows.len());
                    return index.map_or(Effect::Draw, |index| self.choose(index, &rows));
                }
                self.list.turn(Turn::Lines(if down { NOTCH } else { -NOTCH }));
                Effect::Draw
            }
            MouseEventKind::Down(MouseButton::Left) if on_table => {
                let index = self.table.first + usize::from(mouse.row - self.drawn.y);
                self.choose(index, &self.rows(scene))
            }
            _ => Effect::Pass,
        }
    }
}

/// The last condition that was told of it, which has the numbers and the fix.
fn write_down(export: Export, container: &Container, scene: &Scene<'_>) -> Effect {
    let told = scene.node.conditions().rev().find(|(_, condition)| {
        condition.kind == ConditionKind::Zombies
            && condition.container.as_ref().is_some_and(|of| of.id == container.name.id)
    });
    match told {
        Some((at, condition)) => export.make(&Report::condition(at, condition, scene)),
        None if export == Export::Recording => export::recording(&container.name, scene),
        None => Effect::Say("these are too few and too young to be a finding".to_owned()),
    }
}

impl Page for Zombies {
    fn help(&self) -> &'static [Help] {
        &HELP
    }

    fn take(&mut self, _change: &Change, _scene: &Scene<'_>) {}

    fn input(&mut self, input: Input, scene: &Scene<'_>) -> Effect {
        match input {
            Input::Key(key) => self.key(key, scene),
            Input::Mouse(mouse) => self.mouse(mouse, scene),
            Input::Resize(..) => Effect::Draw,
        }
    }

    fn select(&mut self, container: &str, _scene: &Scene<'_>) {
        self.chosen = Some(container.to_owned());
        self.list.first = 0;
    }

    fn next(&self, scene: &Scene<'_>) -> Option<BootNs> {
        let some = scene.containers().any(|(_, container)| container.zombies > 0);
        some.then(|| scene.now.plus_ms(AGE_MS))
    }

    fn badge(&self, scene: &Scene<'_>) -> Option<(String, Tone)> {
        let all: usize = scene.containers().map(|(_, container)| container.zombies).sum();
        (all > 0).then(|| (all.to_string(), Tone::Warn))
    }

    fn render(&mut self, frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, theme: &Theme) {
        self.draw(frame.buffer_mut(), area, scene, *theme);
    }
}
