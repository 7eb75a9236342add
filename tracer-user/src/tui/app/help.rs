//! The help: every key, from the tables that give the keys their meaning.

use crossterm::event::{KeyCode, KeyEvent, MouseEventKind};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph};

use super::{App, HELP, HELP_ALWAYS, HELP_SEEKS};
use crate::tui::input::Effect;
use crate::tui::page::Help;
use crate::tui::theme::Tone;

/// Columns of the keys, unless some need more.
const KEYS: usize = 17;
/// Columns of the whole, with its border.
const COLUMNS: u16 = 72;

impl App {
    /// The tables that hold now, each under its heading.
    fn help_tables(&self) -> Vec<(&'static str, Vec<Help>)> {
        let page = self.pages[self.current.index()].help().to_vec();
        let everywhere = HELP.iter().filter(|help| self.playback.is_none() || help.keys != HELP_SEEKS[0].keys);
        let everywhere = everywhere.chain(&HELP_ALWAYS).copied().collect();
        let mut tables = vec![(self.current.title(), page), ("Everywhere", everywhere)];
        if self.playback.is_some() {
            tables.insert(1, ("In the recording", HELP_SEEKS.to_vec()));
        }
        tables.retain(|(_, lines)| !lines.is_empty());
        tables
    }

    fn help_lines(&self) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        let tables = self.help_tables();
        let columns = tables.iter().flat_map(|(_, table)| table).map(|help| help.keys.chars().count());
        let columns = columns.max().unwrap_or(0).max(KEYS);
        for (heading, table) in tables {
            if !lines.is_empty() {
                lines.push(Line::default());
            }
            lines.push(Line::styled(heading, self.theme.style(Tone::Strong)));
            for Help { keys, does } in table {
                let keys = keys.chars().map(|c| self.theme.ascii_or(c)).collect::<String>();
                lines.push(Line::from(vec![
                    Span::styled(format!("  {keys:columns$} "), self.theme.style(Tone::Note)),
                    Span::raw(does),
                ]));
            }
        }
        lines
    }

    pub(super) fn render_help(&mut self, frame: &mut Frame<'_>, area: Rect) {
        let lines = self.help_lines();
        let Some(scrolled) = &mut self.help else { return };
        let wanted = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
        let size = (COLUMNS.min(area.width), wanted.min(area.height));
        let place = Rect {
            x: area.x + (area.width - size.0) / 2,
            y: area.y + (area.height - size.1) / 2,
            width: size.0,
            height: size.1,
        };
        *scrolled = (*scrolled).min(wanted - size.1);
        let more = wanted > size.1;
        let title = if more { " Keys: j k scroll, q closes " } else { " Keys: q closes " };
        let block = Block::bordered().title(title).border_style(self.theme.style(Tone::Dim));
        let block = if self.theme.ascii {
            block.border_set(crate::tui::theme::ASCII_BORDER)
        } else {
            block.border_type(BorderType::Rounded)
        };
        frame.render_widget(Clear, place);
        frame.render_widget(Paragraph::new(lines).block(block).scroll((*scrolled, 0)), place);
    }

    pub(super) fn key_in_help(&mut self, line: u16, key: KeyEvent) -> Effect {
        self.help = match key.code {
            KeyCode::Char('j') | KeyCode::Down => Some(line.saturating_add(1)),
            KeyCode::Char('k') | KeyCode::Up => Some(line.saturating_sub(1)),
            KeyCode::PageDown => Some(line.saturating_add(10)),
            KeyCode::PageUp => Some(line.saturating_sub(10)),
            _ => None,
        };
        Effect::Draw
    }

    pub(super) fn scroll_help(&mut self, line: u16, kind: MouseEventKind) -> Effect {
        self.help = match kind {
            MouseEventKind::ScrollDown => Some(line.saturating_add(3)),
            MouseEventKind::ScrollUp => Some(line.saturating_sub(3)),
            MouseEventKind::Down(_) => None,
            _ => return Effect::Pass,
        };
        Effect::Draw
    }
}
