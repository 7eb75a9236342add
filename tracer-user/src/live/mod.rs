//! Live tracing: the kernel's events, what runtimes say and what `/proc` knows go into one [`Pipeline`].
//!
//! One loop, one thread: [`Session::run_until`] waits for whatever comes first, takes it in, and hands over what there
//! is to show. Only this loop does I/O; the output has a thread of its own so that a slow reader cannot hold it up.

mod answers;
mod foresight;
pub(crate) mod fuzzing;
mod gate;
pub(crate) mod interrupt;
mod leftover;
mod loss;
mod pipeline;
mod privileges;
pub mod sink;
mod tracker;

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::FutureExt as _;
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::Instant;

use crate::container::filter::Filters;
use crate::container::hierarchy::Hierarchies;
use crate::container::runtime::{self, Names, Socket};
use crate::event::{Described, Event, Lost, What};
use crate::model::Want;
use crate::output::{Clock, View};
use crate::stream::{self, Cgroups, FORMAT, Start};

pub use crate::clock::{boot_now, wall_clock};
pub use crate::container::{InNoContainer, NoSuchProcess};
pub use gate::Gate;
pub use loss::Present;
pub use pipeline::{Pipeline, Tap};
pub use tracker::{Options, Tracker};

use foresight::Foresights;
use interrupt::Interrupt;
use sink::{Buffer, CANNOT_WRITE, Sink};

/// Events taken in before what they gave is handed over, and it is looked whether to end.
const BATCH: usize = 512;
/// Room for events that is kept: what a drain brings, and more.
const EVENTS_ROOM: usize = 8 * BATCH;
/// At the end events are taken in for this long, since whoever ends us waits …
const LAST_LOOK: Duration = Duration::from_millis(300);
/// … and until then they are at least counted.
const LAST_COUNT: Duration = Duration::from_millis(450);
/// A reader that stalls keeps us no longer than until this time after the end began.
const CLOSE: Duration = Duration::from_millis(700);
/// After a loss the model is set right by a snapshot, at most this often.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(1);
/// Descriptions of containers that may wait to be taken in.
const DESCRIPTIONS: usize = 256;

/// What to trace, and how.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches")]
pub struct Request {
    /// Which containers and signals are shown.
    pub filters: Filters,
    /// What is fixed at load.
    pub options: Options,
    /// Where to keep a recording.
    pub record: Option<PathBuf>,
    /// The command line, for the recording.
    pub command: Vec<String>,
    /// Sockets of runtimes, to ask for names; without any, containers have none.
    pub sockets: Vec<Socket>,
    /// Keep the privileges: not for tracing, but for what else the caller does.
    pub keep_privileges: bool,
    /// Work out what the stop signal of each container would meet: somebody looks at that.
    pub foresee: bool,
    /// Keep the last events in memory: somebody may want a recording of them.
    pub keep: bool,
    /// SIGHUP does not end it: the caller has another use for it.
    pub outlives_hangup: bool,
}

/// Why [`Session::run_until`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End<T> {
    /// What was waited for has come.
    Done(T),
    /// SIGINT, SIGTERM or SIGHUP.
    Interrupted,
}

/// Something that brings events: the kernel, or an agent that has them from it.
pub trait Tracing {
    /// From events to what is shown.
    fn pipeline(&self) -> &Pipeline;

    /// And the way to the terminal: for a view that draws by itself.
    fn pipeline_and_sink(&mut self) -> (&Pipeline, &mut Sink);

    /// How it stands with the sockets that are asked for names. `None` when somebody else asks.
    fn runtimes(&self) -> Option<Vec<(&Socket, runtime::State)>>;

    /// As [`Session::run_until`].
    fn run_until<T>(
        &mut self,
        end: impl Future<Output = T>,
        over: impl FnMut(&Pipeline) -> Option<T>,
    ) -> impl Future<Output = anyhow::Result<End<T>>>;

    /// As [`Session::finish_with`].
    fn finish_with(
        self,
        last_words: impl FnOnce(&Pipeline, Buffer) -> io::Result<()>,
    ) -> impl Future<Output = anyhow::Result<()>>;
}

impl Tracing for Session {
    fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    fn pipeline_and_sink(&mut self) -> (&Pipeline, &mut Sink) {
        (&self.pipeline, &mut self.sink)
    }

    fn runtimes(&self) -> Option<Vec<(&Socket, runtime::State)>> {
        Some(self.names.states().collect())
    }

    async fn run_until<T>(
        &mut self,
        end: impl Future<Output = T>,
        over: impl FnMut(&Pipeline) -> Option<T>,
    ) -> anyhow::Result<End<T>> {
        Session::run_until(self, end, over).await
    }

    async fn finish_with(self, last_words: impl FnOnce(&Pipeline, Buffer) -> io::Result<()>) -> anyhow::Result<()> {
        Session::finish_with(self, last_words).await
    }
}

/// Tracing that goes on.
pub struct Session {
    tracker: Tracker,
    /// From events to what is shown.
    pub pipeline: Pipeline,
    sink: Sink,
    names: Names,
    descriptions: mpsc::Receiver<Described>,
    /// What others tell who know something of what is traced.
    told: Option<mpsc::Receiver<What>>,
    foresights: Foresights,
    interrupt: Interrupt,
    /// Not taken in yet.
    events: Vec<Event>,
    /// When a snapshot is due, and when the last one was.
    snapshot: (Option<Instant>, Option<Instant>),
    /// Who is there, as a snapshot after a loss shows it: whoever else is known is gone.
    present: Option<Present>,
    lost_recording: bool,
    start: Start,
    /// How often the loop had something to do.
    wakeups: u64,
}

impl Session {
    /// Attaches and takes in what runs. Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// When the kernel does not let us, a filter names what cannot be, or the recording cannot be made.
    pub fn start(request: &Request, view: impl FnOnce(Buffer, Clock) -> Box<dyn View>) -> anyhow::Result<Self> {
        // from the first moment on, Ctrl-C ends in order
        let interrupt = Interrupt::with_hangup(!request.outlives_hangup).context("cannot listen for signals")?;
        let clock = wall_clock();
        let mut events = Vec::new();
        let drain = crate::probe::DRAIN_INTERVAL_LIVE;
        let tracker = Tracker::start(&request.filters, request.options, drain, &mut events)?;
        let start = start_record(&tracker, request, clock);
        let recorder = match &request.record {
            Some(path) => Some(stream::create(path, &start)?),
            None => None,
        };
        // what needs privileges to be opened comes before they are given up
        let seer = request.foresee.then(|| foresight::open(&request.filters)).flatten();
        if !request.keep_privileges
            && let Err(error) = privileges::give_up(&request.sockets)
        {
            log::warn!("privileges that are not needed any more could not be given up: {error:#}");
        }
        // the first thread that stays: from here on nobody has more than that
        let sink = Sink::new(io::stdout()).context("cannot start the thread that writes the output")?;
        let view = view(sink.buffer(), clock);
        let (sender, descriptions) = mpsc::channel(DESCRIPTIONS);
        let names = Names::start(request.sockets.clone(), &sender);
        let foresights = Foresights::start(seer).context("cannot start the thread that looks ahead")?;
        let mut pipeline = Pipeline::new(request.filters.clone(), view, recorder);
        if request.keep {
            pipeline.keep(start.clone());
        }
        if foresights.can_answer() {
            pipeline.node.ask_what_signals_would_meet();
        }
        Ok(Self {
            tracker,
            pipeline,
            sink,
            names,
            descriptions,
            told: None,
            foresights,
            interrupt,
            events,
            snapshot: (None, None),
            present: None,
            lost_recording: false,
            start,
            wakeups: 0,
        })
    }

    /// What a recording of it begins with.
    #[must_use]
    pub const fn start_record(&self) -> &Start {
        &self.start
    }

    /// Nobody knows what happened to the containers that are there before this began: one that is being stopped already
    /// must not be judged as if its stop signal had never been sent.
    pub fn doubt_the_past(&mut self) {
        self.events.push(Event(boot_now(), What::Lost(Lost::default())));
    }

    /// How often the loop woke up.
    #[must_use]
    pub const fn wakeups(&self) -> u64 {
        self.wakeups
    }

    /// The kernel's side.
    #[must_use]
    pub const fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// Says of a container what a runtime would say.
    ///
    /// # Errors
    /// When the kernel's side fails.
    pub fn describe(&mut self, described: Described) -> anyhow::Result<()> {
        self.tracker.described(described, &mut self.events)
    }

    /// Takes in what comes here as well, each when it comes.
    pub fn listen(&mut self, told: mpsc::Receiver<What>) {
        self.told = Some(told);
    }

    /// Traces until `end` comes, or `over` says so of the pipeline, which is asked after each batch of events. What
    /// is not handed over by then, because the reader is slow, is with the next call.
    ///
    /// # Errors
    /// When the kernel's side or the output fails; a broken pipe among others.
    pub async fn run_until<T>(
        &mut self,
        end: impl Future<Output = T>,
        mut over: impl FnMut(&Pipeline) -> Option<T>,
    ) -> anyhow::Result<End<T>> {
        tokio::pin!(end);
        loop {
            if let Some(ended) = self.settle(end.as_mut(), &mut over).await? {
                return Ok(ended);
            }
            let due = self.due();
            tokio::select! {
                biased;
                () = self.interrupt.wait() => return Ok(End::Interrupted),
                value = &mut end => return Ok(End::Done(value)),
                Some(described) = self.descriptions.recv() => {
                    // what the kernel told before comes before
                    self.drain()?;
                    self.tracker.described(described, &mut self.events)?;
                }
                what = next(&mut self.told) => {
                    self.drain()?;
                    self.events.push(Event(boot_now(), what));
                }
                Some(foreseen) = self.foresights.next() => {
                    // of a process whose end is in the ring nothing is to be told
                    self.drain()?;
                    self.events.push(foreseen);
                }
                readable = self.tracker.readable() => {
                    readable?;
                    self.drain()?;
                }
                () = sleep_until(due), if due.is_some() => {}
            }
            self.wakeups += 1;
        }
    }

    /// When something is due even if nothing comes.
    fn due(&self) -> Option<Instant> {
        let tick = self.pipeline.node.next_tick().map(|at| Instant::now() + Duration::from_nanos(at.since(boot_now())));
        [tick, self.snapshot.0].into_iter().flatten().min()
    }

    /// Takes in what has come, asks what the model wants to know, and hands over what there is to show. While the
    /// reader is slow nobody drains the ring: it fills, and the kernel counts what does not fit.
    async fn settle<T>(
        &mut self,
        mut end: Pin<&mut impl Future<Output = T>>,
        over: &mut impl FnMut(&Pipeline) -> Option<T>,
    ) -> anyhow::Result<Option<End<T>>> {
        if self.snapshot.0.is_some_and(|due| due <= Instant::now()) {
            self.snapshot = (None, Some(Instant::now()));
            self.present = Some(self.tracker.look_again(&mut self.events)?);
        }
        loop {
            self.take_in()?;
            if let Some(value) = over(&self.pipeline) {
                return Ok(Some(End::Done(value)));
            }
            // signals and timers are looked at even if there is always something to do
            yield_now().await;
            tokio::select! {
                biased;
                () = self.interrupt.wait() => return Ok(Some(End::Interrupted)),
                delivered = self.sink.deliver() => delivered.context(CANNOT_WRITE)?,
                value = &mut end => return Ok(Some(End::Done(value))),
            }
            if self.events.is_empty() {
                return Ok(None);
            }
        }
    }

    /// Takes in a batch of events; after the last one lets time pass, and asks what the model wants to know.
    fn take_in(&mut self) -> anyhow::Result<()> {
        let batch = self.events.drain(..self.events.len().min(BATCH));
        self.pipeline.take(batch.as_slice())?;
        drop(batch);
        if self.events.is_empty()
            && let Some(present) = self.present.take()
        {
            self.events.extend(self.pipeline.gone(&present));
        }
        if self.events.is_empty() {
            // a snapshot is large, and rare
            self.events.shrink_to(EVENTS_ROOM);
            // what happened before now may still be in the ring
            self.pipeline.tick(self.tracker.behind().unwrap_or_else(boot_now))?;
            for want in self.pipeline.wants() {
                self.answer(want)?;
            }
        }
        for container in self.pipeline.gate.take_unwanted() {
            self.tracker.untrack(&container, &mut self.events)?;
        }
        self.tracker.ask_names(|id| self.names.want(id));
        if let Some(trouble) = self.pipeline.take_trouble() {
            self.lost_recording = true;
            log::warn!("the recording ends here, tracing goes on: {trouble}");
        }
        Ok(self.pipeline.flush()?)
    }

    fn answer(&mut self, want: Want) -> anyhow::Result<()> {
        if let Want::Foresee(key) = want {
            if let Some(container) = self.pipeline.node.container(key) {
                self.foresights.ask(container);
            }
            return Ok(());
        }
        if want != Want::Snapshot {
            return self.tracker.answer(want, &mut self.events);
        }
        let (due, last) = &mut self.snapshot;
        let earliest = last.map_or_else(Instant::now, |last| last + SNAPSHOT_EVERY);
        due.get_or_insert(earliest);
        Ok(())
    }

    /// Takes what the kernel has to tell. Returns whether there is more.
    fn drain(&mut self) -> anyhow::Result<bool> {
        self.tracker.drain(&mut self.events)
    }

    /// Takes in what happened until now. Under a storm there is always more: what comes later is not waited for, and
    /// what there is no time for is told as lost.
    fn drain_the_last(&mut self, begun: Instant) -> anyhow::Result<()> {
        let now = boot_now();
        let mut left = Lost::default();
        let mut done = false;
        loop {
            for batch in std::mem::take(&mut self.events).chunks(BATCH) {
                if begun.elapsed() >= LAST_LOOK {
                    left = left.plus(&leftover::count(batch));
                    continue;
                }
                self.pipeline.take(batch)?;
                self.pipeline.flush()?;
                // as far as there is room: a slow reader gets its time when the recording is complete
                self.sink.deliver().now_or_never().transpose().context(CANNOT_WRITE)?;
            }
            if done {
                break;
            }
            if begun.elapsed() >= LAST_COUNT {
                // who has seen enough does not mind
                if !self.sink.is_broken() {
                    log::warn!("more happened in the last moment than could be read");
                }
                break;
            }
            done = !self.drain()? || self.tracker.behind().is_some_and(|read| read > now);
        }
        if left.total() > 0 {
            self.events.push(Event(boot_now(), What::Lost(left)));
        }
        Ok(())
    }

    /// Ends: takes in the rest, completes the recording, writes what is left to write. Takes less than a second.
    ///
    /// # Errors
    /// When the output or the end of the recording cannot be written.
    pub async fn finish(self) -> anyhow::Result<()> {
        self.finish_with(|_, _| Ok(())).await
    }

    /// As [`Session::finish`], with some last words to standard output when everything is known.
    ///
    /// # Errors
    /// When the output or the end of the recording cannot be written.
    pub async fn finish_with(
        mut self,
        last_words: impl FnOnce(&Pipeline, Buffer) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        let begun = Instant::now();
        let drained = self.drain_the_last(begun);
        self.tracker.counted(&mut self.events);
        let events = std::mem::take(&mut self.events);
        self.pipeline.take(&events)?;
        self.pipeline.tick(self.tracker.behind().unwrap_or_else(boot_now))?;
        self.pipeline.conclude()?;
        self.pipeline.flush()?;
        last_words(&self.pipeline, self.sink.buffer())?;
        let recorded = self.pipeline.finish_recording();
        let closed = self.sink.close(begun + CLOSE).await;
        // a recording that is not whole is worse than a reader who has seen enough
        recorded.context("cannot complete the recording")?;
        anyhow::ensure!(!self.lost_recording, "the recording is not complete");
        drained?;
        let unread = closed.context(CANNOT_WRITE)?;
        anyhow::ensure!(unread == 0, "the output is not complete: its reader is too slow and left {unread} bytes");
        Ok(())
    }
}

/// Gives up what whoever only reads from an agent never needs. To be called while there is one thread.
pub(crate) fn drop_privileges() {
    if let Err(error) = privileges::give_up(&[]) {
        log::info!("privileges that are not needed could not be given up: {error:#}");
    }
}

/// What is told next; never anything when nobody tells.
async fn next(told: &mut Option<mpsc::Receiver<What>>) -> What {
    loop {
        match told {
            Some(receiver) => match receiver.recv().await {
                Some(what) => return what,
                None => *told = None,
            },
            None => std::future::pending().await,
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn start_record(tracker: &Tracker, request: &Request, clock: Clock) -> Start {
    let info = tracker.probe().info();
    let read = |path: &str| std::fs::read_to_string(path).map_or_else(|_| String::new(), |text| text.trim().to_owned());
    let cgroups = match tracker.hierarchies() {
        Hierarchies { v2: Some(_), v1: Some(_) } => Cgroups::Hybrid,
        Hierarchies { v1: Some(_), .. } => Cgroups::V1,
        Hierarchies { .. } => Cgroups::V2,
    };
    Start {
        format: FORMAT,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        kernel: info.kernel.clone(),
        arch: std::env::consts::ARCH.to_owned(),
        boot_id: read("/proc/sys/kernel/random/boot_id"),
        boot_to_wall_ns: clock.boot_to_wall_ns,
        attached: info.programs.iter().map(|&name| name.to_owned()).collect(),
        cgroups,
        command: request.command.clone(),
    }
}
