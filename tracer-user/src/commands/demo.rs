//! `tracer demo`: small real containers of its own, stopped as kubelet would, and traced.

use std::future::pending;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::sleep;

use crate::container::filter::Filters;
use crate::demo::scenarios::Exit;
use crate::demo::{SCENARIOS, Scenario, Stage};
use crate::event::Described;
use crate::live::{End, Options, Pipeline, Request, Session, Tracing as _};
use crate::model::{Condition, ExitStatus};

use super::driver::Driver;
use super::logging;
use super::options::{Failure, Format, View, note};
use super::{DONE, UNSUITABLE, USAGE};

/// The last events of a scenario may take this long to come.
const LAST_EVENTS: Duration = Duration::from_secs(5);

/// As shells tell of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Options of `tracer demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Scenarios to show; all of them when none is named
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// Tell which scenarios there are
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    view: View,
    #[command(flatten)]
    capture: super::live::Capture,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.list {
        let width = SCENARIOS.iter().map(|scenario| scenario.name.len()).max().unwrap_or_default();
        let mut out = std::io::stdout().lock();
        for scenario in SCENARIOS {
            writeln!(out, "{:width$}  {}", scenario.name, scenario.title)?;
        }
        return Ok(ExitCode::from(DONE));
    }
    let chosen = choose(&args.scenarios)?;
    crate::doctor::preflight().map_err(|unsuitable| Failure::new(UNSUITABLE, unsuitable.to_string()))?;
    let runtime = super::event_loop()?;
    let result = runtime.block_on(show(args, &chosen));
    runtime.shutdown_background();
    result
}

fn choose(names: &[String]) -> anyhow::Result<Vec<&'static Scenario>> {
    if names.is_empty() {
        return Ok(SCENARIOS.iter().filter(|scenario| scenario.is_available()).collect());
    }
    let unknown = |name: &String| {
        Failure::new(USAGE, format!("no scenario is called {name}; tracer demo --list tells which there are"))
    };
    names.iter().map(|name| Scenario::named(name).ok_or_else(|| unknown(name).into())).collect()
}

async fn show(args: &Args, scenarios: &[&'static Scenario]) -> anyhow::Result<ExitCode> {
    logging::init(args.capture.verbose);
    let stage = Stage::open().context("cannot make containers for the demo")?;
    let root = stage.hierarchy().path_of(stage.dir());
    let path = |scenario: &Scenario| format!("{root}/{}", scenario.name);
    let format = args.view.format();
    let request = Request {
        filters: Filters { cgroups: scenarios.iter().map(|scenario| path(scenario)).collect(), ..Filters::default() },
        options: Options { ..args.capture.options() },
        record: args.capture.record.clone(),
        command: std::env::args().skip(1).collect(),
        sockets: Vec::new(),
        // containers are made while it goes on
        keep_privileges: true,
        foresee: format == Format::Tui || args.capture.record.is_some(),
        keep: format == Format::Tui,
        outlives_hangup: false,
    };
    let (mut session, mut driver) = Driver::start(&request, &args.view, format)?;
    let played = play_all(&stage, scenarios, &mut session, &mut driver, format).await;
    drop(stage);
    let played = match played {
        Ok(played) => show_result(played, scenarios.len(), &mut session, &mut driver).await,
        Err(error) => Err(error),
    };
    let was_quit = driver.was_quit();
    // whatever ended it: the recording is to be whole
    let closed = driver.close(&mut session).await;
    let finished = session.finish().await;
    let played = match played.and_then(|played| closed.map(|_| played)) {
        Err(error) if !super::is_broken_pipe(&error) => return Err(error),
        played => {
            finished?;
            played?
        }
    };
    if played.interrupted {
        return Ok(ExitCode::from(if was_quit { DONE } else { INTERRUPTED }));
    }
    note(&played.result(scenarios.len()));
    anyhow::ensure!(played.wrong.is_empty(), "on this kernel the tracer is wrong about {}", played.wrong.join("; "));
    Ok(ExitCode::from(DONE))
}

/// What came of the scenarios.
#[derive(Default)]
struct Played {
    /// Those that were judged as they should not be, and how.
    wrong: Vec<String>,
    /// By Ctrl-C, before the last one.
    interrupted: bool,
}

impl Played {
    /// `15 of 16 scenarios were judged as they should be`.
    fn result(&self, of: usize) -> String {
        format!("{} of {of} scenarios were judged as they should be", of - self.wrong.len())
    }
}

async fn play_all(
    stage: &Stage,
    scenarios: &[&'static Scenario],
    session: &mut Session,
    driver: &mut Driver,
    format: Format,
) -> anyhow::Result<Played> {
    let root = stage.hierarchy().path_of(stage.dir());
    let mut played = Played::default();
    for (index, scenario) in scenarios.iter().enumerate() {
        let title = format!("({}/{}) {}: {}", index + 1, scenarios.len(), scenario.name, scenario.title);
        announce(session, driver, format, &title)?;
        let path = format!("{root}/{}", scenario.name);
        if play(session, driver, stage, scenario, &path).await? == End::Interrupted {
            played.interrupted = true;
            break;
        }
        played.wrong.extend(judge(&session.pipeline, scenario, &path));
    }
    Ok(played)
}

/// On the terminal UI all of it can be looked at until the person quits.
async fn show_result(played: Played, of: usize, session: &mut Session, driver: &mut Driver) -> anyhow::Result<Played> {
    if let Some(app) = driver.app().filter(|_| !played.interrupted) {
        app.set_title(Some(format!("{}; q quits", played.result(of))));
        driver.run_until(session, pending::<()>(), |_| None).await?;
    }
    Ok(played)
}

/// Says which scenario comes: above its lines, or in the header.
fn announce(session: &mut Session, driver: &mut Driver, format: Format, title: &str) -> anyhow::Result<()> {
    match driver.app() {
        Some(app) => {
            app.set_title(Some(title.to_owned()));
            app.open_the_first();
        }
        None if format == Format::Text => {
            let (_, sink) = session.pipeline_and_sink();
            sink.buffer().write_all(format!("\n{title}\n").as_bytes())?;
        }
        None => {}
    }
    Ok(())
}

/// Compares what the trace found with what the scenario is made to show. `None` when it is right.
fn judge(pipeline: &Pipeline, scenario: &Scenario, id: &str) -> Option<String> {
    let node = &pipeline.node;
    let expect = scenario.expect;
    let found = node.terminations().rev().find(|termination| termination.container.id == id);
    let Some(found) = found else { return Some(format!("{} (no end was seen)", scenario.name)) };
    let exit = match expect.exit {
        Exit::Code(code) => found.exit.and_then(ExitStatus::code) == Some(code),
        Exit::Signal(signal) => found.exit.and_then(ExitStatus::signal) == Some(signal),
    };
    let of_it = |condition: &Condition| condition.container.as_ref().is_some_and(|container| container.id == id);
    let condition = expect
        .condition
        .is_none_or(|kind| node.conditions().any(|(_, condition)| of_it(condition) && condition.kind == kind));
    let verdict = found.verdict == expect.verdict && (expect.cause.is_none() || found.cause == expect.cause);
    let right = verdict && exit && condition;
    (!right).then(|| format!("{} ({} instead of {}, {:?})", scenario.name, found.verdict, expect.verdict, found.exit))
}

/// One scenario, from its cgroup to its last event.
async fn play(
    session: &mut Session,
    driver: &mut Driver,
    stage: &Stage,
    scenario: &'static Scenario,
    id: &str,
) -> anyhow::Result<End<()>> {
    let before = session.pipeline.ended();
    let prepared = stage.prepare(scenario)?;
    session.describe(Described {
        id: id.to_owned(),
        name: Some(scenario.name.to_owned()),
        runtime: Some("demo".to_owned()),
        stop_signal: scenario.stop.map(|stop| stop.signal),
        grace_ms: scenario.stop.and_then(|stop| u64::try_from(stop.grace.as_millis()).ok()),
        grace_source: scenario.stop.map(|_| "demo".to_owned()),
        ..Described::default()
    })?;
    let life = async {
        let mut container = prepared.start().await?;
        container.watch().await?;
        container.stop().await?;
        container.finish().await
    };
    match driver.run_until(session, life, |_| None).await? {
        End::Interrupted => return Ok(End::Interrupted),
        End::Done(result) => result?,
    }
    let over = |pipeline: &Pipeline| (pipeline.ended() > before).then_some(());
    driver.run_until(session, sleep(LAST_EVENTS), over).await
}
