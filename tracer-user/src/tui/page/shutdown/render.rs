//! Draws the shutdown page.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::keys::{moments_of, position, sections};
use super::moments::Moment;
use super::stops::{self, Entry, Focus};
use super::timeline::{self, Drawn, Picture, Row, Section, is_running};
use super::{Cursor, Geometry, Mode, Shutdown, compare, waiting};
use crate::event::BootNs;
use crate::model::{Container, Outcome, Termination};
use crate::output::text::block;
use crate::output::text::glyphs::Glyphs;
use crate::output::text::line::{Line, Paint, width};
use crate::output::text::picture::{self, Legend};
use crate::output::text::words;
use crate::tui::draw;
use crate::tui::scene::Scene;
use crate::tui::theme::{Theme, Tone};

/// From this width on the list stands beside the picture.
const BESIDE: u16 = 110;
/// Columns of the list then.
const LIST: u16 = 38;
/// Lines of the list above the picture, at most and without what is left over.
const LIST_LINES: usize = 4;
/// Lanes that stay visible whatever else there is to say.
const LANES_LEAST: usize = 3;
/// Narrower or lower than this nothing can be drawn.
const LEAST: (u16, u16) = (30, 6);

impl Shutdown {
    pub(super) fn draw(&mut self, buffer: &mut Buffer, area: Rect, scene: &Scene<'_>, theme: &Theme) {
        self.drawn = Geometry::default();
        if area.width < LEAST.0 || area.height < LEAST.1 {
            draw::text(buffer, area, (0, 0), "no room for a picture", theme.style(Tone::Dim));
            return;
        }
        let entries = stops::entries(scene);
        let chosen = stops::chosen(&entries, &self.focus);
        if let Mode::Compare(one, other) = &self.mode {
            let find = |id| entries.iter().find(|entry| entry.is(id)).and_then(|entry| entry.termination(scene));
            if let (Some(one), Some(other)) = (find(one), find(other)) {
                let both = [Section::new(one, scene.now), Section::new(other, scene.now)];
                compared(buffer, area, &both, scene, theme);
                return;
            }
            // one of them was forgotten meanwhile
            self.mode = Mode::Both;
        }
        let (list, rest) = self.split(area, entries.len(), chosen);
        self.list(buffer, list, &entries, chosen, scene, theme);
        let Some(index) = chosen else {
            self.nothing_yet(buffer, rest, scene, theme);
            return;
        };
        let sections = sections(&entries, index, scene);
        if self.mode == Mode::Words {
            self.in_words(buffer, rest, &sections, scene, theme);
        } else {
            let beside = stops::running_beside(scene, &stops::of_one_pod(&entries, index, scene.now));
            self.picture(buffer, rest, &sections, &beside, scene, theme);
        }
    }

    /// Where the list goes, and what is left.
    fn split(&self, area: Rect, entries: usize, chosen: Option<usize>) -> (Rect, Rect) {
        let alone = self.mode == Mode::Picture && chosen.is_some();
        if alone || entries == 0 {
            return (Rect { height: 0, ..area }, area);
        }
        if area.width >= BESIDE {
            let list = draw::left(area, usize::from(LIST));
            return (list, draw::right_of(area, usize::from(LIST)));
        }
        // of a tall terminal a fifth, of a low one as little as makes sense
        let lines = entries.min(LIST_LINES.max(usize::from(area.height) / 5)).min(usize::from(area.height) / 4).max(1);
        (draw::top(area, lines + 1), draw::below(area, lines + 1))
    }

    fn list(
        &mut self,
        buffer: &mut Buffer,
        area: Rect,
        entries: &[Entry<'_>],
        chosen: Option<usize>,
        scene: &Scene<'_>,
        theme: &Theme,
    ) {
        if area.height == 0 || entries.is_empty() {
            return;
        }
        let beside = area.width == LIST;
        let going_on = entries.iter().filter(|entry| !entry.is_past()).count();
        let title = format!("{going_on} going on, {} over", entries.len() - going_on);
        let (title_line, lines) = if beside {
            draw::wall(buffer, area, usize::from(area.width) - 1, theme);
            (0, draw::left(draw::below(area, 1), usize::from(area.width) - 1))
        } else {
            let lines = usize::from(area.height) - 1;
            (lines, draw::top(area, lines))
        };
        draw::rule(buffer, draw::left(area, usize::from(lines.width)), title_line, &title, theme);
        self.list.fit(chosen, usize::from(lines.height), entries.len());
        self.drawn.list = lines;
        let visible = entries.iter().enumerate().skip(self.list.first).take(usize::from(lines.height));
        for (y, (index, entry)) in visible.enumerate() {
            let marked = self.marked.as_ref().is_some_and(|marked| entry.is(marked));
            let line = list_line(entry, marked, scene, usize::from(lines.width), draw::glyphs(theme));
            draw::line(buffer, lines, (0, y), &line, theme);
            if Some(index) == chosen {
                draw::tint(buffer, lines, y, theme.style(Tone::Selected));
            }
        }
    }

    fn picture(
        &mut self,
        buffer: &mut Buffer,
        area: Rect,
        sections: &[Section<'_>],
        beside: &[&Container],
        scene: &Scene<'_>,
        theme: &Theme,
    ) {
        let Some(first) = sections.first() else { return };
        let glyphs = draw::glyphs(theme);
        let columns = usize::from(area.width);
        let picture = Picture::new(sections, false, columns, glyphs);
        let moments = moments_of(sections, scene.now);
        let at = position(self.cursor, &moments);
        let prose = prose(first, columns, glyphs);
        let moment = happened(self.cursor, &moments, &picture, at, (columns, glyphs));

        // from the top: heading and grace period, lanes, axis, legend, what happened; the words take the rest
        let mut rows: Vec<_> = (0..sections.len()).flat_map(|section| picture.rows(section)).collect();
        let pinned: Vec<_> = rows.drain(..2).collect();
        let fixed = pinned.len() + 2 + 1 + moment.len();
        let room = usize::from(area.height).saturating_sub(fixed);
        let wanted = rows.len() + beside.len();
        let height = wanted.min(room.saturating_sub(prose.len()).max(LANES_LEAST.min(room)));
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
        more(buffer, lanes, (self.lanes.first, height, wanted), theme);

        let rest = draw::below(area, pinned.len() + height);
        draw::lines(buffer, rest, &picture.axis(), 0, theme);
        let upright = draw::top(area, pinned.len() + height + 1);
        let heads = headings(&pinned, &rows, self.lanes.first, height);
        cursor(buffer, upright, at, &picture, &heads, theme);
        let rest = draw::below(rest, 2);
        let legend = legend.lines(2, columns, glyphs);
        draw::lines(buffer, draw::top(rest, 1), &legend, 0, theme);
        let rest = draw::below(rest, 1);
        draw::lines(buffer, rest, &moment, 0, theme);
        let rest = draw::below(rest, moment.len());
        draw::lines(buffer, rest, &prose, 0, theme);
        if prose.len() > usize::from(rest.height) {
            all_of_it(buffer, area, theme);
        }
        self.drawn.picture = upright;
        self.drawn.lanes_from = usize::from(area.x) + picture.left;
        self.drawn.scale = picture.scale().copied();
    }

    fn in_words(
        &mut self,
        buffer: &mut Buffer,
        area: Rect,
        sections: &[Section<'_>],
        scene: &Scene<'_>,
        theme: &Theme,
    ) {
        let glyphs = draw::glyphs(theme);
        let columns = usize::from(area.width);
        let mut lines = Vec::new();
        for section in sections {
            if section.now.is_none() {
                lines.extend(block::termination(&section.termination, scene.clock, columns, glyphs));
                continue;
            }
            let picture = Picture::new(std::slice::from_ref(section), false, columns, glyphs);
            if let Drawn::Text(heading) = picture.draw(Row::Heading(0), scene.clock, &mut Legend::default()) {
                lines.push(heading);
            }
            lines.extend(prose(section, columns, glyphs));
            for (label, text) in block::facts(&section.termination, glyphs) {
                // how it ended is not known before the end
                if !matches!(label, "Exit" | "Verdict") {
                    block::prose(&mut lines, (label, Paint::Dim), Paint::Dim, &text, columns, glyphs);
                }
            }
            lines.push(Line::default());
        }
        let height = usize::from(area.height);
        self.prose.fit(None, height, lines.len());
        draw::lines(buffer, area, &lines, self.prose.first, theme);
        more(buffer, area, (self.prose.first, height, lines.len()), theme);
    }

    /// Nothing was stopped so far: of all, or of the container that is looked at.
    fn nothing_yet(&self, buffer: &mut Buffer, area: Rect, scene: &Scene<'_>, theme: &Theme) {
        let glyphs = draw::glyphs(theme);
        let columns = usize::from(area.width);
        let mut lines = vec![Line::default()];
        let mut say = |label, text: &str| {
            block::prose(&mut lines, (label, Paint::Bold), Paint::Plain, text, columns, glyphs);
        };
        let container = match &self.focus {
            Focus::Container(id) => scene.node.container_by_id(id),
            _ => None,
        };
        if let Some((key, container)) = container {
            let first = container.first.and_then(|first| scene.node.processes().get(first));
            let name = words::full_container(&container.name, columns, glyphs);
            say("Running", &format!("{name} runs, and nothing asked it to stop so far."));
            if let Some(first) = first {
                let also = scene.node.processes().of(key).filter(|process| process.is_live()).count().saturating_sub(1);
                let name = format!("{} (pid {})", first.comm(), first.task.pid);
                say("PID 1", &format!("{name}, and {also} more processes"));
            }
            let signal = container.stop_signal().unwrap_or(crate::signal::Signal::TERM);
            let grace = container.grace_ms().map_or_else(|| "not known".to_owned(), words::duration);
            say("Stop", &format!("by {signal}; the grace period is {grace}"));
        } else {
            let there = scene.containers().filter(|(_, container)| container.gone.is_none()).count();
            say("Watching", &format!("{there} containers, and none of them was stopped so far."));
            say("", "docker stop or kubectl delete pod, and it shows here as it happens.");
        }
        draw::lines(buffer, area, &lines, 0, theme);
    }
}

/// Which lines of the screen hold headings: nothing is drawn through them.
fn headings(pinned: &[Row], rows: &[Row], first: usize, height: usize) -> Vec<bool> {
    let visible = rows.iter().skip(first).take(height);
    pinned.iter().chain(visible).map(|row| matches!(row, Row::Heading(_))).collect()
}

fn put(buffer: &mut Buffer, area: Rect, y: usize, drawn: Drawn, picture: &Picture<'_>, theme: &Theme) {
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
                draw::text(buffer, area, (picture.left + x, y), &text, draw::style(*paint, theme));
            }
            let right = picture.left + picture.lane + 1;
            draw::text(buffer, area, (right, y), &status.1, draw::style(status.0, theme));
        }
    }
}

/// A line through the lanes where the person looks.
fn cursor(
    buffer: &mut Buffer,
    area: Rect,
    at: Option<BootNs>,
    picture: &Picture<'_>,
    headings: &[bool],
    theme: &Theme,
) {
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

/// At the right edge: how many lines are above and below what is visible.
fn more(buffer: &mut Buffer, area: Rect, (first, height, all): (usize, usize, usize), theme: &Theme) {
    let (up, down) = if theme.ascii { ('^', 'v') } else { ('↑', '↓') };
    let mut tell = |y: usize, text: String| {
        let x = usize::from(area.width).saturating_sub(width(&text));
        draw::text(buffer, area, (x, y), &text, theme.style(Tone::Bar));
    };
    let below = all.saturating_sub(first + height);
    if below > 0 && height > 0 {
        tell(height - 1, format!(" {up}{first} {down}{below} "));
    } else if first > 0 {
        tell(0, format!(" {up}{first} "));
    }
}

/// The words do not fit: say how to see them all.
fn all_of_it(buffer: &mut Buffer, area: Rect, theme: &Theme) {
    let text = " e: all of it ";
    let at = (usize::from(area.width).saturating_sub(text.len()), usize::from(area.height).saturating_sub(1));
    draw::text(buffer, area, at, text, theme.style(Tone::Bar));
}

/// The sentences: what is waited for, or why and the fix.
fn prose(section: &Section<'_>, columns: usize, glyphs: &Glyphs) -> Vec<Line> {
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
        say(("Caution", Paint::Bad), "events of this container were lost meanwhile, so this may be wrong");
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
            let termination = &sections[*section].termination;
            let mut text = moment.text(termination, glyphs);
            if sections.len() > 1 {
                text = format!("{}: {text}", words::container(&termination.container, columns / 4, glyphs));
            }
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
        .filter(|process| process.process.start <= at.0 && (is_running(process) || process.exited.is_some_and(|end| end > at)))
        .count();
    let left = sections.first().and_then(|section| {
        let budget = picture::budget(&section.termination)?;
        budget.checked_sub(at.ms_since(section.termination.started))
    });
    let left = left.map(|left| format!("{} left; ", timeline::tenths(left))).unwrap_or_default();
    format!("{left}{running} {} running", if running == 1 { "process" } else { "processes" })
}

/// `✖ web/app            SIGTERM DROPPED  30.0 s of 30 s  14:03:07`.
fn list_line(entry: &Entry<'_>, marked: bool, scene: &Scene<'_>, columns: usize, glyphs: &Glyphs) -> Line {
    let mut line = Line::default();
    let (glyph, paint, title, figures) = match entry {
        Entry::GoingOn(_, container, stop) => {
            let used = scene.now.ms_since(stop.started);
            let text = container.grace_ms().map_or_else(
                || format!("{} so far", timeline::tenths(used)),
                |budget| match budget.checked_sub(used) {
                    Some(left) => format!("{} left", timeline::tenths(left)),
                    None => format!("{} over", timeline::tenths(used - budget)),
                },
            );
            (glyphs.going_on, Paint::Warn, "STOPPING".to_owned(), text)
        }
        Entry::Past(termination) => {
            let (title, glyph, paint, _) = block::title(termination, glyphs);
            let header = match paint {
                Paint::BadHeader => Paint::Bad,
                Paint::WarnHeader => Paint::Warn,
                Paint::GoodHeader => Paint::Good,
                _ => Paint::Note,
            };
            (glyph, header, title, words::duration(termination.grace.used_ms))
        }
    };
    let time = scene.clock.time_of_day(entry.started()).to_string();
    let time = &time[..8];
    line.push(paint, &format!("{}{glyph} ", if marked { 'c' } else { ' ' }));
    let right = if columns >= 70 { format!("{title:<24}{figures:>12}  {time}") } else { format!("{figures:>9} {time}") };
    let room = columns.saturating_sub(line.width() + width(&right) + 1);
    line.push(Paint::Plain, &words::container(entry.container(), room.max(6), glyphs));
    line.pad_to(columns.saturating_sub(width(&right)));
    line.push(Paint::Plain, &right);
    line.cut(columns, glyphs);
    line
}

/// Two terminations below each other, on the same scale.
fn compared(buffer: &mut Buffer, area: Rect, both: &[Section<'_>], scene: &Scene<'_>, theme: &Theme) {
    let glyphs = draw::glyphs(theme);
    let columns = usize::from(area.width);
    let picture = Picture::new(both, true, columns, glyphs);
    let [one, other] = both else { return };
    let differences = compare::differences(&one.termination, &other.termination, columns, glyphs);
    let room = usize::from(area.height).saturating_sub(differences.len() + 3);
    let mut legend = Legend::default();
    let mut y = 0;
    for section in 0..both.len() {
        let rows = picture.rows(section);
        let height = rows.len().min((room / 2).max(3));
        for (line, row) in rows.iter().take(height).enumerate() {
            put(buffer, area, y + line, picture.draw(*row, scene.clock, &mut legend), &picture, theme);
        }
        let lanes = draw::top(draw::below(area, y), height);
        more(buffer, lanes, (0, height, rows.len()), theme);
        y += height + section;
    }
    let rest = draw::below(area, y - 1);
    draw::lines(buffer, rest, &picture.axis(), 0, theme);
    let rest = draw::below(rest, 2);
    draw::lines(buffer, draw::top(rest, 1), &legend.lines(2, columns, glyphs), 0, theme);
    draw::lines(buffer, draw::below(rest, 1), &differences, 0, theme);
}
