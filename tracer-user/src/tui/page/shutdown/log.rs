//! Everything that happened, line by line.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::moments::Moment;
use super::timeline::Section;
use super::{Cursor, Shutdown};
use crate::event::BootNs;
use crate::output::glyphs::Glyphs;
use crate::output::line::{Line, Paint, wrap};
use crate::output::words;
use crate::tui::draw;
use crate::tui::theme::{Theme, Tone};

/// Lines from which on an empty one is left before the list.
const ROOMY: u16 = 6;
/// Lines that a list of all that happened needs: its title, and one of it.
const LEAST: u16 = 2;
/// Columns of the time and the gap after it.
const AFTER: usize = 11;

impl Shutdown {
    /// Draws the list, where there is room for some of it; what there is no room for is told in its title. Returns whether
    /// there was.
    pub(super) fn log(
        &mut self,
        buffer: &mut Buffer,
        area: Rect,
        moments: &[(usize, Moment<'_>)],
        sections: &[Section<'_>],
        theme: Theme,
    ) -> bool {
        let area = draw::below(area, usize::from(area.height >= ROOMY));
        if area.height < LEAST {
            return false;
        }
        draw::rule(buffer, area, 0, "What happened", theme);
        let lines = draw::below(area, 1);
        let current = match self.cursor {
            // what goes on is followed, what is over is read from the beginning
            None => sections.iter().any(|section| section.now.is_some()).then(|| moments.len().saturating_sub(1)),
            Some(Cursor::Mark(index)) => Some(index.min(moments.len().saturating_sub(1))),
            Some(Cursor::At(at)) => moments.partition_point(|(_, moment)| moment.at <= at).checked_sub(1),
        };
        if self.cursor.is_none() && current.is_none() {
            self.log.first = 0;
        }
        let height = usize::from(lines.height);
        self.log.fit(current, height, moments.len());
        draw::more_at(buffer, area, 0, (self.log.first, height, moments.len()), " more: H L", theme);
        self.drawn.log = lines;
        let columns = usize::from(lines.width);
        let visible = moments.iter().enumerate().skip(self.log.first).take(height);
        for (y, (index, moment)) in visible.enumerate() {
            draw::line(buffer, lines, (0, y), &line(moment, sections, columns, theme.glyphs()), theme);
            if self.cursor.is_some() && Some(index) == current {
                draw::tint(buffer, lines, y, theme.style(Tone::Selected));
            }
        }
        true
    }
}

/// `    315 ms sh 4123 (PID 1) exited with code 0`, in so many columns.
fn line((section, moment): &(usize, Moment<'_>), sections: &[Section<'_>], columns: usize, glyphs: &Glyphs) -> Line {
    let started = sections.iter().map(|section| section.termination.picture_start()).min().unwrap_or_default();
    let mut line = after(moment, started);
    line.push(Paint::Plain, &told(moment, *section, sections, columns, glyphs));
    line.cut(columns, glyphs);
    line
}

/// All of them, each in as many lines as it takes.
pub(super) fn lines(
    moments: &[(usize, Moment<'_>)],
    sections: &[Section<'_>],
    columns: usize,
    glyphs: &Glyphs,
) -> Vec<Line> {
    let started = sections.iter().map(|section| section.termination.picture_start()).min().unwrap_or_default();
    let mut lines = Vec::new();
    for (section, moment) in moments {
        let text = told(moment, *section, sections, columns, glyphs);
        for (index, text) in wrap(&text, columns.saturating_sub(AFTER)).into_iter().enumerate() {
            let mut line = if index == 0 { after(moment, started) } else { Line::default() };
            line.push(Paint::Plain, &" ".repeat(AFTER.saturating_sub(line.width())));
            line.push(Paint::Plain, &text);
            lines.push(line);
        }
    }
    lines
}

fn after(moment: &Moment<'_>, started: BootNs) -> Line {
    let mut line = Line::default();
    line.push(Paint::Bold, &format!("{:>1$}", words::duration(moment.at.ms_since(started)), AFTER - 1));
    line.push(Paint::Plain, " ");
    line
}

/// A moment in words, with the container's name where there are several.
pub(super) fn told(
    moment: &Moment<'_>,
    section: usize,
    sections: &[Section<'_>],
    columns: usize,
    glyphs: &Glyphs,
) -> String {
    let termination = &sections[section].termination;
    let text = moment.text(termination, glyphs);
    if sections.len() == 1 {
        return text;
    }
    format!("{}: {text}", words::container(&termination.container, columns / 4, glyphs))
}
