//! From the lines of the text view to cells of the terminal. Nothing here can draw outside the area it was given.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::output::line::{Line, width};

use super::choice::Scroll;
use super::theme::{Theme, Tone};

/// Writes text from column `x` of line `y` of `area` on, counted from its corner; returns the column after it. What is
/// outside is not drawn.
pub(crate) fn text(buffer: &mut Buffer, area: Rect, (x, y): (usize, usize), text: &str, style: Style) -> usize {
    let area = area.intersection(buffer.area);
    let (Ok(column), Ok(line)) = (u16::try_from(x), u16::try_from(y)) else { return x };
    if column >= area.width || line >= area.height {
        return x;
    }
    let room = usize::from(area.width - column);
    let (end, _) = buffer.set_stringn(area.x + column, area.y + line, text, room, style);
    usize::from(end - area.x)
}

/// The same for a line made of pieces.
pub(crate) fn line(buffer: &mut Buffer, area: Rect, (x, y): (usize, usize), line: &Line, theme: Theme) -> usize {
    line.pieces().iter().fold(x, |x, (paint, piece)| text(buffer, area, (x, y), piece, theme.paint(*paint)))
}

/// Lines below each other, from the one after the first `skipped` on.
pub(crate) fn lines(buffer: &mut Buffer, area: Rect, all: &[Line], skipped: usize, theme: Theme) {
    for (y, one) in all.iter().skip(skipped).take(usize::from(area.height)).enumerate() {
        line(buffer, area, (0, y), one, theme);
    }
}

/// Gives a whole line of `area` a style, whatever is on it.
pub(crate) fn tint(buffer: &mut Buffer, area: Rect, y: usize, style: Style) {
    if let Some(row) = row(area, y) {
        buffer.set_style(row.intersection(buffer.area), style);
    }
}

/// A rule over the whole width with a title in it.
pub(crate) fn rule(buffer: &mut Buffer, area: Rect, y: usize, title: &str, theme: Theme) {
    let bar = |columns: usize| theme.glyphs().thin_rule.to_string().repeat(columns);
    let mut x = 0;
    if !title.is_empty() {
        x = text(buffer, area, (0, y), &bar(1), theme.style(Tone::Dim));
        x = text(buffer, area, (x, y), &format!(" {title} "), theme.style(Tone::Strong));
    }
    text(buffer, area, (x, y), &bar(usize::from(area.width).saturating_sub(x)), theme.style(Tone::Dim));
}

/// A vertical rule at column `x`.
pub(crate) fn wall(buffer: &mut Buffer, area: Rect, x: usize, theme: Theme) {
    let trunk = theme.glyphs().trunk.to_string();
    for y in 0..usize::from(area.height) {
        text(buffer, area, (x, y), &trunk, theme.style(Tone::Dim));
    }
}

/// How many lines are above and below what is visible, and what there is to say of them: ` ↑2 ↓3 more: H L `.
fn more((first, height, all): (usize, usize, usize), what: &str, theme: Theme) -> Option<String> {
    let (up, down) = if theme.ascii { ('^', 'v') } else { ('↑', '↓') };
    let below = all.saturating_sub(first + height);
    match (first, below) {
        (0, 0) => None,
        (first, 0) => Some(format!(" {up}{first}{what} ")),
        (0, below) => Some(format!(" {down}{below}{what} ")),
        (first, below) => Some(format!(" {up}{first} {down}{below}{what} ")),
    }
}

/// The same near the right end of line `y` of `area`, which has room for it: a rule, a heading.
pub(crate) fn more_at(
    buffer: &mut Buffer,
    area: Rect,
    y: usize,
    hidden: (usize, usize, usize),
    what: &str,
    theme: Theme,
) {
    if let Some(told) = more(hidden, what, theme) {
        let x = usize::from(area.width).saturating_sub(width(&told) + 1);
        text(buffer, area, (x, y), &told, theme.style(Tone::Bar));
    }
}

/// Lines that are scrolled. Where not all of them can be seen the last line of `area` says so.
pub(crate) fn scrolled(buffer: &mut Buffer, area: Rect, all: &[Line], scroll: &mut Scroll, theme: Theme) {
    let whole = usize::from(area.height);
    let height = if all.len() > whole { whole.saturating_sub(1) } else { whole };
    scroll.fit(None, height, all.len());
    lines(buffer, top(area, height), all, scroll.first, theme);
    more_at(buffer, area, height, (scroll.first, height, all.len()), " more: PgDn PgUp", theme);
}

/// From this width on a list stands beside what it is a list of.
const BESIDE: u16 = 110;

/// A list and what is chosen from it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Panes {
    /// The lines of the list.
    pub(crate) list: Rect,
    /// The line with its title.
    pub(crate) title: Rect,
    pub(crate) rest: Rect,
}

/// Divides an area: a list of so many columns at the left where there is room, else of so many lines above. The list gets
/// a title.
pub(crate) fn panes(
    buffer: &mut Buffer,
    area: Rect,
    (columns, lines): (usize, usize),
    title: &str,
    theme: Theme,
) -> Panes {
    if area.width >= BESIDE {
        let list = left(area, columns - 1);
        rule(buffer, list, 0, title, theme);
        wall(buffer, area, columns - 1, theme);
        return Panes { list: below(list, 1), title: top(list, 1), rest: right_of(area, columns) };
    }
    rule(buffer, area, lines, title, theme);
    Panes { list: top(area, lines), title: top(below(area, lines), 1), rest: below(area, lines + 1) }
}

/// One line of an area.
pub(crate) fn row(area: Rect, y: usize) -> Option<Rect> {
    let y = u16::try_from(y).ok().filter(|y| *y < area.height)?;
    Some(Rect { y: area.y + y, height: 1, ..area })
}

/// `area` without its first `lines` lines.
pub(crate) fn below(area: Rect, lines: usize) -> Rect {
    let lines = u16::try_from(lines).unwrap_or(u16::MAX).min(area.height);
    Rect { y: area.y + lines, height: area.height - lines, ..area }
}

/// The first `lines` lines of `area`.
pub(crate) fn top(area: Rect, lines: usize) -> Rect {
    Rect { height: u16::try_from(lines).unwrap_or(u16::MAX).min(area.height), ..area }
}

/// `area` without its first `columns` columns.
pub(crate) fn right_of(area: Rect, columns: usize) -> Rect {
    let columns = u16::try_from(columns).unwrap_or(u16::MAX).min(area.width);
    Rect { x: area.x + columns, width: area.width - columns, ..area }
}

/// The first `columns` columns of `area`.
pub(crate) fn left(area: Rect, columns: usize) -> Rect {
    Rect { width: u16::try_from(columns).unwrap_or(u16::MAX).min(area.width), ..area }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::line::Paint;

    #[test]
    fn nothing_is_drawn_outside_its_area() {
        let whole = Rect::new(0, 0, 12, 4);
        let theme = Theme::default();
        for area in [Rect::new(3, 1, 5, 2), Rect::new(3, 1, 0, 2), Rect::new(11, 3, 9, 9), Rect::new(20, 20, 3, 3)] {
            let mut buffer = Buffer::empty(whole);
            let mut piece = Line::default();
            piece.push(Paint::Bad, "one 日本語");
            piece.push(Paint::Plain, " and a long rest");
            for at in [(0, 0), (2, 1), (4, 0), (9, 0), (0, 7), (70_000, 0), (0, 70_000)] {
                line(&mut buffer, area, at, &piece, theme);
            }
            rule(&mut buffer, area, 1, "title of some length", theme);
            wall(&mut buffer, area, 1, theme);
            tint(&mut buffer, area, 1, theme.style(Tone::Selected));
            for y in 0..4 {
                for x in (0..12).filter(|x| !area.contains((*x, y).into())) {
                    assert_eq!(buffer[(x, y)].symbol(), " ", "{area:?} {x} {y}");
                }
            }
        }
    }
}
