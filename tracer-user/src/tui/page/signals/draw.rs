//! Puts the log and the details on the screen.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::Signals;
use super::details::details;
use crate::model::{Change, News};
use crate::output::line::{fit, wrap};
use crate::output::{Style, Text, block, words};
use crate::tui::scene::Scene;
use crate::tui::theme::{Colors, Theme, Tone};

/// Columns of the words at the left of the details.
const LABEL: u16 = 10;
/// The details take this many lines at most, and no more than half of the page.
const DETAILS: u16 = 14;

pub(super) fn page(page: &mut Signals, frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, theme: Theme) {
    let seen = page.settle();
    let buffer = frame.buffer_mut();
    head(page, seen, buffer, Rect { height: 1, ..area }, scene, theme);
    let told = if page.details { page.current().map(|change| details(change, scene, theme.glyphs())) } else { None };
    let below = told.as_ref().map_or(0, |_| DETAILS.min(area.height / 2));
    let list = Rect { y: area.y + 1, height: area.height - 1 - below, ..area };
    let style = Style { color: theme.colors == Colors::Sixteen, ascii: theme.ascii };
    let text = Text::new(Vec::new(), scene.clock, style, usize::from(area.width));
    for (y, index) in (list.y..).zip(page.list.place(list, seen)) {
        let Some(change) = page.listed.get(index).and_then(|number| page.history.get(*number)) else { continue };
        let at = Rect { y, height: 1, ..area };
        buffer.set_line(at.x, at.y, &line(change, &text, usize::from(area.width), scene, theme), area.width);
        if index == page.list.selected && (!page.is_following() || page.details) {
            buffer.set_style(at, theme.style(Tone::Selected));
        }
    }
    if seen == 0 {
        let text =
            if page.history.len() == 0 { "no signal was sent yet" } else { "nothing fits the filter: Esc drops it" };
        buffer.set_stringn(area.x + 2, list.y + 1, text, usize::from(area.width - 2), theme.style(Tone::Dim));
    }
    if let Some(told) = told {
        pane(&told, buffer, Rect { y: list.bottom(), height: below, ..area }, theme);
    }
}

/// What is listed, and whether the newest stays in sight.
fn head(page: &Signals, seen: usize, buffer: &mut Buffer, area: Rect, scene: &Scene<'_>, theme: Theme) {
    let filter = &page.filter;
    let total = page.history.len();
    let count = if seen == total { format!(" {total} events") } else { format!(" {seen} of {total} events") };
    let mut spans = vec![Span::styled(count, theme.style(Tone::Dim))];
    let mut chip = |text: String| spans.push(Span::styled(format!("  {text}"), theme.style(Tone::Note)));
    if let Some(outcome) = filter.outcome {
        chip(format!("outcome: {outcome}"));
    }
    if let Some(signal) = filter.signal {
        chip(format!("signal: {signal}"));
    }
    if let Some(id) = &filter.container {
        let name = scene.node.container_by_id(id).map(|(_, container)| &container.name);
        let name = name.map_or_else(|| theme.safe(id).into_owned(), |name| words::container(name, 30, theme.glyphs()));
        chip(format!("container: {}", fit(&name, 30, theme.glyphs())));
    }
    if filter.everything {
        chip("everything".to_owned());
    }
    if page.typing.is_active() || !filter.text.is_empty() {
        let cursor = if page.typing.is_active() { "_" } else { "" };
        chip(format!("/{}{cursor}", theme.safe(&filter.text)));
    }
    let newer = seen.saturating_sub(page.list.selected + 1);
    let (state, tone) = match (page.is_following(), newer) {
        (true, _) => ("following ".to_owned(), Tone::Good),
        (false, 0) => ("f follows ".to_owned(), Tone::Warn),
        (false, newer) => (format!("{newer} newer, f follows "), Tone::Warn),
    };
    let state = Line::styled(state, theme.style(tone));
    let columns = u16::try_from(state.width()).unwrap_or(0).min(area.width);
    buffer.set_line(area.x, area.y, &Line::from(spans), area.width.saturating_sub(columns + 1));
    buffer.set_line(area.right() - columns, area.y, &state, columns);
}

/// One line, as the text view has it; of the end of a container its heading.
fn line(change: &Change, text: &Text<Vec<u8>>, width: usize, scene: &Scene<'_>, theme: Theme) -> Line<'static> {
    let glyphs = theme.glyphs();
    match &change.news {
        News::Termination(news) => theme.line(&block::header(news, scene.clock, width, glyphs)),
        _ => text.lines(change).first().map(|line| theme.line(line)).unwrap_or_default(),
    }
}

fn pane(told: &[(&'static str, String)], buffer: &mut Buffer, area: Rect, theme: Theme) {
    let glyphs = theme.glyphs();
    let rule = glyphs.thin_rule.to_string().repeat(usize::from(area.width));
    buffer.set_string(area.x, area.y, rule, theme.style(Tone::Dim));
    let room = usize::from(area.width.saturating_sub(LABEL + 1)).max(8);
    let lines = told.iter().flat_map(|(label, text)| {
        let wrapped = wrap(text, room).into_iter().enumerate();
        wrapped.map(move |(index, line)| (if index == 0 { *label } else { "" }, line))
    });
    for (y, (label, line)) in (area.y + 1..area.bottom()).zip(lines) {
        buffer.set_string(area.x + 1, y, label, theme.style(Tone::Strong));
        buffer.set_stringn(area.x + LABEL, y, line, room, theme.style(Tone::Plain));
    }
}
