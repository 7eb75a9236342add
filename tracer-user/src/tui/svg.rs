//! A screen as a picture for documents: an SVG that looks the same with every font.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

/// Size of a cell and of the letters in it, in tenths of a pixel.
const CELL: (usize, usize) = (84, 190);
const FONT: usize = 140;
/// Room around the screen, in tenths of a pixel.
const PADDING: usize = 140;
/// Where letters stand, from the top of their cell.
const BASELINE: usize = 140;

/// What the screen is drawn on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ground {
    /// Light letters on a dark ground.
    #[default]
    Dark,
    /// Dark letters on white, in the colours of a plain xterm, which are the hardest to read there.
    Light,
}

impl Ground {
    const fn background(self) -> &'static str {
        match self {
            Self::Dark => "#0d1117",
            Self::Light => "#ffffff",
        }
    }

    const fn foreground(self) -> &'static str {
        match self {
            Self::Dark => "#e6edf3",
            Self::Light => "#000000",
        }
    }

    /// The sixteen colours of a terminal.
    const fn color(self, color: Color) -> Option<&'static str> {
        let (dark, light) = match color {
            Color::Black => ("#0d1117", "#000000"),
            Color::Red => ("#ff7b72", "#cd0000"),
            Color::Green => ("#56d364", "#00cd00"),
            Color::Yellow => ("#e3b341", "#cdcd00"),
            Color::Blue => ("#79c0ff", "#0000ee"),
            Color::LightBlue => ("#79c0ff", "#5c5cff"),
            Color::Magenta => ("#d2a8ff", "#cd00cd"),
            Color::Cyan => ("#56d4dd", "#00cdcd"),
            Color::White | Color::Gray => ("#f0f6fc", "#e5e5e5"),
            Color::DarkGray => ("#8b949e", "#7f7f7f"),
            _ => return None,
        };
        Some(match self {
            Self::Dark => dark,
            Self::Light => light,
        })
    }
}

/// Draws what is in the buffer. `title` is for those who cannot see it.
#[must_use]
pub fn render(buffer: &Buffer, title: &str, ground: Ground) -> String {
    let area = buffer.area;
    let (columns, lines) = (usize::from(area.width), usize::from(area.height));
    let (width, height) = (columns * CELL.0 + 2 * PADDING, lines * CELL.1 + 2 * PADDING);
    let mut svg = Svg { text: String::new(), ground };
    let title = escaped(title);
    svg.add(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 {} {}\" width=\"{}\" height=\"{}\">\n<title>{title}</title>\n",
        tenths(width),
        tenths(height),
        tenths(width),
        tenths(height),
    ));
    svg.add(format_args!(
        "<style>text{{font:{}px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre}}</style>\n",
        tenths(FONT)
    ));
    svg.add(format_args!(
        "<rect width=\"{}\" height=\"{}\" rx=\"8\" fill=\"{}\"/>\n",
        tenths(width),
        tenths(height),
        ground.background()
    ));
    for y in 0..lines {
        svg.line(&buffer.content()[y * columns..(y + 1) * columns], y);
    }
    svg.text.push_str("</svg>\n");
    svg.text
}

/// Colours of a cell as they are seen.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Look {
    front: &'static str,
    back: Option<&'static str>,
    bold: bool,
    dim: bool,
}

impl Look {
    fn of(cell: &Cell, ground: Ground) -> Self {
        let reversed = cell.modifier.contains(Modifier::REVERSED);
        let (front, back) = (ground.color(cell.fg), ground.color(cell.bg));
        let (front, back) = if reversed {
            (back.unwrap_or(ground.background()), Some(front.unwrap_or(ground.foreground())))
        } else {
            (front.unwrap_or(ground.foreground()), back)
        };
        let dim = cell.modifier.contains(Modifier::DIM) && !reversed;
        Self { front, back, bold: cell.modifier.contains(Modifier::BOLD), dim }
    }
}

struct Svg {
    text: String,
    ground: Ground,
}

impl Svg {
    /// Writing to a String cannot fail.
    fn add(&mut self, text: std::fmt::Arguments<'_>) {
        self.text.write_fmt(text).unwrap_or_default();
    }

    fn line(&mut self, cells: &[Cell], y: usize) {
        let looks: Vec<_> = cells.iter().map(|cell| Look::of(cell, self.ground)).collect();
        let mut x = 0;
        while x < cells.len() {
            let same = looks[x..].iter().take_while(|look| look.back == looks[x].back).count();
            if let Some(back) = looks[x].back {
                self.fill((x, y), same, back);
            }
            x += same;
        }
        x = 0;
        while x < cells.len() {
            let (look, shape) = (looks[x], Shape::of(cells[x].symbol()));
            let same =
                (x..cells.len()).take_while(|at| looks[*at] == look && Shape::of(cells[*at].symbol()) == shape).count();
            match shape {
                Shape::Blank => {}
                Shape::Text => self.text(&cells[x..x + same], (x, y), look),
                Shape::Single => {
                    for (n, cell) in cells[x..x + same].iter().enumerate() {
                        self.single(cell, (x + n, y), look);
                    }
                }
                Shape::Block(percent) => self.block((x, y), same, percent, look),
                Shape::Rule(parts) => {
                    for x in x..x + same {
                        self.rule((x, y), parts, look);
                    }
                }
            }
            x += same;
        }
    }

    fn fill(&mut self, (x, y): (usize, usize), cells: usize, color: &str) {
        let (left, top) = corner(x, y);
        let (width, height) = (tenths(cells * CELL.0), tenths(CELL.1));
        self.add(format_args!(
            "<rect x=\"{}\" y=\"{}\" width=\"{width}\" height=\"{height}\" fill=\"{color}\"/>\n",
            tenths(left),
            tenths(top)
        ));
    }

    /// Letters of one look, which together are as wide as their cells whatever the font. Gaps divide them: a viewer may
    /// make one space of several.
    fn text(&mut self, cells: &[Cell], (x, y): (usize, usize), look: Look) {
        let blank = |at: usize| cells.get(at).is_none_or(|cell| cell.symbol() == " ");
        let mut at = 0;
        while at < cells.len() {
            let end = (at..cells.len()).find(|end| blank(*end) && blank(end + 1)).unwrap_or(cells.len());
            self.words(&cells[at..end], (x + at, y), look);
            at = (end..cells.len()).find(|next| !blank(*next)).unwrap_or(cells.len()).max(at + 1);
        }
    }

    fn words(&mut self, cells: &[Cell], (x, y): (usize, usize), look: Look) {
        let text: String = cells.iter().map(Cell::symbol).collect();
        let kept = text.trim_start();
        let before = text.chars().count() - kept.chars().count();
        if kept.is_empty() {
            return;
        }
        let (left, top) = corner(x + before, y);
        let width = tenths((cells.len() - before) * CELL.0);
        self.add(format_args!(
            "<text x=\"{}\" y=\"{}\" textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\"{}>{}</text>\n",
            tenths(left),
            tenths(top + BASELINE),
            style(look),
            escaped(kept)
        ));
    }

    /// One character in the middle of its cell.
    fn single(&mut self, cell: &Cell, (x, y): (usize, usize), look: Look) {
        let (left, top) = corner(x, y);
        self.add(format_args!(
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\"{}>{}</text>\n",
            tenths(left + CELL.0 / 2),
            tenths(top + BASELINE),
            style(look),
            escaped(cell.symbol())
        ));
    }

    /// `█`, `▒`: a part of a bar, the lighter the less opaque.
    fn block(&mut self, (x, y): (usize, usize), cells: usize, percent: usize, look: Look) {
        let (left, top) = corner(x, y);
        let percent = if look.dim { percent * 6 / 10 } else { percent };
        self.add(format_args!(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\" fill-opacity=\".{percent:02}\"/>\n",
            tenths(left),
            tenths(top + 30),
            tenths(cells * CELL.0),
            tenths(CELL.1 - 60),
            look.front,
        ));
    }

    /// Lines from the middle of a cell to its edges.
    fn rule(&mut self, (x, y): (usize, usize), Parts { up, down, left, right, thick }: Parts, look: Look) {
        let (x, y) = corner(x, y);
        let (across, along) = (x + CELL.0 / 2, y + CELL.1 / 2);
        let mut path = String::new();
        let mut to = |there: bool, (x, y): (usize, usize)| {
            if there {
                let (from_x, from_y) = (tenths(across), tenths(along));
                write!(path, "M{from_x} {from_y}L{} {}", tenths(x), tenths(y)).unwrap_or_default();
            }
        };
        to(up, (across, y));
        to(down, (across, y + CELL.1));
        to(left, (x, along));
        to(right, (x + CELL.0, along));
        let width = if thick { "2.4" } else { "1.2" };
        let opacity = if look.dim { " stroke-opacity=\".6\"" } else { "" };
        self.add(format_args!("<path d=\"{path}\" stroke=\"{}\" stroke-width=\"{width}\"{opacity}/>\n", look.front));
    }
}

/// What is drawn for a character.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Nothing.
    Blank,
    /// Letters.
    Text,
    /// A mark: fonts disagree about its width.
    Single,
    /// A part of a bar, this opaque, percent.
    Block(usize),
    /// Lines.
    Rule(Parts),
}

/// Where lines go from the middle of the cell.
#[derive(Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four directions and a weight")]
struct Parts {
    up: bool,
    down: bool,
    left: bool,
    right: bool,
    thick: bool,
}

impl Shape {
    fn of(symbol: &str) -> Self {
        let parts = |up, down, left, right| Self::Rule(Parts { up, down, left, right, thick: false });
        match symbol {
            // part of a text, so that words are not torn apart
            " " => Self::Text,
            "" => Self::Blank,
            "█" => Self::Block(99),
            "▓" => Self::Block(75),
            "▒" => Self::Block(50),
            "░" => Self::Block(25),
            "─" => parts(false, false, true, true),
            "━" => Self::Rule(Parts { up: false, down: false, left: true, right: true, thick: true }),
            "│" | "┊" => parts(true, true, false, false),
            "├" => parts(true, true, false, true),
            "┤" => parts(true, true, true, false),
            "└" => parts(true, false, false, true),
            "┴" => parts(true, false, true, true),
            "╂" => parts(true, true, true, true),
            other if other.is_ascii() || other.chars().all(char::is_alphanumeric) => Self::Text,
            _ => Self::Single,
        }
    }
}

fn style(look: Look) -> String {
    let mut style = format!(" fill=\"{}\"", look.front);
    if look.bold {
        style.push_str(" font-weight=\"bold\"");
    }
    if look.dim {
        style.push_str(" fill-opacity=\".6\"");
    }
    style
}

/// The upper left corner of a cell, in tenths of a pixel.
const fn corner(x: usize, y: usize) -> (usize, usize) {
    (PADDING + x * CELL.0, PADDING + y * CELL.1)
}

/// Tenths of a pixel as pixels.
fn tenths(value: usize) -> String {
    match value % 10 {
        0 => (value / 10).to_string(),
        rest => format!("{}.{rest}", value / 10),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn every_kind_of_cell() {
        let mut buffer = Buffer::with_lines([" a<b  ⊘█░─┴ 日", "━━  \"&\""]);
        buffer.set_style(
            ratatui::layout::Rect::new(6, 0, 1, 1),
            Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        );
        buffer.set_style(ratatui::layout::Rect::new(0, 1, 2, 1), Style::new().add_modifier(Modifier::REVERSED));
        buffer.set_style(ratatui::layout::Rect::new(9, 0, 1, 1), Style::new().add_modifier(Modifier::DIM));
        insta::assert_snapshot!(render(&buffer, "what \"it\" is", Ground::Dark));
        let light = render(&buffer, "", Ground::Light);
        assert!(
            light.contains("fill=\"#ffffff\"") && light.contains("#cd0000") && !light.contains("#0d1117"),
            "{light}"
        );
    }
}
