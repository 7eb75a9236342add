//! `tracer audit`: what would become of the stop signal of every container that runs.

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use crate::audit::{self, Audited, Foreseen, Report, Request};
use crate::container::filter::Resolved;
use crate::container::runtime::State;
use crate::doctor;
use crate::live::{boot_now, wall_clock};
use crate::model::Verdict;
use crate::output::{self, JsonLines};

use super::options::{Failure, Filters, Plain, PlainFormat, Sockets, note, terminal_width};
use super::{DONE, FOUND, NO_MATCH, UNSUITABLE, logging};

/// An audit that takes longer than this says that it goes on.
const SAY_BUSY: Duration = Duration::from_secs(1);

/// Options of `tracer audit`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    view: Plain,
    /// One line a container with all there is, as wide as it takes; no explanations
    #[arg(long, help_heading = "Output")]
    wide: bool,
    /// Exit with 1 when a container has one of these: sigterm-dropped, sigterm-ignored, sigterm-blocked, default-action,
    /// killed, zombies, unknown
    #[arg(long, value_name = "VERDICT", value_delimiter = ',')]
    fail_on: Vec<Fault>,
    #[command(flatten)]
    sockets: Sockets,
    /// Say more about what the tracer does
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// What `--fail-on` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// A stop would end with this verdict.
    Verdict(Verdict),
    /// There are zombies.
    Zombies,
    /// What would become of the stop signal is not known.
    Unknown,
}

/// The verdicts that an audit can foresee.
const FORESEEN: [Verdict; 5] = [
    Verdict::SigtermDropped,
    Verdict::SigtermIgnored,
    Verdict::SigtermBlocked,
    Verdict::DefaultAction,
    Verdict::Killed,
];

/// Not a word of `--fail-on`.
#[derive(Debug)]
struct NoSuchFault;

impl fmt::Display for NoSuchFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an audit tells ")?;
        FORESEEN.iter().try_for_each(|verdict| write!(f, "{verdict}, "))?;
        f.write_str("zombies and unknown")
    }
}

impl std::error::Error for NoSuchFault {}

impl FromStr for Fault {
    type Err = NoSuchFault;

    fn from_str(word: &str) -> Result<Self, NoSuchFault> {
        match word.trim() {
            "zombies" => Ok(Self::Zombies),
            "unknown" => Ok(Self::Unknown),
            word => FORESEEN.into_iter().find(|verdict| verdict.slug() == word).map(Self::Verdict).ok_or(NoSuchFault),
        }
    }
}

impl Fault {
    fn is_in(self, audited: &Audited) -> bool {
        match self {
            Self::Verdict(verdict) => audited.finding.verdict == Some(verdict),
            Self::Zombies => audited.subject.zombies.count > 0,
            Self::Unknown => audited.finding.foreseen == Foreseen::Unknown,
        }
    }
}

/// Audits, and tells: exit code 1 when something is found that `--fail-on` names.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    logging::init(args.verbose);
    doctor::preflight_audit().map_err(|unsuitable| Failure::new(UNSUITABLE, unsuitable.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let request = Request { filters: args.filters.build(), sockets: args.sockets.all() };
    let report = runtime.block_on(with_progress(audit::audit(&request))).map_err(super::live::unsuitable)?;
    // a runtime that hangs must not keep us
    runtime.shutdown_background();
    say_what_is_missing(&report, args);
    if report.containers.is_empty() {
        return nothing(&report, &request);
    }
    let found = report.containers.iter().any(|audited| args.fail_on.iter().any(|fault| fault.is_in(audited)));
    match show(&report, args) {
        // who has seen enough wants to know all the same
        Err(error) if output::is_broken_pipe(&error) => {}
        shown => shown?,
    }
    Ok(ExitCode::from(if found { FOUND } else { DONE }))
}

async fn with_progress<T>(work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = tokio::time::sleep(SAY_BUSY) => note("looking at the containers …"),
    }
    work.await
}

fn show(report: &Report, args: &Args) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match args.view.output {
        PlainFormat::Json => {
            let at = boot_now();
            let mut lines = JsonLines::new(io::BufWriter::new(out), wall_clock());
            report.containers.iter().try_for_each(|audited| lines.audited(at, audited))?;
            lines.into_inner().flush()
        }
        PlainFormat::Text if args.wide => out.write_all(output::audit_wide(report, args.view.style()).as_bytes()),
        PlainFormat::Text => out.write_all(output::audit(report, args.view.style(), terminal_width()).as_bytes()),
    }
}

/// What makes the audit weaker than it could be.
fn say_what_is_missing(report: &Report, args: &Args) {
    if let Some(why) = &report.blind {
        note(&format!("{why}; this audit rests on /proc alone, so that more of it is unknown"));
    }
    if report.cut {
        note("there are more cgroups than are looked at: some containers may be missing");
    }
    for (socket, state) in &report.runtimes {
        let told = format!("{} {state}", socket.path.display());
        match state {
            State::Absent | State::Connecting if !args.sockets.names(socket) => log::info!("{told}"),
            State::Connected { .. } => log::info!("{told}"),
            _ => note(&told),
        }
    }
    for resolved in &report.resolved {
        if resolved.is_ambiguous() {
            note(&format!("{resolved}; looking at all of them"));
        } else if resolved.is_nothing() && !report.containers.is_empty() {
            note(&resolved.finally());
        }
    }
}

/// What to say when there is nothing to look at.
fn nothing(report: &Report, request: &Request) -> anyhow::Result<ExitCode> {
    if request.filters.is_empty() {
        note("no containers run here");
        return Ok(ExitCode::from(DONE));
    }
    let filters = &request.filters;
    let nothing: Vec<_> =
        report.resolved.iter().filter(|resolved| resolved.is_nothing()).map(Resolved::finally).collect();
    let message = match (nothing.is_empty(), filters.asks_by_name()) {
        (false, _) => nothing.join("; "),
        (true, true) => format!("no container is all of this at once: {}", filters.asked()),
        (true, false) => "nothing that the filters ask for runs here".to_owned(),
    };
    Err(Failure::new(NO_MATCH, message).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_fail_on() {
        assert_eq!("sigterm-dropped".parse::<Fault>().ok(), Some(Fault::Verdict(Verdict::SigtermDropped)));
        assert_eq!(" zombies".parse::<Fault>().ok(), Some(Fault::Zombies));
        assert_eq!("unknown".parse::<Fault>().ok(), Some(Fault::Unknown));
        let error = "graceful".parse::<Fault>().expect_err("an audit promises nothing");
        for verdict in FORESEEN {
            assert!(error.to_string().contains(verdict.slug()));
        }
    }
}
