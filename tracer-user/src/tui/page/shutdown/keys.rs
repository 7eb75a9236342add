//! What the person does on the shutdown page.

use crossterm::event::{KeyCode, KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::moments::{self, Moment};
use super::stops::{self, Entry, Focus, StopId};
use super::timeline::Section;
use super::{Cursor, Mode, Shutdown};
use crate::event::BootNs;
use crate::tui::choice::{STEP_KEYS, Step, TURN_KEYS, Turn};
use crate::tui::export::{self, Export, Report};
use crate::tui::input::Effect;
use crate::tui::keys::{self, Binding, Key};
use crate::tui::page::Help;
use crate::tui::scene::Scene;

/// Lines that one notch of the mouse wheel scrolls.
const NOTCH: isize = 3;

/// What a key means here.
#[derive(Clone, Copy)]
enum Action {
    Step(Step),
    Turn(Turn),
    Along(Along),
    /// The picture alone.
    Zoom,
    /// All in words.
    Explain,
    Compare,
    /// Only what did not end by itself.
    Unended,
    Export(Export),
    Back,
}

const KEYS: [Binding<Action>; 13] = [
    Binding::new(
        "j k ↓ ↑",
        "other stop",
        STEP_KEYS,
        &[
            Action::Step(Step::Next),
            Action::Step(Step::Previous),
            Action::Step(Step::Next),
            Action::Step(Step::Previous),
        ],
    ),
    Binding::new(
        "H L",
        "next mark",
        &[Key::Char('H'), Key::Char('L'), Key::Shift(KeyCode::Left), Key::Shift(KeyCode::Right)],
        &[
            Action::Along(Along::PreviousMark),
            Action::Along(Along::NextMark),
            Action::Along(Along::PreviousMark),
            Action::Along(Along::NextMark),
        ],
    ),
    Binding::new(
        "h l ← →",
        "along the axis",
        &[Key::Char('h'), Key::Char('l'), Key::Code(KeyCode::Left), Key::Code(KeyCode::Right)],
        &[
            Action::Along(Along::Left),
            Action::Along(Along::Right),
            Action::Along(Along::Left),
            Action::Along(Along::Right),
        ],
    ),
    Binding::new("e", "explain", &[Key::Char('e')], &[Action::Explain]),
    Binding::new("y", "copy", &[Key::Char('y')], &[Action::Export(Export::Copy)]),
    Binding::new("c", "compare two", &[Key::Char('c')], &[Action::Compare]),
    Binding::new("Enter", "the picture alone", &[Key::Code(KeyCode::Enter)], &[Action::Zoom]),
    Binding::new(
        "PgDn PgUp Ctrl-D Ctrl-U",
        "scroll the lanes",
        TURN_KEYS,
        &[
            Action::Turn(Turn::Page),
            Action::Turn(Turn::PageBack),
            Action::Turn(Turn::Half),
            Action::Turn(Turn::HalfBack),
        ],
    ),
    Binding::new("r", "hide what ended by itself", &[Key::Char('r')], &[Action::Unended]),
    Binding::new(
        "w J R",
        "save: Markdown, JSON, recording",
        &[Key::Char('w'), Key::Char('J'), Key::Char('R')],
        &[Action::Export(Export::Markdown), Action::Export(Export::Json), Action::Export(Export::Recording)],
    ),
    Binding::new(
        "Home End",
        "first sign, end",
        &[Key::Code(KeyCode::Home), Key::Code(KeyCode::End)],
        &[Action::Along(Along::First), Action::Along(Along::Last)],
    ),
    Binding::new(
        "g G",
        "newest, oldest stop",
        &[Key::Char('g'), Key::Char('G')],
        &[Action::Step(Step::First), Action::Step(Step::Last)],
    ),
    Binding::new("Esc", "back", &[Key::Code(KeyCode::Esc)], &[Action::Back]),
];

pub(super) const HELP: [Help; 13] = keys::help(&KEYS);

/// While all is told in words.
pub(super) const HELP_WORDS: [Help; 6] = [
    Help { keys: "PgDn PgUp", does: "scroll" },
    Help { keys: "e, Esc", does: "the picture" },
    HELP[4],
    HELP[0],
    HELP[9],
    HELP[11],
];

impl Shutdown {
    pub(super) fn key(&mut self, key: KeyEvent, scene: &Scene<'_>) -> Effect {
        let Some(action) = keys::find(&KEYS, key) else { return Effect::Pass };
        match action {
            // with nothing to choose from they scroll
            Action::Step(step @ (Step::Next | Step::Previous))
                if self.mode == Mode::Words && stops::entries(scene).len() < 2 =>
            {
                self.turn(Turn::Lines(if matches!(step, Step::Next) { 1 } else { -1 }))
            }
            Action::Step(step) => self.step(step, scene),
            Action::Turn(turn) => self.turn(turn),
            Action::Along(along) => self.along(along, scene),
            Action::Zoom => self.toggle(Mode::Picture),
            Action::Explain => self.toggle(Mode::Words),
            Action::Compare => self.compare(scene),
            Action::Unended => {
                self.unended = !self.unended;
                Effect::Draw
            }
            Action::Export(export) => self.export(export, scene),
            Action::Back => self.back(),
        }
    }

    fn turn(&mut self, turn: Turn) -> Effect {
        let scroll = if self.mode == Mode::Words { &mut self.prose } else { &mut self.lanes };
        scroll.turn(turn);
        Effect::Draw
    }

    pub(super) fn mouse(&mut self, mouse: MouseEvent, scene: &Scene<'_>) -> Effect {
        let at = Position { x: mouse.column, y: mouse.row };
        let on_list = self.drawn.on_list(at);
        match mouse.kind {
            MouseEventKind::ScrollDown if on_list => self.step(Step::Next, scene),
            MouseEventKind::ScrollUp if on_list => self.step(Step::Previous, scene),
            MouseEventKind::ScrollDown | MouseEventKind::ScrollUp => {
                let down = mouse.kind == MouseEventKind::ScrollDown;
                self.turn(Turn::Lines(if down { NOTCH } else { -NOTCH }))
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
            None if entries.iter().filter(|entry| entry.is_past()).count() < 2 => {
                Effect::Say("this is the only one: there is none to compare it with".to_owned())
            }
            None => {
                self.marked = Some(entry.id());
                Effect::Say("marked; choose another and press c to compare".to_owned())
            }
        }
    }

    fn export(&self, export: Export, scene: &Scene<'_>) -> Effect {
        let entries = stops::entries(scene);
        let Some(entry) = stops::chosen(&entries, &self.focus).map(|index| entries[index]) else {
            let looked_at = match &self.focus {
                Focus::Container(id) => scene.node.container_by_id(id),
                _ => None,
            };
            return match looked_at {
                Some((_, container)) if export == Export::Recording => export::recording(&container.name, scene),
                _ => Effect::Say("there is nothing to write down yet".to_owned()),
            };
        };
        let Some(termination) = entry.termination(scene) else { return Effect::Draw };
        export.make(&Report::stop(&termination, scene))
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
        let column = if along == Along::Left { column.saturating_sub(1) } else { column + 1 };
        // beyond the end is the end, which moves while it goes on
        (column <= scale.column(end)).then(|| Cursor::At(scale.moment(column)))
    }
}

/// The sections of the picture of a line of the list: the container, and the others of its pod.
pub(super) fn sections<'a>(entries: &[Entry<'a>], index: usize, scene: &Scene<'a>) -> Vec<Section<'a>> {
    let all = stops::of_one_pod(entries, index, scene);
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
