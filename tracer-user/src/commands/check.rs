//! `tracer check`: the shutdown test. A program is started, waited for, stopped as kubelet would, and judged.

mod course;
mod options;
mod result;

use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::sleep;

use crate::check::screen::{Nothing, Screen, Shown, Stage};
use crate::check::subject::Refused;
use crate::check::{Log, Report};
use crate::live::sink::Buffer;
use crate::live::{Options, Pipeline, Request, Session, boot_now, wall_clock};
use crate::output::{self, View};
use crate::signal::Signal;

use super::options::{Failure, complain, note, terminal_width};
use super::{FOUND, UNSUITABLE, USAGE, logging};

use course::{Course, Progress, keep_on};
use options::Format;
use result::{ended, judge, tell, unless_unread};

pub(super) use options::Args;

/// The last events may take this long to come.
const LAST_EVENTS: Duration = Duration::from_secs(5);
/// The last lines that it printed may take this long to be shown.
const LAST_LINES: Duration = Duration::from_secs(2);
/// As shells tell of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(signal @ (Signal::KILL | Signal::STOP)) = args.stop_signal {
        return Err(Failure::new(USAGE, format!("{signal} is no stop signal: no program can handle it")).into());
    }
    crate::doctor::preflight().map_err(|unsuitable| Failure::new(UNSUITABLE, unsuitable.to_string()))?;
    let runtime = super::event_loop()?;
    let result = runtime.block_on(check(args));
    runtime.shutdown_background();
    // a check without a result is none that has passed, whatever broke off
    result.or_else(|error| {
        if !super::is_broken_pipe(&error) {
            return Err(error);
        }
        complain(&format!("{error:#}"));
        Ok(ExitCode::from(FOUND))
    })
}

async fn check(args: &Args) -> anyhow::Result<ExitCode> {
    logging::init(args.capture.verbose);
    let clock = wall_clock();
    let begun = boot_now();
    let (log, output) = Log::start(args.ready_log.clone()).context("cannot make a pipe for the program's output")?;
    let subject = match args.prepare(output).await {
        Ok(subject) => subject,
        // no such image, for example: a CI server wants to see that in its report, too
        Err(error) if error.is::<Refused>() => {
            let report = Report { error: Some(error.to_string()), ..args.report(begun) };
            return tell(args, &report, clock, false);
        }
        Err(error) => return Err(error),
    };
    let request = Request {
        filters: subject.filters(),
        options: Options { ..args.capture.options() },
        record: args.capture.record.clone(),
        command: std::env::args().skip(1).collect(),
        sockets: subject.sockets(),
        // the container is made while it goes on
        keep_privileges: true,
        foresee: args.capture.record.is_some(),
        ..Request::default()
    };
    let state = Rc::new(Shown::default());
    let view = |out: Buffer, clock| -> Box<dyn View> {
        let text = output::Text::new(out, clock, args.colors.style(), terminal_width());
        match args.output {
            Format::Text => Box::new(Screen::new(text, Rc::clone(&state), args.capture.verbose > 0)),
            Format::Json | Format::Junit => Box::new(Nothing),
        }
    };
    let session = Session::start(&request, view).map_err(super::live::unsuitable)?;
    let mut course = Course { args, when: args.ready_when(), subject, session, log, ready: None, stage: &state.stage };
    // that it broke off is the result of the check
    let mut progress = course.run().await.unwrap_or_else(|error| Progress::Failed(format!("{error:#}")));
    let Course { subject, mut session, log, ready, .. } = course;
    let id = subject.id().to_owned();
    if matches!(progress, Progress::Stopped | Progress::EndedBefore) {
        // its cgroup is gone with it, and its end complete
        let before = session.pipeline.ended();
        let over = |pipeline: &Pipeline| (pipeline.ended() > before || ended(pipeline, &id).is_some()).then_some(());
        if let Err(error) = keep_on(&mut session, sleep(LAST_EVENTS), over).await {
            progress = Progress::Failed(format!("{error:#}"));
        }
    } else {
        // it is our own end of it that comes now
        state.stage.set(Stage::Over);
    }
    // in any case, and before anything else can go wrong
    let removed = subject.remove().await;
    let output = log.end(LAST_LINES).await;
    let mut warnings: Vec<String> = ready.and_then(|(by, _)| by.warning()).into_iter().collect();
    // the verdict stands: what is left is somebody else's trouble
    warnings.extend(removed.err().map(|error| format!("not everything of it could be removed: {error:#}")));
    let mut report = Report { ready, warnings, output, ..args.report(begun) };
    if progress == Progress::Interrupted {
        session.finish().await.or_else(unless_unread)?;
        for warning in &report.warnings {
            note(&format!("warning: {warning}"));
        }
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let finished = session
        .finish_with(|pipeline, _| {
            judge(&mut report, progress, pipeline, &id);
            Ok(())
        })
        .await;
    report.time.1 = boot_now();
    let code = tell(args, &report, clock, state.line.get())?;
    finished.or_else(unless_unread).map(|()| code)
}
