//! A list with a chosen line: moving, scrolling, the mouse.

use crossterm::event::{KeyCode, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::keys::{Binding, Key};

/// Lines that one turn of the wheel moves.
const WHEEL: usize = 3;

/// A way through the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// A line down.
    Down,
    /// A line up.
    Up,
    /// A page down.
    PageDown,
    /// A page up.
    PageUp,
    /// To the first line.
    First,
    /// To the last line.
    Last,
}

/// The keys of every list.
pub const MOVES: [Binding<Move>; 3] = [
    Binding::new(
        "j k ↓ ↑",
        "down, up",
        &[Key::Char('j'), Key::Char('k'), Key::Code(KeyCode::Down), Key::Code(KeyCode::Up)],
        &[Move::Down, Move::Up, Move::Down, Move::Up],
    ),
    Binding::new(
        "PgDn PgUp",
        "a page down, up",
        &[
            Key::Code(KeyCode::PageDown),
            Key::Code(KeyCode::PageUp),
            Key::Ctrl('f'),
            Key::Ctrl('b'),
            Key::Ctrl('d'),
            Key::Ctrl('u'),
        ],
        &[Move::PageDown, Move::PageUp, Move::PageDown, Move::PageUp, Move::PageDown, Move::PageUp],
    ),
    Binding::new(
        "g G Home End",
        "first, last",
        &[Key::Char('g'), Key::Char('G'), Key::Code(KeyCode::Home), Key::Code(KeyCode::End)],
        &[Move::First, Move::Last, Move::First, Move::Last],
    ),
];

/// What the mouse did to a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clicked {
    /// Nothing.
    Nothing,
    /// The choice moved.
    Moved,
    /// The line that was chosen already was clicked: as Enter.
    Opened,
}

/// Which line is chosen, and which are seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// The chosen line, from 0.
    pub selected: usize,
    /// The first line that is seen.
    top: usize,
    /// Where the lines were drawn.
    area: Rect,
}

impl List {
    /// Moves the choice in a list of `len` lines.
    pub fn go(&mut self, to: Move, len: usize) {
        let page = usize::from(self.area.height.max(2)) - 1;
        self.selected = match to {
            Move::Down => self.selected + 1,
            Move::Up => self.selected.saturating_sub(1),
            Move::PageDown => self.selected + page,
            Move::PageUp => self.selected.saturating_sub(page),
            Move::First => 0,
            Move::Last => len,
        }
        .min(len.saturating_sub(1));
    }

    /// The lines to draw into `area`: the chosen one is among them, and no more of them is empty than must be.
    pub fn place(&mut self, area: Rect, len: usize) -> std::ops::Range<usize> {
        self.area = area;
        let height = usize::from(area.height);
        self.selected = self.selected.min(len.saturating_sub(1));
        self.top = self.top.min(self.selected).min(len.saturating_sub(height));
        if self.selected >= self.top + height {
            self.top = self.selected + 1 - height.max(1);
        }
        self.top..len.min(self.top + height)
    }

    /// What the mouse does to a list of `len` lines.
    pub fn mouse(&mut self, mouse: MouseEvent, len: usize) -> Clicked {
        if !self.area.contains(Position::new(mouse.column, mouse.row)) || len == 0 {
            return Clicked::Nothing;
        }
        let before = self.selected;
        match mouse.kind {
            MouseEventKind::ScrollDown => self.selected = (self.selected + WHEEL).min(len - 1),
            MouseEventKind::ScrollUp => self.selected = self.selected.saturating_sub(WHEEL),
            MouseEventKind::Down(MouseButton::Left) => {
                let line = self.top + usize::from(mouse.row - self.area.y);
                if line >= len {
                    return Clicked::Nothing;
                }
                self.selected = line;
                if line == before {
                    return Clicked::Opened;
                }
            }
            _ => return Clicked::Nothing,
        }
        Clicked::Moved
    }
}

#[cfg(test)]
mod tests {
    use crossterm::event::KeyModifiers;

    use super::*;

    const AREA: Rect = Rect { x: 0, y: 3, width: 20, height: 5 };

    fn mouse(kind: MouseEventKind, row: u16) -> MouseEvent {
        MouseEvent { kind, column: 4, row, modifiers: KeyModifiers::NONE }
    }

    #[test]
    fn the_chosen_line_is_always_seen() {
        let mut list = List::default();
        assert_eq!(list.place(AREA, 12), 0..5);
        list.go(Move::Last, 12);
        assert_eq!((list.selected, list.place(AREA, 12)), (11, 7..12));
        list.go(Move::PageUp, 12);
        assert_eq!((list.selected, list.place(AREA, 12)), (7, 7..12));
        list.go(Move::Up, 12);
        assert_eq!(list.place(AREA, 12), 6..11);
        // the list became shorter
        assert_eq!((list.place(AREA, 3), list.selected), (0..3, 2));
        assert_eq!((list.place(AREA, 0), list.selected), (0..0, 0));
        list.go(Move::Down, 0);
        assert_eq!(list.selected, 0);
    }

    #[test]
    fn the_mouse_chooses_and_opens() {
        let mut list = List::default();
        list.place(AREA, 12);
        let click = MouseEventKind::Down(MouseButton::Left);
        assert_eq!((list.mouse(mouse(click, 5), 12), list.selected), (Clicked::Moved, 2));
        assert_eq!(list.mouse(mouse(click, 5), 12), Clicked::Opened);
        assert_eq!(list.mouse(mouse(click, 2), 12), Clicked::Nothing, "above the list");
        assert_eq!(list.mouse(mouse(click, 5), 2), Clicked::Nothing, "below its last line");
        assert_eq!((list.mouse(mouse(MouseEventKind::ScrollDown, 4), 12), list.selected), (Clicked::Moved, 5));
        list.mouse(mouse(MouseEventKind::ScrollUp, 4), 12);
        assert_eq!(list.selected, 2);
        assert_eq!(list.mouse(mouse(MouseEventKind::Moved, 4), 12), Clicked::Nothing);
    }
}
