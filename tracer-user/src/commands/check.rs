//! `tracer check`: the shutdown test. A program is started, waited for, stopped as kubelet would, and judged.

use std::cell::Cell;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;
use tokio::time::{Instant, sleep};

use crate::check::ready::{Attempt, NotReady, RETRY};
use crate::check::screen::{Nothing, Screen, Shown, Stage};
use crate::check::settle::{self, Sample, Settling};
use crate::check::subject::{Image, Program, Refused};
use crate::check::{Log, ReadyBy, ReadyWhen, Report, Subject};
use crate::container::runtime::engine::{Create, Engine};
use crate::container::runtime::{Kind, Socket, State, usual_sockets, who_answers};
use crate::event::BootNs;
use crate::live::sink::{Buffer, CANNOT_WRITE};
use crate::live::{End, Options, Pipeline, Request, Session, boot_now, wall_clock};
use crate::model::Verdict;
use crate::output::{self, Clock, JsonLines, View};
use crate::sandbox::{Stop, User};
use crate::signal::Signal;

use super::options::{Colors, Failure, complain, note, socket, terminal_width};
use super::{DONE, FOUND, UNSUITABLE, USAGE, logging};

/// The last events may take this long to come.
const LAST_EVENTS: Duration = Duration::from_secs(5);
/// The last lines that it printed may take this long to be shown.
const LAST_LINES: Duration = Duration::from_secs(2);
/// A daemon may take this long to say that it is there.
const DAEMON: Duration = Duration::from_secs(10);
/// As shells tell of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

const BELOW: &str = "\
Examples:
  sudo tracer check -- ./server --port 8080
  sudo tracer check --ready 'curl -fs localhost:8080/healthz' --grace 10s -- ./server
  sudo tracer check --stop-signal QUIT --junit check.xml -- nginx -g 'daemon off;'
  sudo tracer check --image shop/web:1.4 --ready-log 'listening on'

Exit codes:
  0  it stopped gracefully, or as --expect says
  1  it did not, or could not be checked (standard error says why)
  2  the command line is wrong
  3  not permitted, or the kernel is unsuitable; tracer doctor tells more";

/// Options of `tracer check`.
#[derive(Debug, clap::Args)]
#[command(after_help = BELOW)]
pub(super) struct Args {
    /// Program and arguments, to run as PID 1 of a container of its own; with --image, arguments for its entrypoint
    #[arg(last = true, required_unless_present = "image", value_name = "COMMAND")]
    command: Vec<String>,
    /// Signal that it is stopped with: TERM, QUIT, RTMIN+3, 15; without this SIGTERM, or what the image says
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<Signal>,
    /// Time that it has to stop, then comes SIGKILL
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    grace: Duration,
    /// It is ready when this shell command, run in its container again and again, exits with 0; without --ready and
    /// --ready-log, when its processes and signal handlers have not changed and it was idle for a second, at most 10 s
    #[arg(long, value_name = "CMD", conflicts_with = "ready_log")]
    ready: Option<String>,
    /// It is ready when it prints a line with this text
    #[arg(long, value_name = "TEXT")]
    ready_log: Option<String>,
    /// Give up when it is not ready by then
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    ready_timeout: Duration,
    /// Verdicts that are fine; the others fail
    #[arg(long, value_name = "VERDICT", value_delimiter = ',', default_value = "graceful")]
    expect: Vec<Verdict>,
    /// What to call it in the output, instead of its command line
    #[arg(long)]
    name: Option<String>,
    /// User it runs as, by name or number; with a group: USER:GROUP
    #[arg(short, long, value_name = "USER", help_heading = "Program")]
    user: Option<String>,
    /// Set a variable of its environment; without a value, the one that it has here; may repeat
    #[arg(short, long, value_name = "NAME[=VALUE]", value_parser = variable, help_heading = "Program")]
    env: Vec<(String, String)>,
    /// Directory it runs in, instead of the current one or the image's
    #[arg(short, long, value_name = "DIR", help_heading = "Program")]
    workdir: Option<PathBuf>,
    #[command(flatten)]
    docker: Docker,
    /// How to show it
    #[arg(short, long, value_enum, default_value_t = Format::Text, help_heading = "Output")]
    output: Format,
    /// Write a JUnit report to this file, too
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    colors: Colors,
    #[command(flatten)]
    capture: super::live::Capture,
}

/// What only an image needs.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Image")]
struct Docker {
    /// Check this image, in a container that Docker makes; nothing is pulled
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Mount a directory into it: SOURCE:TARGET[:ro]; may repeat
    #[arg(long = "volume", value_name = "MOUNT", requires = "image")]
    volumes: Vec<String>,
    /// Its network: none, host, the name of one
    #[arg(long, requires = "image")]
    network: Option<String>,
    /// With Docker's own init (tini) as PID 1
    #[arg(long, requires = "image")]
    init: bool,
    /// Socket of Docker or Podman, instead of those in the usual places
    #[arg(long = "docker", value_name = "SOCKET", value_parser = socket(), requires = "image")]
    socket: Option<PathBuf>,
}

/// Form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people: what happens line by line, and the picture
    Text,
    /// For programs: one JSON object
    Json,
    /// For CI servers: JUnit XML
    Junit,
}

/// By name or number, with or without a group.
fn user(text: &str) -> Result<User, String> {
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let found = match user.parse() {
        Ok(uid) => nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid)).ok().flatten(),
        Err(_name) => nix::unistd::User::from_name(user).ok().flatten(),
    };
    let uid = user.parse().ok().or_else(|| found.as_ref().map(|found| found.uid.as_raw()));
    let gid = match group {
        Some(group) => {
            let named = || nix::unistd::Group::from_name(group).ok().flatten().map(|group| group.gid.as_raw());
            Some(group.parse().ok().or_else(named).ok_or_else(|| format!("there is no group {group}"))?)
        }
        None => found.map(|found| found.gid.as_raw()),
    };
    // a number that nobody has is its own group's, too
    let uid = uid.ok_or_else(|| format!("there is no user {user}"))?;
    Ok(User { uid, gid: gid.unwrap_or(uid) })
}

fn time(text: &str) -> Result<Duration, String> {
    let wrong = |_| "a time is a number with a unit: 30s, 500ms, 1m 30s".to_owned();
    humantime::parse_duration(text).map_err(wrong)
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some(("", _)) => Err("a variable has a name".to_owned()),
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => std::env::var(text)
            .map(|value| (text.to_owned(), value))
            .map_err(|_unset| format!("{text} is not set here")),
    }
}

impl Args {
    fn stop(&self) -> Stop {
        Stop { signal: self.stop_signal.unwrap_or(Signal::TERM), grace: self.grace }
    }

    /// The container, in which nothing runs yet.
    async fn prepare(&self, output: OwnedFd) -> anyhow::Result<Subject> {
        if let Some(image) = &self.docker.image {
            return self.prepare_image(image, output).await;
        }
        let workdir = match &self.workdir {
            Some(workdir) => workdir.clone(),
            None => std::env::current_dir().context("cannot tell the current directory")?,
        };
        let user = self.user.as_deref().map(user).transpose().map_err(|none| Failure::new(USAGE, none))?;
        let program = Program { command: self.command.clone(), env: self.env.clone(), user, workdir };
        Subject::program(self.short_name(), program, output)
    }

    async fn prepare_image(&self, image: &str, output: OwnedFd) -> anyhow::Result<Subject> {
        if self.grace.subsec_nanos() > 0 {
            return Err(Failure::new(USAGE, "--grace of an image is in whole seconds: Docker counts those only").into());
        }
        let engine = find_engine(self.docker.socket.as_deref()).await?;
        let create = Create {
            image: image.to_owned(),
            command: self.command.clone(),
            env: self.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            user: self.user.clone(),
            workdir: self.workdir.as_ref().map(|workdir| workdir.to_string_lossy().into_owned()),
            stop_signal: self.stop_signal,
            grace_s: self.grace.as_secs(),
            volumes: self.docker.volumes.iter().map(|mount| whole(mount)).collect::<io::Result<_>>()?,
            network: self.docker.network.clone(),
            init: self.docker.init,
        };
        Ok(Subject::Image(Box::new(Image::create(engine, &create, output).await?)))
    }

    fn ready_when(&self) -> ReadyWhen {
        match (&self.ready, &self.ready_log) {
            (Some(command), _) => ReadyWhen::Command(command.clone()),
            (None, Some(text)) => ReadyWhen::Log(text.clone()),
            (None, None) => ReadyWhen::Settled,
        }
    }

    /// A report in which nothing has happened yet.
    fn report(&self, begun: BootNs) -> Report {
        Report {
            name: self.name(),
            expected: self.expect.clone(),
            ready: None,
            termination: None,
            error: None,
            warnings: Vec::new(),
            output: Vec::new(),
            time: (begun, begun),
        }
    }

    /// What it is called in the output.
    fn name(&self) -> String {
        let image = self.docker.image.iter();
        let words: Vec<_> = image.chain(&self.command).map(String::as_str).collect();
        self.name.clone().unwrap_or_else(|| words.join(" "))
    }

    /// What the picture calls it.
    fn short_name(&self) -> String {
        let program = self.command.first().map_or("", String::as_str);
        let program = program.rsplit('/').next().unwrap_or(program);
        self.name.clone().unwrap_or_else(|| program.to_owned())
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(signal @ (Signal::KILL | Signal::STOP)) = args.stop_signal {
        return Err(Failure::new(USAGE, format!("{signal} is no stop signal: no program can handle it")).into());
    }
    crate::doctor::preflight().map_err(|unsuitable| Failure::new(UNSUITABLE, unsuitable.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
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

/// How far a check came.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    /// It was stopped, and ended.
    Stopped,
    /// It ended before it was ready.
    EndedBefore,
    /// It could not be checked.
    Failed(String),
    /// Ctrl-C.
    Interrupted,
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

/// A reader who has seen enough, as `head` has, changes nothing in the result.
fn unless_unread(error: anyhow::Error) -> anyhow::Result<()> {
    if super::is_broken_pipe(&error) { Ok(()) } else { Err(error) }
}

/// As [`Session::run_until`]; that nobody reads any more, which it says once, does not end it.
async fn keep_on<T>(
    session: &mut Session,
    end: impl Future<Output = T>,
    mut over: impl FnMut(&Pipeline) -> Option<T>,
) -> anyhow::Result<End<T>> {
    tokio::pin!(end);
    match session.run_until(end.as_mut(), &mut over).await {
        Err(error) if super::is_broken_pipe(&error) => session.run_until(end, over).await,
        ended => ended,
    }
}

/// Shows the result, and returns the exit code that fits it. `gap`: it is parted from what was shown before.
fn tell(args: &Args, report: &Report, clock: Clock, gap: bool) -> anyhow::Result<ExitCode> {
    // first: a file does not depend on who reads what is printed
    if let Some(path) = &args.junit {
        let written = std::fs::write(path, output::junit(report, clock));
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut out = io::stdout().lock();
    let told = match args.output {
        Format::Text => {
            let gap = if gap { "\n" } else { "" };
            writeln!(out, "{gap}{}", crate::printable::text(&report.to_string()))
        }
        Format::Json => JsonLines::new(&mut out, clock).checked(report),
        Format::Junit => out.write_all(output::junit(report, clock).as_bytes()),
    };
    told.and_then(|()| out.flush()).context(CANNOT_WRITE).or_else(unless_unread)?;
    for warning in &report.warnings {
        note(&format!("warning: {warning}"));
    }
    if let Some(error) = report.error.as_ref().filter(|_| args.output != Format::Text) {
        complain(error);
    }
    Ok(ExitCode::from(if report.passed() { DONE } else { FOUND }))
}

/// The daemon to use.
async fn find_engine(named: Option<&Path>) -> anyhow::Result<Engine> {
    let sockets = match named {
        Some(path) => vec![Socket { path: path.to_owned(), kind: Kind::Docker }],
        None => usual_sockets().into_iter().filter(|socket| socket.kind == Kind::Docker).collect(),
    };
    let states = who_answers(&sockets, DAEMON).await;
    let found = states.into_iter().find(|(_, state)| matches!(state, State::Connected { .. }));
    found.map(|(socket, _)| Engine::new(socket.path)).ok_or_else(|| {
        let told = match named {
            Some(path) => format!("no Docker daemon answers at {}: is it running?", path.display()),
            None => {
                "no Docker daemon answers at the usual sockets: start it, or name its socket with --docker".to_owned()
            }
        };
        Failure::new(UNSUITABLE, told).into()
    })
}

/// A mount with the whole path of its source, where that is a relative one: `./data:/data`.
fn whole(mount: &str) -> io::Result<String> {
    match mount.split_once(':') {
        Some((source, rest)) if source.starts_with('.') => {
            Ok(format!("{}:{rest}", std::path::absolute(source)?.display()))
        }
        _ => Ok(mount.to_owned()),
    }
}

fn ended(pipeline: &Pipeline, id: &str) -> Option<std::sync::Arc<crate::model::Termination>> {
    pipeline.node.terminations().rev().find(|termination| termination.container.id == id).cloned()
}

/// Completes the report with how it ended.
fn judge(report: &mut Report, progress: Progress, pipeline: &Pipeline, id: &str) {
    match progress {
        Progress::Failed(error) => {
            report.error = Some(error);
            return;
        }
        Progress::Stopped | Progress::EndedBefore | Progress::Interrupted => report.termination = ended(pipeline, id),
    }
    let Some(termination) = &report.termination else { return };
    if !termination.certain {
        report.warnings.push("events were lost meanwhile: the verdict is not certain".to_owned());
    }
    if progress == Progress::EndedBefore && !report.expected.contains(&termination.verdict) {
        let how = termination.exit.map_or_else(|| "ended".to_owned(), output::exit_words);
        let was = if how.starts_with("killed") { "was " } else { "" };
        report.error = Some(format!("it {was}{how} before it was ready, and could not be stopped"));
    }
}

/// A check that goes on.
struct Course<'a> {
    args: &'a Args,
    when: ReadyWhen,
    subject: Subject,
    session: Session,
    log: Log,
    ready: Option<(ReadyBy, u64)>,
    stage: &'a Cell<Stage>,
}

impl Course<'_> {
    async fn run(&mut self) -> anyhow::Result<Progress> {
        let stop = self.args.stop();
        if let Some(described) = self.subject.described(stop) {
            self.session.describe(described)?;
        }
        match keep_on(&mut self.session, self.subject.start(), |_| None).await? {
            End::Interrupted => return Ok(Progress::Interrupted),
            // that it cannot be run is the result of the check
            End::Done(Err(error)) => return Ok(Progress::Failed(format!("{error:#}"))),
            End::Done(Ok(())) => self.stage.set(Stage::Running),
        }
        if let Some(other) = self.wait_until_ready().await? {
            return Ok(other);
        }
        self.stage.set(Stage::Stopping);
        match keep_on(&mut self.session, self.subject.stop(stop), |_| None).await? {
            End::Interrupted => Ok(Progress::Interrupted),
            End::Done(stopped) => stopped.map(|()| Progress::Stopped),
        }
    }

    /// `None` once it is ready; otherwise what came instead.
    async fn wait_until_ready(&mut self) -> anyhow::Result<Option<Progress>> {
        let begun = Instant::now();
        let mut settling = Settling::default();
        let mut attempts = Attempts::default();
        loop {
            match keep_on(&mut self.session, self.subject.watch(settle::INTERVAL), |_| None).await? {
                End::Interrupted => return Ok(Some(Progress::Interrupted)),
                End::Done(Ok(true)) => return Ok(Some(Progress::EndedBefore)),
                End::Done(ended) => drop(ended?),
            }
            let waited = begun.elapsed();
            let by = match &self.when {
                ReadyWhen::Settled => {
                    let sample = Sample::take(self.members().into_iter());
                    let longest = settle::LONGEST.min(self.args.ready_timeout);
                    let settled = settling.observe(waited, sample).then_some(ReadyBy::Settled);
                    settled.or_else(|| (waited >= longest).then_some(ReadyBy::Time))
                }
                ReadyWhen::Log(_) => self.log.has_come().then_some(ReadyBy::Log),
                ReadyWhen::Command(command) => {
                    attempts.go_on(&mut self.subject, command).await?.then_some(ReadyBy::Command)
                }
            };
            if let Some(by) = by {
                self.ready = Some((by, u64::try_from(waited.as_millis()).unwrap_or(u64::MAX)));
                return Ok(None);
            }
            if waited >= self.args.ready_timeout {
                let not = NotReady { when: &self.when, waited: self.args.ready_timeout, last: attempts.last };
                return Ok(Some(Progress::Failed(not.to_string())));
            }
        }
    }

    /// Pids of those who run in the container, as the model knows them.
    fn members(&self) -> Vec<u32> {
        let node = &self.session.pipeline.node;
        let key = node.container_by_id(self.subject.id()).map(|(key, _)| key);
        let all = key.into_iter().flat_map(|key| node.processes().of(key));
        all.filter(|process| process.exit.is_none()).map(|process| process.task.pid).collect()
    }
}

/// Attempts of a readiness command, one after the other.
#[derive(Debug, Default)]
struct Attempts {
    last: Option<Attempt>,
    /// When the next one may begin.
    next: Option<Instant>,
}

impl Attempts {
    /// Starts one or looks after it. Returns whether one has succeeded.
    async fn go_on(&mut self, subject: &mut Subject, command: &str) -> anyhow::Result<bool> {
        if self.next.is_some_and(|next| Instant::now() < next) {
            return Ok(false);
        }
        let Some(attempt) = subject.attempt(command).await? else { return Ok(false) };
        self.next = Some(Instant::now() + RETRY);
        let ready = attempt.code == 0;
        self.last = Some(attempt);
        Ok(ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_by_name_and_number() {
        assert_eq!(user("root"), Ok(User { uid: 0, gid: 0 }));
        assert_eq!(user("0:7"), Ok(User { uid: 0, gid: 7 }));
        assert_eq!(user("987654"), Ok(User { uid: 987_654, gid: 987_654 }));
        assert!(user("nobody-of-that-name").is_err());
        assert!(user("root:no-such-group").is_err());
    }

    #[test]
    fn variables() {
        assert_eq!(variable("A=b=c"), Ok(("A".to_owned(), "b=c".to_owned())));
        assert_eq!(variable("A="), Ok(("A".to_owned(), String::new())));
        assert_eq!(variable("PATH").map(|(name, _)| name), Ok("PATH".to_owned()));
        assert!(variable("=x").is_err());
        assert!(variable("TRACER_NOT_SET_ANYWHERE").is_err_and(|told| told.contains("is not set")));
    }

    #[test]
    fn times() {
        assert_eq!(time("1m 30s"), Ok(Duration::from_secs(90)));
        assert!(time("bla").is_err_and(|told| told.contains("number with a unit")));
    }

    /// `tracer check … | head -1` must not pass because of `head`.
    #[test]
    fn who_has_seen_enough_changes_nothing_and_whatever_else_fails_does() {
        let failed = |kind: io::ErrorKind| anyhow::Error::new(io::Error::from(kind)).context(CANNOT_WRITE);
        assert!(unless_unread(failed(io::ErrorKind::BrokenPipe)).is_ok());
        assert!(unless_unread(failed(io::ErrorKind::StorageFull)).is_err());
    }
}
