//! Colours and characters: what a terminal can show and a person wants to see.

use ratatui::style::{Color, Modifier, Style};

/// How much colour there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colors {
    /// None: `NO_COLOR`, `--no-color`.
    None,
    /// The sixteen that every terminal has and its owner chose: legible on light and on dark.
    #[default]
    Sixteen,
}

/// Meaning of a piece of the screen. Pages name meanings, never colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Ordinary text.
    Plain,
    /// In the background: rules, units, what is over.
    Dim,
    /// Names, headings.
    Strong,
    /// All is well.
    Good,
    /// Look here.
    Warn,
    /// This is why.
    Bad,
    /// Of interest, neither good nor bad.
    Note,
    /// The line or the cell that is chosen.
    Selected,
    /// A bar across the screen.
    Bar,
    /// The same, and it is bad: events were lost.
    BadBar,
}

/// How it is to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Theme {
    /// Colours.
    pub colors: Colors,
    /// Nothing but ASCII.
    pub ascii: bool,
}

impl Theme {
    /// The style of a tone. Without colours, attributes tell what matters.
    #[must_use]
    pub const fn style(&self, tone: Tone) -> Style {
        let style = Style::new();
        let colored = matches!(self.colors, Colors::Sixteen);
        match tone {
            Tone::Dim => style.add_modifier(Modifier::DIM),
            Tone::Good if colored => style.fg(Color::Green),
            Tone::Warn if colored => style.fg(Color::Yellow),
            Tone::Bad if colored => style.fg(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Note if colored => style.fg(Color::Cyan),
            Tone::Plain | Tone::Good | Tone::Note => style,
            Tone::Strong | Tone::Warn | Tone::Bad => style.add_modifier(Modifier::BOLD),
            Tone::Selected | Tone::Bar => style.add_modifier(Modifier::REVERSED),
            Tone::BadBar if colored => style.fg(Color::White).bg(Color::Red).add_modifier(Modifier::BOLD),
            Tone::BadBar => style.add_modifier(Modifier::REVERSED.union(Modifier::BOLD)),
        }
    }
}
