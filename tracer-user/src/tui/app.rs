//! The whole of it: which page is open, what is paused, what a key means everywhere.

use std::collections::HashSet;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, MouseButton, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::input::{Effect, Input, Seek};
use super::keys::{self, Binding, Key};
use super::page::{self, Help, Page, PageKind};
use super::scene::Scene;
use super::theme::Theme;
use crate::event::BootNs;
use crate::model::{Change, ContainerState, News, Node, Termination};
use crate::output::Clock;

mod help;
mod view;

#[cfg(test)]
mod tests;

pub(super) use view::tenths;
pub use view::{MIN_COLUMNS, MIN_LINES};

/// While a stop goes on its budget is seen draining, this often, ms.
const DRAINING_MS: u64 = 100;
/// Ids of containers to show that are remembered before those that nothing tells of any more are forgotten.
const SHOWN_KEPT: usize = 4_096;

/// The model as it is now, behind what may be paused.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// The model.
    pub node: &'a Node,
    /// The time: of the clock live, of the position in a replay.
    pub now: BootNs,
    /// From time since boot to UTC.
    pub clock: Clock,
}

/// The position in a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Playback {
    /// Since its first event, ms.
    pub at_ms: u64,
    /// Length of the whole, ms.
    pub of_ms: u64,
    /// It is being played.
    pub playing: bool,
}

/// What is shown while paused.
struct Frozen {
    node: Node,
    now: BootNs,
    shown: HashSet<String>,
}

/// What a key means everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Next,
    Previous,
    Turn(PageKind),
    Pause,
    Help,
    Mouse,
    Quit,
}

const KEYS: [Binding<Action>; 6] = [
    Binding::new(
        "Tab, Shift-Tab",
        "next page, page before",
        &[Key::Code(KeyCode::Tab), Key::Code(KeyCode::BackTab)],
        &[Action::Next, Action::Previous],
    ),
    Binding::new(
        "1 … 5",
        "that page",
        &[Key::Char('1'), Key::Char('2'), Key::Char('3'), Key::Char('4'), Key::Char('5')],
        &[
            Action::Turn(PageKind::Containers),
            Action::Turn(PageKind::Shutdown),
            Action::Turn(PageKind::Zombies),
            Action::Turn(PageKind::Signals),
            Action::Turn(PageKind::Findings),
        ],
    ),
    Binding::new("Space", "pause, go on", &[Key::Char(' ')], &[Action::Pause]),
    Binding::new("m", "the mouse selects text, or chooses", &[Key::Char('m')], &[Action::Mouse]),
    Binding::new("?, F1", "help", &[Key::Char('?'), Key::Code(KeyCode::F(1))], &[Action::Help]),
    Binding::new("q", "quit", &[Key::Char('q')], &[Action::Quit]),
];

/// Those that work even while a filter is typed.
const ALWAYS: [Binding<Effect>; 2] = [
    Binding::new("Ctrl-C", "quit", &[Key::Ctrl('c')], &[Effect::Quit]),
    Binding::new("Ctrl-Z", "stop; fg comes back", &[Key::Ctrl('z')], &[Effect::Suspend]),
];

const SEEKS: [Binding<Seek>; 5] = [
    Binding::new("Space", "play, stand still", &[Key::Char(' ')], &[Seek::Play]),
    Binding::new(", .", "1 s back, 1 s on", &[Key::Char(','), Key::Char('.')], &[Seek::By(-1_000), Seek::By(1_000)]),
    Binding::new(
        "[ ]",
        "10 % back, 10 % on",
        &[Key::Char('['), Key::Char(']')],
        &[Seek::Percent(-10), Seek::Percent(10)],
    ),
    Binding::new(
        "< >",
        "to what happened before, next",
        &[Key::Char('<'), Key::Char('>')],
        &[Seek::Step(false), Seek::Step(true)],
    ),
    Binding::new("{ }", "beginning, end", &[Key::Char('{'), Key::Char('}')], &[Seek::Start, Seek::End]),
];

const HELP: [Help; 6] = keys::help(&KEYS);
const HELP_ALWAYS: [Help; 2] = keys::help(&ALWAYS);
const HELP_SEEKS: [Help; 5] = keys::help(&SEEKS);

/// The state of the terminal UI. Pure: see the module above.
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct App {
    theme: Theme,
    pages: [Box<dyn Page>; 5],
    current: PageKind,
    /// Ids of the containers that passed the filters.
    shown: HashSet<String>,
    frozen: Option<Box<Frozen>>,
    /// The help is open, scrolled by so many lines.
    help: Option<u16>,
    notice: Option<String>,
    title: Option<String>,
    playback: Option<Playback>,
    /// An agent tells what is shown.
    attached: bool,
    /// The first container that comes is opened.
    opens: bool,
    /// The one that was opened like that: while the person leaves it to us, the page is the one that tells most of it.
    opened: Option<String>,
    /// The person has done something: from then on pages are theirs to turn.
    touched: bool,
    /// The mouse is ours.
    mouse: bool,
    /// Where the tabs were drawn.
    tabs: Vec<(Rect, PageKind)>,
}

impl App {
    /// With the first page open.
    #[must_use]
    pub fn new(theme: Theme) -> Self {
        Self::with_pages(theme, page::all())
    }

    fn with_pages(theme: Theme, pages: [Box<dyn Page>; 5]) -> Self {
        Self {
            theme,
            pages,
            current: PageKind::default(),
            shown: HashSet::new(),
            frozen: None,
            help: None,
            notice: None,
            title: None,
            attached: false,
            playback: None,
            opens: false,
            opened: None,
            touched: false,
            mouse: true,
            tabs: Vec::new(),
        }
    }

    /// The next container that passes the filters is opened as soon as it is there, unless the person has done anything:
    /// it was asked for by name, or it is the demo's next one.
    pub fn open_the_first(&mut self) {
        self.opens = !self.touched;
    }

    /// What the header says of all that is shown: the demo's scenario.
    pub fn set_title(&mut self, title: Option<String>) {
        self.title = title;
    }

    /// What is shown comes from an agent: the header says so.
    pub const fn set_attached(&mut self) {
        self.attached = true;
    }

    /// Where in a recording this is.
    pub fn set_playback(&mut self, playback: Playback) {
        self.playback = Some(playback);
    }

    /// Says something in the last line.
    pub fn say(&mut self, notice: String) {
        self.notice = Some(notice);
    }

    /// What is being said.
    #[must_use]
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// Says nothing any more.
    pub fn hush(&mut self) {
        self.notice = None;
    }

    /// Another look.
    pub fn set_theme(&mut self, theme: Theme) {
        self.theme = theme;
    }

    /// The page that is open.
    #[must_use]
    pub const fn page(&self) -> PageKind {
        self.current
    }

    /// Whether the view stands still while tracing goes on.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.frozen.is_some()
    }

    /// Takes news in. Returns whether the screen may look another way by it.
    pub fn take(&mut self, changes: &[Change], moment: &Moment<'_>) -> bool {
        for change in changes {
            let container = change.news.container();
            if let Some(container) = container {
                self.remember(&container.id, moment);
            }
            let (pages, scene) = (&mut self.pages, scene(&self.shown, None, moment));
            for page in pages {
                page.take(change, &scene);
            }
            self.follow(change, moment);
        }
        let lost = changes.iter().any(|change| matches!(change.news, News::Lost(_)));
        !changes.is_empty() && (self.frozen.is_none() || lost)
    }

    /// Opens the first container that comes, and turns to the page that tells most of it, where that is left to us.
    fn follow(&mut self, change: &Change, moment: &Moment<'_>) {
        let Some(container) = change.news.container() else { return };
        let id = container.id.as_str();
        let is_opened = !self.touched && self.opened.as_deref() == Some(id);
        let known = moment.node.container_by_id(id).map(|(_, container)| container);
        match &change.news {
            News::Container(news) if self.opens && news.state != ContainerState::Gone => {
                self.turn(PageKind::Shutdown, Some(id), moment);
                self.opened = Some(id.to_owned());
            }
            News::Stopping(_) if is_opened => self.turn(PageKind::Shutdown, Some(id), moment),
            News::Condition(_) if is_opened && known.is_some_and(|known| known.stop.is_none()) => {
                self.turn(PageKind::Findings, Some(id), moment);
            }
            News::Termination(ended) if is_opened => self.turn_to_end(ended, moment),
            _ => {}
        }
    }

    /// Forgets all news: a recording is folded anew.
    pub fn reset(&mut self) {
        self.shown.clear();
        self.pages.iter_mut().for_each(|page| page.reset());
    }

    /// Turns to a page, and on it to a container.
    pub fn turn(&mut self, page: PageKind, container: Option<&str>, moment: &Moment<'_>) {
        self.current = page;
        self.opens = false;
        self.help = None;
        if let Some(container) = container {
            let (pages, scene) = (&mut self.pages, scene(&self.shown, self.frozen.as_deref(), moment));
            pages[page.index()].select(container, &scene);
        }
    }

    /// Turns to the picture of an end, or, where what was wrong before is worse than it, to that.
    pub fn turn_to_end(&mut self, ended: &Termination, moment: &Moment<'_>) {
        let id = &ended.container.id;
        let outweighed = page::findings::outweighs_its_end(id, ended, &scene(&self.shown, None, moment));
        self.turn(if outweighed { PageKind::Findings } else { PageKind::Shutdown }, Some(id), moment);
    }

    /// Whether an end was shown; those of sandboxes are not.
    #[must_use]
    pub fn has_shown(&self, ended: &Termination) -> bool {
        self.shown.contains(&ended.container.id) && !ended.container.sandbox
    }

    /// When to draw again though nothing happens.
    #[must_use]
    pub fn next(&self, moment: &Moment<'_>) -> Option<BootNs> {
        if self.frozen.is_some() || self.playback.is_some_and(|playback| !playback.playing) {
            return None;
        }
        let scene = scene(&self.shown, None, moment);
        let stopping = scene.containers().any(|(_, container)| container.stop.is_some());
        let draining = stopping.then(|| moment.now.plus_ms(DRAINING_MS));
        [draining, self.pages[self.current.index()].next(&scene)].into_iter().flatten().min()
    }

    /// Answers input: what is left for the loop to do.
    pub fn input(&mut self, input: Input, moment: &Moment<'_>) -> Effect {
        match input {
            Input::Resize(..) => Effect::Draw,
            Input::Key(key) if key.kind == KeyEventKind::Release => Effect::Pass,
            Input::Key(key) => {
                self.notice = None;
                (self.opens, self.touched) = (false, true);
                match self.key(key, moment) {
                    // what was being said is gone
                    Effect::Pass => Effect::Draw,
                    effect => effect,
                }
            }
            Input::Mouse(mouse) => {
                let at = Position::new(mouse.column, mouse.row);
                let pressed = mouse.kind == MouseEventKind::Down(MouseButton::Left);
                let tab = self.tabs.iter().find(|(area, _)| pressed && area.contains(at)).map(|(_, page)| *page);
                match (tab, self.help) {
                    (Some(page), _) => self.settle(Effect::Show(page, None), moment),
                    (None, Some(line)) => self.scroll_help(line, mouse.kind),
                    (None, None) => self.ask_page(input, moment),
                }
            }
        }
    }

    fn key(&mut self, key: KeyEvent, moment: &Moment<'_>) -> Effect {
        if let Some(effect) = ALWAYS.iter().find(|binding| binding.on.iter().any(|on| on.is(key))) {
            return effect.does[0].clone();
        }
        if let Some(line) = self.help {
            return self.key_in_help(line, key);
        }
        let effect = self.ask_page(Input::Key(key), moment);
        if effect != Effect::Pass || self.pages[self.current.index()].is_typing() {
            return effect;
        }
        if self.playback.is_some()
            && let Some(seek) = keys::find(&SEEKS, key)
        {
            return Effect::Seek(seek);
        }
        keys::find(&KEYS, key).map_or(Effect::Pass, |action| self.act(action, moment))
    }

    fn act(&mut self, action: Action, moment: &Moment<'_>) -> Effect {
        let step = |by: usize| PageKind::ALL[(self.current.index() + by) % PageKind::ALL.len()];
        match action {
            Action::Next => self.turn(step(1), None, moment),
            Action::Previous => self.turn(step(PageKind::ALL.len() - 1), None, moment),
            Action::Turn(page) => self.turn(page, None, moment),
            Action::Pause => self.pause(moment),
            Action::Help => self.help = Some(0),
            Action::Mouse => {
                self.mouse = !self.mouse;
                let whose = if self.mouse {
                    "the mouse is tracer's again"
                } else {
                    "the mouse is the terminal's: m takes it back"
                };
                self.say(whose.to_owned());
                return Effect::Mouse(self.mouse);
            }
            Action::Quit => return Effect::Quit,
        }
        Effect::Draw
    }

    fn pause(&mut self, moment: &Moment<'_>) {
        self.frozen = match self.frozen.take() {
            Some(_) => None,
            None => Some(Box::new(Frozen { node: moment.node.clone(), now: moment.now, shown: self.shown.clone() })),
        };
        let paused = self.frozen.is_some();
        self.pages.iter_mut().for_each(|page| page.pause(paused));
    }

    fn ask_page(&mut self, input: Input, moment: &Moment<'_>) -> Effect {
        let (pages, scene) = (&mut self.pages, scene(&self.shown, self.frozen.as_deref(), moment));
        let effect = pages[self.current.index()].input(input, &scene);
        self.settle(effect, moment)
    }

    /// Does what needs no loop.
    fn settle(&mut self, effect: Effect, moment: &Moment<'_>) -> Effect {
        match effect {
            Effect::Show(page, container) => self.turn(page, container.as_deref(), moment),
            Effect::Say(notice) => self.say(notice),
            effect => return effect,
        }
        Effect::Draw
    }

    fn remember(&mut self, id: &str, moment: &Moment<'_>) {
        if self.shown.contains(id) {
            return;
        }
        if self.shown.len() >= SHOWN_KEPT {
            let node = moment.node;
            let ended = node.terminations().map(|termination| termination.container.id.as_str());
            let ill = node.conditions().filter_map(|(_, condition)| condition.container.as_ref());
            let told: HashSet<&str> = ended.chain(ill.map(|container| container.id.as_str())).collect();
            self.shown.retain(|id| node.container_by_id(id).is_some() || told.contains(id.as_str()));
        }
        self.shown.insert(id.to_owned());
    }
}

/// What to draw from: as it is, or as it was when it was paused.
fn scene<'a>(shown: &'a HashSet<String>, frozen: Option<&'a Frozen>, moment: &Moment<'a>) -> Scene<'a> {
    match frozen {
        Some(frozen) => Scene { node: &frozen.node, shown: &frozen.shown, now: frozen.now, clock: moment.clock },
        None => Scene { node: moment.node, shown, now: moment.now, clock: moment.clock },
    }
}
