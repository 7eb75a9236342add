//! Live tracing with the terminal UI: the session's loop and the screen's in turns.

use std::io;

use super::app::{App, Moment};
use super::inbox::Inbox;
use super::notices::{self, Held};
use super::screen::{Left, Screen, Woken};
use super::theme::Theme;
use crate::live::sink::Buffer;
use crate::live::{End, Pipeline, Tracing, boot_now};
use crate::output::{Clock, View};

/// The view that a session is started with while the terminal UI is to come.
#[derive(Debug, Default)]
pub struct Prepared {
    inbox: Inbox,
    out: Buffer,
    clock: Clock,
}

impl Prepared {
    /// The view for [`crate::live::Session::start`].
    pub fn view(&mut self, out: Buffer, clock: Clock) -> Box<dyn View> {
        (self.out, self.clock) = (out, clock);
        Box::new(self.inbox.clone())
    }
}

/// A terminal UI over a session.
pub struct Live {
    /// What is on the screen.
    pub app: App,
    screen: Screen,
    inbox: Inbox,
    clock: Clock,
    quit: bool,
    // last: what was held back is printed when the terminal is given back
    held: Held,
}

impl Live {
    /// Takes the terminal. What the tracer has to say meanwhile is shown on it, and said by `say` afterwards.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(prepared: Prepared, theme: Theme, say: fn(&str)) -> io::Result<Self> {
        let Prepared { inbox, out, clock } = prepared;
        let screen = Screen::open(out)?;
        Ok(Self { app: App::new(theme), screen, inbox, clock, quit: false, held: notices::hold(say) })
    }

    /// Whether the person had enough.
    #[must_use]
    pub const fn was_quit(&self) -> bool {
        self.quit
    }

    /// As [`Tracing::run_until`], with the screen. Whoever quits interrupts.
    ///
    /// # Errors
    /// Those of the session and of the terminal.
    pub async fn run_until<T>(
        &mut self,
        session: &mut impl Tracing,
        end: impl Future<Output = T>,
        mut over: impl FnMut(&Pipeline) -> Option<T>,
    ) -> anyhow::Result<End<T>> {
        tokio::pin!(end);
        self.screen.schedule();
        loop {
            let Self { app, screen, inbox, clock, .. } = self;
            let clock = *clock;
            let scheduled = screen.is_scheduled();
            let next = async {
                tokio::select! {
                    biased;
                    value = end.as_mut() => Ok(Step::Ended(value)),
                    woken = screen.wait() => woken.map(Step::Woken),
                }
            };
            let over = |pipeline: &Pipeline| {
                let moment = Moment { node: &pipeline.node, now: boot_now(), clock };
                let changed = app.take(&inbox.take(), &moment) || notices::any();
                match over(pipeline) {
                    Some(value) => Some(Ok(Step::Ended(value))),
                    None => (changed && !scheduled).then_some(Ok(Step::Woken(Woken::Changed))),
                }
            };
            let woken = match session.run_until(next, over).await? {
                End::Interrupted => return Ok(End::Interrupted),
                End::Done(step) => match step? {
                    Step::Ended(value) => return Ok(End::Done(value)),
                    Step::Woken(woken) => woken,
                },
            };
            let (pipeline, sink) = session.pipeline_and_sink();
            let moment = Moment { node: &pipeline.node, now: boot_now(), clock };
            match self.screen.step(woken, &mut self.app, &moment, sink).await? {
                Left::Nothing | Left::Seek(_) => {}
                Left::Record(path, container) => {
                    let nothing = || Err(io::Error::other("no events were kept"));
                    let kept = pipeline.kept().map_or_else(nothing, |kept| kept.recording(container.as_deref()));
                    self.screen.record(&path, kept, &mut self.app);
                }
                Left::Quit => {
                    self.quit = true;
                    return Ok(End::Interrupted);
                }
            }
        }
    }

    /// Gives the terminal back, and prints what was held back. Returns what was on the screen.
    ///
    /// # Errors
    /// Those of the terminal.
    pub async fn close(self, session: &mut impl Tracing) -> io::Result<App> {
        let Self { app, screen, held, .. } = self;
        let (_, sink) = session.pipeline_and_sink();
        let closed = screen.close(sink).await;
        drop(held);
        closed.map(|()| app)
    }
}

/// What the session's loop came back with.
enum Step<T> {
    Ended(T),
    Woken(Woken),
}
