//! Draws the picture: lanes, axis, what happened where the person looks, and the sentences.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::keys::{moments_of, position};
use super::moments::Moment;
use super::timeline::{self, Drawn, Picture, Row, Section, is_running};
use super::{Cursor, Shutdown, log, waiting};
use crate::event::BootNs;
use crate::model::{Container, Outcome, Termination};
use crate::output::block;
use crate::output::glyphs::Glyphs;
use crate::output::line::{Line, Paint};
use crate::output::picture::{self, Legend};
use crate::output::words;
use crate::tui::draw;
use crate::tui::page::findings;
use crate::tui::scene::Scene;
use crate::tui::theme::{Theme, Tone};

/// Lines below which the marks are not explained.
const LEGEND_LEAST: u16 = 11;
/// Says how to see what does not fit.
const ALL_OF_IT: &str = " e: all of it ";
/// What was found in the container before, so many of it.
const BEFORE: usize = 2;

impl Shutdown {
    pub(super) fn picture(
        &mut self,
        buffer: &mut Buffer,
        area: Rect,
        sections: &[Section<'_>],
        beside: &[&Container],
        scene: &Scene<'_>,
        theme: Theme,
    ) {
        let Some(first) = sections.first() else { return };
        let glyphs = theme.glyphs();
        let columns = usize::from(area.width);
        let picture = Picture::new(sections, false, columns, glyphs);
        let moments = moments_of(sections, scene.now);
        let at = position(self.cursor, &moments);
        let mut prose = before(first, columns, scene, glyphs);
        prose.extend(self::prose(first, columns, glyphs));
        let mut moment = happened(self.cursor, &moments, &picture, at, (columns, glyphs));
        // where there is little room the lanes need it more
        let explained = usize::from(area.height >= LEGEND_LEAST);
        moment.truncate(1 + explained);

        // from the top: heading and grace period, lanes, axis, legend, what happened; the words take the rest
        let mut rows: Vec<_> = (0..sections.len()).flat_map(|section| picture.rows(section, !self.unended)).collect();
        let pinned: Vec<_> = rows.drain(..2).collect();
        let fixed = pinned.len() + 2 + explained + moment.len();
        let room = usize::from(area.height).saturating_sub(fixed);
        let wanted = rows.len() + beside.len();
        // half of it, and what the words leave
        let height = wanted.min(room.saturating_sub(prose.len()).max(room.div_ceil(2)));
        self.lanes.fit(None, height, wanted);

        let mut legend = Legend::default();
        for (y, row) in pinned.iter().enumerate() {
            put(buffer, area, y, picture.draw(*row, scene.clock, &mut legend), &picture, theme);
        }
        let lanes = draw::top(draw::below(area, pinned.len()), height);
        for (y, row) in rows.iter().skip(self.lanes.first).take(height).enumerate() {
            put(buffer, lanes, y, picture.draw(*row, scene.clock, &mut legend), &picture, theme);
        }
        let from = rows.len().saturating_sub(self.lanes.first);
        for (y, container) in beside.iter().enumerate().filter(|(y, _)| from + y < height) {
            draw::line(buffer, lanes, (0, from + y), &timeline::beside(container, columns, glyphs), theme);
        }
        let rest = draw::below(area, pinned.len() + height);
        draw::lines(buffer, rest, &picture.axis(), 0, theme);
        // beside the axis, where nothing else is
        draw::more_at(buffer, rest, 0, (self.lanes.first, height, wanted), "", theme);
        let upright = draw::top(area, pinned.len() + height + 1);
        let heads = headings(&pinned, &rows, self.lanes.first, height);
        cursor(buffer, upright, at, &picture, &heads, theme);
        let rest = draw::below(rest, 2);
        // what the words leave is the legend's first of all
        let spare = usize::from(rest.height).saturating_sub(explained + moment.len() + prose.len());
        let legend = legend.fitting(2, (columns, if explained == 0 { 0 } else { explained + spare }), glyphs);
        draw::lines(buffer, draw::top(rest, legend.len()), &legend, 0, theme);
        let rest = draw::below(rest, legend.len());
        draw::lines(buffer, rest, &moment, 0, theme);
        let rest = draw::below(rest, moment.len());
        let hidden = prose.len() > usize::from(rest.height);
        let told = self.log(buffer, draw::below(rest, prose.len()), &moments, sections, theme);
        if hidden || !told {
            // beside the last line of them
            let room = columns.saturating_sub(ALL_OF_IT.len() + 1);
            if let Some(last) = usize::from(rest.height).checked_sub(1).and_then(|last| prose.get_mut(last)) {
                last.cut(room, glyphs);
            }
            draw::lines(buffer, rest, &prose, 0, theme);
            all_of_it(buffer, area, theme);
        } else {
            draw::lines(buffer, rest, &prose, 0, theme);
        }
        self.drawn.picture = upright;
        self.drawn.lanes_from = usize::from(area.x) + picture.left;
        self.drawn.scale = picture.scale().copied();
    }
}

/// Which lines of the screen hold headings: nothing is drawn through them.
fn headings(pinned: &[Row], rows: &[Row], first: usize, height: usize) -> Vec<bool> {
    let visible = rows.iter().skip(first).take(height);
    pinned.iter().chain(visible).map(|row| matches!(row, Row::Heading(_))).collect()
}

/// Draws one line of the picture.
pub(super) fn put(buffer: &mut Buffer, area: Rect, y: usize, drawn: Drawn, picture: &Picture<'_>, theme: Theme) {
    match drawn {
        Drawn::Text(line) => {
            draw::line(buffer, area, (0, y), &line, theme);
        }
        Drawn::Lane { label, cells, status } => {
            let indent = picture::INDENT;
            let labels = draw::left(area, picture.left.saturating_sub(1));
            draw::text(buffer, labels, (indent, y), &label, theme.style(Tone::Plain));
            for (x, (c, paint)) in cells.iter().enumerate() {
                let text = c.encode_utf8(&mut [0; 4]).to_owned();
                draw::text(buffer, area, (picture.left + x, y), &text, theme.paint(*paint));
            }
            let right = picture.left + picture.lane + 1;
            draw::text(buffer, area, (right, y), &status.1, theme.paint(status.0));
        }
    }
}

/// A line through the lanes where the person looks.
fn cursor(buffer: &mut Buffer, area: Rect, at: Option<BootNs>, picture: &Picture<'_>, headings: &[bool], theme: Theme) {
    let (Some(at), Some(scale)) = (at, picture.scale()) else { return };
    let x = picture.left + scale.column(at);
    let last = usize::from(area.height).saturating_sub(1);
    let (through, foot) = if theme.ascii { (":", "^") } else { ("┊", "▲") };
    for y in 0..=last {
        if y == last {
            draw::text(buffer, area, (x, y), foot, theme.style(Tone::Strong));
            continue;
        }
        let (Ok(column), Ok(line)) = (u16::try_from(x), u16::try_from(y)) else { continue };
        let position = (area.x + column, area.y + line);
        let Some(cell) = buffer.cell_mut(position).filter(|_| column < area.width) else { continue };
        if headings.get(y).copied().unwrap_or(false) {
            continue;
        }
        if cell.symbol() == " " {
            cell.set_symbol(through);
        } else {
            cell.set_style(theme.style(Tone::Selected));
        }
    }
}

/// Not all of it fits: say how to see it.
fn all_of_it(buffer: &mut Buffer, area: Rect, theme: Theme) {
    let left = usize::from(area.width).saturating_sub(ALL_OF_IT.len());
    draw::text(buffer, area, (left, usize::from(area.height).saturating_sub(1)), ALL_OF_IT, theme.style(Tone::Bar));
}

/// What was found in this container before it was to stop.
fn before(section: &Section<'_>, columns: usize, scene: &Scene<'_>, glyphs: &Glyphs) -> Vec<Line> {
    let termination = &section.termination;
    let mut lines = Vec::new();
    let found = findings::conditions_of(&termination.container.id, scene);
    let found: Vec<_> = found.into_iter().filter(|(at, _)| *at < termination.started).collect();
    for (at, condition) in found.iter().take(BEFORE) {
        let before = words::duration(termination.started.ms_since(*at));
        let text = format!("{before} before the stop: {}", condition.explanation);
        block::prose(&mut lines, ("Before", Paint::Warn), Paint::Plain, &text, columns, glyphs);
    }
    if found.len() > BEFORE {
        let more = format!("{} more on page 5", found.len() - BEFORE);
        block::prose(&mut lines, ("", Paint::Plain), Paint::Dim, &more, columns, glyphs);
    }
    lines
}

/// The sentences: what is waited for, or why and the fix.
pub(super) fn prose(section: &Section<'_>, columns: usize, glyphs: &Glyphs) -> Vec<Line> {
    let termination = &section.termination;
    let mut lines = Vec::new();
    let mut say = |label: (&str, Paint), text: &str| {
        block::prose(&mut lines, label, Paint::Plain, text, columns, glyphs);
    };
    if let Some(now) = section.now {
        say(("Waiting", Paint::Warn), &waiting::sentence(termination, now, glyphs));
        // what is lost already can be told how to mend
        if let Some(fix) = termination.fix.as_ref().filter(|_| is_lost(termination)) {
            say(("Fix", Paint::Good), fix);
        }
    } else {
        say(("Why", Paint::Bold), &termination.explanation);
        if let Some(fix) = &termination.fix {
            say(("Fix", Paint::Good), fix);
        }
        termination.hints.iter().for_each(|hint| say(("Note", Paint::Warn), &hint.text));
    }
    if !termination.certain {
        say(("Caution", Paint::Bad), "not all that happened in this container was seen, so this may be wrong");
    }
    lines
}

/// The stop signal did not reach the program, and that will not change.
fn is_lost(termination: &Termination) -> bool {
    matches!(termination.outcome, Some(Outcome::Dropped | Outcome::Ignored))
}

/// What happened where the person looks; what happened last otherwise.
fn happened(
    cursor: Option<Cursor>,
    moments: &[(usize, Moment<'_>)],
    picture: &Picture<'_>,
    at: Option<BootNs>,
    (columns, glyphs): (usize, &Glyphs),
) -> Vec<Line> {
    let (sections, Some(scale)) = (picture.sections, picture.scale()) else { return Vec::new() };
    let here = |moment: &Moment<'_>| at.is_some_and(|at| scale.column(moment.at) == scale.column(at));
    let told = match cursor {
        None => moments.last(),
        Some(Cursor::Mark(index)) => moments.get(index).or(moments.last()),
        Some(Cursor::At(_)) => moments.iter().find(|(_, moment)| here(moment)),
    };
    let (time, text) = match (told, at) {
        (Some((section, moment)), _) => {
            let mut text = log::told(moment, *section, sections, columns, glyphs);
            let beside = moments.iter().filter(|(_, moment)| here(moment)).count();
            if matches!(cursor, Some(Cursor::At(_))) && beside > 1 {
                text = format!("{text} (and {} more here: H, L)", beside - 1);
            }
            (moment.at, text)
        }
        (None, Some(at)) => (at, standing(sections, at)),
        (None, None) => return Vec::new(),
    };
    let mut lines = Vec::new();
    let after = format!("{:>8}", words::duration(time.ms_since(scale.started)));
    block::prose(&mut lines, (&after, Paint::Bold), Paint::Plain, &text, columns, glyphs);
    lines.truncate(2);
    lines
}

/// How it stood between two marks.
fn standing(sections: &[Section<'_>], at: BootNs) -> String {
    let lanes = sections.iter().flat_map(|section| picture::lanes(&section.termination));
    let running = lanes
        .filter(|process| {
            process.process.start <= at.0 && (is_running(process) || process.exited.is_some_and(|end| end > at))
        })
        .count();
    let left = sections.first().and_then(|section| {
        let budget = picture::budget(&section.termination)?;
        budget.checked_sub(at.ms_since(section.termination.counted_from()))
    });
    let left = left.map(|left| format!("{} left; ", timeline::tenths(left))).unwrap_or_default();
    format!("{left}{running} {} running", if running == 1 { "process" } else { "processes" })
}
