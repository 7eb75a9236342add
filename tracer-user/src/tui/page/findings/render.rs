//! Draws the findings page.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Findings;
use super::collect::{self, Finding, What};
use crate::output::glyphs::Glyphs;
use crate::output::line::{Line, Paint, width};
use crate::output::{block, words};
use crate::tui::draw;
use crate::tui::scene::Scene;
use crate::tui::theme::{Theme, Tone};

/// Columns of the list beside the text.
const LIST: usize = 48;

impl Findings {
    pub(super) fn draw(&mut self, buffer: &mut Buffer, area: Rect, scene: &Scene<'_>, theme: Theme) {
        let findings = collect::all(scene, self.order);
        let Some(index) = self.index(&findings) else {
            self.drawn = Rect::default();
            nothing(buffer, area, theme);
            return;
        };
        let glyphs = theme.glyphs();
        let now = findings.iter().filter(|finding| finding.present).count();
        let count = if findings.len() == 1 { "1 finding".to_owned() } else { format!("{} findings", findings.len()) };
        let title = format!("{count}, {now} now, {}", self.order.title());
        let lines = findings.len().min((usize::from(area.height) / 3).max(1));
        let draw::Panes { list, title, rest } = draw::panes(buffer, area, (LIST, lines), &title, theme);
        self.list.fit(Some(index), usize::from(list.height), findings.len());
        self.drawn = list;
        let visible = findings.iter().enumerate().skip(self.list.first).take(usize::from(list.height));
        for (y, (at, finding)) in visible.enumerate() {
            let line = list_line(finding, scene, usize::from(list.width), glyphs);
            draw::line(buffer, list, (0, y), &line, theme);
            if at == index {
                draw::tint(buffer, list, y, theme.style(Tone::Selected));
            }
        }
        let hidden = (self.list.first, usize::from(list.height), findings.len());
        draw::more_at(buffer, title, 0, hidden, " more", theme);

        let text = text(&findings[index], scene, usize::from(rest.width), glyphs);
        draw::scrolled(buffer, rest, &text, &mut self.text, theme);
    }
}

fn nothing(buffer: &mut Buffer, area: Rect, theme: Theme) {
    let mut lines = vec![Line::default()];
    let text = "Nothing is wrong, and nothing went wrong since tracing began.";
    block::prose(&mut lines, ("Good", Paint::Good), Paint::Plain, text, usize::from(area.width), theme.glyphs());
    draw::lines(buffer, area, &lines, 0, theme);
}

/// All that the text view says of it.
fn text(finding: &Finding<'_>, scene: &Scene<'_>, columns: usize, glyphs: &Glyphs) -> Vec<Line> {
    let mut lines = match finding.what {
        What::Ending(termination) => block::termination(termination, scene.clock, columns, glyphs),
        What::Condition(at, condition) => {
            let time = scene.clock.time_of_day(at).to_string();
            block::condition(condition, &time, columns, glyphs)
        }
    };
    while lines.last().is_some_and(|line| line.width() == 0) {
        lines.pop();
    }
    lines
}

/// `✖ SIGTERM DROPPED   web/app              2 times  14:03:07`.
fn list_line(finding: &Finding<'_>, scene: &Scene<'_>, columns: usize, glyphs: &Glyphs) -> Line {
    let (glyph, paint, title) = match finding.what {
        What::Ending(termination) => {
            let (title, glyph, _, rule) = block::title(termination, glyphs);
            (glyph, rule, title)
        }
        What::Condition(_, condition) => {
            let paint = if finding.is_bad() { Paint::Bad } else { Paint::Warn };
            (glyphs.warn, paint, condition.kind.slug().to_uppercase().replace('-', " "))
        }
    };
    let mut line = Line::default();
    line.push(paint, &format!(" {glyph} "));
    line.push(paint, &title);
    let time = scene.clock.time_of_day(finding.at).to_string();
    let time = if finding.present { "now".to_owned() } else { time.chars().take(8).collect() };
    let times = if finding.times > 1 { format!("{} times  ", finding.times) } else { String::new() };
    let right = format!("{times}{time:>8} ");
    line.push(Paint::Plain, "  ");
    let room = columns.saturating_sub(line.width() + width(&right) + 1);
    if let Some(container) = finding.container().filter(|_| room >= 6) {
        line.push(Paint::Plain, &words::container(container, room, glyphs));
    }
    line.pad_to(columns.saturating_sub(width(&right)));
    line.push(if finding.present { Paint::Bold } else { Paint::Dim }, &right);
    line.cut(columns, glyphs);
    line
}
