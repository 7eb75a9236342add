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

use super::options::{Failure, Filters, Plain, PlainFormat, Sockets, no_names, note, terminal_width};
use super::{DONE, FOUND, NO_MATCH, UNSUITABLE, logging};

/// The filters are those of live tracing, which waits for what it is asked for.
const CONTAINERS: &str = "\
Container by name (of its pod, too: APP, POD/APP, NAMESPACE/POD/APP; or Compose's SERVICE, PROJECT/SERVICE), or by the \
beginning of its id (4 characters or more)";
const EXIT_CODES: &str = "\
Exit codes:
  0  done; --fail-on found nothing of what it names, or no container runs
  1  --fail-on found what it names, or the audit could not be done (standard error says why)
  2  the command line is wrong
  3  not everything can be seen from here (standard error says what to do)
  4  the filter matched nothing";

/// An audit that takes longer than this says that it goes on.
const SAY_BUSY: Duration = Duration::from_secs(1);

/// Options of `tracer audit`.
#[derive(Debug, clap::Args)]
#[command(
    mut_arg("containers", |arg| arg.help(CONTAINERS)),
    mut_arg("signals", |arg| arg.help("Only containers with one of these stop signals: TERM, SIGKILL, RTMIN+3, 15")),
    mut_arg("pids", |arg| arg.help("The container this process is in")),
    after_help = EXIT_CODES
)]
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
    let runtime = super::event_loop()?;
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
            state if state.is_quiet() && !args.sockets.names(socket) => log::info!("{told}"),
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
    let near_miss = report.resolved.iter().any(Resolved::is_near_miss);
    if filters.asks_by_name() && report.nameless && !near_miss {
        return Err(Failure::new(NO_MATCH, no_names(&filters.asked())).into());
    }
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
    use crate::container::filter;
    use crate::live::InNoContainer;

    #[test]
    fn a_name_that_nobody_could_tell_is_not_one_that_nothing_has() {
        let filters = filter::Filters { namespaces: vec!["shop".to_owned()], ..Default::default() };
        let refused = |nameless, filters: &filter::Filters| {
            let resolved = filters.resolve(&[]);
            let report = Report {
                containers: vec![],
                sight: audit::Sight::Kernel,
                blind: None,
                runtimes: vec![],
                nameless,
                resolved,
                cut: false,
            };
            let request = Request { filters: filters.clone(), sockets: vec![] };
            let error = nothing(&report, &request).expect_err("the filter matched nothing");
            let failure = error.downcast::<Failure>().expect("it has an exit code");
            assert_eq!(failure.code, NO_MATCH);
            failure.message
        };
        let told = refused(true, &filters);
        assert!(told.contains("no runtime answers") && told.contains("namespace shop"), "{told}");
        assert!(!refused(false, &filters).contains("no runtime answers"));
        let filters = filter::Filters { cgroups: vec!["/shop".to_owned()], ..Default::default() };
        assert!(!refused(true, &filters).contains("no runtime answers"));
    }

    #[test]
    fn a_process_in_no_container_is_told() {
        let error = super::super::live::unsuitable(InNoContainer(17).into());
        let failure = error.downcast::<Failure>().expect("it has an exit code");
        assert_eq!((failure.code, failure.message.as_str()), (NO_MATCH, "process 17 is in no container"));
    }

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
