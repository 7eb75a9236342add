//! `tracer` without a subcommand: live tracing.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::container::docker;
use crate::container::filter::{Known, Resolved};
use crate::live::{End, NoSuchProcess, Options, Pipeline, Request, Session, boot_now, wall_clock};
use crate::model::{Change, News, Termination};
use crate::output::View as _;
use crate::tui::app::App;

use super::driver::Driver;
use super::logging;
use super::options::{Failure, Filters, View, note};
use super::{DONE, NO_MATCH, UNSUITABLE};

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
    capture: Capture,
    /// Socket of Docker or Podman, to ask for names; the usual places are tried by themselves
    #[arg(long, value_name = "SOCKET")]
    docker: Vec<PathBuf>,
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
    #[arg(long, value_name = "KIB", hide = true, value_parser = clap::value_parser!(u32).range(4..=1 << 20))]
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
        docker: Some(if args.docker.is_empty() { docker::usual_sockets() } else { args.docker.clone() }),
    };
    let (mut session, mut driver) = Driver::start(&request, &args.view, args.view.format())?;
    let one = !request.filters.containers.is_empty() || !request.filters.pids.is_empty();
    driver.app().filter(|_| one).into_iter().for_each(App::open_the_first);
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
            &mut session,
            async {
                tokio::select! { () = &mut end => true, () = sleep(Duration::ZERO) => false }
            },
            |p| over(p).map(|()| true),
        )
        .await?;
    if driver.app().is_none() {
        note(&begun(&session, args));
    }
    let mut done = opening != End::Done(false);
    if !done {
        let waiting = async {
            tokio::select! { () = &mut end => true, () = sleep(SAY_WAITING) => false }
        };
        done = driver.run_until(&mut session, waiting, |p| over(p).map(|()| true)).await? != End::Done(false);
        if !done {
            say_what_is_missing(&session, &args.docker);
            driver.run_until(&mut session, end, over).await?;
        }
    }
    let on_screen = driver.app().is_some();
    driver.close(&mut session).await?;
    if on_screen && args.until_exit {
        print_endings(&mut session, &args.view)?;
    }
    say_what_goes_on(&session);
    let missing = unmatched(&session);
    session.finish().await?;
    match missing {
        Some(message) => Err(Failure::new(NO_MATCH, message).into()),
        None => Ok(ExitCode::from(DONE)),
    }
}

/// With `--until-exit` the terminal UI goes away at the moment that was waited for: what it was stays on the terminal.
fn print_endings(session: &mut Session, view: &View) -> anyhow::Result<()> {
    let (pipeline, sink) = session.pipeline_and_sink();
    let mut text = view.text(sink.buffer(), wall_clock());
    let shown = |ended: &&Arc<Termination>| pipeline.gate.is_wanted(&ended.container.id);
    for ended in pipeline.node.terminations().filter(shown) {
        let at = ended.ended.unwrap_or(ended.started);
        text.show(&Change { at, news: News::Termination(Arc::clone(ended)) })?;
    }
    Ok(text.flush()?)
}

/// The line that says that tracing goes on, and how to end it.
fn begun(session: &Session, args: &Args) -> String {
    let containers = session.pipeline.node.containers().count();
    let what = match (containers, session.pipeline.gate.filters().is_everything()) {
        (0, false) => "tracing; no container is here yet".to_owned(),
        (1, _) => "tracing 1 container".to_owned(),
        (n, true) => format!("tracing {n} containers and those to come"),
        (n, false) => format!("tracing; {n} containers to choose from"),
    };
    match (args.duration, args.until_exit) {
        (None, false) => format!("{what}; Ctrl-C ends"),
        _ => what,
    }
}

fn say_what_is_missing(session: &Session, named: &[PathBuf]) {
    for (socket, state) in session.runtimes() {
        // a usual place where nobody listens is nothing to tell; one that was named is
        let asked_for = named.iter().any(|named| named == socket);
        let told = format!("{} {state}", socket.display());
        match state {
            docker::State::Absent | docker::State::Connecting if !asked_for => log::info!("{told}"),
            docker::State::Connected { .. } => log::info!("{told}"),
            _ => note(&told),
        }
    }
    for resolved in resolve(session) {
        match resolved {
            Resolved::Nothing { .. } => note(&format!("{resolved}; waiting for it")),
            Resolved::Several { .. } => note(&format!("{resolved}; tracing all of them")),
            Resolved::One(_) => {}
        }
    }
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

fn resolve(session: &Session) -> Vec<Resolved> {
    let containers: Vec<_> = session.pipeline.node.containers().collect();
    let known: Vec<_> =
        containers.iter().map(|(_, c)| Known { id: &c.name.id, name: c.name.name.as_deref() }).collect();
    session.pipeline.gate.filters().resolve(&known)
}

/// What to say when the filters let nothing pass.
fn unmatched(session: &Session) -> Option<String> {
    let gate = &session.pipeline.gate;
    let filters = gate.filters();
    if gate.matched() > 0 || filters.is_everything() {
        return None;
    }
    let nothing: Vec<_> = resolve(session)
        .iter()
        .filter(|resolved| matches!(resolved, Resolved::Nothing { .. }))
        .map(ToString::to_string)
        .collect();
    Some(if nothing.is_empty() { format!("nothing ran in {}", filters.cgroups.join(", ")) } else { nothing.join("; ") })
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
