//! Draws the frame around the pages: tabs, state, notices, key hints.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::{App, Moment, Playback, scene};
use crate::output::line::fit;
use crate::output::words;
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
        let state = state(self.frozen.is_some(), self.playback, self.attached, &scene);
        let mut right = Vec::new();
        if lost > 0 {
            let events = if area.width < 100 { "" } else { " EVENTS" };
            right.push(Span::styled(format!(" LOST {lost}{events} "), self.theme.style(Tone::BadBar)));
            right.push(Span::raw(" "));
        }
        let tone = if self.frozen.is_some() { Tone::Selected } else { Tone::Strong };
        right.push(Span::styled(format!(" {state} "), self.theme.style(tone)));
        let right = Line::from(right);
        let room = area.width.saturating_sub(width(&right));
        let badges: Vec<_> = self.pages.iter().map(|page| page.badge(&scene)).collect();
        let tabs = [Tabs::Full, Tabs::NoName, Tabs::NoBadges, Tabs::OnlyCurrent]
            .into_iter()
            .map(|how| (how.name(), how.spans(self.current, &badges, self.theme)))
            .find(|(name, tabs)| columns(name) + tabs.iter().map(width).sum::<u16>() <= room);
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

    /// `3 containers · 1 stopping: web, 12.3 s left of 30 s`, and the position in the recording.
    fn render_state(&self, frame: &mut Frame<'_>, area: Rect, moment: &Moment<'_>) {
        let scene = scene(&self.shown, self.frozen.as_deref(), moment);
        let columns = if area.width < 100 { 8 } else { 24 };
        let right = self.playback.map_or_else(Line::default, |playback| bar(playback, columns, self.theme));
        let room = area.width.saturating_sub(width(&right) + 1);
        let line = self.state_line(&scene, usize::from(room));
        let buffer = frame.buffer_mut();
        buffer.set_line(area.x, area.y, &line, room);
        let columns = width(&right).min(area.width);
        buffer.set_line(area.right() - columns, area.y, &right, columns);
    }

    /// What moves is told first of all; the title is shortened before it gives way.
    fn state_line(&self, scene: &Scene<'_>, room: usize) -> Line<'static> {
        /// A title that is shorter says nothing.
        const TITLE: usize = 12;
        let separator = Span::styled(self.theme.separator(), self.theme.style(Tone::Dim));
        let (count, stopping) = (count(scene, self.theme), stopping(scene, self.theme));
        let title = |room: usize| {
            let title = self.theme.safe(self.title.as_deref()?);
            let title = fit(&title, room, self.theme.glyphs()).into_owned();
            (room >= TITLE).then(|| Span::styled(title, self.theme.style(Tone::Note)))
        };
        let line = |parts: [Option<Span<'static>>; 3]| {
            let parts = parts.into_iter().flatten().flat_map(|part| [separator.clone(), part]).skip(1);
            Line::from([Span::raw(" ")].into_iter().chain(parts).collect::<Vec<_>>())
        };
        let whole = line([title(usize::MAX), Some(count.clone()), stopping.clone()]);
        if whole.width() <= room {
            return whole;
        }
        let last = stopping.or_else(|| self.title.is_none().then_some(count));
        let left = room.saturating_sub(last.as_ref().map_or(0, Span::width) + separator.width() + 1);
        line([title(left), None, last])
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
        let right: Vec<_> = last.iter().flat_map(|help| hint(help, self.theme)).collect();
        let right = Line::from(right);
        let room = area.width.saturating_sub(width(&right));
        let mut used = 0;
        let mut left = Vec::new();
        for help in self.pages[self.current.index()].help() {
            let spans = hint(help, self.theme);
            let columns = spans.iter().map(Span::width).sum::<usize>();
            // a long one makes way for the shorter ones after it
            if used + columns <= usize::from(room) {
                used += columns;
                left.extend(spans);
            }
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

fn columns(text: &str) -> u16 {
    u16::try_from(text.len()).unwrap_or(u16::MAX)
}

/// How much room the tabs take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tabs {
    Full,
    NoName,
    NoBadges,
    OnlyCurrent,
}

impl Tabs {
    const fn name(self) -> &'static str {
        match self {
            Self::Full => " tracer ",
            Self::NoName | Self::NoBadges | Self::OnlyCurrent => "",
        }
    }

    fn spans(self, current: PageKind, badges: &[Option<(String, Tone)>], theme: Theme) -> Vec<Line<'static>> {
        let tab = |(page, badge): (PageKind, &Option<(String, Tone)>)| {
            let is_current = page == current;
            let tone = if is_current { Tone::Selected } else { Tone::Plain };
            let title = if is_current || self != Self::OnlyCurrent { page.title() } else { "" };
            let gap = if title.is_empty() { "" } else { " " };
            let mut spans = vec![Span::styled(format!(" {}{gap}{title}", page.index() + 1), theme.style(tone))];
            if let (Self::Full | Self::NoName, Some((text, badge))) = (self, badge) {
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
fn state(paused: bool, playback: Option<Playback>, attached: bool, scene: &Scene<'_>) -> String {
    let time = || scene.clock.time_of_day(scene.now).to_string().chars().take(8).collect::<String>();
    match playback {
        _ if paused => format!("PAUSED {}", time()),
        Some(playback) if playback.playing => format!("PLAYING {}", time()),
        Some(_) => format!("REPLAY {}", time()),
        None if attached => "LIVE, AGENT".to_owned(),
        None => "LIVE".to_owned(),
    }
}

/// How many there are, and of how many it is still known how they went.
fn count(scene: &Scene<'_>, theme: Theme) -> Span<'static> {
    let (gone, present): (Vec<_>, Vec<_>) = scene.containers().partition(|(_, container)| container.gone.is_some());
    let plural = if present.len() == 1 { "" } else { "s" };
    let gone = if gone.is_empty() { String::new() } else { format!(", {} gone", gone.len()) };
    Span::styled(format!("{} container{plural}{gone}", present.len()), theme.style(Tone::Dim))
}

/// How many stop, and which of them has the least time left.
fn stopping(scene: &Scene<'_>, theme: Theme) -> Option<Span<'static>> {
    let stopping = scene.containers().filter(|(_, container)| container.stop.is_some());
    let mut stopping: Vec<_> = stopping.map(|(key, container)| (scene.budget(key), container)).collect();
    stopping.sort_by_key(|(budget, _)| budget.map_or(u64::MAX, |budget| budget.left_ms));
    let (budget, container) = stopping.first()?;
    let name = words::container(&container.name, 24, theme.glyphs());
    let text = match budget {
        Some(budget) if budget.left_ms == 0 => format!("{name}, grace of {} over", words::duration(budget.of_ms)),
        Some(budget) => format!("{name}, {} left of {}", tenths(budget.left_ms), words::duration(budget.of_ms)),
        None => name,
    };
    Some(Span::styled(format!("{} stopping: {text}", stopping.len()), theme.style(Tone::Warn)))
}

/// `▶ 0:12.3 ━━━━━━──── 0:30.0`
fn bar(playback: Playback, columns: u64, theme: Theme) -> Line<'static> {
    let glyphs = theme.glyphs();
    let clock = |ms: u64| format!("{}:{:02}.{}", ms / 60_000, ms / 1_000 % 60, ms % 1_000 / 100);
    let done = playback.at_ms.saturating_mul(columns).checked_div(playback.of_ms).unwrap_or(columns).min(columns);
    let times = |c: char, n: u64| std::iter::repeat_n(c, usize::try_from(n).unwrap_or(0)).collect::<String>();
    Line::from(vec![
        Span::raw(format!("{} ", clock(playback.at_ms))),
        Span::styled(times(glyphs.rule, done), theme.style(Tone::Note)),
        Span::styled(times(glyphs.axis, columns - done), theme.style(Tone::Dim)),
        Span::raw(format!(" {} ", clock(playback.of_ms))),
    ])
}

/// `12.3 s`: what drains is told in tenths, so that its width does not change all the time.
pub(in crate::tui) fn tenths(ms: u64) -> String {
    format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
}

fn hint(help: &Help, theme: Theme) -> [Span<'static>; 2] {
    let keys: String = help.keys.chars().map(|c| theme.ascii_or(c)).collect();
    [
        Span::styled(format!(" {keys}"), theme.style(Tone::Strong)),
        Span::styled(format!(" {} ", help.does), theme.style(Tone::Dim)),
    ]
}
