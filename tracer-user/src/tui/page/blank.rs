//! A page that is not there yet.

use ratatui::Frame;
use ratatui::layout::Rect;

use super::{Help, Page};
use crate::model::Change;
use crate::tui::input::{Effect, Input};
use crate::tui::scene::Scene;
use crate::tui::theme::Theme;

pub(super) struct Blank;

impl Page for Blank {
    fn help(&self) -> &'static [Help] {
        &[]
    }

    fn take(&mut self, _change: &Change, _scene: &Scene<'_>) {}

    fn input(&mut self, _input: Input, _scene: &Scene<'_>) -> Effect {
        Effect::Pass
    }

    fn select(&mut self, _container: &str, _scene: &Scene<'_>) {}

    fn render(&mut self, _frame: &mut Frame<'_>, _area: Rect, _scene: &Scene<'_>, _theme: &Theme) {}
}
