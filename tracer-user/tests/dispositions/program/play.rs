//! Plays the rows in containers of their own, under a tracer, and compares.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{StreamExt as _, stream};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tracer_user::sandbox::{Announced, Container, Setup, Stage};

use crate::actors;
use crate::judge::{Told, difference};
use crate::rows::{End, ROWS, Row, Step};
use crate::sys;

/// Long enough for an emulated machine, short enough not to hang a run.
const PATIENCE: Duration = Duration::from_mins(1);
/// Whoever dies by a signal does so within this time, in an emulated processor as well.
const SOON: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);
/// So many rows are played at the same time.
const AT_ONCE: usize = 4;

/// Prints a line.
pub(crate) fn say(line: &str) {
    // Who does not listen any more does not want to know.
    writeln!(std::io::stdout(), "{line}").unwrap_or_default();
}

/// Plays the rows chosen, or all. Whether all is right.
pub(crate) fn run(tracer: &str, recording: &str, lines: &str, chosen: &[&str]) -> Result<bool> {
    for name in chosen {
        ensure!(ROWS.iter().any(|row| row.name == *name), "no row is called {name}");
    }
    let rows: Vec<_> = ROWS.iter().filter(|row| chosen.is_empty() || chosen.contains(&row.name)).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(play(Path::new(tracer), recording, Path::new(lines), &rows))
}

async fn play(binary: &Path, recording: &str, lines: &Path, rows: &[&'static Row]) -> Result<bool> {
    let stage = Stage::with_binary("dispositions", binary.to_owned())?;
    let paths: Vec<String> = rows.iter().map(|row| stage.path_of(row.name)).collect();
    let tracer = Tracer::start(binary, recording, lines, &paths)?;
    let played: Vec<_> = stream::iter(rows).map(|row| one(&stage, row, &tracer)).buffered(AT_ONCE).collect().await;
    // of a row that could not be played an end may never be told
    let ends: Vec<String> =
        paths.iter().zip(&played).filter(|(_, played)| played.is_ok()).map(|(path, _)| path.clone()).collect();
    if let Err(error) = tracer.told("termination", &ends).await {
        say(&format!("{error:#}"));
    }
    let (told, status) = tracer.end()?;

    let mut wrong = 0;
    for ((row, path), played) in rows.iter().zip(&paths).zip(played) {
        let problem = match played {
            Ok(first) => judge(row, &Told::of(&told, path, first)),
            Err(error) => Some(format!("{error:#}")),
        };
        match problem {
            None => say(&format!("ok    {}", row.name)),
            Some(problem) => {
                wrong += 1;
                say(&format!("WRONG {}\n    {problem}", row.name));
            }
        }
    }
    if !status.success() {
        say(&format!("WRONG the tracer ended with {status}"));
    }
    say(&format!("{} of {} dispositions are told as they are", rows.len() - wrong, rows.len()));
    Ok(wrong == 0 && status.success())
}

/// What is wrong with what was told, if anything is.
fn judge(row: &Row, told: &Told) -> Option<String> {
    let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let wrong = |&(lines, verdict): &(&[&str], &str)| {
        let verdicts = vec![verdict.to_owned()];
        difference(&Told { lines: owned(lines), verdicts, conditions: owned(row.conditions) }, told)
    };
    let usual = wrong(&(row.told, row.verdict))?;
    match &row.or {
        Some(other) => wrong(other).map(|other| format!("{usual}\n    or {other}")),
        None => Some(usual),
    }
}

/// Plays a row, and tells the pid of its first process.
async fn one(stage: &Stage, row: &'static Row, tracer: &Tracer) -> Result<u32> {
    let own = std::env::current_exe()?.to_string_lossy().into_owned();
    let setup = Setup {
        name: row.name.to_owned(),
        hostname: None,
        share_pid: !row.init,
        command: vec![own, actors::COMMAND.to_owned(), row.actor.to_owned()],
        announced: Announced::ByItself,
        env: Vec::new(),
        user: None,
        workdir: PathBuf::from("/"),
    };
    let mut container = stage.prepare(setup)?.start().await?;
    let pid = container.pid;
    let played = steps(row, &mut container, tracer).await;
    if played.is_err() && row.steps.iter().any(|step| matches!(step, Step::Seize(_))) {
        // What waits for us never ends; where nothing does, this fails.
        sys::go_on(pid, 0).unwrap_or_default();
    }
    let finished = container.finish().await;
    played?;
    finished?;
    Ok(pid)
}

async fn steps(row: &Row, container: &mut Container, tracer: &Tracer) -> Result<()> {
    let path = container.cgroup.path.clone();
    for step in row.steps {
        take(*step, container, tracer, &path).await?;
    }
    match row.end {
        End::Itself => container.watch(PATIENCE).await?,
        End::Killed => drop(container.stop(None).await?),
        End::Either => {
            container.watch(SOON).await?;
            container.stop(None).await?;
        }
    }
    ensure!(container.ended().is_some(), "it did not end");
    Ok(())
}

async fn take(step: Step, container: &mut Container, tracer: &Tracer, path: &str) -> Result<()> {
    let pid = container.pid;
    match step {
        Step::Send(signal) => container.signal(signal),
        Step::Stops => until("it to stop", || Ok(stat(pid)?.contains(") T ").then_some(()))).await,
        Step::Settles => until("it to settle", || Ok(stat(pid)?.contains(actors::SETTLED).then_some(()))).await,
        Step::Seize(options) => Ok(sys::seize(pid, options)?),
        Step::PassOn => {
            let signal = until("it to stop for us", || Ok(sys::stopped_at(pid)?)).await?;
            sys::go_on(pid, signal)?;
            until("it to sleep again", || Ok(stat(pid)?.contains(") S ").then_some(()))).await
        }
        Step::StopsExiting => {
            let found = until("it to stop for us", || Ok(sys::stopped_at(pid)?)).await?;
            ensure!(found >> 8 == libc::PTRACE_EVENT_EXIT, "it stopped at {found:#x}");
            Ok(())
        }
        Step::Told(condition) => tracer.told(condition, &[path.to_owned()]).await,
        Step::GoOn => Ok(sys::go_on(pid, 0)?),
    }
}

fn stat(pid: u32) -> Result<String> {
    fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} is gone"))
}

/// Asks again and again, with a deadline.
async fn until<T>(what: &str, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        ensure!(Instant::now() < deadline, "waited for {what}, in vain");
        sleep(PAUSE).await;
    }
}

/// The tracer that is judged.
struct Tracer {
    process: Child,
    lines: PathBuf,
}

impl Tracer {
    /// Starts it, and waits until it traces.
    fn start(binary: &Path, recording: &str, lines: &Path, cgroups: &[String]) -> Result<Self> {
        let output = File::create(lines).with_context(|| format!("cannot write {}", lines.display()))?;
        let mut command = Command::new(binary);
        command.args(["--output", "json", "--all-signals", "--no-attach", "--record", recording]);
        command.args(cgroups.iter().flat_map(|cgroup| ["--cgroup", cgroup]));
        command.stdin(Stdio::null()).stdout(output).stderr(Stdio::piped());
        let mut process = command.spawn().with_context(|| format!("cannot run {}", binary.display()))?;
        let notes = process.stderr.take().context("it has no standard error")?;
        let tracer = Self { process, lines: lines.to_owned() };
        let mut notes = BufReader::new(notes).lines().map_while(Result::ok);
        let mut said = Vec::new();
        loop {
            let Some(note) = notes.next() else { bail!("the tracer does not begin: {}", said.join("; ")) };
            if note.starts_with("tracer: tracing") {
                break;
            }
            said.push(note);
        }
        // what else it has to say is nobody's, and must not fill the pipe
        std::thread::spawn(move || notes.for_each(drop));
        Ok(tracer)
    }

    /// Waits until it has told this of each of these containers: a kind of line, or a condition.
    async fn told(&self, what: &str, containers: &[String]) -> Result<()> {
        until(&format!("the tracer to tell of {what}"), || {
            let lines = self.lines()?;
            let of = |id: &String| {
                lines
                    .iter()
                    .any(|line| line["container"]["id"] == **id && (line["kind"] == what || line["condition"] == what))
            };
            Ok(containers.iter().all(of).then_some(()))
        })
        .await
    }

    /// What it has told so far.
    fn lines(&self) -> Result<Vec<Value>> {
        let text = fs::read_to_string(&self.lines)?;
        // the last one may be half written
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))).collect()
    }

    /// Ends it, and tells all that it has told, and how it ended.
    fn end(mut self) -> Result<(Vec<Value>, ExitStatus)> {
        kill(Pid::from_raw(self.process.id().try_into()?), Signal::SIGINT)?;
        let status = self.process.wait()?;
        Ok((self.lines()?, status))
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.process.kill().unwrap_or_default();
        self.process.wait().map(drop).unwrap_or_default();
    }
}
