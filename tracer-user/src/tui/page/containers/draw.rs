//! Puts the rows on the screen.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::Containers;
use super::rates::{Rates, SECONDS};
use super::rows::{Entry, Row, Sort, State};
use super::told::Told;
use crate::model::Pod;
use crate::output::line::{Paint, fit};
use crate::output::{block, words};
use crate::tui::draw::more_at;
use crate::tui::scene::Scene;
use crate::tui::theme::{Theme, Tone};

/// Columns of the cursor and of what marks a group.
const LEFT: u16 = 1;
/// Names get this much at least.
const NAME: u16 = 16;
/// Pages that are lower have no room for sentences about the chosen line.
const WITH_SENTENCES: u16 = 14;
/// Lines of them: a rule, what happened, what to change.
const SENTENCES: u16 = 6;
/// Columns that a command line is worth showing in.
const WITH_COMMAND: usize = 20;
/// Stands before what a stop signal would meet, where none was sent yet.
const FORESEEN: &str = "~";

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Name,
    First,
    OnStop,
    Processes,
    Zombies,
    Signals,
    State,
    Age,
}

impl Column {
    const ALL: [Self; 8] =
        [Self::Name, Self::First, Self::OnStop, Self::Processes, Self::Zombies, Self::Signals, Self::State, Self::Age];
    /// In this order columns give way where the terminal is narrow.
    const GIVES_WAY: [Self; 6] = [Self::Signals, Self::Processes, Self::Age, Self::First, Self::Zombies, Self::OnStop];

    const fn title(self) -> &'static str {
        match self {
            Self::Name => "CONTAINER",
            Self::First => "PID 1",
            Self::OnStop => "ON STOP",
            Self::Processes => "PROC",
            Self::Zombies => "ZOMB",
            Self::Signals => "SIGNALS",
            Self::State => "LAST VERDICT",
            Self::Age => "AGE",
        }
    }

    /// Columns it needs, and what it takes at most where there is room.
    const fn width(self) -> (u16, u16) {
        match self {
            Self::Name => (NAME, 60),
            Self::First => (11, 48),
            Self::OnStop => (8, 8),
            Self::Processes | Self::Zombies => (4, 5),
            Self::Signals => (7, 60),
            Self::State => (18, 22),
            Self::Age => (4, 4),
        }
    }

    const fn sort(self) -> Option<Sort> {
        match self {
            Self::Name => Some(Sort::Name),
            Self::Processes => Some(Sort::Processes),
            Self::Zombies => Some(Sort::Zombies),
            Self::Signals => Some(Sort::Signals),
            Self::State => Some(Sort::Problems),
            Self::Age => Some(Sort::Age),
            Self::First | Self::OnStop => None,
        }
    }
}

/// Which columns are shown, and how wide.
fn layout(total: u16) -> Vec<(Column, u16)> {
    let mut columns: Vec<_> = Column::ALL.into_iter().map(|column| (column, column.width().0)).collect();
    let needed = |columns: &[(Column, u16)]| LEFT + columns.iter().map(|(_, width)| width + 1).sum::<u16>() - 1;
    for gone in Column::GIVES_WAY {
        if needed(&columns) <= total {
            break;
        }
        columns.retain(|(column, _)| *column != gone);
    }
    let mut room = total.saturating_sub(needed(&columns));
    while room > 0 {
        let before = room;
        for (column, width) in &mut columns {
            // the name first: every other column is of use as it is
            let share = if *column == Column::Name { 2 } else { 1 };
            let more = (column.width().1 - *width).min(share).min(room);
            *width += more;
            room -= more;
        }
        if room == before {
            break;
        }
    }
    columns
}

pub(super) fn page(
    page: &mut Containers,
    rows: &[Row<'_>],
    frame: &mut Frame<'_>,
    area: Rect,
    scene: &Scene<'_>,
    theme: Theme,
) {
    let columns = layout(area.width);
    let draw = Draw { columns: &columns, rates: page.paused.as_ref().unwrap_or(&page.rates), scene, theme };
    let typing = page.filter.is_active() || !page.filter.text().is_empty();
    let told = if area.height >= WITH_SENTENCES {
        Told::of(rows.get(page.list.selected), area.width, scene, theme)
    } else {
        None
    };
    let taken = u16::try_from(rows.len()).unwrap_or(u16::MAX).saturating_add(2 + u16::from(typing));
    // the list comes first, but a few lines about the chosen one are worth more than its end
    let below =
        told.as_ref().map_or(0, |told| told.lines().clamp(SENTENCES, area.height.saturating_sub(taken).max(SENTENCES)));
    let list = Rect { y: area.y + 1, height: area.height.saturating_sub(1 + below + u16::from(typing)), ..area };
    let buffer = frame.buffer_mut();
    draw.titles(page.sort, page.reversed, buffer, area);
    let seen = page.list.place(list, rows.len());
    let hidden = (seen.start, seen.len(), rows.len());
    for (y, index) in (list.y..).zip(seen) {
        let line = Rect { y, height: 1, ..area };
        draw.row(&rows[index], buffer, line);
        if index == page.list.selected {
            buffer.set_style(line, theme.style(Tone::Selected));
        }
    }
    if rows.is_empty() {
        let text = if page.filter.text().is_empty() {
            "no container is here yet: the next one that starts will be, at once"
        } else {
            "no container fits the filter"
        };
        buffer.set_stringn(area.x + 2, list.y + 1, text, usize::from(area.width - 2), theme.style(Tone::Dim));
    }
    if typing {
        let at = Rect { y: list.bottom(), height: 1, ..area };
        filter_line(page.filter.text(), page.filter.is_active(), buffer, at, theme);
    }
    // how many rows are not to be seen is told in the rule below them
    let rule = Rect { y: area.bottom() - below, height: below, ..area };
    let title = if told.is_some() { rule } else { area };
    if let Some(told) = told {
        told.draw(buffer, rule, theme);
    }
    more_at(buffer, title, 0, hidden, " more: j k", theme);
}

/// `/text_`
pub(in crate::tui::page) fn filter_line(text: &str, active: bool, buffer: &mut Buffer, at: Rect, theme: Theme) {
    let cursor = if active { "_" } else { "" };
    let text = format!(" /{}{cursor}", theme.safe(text));
    buffer.set_stringn(at.x, at.y, text, usize::from(at.width), theme.style(Tone::Note));
}

struct Draw<'a> {
    columns: &'a [(Column, u16)],
    rates: &'a Rates,
    scene: &'a Scene<'a>,
    theme: Theme,
}

impl Draw<'_> {
    fn titles(&self, sort: Sort, reversed: bool, buffer: &mut Buffer, area: Rect) {
        let mut x = area.x + LEFT;
        for (column, width) in self.columns {
            let sorted = column.sort() == Some(sort);
            let mark = match (sorted, reversed, self.theme.ascii) {
                (false, ..) => "",
                (true, false, false) => "▾",
                (true, true, false) => "▴",
                (true, false, true) => "v",
                (true, true, true) => "^",
            };
            let title = format!("{}{mark}", column.title());
            let title: String = title.chars().take(usize::from(*width)).collect();
            let numeric = matches!(column, Column::Processes | Column::Zombies | Column::Age);
            let title = if numeric { format!("{title:>0$}", usize::from(*width)) } else { title };
            let tone = if sorted { Tone::Strong } else { Tone::Dim };
            buffer.set_stringn(x, area.y, title, usize::from(*width), self.theme.style(tone));
            x += width + 1;
        }
    }

    fn row(&self, row: &Row<'_>, buffer: &mut Buffer, line: Rect) {
        let mut x = line.x + LEFT;
        for (column, width) in self.columns {
            let (text, style) = match row {
                Row::Pod { pod, folded, entries } => self.pod(*column, *width, pod, *folded, entries, line.width),
                Row::Container { entry, grouped } => self.container(*column, *width, entry, *grouped),
            };
            let room = if matches!(row, Row::Pod { folded: false, .. }) { line.width - LEFT } else { *width };
            buffer.set_stringn(x, line.y, text, usize::from(room), style);
            x += width + 1;
        }
    }

    fn pod(
        &self,
        column: Column,
        width: u16,
        pod: &Pod,
        folded: bool,
        entries: &[Entry<'_>],
        line: u16,
    ) -> (String, Style) {
        let glyph = match (folded, self.theme.ascii) {
            (true, false) => '▸',
            (false, false) => '▾',
            (true, true) => '+',
            (false, true) => '-',
        };
        match (column, folded) {
            (Column::Name, _) => {
                let room = if folded { width } else { line - LEFT };
                let many = format!(" ({})", entries.len());
                let room = usize::from(room).saturating_sub(2 + many.len());
                let name = match &pod.name {
                    Some(pod) if folded => self.theme.safe(&pod.name).into_owned(),
                    Some(pod) => self.theme.safe(&pod.friendly()).into_owned(),
                    // no runtime told it
                    None => self.theme.safe(&pod.uid).into_owned(),
                };
                let name = fit(&name, room, self.theme.glyphs());
                (format!("{glyph} {name}{many}"), self.theme.style(Tone::Strong))
            }
            (_, false) => (String::new(), Style::new()),
            (Column::Processes, true) => {
                self.number(entries.iter().map(|entry| entry.processes).sum(), width, Tone::Plain)
            }
            (Column::Zombies, true) => {
                self.number(entries.iter().map(|entry| entry.container.zombies).sum(), width, Tone::Warn)
            }
            (column, true) => match entries.first() {
                Some(worst) => self.container(column, width, worst, false),
                None => (String::new(), Style::new()),
            },
        }
    }

    fn container(&self, column: Column, width: u16, entry: &Entry<'_>, grouped: bool) -> (String, Style) {
        let (theme, container) = (self.theme, entry.container);
        let room = usize::from(width);
        let gone = container.gone.is_some();
        let plain = theme.style(if gone { Tone::Dim } else { Tone::Plain });
        match column {
            Column::Name if grouped => {
                let name = container.name.own();
                let name = theme.safe(name);
                (format!("  {}", fit(&name, room.saturating_sub(2), theme.glyphs())), plain)
            }
            Column::Name => (words::container(&container.name, room, theme.glyphs()), plain),
            Column::First => (self.first(entry, room), plain),
            Column::OnStop => {
                let Some(met) = entry.meets() else { return ("?".to_owned(), theme.style(Tone::Dim)) };
                let mark = if met.foreseen { FORESEEN } else { "" };
                (format!("{mark}{}", met.word), if gone { plain } else { theme.paint(met.paint) })
            }
            Column::Processes => self.number(entry.processes, width, Tone::Plain),
            Column::Zombies => self.number(container.zombies, width, Tone::Warn),
            Column::Signals => {
                let counts = self.rates.of(&container.name.id, self.scene.now);
                let bars = counts.map(|counts| sparkline(&counts[SECONDS.saturating_sub(room)..], theme.ascii));
                (bars.unwrap_or_default(), theme.style(Tone::Note))
            }
            Column::State => self.state(entry, room),
            Column::Age => {
                let age = entry.since().map(|since| age(self.scene.now.ms_since(since))).unwrap_or_default();
                (format!("{age:>room$}"), theme.style(Tone::Dim))
            }
        }
    }

    fn number(&self, number: usize, width: u16, tone: Tone) -> (String, Style) {
        let tone = if number == 0 { Tone::Dim } else { tone };
        let text = if number > 9_999 { ">9k".to_owned() } else { number.to_string() };
        (format!("{text:>0$}", usize::from(width)), self.theme.style(tone))
    }

    /// `sh -c sleep 1000; true` where there is room and it runs what it was configured to run; `sh 31550` otherwise: of
    /// one that is gone as it was at the end.
    fn first(&self, entry: &Entry<'_>, room: usize) -> String {
        let known = entry.container.first.and_then(|first| self.scene.node.processes().get(first));
        let known = known.map(|first| (first.comm().to_string(), first.task.pid));
        let told = || {
            let first = entry.last?.processes.first()?;
            Some((first.process.comm.to_string(), first.process.pid))
        };
        let Some((comm, pid)) = known.or_else(told) else { return String::new() };
        let command = entry.container.described.as_ref().map_or(&[][..], |described| &described.command);
        let runs = command.first().and_then(|program| program.rsplit('/').next()).is_some_and(|name| name == comm);
        if runs && command.len() > 1 && room >= WITH_COMMAND {
            let command = format!("{comm} {}", command[1..].join(" "));
            return fit(&self.theme.safe(&command), room, self.theme.glyphs()).into_owned();
        }
        let pid = pid.to_string();
        let comm = self.theme.safe(&comm);
        format!("{} {pid}", fit(&comm, room.saturating_sub(pid.len() + 1).max(2), self.theme.glyphs()))
    }

    fn state(&self, entry: &Entry<'_>, room: usize) -> (String, Style) {
        let (theme, glyphs) = (self.theme, self.theme.glyphs());
        let (text, paint) = match entry.state {
            State::Stopping(stop) => {
                let text = match (self.scene.budget(entry.key), stop.exit) {
                    (_, Some(_)) => "ending".to_owned(),
                    (Some(budget), None) if budget.left_ms == 0 => "grace is over".to_owned(),
                    (Some(budget), None) => format!("{} left", crate::tui::app::tenths(budget.left_ms)),
                    (None, None) => "stopping".to_owned(),
                };
                (format!("{} {text}", if theme.ascii { '>' } else { '▶' }), Paint::Warn)
            }
            State::Ill(_, condition) => (format!("{} {}", glyphs.warn, condition.kind), Paint::Warn),
            State::Ended(last) => {
                let (_, glyph, _, paint) = block::title(last, glyphs);
                let unsure = if last.certain { "" } else { "?" };
                (format!("{glyph} {}{unsure}", last.verdict), paint)
            }
            // a cgroup that was named, or a container that is just being made
            State::Fine if entry.processes == 0 => ("no process".to_owned(), Paint::Dim),
            State::Fine => ("running".to_owned(), Paint::Dim),
            State::Gone => ("gone".to_owned(), Paint::Dim),
        };
        (fit(&text, room, glyphs).into_owned(), theme.paint(paint))
    }
}

/// A bar a second; the highest is the highest of the last minute.
fn sparkline(counts: &[u16], ascii: bool) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const ASCII: [char; 8] = ['.', ',', ':', '-', '=', '+', '*', '#'];
    let bars = if ascii { ASCII } else { BARS };
    let highest = u32::from(counts.iter().copied().max().unwrap_or(0)).max(4);
    let bar = |count: u16| match u32::from(count) {
        0 => ' ',
        count => bars[usize::try_from((count * 8 - 1) / highest).map_or(7, |height| height.min(7))],
    };
    counts.iter().map(|count| bar(*count)).collect()
}

/// `3s`, `12m`, `5h`, `3d`: at most four columns for three years.
fn age(ms: u64) -> String {
    match ms / 1_000 {
        0 => "now".to_owned(),
        seconds @ 1..60 => format!("{seconds}s"),
        seconds @ 60..3_600 => format!("{}m", seconds / 60),
        seconds @ 3_600..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fill_the_line_and_give_way_in_order() {
        for (total, count) in [(200, 8), (120, 8), (80, 8), (79, 7), (60, 4), (40, 2)] {
            let columns = layout(total);
            let used = LEFT + columns.iter().map(|(_, width)| width + 1).sum::<u16>() - 1;
            assert!(used <= total, "{total}: {used}");
            assert_eq!(columns.len(), count, "{total}: {columns:?}");
        }
    }

    #[test]
    fn bars_and_ages() {
        assert_eq!(sparkline(&[0, 1, 2, 4, 0], false), " ▂▄█ ");
        assert_eq!(sparkline(&[0, 1, 800, 400], true), " .#=".replace('=', "-"));
        let ages: Vec<_> = [0, 999, 1_000, 59_999, 60_000, 7_199_000, 172_800_000].map(age).into();
        assert_eq!(ages, ["now", "now", "1s", "59s", "1m", "1h", "2d"]);
    }
}
