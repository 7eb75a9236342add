//! From events to what is shown: recording, fold, filter, view. The same for live tracing and for replay.

use std::collections::HashSet;
use std::fs::File;
use std::io;

use crate::container::filter::{Filters, Resolved};
use crate::event::{BootNs, Event, Reaped, What};
use crate::model::{ContainerName, News, Node, Want};
use crate::output::View;
use crate::stream::{Keeper, Recorder, Start};

use super::Present;
use super::gate::Gate;

/// Something that stands beside the fold and sees each event: what an agent remembers and passes on.
pub trait Tap {
    /// This event is folded next.
    fn before(&mut self, event: &Event, node: &Node);

    /// It was folded.
    fn after(&mut self, node: &Node);

    /// No event is waiting.
    fn settled(&mut self);
}

/// Takes events in, lets news out.
pub struct Pipeline {
    /// The model.
    pub node: Node,
    /// The filter.
    pub gate: Gate,
    view: Box<dyn View>,
    recorder: Option<Recorder<File>>,
    /// The last events, where somebody may want a recording of them.
    keeper: Option<Keeper>,
    tap: Option<Box<dyn Tap>>,
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
            keeper: None,
            tap: None,
            trouble: None,
            running: HashSet::new(),
            ended: 0,
        }
    }

    /// Keeps the last events in memory from now on, for [`Self::kept`].
    pub fn keep(&mut self, start: Start) {
        self.keeper = Some(Keeper::new(start));
    }

    /// The last events, if they are kept.
    #[must_use]
    pub const fn kept(&self) -> Option<&Keeper> {
        self.keeper.as_ref()
    }

    /// Takes in events, in order.
    ///
    /// # Errors
    /// Those of the view. A recording that cannot be written to is given up, not the tracing: see
    /// [`Self::take_trouble`].
    pub fn take(&mut self, events: &[Event]) -> io::Result<()> {
        for event in events {
            self.record(event);
            if let Some(tap) = &mut self.tap {
                tap.before(event, &self.node);
            }
            self.node.apply(event);
            if let Some(tap) = &mut self.tap {
                tap.after(&self.node);
            }
            self.show()?;
        }
        Ok(())
    }

    /// Lets something see each event from now on.
    pub fn set_tap(&mut self, tap: Box<dyn Tap>) {
        self.tap = Some(tap);
    }

    /// What has ended so far was before anybody looked: only what ends from now on counts for [`Self::is_over`].
    pub const fn forget_the_past(&mut self) {
        self.ended = 0;
    }

    fn record(&mut self, event: &Event) {
        if let Some(keeper) = &mut self.keeper {
            keeper.push(event.clone());
        }
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

    /// No more events will come: shows what was held back for them.
    ///
    /// # Errors
    /// Those of the view.
    pub fn conclude(&mut self) -> io::Result<()> {
        self.node.conclude();
        self.show()
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

    /// What each filter means among the containers that are known, those that are not asked for included.
    #[must_use]
    pub fn resolve(&self) -> Vec<Resolved> {
        let containers = self.node.containers().map(|(_, container)| container).filter(|one| !one.is_sandbox());
        let mut known: Vec<&ContainerName> = containers.map(|container| &*container.name).collect();
        let told: HashSet<&str> = known.iter().map(|name| name.id.as_str()).collect();
        known.extend(self.gate.others().filter(|other| !told.contains(other.id.as_str())).map(|other| &**other));
        self.gate.filters().resolve(&known)
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
        if let Some(tap) = &mut self.tap {
            tap.settled();
        }
        self.view.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{CgroupFound, CgroupId, Comm, Described, Dismissed, ProcessSeen, Task};
    use crate::live::sink::Buffer;
    use crate::output::{Clock, JsonLines};
    use crate::signal::SignalSet;

    fn found(cgroup: u64) -> What {
        What::Cgroup(CgroupFound {
            cgroup: CgroupId(cgroup),
            path: format!("/docker/{cgroup}"),
            container: "cafe".to_owned(),
            own: true,
            runtime: "docker".to_owned(),
            pod_uid: None,
            new: true,
        })
    }

    fn process(cgroup: u64) -> What {
        let task = Task {
            pid: 7,
            tid: 7,
            ns_pid: 1,
            start: 5,
            cgroup: CgroupId(cgroup),
            comm: Comm::default(),
            flags: tracer_common::task_flags::INIT,
        };
        let none = SignalSet::default();
        What::Process(ProcessSeen {
            task,
            parent: Task { pid: 1, ..task },
            zombie: None,
            blocked: none,
            pending: none,
            caught: none,
            ignored: none,
            exe: None,
        })
    }

    fn named(name: &str) -> What {
        What::Described(Described { id: "cafe".to_owned(), name: Some(name.to_owned()), ..Described::default() })
    }

    fn take(pipeline: &mut Pipeline, what: Vec<What>) {
        let events: Vec<_> = (1..).zip(what).map(|(at, what)| Event(BootNs(at), what)).collect();
        pipeline.take(&events).expect("memory");
    }

    /// Nobody is told what happens there from then on, so that the model had better know nothing.
    #[test]
    fn who_is_dismissed_leaves_no_trace_but_its_name_and_may_come_back() {
        let buffer = Buffer::default();
        let view = Box::new(JsonLines::new(buffer.clone(), Clock { boot_to_wall_ns: 0 }));
        let filters = Filters { containers: vec!["web".to_owned()], ..Filters::default() };
        let mut pipeline = Pipeline::new(filters, view, None);
        take(&mut pipeline, vec![found(3), process(3), named("wbe")]);
        assert_eq!(pipeline.gate.take_unwanted(), ["cafe"]);
        take(&mut pipeline, vec![What::Dismissed(Dismissed { container: "cafe".to_owned() })]);
        assert_eq!((pipeline.node.containers().count(), pipeline.node.processes().len()), (0, 0));
        assert!(buffer.take().is_empty());
        assert_eq!(pipeline.resolve()[0].to_string(), "no container is called web yet; did you mean wbe?");
        take(&mut pipeline, vec![found(4), process(4), named("web")]);
        assert_eq!((pipeline.gate.matched(), pipeline.gate.is_wanted("cafe")), (1, true));
        assert_eq!(buffer.take().split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).count(), 2);
        assert_eq!(pipeline.resolve()[0].to_string(), "container cafe");
    }
}
