//! What a check shows meanwhile: the stop and the end. A log of a CI server is no place for every process that came
//! and went before, and an end that the check itself made says nothing of the program.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use crate::model::{Change, News};
use crate::output::View;

/// How far a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The program does not run yet, and perhaps never will.
    Starting,
    /// It runs; it is waited for until it is ready.
    Running,
    /// It is being stopped.
    Stopping,
    /// Given up: what comes now is the check's own doing.
    Over,
}

/// What a check and its screen tell each other.
#[derive(Debug)]
pub struct Shown {
    /// How far it is.
    pub stage: Cell<Stage>,
    /// The last thing that was shown is a line: something of another kind is parted from it. A block parts itself.
    pub line: Cell<bool>,
}

impl Default for Shown {
    fn default() -> Self {
        Self { stage: Cell::new(Stage::Starting), line: Cell::new(false) }
    }
}

/// Shows nothing.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl View for Nothing {
    fn show(&mut self, _: &Change) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A view in front of another one.
#[derive(Debug)]
pub struct Screen<V> {
    view: V,
    state: Rc<Shown>,
    /// Every process, too.
    verbose: bool,
    /// What is shown once the program has come to run.
    held: Vec<Change>,
}

impl<V: View> Screen<V> {
    /// Whoever runs the check moves its stage on.
    pub const fn new(view: V, state: Rc<Shown>, verbose: bool) -> Self {
        Self { view, state, verbose, held: Vec::new() }
    }

    fn is_wanted(&self, news: &News) -> bool {
        match news {
            _ if self.verbose => true,
            News::Fork(_) | News::Exec(_) | News::Container(_) => false,
            // those of helpers and of readiness commands come by the hundred
            News::Exit(news) => self.state.stage.get() == Stage::Stopping || news.process.is_init,
            _ => true,
        }
    }

    fn pass(&mut self, change: &Change) -> io::Result<()> {
        self.state.line.set(!matches!(change.news, News::Termination(_)));
        self.view.show(change)
    }

    /// Shows what was held back, if that is decided.
    fn let_go(&mut self) -> io::Result<()> {
        match self.state.stage.get() {
            Stage::Starting => {}
            Stage::Running | Stage::Stopping => {
                for change in std::mem::take(&mut self.held) {
                    self.pass(&change)?;
                }
            }
            Stage::Over => self.held.clear(),
        }
        Ok(())
    }
}

impl<V: View> View for Screen<V> {
    fn show(&mut self, change: &Change) -> io::Result<()> {
        self.let_go()?;
        if !self.is_wanted(&change.news) {
            return Ok(());
        }
        match self.state.stage.get() {
            Stage::Starting => self.held.push(change.clone()),
            Stage::Running | Stage::Stopping => self.pass(change)?,
            Stage::Over => {}
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.let_go()?;
        self.view.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::BootNs;
    use crate::live::sink::Buffer;
    use crate::output::{Clock, Style, Text, fixtures};

    fn screen(verbose: bool) -> (Screen<Text<Buffer>>, Rc<Shown>, Buffer) {
        let (out, state) = (Buffer::default(), Rc::new(Shown::default()));
        let text = Text::new(out.clone(), Clock { boot_to_wall_ns: 0 }, Style::default(), 100);
        (Screen::new(text, Rc::clone(&state), verbose), state, out)
    }

    fn ended() -> Change {
        Change { at: BootNs(1), news: News::Termination(Arc::new(fixtures::dropped())) }
    }

    fn shown(out: &Buffer) -> String {
        String::from_utf8(out.take()).expect("text")
    }

    #[test]
    fn what_happens_before_it_runs_is_shown_once_it_does() {
        let (mut screen, state, out) = screen(false);
        screen.show(&ended()).expect("memory");
        screen.flush().expect("memory");
        assert_eq!(shown(&out), "");
        state.stage.set(Stage::Running);
        screen.flush().expect("memory");
        assert!(shown(&out).contains("SIGTERM DROPPED"));
    }

    #[test]
    fn an_end_that_the_check_made_is_not_shown() {
        let (mut screen, state, out) = screen(true);
        screen.show(&ended()).expect("memory");
        state.stage.set(Stage::Over);
        screen.show(&ended()).expect("memory");
        screen.flush().expect("memory");
        assert_eq!((shown(&out), state.line.get()), (String::new(), false));
    }
}
