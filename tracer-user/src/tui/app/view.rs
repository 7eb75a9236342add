//! Draws the frame around the pages: tabs, state, notices, key hints.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::{App, Moment, Playback, scene};
use crate::model::Container;
use crate::output::words;
use crate::printable;
use crate::tui::page::{Help, PageKind};
use crate::tui::scene::Scene;
use crate::tui::theme::{Theme, Tone};

/// With fewer columns nothing is drawn.
pub const MIN_COLUMNS: u16 = 40;
/// With fewer lines nothing is drawn.
pub const MIN_LINES: u16 = 10;

impl App {
    /// Draws one frame.
    pub fn render(&mut self, frame: &mut Frame<'_>, moment: &Moment<'_>) {
        let area = frame.area();
        self.tabs.clear();
        if area.width < MIN_COLUMNS || area.height < MIN_LINES {
            return too_small(frame, area);
        }
        let row = |y: u16| Rect { y: area.y + y, height: 1, ..area };
        let body = Rect { y: area.y + 2, height: area.height - 3, ..area };
        self.render_tabs(frame, row(0), moment);
        self.render_state(frame, row(1), moment);
        let (pages, shown) = (&mut self.pages, scene(&self.shown, self.frozen.as_deref(), moment));
        pages[self.current.index()].render(frame, body, &shown, &self.theme);
        self.render_footer(frame, row(area.height - 1));
        self.render_help(frame, body);
    }

    /// ` tracer  1 Containers  2 Shutdown …                 LIVE `
    fn render_tabs(&mut self, frame: &mut Frame<'_>, area: Rect, moment: &Moment<'_>) {
        let scene = scene(&self.shown, self.frozen.as_deref(), moment);
        let lost = moment.node.lost().total();
        let state = state(self.frozen.is_some(), self.playback, &scene);
        let mut right = Vec::new();
        if lost > 0 {
            right.push(Span::styled(format!(" LOST {lost} EVENTS "), self.theme.style(Tone::BadBar)));
            right.push(Span::raw(" "));
        }
        let tone = if self.frozen.is_some() { Tone::Selected } else { Tone::Strong };
        right.push(Span::styled(format!(" {state} "), self.theme.style(tone)));
        let right = Line::from(right);
        let room = area.width.saturating_sub(width(&right));
        let badges: Vec<_> = self.pages.iter().map(|page| page.badge(&scene)).collect();
        let tabs = [Tabs::Full, Tabs::NoBadges, Tabs::OnlyCurrent]
            .into_iter()
            .map(|how| (how.name(), how.spans(self.current, &badges, &self.theme)))
            .find(|(name, tabs)| name.len() as u16 + tabs.iter().map(width).sum::<u16>() <= room);
        let (name, tabs) = tabs.unwrap_or_default();
        let mut x = area.x;
        let buffer = frame.buffer_mut();
        (x, _) = buffer.set_line(x, area.y, &Line::styled(name, self.theme.style(Tone::Strong)), room);
        for (tab, page) in tabs.iter().zip(PageKind::ALL) {
            let columns = width(tab);
            self.tabs.push((Rect { x, y: area.y, width: columns, height: 1 }, page));
            (x, _) = buffer.set_line(x, area.y, tab, columns);
        }
        let columns = width(&right).min(area.width);
        buffer.set_line(area.right() - columns, area.y, &right, columns);
    }

    /// `3 containers · 1 stopping: web, 12.3 s left of 30 s`, or the position in the recording.
    fn render_state(&self, frame: &mut Frame<'_>, area: Rect, moment: &Moment<'_>) {
        let scene = scene(&self.shown, self.frozen.as_deref(), moment);
        let mut spans = vec![Span::raw(" ")];
        if let Some(title) = &self.title {
            spans.push(Span::styled(printable::text(title).into_owned(), self.theme.style(Tone::Note)));
            spans.push(Span::styled(self.theme.separator(), self.theme.style(Tone::Dim)));
        }
        spans.extend(summary(&scene, &self.theme));
        let right = self.playback.map_or_else(Line::default, |playback| bar(playback, &self.theme));
        let columns = width(&right).min(area.width);
        let buffer = frame.buffer_mut();
        buffer.set_line(area.x, area.y, &Line::from(spans), area.width - columns);
        buffer.set_line(area.right() - columns, area.y, &right, columns);
    }

    fn render_footer(&self, frame: &mut Frame<'_>, area: Rect) {
        let buffer = frame.buffer_mut();
        if let Some(notice) = &self.notice {
            let text = format!(" {} ", self.theme.safe(notice));
            buffer.set_style(area, self.theme.style(Tone::Bar));
            buffer.set_stringn(area.x, area.y, text, usize::from(area.width), self.theme.style(Tone::Bar));
            return;
        }
        let last = [Help { keys: "?", does: "help" }, Help { keys: "q", does: "quit" }];
        let right: Vec<_> = last.iter().flat_map(|help| hint(help, &self.theme)).collect();
        let right = Line::from(right);
        let room = area.width.saturating_sub(width(&right));
        let mut used = 0;
        let mut left = Vec::new();
        for help in self.pages[self.current.index()].help() {
            let spans = hint(help, &self.theme);
            used += spans.iter().map(Span::width).sum::<usize>();
            if used > usize::from(room) {
                break;
            }
            left.extend(spans);
        }
        buffer.set_line(area.x, area.y, &Line::from(left), room);
        buffer.set_line(area.x + room, area.y, &right, area.width - room);
    }
}

fn too_small(frame: &mut Frame<'_>, area: Rect) {
    let text = format!("too small: {}x{}, tracer needs {MIN_COLUMNS}x{MIN_LINES} (q quits)", area.width, area.height);
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), area);
}

fn width(line: &Line<'_>) -> u16 {
    u16::try_from(line.width()).unwrap_or(u16::MAX)
}

/// How much room the tabs take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tabs {
    Full,
    NoBadges,
    OnlyCurrent,
}

impl Tabs {
    const fn name(self) -> &'static str {
        match self {
            Self::Full | Self::NoBadges => " tracer ",
            Self::OnlyCurrent => " ",
        }
    }

    fn spans(self, current: PageKind, badges: &[Option<(String, Tone)>], theme: &Theme) -> Vec<Line<'static>> {
        let tab = |(page, badge): (PageKind, &Option<(String, Tone)>)| {
            let is_current = page == current;
            let tone = if is_current { Tone::Selected } else { Tone::Plain };
            let title = if is_current || self != Self::OnlyCurrent { page.title() } else { "" };
            let gap = if title.is_empty() { "" } else { " " };
            let mut spans = vec![Span::styled(format!(" {}{gap}{title}", page.index() + 1), theme.style(tone))];
            if let (Self::Full, Some((text, badge))) = (self, badge) {
                let style = if is_current { theme.style(tone) } else { theme.style(*badge) };
                spans.push(Span::styled(format!(" {text}"), style));
            }
            spans.push(Span::styled(" ", theme.style(tone)));
            Line::from(spans)
        };
        PageKind::ALL.into_iter().zip(badges).map(tab).collect()
    }
}

/// One word on what is looked at.
fn state(paused: bool, playback: Option<Playback>, scene: &Scene<'_>) -> String {
    let time = || scene.clock.time_of_day(scene.now).to_string().chars().take(8).collect::<String>();
    match playback {
        _ if paused => format!("PAUSED {}", time()),
        Some(playback) if playback.playing => format!("PLAYING {}", time()),
        Some(_) => format!("REPLAY {}", time()),
        None => "LIVE".to_owned(),
    }
}

/// How many there are, and which of those that stop has the least time left.
fn summary(scene: &Scene<'_>, theme: &Theme) -> Vec<Span<'static>> {
    let (mut count, mut stopping) = (0_usize, Vec::new());
    for (_, container) in scene.containers().filter(|(_, container)| container.gone.is_none()) {
        count += 1;
        if container.stop.is_some() {
            stopping.push((left(container, scene), container));
        }
    }
    let plural = if count == 1 { "" } else { "s" };
    let mut spans = vec![Span::styled(format!("{count} container{plural}"), theme.style(Tone::Dim))];
    stopping.sort_by_key(|(left, _)| left.map_or(u64::MAX, |(left, _)| left));
    if let Some((left, container)) = stopping.first() {
        spans.push(Span::styled(theme.separator(), theme.style(Tone::Dim)));
        let name = words::container(&container.name, 24, theme.glyphs());
        let text = match left {
            Some((0, of)) => {
                format!("{} stopping: {name}, the {} of grace are over", stopping.len(), words::duration(*of))
            }
            Some((left, of)) => {
                format!("{} stopping: {name}, {} left of {}", stopping.len(), tenths(*left), words::duration(*of))
            }
            None => format!("{} stopping: {name}", stopping.len()),
        };
        spans.push(Span::styled(text, theme.style(Tone::Warn)));
    }
    spans
}

/// What is left of a stop's budget and the budget, ms; `None` where none is known or needed.
fn left(container: &Container, scene: &Scene<'_>) -> Option<(u64, u64)> {
    let stop = container.stop.as_ref().filter(|stop| stop.exit.is_none())?;
    let budget = container.grace_ms().filter(|_| stop.signal.is_some() || stop.pre_stop.is_some())?;
    Some((budget.saturating_sub(scene.now.ms_since(stop.started)), budget))
}

/// `12.3 s`: what drains is told in tenths, so that its width does not change all the time.
fn tenths(ms: u64) -> String {
    format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
}

/// `▶ 0:12.3 ━━━━━━──── 0:30.0`
fn bar(playback: Playback, theme: &Theme) -> Line<'static> {
    const COLUMNS: u64 = 16;
    let glyphs = theme.glyphs();
    let clock = |ms: u64| format!("{}:{:02}.{}", ms / 60_000, ms / 1_000 % 60, ms % 1_000 / 100);
    let done = (playback.at_ms.saturating_mul(COLUMNS)).checked_div(playback.of_ms).unwrap_or(COLUMNS).min(COLUMNS);
    let times = |c: char, n: u64| std::iter::repeat_n(c, usize::try_from(n).unwrap_or(0)).collect::<String>();
    Line::from(vec![
        Span::raw(format!("{} ", clock(playback.at_ms))),
        Span::styled(times(glyphs.rule, done), theme.style(Tone::Note)),
        Span::styled(times(glyphs.axis, COLUMNS - done), theme.style(Tone::Dim)),
        Span::raw(format!(" {} ", clock(playback.of_ms))),
    ])
}

fn hint(help: &Help, theme: &Theme) -> [Span<'static>; 2] {
    let keys: String = help.keys.chars().map(|c| theme.ascii_or(c)).collect();
    [
        Span::styled(format!(" {keys}"), theme.style(Tone::Strong)),
        Span::styled(format!(" {} ", help.does), theme.style(Tone::Dim)),
    ]
}
