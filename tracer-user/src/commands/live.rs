//! `tracer` without a subcommand: live tracing.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::agent::client::Connection;
use crate::container::filter::Resolved;
use crate::container::runtime;
use crate::event::BootNs;
use crate::live::sink::Buffer;
use crate::live::{End, Gate, InNoContainer, NoSuchProcess, Options, Pipeline, Request, Tracing, boot_now, wall_clock};
use crate::model::{Change, News};
use crate::output::glyphs::Glyphs;
use crate::output::{Style, Text, View as _};
use crate::tui::app::App;
use crate::tui::page::waiting_for;

use super::driver::Driver;
use super::logging;
use super::options::{Failure, Filters, Format, Sockets, View, no_names, note};
use super::{DONE, NO_MATCH, UNSUITABLE, is_broken_pipe};

/// How long a container that is asked for may take to be there before we say that we wait for it.
const SAY_WAITING: Duration = Duration::from_secs(1);

/// Options of live tracing.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    view: View,
    #[command(flatten)]
    sockets: Sockets,
    #[command(flatten)]
    capture: Capture,
    /// End after this time: 30s, 5m, 1h30m
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// End when what is shown has ended; without a filter, when the first container has
    #[arg(long)]
    until_exit: bool,
    #[command(flatten)]
    attach: super::attach::Attach,
}

/// Options of everything that attaches to the kernel.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Tracing")]
pub(super) struct Capture {
    /// Keep all that happens in a file, for tracer replay; replaces a file that is there
    #[arg(long, value_name = "FILE")]
    pub(super) record: Option<PathBuf>,
    /// Stream every signal; usually SIGCHLD, SIGURG and others that do nothing are only counted
    #[arg(long)]
    pub(super) all_signals: bool,
    /// Say more about what the tracer does; twice: what the kernel programs do, too
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// Buffer between kernel and tracer, in KiB; more for storms of events [default: 4096]
    #[arg(long, value_name = "KIB", value_parser = clap::value_parser!(u32).range(16..=1 << 20))]
    ring_size: Option<u32>,
}

impl Capture {
    /// The option that an agent cannot do for us, if one is given.
    fn own_probes(&self) -> Option<&'static str> {
        let set = [(self.all_signals, "--all-signals"), (self.ring_size.is_some(), "--ring-size")];
        set.into_iter().find(|(set, _)| *set).map(|(_, option)| option)
    }

    /// Options for the kernel programs.
    pub(super) fn options(&self) -> Options {
        Options {
            all_signals: self.all_signals,
            log: self.verbose >= 2,
            ring_bytes: self.ring_size.map(|kib| kib.next_power_of_two() * 1024),
            programs_only: false,
        }
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    logging::init(args.capture.verbose);
    let own = args.filters.own_probes().or_else(|| args.capture.own_probes()).or_else(|| args.sockets.own_probes());
    if let Some(connection) = args.attach.connect(own)? {
        return run_on(|| attached(args, connection));
    }
    crate::doctor::preflight().map_err(|unsuitable| Failure::new(UNSUITABLE, unsuitable.to_string()))?;
    run_on(|| trace(args))
}

fn run_on<F: Future<Output = anyhow::Result<ExitCode>>>(what: impl FnOnce() -> F) -> anyhow::Result<ExitCode> {
    let runtime = super::event_loop()?;
    let result = runtime.block_on(what());
    // a thread that is stuck in a write must not keep us
    runtime.shutdown_background();
    result
}

/// As [`trace`], of what an agent tells.
async fn attached(args: &Args, connection: Connection) -> anyhow::Result<ExitCode> {
    let source = super::attach::told(&connection);
    let (filters, format) = (args.filters.build(), args.view.format());
    let record = args.capture.record.as_deref();
    let (session, driver) = Driver::attach(connection, filters, record, &args.view, format)?;
    Box::pin(drive(args, session, driver, Some(&source))).await
}

async fn trace(args: &Args) -> anyhow::Result<ExitCode> {
    let request = Request {
        filters: args.filters.build(),
        options: args.capture.options(),
        record: args.capture.record.clone(),
        command: std::env::args().skip(1).collect(),
        sockets: args.sockets.all(),
        // a recording may be looked at on the terminal UI
        foresee: args.view.format() == Format::Tui || args.capture.record.is_some(),
        keep: args.view.format() == Format::Tui,
        ..Request::default()
    };
    let (session, driver) = Driver::start(&request, &args.view, args.view.format())?;
    Box::pin(drive(args, session, driver, None)).await
}

/// Traces to the end, with the kernel's events or with those of an agent, `source`.
async fn drive<S: Tracing>(
    args: &Args,
    mut session: S,
    mut driver: Driver,
    source: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let filters = args.filters.build();
    let one = !filters.containers.is_empty() || !filters.pods.is_empty() || !filters.pids.is_empty();
    driver.app().filter(|_| one).into_iter().for_each(App::open_the_first);
    let followed = follow(&mut session, &mut driver, args, source).await;
    let missing = unmatched(session.pipeline()).map(|missing| {
        if nobody_tells_names(&session) { no_names(&session.pipeline().gate.filters().asked()) } else { missing }
    });
    // whatever ends the tracing, a reader who has seen enough among others: the recording is to be whole
    let closed = driver.close(&mut session).await;
    let (closed, app) = match closed {
        Ok(app) => (Ok(()), app),
        Err(error) => (Err(error), None),
    };
    let mut going_on = Vec::new();
    let finished = session
        .finish_with(|pipeline, out| {
            going_on = what_goes_on(pipeline, boot_now());
            match app.filter(|_| args.until_exit) {
                Some(app) => print_endings(pipeline, &app, args.view.text(out, wall_clock())),
                None => Ok(()),
            }
        })
        .await;
    if followed.is_ok() {
        for told in &going_on {
            note(told);
        }
    }
    match (followed.and(closed), missing) {
        (Err(error), _) if !is_broken_pipe(&error) => Err(error),
        (followed, missing) => {
            finished?;
            followed?;
            missing.map_or_else(|| Ok(ExitCode::from(DONE)), |message| Err(Failure::new(NO_MATCH, message).into()))
        }
    }
}

/// Traces until the end that was asked for, or until Ctrl-C.
async fn follow<S: Tracing>(
    session: &mut S,
    driver: &mut Driver,
    args: &Args,
    source: Option<&str>,
) -> anyhow::Result<()> {
    let over = |pipeline: &Pipeline| (args.until_exit && pipeline.is_over()).then_some(());
    let end = async {
        match args.duration {
            Some(duration) => sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(end);
    // what runs is known at once, its names a moment later
    let opening = driver
        .run_until(
            session,
            async {
                tokio::select! { () = &mut end => true, () = sleep(Duration::ZERO) => false }
            },
            |p| over(p).map(|()| true),
        )
        .await?;
    if driver.app().is_none() {
        note(&begun(session.pipeline(), args, source));
    }
    let mut done = opening != End::Done(false);
    if !done {
        let waiting = async {
            tokio::select! { () = &mut end => true, () = sleep(SAY_WAITING) => false }
        };
        done = driver.run_until(session, waiting, |p| over(p).map(|()| true)).await? != End::Done(false);
        if !done {
            say_what_is_missing(session, &args.sockets);
            driver.run_until(session, end, over).await?;
        }
    }
    Ok(())
}

/// With `--until-exit` the terminal UI goes away at the moment that was waited for: what it was stays on the terminal.
fn print_endings(pipeline: &Pipeline, app: &App, mut text: Text<Buffer>) -> io::Result<()> {
    for ended in pipeline.node.terminations().filter(|ended| app.has_shown(ended)) {
        let at = ended.ended.unwrap_or(ended.started);
        text.show(&Change { at, news: News::Termination(Arc::clone(ended)) })?;
    }
    text.flush()
}

/// The line that says that tracing goes on, of what, and how to end it.
fn begun(pipeline: &Pipeline, args: &Args, source: Option<&str>) -> String {
    let there = pipeline.node.containers().filter(|(_, one)| one.gone.is_none() && !one.is_sandbox()).count();
    // of those that a name turned away already the model knows nothing any more
    let there = there + pipeline.gate.others().filter(|one| pipeline.node.container_by_id(&one.id).is_none()).count();
    let filters = pipeline.gate.filters();
    let what = match (there, filters.is_everything()) {
        (n, false) if filters.asks_by_name() => {
            format!("tracing {}; {}", filters.asked(), so_far(n, pipeline.gate.matched()))
        }
        (0, false) => "tracing; no container is here yet".to_owned(),
        (1, _) => "tracing 1 container".to_owned(),
        (n, true) => format!("tracing {n} containers and those to come"),
        (n, false) => format!("tracing {n} containers"),
    };
    let what = source.map_or_else(|| what.clone(), |source| format!("{what}; {source}"));
    match (args.duration, args.until_exit) {
        (None, false) => format!("{what}; Ctrl-C ends"),
        _ => what,
    }
}

/// How many of the containers that are there are asked for, while names are still to come.
fn so_far(there: usize, matching: usize) -> String {
    match (there, matching) {
        (0, _) => "no container is here yet".to_owned(),
        (1, 0) => "the only container here does not match yet".to_owned(),
        (n, 0) => format!("none of the {n} containers here matches yet"),
        (n, 1) if n > 1 => format!("1 of the {n} containers here matches"),
        (n, matching) if matching < n => format!("{matching} of the {n} containers here match"),
        (1, _) => "the only container here matches".to_owned(),
        (n, _) => format!("all {n} containers here match"),
    }
}

fn say_what_is_missing<S: Tracing>(session: &S, named: &Sockets) {
    for (socket, state) in session.runtimes().unwrap_or_default() {
        // a usual place where nobody listens is nothing to tell; one that was named is
        let asked_for = named.names(socket);
        let told = format!("{} {state}", socket.path.display());
        match state {
            runtime::State::Connected { .. } => log::info!("{told}"),
            state if state.is_quiet() && !asked_for => log::info!("{told}"),
            _ => note(&told),
        }
    }
    let pipeline = session.pipeline();
    if nobody_tells_names(session) {
        note(&format!("{}; waiting for it", no_names(&pipeline.gate.filters().asked())));
        return;
    }
    let resolved = pipeline.resolve();
    for resolved in &resolved {
        if resolved.is_nothing() {
            note(&format!("{resolved}; waiting for it"));
        } else if resolved.is_ambiguous() {
            note(&format!("{resolved}; tracing all of them"));
        }
    }
    let gate = &pipeline.gate;
    if gate.matched() == 0 && resolved.len() > 1 && !resolved.iter().any(Resolved::is_nothing) {
        note(&format!("{}; waiting for one", none_of_all(gate)));
    }
}

/// What is asked for by name may be among the containers that are here, but no runtime answers.
fn nobody_tells_names<S: Tracing>(session: &S) -> bool {
    let Pipeline { gate, node, .. } = session.pipeline();
    let answers = |state| matches!(state, runtime::State::Connected { .. } | runtime::State::Connecting);
    gate.filters().asks_by_name()
        && gate.matched() == 0
        // where an agent asks them, it knows what they say
        && session.runtimes().is_some_and(|sockets| !sockets.into_iter().any(|(_, state)| answers(state)))
        && node.containers().next().is_some()
        // who is one letter off an id that is here wants to know that
        && !session.pipeline().resolve().iter().any(Resolved::is_near_miss)
}

/// Each filter means something, and together they mean nothing.
fn none_of_all(gate: &Gate) -> String {
    format!("no container is all of this at once: {}", gate.filters().asked())
}

/// Whoever ends the tracing while a container does not stop has the question that the termination would answer.
fn what_goes_on(pipeline: &Pipeline, now: BootNs) -> Vec<String> {
    let node = &pipeline.node;
    let wanted = node.containers().filter(|(_, container)| pipeline.gate.is_wanted(&container.name.id));
    let told = wanted.filter_map(|(key, container)| {
        let termination = node.termination(key, now)?;
        // the explanation is that of an end, and this is none yet
        let waiting = waiting_for(&termination, now, Glyphs::of(Style::default()));
        Some(format!("{} is still being stopped: {waiting}", container.name.friendly()))
    });
    told.collect()
}

/// What to say when the filters let nothing pass.
pub(super) fn unmatched(pipeline: &Pipeline) -> Option<String> {
    let gate = &pipeline.gate;
    let filters = gate.filters();
    if gate.matched() > 0 || filters.is_everything() {
        return None;
    }
    let nothing: Vec<_> =
        pipeline.resolve().iter().filter(|resolved| resolved.is_nothing()).map(Resolved::finally).collect();
    Some(match (nothing.is_empty(), filters.asks_by_name()) {
        (false, _) => nothing.join("; "),
        (true, true) => none_of_all(gate),
        (true, false) => format!("nothing ran in {}", filters.cgroups.join(", ")),
    })
}

/// Errors of start-up have exit codes of their own.
pub(super) fn unsuitable(error: anyhow::Error) -> anyhow::Error {
    if let Some(NoSuchProcess(pid)) = error.downcast_ref() {
        return Failure::new(NO_MATCH, format!("no process has the pid {pid}")).into();
    }
    if let Some(outside) = error.downcast_ref::<InNoContainer>() {
        return Failure::new(NO_MATCH, outside.to_string()).into();
    }
    if error.downcast_ref::<crate::probe::ProbeError>().is_some()
        || error.downcast_ref::<crate::container::hierarchy::Error>().is_some()
    {
        return Failure::new(UNSUITABLE, format!("{error:#}")).into();
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::filter::Filters;
    use crate::event::Event;
    use crate::output::{Clock, JsonLines};
    use crate::stream::Reader;

    /// What goes on in a container that drops SIGTERM, after each of the events of its recording.
    #[test]
    fn what_has_ended_does_not_go_on() {
        let text = include_bytes!("../../tests/scenarios/dash-drops.rec");
        let events: Vec<Event> =
            Reader::new(&text[..]).expect("a recording").map(|event| event.expect("good")).collect();
        let mut told = 0;
        for upto in 1..=events.len() {
            let view = Box::new(JsonLines::new(io::sink(), Clock::default()));
            let mut pipeline = Pipeline::new(Filters::default(), view, None);
            pipeline.take(&events[..upto]).expect("nothing can go wrong");
            pipeline.conclude().expect("nothing can go wrong");
            let going_on = what_goes_on(&pipeline, events[upto - 1].0);
            assert!(pipeline.ended() == 0 || going_on.is_empty(), "after {upto} events: {going_on:?}");
            assert!(going_on.iter().all(|told| told.contains(" is still being stopped: ")), "{going_on:?}");
            told += going_on.len();
        }
        assert!(told > 0, "while it was being stopped");
    }

    #[test]
    fn how_many_match_is_told_in_good_english() {
        for (there, matching, told) in [
            (0, 0, "no container is here yet"),
            (1, 0, "the only container here does not match yet"),
            (1, 1, "the only container here matches"),
            (3, 0, "none of the 3 containers here matches yet"),
            (3, 1, "1 of the 3 containers here matches"),
            (3, 2, "2 of the 3 containers here match"),
            (3, 3, "all 3 containers here match"),
        ] {
            assert_eq!(so_far(there, matching), told);
        }
    }
}
