//! `tracer doctor`: what this machine allows, and how to mend what is missing.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use crate::agent::client::{AttachError, Connection};
use crate::agent::protocol::USUAL_SOCKET;
use crate::doctor::{Check, EXIT_UNSUITABLE, Facts, State, checks, overall};
use crate::event::BootNs;
use crate::live::{boot_now, wall_clock};
use crate::output::Clock;
use crate::printable;

use super::options::{Plain, PlainFormat, Sockets, terminal_width};

/// Options of `tracer doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    view: Plain,
    #[command(flatten)]
    sockets: Sockets,
}

/// Looks at this machine and tells what it found: exit code 3 when live tracing is impossible.
///
/// # Errors
/// When `out` cannot be written to.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let facts = Facts::gather(args.sockets.all(), |socket| args.sockets.names(socket));
    let mut checks = checks(&facts);
    checks.push(agent());
    match args.view.output {
        PlainFormat::Text => text(&checks, args.view.style().color, terminal_width().min(WIDTH), out)?,
        PlainFormat::Json => json(facts.release.as_deref(), &checks, boot_now(), wall_clock(), out)?,
    }
    let code = if overall(&checks) == State::Fail { EXIT_UNSUITABLE } else { 0 };
    Ok(ExitCode::from(code))
}

/// Whether an agent does the tracing.
fn agent() -> Check {
    let found = match Connection::open(Path::new(USUAL_SOCKET)) {
        Ok(Connection { welcome, .. }) => Ok(format!(
            "agent {} (tracer {}) answers on {USUAL_SOCKET}: tracer shows what it tells",
            welcome.pid, welcome.tool
        )),
        Err(AttachError::Nobody(_)) => Ok(format!("none on {USUAL_SOCKET}: tracer attaches probes of its own")),
        Err(error) => Err(format!("{:#}", anyhow::Error::new(error))),
    };
    let (state, mend) = match &found {
        Ok(_) => (State::Ok, None),
        Err(_) => (State::Warn, Some("see its log; --no-attach traces without it".to_owned())),
    };
    let why = "where an agent runs, tracer needs no probes of its own and knows what happened before";
    Check { name: "agent", state, found: found.unwrap_or_else(|error| error), why, mend }
}

/// Column in which a sentence is broken at the latest, however wide the terminal is.
const WIDTH: usize = 100;

fn text(checks: &[Check], color: bool, width: usize, out: &mut dyn Write) -> io::Result<()> {
    let name_width = checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
    let indent = " ".repeat(name_width + 5);
    let wrap = |sentence: &str, hang| wrap(sentence, &indent, hang, width);
    for check in checks {
        let (mark, sgr) = match check.state {
            State::Ok => ("✓", "32"),
            State::Warn => ("!", "35"),
            State::Fail => ("✗", "1;31"),
        };
        let (on, off) = if color { (format!("\x1b[{sgr}m"), "\x1b[0m") } else { (String::new(), "") };
        let found = wrap(&printable::text(&check.found), 0);
        writeln!(out, " {on}{mark}{off} {:name_width$}  {found}", check.name)?;
        if let Some(mend) = &check.mend {
            writeln!(out, "{indent}why:  {}", wrap(check.why, 6))?;
            writeln!(out, "{indent}mend: {}", wrap(&printable::text(mend), 6))?;
        }
    }
    writeln!(out, "\n{}", summary(checks))
}

fn summary(checks: &[Check]) -> String {
    let count = |state: State| checks.iter().filter(|check| check.state == state).count();
    let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    match (count(State::Fail), count(State::Warn)) {
        (0, 0) => "Live tracing is possible here.".to_owned(),
        (0, warn) => format!("Live tracing is possible here, with {}.", plural(warn, "warning")),
        (fail, _) => {
            format!("Live tracing is impossible here: {}. `tracer replay` works all the same.", plural(fail, "problem"))
        }
    }
}

/// Breaks a sentence into lines that begin below its first one.
fn wrap(sentence: &str, indent: &str, hang: usize, width: usize) -> String {
    let mut text = String::new();
    let mut column = indent.len() + hang;
    for word in sentence.split(' ') {
        let length = word.chars().count() + 1;
        if !text.is_empty() && column + length > width {
            text.push('\n');
            text.push_str(indent);
            text.push_str(&" ".repeat(hang));
            column = indent.len() + hang;
        } else if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
        column += length;
    }
    text
}

#[derive(Serialize)]
struct Report<'a> {
    kind: &'static str,
    time: String,
    tracer: &'static str,
    kernel: Option<&'a str>,
    state: State,
    checks: &'a [Check],
}

fn json(kernel: Option<&str>, checks: &[Check], now: BootNs, clock: Clock, out: &mut dyn Write) -> io::Result<()> {
    let report = Report {
        kind: "doctor",
        time: clock.rfc3339(now).to_string(),
        tracer: env!("CARGO_PKG_VERSION"),
        kernel,
        state: overall(checks),
        checks,
    };
    serde_json::to_writer(&mut *out, &report)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(state: State, found: &str, mend: Option<&str>) -> Check {
        let why = "a sentence that says why, and that is long enough to need a second line on any terminal there is";
        Check { name: "pid-namespace", state, found: found.to_owned(), why, mend: mend.map(str::to_owned) }
    }

    fn some() -> Vec<Check> {
        vec![
            check(State::Ok, "the host's", None),
            check(State::Warn, "odd \x1b[31m", Some("do this")),
            Check { name: "btf", ..check(State::Fail, "missing", Some("do that")) },
        ]
    }

    fn shown(checks: &[Check], color: bool) -> String {
        let mut out = Vec::new();
        text(checks, color, 100, &mut out).expect("memory");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn text_is_a_tidy_list() {
        insta::assert_snapshot!(shown(&some(), false), @r"
         ✓ pid-namespace  the host's
         ! pid-namespace  odd \x1b[31m
                          why:  a sentence that says why, and that is long enough to need a second line on
                                any terminal there is
                          mend: do this
         ✗ btf            missing
                          why:  a sentence that says why, and that is long enough to need a second line on
                                any terminal there is
                          mend: do that

        Live tracing is impossible here: 1 problem. `tracer replay` works all the same.
        ");
    }

    #[test]
    fn text_keeps_to_the_width_of_the_terminal() {
        let mut out = Vec::new();
        text(&some(), false, 80, &mut out).expect("memory");
        let shown = String::from_utf8(out).expect("UTF-8");
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    }

    #[test]
    fn colours_are_for_the_marks() {
        let colored = shown(&some(), true);
        assert!(colored.contains("\x1b[32m✓\x1b[0m") && colored.contains("\x1b[1;31m✗\x1b[0m"));
        assert!(!colored.contains("\x1b[31m"), "nothing raw comes through");
        let plain = ["\x1b[32m", "\x1b[35m", "\x1b[1;31m", "\x1b[0m"].iter().fold(colored, |t, s| t.replace(s, ""));
        assert_eq!(plain, shown(&some(), false));
    }

    #[test]
    fn json_is_one_object_with_nothing_left_out() {
        let mut out = Vec::new();
        json(None, &some()[..1], BootNs(0), Clock::default(), &mut out).expect("memory");
        insta::assert_snapshot!(String::from_utf8(out).expect("UTF-8"), @r#"{"kind":"doctor","time":"1970-01-01T00:00:00.000000000Z","tracer":"0.1.0","kernel":null,"state":"ok","checks":[{"name":"pid-namespace","state":"ok","found":"the host's","why":"a sentence that says why, and that is long enough to need a second line on any terminal there is","mend":null}]}"#);
    }
}
