//! A list of which one is chosen and a part is visible.

use crossterm::event::KeyCode;

use super::keys::Key;

/// Keys to the next one and the one before, twice.
pub(crate) const STEP_KEYS: &[Key] =
    &[Key::Char('j'), Key::Char('k'), Key::Code(KeyCode::Down), Key::Code(KeyCode::Up)];
/// Keys of [`Turn`]s: a page on and back, half a page on and back.
pub(crate) const TURN_KEYS: &[Key] =
    &[Key::Code(KeyCode::PageDown), Key::Code(KeyCode::PageUp), Key::Ctrl('d'), Key::Ctrl('u')];

/// How far a list is scrolled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scroll {
    /// Lines above the first visible one.
    pub(crate) first: usize,
    /// Lines that were visible when it was drawn last.
    pub(crate) height: usize,
}

impl Scroll {
    /// It is drawn in `height` lines, and has `len`; `chosen` is to be visible, if there is such.
    pub(crate) fn fit(&mut self, chosen: Option<usize>, height: usize, len: usize) {
        self.height = height;
        if let Some(chosen) = chosen {
            self.first = self.first.min(chosen);
            self.first = self.first.max((chosen + 1).saturating_sub(height));
        }
        self.first = self.first.min(len.saturating_sub(height));
    }

    /// A page or half a page on, or back.
    pub(crate) fn turn(&mut self, by: Turn) {
        let page = self.height.saturating_sub(1).max(1);
        self.first = match by {
            Turn::Page => self.first.saturating_add(page),
            Turn::PageBack => self.first.saturating_sub(page),
            Turn::Half => self.first.saturating_add(page.div_ceil(2)),
            Turn::HalfBack => self.first.saturating_sub(page.div_ceil(2)),
            Turn::Lines(lines) => self.first.saturating_add_signed(lines),
        };
    }
}

/// A way to scroll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Page,
    PageBack,
    Half,
    HalfBack,
    Lines(isize),
}

/// Where the choice goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Next,
    Previous,
    First,
    Last,
}

impl Step {
    /// The new choice among `len`; none where there are none.
    pub(crate) fn from(self, chosen: Option<usize>, len: usize) -> Option<usize> {
        let last = len.checked_sub(1)?;
        Some(match (self, chosen) {
            (Self::First, _) | (Self::Next | Self::Previous, None) => 0,
            (Self::Last, _) => last,
            (Self::Next, Some(at)) => (at + 1).min(last),
            (Self::Previous, Some(at)) => at.saturating_sub(1).min(last),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_stays_visible() {
        let mut scroll = Scroll::default();
        scroll.fit(Some(9), 4, 20);
        assert_eq!(scroll.first, 6);
        scroll.fit(Some(7), 4, 20);
        assert_eq!(scroll.first, 6);
        scroll.fit(Some(2), 4, 20);
        assert_eq!(scroll.first, 2);
        scroll.fit(None, 4, 3);
        assert_eq!(scroll.first, 0);
        scroll.turn(Turn::Page);
        scroll.fit(None, 4, 5);
        assert_eq!(scroll.first, 1);
        scroll.fit(Some(0), 0, 5);
        scroll.turn(Turn::Lines(-3));
        assert_eq!(scroll.first, 0);
    }

    #[test]
    fn steps_end_at_the_ends() {
        assert_eq!(Step::Next.from(Some(4), 5), Some(4));
        assert_eq!(Step::Previous.from(Some(0), 5), Some(0));
        assert_eq!(Step::Last.from(None, 5), Some(4));
        assert_eq!(Step::Next.from(Some(9), 5), Some(4));
        assert_eq!(Step::Next.from(Some(9), 0), None);
    }
}
