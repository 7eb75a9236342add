//! The picture: sections of lanes over a time axis.

use std::borrow::Cow;

use crate::event::BootNs;
use crate::model::{Container, Termination, TerminationProcess, limits};
use crate::output::Clock;
use crate::output::block;
use crate::output::glyphs::Glyphs;
use crate::output::line::{Line, Paint, safe, width};
use crate::output::passed_on::PassedOn;
use crate::output::picture::{self, ENDED, Extra, INDENT, Legend, OVERHANG, Scale};
use crate::output::words;

/// Lanes are at least this wide, however narrow the terminal.
const LANE_LEAST: usize = 8;
/// The label of the bar of the grace period.
const GRACE: &str = "grace period";

/// One container in the picture.
pub(super) struct Section<'a> {
    pub(super) termination: Cow<'a, Termination>,
    /// Now, while it goes on.
    pub(super) now: Option<BootNs>,
}

impl<'a> Section<'a> {
    pub(super) fn new(termination: Cow<'a, Termination>, now: BootNs) -> Self {
        let now = termination.ended.is_none().then_some(now);
        Self { termination, now }
    }

    /// When the last thing happened.
    fn last(&self) -> BootNs {
        picture::last_moment(&self.termination).max(self.now.unwrap_or(BootNs(0)))
    }
}

/// A line of the picture, not yet drawn: there may be thousands of them, and a screenful is visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// Name and state of a container.
    Heading(usize),
    /// The bar of its grace period.
    Grace(usize),
    /// From the request to delete its pod to the first sign.
    Deletion(usize),
    /// Its preStop hook.
    Hook(usize),
    /// A process of it, by its place among the lanes.
    Lane(usize, usize),
    /// So many processes that were left out.
    Hidden(usize),
    /// There are more than the model tells.
    Beyond,
}

/// A line of the picture, drawn.
pub(super) enum Drawn {
    /// All of it is text.
    Text(Line),
    /// A label, a lane, and what became of it.
    Lane { label: String, cells: Vec<(char, Paint)>, status: (Paint, String) },
}

/// Sections over one axis; of the same length, at least.
pub(super) struct Picture<'a> {
    pub(super) sections: &'a [Section<'a>],
    lanes: Vec<Vec<&'a TerminationProcess>>,
    passed_on: Vec<PassedOn>,
    scales: Vec<Scale>,
    /// Columns of labels.
    label: usize,
    /// Column where lanes begin.
    pub(super) left: usize,
    /// Columns of lanes.
    pub(super) lane: usize,
    width: usize,
    glyphs: &'static Glyphs,
}

impl<'a> Picture<'a> {
    /// In `width` columns. The axis begins with the first section's start, or with each section's own (`aligned`).
    pub(super) fn new(sections: &'a [Section<'a>], aligned: bool, width: usize, glyphs: &'static Glyphs) -> Self {
        let lanes: Vec<_> = sections.iter().map(|section| picture::lanes(&section.termination)).collect();
        let label = label_width(sections, &lanes, width, glyphs);
        let left = INDENT + label + 2;
        let lane = width.saturating_sub(left + 1 + ENDED).max(LANE_LEAST);
        Self {
            scales: scales(sections, aligned, lane.saturating_sub(OVERHANG)),
            passed_on: sections.iter().map(|section| PassedOn::of(&section.termination)).collect(),
            sections,
            lanes,
            label,
            left,
            lane,
            width,
            glyphs,
        }
    }

    /// The axis of the first section.
    pub(super) fn scale(&self) -> Option<&Scale> {
        self.scales.first()
    }

    /// The rows of a section: with all its processes, or without those that ended in time by themselves.
    pub(super) fn rows(&self, section: usize, all: bool) -> Vec<Row> {
        let mut rows = vec![Row::Heading(section), Row::Grace(section)];
        if self.sections[section].termination.deletion.is_some() {
            rows.push(Row::Deletion(section));
        }
        if self.sections[section].termination.pre_stop.is_some() {
            rows.push(Row::Hook(section));
        }
        let lanes = &self.lanes[section];
        let told = |lane: &usize| {
            let process = lanes[*lane];
            all || *lane == 0 || is_running(process) || process.exit.is_none_or(picture::is_kill)
        };
        let before = rows.len();
        rows.extend((0..lanes.len()).filter(told).map(|lane| Row::Lane(section, lane)));
        let hidden = lanes.len() - (rows.len() - before);
        rows.extend((hidden > 0).then_some(Row::Hidden(hidden)));
        rows.extend(is_cut(&self.sections[section].termination).then_some(Row::Beyond));
        rows
    }

    /// Draws one row.
    pub(super) fn draw(&self, row: Row, clock: Clock, legend: &mut Legend) -> Drawn {
        match row {
            Row::Heading(section) => Drawn::Text(heading(&self.sections[section], self.width, clock, self.glyphs)),
            Row::Grace(section) => self.grace(section),
            Row::Deletion(section) => self.deletion(section),
            Row::Hook(section) => self.hook(section),
            Row::Lane(section, lane) => self.process(section, lane, legend),
            Row::Beyond => {
                let mut line = Line::default();
                let told = limits::PROCESSES_TOLD;
                line.push(
                    Paint::Dim,
                    &format!("  there are more than these {told} processes; the others are not told"),
                );
                Drawn::Text(line)
            }
            Row::Hidden(count) => {
                let mut line = Line::default();
                let ended = if count == 1 { "1 that ended by itself is" } else { "those that ended by themselves are" };
                let count = if count == 1 { String::new() } else { format!("{count} of ") };
                line.push(Paint::Dim, &format!("  {count}{ended} left out (r)"));
                Drawn::Text(line)
            }
        }
    }

    /// How much of the grace period is used, and what is left.
    fn grace(&self, section: usize) -> Drawn {
        let (told, scale) = (&self.sections[section], &self.scales[section]);
        let termination = &told.termination;
        let mut cells = picture::empty(self.lane);
        let from = scale.column(termination.counted_from());
        let until = scale.column(termination.exited.or(told.now).unwrap_or(termination.started)).max(from);
        let Some(end) = picture::budget_end(termination) else {
            if termination.stop_signal.is_some() || termination.pre_stop.is_some() {
                cells[from..=until].fill((self.glyphs.used, Paint::Dim));
            }
            let status = (Paint::Dim, "unknown".to_owned());
            return Drawn::Lane { label: GRACE.to_owned(), cells, status };
        };
        let end = scale.column(end).max(from);
        cells[from..=end].fill((self.glyphs.left, Paint::Dim));
        cells[from..=until.min(end)].fill((self.glyphs.used, self.urgency(section)));
        if until > end {
            cells[end + 1..=until].fill((self.glyphs.over, Paint::Bad));
        }
        let budget = picture::budget(termination).map(words::duration).unwrap_or_default();
        Drawn::Lane { label: GRACE.to_owned(), cells, status: (Paint::Dim, budget) }
    }

    /// The less is left the louder.
    fn urgency(&self, section: usize) -> Paint {
        let told = &self.sections[section];
        let Some(budget) = picture::budget(&told.termination) else { return Paint::Dim };
        let used = used_ms(told);
        match (used.saturating_mul(100) / budget, told.now.is_some()) {
            (0..50, _) => Paint::Good,
            (50..80, _) | (80..97, false) => Paint::Warn,
            _ => Paint::Bad,
        }
    }

    /// How long it took from the request to delete the pod to the first sign.
    fn deletion(&self, section: usize) -> Drawn {
        let (termination, scale) = (&self.sections[section].termination, &self.scales[section]);
        let cells = picture::deletion_cells(termination, self.lane, scale, self.glyphs);
        let took = termination.deletion.map(|deletion| termination.started.ms_since(deletion.requested) / 1_000);
        let status = match took {
            None | Some(0) => "< 1 s".to_owned(),
            Some(seconds) => format!("~{seconds} s"),
        };
        Drawn::Lane { label: picture::DELETION.to_owned(), cells, status: (Paint::Dim, status) }
    }

    fn hook(&self, section: usize) -> Drawn {
        let (told, scale) = (&self.sections[section], &self.scales[section]);
        let Some(hook) = &told.termination.pre_stop else { return Drawn::Text(Line::default()) };
        let until = told.termination.exited.or(told.now).unwrap_or(hook.started);
        let cells = picture::hook_cells(hook, until, self.lane, scale, self.glyphs);
        let status = match hook.exit {
            Some(status) => (Paint::Plain, words::exit_word(status)),
            None if hook.ended.is_none() && told.now.is_some() => (Paint::Bold, "running".to_owned()),
            None => (Paint::Dim, "ended".to_owned()),
        };
        Drawn::Lane { label: picture::hook_label(hook, self.label, self.glyphs), cells, status }
    }

    fn process(&self, section: usize, lane: usize, legend: &mut Legend) -> Drawn {
        let (told, lanes) = (&self.sections[section], &self.lanes[section]);
        let process = lanes[lane];
        let extra = Extra { passed_on: self.passed_on[section].by(&process.process), now: told.now };
        let cells = picture::cells(process, &extra, self.lane, &self.scales[section], self.glyphs, legend);
        let status = match process.exit {
            Some(status) if picture::is_kill(status) => (Paint::Bad, words::exit_word(status)),
            Some(status) if status.code() == Some(0) => (Paint::Dim, words::exit_word(status)),
            Some(status) => (Paint::Plain, words::exit_word(status)),
            None if is_running(process) && told.now.is_some() => (Paint::Bold, "running".to_owned()),
            None => (Paint::Dim, "unseen".to_owned()),
        };
        Drawn::Lane { label: picture::label(lanes, lane, self.label, self.glyphs), cells, status }
    }

    /// Ruler and times.
    pub(super) fn axis(&self) -> [Line; 2] {
        self.scale().map(|scale| picture::axis(scale, self.left, self.glyphs)).unwrap_or_default()
    }
}

/// Whether there may be more processes than are told.
pub(super) fn is_cut(termination: &Termination) -> bool {
    termination.processes.len() >= limits::PROCESSES_TOLD
}

/// Whether it did not end, as far as is known.
pub(super) const fn is_running(process: &TerminationProcess) -> bool {
    process.exit.is_none() && process.exited.is_none()
}

/// What was used of the grace period, ms.
pub(super) fn used_ms(section: &Section<'_>) -> u64 {
    let termination = &section.termination;
    let until = termination.exited.or(section.now);
    until.map_or(termination.grace.used_ms, |until| until.ms_since(termination.counted_from()))
}

fn label_width(
    sections: &[Section<'_>],
    lanes: &[Vec<&TerminationProcess>],
    width_of_all: usize,
    glyphs: &Glyphs,
) -> usize {
    let longest = (width_of_all / 3).max(GRACE.len());
    let hooks = sections.iter().filter_map(|section| section.termination.pre_stop.as_ref());
    let hooks = hooks.map(|hook| width(&picture::hook_label(hook, longest, glyphs)));
    let processes = lanes
        .iter()
        .flat_map(|lanes| (0..lanes.len()).map(move |lane| width(&picture::label(lanes, lane, longest, glyphs))));
    processes.chain(hooks).max().unwrap_or(0).clamp(GRACE.len(), longest)
}

/// The axes: all of one length, which the longest section needs.
fn scales(sections: &[Section<'_>], aligned: bool, columns: usize) -> Vec<Scale> {
    let common = sections.iter().map(|section| section.termination.picture_start()).min().unwrap_or_default();
    let start = |section: &Section<'_>| if aligned { section.termination.picture_start() } else { common };
    let last = sections.iter().map(|section| section.last().since(start(section))).max().unwrap_or(0);
    let budget = |section: &Section<'_>| {
        let end = picture::budget_end(&section.termination)?.ms_since(start(section));
        Some((end, picture::budget(&section.termination)?))
    };
    let budget = sections.iter().filter_map(budget).max();
    sections.iter().map(|section| Scale::over(start(section), last, budget, columns)).collect()
}

/// `✖ SIGTERM DROPPED  shop/web/app            30.0 s of 30 s used  14:03:07`.
fn heading(section: &Section<'_>, limit: usize, clock: Clock, glyphs: &Glyphs) -> Line {
    let termination = &section.termination;
    let mut line = Line::default();
    let right = if section.now.is_some() {
        line.push(Paint::WarnHeader, &format!(" {} STOPPING ", glyphs.going_on));
        countdown(section)
    } else {
        let (title, glyph, paint, _) = block::title(termination, glyphs);
        line.push(paint, &format!(" {glyph} {title}{} ", if termination.certain { "" } else { " (uncertain)" }));
        let time = clock.time_of_day(termination.started).to_string();
        (Paint::Dim, format!("{}  {}", used(section), &time[..8]))
    };
    line.push(Paint::Plain, " ");
    let room = limit.saturating_sub(line.width() + width(&right.1) + 2);
    line.push(Paint::Bold, &words::full_container(&termination.container, room.max(8), glyphs));
    line.pad_to(limit.saturating_sub(width(&right.1)));
    line.push(right.0, &right.1);
    line.cut(limit, glyphs);
    line
}

/// `12.3 s left of 30 s`.
pub(super) fn countdown(section: &Section<'_>) -> (Paint, String) {
    let used = used_ms(section);
    let Some(budget) = picture::budget(&section.termination) else {
        return (Paint::Bold, format!("{} so far", tenths(used)));
    };
    let whole = words::duration(budget);
    match budget.checked_sub(used) {
        None => (Paint::Bad, format!("{} over the {whole}", tenths(used - budget))),
        Some(left) if left.saturating_mul(5) < budget => (Paint::Bad, format!("{} left of {whole}", tenths(left))),
        Some(left) => (Paint::Bold, format!("{} left of {whole}", tenths(left))),
    }
}

/// `30.0 s of 30 s`.
pub(super) fn used(section: &Section<'_>) -> String {
    let used = words::duration(used_ms(section));
    match picture::budget(&section.termination) {
        Some(budget) => format!("{used} of {}", words::duration(budget)),
        None => used,
    }
}

/// A time that changes while one looks at it: always with one decimal, so that it does not jump about.
pub(super) fn tenths(ms: u64) -> String {
    if ms < 120_000 { format!("{}.{} s", ms / 1_000, ms % 1_000 / 100) } else { words::duration(ms) }
}

/// A container of the same pod that runs on.
pub(super) fn beside(container: &Container, limit: usize, glyphs: &Glyphs) -> Line {
    let mut line = Line::default();
    line.push(Paint::Bold, &format!(" {}", safe(container.name.own(), glyphs)));
    line.push(Paint::Dim, "  of the same pod runs on; nothing asked it to stop yet");
    line.cut(limit, glyphs);
    line
}
