//! Draws the shutdown page.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::keys::{moments_of, sections};
use super::picture::{prose, put};
use super::stops::{self, Entry, Focus};
use super::timeline::{self, Drawn, Picture, Row, Section};
use super::{Geometry, Mode, Shutdown, compare, log};
use crate::model::Container;
use crate::output::block;
use crate::output::glyphs::Glyphs;
use crate::output::line::{Line, Paint, width};
use crate::output::picture::Legend;
use crate::output::words;
use crate::tui::draw;
use crate::tui::page::findings;
use crate::tui::scene::Scene;
use crate::tui::theme::{Theme, Tone};

/// Columns of the list beside the picture, and on a wide terminal.
const LIST: usize = 38;
const LIST_WIDE: usize = 52;
const WIDE: u16 = 160;
/// Containers that would not stop are named, so many of them, in so many columns each.
const NAMED: usize = 8;
const NAMED_COLUMNS: usize = 40;
/// Lines of the list above the picture, at most and without what is left over.
const LIST_LINES: usize = 4;
/// Lines below which there is no list above the picture.
const LIST_LEAST: u16 = 10;
/// Narrower or lower than this nothing can be drawn.
const LEAST: (u16, u16) = (30, 6);

impl Shutdown {
    pub(super) fn draw(&mut self, buffer: &mut Buffer, area: Rect, scene: &Scene<'_>, theme: Theme) {
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
                self.compared(buffer, area, &both, scene, theme);
                return;
            }
            // one of them was forgotten meanwhile
            self.mode = Mode::Both;
        }
        let rest = self.list(buffer, area, &entries, chosen, scene, theme);
        let Some(index) = chosen else {
            self.nothing_yet(buffer, rest, scene, theme);
            return;
        };
        let sections = sections(&entries, index, scene);
        if self.mode == Mode::Words {
            self.in_words(buffer, rest, &sections, scene, theme);
        } else {
            let beside = stops::running_beside(scene, &stops::of_one_pod(&entries, index, scene));
            self.picture(buffer, rest, &sections, &beside, scene, theme);
        }
    }

    /// Draws the list, where there is one; gives back what is left.
    fn list(
        &mut self,
        buffer: &mut Buffer,
        area: Rect,
        entries: &[Entry<'_>],
        chosen: Option<usize>,
        scene: &Scene<'_>,
        theme: Theme,
    ) -> Rect {
        // a list of one says what the picture says
        let is_short = area.height < LIST_LEAST || entries.len() == 1;
        let alone = chosen.is_some() && (self.mode == Mode::Picture || is_short);
        if alone || entries.is_empty() {
            return area;
        }
        let going_on = entries.iter().filter(|entry| !entry.is_past()).count();
        let title = format!("{going_on} going on, {} over", entries.len() - going_on);
        // of a tall terminal a fifth, of a low one as little as makes sense
        let height = usize::from(area.height);
        let lines = entries.len().min(LIST_LINES.max(height / 5)).min(height / 4).max(1);
        let draw::Panes { list, title, rest } =
            draw::panes(buffer, area, (if area.width < WIDE { LIST } else { LIST_WIDE }, lines), &title, theme);
        self.list.fit(chosen, usize::from(list.height), entries.len());
        self.drawn.list = list;
        let visible = entries.iter().enumerate().skip(self.list.first).take(usize::from(list.height));
        for (y, (index, entry)) in visible.enumerate() {
            let marked = self.marked.as_ref().is_some_and(|marked| entry.is(marked));
            let line = list_line(entry, marked, scene, usize::from(list.width), theme.glyphs());
            draw::line(buffer, list, (0, y), &line, theme);
            if Some(index) == chosen {
                draw::tint(buffer, list, y, theme.style(Tone::Selected));
            }
        }
        let hidden = (self.list.first, usize::from(list.height), entries.len());
        draw::more_at(buffer, title, 0, hidden, " more", theme);
        rest
    }

    fn in_words(&mut self, buffer: &mut Buffer, area: Rect, sections: &[Section<'_>], scene: &Scene<'_>, theme: Theme) {
        let glyphs = theme.glyphs();
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
                if !matches!(label, "Exit" | "Verdict" | "More") {
                    block::prose(&mut lines, (label, Paint::Dim), Paint::Dim, &text, columns, glyphs);
                }
            }
            lines.push(Line::default());
        }
        while lines.last().is_some_and(|line| line.width() == 0) {
            lines.pop();
        }
        lines.push(Line::default());
        let mut heading = Line::default();
        heading.push(Paint::Bold, "  What happened");
        lines.push(heading);
        lines.extend(log::lines(&moments_of(sections, scene.now), sections, columns, glyphs));
        draw::scrolled(buffer, area, &lines, &mut self.prose, theme);
    }

    /// Nothing was stopped so far: of all, or of the container that is looked at.
    fn nothing_yet(&self, buffer: &mut Buffer, area: Rect, scene: &Scene<'_>, theme: Theme) {
        let glyphs = theme.glyphs();
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
                let also = match also {
                    0 => "nothing else".to_owned(),
                    1 => "1 other process".to_owned(),
                    also => format!("{also} other processes"),
                };
                say("PID 1", &format!("{name}, and {also}"));
            }
            let signal = container.stop_signal().unwrap_or(crate::signal::Signal::TERM);
            let grace = container.grace_ms().map_or_else(|| "not known".to_owned(), words::duration);
            say("Stop", &format!("by {signal}; the grace period is {grace}"));
            let (stop, fix) = foreseen(container);
            say("Then", &stop);
            if let Some(fix) = fix {
                say("Fix", fix);
            }
            if let Some(init) = scene.node.init_below(key) {
                say("Init", &init);
            }
            for (_, condition) in findings::conditions_of(&container.name.id, scene) {
                say("Now", &condition.explanation);
                if let Some(fix) = &condition.fix {
                    say("Fix", fix);
                }
            }
        } else {
            let count = scene.containers().filter(|(_, container)| container.gone.is_none()).count();
            let containers = if count == 1 { "1 container".to_owned() } else { format!("{count} containers") };
            say("Watching", &format!("{containers}; nothing was stopped so far."));
            say("", "docker stop or kubectl delete pod, and it shows here as it happens.");
            let would_not: Vec<_> = scene
                .containers()
                .map(|(_, container)| container)
                .filter(|one| one.gone.is_none())
                .filter(|one| one.foresight.as_ref().is_some_and(|(_, told)| told.foreseen.is_bad()))
                .map(|container| words::container(&container.name, NAMED_COLUMNS, glyphs))
                .collect();
            if !would_not.is_empty() {
                let more = would_not.len().saturating_sub(NAMED);
                let named = would_not[..would_not.len().min(NAMED)].join(", ");
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                say("Ahead", &format!("their stop signal would not end {named}{more}: page 1 tells why."));
            }
        }
        draw::lines(buffer, area, &lines, 0, theme);
    }
}

/// What would become of the stop signal, and what to change.
fn foreseen(container: &Container) -> (String, Option<&str>) {
    match &container.foresight {
        Some((_, told)) => (words::foreseen(told), told.fix.as_deref()),
        None => ("what would become of it is not known yet".to_owned(), None),
    }
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
    let right =
        if columns >= 70 { format!("{title:<24}{figures:>12}  {time}") } else { format!("{figures:>9} {time}") };
    let room = columns.saturating_sub(line.width() + width(&right) + 1);
    line.push(Paint::Plain, &words::container(entry.container(), room.max(6), glyphs));
    line.pad_to(columns.saturating_sub(width(&right)));
    line.push(Paint::Plain, &right);
    line.cut(columns, glyphs);
    line
}

impl Shutdown {
    /// Two terminations below each other, on the same scale.
    fn compared(&self, buffer: &mut Buffer, area: Rect, both: &[Section<'_>], scene: &Scene<'_>, theme: Theme) {
        let glyphs = theme.glyphs();
        let columns = usize::from(area.width);
        let picture = Picture::new(both, true, columns, glyphs);
        let [one, other] = both else { return };
        let differences = compare::differences(&one.termination, &other.termination, columns, glyphs);
        let room = usize::from(area.height).saturating_sub(differences.len() + 3);
        let mut legend = Legend::default();
        let rows = [picture.rows(0, !self.unended), picture.rows(1, !self.unended)];
        // each gets half, and what the other one leaves
        let above = rows[0].len().min((room / 2).max(room.saturating_sub(rows[1].len())));
        let heights = [above, rows[1].len().min(room - above)];
        let mut rest = area;
        for (rows, height) in rows.iter().zip(heights) {
            // the last line is for how many there is no room for
            let shown = if rows.len() > height { height.saturating_sub(1) } else { height };
            for (y, row) in rows.iter().take(shown).enumerate() {
                put(buffer, rest, y, picture.draw(*row, scene.clock, &mut legend), &picture, theme);
            }
            draw::more_at(buffer, rest, shown, (0, shown, rows.len()), " more", theme);
            rest = draw::below(rest, height);
        }
        draw::lines(buffer, rest, &picture.axis(), 0, theme);
        let rest = draw::below(rest, 2);
        draw::lines(buffer, draw::top(rest, 1), &legend.fitting(2, (columns, 1), glyphs), 0, theme);
        draw::lines(buffer, draw::below(rest, 1), &differences, 0, theme);
    }
}
