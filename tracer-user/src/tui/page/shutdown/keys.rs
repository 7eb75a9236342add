//! What the person does on the shutdown page.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::moments::{self, Moment};
use super::stops::{self, Entry, Focus, StopId};
use super::timeline::Section;
use super::{Cursor, Mode, Shutdown};
use crate::event::BootNs;
use crate::tui::choice::{Step, Turn};
use crate::tui::export::{Export, Report};
use crate::tui::input::Effect;
use crate::tui::page::Help;
use crate::tui::scene::Scene;

/// Lines that one notch of the mouse wheel scrolls.
const NOTCH: isize = 3;

pub(super) const HELP: &[Help] = &[
    Help { keys: "j k ↓ ↑", does: "next, previous stop" },
    Help { keys: "h l ← →", does: "look along the axis" },
    Help { keys: "H L", does: "previous, next mark" },
    Help { keys: "Home End", does: "to the first sign, to the end" },
    Help { keys: "PgUp PgDn", does: "scroll the lanes" },
    Help { keys: "Enter", does: "the picture alone, and back" },
    Help { keys: "e", does: "explain: all in words, and back" },
    Help { keys: "c", does: "mark to compare, then compare" },
    Help { keys: "r", does: "only what still runs or was killed" },
    Help { keys: "y", does: "copy as Markdown" },
    Help { keys: "w", does: "write a Markdown file" },
    Help { keys: "J", does: "write a JSON file" },
    Help { keys: "g G", does: "newest, oldest stop" },
    Help { keys: "Esc", does: "back" },
];

impl Shutdown {
    pub(super) fn key(&mut self, key: KeyEvent, scene: &Scene<'_>) -> Effect {
        if key.kind == KeyEventKind::Release {
            return Effect::Pass;
        }
        if let Some(turn) = Turn::of(key) {
            let scroll = if self.mode == Mode::Words { &mut self.prose } else { &mut self.lanes };
            scroll.turn(turn);
            return Effect::Draw;
        }
        if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
            return Effect::Pass;
        }
        if let Some(step) = Step::of(key) {
            return self.step(step, scene);
        }
        let shift = key.modifiers.contains(KeyModifiers::SHIFT);
        match key.code {
            KeyCode::Left if shift => self.along(Along::PreviousMark, scene),
            KeyCode::Right if shift => self.along(Along::NextMark, scene),
            KeyCode::Char('H') => self.along(Along::PreviousMark, scene),
            KeyCode::Char('L') => self.along(Along::NextMark, scene),
            KeyCode::Char('h') | KeyCode::Left => self.along(Along::Left, scene),
            KeyCode::Char('l') | KeyCode::Right => self.along(Along::Right, scene),
            KeyCode::Home => self.along(Along::First, scene),
            KeyCode::End => self.along(Along::Last, scene),
            KeyCode::Enter => self.toggle(Mode::Picture),
            KeyCode::Char('e') => self.toggle(Mode::Words),
            KeyCode::Char('c') => self.compare(scene),
            KeyCode::Char('r') => {
                self.unended = !self.unended;
                Effect::Draw
            }
            KeyCode::Char(letter) if Export::of(letter).is_some() => self.export(letter, scene),
            KeyCode::Esc => self.back(),
            _ => Effect::Pass,
        }
    }

    pub(super) fn mouse(&mut self, mouse: MouseEvent, scene: &Scene<'_>) -> Effect {
        let at = Position { x: mouse.column, y: mouse.row };
        let on_list = self.drawn.on_list(at);
        match mouse.kind {
            MouseEventKind::ScrollDown if on_list => self.step(Step::Next, scene),
            MouseEventKind::ScrollUp if on_list => self.step(Step::Previous, scene),
            MouseEventKind::ScrollDown | MouseEventKind::ScrollUp => {
                let scroll = if self.mode == Mode::Words { &mut self.prose } else { &mut self.lanes };
                let down = mouse.kind == MouseEventKind::ScrollDown;
                scroll.turn(Turn::Lines(if down { NOTCH } else { -NOTCH }));
                Effect::Draw
            }
            MouseEventKind::Down(MouseButton::Left) if on_list => {
                let line = self.list.first + usize::from(at.y - self.drawn.list.y);
                self.choose(line, scene)
            }
            MouseEventKind::Down(MouseButton::Left) if self.drawn.log.contains(at) => {
                self.cursor = Some(Cursor::Mark(self.log.first + usize::from(at.y - self.drawn.log.y)));
                Effect::Draw
            }
            MouseEventKind::Down(MouseButton::Left) | MouseEventKind::Drag(MouseButton::Left) => {
                let Some(moment) = self.drawn.picture.contains(at).then(|| self.drawn.moment(at.x)).flatten() else {
                    return Effect::Pass;
                };
                self.cursor = Some(Cursor::At(moment));
                Effect::Draw
            }
            _ => Effect::Pass,
        }
    }

    fn step(&mut self, step: Step, scene: &Scene<'_>) -> Effect {
        let entries = stops::entries(scene);
        match step.from(stops::chosen(&entries, &self.focus), entries.len()) {
            Some(index) => self.choose(index, scene),
            None => Effect::Draw,
        }
    }

    fn choose(&mut self, index: usize, scene: &Scene<'_>) -> Effect {
        if let Some(entry) = stops::entries(scene).get(index) {
            self.look_at(Focus::Stop(entry.id()));
            if matches!(self.mode, Mode::Compare(..)) {
                self.mode = Mode::Both;
            }
        }
        Effect::Draw
    }

    fn toggle(&mut self, mode: Mode) -> Effect {
        self.mode = if self.mode == mode { Mode::Both } else { mode };
        Effect::Draw
    }

    /// One step back: to the list, to the end of the axis, to the newest.
    fn back(&mut self) -> Effect {
        if self.mode != Mode::Both {
            self.mode = Mode::Both;
        } else if self.cursor.is_some() {
            self.cursor = None;
        } else if self.marked.is_some() {
            self.marked = None;
        } else if self.focus != Focus::Newest {
            self.look_at(Focus::Newest);
        } else {
            return Effect::Pass;
        }
        Effect::Draw
    }

    fn compare(&mut self, scene: &Scene<'_>) -> Effect {
        if matches!(self.mode, Mode::Compare(..)) {
            self.mode = Mode::Both;
            return Effect::Draw;
        }
        let entries = stops::entries(scene);
        let Some(entry) = stops::chosen(&entries, &self.focus).map(|index| entries[index]) else {
            return Effect::Draw;
        };
        if !entry.is_past() {
            return Effect::Say("only what is over can be compared".to_owned());
        }
        let marked = self.marked.take().and_then(|marked| entries.iter().find(|other| other.is(&marked)));
        match marked {
            Some(other) if other.id() == entry.id() => Effect::Say("no longer marked".to_owned()),
            Some(other) => {
                let (one, two) = in_order(*other, entry);
                self.mode = Mode::Compare(one, two);
                Effect::Draw
            }
            None => {
                self.marked = Some(entry.id());
                Effect::Say("marked; choose another and press c to compare".to_owned())
            }
        }
    }

    fn export(&self, letter: char, scene: &Scene<'_>) -> Effect {
        let entries = stops::entries(scene);
        let Some(entry) = stops::chosen(&entries, &self.focus).map(|index| entries[index]) else {
            return Effect::Say("there is nothing to write down yet".to_owned());
        };
        let Some(termination) = entry.termination(scene) else { return Effect::Draw };
        Export::of(letter).map_or(Effect::Pass, |export| export.make(&Report::stop(&termination, scene)))
    }
}

fn in_order(one: Entry<'_>, other: Entry<'_>) -> (StopId, StopId) {
    if one.started() <= other.started() { (one.id(), other.id()) } else { (other.id(), one.id()) }
}

/// A step along the axis.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Along {
    Left,
    Right,
    PreviousMark,
    NextMark,
    First,
    Last,
}

impl Shutdown {
    fn along(&mut self, along: Along, scene: &Scene<'_>) -> Effect {
        let entries = stops::entries(scene);
        let Some(index) = stops::chosen(&entries, &self.focus) else { return Effect::Draw };
        let sections = sections(&entries, index, scene);
        let moments = moments_of(&sections, scene.now);
        self.cursor = match along {
            Along::First => sections.first().map(|section| Cursor::At(section.termination.started)),
            Along::Last => None,
            Along::PreviousMark => self.previous_mark(&moments),
            Along::NextMark => self.next_mark(&moments),
            Along::Left | Along::Right => self.next_column(along, &moments, &sections, scene.now),
        };
        Effect::Draw
    }

    fn previous_mark(&self, moments: &[(usize, Moment<'_>)]) -> Option<Cursor> {
        let before = match self.cursor {
            // the last one is shown where there is no cursor
            None => moments.len().saturating_sub(1),
            Some(Cursor::Mark(index)) => index,
            Some(Cursor::At(at)) => moments.partition_point(|(_, moment)| moment.at < at),
        };
        (!moments.is_empty()).then(|| Cursor::Mark(before.saturating_sub(1)))
    }

    fn next_mark(&self, moments: &[(usize, Moment<'_>)]) -> Option<Cursor> {
        let next = match self.cursor {
            None => return None,
            Some(Cursor::Mark(index)) => index + 1,
            Some(Cursor::At(at)) => moments.partition_point(|(_, moment)| moment.at <= at),
        };
        (next < moments.len()).then_some(Cursor::Mark(next))
    }

    fn next_column(
        &self,
        along: Along,
        moments: &[(usize, Moment<'_>)],
        sections: &[Section<'_>],
        now: BootNs,
    ) -> Option<Cursor> {
        let scale = self.drawn.scale?;
        let end = end_of(sections, moments, now);
        let at = position(self.cursor, moments).unwrap_or(end);
        let column = scale.column(at);
        let column = if along == Along::Left { column.checked_sub(1)? } else { column + 1 };
        // beyond the end is the end, which moves while it goes on
        (column <= scale.column(end)).then(|| Cursor::At(scale.moment(column)))
    }
}

/// The sections of the picture of a line of the list: the container, and the others of its pod.
pub(super) fn sections<'a>(entries: &[Entry<'a>], index: usize, scene: &Scene<'a>) -> Vec<Section<'a>> {
    let all = stops::of_one_pod(entries, index, scene.now);
    let told = all.iter().filter_map(|entry| entry.termination(scene));
    told.map(|termination| Section::new(termination, scene.now)).collect()
}

/// What happened in all of them, in order, with the section it happened in.
pub(super) fn moments_of<'a>(sections: &'a [Section<'_>], now: BootNs) -> Vec<(usize, Moment<'a>)> {
    let mut all: Vec<_> = sections
        .iter()
        .enumerate()
        .flat_map(|(index, section)| {
            let moments = moments::all(&section.termination, now);
            moments.into_iter().map(move |moment| (index, moment))
        })
        .collect();
    all.sort_by_key(|(_, moment)| moment.at);
    all
}

/// Where the cursor stands.
pub(super) fn position(cursor: Option<Cursor>, moments: &[(usize, Moment<'_>)]) -> Option<BootNs> {
    match cursor? {
        Cursor::At(at) => Some(at),
        Cursor::Mark(index) => moments.get(index).or(moments.last()).map(|(_, moment)| moment.at),
    }
}

fn end_of(sections: &[Section<'_>], moments: &[(usize, Moment<'_>)], now: BootNs) -> BootNs {
    let going_on = sections.iter().any(|section| section.now.is_some());
    let last = moments.last().map_or(now, |(_, moment)| moment.at);
    if going_on { now } else { last }
}
