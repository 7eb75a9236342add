//! Draws the zombies page.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Order, Row, Zombies};
use crate::event::BootNs;
use crate::model::{Condition, ConditionKind, Negligent, Party, Reaping, Zombie, limits};
use crate::output::glyphs::Glyphs;
use crate::output::line::{Line, Paint, fit};
use crate::output::{block, words};
use crate::tui::draw;
use crate::tui::scene::Scene;
use crate::tui::theme::{Theme, Tone};

/// Columns of a gauge.
const GAUGE: usize = 24;
/// Lines of the list that stay visible, whatever there is to say.
const LIST_LEAST: usize = 4;

impl Zombies {
    pub(super) fn draw(&mut self, buffer: &mut Buffer, area: Rect, scene: &Scene<'_>, theme: Theme) {
        let rows = self.rows(scene);
        let Some(index) = self.index(&rows) else {
            self.drawn = Rect::default();
            none(buffer, area, self.earlier(scene), scene, theme);
            return;
        };
        let height = usize::from(area.height);
        let table = rows.len().min((height / 4).max(1));
        self.table(buffer, draw::top(area, table + 1), &rows, index, theme);
        let rest = draw::below(area, table + 1);
        self.details(buffer, rest, &rows[index], scene, theme);
        draw::more_at(buffer, rest, 0, (self.table.first, table, rows.len()), " more: j k", theme);
    }

    fn table(&mut self, buffer: &mut Buffer, area: Rect, rows: &[Row<'_>], chosen: usize, theme: Theme) {
        let columns = usize::from(area.width);
        let glyphs = theme.glyphs();
        draw::line(buffer, area, (0, 0), &head(self.order, columns, glyphs), theme);
        let lines = draw::below(area, 1);
        self.table.fit(Some(chosen), usize::from(lines.height), rows.len());
        self.drawn = lines;
        let visible = rows.iter().enumerate().skip(self.table.first).take(usize::from(lines.height));
        for (y, (index, row)) in visible.enumerate() {
            draw::line(buffer, lines, (0, y), &table_line(row, columns, glyphs), theme);
            if index == chosen {
                draw::tint(buffer, lines, y, theme.style(Tone::Selected));
            }
        }
    }

    fn details(&mut self, buffer: &mut Buffer, area: Rect, row: &Row<'_>, scene: &Scene<'_>, theme: Theme) {
        let glyphs = theme.glyphs();
        let columns = usize::from(area.width);
        let name = words::full_container(&row.container.name, columns.saturating_sub(4), glyphs);
        draw::rule(buffer, area, 0, &name, theme);
        let rest = draw::below(area, 1);
        let mut said = sentences(row, scene, columns, glyphs);
        // the list is what the page is for
        said.truncate(usize::from(rest.height).saturating_sub(LIST_LEAST));
        draw::lines(buffer, rest, &said, 0, theme);
        let rest = draw::below(rest, said.len());
        let reaping = &row.reaping;
        draw::line(buffer, rest, (0, 0), &list_head(columns), theme);
        let lines = draw::below(rest, 1);
        let all: Vec<_> = reaping.zombies.iter().map(|zombie| list_line(zombie, columns, glyphs)).collect();
        draw::scrolled(buffer, lines, &all, &mut self.list, theme);
    }
}

fn none(buffer: &mut Buffer, area: Rect, earlier: Option<(BootNs, &Condition)>, scene: &Scene<'_>, theme: Theme) {
    let mut lines = vec![Line::default()];
    let mut say = |label, paint, text: &str| {
        block::prose(&mut lines, (label, paint), Paint::Plain, text, usize::from(area.width), theme.glyphs());
    };
    let told = words::duration(limits::ZOMBIE_TOLD_MS);
    match earlier {
        None => say("Good", Paint::Good, &format!("No zombies: every process that ended was reaped within {told}.")),
        Some((at, condition)) => {
            let time = scene.clock.time_of_day(at).to_string();
            say("Now", Paint::Good, "No zombies any more: they were reaped, or went with their containers.");
            say("Before", Paint::Warn, &format!("{}: {}", &time[..8], theme.safe(&condition.explanation)));
            if let Some(fix) = &condition.fix {
                say("Fix", Paint::Good, &theme.safe(fix));
            }
            say("", Paint::Plain, "The Findings page (5) has all of them, and what to change.");
        }
    }
    draw::lines(buffer, area, &lines, 0, theme);
}

/// Right edges of the columns of figures, counted from the left edge, and the width of the first.
struct Columns {
    name: usize,
    /// With a column for who should reap: where there is room.
    who: usize,
    pids: usize,
}

const FIGURES: usize = 9 + 10 + 12;

const fn layout(columns: usize) -> Columns {
    let pids = if columns >= 60 { 14 } else { 0 };
    let who = if columns >= 100 { 34 } else { 0 };
    let name = columns.saturating_sub(FIGURES + pids + who);
    Columns { name: if name < 8 { 8 } else { name }, who, pids }
}

fn head(order: Order, columns: usize, glyphs: &Glyphs) -> Line {
    let layout = layout(columns);
    let mut line = Line::default();
    let mark = |this: Order| if this == order { glyphs.sorted } else { ' ' };
    line.push(Paint::Bold, " CONTAINER");
    line.pad_to(layout.name);
    line.push(Paint::Bold, &format!("{:>8}{}", "ZOMBIES", mark(Order::Count)));
    line.push(Paint::Bold, &format!("{:>9}{}", "PER MIN", mark(Order::Rate)));
    line.push(Paint::Bold, &format!("{:>11}{}", "OLDEST", mark(Order::Age)));
    if layout.pids > 0 {
        line.push(Paint::Bold, &format!("{:>13}{}", "PIDS", mark(Order::Full)));
    }
    if layout.who > 0 {
        line.push(Paint::Bold, "  WHO SHOULD REAP");
    }
    line.cut(columns, glyphs);
    line
}

fn table_line(row: &Row<'_>, columns: usize, glyphs: &Glyphs) -> Line {
    let (layout, reaping) = (layout(columns), &row.reaping);
    let mut line = Line::default();
    line.push(Paint::Plain, " ");
    line.push(Paint::Plain, &words::container(&row.container.name, layout.name.saturating_sub(2), glyphs));
    line.pad_to(layout.name);
    line.push(Paint::Bad, &format!("{:>8} ", reaping.zombies.len()));
    line.push(Paint::Plain, &format!("{:>9} ", per_minute(reaping)));
    line.push(Paint::Plain, &format!("{:>11} ", words::duration(reaping.oldest_ms() / 1_000 * 1_000)));
    if layout.pids > 0 {
        let near = is_near(reaping);
        line.push(if near { Paint::Bad } else { Paint::Plain }, &format!("{:>13} ", pids(reaping)));
    }
    if layout.who > 0 {
        let who = reaping.negligent.first().map(|first| reaper(first, glyphs)).unwrap_or_default();
        line.push(Paint::Plain, &format!("  {}", fit(&who, layout.who - 2, glyphs)));
    }
    line.cut(columns, glyphs);
    line
}

fn per_minute(reaping: &Reaping) -> String {
    let tenths = reaping.per_minute_tenths;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// `412/512`, `412`, `?`.
fn pids(reaping: &Reaping) -> String {
    match (reaping.pids_current, reaping.pids_max) {
        (Some(current), Some(max)) => format!("{current}/{max}"),
        (Some(current), None) => current.to_string(),
        (None, _) => "?".to_owned(),
    }
}

/// Little is left of the pids.
fn is_near(reaping: &Reaping) -> bool {
    reaping
        .pids_current
        .zip(reaping.pids_max)
        .is_some_and(|(current, max)| current.saturating_mul(10) >= max.saturating_mul(8))
}

fn reaper(negligent: &Negligent, glyphs: &Glyphs) -> String {
    negligent.parent.as_ref().map_or_else(|| "unknown".to_owned(), |parent| words::process(parent, glyphs))
}

/// What there is to say of a container.
fn sentences(row: &Row<'_>, scene: &Scene<'_>, columns: usize, glyphs: &Glyphs) -> Vec<Line> {
    let reaping = &row.reaping;
    let mut lines = Vec::new();
    for (index, negligent) in reaping.negligent.iter().take(3).enumerate() {
        let label = if index == 0 { "Reaper" } else { "and" };
        let text = debt(negligent, glyphs);
        block::prose(&mut lines, (label, Paint::Bold), Paint::Plain, &text, columns, glyphs);
    }
    let text = origin(reaping);
    block::prose(&mut lines, ("From", Paint::Bold), Paint::Plain, &text, columns, glyphs);
    lines.push(gauge(reaping, columns, glyphs));
    let fix = scene.node.conditions().rev().find(|(_, condition)| {
        let here = condition.container.as_ref().is_some_and(|of| of.id == row.container.name.id);
        condition.kind == ConditionKind::Zombies && here
    });
    if let Some(fix) = fix.and_then(|(_, condition)| condition.fix.as_ref()) {
        block::prose(&mut lines, ("Fix", Paint::Good), Paint::Plain, fix, columns, glyphs);
    }
    lines
}

/// `node 4123 (PID 1) does not reap: 30 it adopted, 7 are children of its own`.
fn debt(negligent: &Negligent, glyphs: &Glyphs) -> String {
    let Negligent { parent, own, adopted } = negligent;
    let who = match parent {
        None => return format!("not known, of {}", own + adopted),
        Some(parent) => words::process(parent, glyphs),
    };
    match (own, adopted) {
        (1, 0) => format!("{who} does not reap a child of its own"),
        (own, 0) => format!("{who} does not reap {own} children of its own"),
        (0, adopted) => format!("{who} does not reap {adopted} that it adopted"),
        (own, adopted) => format!("{who} does not reap: {adopted} it adopted, {own} of its own"),
    }
}

/// Whether execs left them, and what they are called.
fn origin(reaping: &Reaping) -> String {
    let mut names: Vec<(String, usize)> = Vec::new();
    for zombie in &reaping.zombies {
        let name = zombie.process.comm.to_string();
        match names.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => names.push((name, 1)),
        }
    }
    names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let told: Vec<_> = names.iter().take(4).map(|(name, count)| format!("{count} {name}")).collect();
    let more = names.len().saturating_sub(told.len());
    let more = if more == 0 { String::new() } else { format!(" and {more} other names") };
    let execs = match (reaping.from_exec(), reaping.zombies.len()) {
        (0, _) => "none came from an exec".to_owned(),
        (some, all) if some == all => "all came from an exec (docker exec, a probe)".to_owned(),
        (some, _) => format!("{some} came from an exec (docker exec, a probe)"),
    };
    format!("{}{more}; {execs}", told.join(", "))
}

/// `  pids     ████████░░░░  412 of 512; full in 8 min 20 s at this rate`
fn gauge(reaping: &Reaping, columns: usize, glyphs: &Glyphs) -> Line {
    let mut line = Line::default();
    line.push(Paint::Plain, "  ");
    line.push(Paint::Bold, "pids");
    line.pad_to(11);
    let mut say = |paint, text: &str| line.push(paint, text);
    match (reaping.pids_current, reaping.pids_max) {
        (None, _) => say(Paint::Dim, "how many there are is not known"),
        (Some(current), None) => say(Paint::Plain, &format!("{current}, and no limit is set or known")),
        (Some(current), Some(max)) => {
            let room = GAUGE.min(columns / 5);
            let filled = current.min(max).saturating_mul(room as u64).checked_div(max).unwrap_or(room as u64);
            let filled = usize::try_from(filled).unwrap_or(room);
            let paint = if is_near(reaping) { Paint::Bad } else { Paint::Note };
            say(paint, &glyphs.used.to_string().repeat(filled));
            say(Paint::Dim, &glyphs.left.to_string().repeat(room - filled));
            say(Paint::Bold, &format!(" {current} of {max}"));
            let until = match reaping.full_in_ms {
                Some(0) => ": fork: Resource temporarily unavailable".to_owned(),
                Some(ms) => format!("; full in {} at this rate", words::duration(ms / 1_000 * 1_000)),
                None => "; not growing".to_owned(),
            };
            say(if is_near(reaping) { Paint::Bad } else { Paint::Plain }, &until);
        }
    }
    line.cut(columns, glyphs);
    line
}

fn list_head(columns: usize) -> Line {
    let mut line = Line::default();
    let inside = if columns >= 60 { format!("{:>8}", "IN IT") } else { String::new() };
    line.push(Paint::Dim, &format!(" {:>11}{:>10}{inside}  {:<16}", "AGE", "PID", "NAME"));
    if columns >= 60 {
        line.push(Paint::Dim, "  SHOULD BE REAPED BY");
    }
    line
}

fn list_line(zombie: &Zombie, columns: usize, glyphs: &Glyphs) -> Line {
    let Party { pid, ns_pid, .. } = zombie.process;
    let mut line = Line::default();
    let age = words::duration(zombie.age_ms / 1_000 * 1_000);
    let age = if zombie.older { format!(">{age}") } else { age };
    line.push(Paint::Plain, &format!(" {age:>11}{pid:>10}"));
    if columns >= 60 {
        line.push(Paint::Dim, &format!("{:>8}", ns_pid.map(|pid| pid.to_string()).unwrap_or_default()));
    }
    line.push(Paint::Plain, "  ");
    let name = words::comm(&zombie.process, glyphs);
    let start = line.width();
    line.push(Paint::Bold, &fit(&name, 16, glyphs));
    line.pad_to(start + 16);
    if columns >= 60 {
        let parent =
            zombie.parent.as_ref().map_or_else(|| "unknown".to_owned(), |parent| words::process(parent, glyphs));
        line.push(Paint::Plain, "  ");
        let start = line.width();
        line.push(Paint::Plain, &fit(&parent, 24, glyphs));
        line.pad_to(start + 24);
        let how = match (zombie.adopted, zombie.from_exec) {
            (_, true) => " from an exec",
            (true, false) => " adopted",
            (false, false) => "",
        };
        line.push(Paint::Dim, how);
    }
    line.cut(columns, glyphs);
    line
}
