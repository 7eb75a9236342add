//! Options that several commands share.

use std::io::{IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::builder::{NonEmptyStringValueParser, OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};
use nix::poll::{PollFd, PollFlags, poll};

use crate::container::filter::{self, LabelFilter, PodFilter};
use crate::container::runtime::{Kind, Socket, socket_path, usual_sockets};
use crate::live::sink::{Buffer, CANNOT_WRITE};
use crate::output::{self, Clock};
use crate::signal::Signal;
use crate::tui::notices;

/// Of what the filters of each command say in common.
const FILTERS: &str = "Filters (may repeat: any of a kind, but all labels; kinds narrow each other)";

/// Which containers and signals are shown.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = FILTERS)]
pub(super) struct Shown {
    /// Container by name (of its pod, too: APP, POD/APP, NAMESPACE/POD/APP; or Compose's SERVICE, PROJECT/SERVICE), or by
    /// the beginning of its id (4 characters or more); live, it is waited for
    #[arg(short, long = "container", value_name = "ID|NAME", value_parser = NonEmptyStringValueParser::new())]
    containers: Vec<String>,
    /// All containers of this pod; without a namespace, of the pods of that name in all namespaces
    #[arg(long = "pod", value_name = "[NAMESPACE/]NAME")]
    pods: Vec<PodFilter>,
    /// Containers of the pods of this namespace
    #[arg(short, long = "namespace", value_name = "NAMESPACE", value_parser = NonEmptyStringValueParser::new())]
    namespaces: Vec<String>,
    /// Containers that have this label, or whose pods have it; of several, separated by commas, all
    #[arg(short, long = "label", value_name = "KEY[=VALUE]", value_delimiter = ',')]
    labels: Vec<LabelFilter>,
    /// Show only these signals: TERM, SIGKILL, RTMIN+3, 15; verdicts take all into account
    #[arg(short, long = "signal", value_name = "SIGNAL", value_delimiter = ',')]
    signals: Vec<Signal>,
}

impl Shown {
    /// As the library wants them.
    pub(super) fn build(&self) -> filter::Filters {
        let Self { containers, pods, namespaces, labels, signals } = self.clone();
        filter::Filters { containers, pods, namespaces, labels, signals, ..Default::default() }
    }
}

/// What is traced at all.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = FILTERS)]
pub(super) struct Filters {
    #[command(flatten)]
    shown: Shown,
    /// Everything in this cgroup and below, for example /system.slice/nginx.service
    #[arg(long = "cgroup", value_name = "PATH", value_parser = NonEmptyStringValueParser::new())]
    cgroups: Vec<String>,
    /// The container this process is in; outside of containers, the process and its descendants
    #[arg(short, long = "pid", value_name = "PID")]
    pids: Vec<u32>,
}

impl Filters {
    /// The filter that an agent cannot do for us, if one is given: it traces containers.
    pub(super) fn own_probes(&self) -> Option<&'static str> {
        let set = [(!self.cgroups.is_empty(), "--cgroup"), (!self.pids.is_empty(), "--pid")];
        set.into_iter().find(|(set, _)| *set).map(|(_, option)| option)
    }

    /// As the library wants them.
    pub(super) fn build(&self) -> filter::Filters {
        filter::Filters { cgroups: self.cgroups.clone(), pids: self.pids.clone(), ..self.shown.build() }
    }
}

/// Who is asked for names.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Container runtimes")]
pub(super) struct Sockets {
    /// Socket of a runtime that Kubernetes uses (containerd, CRI-O), instead of those in the usual places; may repeat
    #[arg(long, value_name = "SOCKET", value_parser = socket())]
    cri: Vec<PathBuf>,
    /// Socket of Docker or Podman, instead of those in the usual places; may repeat
    #[arg(long, value_name = "SOCKET", value_parser = socket())]
    docker: Vec<PathBuf>,
}

pub(super) fn socket() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|named| socket_path(&named))
}

impl Sockets {
    /// The option that an agent cannot do for us, if one is given: it asks its own sockets.
    pub(super) fn own_probes(&self) -> Option<&'static str> {
        let set = [(!self.cri.is_empty(), "--cri"), (!self.docker.is_empty(), "--docker")];
        set.into_iter().find(|(set, _)| *set).map(|(_, option)| option)
    }

    /// Those that are named, and the usual ones of each kind of which none is.
    pub(super) fn all(&self) -> Vec<Socket> {
        let named = |kind| self.of(kind).iter().map(move |path| Socket { path: path.clone(), kind });
        let usual = usual_sockets().into_iter().filter(|socket| self.of(socket.kind).is_empty());
        named(Kind::Cri).chain(named(Kind::Docker)).chain(usual).collect()
    }

    /// Whether somebody asked for this one by name.
    pub(super) fn names(&self, socket: &Socket) -> bool {
        self.of(socket.kind).contains(&socket.path)
    }

    fn of(&self, kind: Kind) -> &[PathBuf] {
        match kind {
            Kind::Cri => &self.cri,
            Kind::Docker => &self.docker,
        }
    }
}

/// How to show it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct View {
    /// How to show it; without this the terminal UI where there is a terminal, text where there is none
    #[arg(short, long, value_enum)]
    output: Option<Format>,
    #[command(flatten)]
    pub(super) colors: Colors,
}

/// Form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// On the whole terminal, with keys: ? tells which
    Tui,
    /// For people, line by line
    Text,
    /// For programs: one JSON object a line
    Json,
}

impl View {
    /// The form that is asked for, as far as it is possible here. Where it is not, that is said.
    pub(super) fn format(&self) -> Format {
        match (self.output, no_screen()) {
            (Some(Format::Tui), Some(why)) => {
                note(&format!("no terminal UI here, {why}: showing text"));
                Format::Text
            }
            (Some(format), _) => format,
            (None, None) => Format::Tui,
            (None, Some(_)) => Format::Text,
        }
    }

    /// The view for a format that is written line by line, writing to `out`.
    pub(super) fn open(&self, format: Format, out: Buffer, clock: Clock) -> Box<dyn output::View> {
        match format {
            Format::Json => Box::new(output::JsonLines::new(out, clock)),
            Format::Text | Format::Tui => Box::new(self.text(out, clock)),
        }
    }

    /// The view for people, writing to `out`.
    pub(super) fn text(&self, out: Buffer, clock: Clock) -> output::Text<Buffer> {
        output::Text::new(out, clock, self.colors.style(), terminal_width())
    }
}

/// How to show what is told once.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct Plain {
    /// How to show it
    #[arg(short, long, value_enum, default_value_t = PlainFormat::Text)]
    pub(super) output: PlainFormat,
    #[command(flatten)]
    colors: Colors,
}

/// Form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum PlainFormat {
    /// For people
    Text,
    /// For programs: one JSON object a line
    Json,
}

impl Plain {
    /// What its text may be made of.
    pub(super) fn style(&self) -> output::Style {
        self.colors.style()
    }
}

/// Why there is nothing to draw on, if so.
fn no_screen() -> Option<&'static str> {
    match std::env::var_os("TERM") {
        _ if !std::io::stdout().is_terminal() => Some("standard output is no terminal"),
        _ if !std::io::stdin().is_terminal() => Some("standard input is no terminal"),
        None => Some("TERM is not set"),
        Some(term) if term.is_empty() || term == "dumb" => Some("the terminal is a dumb one (TERM)"),
        Some(_) => None,
    }
}

/// Whether there are colours.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct Colors {
    /// No colours, as with the environment variable `NO_COLOR`
    #[arg(long)]
    no_color: bool,
}

impl Colors {
    /// Colours only where a terminal shows them and nobody minds.
    pub(super) fn style(&self) -> output::Style {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let color = std::io::stdout().is_terminal() && !self.no_color && !set("NO_COLOR") && !dumb;
        output::Style { color, ascii: !speaks_utf8() }
    }
}

/// Whether the locale is one of UTF-8; where none is set we assume so, as services and containers often set none.
fn speaks_utf8() -> bool {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")).is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// Columns of the terminal; where there is none, what `COLUMNS` says, or enough to cut next to nothing.
pub(super) fn terminal_width() -> usize {
    rustix_width().or_else(|| std::env::var("COLUMNS").ok()?.parse().ok()).unwrap_or(120)
}

fn rustix_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then(|| usize::from(size.ws_col))
}

/// How long a reader of standard error may take, ms. With `2>&1 | less` it is as slow as that of the output.
const PATIENCE_MS: u16 = 100;

/// An error that has an exit code of its own.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Failure {
    /// Exit code.
    pub(super) code: u8,
    /// What happened, to which object, and what to do.
    pub(super) message: String,
}

impl Failure {
    /// With an exit code.
    pub(super) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// What a filter by name that matches nothing may come from: what is asked for may well be there. `asked` is what
/// [`filter::Filters::asked`] says.
pub(super) fn no_names(asked: &str) -> String {
    format!(
        "no runtime answers, so that names, pods and labels are not known (tracer doctor tells more); nothing else fits \
         {asked}"
    )
}

/// Writes to standard output.
pub(super) fn print(text: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text).and_then(|()| out.flush()).context(CANNOT_WRITE)
}

/// Says something on standard error, so that standard output stays what it is for. While the terminal UI has the
/// terminal, it is said there.
pub(super) fn note(text: &str) {
    let text = crate::printable::text(text).into_owned();
    if !notices::keep(&text) {
        say(&format!("tracer: {text}\n"));
    }
}

/// Says what went wrong.
pub(super) fn complain(text: &str) {
    let lines: Vec<_> = text.lines().map(crate::printable::text).collect();
    say(&format!("tracer: error: {}\n", lines.join("\n")));
}

/// Writes to standard error unless its reader stalls: that must not keep us from tracing, or from ending.
pub(super) fn say(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let nobody_reads = poll(&mut [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)], PATIENCE_MS) == Ok(0);
    if !nobody_reads {
        // where there is no standard error there is nobody to tell
        stderr.write_all(text.as_bytes()).unwrap_or_default();
    }
}
