//! The shutdown page: the grace period as a picture, while it drains and after.

mod compare;
mod keys;
mod log;
mod moments;
mod picture;
mod render;
mod stops;
mod timeline;
mod waiting;

#[cfg(test)]
mod tests;

pub(crate) use waiting::sentence as waiting_for;

use ratatui::Frame;
use ratatui::layout::{Position, Rect};

use super::{Help, Page};
use crate::event::BootNs;
use crate::model::Change;
use crate::output::picture::Scale;
use crate::tui::choice::Scroll;
use crate::tui::input::{Effect, Input};
use crate::tui::scene::Scene;
use crate::tui::theme::Theme;

use stops::{Focus, StopId};

/// The page and what the person chose on it.
#[derive(Debug, Default)]
pub struct Shutdown {
    focus: Focus,
    mode: Mode,
    /// Where the person looks along the axis; at what happened last otherwise.
    cursor: Option<Cursor>,
    /// Processes that ended by themselves are left out.
    unended: bool,
    /// Marked to be compared.
    marked: Option<StopId>,
    list: Scroll,
    lanes: Scroll,
    prose: Scroll,
    log: Scroll,
    /// Where things were when they were drawn last, for the mouse and for steps along the axis.
    drawn: Geometry,
}

/// What is to be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Mode {
    /// List and picture.
    #[default]
    Both,
    /// The picture alone.
    Picture,
    /// Everything there is to say, in words.
    Words,
    /// Two terminations, the earlier first.
    Compare(StopId, StopId),
}

/// A place on the axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cursor {
    /// The n-th thing that happened.
    Mark(usize),
    /// A moment.
    At(BootNs),
}

#[derive(Clone, Copy, Debug, Default)]
struct Geometry {
    list: Rect,
    picture: Rect,
    log: Rect,
    /// Column of the terminal where lanes begin.
    lanes_from: usize,
    scale: Option<Scale>,
}

impl Geometry {
    /// The moment below a column of the terminal.
    fn moment(&self, column: u16) -> Option<BootNs> {
        let scale = self.scale?;
        let column = usize::from(column).checked_sub(self.lanes_from)?;
        (column < scale.columns).then(|| scale.moment(column))
    }

    fn on_list(&self, at: Position) -> bool {
        self.list.contains(at)
    }
}

impl Page for Shutdown {
    fn help(&self) -> &'static [Help] {
        if self.mode == Mode::Words { &keys::HELP_WORDS } else { &keys::HELP }
    }

    fn take(&mut self, _change: &Change, _scene: &Scene<'_>) {}

    fn input(&mut self, input: Input, scene: &Scene<'_>) -> Effect {
        match input {
            Input::Key(key) => self.key(key, scene),
            Input::Mouse(mouse) => self.mouse(mouse, scene),
            Input::Resize(..) => Effect::Draw,
        }
    }

    fn select(&mut self, container: &str, _scene: &Scene<'_>) {
        self.look_at(Focus::Container(container.to_owned()));
        self.mode = Mode::Both;
    }

    fn render(&mut self, frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, theme: &Theme) {
        self.draw(frame.buffer_mut(), area, scene, *theme);
    }
}

impl Shutdown {
    /// Looks at another stop, from the beginning.
    fn look_at(&mut self, focus: Focus) {
        if self.focus != focus {
            self.focus = focus;
            self.cursor = None;
            (self.lanes.first, self.prose.first) = (0, 0);
        }
    }
}
