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
    /// The sixteen that every terminal has and its owner chose. Only those are taken for text that can be read on a light
    /// ground and on a dark one: neither yellow nor cyan nor white.
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
            Tone::Warn if colored => style.fg(Color::Magenta),
            Tone::Bad if colored => style.fg(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Note if colored => style.fg(Color::LightBlue),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, ground, letters, and the colours that tones are made of.
    type Palette = (&'static str, u32, u32, [(Color, u32); 8]);

    const fn palette(colors: [u32; 8]) -> [(Color, u32); 8] {
        [
            (Color::Black, colors[0]),
            (Color::Red, colors[1]),
            (Color::Green, colors[2]),
            (Color::Yellow, colors[3]),
            (Color::Magenta, colors[4]),
            (Color::Cyan, colors[5]),
            (Color::White, colors[6]),
            (Color::LightBlue, colors[7]),
        ]
    }

    const XTERM: [(Color, u32); 8] =
        palette([0x00_0000, 0xcd_0000, 0x00_cd00, 0xcd_cd00, 0xcd_00cd, 0x00_cdcd, 0xe5_e5e5, 0x5c_5cff]);
    const TANGO: [(Color, u32); 8] =
        palette([0x2e_3436, 0xcc_0000, 0x4e_9a06, 0xc4_a000, 0x75_507b, 0x06_989a, 0xd3_d7cf, 0x72_9fcf]);
    const CAMPBELL: [(Color, u32); 8] =
        palette([0x0c_0c0c, 0xc5_0f1f, 0x13_a10e, 0xc1_9c00, 0x88_1798, 0x3a_96dd, 0xcc_cccc, 0x3b_78ff]);
    const MACOS: [(Color, u32); 8] =
        palette([0x00_0000, 0x99_0000, 0x00_a600, 0x99_9900, 0xb2_00b2, 0x00_a6b2, 0xbf_bfbf, 0x66_66ff]);

    /// Terminals as they come, on a light ground and on a dark one.
    const PALETTES: [Palette; 8] = [
        ("xterm", 0xff_ffff, 0x00_0000, XTERM),
        ("xterm, reversed", 0x00_0000, 0xff_ffff, XTERM),
        ("GNOME, light", 0xff_ffff, 0x2e_3436, TANGO),
        ("GNOME, dark", 0x00_0000, 0xd3_d7cf, TANGO),
        ("Windows Terminal, light", 0xff_ffff, 0x0c_0c0c, CAMPBELL),
        ("Windows Terminal", 0x0c_0c0c, 0xcc_cccc, CAMPBELL),
        ("macOS, light", 0xff_ffff, 0x00_0000, MACOS),
        ("macOS, dark", 0x00_0000, 0xff_ffff, MACOS),
    ];

    /// <https://www.w3.org/TR/WCAG22/#dfn-relative-luminance>
    fn luminance(color: u32) -> f64 {
        let [_, red, green, blue] = color.to_be_bytes().map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// From 1, the same colour, to 21, black on white.
    fn contrast(one: u32, other: u32) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// Half of the letters' colour, half of the ground's.
    fn faint(front: u32, back: u32) -> u32 {
        let mixed: Vec<u8> =
            front.to_be_bytes().iter().zip(back.to_be_bytes()).map(|(one, other)| one / 2 + other / 2).collect();
        u32::from_be_bytes(mixed.try_into().expect("four"))
    }

    /// What can be read at all: yellow on xterm's white has 1.7, cyan 1.9, white 1.3.
    const LEAST: f64 = 2.0;

    #[test]
    fn all_tones_can_be_read_on_a_light_ground_and_on_a_dark_one() {
        let theme = Theme { colors: Colors::Sixteen, ascii: false };
        let tones = [
            Tone::Plain,
            Tone::Dim,
            Tone::Strong,
            Tone::Good,
            Tone::Warn,
            Tone::Bad,
            Tone::Note,
            Tone::Selected,
            Tone::Bar,
            Tone::BadBar,
        ];
        let paints = [Paint::BadHeader, Paint::WarnHeader, Paint::GoodHeader, Paint::NoteHeader];
        let styles: Vec<_> =
            tones.map(|tone| theme.style(tone)).into_iter().chain(paints.map(|paint| theme.paint(paint))).collect();
        for (name, ground, letters, palette) in PALETTES {
            for style in &styles {
                let seen = |color: Option<Color>, otherwise| match color {
                    None => otherwise,
                    Some(color) => palette.iter().find(|(known, _)| *known == color).expect("in the palettes").1,
                };
                let (mut front, back) = (seen(style.fg, letters), seen(style.bg, ground));
                if style.add_modifier.contains(Modifier::DIM) {
                    front = faint(front, back);
                }
                let contrast = contrast(front, back);
                assert!(contrast >= LEAST, "{name}: {style:?} has a contrast of {contrast:.1}");
            }
        }
        assert!(contrast(0xcd_cd00, 0xff_ffff) < LEAST, "the test tells what cannot be read");
    }
}
