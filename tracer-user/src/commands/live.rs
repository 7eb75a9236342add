//! `tracer` without a subcommand: live tracing.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::container::filter::Resolved;
use crate::container::runtime;
use crate::live::sink::Buffer;
use crate::live::{End, Gate, NoSuchProcess, Options, Pipeline, Request, Session, boot_now, wall_clock};
use crate::model::{Change, News};
use crate::output::{Text, View as _};
use crate::tui::app::App;

use super::driver::Driver;
use super::logging;
use super::options::{Failure, Filters, Sockets, View, note};
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
    /// Size of the buffer between kernel and tracer in KiB, a power of two; more for storms of events
    #[arg(long, value_name = "KIB", hide = true, value_parser = clap::value_parser!(u32).range(16..=1 << 20))]
    ring_size: Option<u32>,
}

impl Capture {
    /// Options for the kernel programs.
    pub(super) fn options(&self) -> Options {
        Options {
            all_signals: self.all_signals,
            log: self.verbose >= 2,
            ring_bytes: self.ring_size.map(|kib| kib.next_power_of_two() * 1024),
        }
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    crate::doctor::preflight().map_err(|unsuitable| Failure::new(UNSUITABLE, unsuitable.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(trace(args));
    // a thread that is stuck in a write must not keep us
    runtime.shutdown_background();
    result
}

async fn trace(args: &Args) -> anyhow::Result<ExitCode> {
    logging::init(args.capture.verbose);
    let request = Request {
        filters: args.filters.build(),
        options: args.capture.options(),
        record: args.capture.record.clone(),
        command: std::env::args().skip(1).collect(),
        sockets: args.sockets.all(),
        keep_privileges: false,
    };
    let (mut session, mut driver) = Driver::start(&request, &args.view, args.view.format())?;
    let filters = &request.filters;
    let one = !filters.containers.is_empty() || !filters.pods.is_empty() || !filters.pids.is_empty();
    driver.app().filter(|_| one).into_iter().for_each(App::open_the_first);
    let followed = follow(&mut session, &mut driver, args).await;
    let missing = unmatched(&session.pipeline);
    // whatever ends the tracing, a reader who has seen enough among others: the recording is to be whole
    let closed = driver.close(&mut session).await;
    let (closed, app) = match closed {
        Ok(app) => (Ok(()), app),
        Err(error) => (Err(error), None),
    };
    let finished = session
        .finish_with(|pipeline, out| match app.filter(|_| args.until_exit) {
            Some(app) => print_endings(pipeline, &app, args.view.text(out, wall_clock())),
            None => Ok(()),
        })
        .await;
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
async fn follow(session: &mut Session, driver: &mut Driver, args: &Args) -> anyhow::Result<()> {
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
        note(&begun(session, args));
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
    say_what_goes_on(session);
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
fn begun(session: &Session, args: &Args) -> String {
    let pipeline = &session.pipeline;
    let there = pipeline.node.containers().filter(|(_, one)| one.gone.is_none() && !one.is_sandbox()).count();
    // of those that a name turned away already the model knows nothing any more
    let there = there + pipeline.gate.others().filter(|one| pipeline.node.container_by_id(&one.id).is_none()).count();
    let filters = pipeline.gate.filters();
    let what = match (there, filters.is_everything()) {
        // names come a moment later
        (0, false) if filters.asks_by_name() => format!("tracing {}; no container is here yet", filters.asked()),
        (1, false) if filters.asks_by_name() => format!("tracing {}; 1 container is here", filters.asked()),
        (n, false) if filters.asks_by_name() => {
            format!("tracing {}; {n} containers to choose from", filters.asked())
        }
        (0, false) => "tracing; no container is here yet".to_owned(),
        (1, _) => "tracing 1 container".to_owned(),
        (n, true) => format!("tracing {n} containers and those to come"),
        (n, false) => format!("tracing {n} containers"),
    };
    match (args.duration, args.until_exit) {
        (None, false) => format!("{what}; Ctrl-C ends"),
        _ => what,
    }
}

fn say_what_is_missing(session: &Session, named: &Sockets) {
    for (socket, state) in session.runtimes() {
        // a usual place where nobody listens is nothing to tell; one that was named is
        let asked_for = named.names(socket);
        let told = format!("{} {state}", socket.path.display());
        match state {
            runtime::State::Connected { .. } => log::info!("{told}"),
            state if state.is_quiet() && !asked_for => log::info!("{told}"),
            _ => note(&told),
        }
    }
    let resolved = session.pipeline.resolve();
    for resolved in &resolved {
        if resolved.is_nothing() {
            note(&format!("{resolved}; waiting for it"));
        } else if resolved.is_ambiguous() {
            note(&format!("{resolved}; tracing all of them"));
        }
    }
    let gate = &session.pipeline.gate;
    if gate.matched() == 0 && resolved.len() > 1 && !resolved.iter().any(Resolved::is_nothing) {
        note(&format!("{}; waiting for one", none_of_all(gate)));
    }
}

/// Each filter means something, and together they mean nothing.
fn none_of_all(gate: &Gate) -> String {
    format!("no container is all of this at once: {}", gate.filters().asked())
}

/// Whoever ends the tracing while a container does not stop has the question that the termination would answer.
fn say_what_goes_on(session: &Session) {
    let node = &session.pipeline.node;
    for (key, container) in
        node.containers().filter(|(_, container)| session.pipeline.gate.is_wanted(&container.name.id))
    {
        let Some(termination) = node.termination(key, boot_now()) else { continue };
        let name = container.name.friendly();
        note(&format!("{name} is still being stopped: {}", termination.explanation));
    }
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
    if error.downcast_ref::<crate::probe::ProbeError>().is_some()
        || error.downcast_ref::<crate::container::hierarchy::Error>().is_some()
    {
        return Failure::new(UNSUITABLE, format!("{error:#}")).into();
    }
    error
}
