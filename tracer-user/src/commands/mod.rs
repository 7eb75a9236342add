//! The command line: one file per subcommand. `main` only calls [`run`].

mod agent;
mod attach;
mod audit;
mod check;
mod completions;
mod demo;
mod doctor;
mod driver;
mod explain;
mod live;
mod logging;
mod man;
mod options;
mod parse;
mod replay;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::live::sink::CANNOT_WRITE;

/// Nothing found, but what was asked for was done.
const DONE: u8 = 0;
/// What `--fail-on` names was found.
const FOUND: u8 = 1;
/// The command line is wrong.
const USAGE: u8 = 2;
/// Not permitted, or the kernel is unsuitable.
const UNSUITABLE: u8 = 3;
/// The filter matched nothing.
const NO_MATCH: u8 = 4;

/// What the work of a command runs on: this thread.
///
/// # Errors
/// When the system refuses what it takes: file descriptors, memory.
fn event_loop() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the event loop")
}

/// See what the kernel did with your container's stop signal.
///
/// Without a command it traces the containers of this node, live, and says why each one ended the way it did: who sent
/// SIGTERM, whether it was dropped, caught, ignored or blocked, who got it forwarded and who did not, how the grace
/// period was used, and what to change.
#[derive(Debug, Parser)]
#[command(
    name = "tracer",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}")
)]
struct Cli {
    #[command(flatten)]
    live: live::Args,
    #[command(subcommand)]
    command: Option<Command>,
}

/// The man page makes sections of these: their headings end with a colon.
const EXAMPLES: &str = "\
Examples:
  sudo tracer                                 every container of this node
  sudo tracer -c web                          one; waits until it is there
  sudo tracer -c web --until-exit             one, until it has ended
  sudo tracer --record stop.rec               keep what happens, to look again:
  tracer replay stop.rec
  sudo tracer -o json | jq 'select(.kind == \"termination\") | .verdict'
  sudo tracer audit                           what would stop badly, and why
  sudo tracer check -- ./server               whether it stops well, for CI
  sudo tracer demo                            small containers that stop badly
  tracer explain sigterm-dropped              what that is, and what to change
  sudo tracer agent                           for days; tracer attaches to it";

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  could not be done (standard error says why), or --fail-on found something
  2  the command line is wrong
  3  not permitted, or the kernel is unsuitable; tracer doctor tells more
  4  the filter matched nothing";

#[derive(Debug, Subcommand)]
enum Command {
    /// Trace for days without a terminal, remember what ended and why, and serve it to whoever attaches
    ///
    /// While it runs, sudo tracer (and tracer --pod, -o json and all the rest) shows what it tells, its history first, and
    /// attaches no probes of its own.
    Agent(Box<agent::Args>),
    /// Tell what would become of the stop signal of every container that runs, without sending anything
    Audit(audit::Args),
    /// Run a program as PID 1, stop it as kubelet would, and say how it took it: the shutdown test for CI
    ///
    /// The program runs in a cgroup and in pid, mount and uts namespaces of its own; files, users and the network are
    /// those of the host. What it prints is shown on standard error, each line behind a bar.
    Check(check::Args),
    /// Start small real containers that stop well and badly, and trace them
    ///
    /// The containers have no runtime, and other tracers do not list them: they see them by --cgroup alone. While the
    /// demo runs, find /sys/fs/cgroup -name 'tracer-demo-*' tells their cgroup, and in another terminal sudo tracer
    /// --cgroup /tracer-demo-NUMBER shows what happens in it.
    Demo(demo::Args),
    /// Show a recording again; needs no root
    Replay(replay::Args),
    /// Explain a verdict, a cause, a condition or a hint at length; without one, list them
    Explain(explain::Args),
    /// Tell what this kernel, these privileges and these sockets allow, and how to mend what is missing
    Doctor(doctor::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
    /// Print the man page
    Man,
}

/// Runs one of the hidden subcommands, when `args` (with the program's name first) ask for one. To be called before
/// anything else: what they become must be a single thread with untouched signals.
#[must_use]
pub fn hidden(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    let command = args.next()?;
    let command = command.to_str()?;
    let rest: Vec<String> = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    if command == crate::check::GUARD {
        return Some(match rest.as_slice() {
            [socket, container] => crate::check::guard(socket, container),
            _ => ExitCode::from(USAGE),
        });
    }
    crate::sandbox::hidden(command, &rest).or_else(|| crate::demo::hidden(command, &rest))
}

/// Runs the command line `args`, the program's name first.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match parse::parse(&args.into_iter().collect::<Vec<_>>()) {
        Ok(cli) => cli,
        Err(error) => {
            // help and version are no errors: clap knows which stream and which code
            let code = u8::try_from(error.exit_code()).unwrap_or(USAGE);
            error.print().unwrap_or_default();
            return ExitCode::from(code);
        }
    };
    let result = match &cli.command {
        None => live::run(&cli.live),
        Some(Command::Agent(args)) => agent::run(args),
        Some(Command::Audit(args)) => audit::run(args),
        Some(Command::Check(args)) => check::run(args),
        Some(Command::Demo(args)) => demo::run(args),
        Some(Command::Replay(args)) => replay::run(args),
        Some(Command::Explain(args)) => explain::run(args),
        Some(Command::Doctor(args)) => doctor::run(args, &mut std::io::stdout().lock()).context(CANNOT_WRITE),
        Some(Command::Completions(args)) => completions::run(args, &mut Cli::command()),
        Some(Command::Man) => man::run(Cli::command()),
    };
    result.unwrap_or_else(|error| report(&error))
}

/// Whether a command line, the program's name first, means something; nothing is done. What it says when it does not.
///
/// # Errors
/// When it means nothing.
pub fn understands(args: &[String]) -> Result<(), String> {
    let args: Vec<OsString> = args.iter().map(OsString::from).collect();
    match parse::parse(&args) {
        // --help and --version are answered, as errors for clap
        Err(error) if error.use_stderr() => Err(error.to_string()),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.root_cause().downcast_ref::<std::io::Error>().is_some_and(crate::output::is_broken_pipe)
}

/// One line for an error, and the exit code that fits it.
fn report(error: &anyhow::Error) -> ExitCode {
    if is_broken_pipe(error) {
        // whoever read our output has seen enough
        return ExitCode::from(DONE);
    }
    let failure = error.downcast_ref::<options::Failure>();
    options::complain(&format!("{error:#}"));
    ExitCode::from(failure.map_or(1, |failure| failure.code))
}
