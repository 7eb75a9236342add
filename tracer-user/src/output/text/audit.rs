//! The findings of an audit: a table, and below it what is wrong and what to change.

use crate::audit::{Audited, Foreseen, NoteKind, Report, Sight};
use crate::signal::Signal;

use super::block::prose;
use super::glyphs::{Glyphs, Style};
use super::line::{Line, Paint, fit, safe, width, wrap};
use super::words;

/// Columns of the signal, of what would become of it, of zombies and of the pids figures, with their gaps.
const SIGNAL: usize = 9;
const OUTCOME: usize = 9;
const ZOMBIES: usize = 8;
const PIDS: usize = 9;
/// Columns of the mark at the left.
const MARK: usize = 2;
/// The least that a container's name gets.
const LEAST_NAME: usize = 12;
/// The most of a command line that is shown in the wide table.
const WIDE_COMMAND: usize = 60;

/// The report as text of at most `limit` columns.
#[must_use]
pub fn audit(report: &Report, style: Style, limit: usize) -> String {
    let glyphs = Glyphs::of(style);
    let limit = limit.max(super::NARROWEST);
    let mut lines = table(report, limit, glyphs);
    for audited in report.containers.iter().filter(|audited| is_told(audited)) {
        lines.push(Line::default());
        lines.extend(block(audited, limit, glyphs));
    }
    lines.extend(last(report, limit));
    page(&lines, style)
}

/// The report with a line a container that holds all there is; as wide as it takes.
#[must_use]
pub fn audit_wide(report: &Report, style: Style) -> String {
    let glyphs = Glyphs::of(style);
    let mut lines = wide(report, glyphs);
    lines.extend(last(report, usize::MAX));
    page(&lines, style)
}

/// An empty line and the summary.
fn last(report: &Report, limit: usize) -> Vec<Line> {
    let mut lines = vec![Line::default()];
    for text in wrap(&summary(report), limit) {
        let mut line = Line::default();
        line.push(Paint::Bold, &text);
        lines.push(line);
    }
    lines
}

fn page(lines: &[Line], style: Style) -> String {
    let mut page = String::new();
    for line in lines {
        line.write(&mut page, style.color);
    }
    page
}

/// Problems come first, so that a row is as good as its place.
fn table(report: &Report, limit: usize, glyphs: &Glyphs) -> Vec<Line> {
    let room = limit.saturating_sub(MARK + SIGNAL + OUTCOME + ZOMBIES + PIDS + 1);
    let longest = report.containers.iter().map(|audited| width(&name(audited, usize::MAX, glyphs))).max().unwrap_or(0);
    let name_width = longest.clamp(LEAST_NAME, (room * 3 / 5).max(LEAST_NAME));
    let command_width = room.saturating_sub(name_width + 1);
    let columns = [MARK, name_width + 1, command_width + 1, SIGNAL, OUTCOME, ZOMBIES];
    let mut lines =
        vec![row(Paint::Dim, &["", "CONTAINER", "PID 1", "SIGNAL", "WOULD BE", "ZOMBIES", "PIDS"], &columns)];
    lines[0].cut(limit, glyphs);
    for audited in &report.containers {
        let (mark, paint) = mark(audited, glyphs);
        let cells = [
            mark.to_string(),
            name(audited, name_width, glyphs),
            fit(&command(audited, glyphs), command_width, glyphs).into_owned(),
            signal(audited.subject.stop.signal),
            audited.finding.foreseen.to_string(),
            zombies(audited),
            pids(audited),
        ];
        let mut line = row(Paint::Plain, &cells.each_ref().map(String::as_str), &columns);
        line.paint_first(paint);
        line.cut(limit, glyphs);
        lines.push(line);
    }
    lines
}

fn row(paint: Paint, cells: &[&str], columns: &[usize]) -> Line {
    let mut line = Line::default();
    let mut column = 0;
    for (cell, next) in cells.iter().zip(columns.iter().map(Some).chain([None])) {
        line.push(paint, cell);
        if let Some(next) = next {
            column += next;
            line.pad_to(column);
        }
    }
    line
}

fn wide(report: &Report, glyphs: &Glyphs) -> Vec<Line> {
    const HEADER: [&str; 15] = [
        "",
        "CONTAINER",
        "RUNTIME",
        "PID",
        "PID 1",
        "INIT",
        "SIGNAL",
        "FROM",
        "GRACE",
        "WOULD BE",
        "VERDICT",
        "CAUSE",
        "ZOMBIES",
        "PIDS",
        "NOTES",
    ];
    let rows: Vec<[String; 15]> = report.containers.iter().map(|audited| cells(audited, glyphs)).collect();
    let mut columns = HEADER.map(width);
    for row in &rows {
        for (column, cell) in columns.iter_mut().zip(row) {
            *column = (*column).max(width(cell));
        }
    }
    let columns: Vec<usize> =
        columns.iter().enumerate().map(|(n, width)| if n == 0 { MARK } else { width + 2 }).collect();
    let columns = &columns[..HEADER.len() - 1];
    let mut lines = vec![row(Paint::Dim, &HEADER, columns)];
    for (audited, cells) in report.containers.iter().zip(&rows) {
        let mut line = row(Paint::Plain, &cells.each_ref().map(String::as_str), columns);
        line.paint_first(mark(audited, glyphs).1);
        lines.push(line);
    }
    lines
}

fn cells(audited: &Audited, glyphs: &Glyphs) -> [String; 15] {
    let (subject, finding) = (&audited.subject, &audited.finding);
    let none = || "-".to_owned();
    let notes: Vec<_> = finding.notes.iter().map(|note| note.note.slug()).collect();
    let init = finding.init.as_ref().map_or_else(none, |init| match init.depth {
        0 => init.name.clone(),
        depth => format!("{}@{depth}", init.name),
    });
    let certain = if finding.certain || finding.foreseen == Foreseen::Unknown { "" } else { "?" };
    [
        mark(audited, glyphs).0.to_string(),
        words::full_container(&subject.container, usize::MAX, glyphs),
        subject.runtime.as_deref().map_or_else(none, |runtime| safe(runtime, glyphs).into_owned()),
        subject.first.pid.to_string(),
        fit(&command(audited, glyphs), WIDE_COMMAND, glyphs).into_owned(),
        init,
        signal(subject.stop.signal),
        safe(&subject.stop.source, glyphs).into_owned(),
        subject.grace_ms.map_or_else(none, words::duration),
        format!("{}{certain}", finding.foreseen),
        finding.verdict.map_or_else(none, |verdict| verdict.to_string()),
        finding.cause.map_or_else(none, |cause| cause.to_string()),
        zombies(audited),
        pids(audited),
        if notes.is_empty() { none() } else { notes.join(",") },
    ]
}

/// What is wrong with a container, why, and what to change.
fn block(audited: &Audited, limit: usize, glyphs: &Glyphs) -> Vec<Line> {
    let finding = &audited.finding;
    let (mark, paint) = mark(audited, glyphs);
    let mut title = Line::default();
    title.push(paint, &format!("{mark} "));
    title.push(Paint::Bold, &words::full_container(&audited.subject.container, limit.saturating_sub(36), glyphs));
    title.push(Paint::Plain, &format!(": {}", headline(audited)));
    title.cut(limit, glyphs);
    let mut lines = vec![title];
    prose(&mut lines, ("Why", Paint::Bold), Paint::Plain, &finding.explanation, limit, glyphs);
    if let Some(fix) = &finding.fix {
        prose(&mut lines, ("Fix", Paint::Good), Paint::Plain, fix, limit, glyphs);
    }
    for note in &finding.notes {
        prose(&mut lines, ("Note", Paint::Warn), Paint::Plain, &note.text, limit, glyphs);
    }
    if audited.subject.zombies.count > 0 {
        prose(&mut lines, ("Zombies", Paint::Warn), Paint::Plain, &about_zombies(audited), limit, glyphs);
        if let Some(fix) = &finding.zombie_fix {
            prose(&mut lines, ("Fix", Paint::Good), Paint::Plain, fix, limit, glyphs);
        }
    }
    if !finding.certain && finding.foreseen != Foreseen::Unknown {
        let text = "not everything that this rests on could be seen, or it changed while we looked";
        prose(&mut lines, ("Caution", Paint::Bad), Paint::Plain, text, limit, glyphs);
    }
    lines
}

/// `SIGTERM would be dropped`.
fn headline(audited: &Audited) -> String {
    let signal = audited.subject.stop.signal;
    match audited.finding.foreseen {
        Foreseen::Dropped => format!("{signal} would be dropped"),
        Foreseen::Ignored => format!("{signal} would be ignored"),
        Foreseen::Blocked => format!("{signal} would stay pending"),
        Foreseen::Default => format!("{signal} would meet the default action"),
        Foreseen::Unknown => format!("what becomes of {signal} is not known"),
        Foreseen::Caught => format!("{signal} would be caught"),
        Foreseen::Taken => format!("{signal} would be taken"),
    }
}

fn about_zombies(audited: &Audited) -> String {
    let zombies = &audited.subject.zombies;
    let oldest = zombies
        .oldest_at_most_ms
        .map_or_else(String::new, |ms| format!(", the oldest for at most {}", words::duration(ms)));
    let worst = zombies.parents.first().map_or_else(String::new, |parent| {
        let who = match parent.ns_pid {
            Some(1) => format!("{} (PID 1), their parent or the one that adopted them,", parent.comm),
            ns_pid => format!("their parent {} (pid {})", parent.comm, ns_pid.unwrap_or(parent.pid)),
        };
        let share =
            if parent.zombies == zombies.count { String::new() } else { format!(" ({} of them)", parent.zombies) };
        format!("; {who} does not reap them{share}")
    });
    format!("{} {}{oldest}{worst}.", zombies.count, if zombies.count == 1 { "zombie" } else { "zombies" })
}

/// Whether there is more to say of it than its row does.
fn is_told(audited: &Audited) -> bool {
    let odd = |kind| {
        matches!(kind, NoteKind::InitNotFirst | NoteKind::OtherMeaning | NoteKind::TrapDeferred | NoteKind::Stopped)
    };
    !matches!(audited.finding.foreseen, Foreseen::Caught | Foreseen::Taken)
        || audited.subject.zombies.count > 0
        || audited.finding.notes.iter().any(|note| odd(note.note))
}

fn mark(audited: &Audited, glyphs: &Glyphs) -> (char, Paint) {
    match audited.finding.foreseen {
        Foreseen::Dropped | Foreseen::Ignored | Foreseen::Blocked => (glyphs.bad, Paint::Bad),
        _ if audited.subject.zombies.count > 0 => (glyphs.warn, Paint::Warn),
        Foreseen::Unknown => ('?', Paint::Warn),
        Foreseen::Default => (glyphs.warn, Paint::Warn),
        Foreseen::Caught | Foreseen::Taken => (glyphs.good, Paint::Good),
    }
}

fn name(audited: &Audited, limit: usize, glyphs: &Glyphs) -> String {
    words::container(&audited.subject.container, limit, glyphs)
}

/// The command line, its program without directories: `sh -c node server.js`, `tini → node server.js`.
fn command(audited: &Audited, glyphs: &Glyphs) -> String {
    let first = &audited.subject.first;
    let own = line_of(&first.command, &first.comm);
    let text = match (&audited.finding.init, audited.subject.children.first()) {
        (Some(init), Some(child)) if init.depth == 0 => {
            format!("{} {} {}", init.name, glyphs.arrow, line_of(&child.command, &child.comm))
        }
        _ => own,
    };
    safe(&text, glyphs).into_owned()
}

fn line_of(command: &[String], comm: &str) -> String {
    let Some((program, arguments)) = command.split_first().filter(|(program, _)| !program.is_empty()) else {
        return comm.to_owned();
    };
    // a title such as `nginx: master process /usr/sbin/nginx` is one word and no path
    let program = if program.contains(' ') { program } else { program.rsplit('/').next().unwrap_or(program) };
    std::iter::once(program).chain(arguments.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
}

/// `TERM`: the column's head says what it is.
fn signal(signal: Signal) -> String {
    let name = signal.to_string();
    name.strip_prefix("SIG").map_or(name.clone(), str::to_owned)
}

fn zombies(audited: &Audited) -> String {
    match audited.subject.zombies.count {
        0 => "-".to_owned(),
        count => count.to_string(),
    }
}

fn pids(audited: &Audited) -> String {
    let pids = audited.subject.pids;
    match (pids.current, pids.max) {
        (None, _) => "-".to_owned(),
        (Some(current), None) => current.to_string(),
        (Some(current), Some(max)) => format!("{current}/{max}"),
    }
}

/// `4 containers: 2 would never get their stop signal, 1 is unknown, 1 has zombies.`
fn summary(report: &Report) -> String {
    let count = |wanted: &dyn Fn(&Audited) -> bool| report.containers.iter().filter(|audited| wanted(audited)).count();
    let of = |foreseen: &'static [Foreseen]| count(&|audited: &Audited| foreseen.contains(&audited.finding.foreseen));
    let parts: Vec<String> = [
        (of(&[Foreseen::Dropped, Foreseen::Ignored, Foreseen::Blocked]), "would not react to the stop signal"),
        (of(&[Foreseen::Default]), "would meet its default action"),
        (of(&[Foreseen::Unknown]), "cannot be told"),
        (of(&[Foreseen::Caught, Foreseen::Taken]), "would get it"),
        (count(&|audited| audited.subject.zombies.count > 0), "with zombies"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    let all = report.containers.len();
    let containers = if all == 1 { "1 container".to_owned() } else { format!("{all} containers") };
    let weak = if report.sight == Sight::Proc { " Seen through /proc alone." } else { "" };
    match parts.as_slice() {
        [] => format!("{containers}.{weak}"),
        parts => format!("{containers}: {}.{weak}", parts.join(", ")),
    }
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
