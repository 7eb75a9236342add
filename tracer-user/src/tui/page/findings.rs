//! The findings page: all that is wrong or went wrong, each with its explanation and what to change.

mod collect;
mod render;

#[cfg(test)]
mod tests;

use crossterm::event::{KeyCode, KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};

use super::{Help, Page, PageKind};
use crate::event::BootNs;
use crate::model::{Cause, Change, Condition, ConditionKind, Termination, Verdict};
use crate::tui::choice::{STEP_KEYS, Scroll, Step, TURN_KEYS, Turn};
use crate::tui::export::{Export, Report};
use crate::tui::input::{Effect, Input};
use crate::tui::keys::{self, Binding, Key};
use crate::tui::scene::Scene;
use crate::tui::theme::{Theme, Tone};

use collect::{Finding, FindingId, Order, What};

/// Lines that one notch of the mouse wheel scrolls.
const NOTCH: isize = 3;

/// What a key means here.
#[derive(Clone, Copy)]
enum Action {
    Step(Step),
    Turn(Turn),
    Sort,
    Open,
    Export(Export),
    /// All of them into one file.
    All,
}

const KEYS: [Binding<Action>; 8] = [
    Binding::new(
        "j k ↓ ↑",
        "other finding",
        STEP_KEYS,
        &[
            Action::Step(Step::Next),
            Action::Step(Step::Previous),
            Action::Step(Step::Next),
            Action::Step(Step::Previous),
        ],
    ),
    Binding::new("y", "copy", &[Key::Char('y')], &[Action::Export(Export::Copy)]),
    Binding::new(
        "w J R",
        "save: Markdown, JSON, recording",
        &[Key::Char('w'), Key::Char('J'), Key::Char('R')],
        &[Action::Export(Export::Markdown), Action::Export(Export::Json), Action::Export(Export::Recording)],
    ),
    Binding::new("W", "save all", &[Key::Char('W')], &[Action::All]),
    Binding::new("Enter", "the page it is from", &[Key::Code(KeyCode::Enter)], &[Action::Open]),
    Binding::new("s", "newest first, worst first", &[Key::Char('s')], &[Action::Sort]),
    Binding::new(
        "PgDn PgUp Ctrl-D Ctrl-U",
        "scroll the text",
        TURN_KEYS,
        &[
            Action::Turn(Turn::Page),
            Action::Turn(Turn::PageBack),
            Action::Turn(Turn::Half),
            Action::Turn(Turn::HalfBack),
        ],
    ),
    Binding::new(
        "g G",
        "first, last",
        &[Key::Char('g'), Key::Char('G')],
        &[Action::Step(Step::First), Action::Step(Step::Last)],
    ),
];

const HELP: [Help; 8] = keys::help(&KEYS);

/// The page and what the person chose on it.
#[derive(Debug, Default)]
pub struct Findings {
    chosen: Option<FindingId>,
    order: Order,
    list: Scroll,
    text: Scroll,
    /// Where the list was drawn last.
    drawn: Rect,
}

impl Findings {
    fn index(&self, findings: &[Finding<'_>]) -> Option<usize> {
        let found = self.chosen.as_ref().and_then(|id| findings.iter().position(|finding| finding.id == *id));
        found.or_else(|| (!findings.is_empty()).then_some(0))
    }

    fn choose(&mut self, index: usize, findings: &[Finding<'_>]) -> Effect {
        if let Some(finding) = findings.get(index)
            && self.chosen.as_ref() != Some(&finding.id)
        {
            self.chosen = Some(finding.id.clone());
            self.text.first = 0;
        }
        Effect::Draw
    }

    fn key(&mut self, key: KeyEvent, scene: &Scene<'_>) -> Effect {
        let Some(action) = keys::find(&KEYS, key) else { return Effect::Pass };
        let findings = collect::all(scene, self.order);
        let index = self.index(&findings);
        match action {
            Action::Step(step) => match step.from(index, findings.len()) {
                Some(index) => self.choose(index, &findings),
                None => Effect::Draw,
            },
            Action::Turn(turn) => {
                self.text.turn(turn);
                Effect::Draw
            }
            Action::Sort => {
                self.order = self.order.other();
                Effect::Draw
            }
            Action::Open => index.map_or(Effect::Draw, |index| open(&findings[index])),
            Action::Export(export) => match index {
                Some(index) => export.make(&report(&findings[index], scene)),
                None => Effect::Say("nothing was found so far".to_owned()),
            },
            Action::All => all_of_them(&findings, scene),
        }
    }

    fn mouse(&mut self, mouse: MouseEvent, scene: &Scene<'_>) -> Effect {
        let on_list = self.drawn.contains(Position { x: mouse.column, y: mouse.row });
        match mouse.kind {
            MouseEventKind::ScrollDown | MouseEventKind::ScrollUp => {
                let down = mouse.kind == MouseEventKind::ScrollDown;
                if on_list {
                    let findings = collect::all(scene, self.order);
                    let step = if down { Step::Next } else { Step::Previous };
                    let index = step.from(self.index(&findings), findings.len());
                    return index.map_or(Effect::Draw, |index| self.choose(index, &findings));
                }
                self.text.turn(Turn::Lines(if down { NOTCH } else { -NOTCH }));
                Effect::Draw
            }
            MouseEventKind::Down(MouseButton::Left) if on_list => {
                let index = self.list.first + usize::from(mouse.row - self.drawn.y);
                self.choose(index, &collect::all(scene, self.order))
            }
            _ => Effect::Pass,
        }
    }
}

/// Whether what was wrong with a container is worse than how it ended: it was killed from outside, or exited by itself.
pub(in crate::tui) fn outweighs_its_end(container: &str, ended: &Termination, scene: &Scene<'_>) -> bool {
    let plain = match ended.verdict {
        Verdict::Killed => ended.cause == Some(Cause::NeverSignalled),
        Verdict::Exited => true,
        _ => false,
    };
    let findings = collect::all(scene, Order::Worst);
    let worst = collect::worst(&findings, container).map(|index| findings[index].what);
    plain && matches!(worst, Some(What::Condition(..)))
}

/// What was found in a container, but for its ends: each once, with when it was told last, the newest first.
pub(in crate::tui) fn conditions_of<'a>(container: &str, scene: &Scene<'a>) -> Vec<(BootNs, &'a Condition)> {
    let condition = |finding: &Finding<'a>| match finding.what {
        What::Condition(at, condition) if finding.container().is_some_and(|of| of.id == container) => {
            Some((at, condition))
        }
        _ => None,
    };
    collect::all(scene, Order::Newest).iter().filter_map(condition).collect()
}

/// The page that shows more of it.
fn open(finding: &Finding<'_>) -> Effect {
    let page = match finding.what {
        What::Ending(_) => PageKind::Shutdown,
        What::Condition(_, condition) if condition.kind == ConditionKind::Zombies => PageKind::Zombies,
        What::Condition(..) => PageKind::Signals,
    };
    Effect::Show(page, finding.container().map(|container| container.id.clone()))
}

fn report<'a>(finding: &Finding<'a>, scene: &Scene<'_>) -> Report<'a> {
    match finding.what {
        What::Ending(termination) => Report::stop(termination, scene),
        What::Condition(at, condition) => Report::condition(at, condition, scene),
    }
}

fn all_of_them(findings: &[Finding<'_>], scene: &Scene<'_>) -> Effect {
    let Some(first) = findings.first() else { return Effect::Say("nothing was found so far".to_owned()) };
    let pages: Vec<_> = findings.iter().map(|finding| report(finding, scene).markdown()).collect();
    Effect::Save(report(first, scene).file_of_all(scene.now, "md"), pages.join("\n"))
}

impl Page for Findings {
    fn help(&self) -> &'static [Help] {
        &HELP
    }

    fn take(&mut self, _change: &Change, _scene: &Scene<'_>) {}

    fn input(&mut self, input: Input, scene: &Scene<'_>) -> Effect {
        match input {
            Input::Key(key) => self.key(key, scene),
            Input::Mouse(mouse) => self.mouse(mouse, scene),
            Input::Resize(..) => Effect::Draw,
        }
    }

    fn select(&mut self, container: &str, scene: &Scene<'_>) {
        let findings = collect::all(scene, self.order);
        if let Some(index) = collect::worst(&findings, container) {
            self.choose(index, &findings);
        }
    }

    fn badge(&self, scene: &Scene<'_>) -> Option<(String, Tone)> {
        let findings = collect::all(scene, self.order);
        let bad = findings.iter().any(Finding::is_bad);
        (!findings.is_empty()).then(|| (findings.len().to_string(), if bad { Tone::Bad } else { Tone::Warn }))
    }

    fn render(&mut self, frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, theme: &Theme) {
        self.draw(frame.buffer_mut(), area, scene, *theme);
    }
}
