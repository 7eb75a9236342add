//! A frame of a recording, for documents: the shutdown page as it looked at a moment.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::app::{App, Moment};
use super::page::PageKind;
use super::theme::{Colors, Theme};
use crate::event::Event;
use crate::model::{Change, Node};
use crate::output::Clock;

/// The shutdown page over `events` in so many columns and lines, `after_ms` of the first sign of the first stop, or at
/// the end.
#[must_use]
pub fn shutdown(events: &[Event], clock: Clock, size: (u16, u16), after_ms: Option<u64>) -> Buffer {
    let mut app = App::new(Theme { colors: Colors::Sixteen, ascii: false });
    let mut node = Node::new();
    let mut until = None;
    for event in events {
        if until.is_some_and(|until| event.0 > until) {
            break;
        }
        node.apply(event);
        let changes: Vec<Change> = node.take_changes().collect();
        app.take(&changes, &Moment { node: &node, now: event.0, clock });
        let started = || node.containers().find_map(|(_, container)| Some(container.stop.as_ref()?.started));
        until = until.or_else(|| Some(started()?.plus_ms(after_ms?)));
    }
    let now = until.unwrap_or_else(|| node.now());
    node.tick(now);
    let moment = Moment { node: &node, now, clock };
    app.turn(PageKind::Shutdown, None, &moment);
    draw(&mut app, &moment, size)
}

fn draw(app: &mut App, moment: &Moment<'_>, (columns, lines): (u16, u16)) -> Buffer {
    // a backend in memory cannot fail
    let Ok(mut terminal) = Terminal::new(TestBackend::new(columns, lines));
    terminal
        .draw(|frame| app.render(frame, moment))
        .map_or_else(|error: std::convert::Infallible| match error {}, |frame| frame.buffer.clone())
}
