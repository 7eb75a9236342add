//! Key tables: what a key does and what the help says of it come from one list.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::page::Help;

/// A key as a table names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character; capitals are typed with Shift and named as capitals.
    Char(char),
    /// The same with Ctrl.
    Ctrl(char),
    /// A key without a character of its own.
    Code(KeyCode),
    /// The same with Shift; in a table before the key without it.
    Shift(KeyCode),
}

impl Key {
    /// Whether the event is this key, pressed.
    #[must_use]
    pub fn is(self, event: KeyEvent) -> bool {
        let other = KeyModifiers::CONTROL.union(KeyModifiers::ALT).union(KeyModifiers::SUPER);
        let held = event.modifiers.intersection(other);
        event.kind != KeyEventKind::Release
            && match self {
                Self::Char(c) => held.is_empty() && event.code == KeyCode::Char(c),
                Self::Ctrl(c) => held == KeyModifiers::CONTROL && event.code == KeyCode::Char(c),
                Self::Code(code) => held.is_empty() && event.code == code,
                Self::Shift(code) => {
                    held.is_empty() && event.modifiers.contains(KeyModifiers::SHIFT) && event.code == code
                }
            }
    }
}

/// One line of a table.
#[derive(Clone, Copy, Debug)]
pub struct Binding<A: 'static> {
    /// What the help says.
    pub help: Help,
    /// The keys.
    pub on: &'static [Key],
    /// What they mean; one for each key, or one for all of them.
    pub does: &'static [A],
}

impl<A: 'static> Binding<A> {
    /// `keys` as people write them, what they do, the keys, and the action of each (or the one of all of them).
    #[must_use]
    pub const fn new(keys: &'static str, does: &'static str, on: &'static [Key], action: &'static [A]) -> Self {
        Self { help: Help { keys, does }, on, does: action }
    }
}

/// What a key means by a table.
#[must_use]
pub fn find<A: Copy + 'static>(table: &[Binding<A>], event: KeyEvent) -> Option<A> {
    table.iter().find_map(|binding| {
        let index = binding.on.iter().position(|key| key.is(event))?;
        binding.does.get(index).or_else(|| binding.does.last()).copied()
    })
}

/// The help of a table.
#[must_use]
pub const fn help<A: 'static, const N: usize>(table: &[Binding<A>; N]) -> [Help; N] {
    let mut lines = [Help { keys: "", does: "" }; N];
    let mut index = 0;
    while index < N {
        lines[index] = table[index].help;
        index += 1;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: [Binding<u8>; 2] = [
        Binding::new("j, k", "down, up", &[Key::Char('j'), Key::Char('k')], &[1, 2]),
        Binding::new("q, Ctrl-C", "quit", &[Key::Char('q'), Key::Ctrl('c')], &[3]),
    ];

    #[test]
    fn a_key_means_what_the_table_says() {
        let press = |code, modifiers| find(&TABLE, KeyEvent::new(code, modifiers));
        assert_eq!(press(KeyCode::Char('j'), KeyModifiers::NONE), Some(1));
        assert_eq!(press(KeyCode::Char('k'), KeyModifiers::NONE), Some(2));
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(3));
        assert_eq!(press(KeyCode::Char('q'), KeyModifiers::NONE), Some(3));
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::NONE), None);
        assert_eq!(press(KeyCode::Char('j'), KeyModifiers::ALT), None);
        let released = KeyEvent::new_with_kind(KeyCode::Char('j'), KeyModifiers::NONE, KeyEventKind::Release);
        assert_eq!(find(&TABLE, released), None);
        assert_eq!(help(&TABLE)[1], Help { keys: "q, Ctrl-C", does: "quit" });
    }
}
