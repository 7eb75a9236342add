//! A line that is being typed: filters.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Characters of a filter; more are not taken.
const LONGEST: usize = 100;

/// Text that the person types, or has typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typing {
    text: String,
    active: bool,
}

/// What a key did to the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Nothing: the key is not for the text.
    Nothing,
    /// The text is another.
    Changed,
    /// Typing is over; the text stays.
    Done,
    /// Typing is over; the text is gone.
    Dropped,
}

impl Typing {
    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether keys are text at the moment.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.active
    }

    /// Keys are text from now on.
    pub fn begin(&mut self) {
        self.active = true;
    }

    /// No text, and keys are keys.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes a key while typing: characters, Backspace, Ctrl-W (a word), Ctrl-U (all); Enter ends it and keeps the text,
    /// Esc drops it.
    pub fn key(&mut self, key: KeyEvent) -> Typed {
        if !self.active || key.kind == crossterm::event::KeyEventKind::Release {
            return Typed::Nothing;
        }
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => {
                self.active = false;
                Typed::Done
            }
            KeyCode::Esc => {
                self.clear();
                Typed::Dropped
            }
            KeyCode::Backspace if self.text.is_empty() => {
                self.active = false;
                Typed::Done
            }
            KeyCode::Backspace => {
                self.text.pop();
                Typed::Changed
            }
            KeyCode::Char('u') if ctrl => {
                self.text.clear();
                Typed::Changed
            }
            KeyCode::Char('w') if ctrl => {
                let kept = self.text.trim_end().rfind(' ').map_or(0, |space| space + 1);
                self.text.truncate(kept);
                Typed::Changed
            }
            KeyCode::Char(c) if !ctrl && !c.is_control() => {
                if self.text.chars().count() < LONGEST {
                    self.text.push(c);
                }
                Typed::Changed
            }
            _ => Typed::Nothing,
        }
    }
}

/// Whether the letters of `wanted` are in `text` in this order, whatever their case and whatever is between them.
/// Spaces in `wanted` part words of which each must be there.
#[must_use]
pub fn fuzzy(wanted: &str, text: &str) -> bool {
    wanted.split_whitespace().all(|word| {
        let mut letters = text.chars().flat_map(char::to_lowercase);
        word.chars().flat_map(char::to_lowercase).all(|c| letters.any(|letter| letter == c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[KeyCode]) -> (String, bool) {
        let mut typing = Typing::default();
        typing.begin();
        for &code in keys {
            typing.key(KeyEvent::new(code, KeyModifiers::NONE));
        }
        (typing.text().to_owned(), typing.is_active())
    }

    #[test]
    fn keys_become_text() {
        use super::KeyCode::{Backspace, Char, Enter, Esc, Left};
        assert_eq!(typed(&[Char('a'), Char('ä'), Left, Char('c'), Backspace]), ("aä".to_owned(), true));
        assert_eq!(typed(&[Char('a'), Enter, Char('b')]), ("a".to_owned(), false));
        assert_eq!(typed(&[Char('a'), Esc]), (String::new(), false));
        assert_eq!(typed(&[Char('a'), Backspace, Backspace]), (String::new(), false));
        assert_eq!(typed(&[Char('x'); 300]).0.len(), LONGEST);
        let mut typing = Typing { text: "one two ".to_owned(), active: true };
        typing.key(KeyEvent::new(Char('w'), KeyModifiers::CONTROL));
        assert_eq!(typing.text(), "one ");
        typing.key(KeyEvent::new(Char('u'), KeyModifiers::CONTROL));
        assert_eq!(typing.text(), "");
    }

    #[test]
    fn letters_in_order_are_enough() {
        for (wanted, text, expect) in [
            ("", "anything", true),
            ("wbap", "shop/Web-7d9/app", true),
            ("app web", "shop/web/app", true),
            ("bew", "shop/web", false),
            ("ÄP", "äpp", true),
        ] {
            assert_eq!(fuzzy(wanted, text), expect, "{wanted} in {text}");
        }
    }
}
