//! The picture of a termination: one lane a process, drawn over the grace period.

use crate::event::BootNs;
use crate::model::{ExitStatus, Party, PreStop, Received, Termination, TerminationProcess};
use crate::signal::Signal;

use super::glyphs::{Glyphs, Mark};
use super::line::{Line, Paint, width};
use super::passed_on::PassedOn;
use super::words;

/// Lanes drawn; what is beyond is folded into one line.
const LANES: usize = 12;
/// Columns before a lane's label.
pub(crate) const INDENT: usize = 2;
/// Columns after a lane for how the process ended: `exit 143`, `SIGKILL`.
pub(crate) const ENDED: usize = 8;
/// Room behind the end of the axis: the SIGKILL at the end of the grace period and the exit right after it.
pub(crate) const OVERHANG: usize = 2;
/// Levels of the tree that are indented; deeper ones stand below the last.
const LEVELS: usize = 4;

/// Label of the time from the request to delete the pod to the first sign of the stop.
pub(crate) const DELETION: &str = "pod deleted";

/// Distances between ticks, ms.
const STEPS: [u64; 20] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000,
    3_600_000,
];

/// Where a moment lies on the axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// The first column.
    pub(crate) started: BootNs,
    /// Time from the first to the last column, ns; never 0.
    span_ns: u64,
    /// Columns of the axis; at least 2.
    pub(crate) columns: usize,
    /// The grace period where its end lies before the end of the axis: that end and its length, ms.
    budget_ms: Option<(u64, u64)>,
}

impl Scale {
    fn new(termination: &Termination, columns: usize) -> Self {
        let started = termination.picture_start();
        let last = last_moment(termination).since(started);
        let end = budget_end(termination).map(|end| end.ms_since(started));
        Self::over(started, last, end.zip(budget(termination)), columns)
    }

    /// From `started` over `last` ns, and to the end of a grace period that ends later: when that is, from `started` on,
    /// and how long the period is, ms.
    pub(crate) fn over(started: BootNs, last: u64, budget_ms: Option<(u64, u64)>, columns: usize) -> Self {
        let budget = budget_ms.map_or(0, |(end, _)| end.saturating_mul(1_000_000));
        // A SIGKILL some milliseconds after the end belongs to the end.
        let late = last > budget.saturating_add(budget / 33);
        let span_ns = if late { last } else { budget };
        Self {
            started,
            span_ns: span_ns.max(1_000_000),
            columns: columns.max(2),
            budget_ms: budget_ms.filter(|_| late),
        }
    }

    /// The moment in the middle of a column.
    pub(crate) fn moment(&self, column: usize) -> BootNs {
        let last = (self.columns - 1) as u128;
        let ns = u128::from(self.span_ns) * (column as u128).min(last) / last;
        BootNs(self.started.0.saturating_add(u64::try_from(ns).unwrap_or(u64::MAX)))
    }

    fn column_of_ns(&self, ns: u64) -> usize {
        let last = self.columns - 1;
        let scaled = (u128::from(ns) * last as u128 + u128::from(self.span_ns / 2)) / u128::from(self.span_ns);
        usize::try_from(scaled).map_or(last, |column| column.min(last))
    }

    /// Where a moment lies; what is before the axis lies on its first column, what is after it on its last.
    pub(crate) fn column(&self, at: BootNs) -> usize {
        self.column_of_ns(at.since(self.started))
    }
}

/// The grace period to look at, ms: without a stop there is none.
pub(crate) fn budget(termination: &Termination) -> Option<u64> {
    let stopped = termination.stop_signal.is_some() || termination.pre_stop.is_some();
    termination.grace.budget_ms.filter(|&budget| stopped && budget > 0)
}

/// When that period ends: it is counted from [`Termination::counted_from`] on.
pub(crate) fn budget_end(termination: &Termination) -> Option<BootNs> {
    let ns = budget(termination)?.saturating_mul(1_000_000);
    Some(BootNs(termination.counted_from().0.saturating_add(ns)))
}

/// When the last thing happened that the picture shows.
pub(crate) fn last_moment(termination: &Termination) -> BootNs {
    let exits = termination.processes.iter().filter_map(|process| process.exited);
    let signals = termination.processes.iter().flat_map(|process| &process.received).map(|received| received.at);
    let own = [termination.exited, termination.kill.as_ref().map(|kill| kill.at)];
    exits.chain(signals).chain(own.into_iter().flatten()).max().unwrap_or(termination.started)
}

/// The processes that have a lane: all but the preStop hook's, which is a bar.
pub(crate) fn lanes(termination: &Termination) -> Vec<&TerminationProcess> {
    let hook = termination.pre_stop.as_ref();
    let is_hook = |party: &Party| hook.is_some_and(|hook| hook.is(party));
    termination.processes.iter().filter(|process| !is_hook(&process.process)).collect()
}

/// The picture in lines of at most `limit` columns: lanes, axis, legend. None where there is nothing to compare.
pub(crate) fn draw(termination: &Termination, limit: usize, glyphs: &Glyphs) -> Vec<Line> {
    let hook = termination.pre_stop.as_ref();
    let processes = lanes(termination);
    if let ([only], None) = (processes.as_slice(), hook)
        && only.received.is_empty()
    {
        // An exit alone is no picture: the sentences say it all.
        return Vec::new();
    }
    // One process more takes the room that the line about it would take.
    let drawn = if processes.len() <= LANES + 1 { processes.len() } else { LANES };

    let longest = limit / 3;
    let labels: Vec<_> = (0..drawn).map(|index| label(&processes, index, longest, glyphs)).collect();
    let hook_label = hook.map(|hook| hook_label(hook, longest, glyphs));
    let deletion_label = termination.deletion.map(|_| DELETION.to_owned());
    let label_width =
        labels.iter().chain(&hook_label).chain(&deletion_label).map(|label| width(label)).max().unwrap_or(0);
    let left = INDENT + label_width + 2;
    let lane_width = limit.saturating_sub(left + 1 + ENDED).max(10);
    let scale = Scale::new(termination, lane_width - OVERHANG);

    let mut legend = Legend::default();
    let mut lines = Vec::new();
    let mut add = |label: &str, cells: &[(char, Paint)], status: Option<ExitStatus>| {
        let mut line = Line::default();
        line.push(Paint::Plain, &" ".repeat(INDENT));
        line.push(Paint::Plain, label);
        line.pad_to(left);
        for (c, paint) in cells {
            line.push_char(*paint, *c);
        }
        line.pad_to(left + lane_width + 1);
        if let Some(status) = status {
            let paint = if status.code() == Some(0) { Paint::Dim } else { Paint::Plain };
            line.push(if is_kill(status) { Paint::Bad } else { paint }, &words::exit_word(status));
        }
        lines.push(line);
    };
    if deletion_label.is_some() {
        add(DELETION, &deletion_cells(termination, lane_width, &scale, glyphs), None);
    }
    if let (Some(hook), Some(label)) = (hook, &hook_label) {
        let until = termination.exited.unwrap_or(hook.started);
        add(label, &hook_cells(hook, until, lane_width, &scale, glyphs), hook.exit);
    }
    let passed_on = PassedOn::of(termination);
    for (process, label) in processes.iter().zip(&labels) {
        let extra = Extra { passed_on: passed_on.by(&process.process), now: None };
        let cells = cells(process, &extra, lane_width, &scale, glyphs, &mut legend);
        add(label, &cells, process.exit);
    }
    if let Some(folded) = folded(&processes[drawn..], glyphs) {
        let mut line = Line::default();
        line.push(Paint::Dim, &format!("{}{folded}", " ".repeat(INDENT)));
        lines.push(line);
    }
    lines.extend(axis(&scale, left, glyphs));
    lines.extend(legend.lines(left, limit, glyphs));
    lines
}

/// `preStop sleep 4200`; of one that kubelet runs itself, `preStop httpGet`.
pub(crate) fn hook_label(hook: &PreStop, longest: usize, glyphs: &Glyphs) -> String {
    match &hook.process {
        Some(process) => format!("preStop {}", words::short_process(process, longest.saturating_sub(8), glyphs)),
        None => format!("preStop {}", hook.kind.in_pod_spec()),
    }
}

/// The bar from the request to delete the pod to the first sign of the stop.
pub(crate) fn deletion_cells(
    termination: &Termination,
    lane_width: usize,
    scale: &Scale,
    glyphs: &Glyphs,
) -> Vec<(char, Paint)> {
    let mut cells = empty(lane_width);
    if let Some(deletion) = termination.deletion {
        let from = scale.column(deletion.requested);
        cells[from..=scale.column(termination.started).max(from)].fill((glyphs.left, Paint::Note));
    }
    cells
}

/// The bar of a preStop hook; one that has not ended goes on `until` then.
pub(crate) fn hook_cells(
    hook: &PreStop,
    until: BootNs,
    lane_width: usize,
    scale: &Scale,
    glyphs: &Glyphs,
) -> Vec<(char, Paint)> {
    let mut cells = empty(lane_width);
    let from = scale.column(hook.started);
    let to = scale.column(hook.ended.unwrap_or(until));
    cells[from..=to.max(from)].fill((glyphs.hook, Paint::Note));
    cells
}

/// Whether a process died by SIGKILL.
pub(crate) fn is_kill(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::KILL)
}

/// A lane without anything in it.
pub(crate) fn empty(lane_width: usize) -> Vec<(char, Paint)> {
    vec![(' ', Paint::Plain); lane_width]
}

/// `│ └ node 4140 (ns 30)`: the tree as far as depths tell it, in an order where children follow their parent.
pub(crate) fn label(processes: &[&TerminationProcess], index: usize, longest: usize, glyphs: &Glyphs) -> String {
    let process = processes[index];
    let mut tree = String::new();
    match process.depth {
        None => tree.extend([glyphs.beside, ' ']),
        Some(depth) => {
            let depth = usize::try_from(depth).unwrap_or(LEVELS).min(LEVELS);
            for level in 1..=depth {
                let more = goes_on(&processes[index + 1..], level);
                tree.push(match (level == depth, more) {
                    (true, true) => glyphs.branch,
                    (true, false) => glyphs.last_branch,
                    (false, true) => glyphs.trunk,
                    (false, false) => ' ',
                });
                tree.push(' ');
            }
        }
    }
    let room = longest.saturating_sub(width(&tree));
    tree.push_str(&words::short_process(&process.process, room, glyphs));
    tree
}

/// Whether a branch at `level` has another process below the current line.
fn goes_on(rest: &[&TerminationProcess], level: usize) -> bool {
    let levels = rest.iter().map_while(|process| process.depth).map(|depth| usize::try_from(depth).unwrap_or(LEVELS));
    for next in levels {
        if next <= level {
            return next == level;
        }
    }
    false
}

/// What a lane shows beside the signals its process was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extra<'a> {
    /// Signals it passed on to others, in order.
    pub(crate) passed_on: &'a [(BootNs, Signal)],
    /// Now, while it goes on: what runs has a lane up to here.
    pub(crate) now: Option<BootNs>,
}

/// One lane: a line while the process lived, and its marks.
pub(crate) fn cells(
    process: &TerminationProcess,
    extra: &Extra<'_>,
    lane_width: usize,
    scale: &Scale,
    glyphs: &Glyphs,
    legend: &mut Legend,
) -> Vec<(char, Paint)> {
    let mut cells = empty(lane_width);
    let mut marks: Vec<Option<Mark>> = vec![None; lane_width];
    let mut last_column = 0;
    let mut last = None;
    for (at, mark, signal) in marks_of(process, extra) {
        legend.add(mark, Some(signal));
        let column = scale.column(at);
        // what happens again at the same place is one mark
        if marks[column] != Some(mark) && last.replace((column, mark)) != Some((column, mark)) {
            last_column = last_column.max(place(&mut marks, column, mark));
        }
    }
    let end = process.exited.map(|exited| {
        legend.add(Mark::Exit, None);
        let column = scale.column(exited).max(last_column);
        place(&mut marks, column, Mark::Exit)
    });

    // A start before the first sign, or an unknown one, is the left edge.
    let from = scale.column(BootNs(process.process.start));
    let running = extra.now.filter(|_| end.is_none());
    let to = end.unwrap_or_else(|| running.map_or(scale.columns - 1, |now| scale.column(now) + 1));
    // what still runs stands out by weight
    let line = if running.is_some() { (glyphs.rule, Paint::Bold) } else { (glyphs.lane, Paint::Dim) };
    for cell in cells.iter_mut().take(to).skip(from) {
        *cell = line;
    }
    for (cell, mark) in cells.iter_mut().zip(marks) {
        if let Some(mark) = mark {
            *cell = (glyphs.mark(mark), paint(mark, process.exit));
        }
    }
    cells
}

/// The marks of a lane but for its end, in the order of time.
fn marks_of(process: &TerminationProcess, extra: &Extra<'_>) -> Vec<(BootNs, Mark, Signal)> {
    let received = process.received.iter().filter(|received| received.matters());
    let received = received.map(|Received { signal, at, outcome, taken, .. }| match Mark::of(*signal, *outcome) {
        Mark::Blocked if *taken => (*at, Mark::Taken, *signal),
        mark => (*at, mark, *signal),
    });
    let mut marks: Vec<_> = received.collect();
    marks.extend(extra.passed_on.iter().map(|(at, signal)| (*at, Mark::PassedOn, *signal)));
    marks.sort_by_key(|(at, ..)| *at);
    marks
}

/// Puts a mark at the first free column from `column` on: what happens at once stands side by side, in order.
fn place(marks: &mut [Option<Mark>], column: usize, mark: Mark) -> usize {
    let last = marks.len() - 1;
    let free = (column..=last).find(|&at| marks[at].is_none()).unwrap_or(last);
    marks[free] = Some(mark);
    free
}

pub(crate) fn paint(mark: Mark, exit: Option<ExitStatus>) -> Paint {
    match mark {
        Mark::Sent | Mark::PassedOn => Paint::Note,
        Mark::Caught | Mark::Taken => Paint::Good,
        Mark::Blocked | Mark::Ignored => Paint::Warn,
        Mark::Dropped | Mark::Killed => Paint::Bad,
        Mark::Exit if exit.is_some_and(is_kill) => Paint::Bad,
        Mark::Exit => Paint::Bold,
    }
}

/// `… and 37 more, all killed`.
fn folded(rest: &[&TerminationProcess], glyphs: &Glyphs) -> Option<String> {
    if rest.is_empty() {
        return None;
    }
    let killed = rest.iter().filter(|p| p.exit.is_some_and(is_kill)).count();
    let in_order = rest.iter().filter(|p| p.exit.is_some_and(|status| status.code() == Some(0))).count();
    let running = rest.iter().filter(|p| p.exit.is_none() && p.exited.is_none()).count();
    let total = rest.len();
    let ended = match total {
        _ if killed == total => "all killed".to_owned(),
        _ if in_order == total => "all exited with code 0".to_owned(),
        _ if running == total => "all still there".to_owned(),
        _ => {
            let others = total - killed - in_order - running;
            let parts = [
                (killed, "killed"),
                (in_order, "exited with code 0"),
                (others, "ended otherwise"),
                (running, "still there"),
            ];
            let parts = parts.iter().filter(|(count, _)| *count > 0).map(|(count, how)| format!("{count} {how}"));
            parts.collect::<Vec<_>>().join(", ")
        }
    };
    let dots = if glyphs.only_ascii { "..." } else { "…" };
    Some(format!("{dots} and {total} more, {ended}"))
}

/// The axis and the times below it.
pub(crate) fn axis(scale: &Scale, left: usize, glyphs: &Glyphs) -> [Line; 2] {
    let span_ms = scale.span_ns / 1_000_000;
    let last = scale.columns - 1;
    let mut bar = vec![glyphs.axis; scale.columns];
    // Labels with their columns: the ends and the budget first, then ticks where there is room.
    let mut labels: Vec<(usize, String)> = Vec::new();
    let mut put = |column: usize, text: String, room: usize| -> bool {
        let end = column + width(&text);
        let free = labels.iter().all(|(at, other)| end + room <= *at || at + width(other) + room <= column);
        if free {
            labels.push((column, text));
        }
        free
    };
    put(0, "0 s".to_owned(), 0);
    let budget = scale.budget_ms.map(|(end, budget)| (scale.column_of_ns(end.saturating_mul(1_000_000)), budget));
    if let Some((column, budget)) = budget {
        put(column, format!("{} grace", words::duration(budget)), 1);
    }
    put(last, words::duration(span_ms), 1);
    let fitting = |step: &&u64| span_ms / **step <= (last / 9).max(1) as u64;
    if let Some(step) = STEPS.iter().find(fitting) {
        for ms in (1..=span_ms / step).map(|n| n * step).filter(|ms| *ms < span_ms) {
            let column = scale.column_of_ns(ms * 1_000_000);
            if put(column, words::duration(ms), 2) {
                bar[column] = glyphs.axis_tick;
            }
        }
    }
    bar[0] = glyphs.axis_start;
    bar[last] = glyphs.axis_end;
    if let Some((column, _)) = budget {
        bar[column] = glyphs.axis_budget;
    }
    let (mut ruler, mut times) = (Line::default(), Line::default());
    ruler.push(Paint::Plain, &" ".repeat(left));
    for (column, c) in bar.into_iter().enumerate() {
        let marked = budget.is_some_and(|(at, _)| at == column);
        ruler.push_char(if marked { Paint::Warn } else { Paint::Dim }, c);
    }
    labels.sort_unstable();
    for (column, text) in labels {
        times.push(Paint::Plain, &" ".repeat((left + column).saturating_sub(times.width())));
        let marked = budget.is_some_and(|(at, _)| at == column);
        times.push(if marked { Paint::Warn } else { Paint::Dim }, &text);
    }
    [ruler, times]
}

/// The marks that were drawn, and for which signals.
#[derive(Debug, Default)]
pub(crate) struct Legend {
    entries: Vec<(Mark, Vec<Signal>)>,
}

impl Legend {
    /// A mark was drawn.
    pub(crate) fn add(&mut self, mark: Mark, signal: Option<Signal>) {
        let index = self.entries.iter().position(|(known, _)| *known == mark).unwrap_or_else(|| {
            self.entries.push((mark, Vec::new()));
            self.entries.len() - 1
        });
        let signals = &mut self.entries[index].1;
        if let Some(signal) = signal
            && !signals.contains(&signal)
        {
            signals.push(signal);
        }
    }

    /// In no more than `room` lines: with the signal's name once, where there is no room for more, and what is left out
    /// marked.
    pub(crate) fn fitting(mut self, left: usize, (limit, room): (usize, usize), glyphs: &Glyphs) -> Vec<Line> {
        let short = self.short(left, glyphs);
        let mut lines = self.lines(left, limit, glyphs);
        if let Some(short) = short.filter(|short| lines.len() > 1 && room > 0 && short.width() <= limit) {
            return vec![short];
        }
        let is_cut = lines.len() > room;
        lines.truncate(room);
        if let Some(last) = lines.last_mut().filter(|_| is_cut) {
            last.push(Paint::Dim, &" ".repeat(limit));
            last.cut(limit, glyphs);
        }
        lines
    }

    /// `SIGTERM: ● caught  ↓ passed on  ✖ SIGKILL  ■ exit`, where it is all about one signal.
    fn short(&mut self, left: usize, glyphs: &Glyphs) -> Option<Line> {
        self.entries.sort_by_key(|(mark, _)| *mark as usize);
        let is_own = |mark: &Mark| !matches!(mark, Mark::Killed | Mark::Exit);
        let mut own = self.entries.iter().filter(|(mark, _)| is_own(mark)).map(|(_, signals)| signals.as_slice());
        let [signal] = own.next()? else { return None };
        own.all(|signals| signals == [*signal]).then_some(())?;
        let mut line = Line::default();
        line.push(Paint::Dim, &format!("{}{signal}:", " ".repeat(left)));
        for (mark, _) in &self.entries {
            let word = match mark {
                Mark::Killed => Signal::KILL.to_string(),
                mark => mark.word().trim_matches([' ', '(', ')']).to_owned(),
            };
            line.push(Paint::Plain, if line.width() == left + width(&signal.to_string()) + 1 { " " } else { "  " });
            line.push_char(paint(*mark, None), glyphs.mark(*mark));
            line.push(Paint::Dim, &format!(" {word}"));
        }
        Some(line)
    }

    /// In as many lines as it takes.
    pub(crate) fn lines(mut self, left: usize, limit: usize, glyphs: &Glyphs) -> Vec<Line> {
        self.entries.sort_by_key(|(mark, _)| *mark as usize);
        let mut lines: Vec<Line> = Vec::new();
        for (mark, signals) in self.entries {
            let mut names = signals.iter().take(3).map(Signal::to_string).collect::<Vec<_>>().join(", ");
            if signals.len() > 3 {
                names.push_str(", others");
            }
            let text = format!("{names}{}", mark.word());
            let needed = width(&text) + 5;
            if lines.last().is_none_or(|line| line.width() + needed > limit) {
                let mut line = Line::default();
                line.push(Paint::Plain, &" ".repeat(left));
                lines.push(line);
            } else if let Some(line) = lines.last_mut() {
                line.push(Paint::Plain, "   ");
            }
            if let Some(line) = lines.last_mut() {
                line.push_char(paint(mark, None), glyphs.mark(mark));
                line.push(Paint::Dim, &format!(" {text}"));
            }
        }
        lines
    }
}
