//! Colours and characters: what a terminal can show and a person wants to see.

use std::borrow::Cow;

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;

use crate::output::glyphs::Glyphs;
use crate::output::line::{self, Line, Paint};

/// A border of ASCII characters.
pub const ASCII_BORDER: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

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

impl From<crate::output::Style> for Theme {
    fn from(style: crate::output::Style) -> Self {
        Self { colors: if style.color { Colors::Sixteen } else { Colors::None }, ascii: style.ascii }
    }
}

impl Theme {
    /// The characters that text is drawn with, too.
    pub(crate) const fn glyphs(self) -> &'static Glyphs {
        Glyphs::of(crate::output::Style { color: matches!(self.colors, Colors::Sixteen), ascii: self.ascii })
    }

    /// Text from a stranger, safe for a terminal; in ASCII where that is asked for.
    #[must_use]
    pub fn safe<'a>(&self, text: &'a str) -> Cow<'a, str> {
        line::safe(text, self.glyphs())
    }

    /// What stands between two remarks on a line.
    #[must_use]
    pub const fn separator(&self) -> &'static str {
        if self.ascii { " - " } else { " · " }
    }

    /// A character of ours, or its stand-in in ASCII.
    #[must_use]
    pub const fn ascii_or(&self, c: char) -> char {
        match c {
            _ if !self.ascii || c.is_ascii() => c,
            '↑' => '^',
            '↓' => 'v',
            '←' => '<',
            '→' => '>',
            '…' => '-',
            _ => '?',
        }
    }

    /// A line of the text view, in this theme.
    pub(crate) fn line(self, line: &Line) -> ratatui::text::Line<'static> {
        let span = |(paint, text): &(Paint, String)| ratatui::text::Span::styled(text.clone(), self.paint(*paint));
        ratatui::text::Line::from(line.pieces().iter().map(span).collect::<Vec<_>>())
    }

    /// The style of a piece of a line of the text view.
    pub(crate) const fn paint(self, paint: Paint) -> Style {
        let colored = matches!(self.colors, Colors::Sixteen);
        match paint {
            Paint::Plain => self.style(Tone::Plain),
            Paint::Dim => self.style(Tone::Dim),
            Paint::Good => self.style(Tone::Good),
            Paint::Warn => self.style(Tone::Warn),
            Paint::Bad => self.style(Tone::Bad),
            Paint::Note => self.style(Tone::Note),
            Paint::BadHeader => self.style(Tone::BadBar),
            Paint::WarnHeader if colored => header(Color::Yellow),
            Paint::GoodHeader if colored => header(Color::Green),
            Paint::NoteHeader if colored => header(Color::Cyan),
            Paint::Bold | Paint::WarnHeader | Paint::GoodHeader | Paint::NoteHeader => self.style(Tone::Strong),
        }
    }

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

const fn header(color: Color) -> Style {
    Style::new().fg(Color::Black).bg(color).add_modifier(Modifier::BOLD)
}
