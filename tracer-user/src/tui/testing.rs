//! What the tests of pages share: scenes from recordings and from events, keys, screens.

use std::collections::HashSet;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::input::{Effect, Input};
use super::page::Page;
use super::scene::Scene;
use super::theme::{Colors, Theme};
use crate::event::made::at;
use crate::event::{BootNs, Event, What};
use crate::model::Node;
use crate::output::Clock;
use crate::stream::Reader;

/// A model at a moment, and how it is looked at.
pub(crate) struct Stage {
    pub(crate) node: Node,
    pub(crate) shown: HashSet<String>,
    pub(crate) now: BootNs,
    pub(crate) clock: Clock,
    pub(crate) theme: Theme,
}

impl Stage {
    /// All of a recording of tests/scenarios.
    pub(crate) fn recorded(name: &str) -> Self {
        Self::recorded_until(name, |_| None)
    }

    /// A recording up to a moment, which `until` takes from the node as soon as it can; it stays at that moment.
    pub(crate) fn recorded_until(name: &str, until: impl Fn(&Node) -> Option<BootNs>) -> Self {
        let (clock, events) = events_of(name);
        let mut stage = Self::made(&[]);
        stage.clock = clock;
        let mut end = None;
        for event in events {
            if end.is_some_and(|end| event.0 > end) {
                break;
            }
            stage.take(&event);
            end = end.or_else(|| until(&stage.node));
        }
        stage.now = end.unwrap_or(stage.now);
        stage.node.tick(stage.now);
        stage
    }

    /// Events made by hand.
    pub(crate) fn made(events: &[Event]) -> Self {
        let clock = Clock { boot_to_wall_ns: 1_795_269_780_000_000_000 };
        let theme = Theme { colors: Colors::None, ascii: false };
        let mut stage = Self { node: Node::new(), shown: HashSet::new(), now: BootNs(0), clock, theme };
        for event in events {
            stage.take(event);
        }
        stage
    }

    pub(crate) fn take(&mut self, event: &Event) {
        if let What::Cgroup(found) = &event.1 {
            self.shown.insert(found.container.clone());
        }
        self.now = self.now.max(event.0);
        self.node.apply(event);
        self.node.take_changes().for_each(drop);
    }

    /// Lets time pass.
    pub(crate) fn wait_until(&mut self, ms: u64) {
        self.now = at(ms);
        self.node.tick(self.now);
    }

    pub(crate) fn scene(&self) -> Scene<'_> {
        Scene { node: &self.node, shown: &self.shown, now: self.now, clock: self.clock }
    }

    /// The page as it looks in so many columns and lines.
    pub(crate) fn screen(&self, page: &mut dyn Page, (columns, lines): (u16, u16)) -> String {
        self.terminal(page, (columns, lines)).backend().to_string()
    }

    pub(crate) fn terminal(&self, page: &mut dyn Page, (columns, lines): (u16, u16)) -> Terminal<TestBackend> {
        let mut terminal = Terminal::new(TestBackend::new(columns, lines)).expect("a backend in memory");
        let scene = self.scene();
        terminal.draw(|frame| page.render(frame, frame.area(), &scene, &self.theme)).expect("a backend in memory");
        terminal
    }

    /// Presses keys, drawing in between as the loop does; gives back what the last one led to.
    pub(crate) fn press(&self, page: &mut dyn Page, keys: &str) -> Effect {
        let mut last = Effect::Pass;
        for name in keys.split(' ') {
            last = page.input(Input::Key(key(name)), &self.scene());
            self.screen(page, (80, 21));
        }
        last
    }

    /// Clicks at a column and a line.
    pub(crate) fn click(&self, page: &mut dyn Page, column: u16, row: u16) -> Effect {
        let kind = MouseEventKind::Down(MouseButton::Left);
        page.input(Input::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }), &self.scene())
    }
}

/// The events of a recording of tests/scenarios.
pub(crate) fn events_of(name: &str) -> (Clock, Vec<Event>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios").join(format!("{name}.rec"));
    let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let reader = Reader::new(BufReader::new(file)).expect("a recording");
    let clock = Clock { boot_to_wall_ns: reader.start().boot_to_wall_ns };
    (clock, reader.map(|event| event.expect("an event")).collect())
}

/// A key by its name: `j`, `Esc`, `S-Left`, `C-d`.
pub(crate) fn key(name: &str) -> KeyEvent {
    let (modifiers, name) = match name.split_once('-') {
        Some(("S", name)) => (KeyModifiers::SHIFT, name),
        Some(("C", name)) => (KeyModifiers::CONTROL, name),
        _ => (KeyModifiers::NONE, name),
    };
    let code = match name {
        "Esc" => KeyCode::Esc,
        "Enter" => KeyCode::Enter,
        "Left" => KeyCode::Left,
        "Right" => KeyCode::Right,
        "Up" => KeyCode::Up,
        "Down" => KeyCode::Down,
        "Home" => KeyCode::Home,
        "End" => KeyCode::End,
        "PgUp" => KeyCode::PageUp,
        "PgDn" => KeyCode::PageDown,
        letter => KeyCode::Char(letter.chars().next().expect("a key has a name")),
    };
    KeyEvent::new(code, modifiers)
}
