//! From events to what is shown: recording, fold, filter, view. The same for live tracing and for replay.

use std::collections::HashSet;
use std::fs::File;
use std::io;

use crate::container::filter::Filters;
use crate::event::{BootNs, Event, Reaped, What};
use crate::model::{News, Node, Want};
use crate::output::View;
use crate::stream::Recorder;

use super::Present;
use super::gate::Gate;

/// Takes events in, lets news out.
pub struct Pipeline {
    /// The model.
    pub node: Node,
    /// The filter.
    pub gate: Gate,
    view: Box<dyn View>,
    recorder: Option<Recorder<File>>,
    /// Why the recording ended early.
    trouble: Option<io::Error>,
    /// Containers that are shown and have not ended.
    running: HashSet<String>,
    /// Terminations shown.
    ended: usize,
}

impl Pipeline {
    /// Shows what `filters` leave in `view`, and keeps every event in `recorder`.
    #[must_use]
    pub fn new(filters: Filters, view: Box<dyn View>, recorder: Option<Recorder<File>>) -> Self {
        Self {
            node: Node::new(),
            gate: Gate::new(filters),
            view,
            recorder,
            trouble: None,
            running: HashSet::new(),
            ended: 0,
        }
    }

    /// Takes in events, in order.
    ///
    /// # Errors
    /// Those of the view. A recording that cannot be written to is given up, not the tracing: see
    /// [`Self::take_trouble`].
    pub fn take(&mut self, events: &[Event]) -> io::Result<()> {
        for event in events {
            self.record(event);
            self.node.apply(event);
            self.show()?;
        }
        Ok(())
    }

    fn record(&mut self, event: &Event) {
        let Some(recorder) = &mut self.recorder else { return };
        match recorder.record(event) {
            // an event with a line that is too long is left out; everything else is the end of the file
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            Err(error) => {
                self.recorder = None;
                self.trouble = Some(error);
            }
        }
    }

    /// Why the recording ended early, told once.
    pub fn take_trouble(&mut self) -> Option<io::Error> {
        self.trouble.take()
    }

    /// Completes the recording.
    ///
    /// # Errors
    /// When its end cannot be written.
    pub fn finish_recording(&mut self) -> io::Result<()> {
        self.recorder.take().map_or(Ok(()), |recorder| recorder.finish().map(drop))
    }

    /// Lets time pass. When that brings anything about it is recorded, so that a replay shows the same.
    ///
    /// # Errors
    /// Those of the view.
    pub fn tick(&mut self, now: BootNs) -> io::Result<()> {
        if self.node.next_tick().is_some_and(|due| due <= now) {
            self.take(&[Event(now, What::Tick {})])?;
        }
        Ok(())
    }

    /// What the model would like to know.
    pub fn wants(&mut self) -> Vec<Want> {
        self.node.take_wants().collect()
    }

    /// Processes that the model believes in and that are gone: their ends were lost.
    #[must_use]
    pub fn gone(&self, present: &Present) -> Vec<Event> {
        let gone = self.node.processes().iter().filter(|process| present.lacks(process.key()));
        gone.map(|process| Event(present.at(), What::Reaped(Reaped { task: process.task }))).collect()
    }

    /// Terminations shown so far.
    #[must_use]
    pub const fn ended(&self) -> usize {
        self.ended
    }

    /// Whether everything that is shown has ended, and there was something.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ended > 0 && (self.running.is_empty() || self.gate.filters().is_everything())
    }

    fn show(&mut self) -> io::Result<()> {
        let Self { node, gate, view, running, ended, .. } = self;
        for change in node.take_changes() {
            gate.pass(change, |change| {
                match &change.news {
                    News::Container(news) if news.state == crate::model::ContainerState::Found => {
                        running.insert(news.name.id.clone());
                    }
                    News::Container(news) if news.state == crate::model::ContainerState::Gone => {
                        running.remove(&news.name.id);
                    }
                    News::Termination(news) => {
                        running.remove(&news.container.id);
                        *ended += 1;
                    }
                    _ => {}
                }
                view.show(change)
            })?;
        }
        Ok(())
    }

    /// Hands over what the view and the recording still hold: if we are killed, what was on the screen is in the file.
    ///
    /// # Errors
    /// Those of the view.
    pub fn flush(&mut self) -> io::Result<()> {
        if let Some(Err(error)) = self.recorder.as_mut().map(Recorder::flush) {
            self.recorder = None;
            self.trouble = Some(error);
        }
        self.view.flush()
    }
}
