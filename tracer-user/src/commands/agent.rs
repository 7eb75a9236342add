//! `tracer agent`: traces for days, remembers, and serves those who attach.

mod options;
mod outputs;
mod running;

use std::process::ExitCode;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::agent::config::Config;
use crate::agent::metrics::{Ask, Own};
use crate::agent::server::{Request as Wanted, Server};
use crate::agent::{BindError, Hub, Sink, Sinks, listen};
use crate::live::{End, Options, Request, Session};

use super::options::{Failure, print};
use super::{DONE, UNSUITABLE, USAGE, logging};

use outputs::{Prepared, start_kubernetes};
use running::Running;

pub(super) use options::Args;

/// Requests of clients that may wait.
const REQUESTS: usize = 32;

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.load().map_err(|error| Failure::new(USAGE, error.to_string()))?;
    if args.print_config {
        print(config.print().as_bytes())?;
        return Ok(ExitCode::from(DONE));
    }
    logging::init_agent(config.level, config.format);
    crate::doctor::preflight().map_err(|unsuitable| Failure::new(UNSUITABLE, unsuitable.to_string()))?;
    let runtime = super::event_loop()?;
    let result = runtime.block_on(serve(args, config));
    runtime.shutdown_background();
    result
}

/// What the loop came back for.
enum Woken {
    /// Somebody wants events.
    Wanted(Wanted),
    /// Somebody wants to know how it stands.
    Asked(Ask),
    /// SIGHUP.
    Hangup,
}

async fn serve(args: &Args, config: Config) -> anyhow::Result<ExitCode> {
    // before anything is attached: where an agent runs already, this one is not wanted
    let bound = listen(&config.socket).map_err(|error| match error {
        BindError::Io { .. } => anyhow::Error::new(error),
        other => Failure::new(1, other.to_string()).into(),
    })?;
    let prepared = Prepared::new(&config)?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let request = Request {
        filters: config.filters.clone(),
        command: std::env::args().skip(1).collect(),
        sockets: config.sockets.clone(),
        outlives_hangup: true,
        // somebody may look at it on the terminal UI
        foresee: true,
        options: Options {
            programs_only: !config.command_lines,
            ring_bytes: Some(config.ring_bytes),
            ..Options::default()
        },
        ..Request::default()
    };
    let hub = Hub::new(config.bounds, config.typed_filters());
    let mut sinks = prepared.sinks();
    let mut kubernetes = None;
    let mut session = Session::start(&request, |_, _| {
        // a thread of ours, now that no privilege is left that is not needed
        kubernetes = config.kubernetes.as_ref().and_then(start_kubernetes).map(|started| {
            sinks.extend(started.events.map(|events| Box::new(events) as Box<dyn Sink>));
            (started.thread, started.pods)
        });
        Box::new(Sinks::new(sinks))
    })
    .map_err(super::live::unsuitable)?;
    let (kubernetes, pods) = kubernetes.unzip();
    if let Some(pods) = pods.flatten() {
        session.listen(pods);
    }
    // the one before it may have been killed in the middle of a stop
    session.doubt_the_past();
    session.pipeline.set_tap(Box::new(hub.clone()));
    // threads of ours are made now that no privilege is left that is not needed
    let (requests, mut wanted) = mpsc::channel(REQUESTS);
    let server = Server::start(bound, requests.clone()).context("cannot serve clients")?;
    let (asks, mut asked) = mpsc::channel(REQUESTS);
    let (mut outputs, counted) = prepared.start(&session, asks.clone())?;
    log::info!("tracing; clients attach on {}", config.socket.display());
    let mut running = Running { config, rotator: None, leaving: Vec::new(), kubernetes, requests };
    running.check()?;
    running.record()?;
    loop {
        let woken = async {
            tokio::select! {
                Some(request) = wanted.recv() => Woken::Wanted(request),
                Some(ask) = asked.recv() => Woken::Asked(ask),
                Some(()) = hangup.recv() => Woken::Hangup,
            }
        };
        match session.run_until(woken, |_| None).await? {
            End::Interrupted => break,
            End::Done(Woken::Wanted(request)) => {
                let start = session.start_record().clone();
                hub.subscribe(request, &session.pipeline, &start);
            }
            // who does not wait for the answer needs none
            End::Done(Woken::Asked(Ask::Snapshot(reply))) => {
                let own = Own { traces: outputs.traces(), ..own(&hub, &session) };
                drop(reply.send(counted.snapshot(&session.pipeline.node, own)));
            }
            End::Done(Woken::Asked(Ask::Programs(reply))) => {
                let programs = session.tracker().probe().info().programs.len();
                reply.send(programs).unwrap_or_default();
            }
            End::Done(Woken::Hangup) => running.reload(args, &hub),
        }
    }
    log::info!("asked to end");
    // who waits for an answer gets none; what is attached gets what there is
    drop(wanted);
    outputs.stop_metrics();
    hub.close();
    server.stop();
    running.stop();
    // which waits for nobody longer than a moment
    let finished = session.finish().await;
    if let Some(kubernetes) = running.kubernetes.take() {
        kubernetes.stop();
    }
    // the last ends are told by that
    outputs.stop_traces();
    finished?;
    Ok(ExitCode::from(DONE))
}

/// What there is to tell of the agent itself.
fn own(hub: &Hub, session: &Session) -> Own {
    let info = session.tracker().probe().info();
    Own {
        kernel: info.kernel.clone(),
        programs: info.programs.len(),
        wakeups: session.wakeups(),
        ring_fill: session.tracker().ring_fill(),
        ..hub.own()
    }
}
