//! What the tests of the whole of it share: an [`App`] over recordings, keys by their names, screens in memory.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::input::{Effect, Input};
use super::replay::Player;
use super::theme::{Colors, Theme};
use crate::container::filter::Filters;
use crate::event::{Described, Event, What};
use crate::output::Clock;
use crate::stream::Reader;

/// Recordings of one boot of one machine: together they are a busy node.
pub(super) const BUSY: [&str; 14] = [
    "bash-drops",
    "bash-trap-waits-for-child",
    "blocks",
    "dumb-init",
    "exits-3",
    "go-plain",
    "java",
    "kill-9-from-inside",
    "nginx-sigquit",
    "node-plain",
    "python-handler",
    "segfault",
    "tini",
    "zombies",
];

/// No colours: what is on the screen must be legible without.
pub(super) const PLAIN: Theme = Theme { colors: Colors::None, ascii: false };

pub(super) struct Stand {
    pub(super) player: Player,
    /// Recordings say where in them they are; live views do not.
    pub(super) live: bool,
}

/// The events of recordings of tests/scenarios, as one.
pub(super) fn events_of(names: &[&str]) -> (Vec<Event>, Clock) {
    let (mut events, mut clock) = (Vec::new(), Clock::default());
    for name in names {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios").join(format!("{name}.rec"));
        let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let reader = Reader::new(BufReader::new(file)).expect("a recording");
        clock.boot_to_wall_ns = reader.start().boot_to_wall_ns;
        events.extend(reader.map(|event| event.expect("an event")));
    }
    events.sort_by_key(|event| event.0);
    (events, clock)
}

impl Stand {
    /// All of some recordings, folded.
    pub(super) fn of(names: &[&str]) -> Self {
        Self::changed(names, |_| {})
    }

    /// The same, with what the runtime said changed.
    pub(super) fn changed(names: &[&str], change: impl Fn(&mut Described)) -> Self {
        let (mut events, clock) = events_of(names);
        for Event(_, what) in &mut events {
            if let What::Described(described) = what {
                change(described);
            }
        }
        Self::over(events, clock, PLAIN)
    }

    pub(super) fn over(events: Vec<Event>, clock: Clock, theme: Theme) -> Self {
        let player = Player::new(events, Filters::default(), clock, theme).expect("memory");
        Self { player, live: true }
    }

    /// Presses keys, drawing in between as the loop does. Returns what the last one led to.
    pub(super) fn press(&mut self, keys: &str) -> Effect {
        let mut last = Effect::Pass;
        for name in keys.split(' ') {
            last = self.input(Input::Key(key(name)));
            if let Effect::Seek(seek) = last {
                self.player.seek(seek).expect("memory");
            }
            self.screen((80, 24));
        }
        last
    }

    /// Types a text.
    pub(super) fn type_in(&mut self, text: &str) {
        for c in text.chars() {
            self.input(Input::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
        }
    }

    pub(super) fn mouse(&mut self, kind: MouseEventKind, column: u16, row: u16) -> Effect {
        self.input(Input::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }))
    }

    pub(super) fn click(&mut self, column: u16, row: u16) -> Effect {
        self.mouse(MouseEventKind::Down(MouseButton::Left), column, row)
    }

    fn input(&mut self, input: Input) -> Effect {
        let (app, moment) = self.player.app_and_moment();
        app.input(input, &moment)
    }

    /// The screen in so many columns and lines.
    pub(super) fn terminal(&mut self, (columns, lines): (u16, u16)) -> Terminal<TestBackend> {
        if !self.live {
            self.player.tell_position();
        }
        let mut terminal = Terminal::new(TestBackend::new(columns, lines)).expect("a backend in memory");
        let (app, moment) = self.player.app_and_moment();
        terminal.draw(|frame| app.render(frame, &moment)).expect("a backend in memory");
        terminal
    }

    pub(super) fn screen(&mut self, size: (u16, u16)) -> String {
        self.terminal(size).backend().to_string()
    }

    pub(super) fn buffer(&mut self, size: (u16, u16)) -> Buffer {
        self.terminal(size).backend().buffer().clone()
    }
}

/// A key by its name: `j`, `Esc`, `S-Tab`, `C-c`, `Space`.
fn key(name: &str) -> KeyEvent {
    let (modifiers, name) = match name.split_once('-') {
        Some(("C", name)) => (KeyModifiers::CONTROL, name),
        Some(("S", name)) => (KeyModifiers::SHIFT, name),
        _ => (KeyModifiers::NONE, name),
    };
    let code = match name {
        "Tab" if modifiers == KeyModifiers::SHIFT => KeyCode::BackTab,
        "Tab" => KeyCode::Tab,
        "Esc" => KeyCode::Esc,
        "Enter" => KeyCode::Enter,
        "Space" => KeyCode::Char(' '),
        "Left" => KeyCode::Left,
        "Right" => KeyCode::Right,
        "Up" => KeyCode::Up,
        "Down" => KeyCode::Down,
        "Home" => KeyCode::Home,
        "End" => KeyCode::End,
        "PgUp" => KeyCode::PageUp,
        "PgDn" => KeyCode::PageDown,
        "F1" => KeyCode::F(1),
        letter => KeyCode::Char(letter.chars().next().expect("a key has a name")),
    };
    let modifiers = if code == KeyCode::BackTab { KeyModifiers::SHIFT } else { modifiers };
    KeyEvent::new(code, modifiers)
}

/// The first cell of a text on a screen.
pub(super) fn find<'a>(buffer: &'a Buffer, text: &str) -> Option<&'a ratatui::buffer::Cell> {
    let area = buffer.area;
    (area.top()..area.bottom()).find_map(|y| {
        let line: Vec<&str> = (area.left()..area.right()).map(|x| buffer[(x, y)].symbol()).collect();
        (0..line.len()).find(|&x| line[x..].concat().starts_with(text)).map(|x| {
            let x = u16::try_from(x).expect("a column");
            &buffer[(x, y)]
        })
    })
}
