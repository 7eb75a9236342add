//! A recording on the terminal UI: folded to any moment of it, played, and stepped through.

use std::io;

use tokio::time::Instant;

use super::app::{App, Moment, Playback};
use super::inbox::Inbox;
use super::input::Seek;
use super::notices;
use super::screen::{Left, Screen};
use super::theme::Theme;
use crate::container::filter::Filters;
use crate::event::{BootNs, Event};
use crate::live::Pipeline;
use crate::live::interrupt::Interrupt;
use crate::live::sink::Sink;
use crate::output::Clock;
use crate::stream::{self, Start};

/// Events folded before what they brought is handed to the pages.
const BATCH: usize = 512;

/// All of a recording, in memory: going back folds it again from its beginning.
pub struct Player {
    events: Vec<Event>,
    start: Option<Start>,
    filters: Filters,
    clock: Clock,
    pipeline: Pipeline,
    inbox: Inbox,
    /// What is on the screen.
    pub app: App,
    /// Events folded.
    folded: usize,
    /// The position.
    now: BootNs,
    first: BootNs,
    last: BootNs,
    /// When something became known, in order.
    marks: Vec<BootNs>,
    /// Since when, and from where, it is being played.
    playing: Option<(Instant, BootNs)>,
}

impl Player {
    /// Folds all of it, and turns to the last termination, or to what was worse before it.
    ///
    /// # Errors
    /// Never: the pages take everything.
    pub fn new(events: Vec<Event>, filters: Filters, clock: Clock, theme: Theme) -> io::Result<Self> {
        let first = events.iter().map(|event| event.0).min().unwrap_or_default();
        let last = events.iter().map(|event| event.0).max().unwrap_or_default();
        let inbox = Inbox::default();
        let pipeline = Pipeline::new(filters.clone(), Box::new(inbox.clone()), None);
        let mut player = Self {
            events,
            start: None,
            filters,
            clock,
            pipeline,
            inbox,
            app: App::new(theme),
            folded: 0,
            now: first,
            first,
            last,
            marks: Vec::new(),
            playing: None,
        };
        player.fold_to(last, true)?;
        player.marks.sort_unstable();
        player.marks.dedup();
        let (node, app) = (&player.pipeline.node, &player.app);
        let ended = node.terminations().rev().find(|ended| app.has_shown(ended));
        if let Some(ended) = ended.cloned() {
            let (app, moment) = player.app_and_moment();
            app.turn_to_end(&ended, &moment);
        }
        Ok(player)
    }

    /// How the recording began: those that are made of it begin alike.
    pub fn set_start(&mut self, start: Start) {
        self.start = Some(start);
    }

    /// A recording of what concerns a container, or of everything.
    fn recording(&self, container: Option<&str>) -> io::Result<Vec<u8>> {
        let start = self.start.as_ref().ok_or_else(|| io::Error::other("how this one began is not known"))?;
        match container {
            Some(id) => stream::record(start, &stream::about(id, self.events.iter())?),
            None => stream::record(start, &self.events),
        }
    }

    /// What was folded, and what the filters left of it.
    #[must_use]
    pub const fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// The position.
    #[must_use]
    pub const fn now(&self) -> BootNs {
        self.now
    }

    /// The end.
    #[must_use]
    pub const fn last(&self) -> BootNs {
        self.last
    }

    /// What is on the screen, and the moment to draw.
    pub const fn app_and_moment(&mut self) -> (&mut App, Moment<'_>) {
        (&mut self.app, Moment { node: &self.pipeline.node, now: self.now, clock: self.clock })
    }

    /// Moves.
    ///
    /// # Errors
    /// Never: the pages take everything.
    pub fn seek(&mut self, seek: Seek) -> io::Result<()> {
        let whole = self.last.since(self.first);
        let by = |ns: i128| {
            let at = i128::from(self.now.0) + ns;
            BootNs(u64::try_from(at.clamp(i128::from(self.first.0), i128::from(self.last.0))).unwrap_or(self.first.0))
        };
        let to = match seek {
            Seek::Play => {
                self.playing = match self.playing {
                    Some(_) => None,
                    // at its end it is played again
                    None if self.now >= self.last => {
                        self.go_to(self.first)?;
                        Some((Instant::now(), self.first))
                    }
                    None => Some((Instant::now(), self.now)),
                };
                return Ok(());
            }
            Seek::By(ms) => by(i128::from(ms) * 1_000_000),
            Seek::Percent(percent) => by(i128::from(whole) * i128::from(percent) / 100),
            Seek::Step(true) => {
                self.marks.get(self.marks.partition_point(|mark| *mark <= self.now)).copied().unwrap_or(self.last)
            }
            Seek::Step(false) => {
                let before = self.marks.partition_point(|mark| *mark < self.now);
                before.checked_sub(1).map_or(self.first, |index| self.marks[index])
            }
            Seek::Start => self.first,
            Seek::End => self.last,
        };
        self.go_to(to)?;
        if self.playing.is_some() {
            self.playing = Some((Instant::now(), to));
        }
        Ok(())
    }

    /// While it is being played: goes to where it is by now.
    fn advance(&mut self) -> io::Result<()> {
        let Some((since, from)) = self.playing else { return Ok(()) };
        let played = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let to = BootNs(from.0.saturating_add(played)).min(self.last);
        if to == self.last {
            self.playing = None;
        }
        self.go_to(to)
    }

    fn go_to(&mut self, to: BootNs) -> io::Result<()> {
        if to < self.now {
            self.pipeline = Pipeline::new(self.filters.clone(), Box::new(self.inbox.clone()), None);
            self.folded = 0;
            self.app.reset();
        }
        self.fold_to(to, false)
    }

    fn fold_to(&mut self, to: BootNs, mark: bool) -> io::Result<()> {
        loop {
            let rest = &self.events[self.folded..];
            let batch = rest.iter().take(BATCH).take_while(|event| event.0 <= to).count();
            self.pipeline.take(&rest[..batch])?;
            // nobody here could let go of them
            drop(self.pipeline.gate.take_unwanted());
            self.folded += batch;
            if batch == 0 {
                // as live: what was due by now has happened
                self.pipeline.tick(to)?;
                if to >= self.last {
                    self.pipeline.conclude()?;
                }
            }
            self.now = if batch == 0 { to } else { self.pipeline.node.now() };
            let changes = self.inbox.take();
            if mark {
                self.marks.extend(changes.iter().map(|change| change.at));
            }
            let (app, moment) = self.app_and_moment();
            app.take(&changes, &moment);
            if batch == 0 {
                return Ok(());
            }
        }
    }

    /// Shows in the header where in the recording this is.
    pub fn tell_position(&mut self) {
        let ms = |at: BootNs| at.ms_since(self.first);
        let playback = Playback { at_ms: ms(self.now), of_ms: ms(self.last), playing: self.playing.is_some() };
        self.app.set_playback(playback);
    }

    /// Shows it until the person quits or a signal ends it. What there is to say meanwhile is said by `say` afterwards.
    ///
    /// # Errors
    /// Those of the terminal.
    pub async fn run(mut self, say: fn(&str)) -> anyhow::Result<()> {
        let mut interrupt = Interrupt::new()?;
        let mut sink = Sink::new(io::stdout())?;
        let held = notices::hold(say);
        let mut screen = Screen::open(sink.buffer())?;
        let shown = self.show(&mut screen, &mut sink, &mut interrupt).await;
        let closed = screen.close(&mut sink).await;
        drop(held);
        shown?;
        Ok(closed?)
    }

    async fn show(&mut self, screen: &mut Screen, sink: &mut Sink, interrupt: &mut Interrupt) -> anyhow::Result<()> {
        loop {
            if self.playing.is_some() {
                self.advance()?;
                screen.schedule();
            }
            self.tell_position();
            sink.deliver().await?;
            let woken = tokio::select! {
                biased;
                () = interrupt.wait() => return Ok(()),
                woken = screen.wait() => woken?,
            };
            let (app, moment) = self.app_and_moment();
            match screen.step(woken, app, &moment, sink).await? {
                Left::Nothing => {}
                Left::Seek(seek) => {
                    self.seek(seek)?;
                    screen.schedule();
                }
                Left::Record(path, container) => {
                    let recording = self.recording(container.as_deref());
                    screen.record(&path, recording, &mut self.app);
                }
                Left::Quit => return Ok(()),
            }
        }
    }
}
