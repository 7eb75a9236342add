//! What runs a session: the loop that writes lines, or the terminal UI.

use std::path::Path;

use crate::agent::client::{Attached, Connection};
use crate::container::filter::Filters;
use crate::live::{End, Pipeline, Request, Session, Tracing};
use crate::tui::app::App;
use crate::tui::run::{Live, Prepared};

use super::options::{Format, View, note};

/// Who shows what a session brings.
pub(super) enum Driver {
    /// The session itself: lines on standard output.
    Lines,
    /// The terminal UI.
    Screen(Box<Live>),
}

impl Driver {
    /// Starts a session and what shows it.
    pub(super) fn start(request: &Request, view: &View, format: Format) -> anyhow::Result<(Session, Self)> {
        if format != Format::Tui {
            let session = Session::start(request, |out, clock| view.open(format, out, clock));
            return Ok((session.map_err(super::live::unsuitable)?, Self::Lines));
        }
        let mut prepared = Prepared::default();
        let session = Session::start(request, |out, clock| prepared.view(out, clock));
        // an error is told before the terminal is taken
        let session = session.map_err(super::live::unsuitable)?;
        let live = Live::open(prepared, view.colors.style().into(), note)?;
        Ok((session, Self::Screen(Box::new(live))))
    }

    /// As [`Self::start`], of what an agent tells.
    pub(super) fn attach(
        connection: Connection,
        filters: Filters,
        record: Option<&Path>,
        view: &View,
        format: Format,
    ) -> anyhow::Result<(Attached, Self)> {
        if format != Format::Tui {
            let attached = connection.follow(filters, record, false, |out, clock| view.open(format, out, clock))?;
            return Ok((attached, Self::Lines));
        }
        let mut prepared = Prepared::default();
        let attached = connection.follow(filters, record, true, |out, clock| prepared.view(out, clock))?;
        let mut live = Live::open(prepared, view.colors.style().into(), note)?;
        live.app.set_attached();
        Ok((attached, Self::Screen(Box::new(live))))
    }

    /// The terminal UI, if that is what it is.
    pub(super) fn app(&mut self) -> Option<&mut App> {
        match self {
            Self::Lines => None,
            Self::Screen(live) => Some(&mut live.app),
        }
    }

    /// Whether the person at the terminal UI had enough.
    pub(super) const fn was_quit(&self) -> bool {
        match self {
            Self::Lines => false,
            Self::Screen(live) => live.was_quit(),
        }
    }

    /// As [`Tracing::run_until`].
    pub(super) async fn run_until<T>(
        &mut self,
        session: &mut impl Tracing,
        end: impl Future<Output = T>,
        over: impl FnMut(&Pipeline) -> Option<T>,
    ) -> anyhow::Result<End<T>> {
        match self {
            Self::Lines => session.run_until(end, over).await,
            Self::Screen(live) => live.run_until(session, end, over).await,
        }
    }

    /// Gives the terminal back, where it was taken. What is said from now on is printed. Returns what was on the screen.
    pub(super) async fn close(self, session: &mut impl Tracing) -> anyhow::Result<Option<App>> {
        match self {
            Self::Lines => Ok(None),
            Self::Screen(live) => Ok(live.close(session).await.map(Some)?),
        }
    }
}
