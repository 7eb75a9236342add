//! Options of `tracer check`, and what they mean.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;

use crate::check::subject::{Image, Program};
use crate::check::{ReadyWhen, Report, Subject};
use crate::container::runtime::engine::{Create, Engine};
use crate::container::runtime::{Kind, Socket, State, usual_sockets, who_answers};
use crate::event::BootNs;
use crate::model::Verdict;
use crate::sandbox::{Stop, User};
use crate::signal::Signal;

use crate::commands::options::{Colors, Failure, socket};
use crate::commands::{UNSUITABLE, USAGE, live};

/// A daemon may take this long to say that it is there.
const DAEMON: Duration = Duration::from_secs(10);

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
pub(in crate::commands) struct Args {
    /// Program and arguments, to run as PID 1 of a container of its own; with --image, arguments for its entrypoint
    #[arg(last = true, required_unless_present = "image", value_name = "COMMAND")]
    pub(super) command: Vec<String>,
    /// Signal that it is stopped with: TERM, QUIT, RTMIN+3, 15; without this SIGTERM, or what the image says
    #[arg(long, value_name = "SIGNAL")]
    pub(super) stop_signal: Option<Signal>,
    /// Time that it has to stop, then comes SIGKILL
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub(super) grace: Duration,
    /// It is ready when this shell command, run in its container again and again, exits with 0; without --ready and
    /// --ready-log, when its processes and signal handlers have not changed and it was idle for a second, at most 10 s
    #[arg(long, value_name = "CMD", conflicts_with = "ready_log")]
    pub(super) ready: Option<String>,
    /// It is ready when it prints a line with this text
    #[arg(long, value_name = "TEXT")]
    pub(super) ready_log: Option<String>,
    /// Give up when it is not ready by then
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    pub(super) ready_timeout: Duration,
    /// Verdicts that are fine; the others fail
    #[arg(long, value_name = "VERDICT", value_delimiter = ',', default_value = "graceful")]
    pub(super) expect: Vec<Verdict>,
    /// What to call it in the output, instead of its command line
    #[arg(long)]
    pub(super) name: Option<String>,
    /// User it runs as, by name or number; with a group: USER:GROUP
    #[arg(short, long, value_name = "USER", help_heading = "Program")]
    pub(super) user: Option<String>,
    /// Set a variable of its environment; without a value, the one that it has here; may repeat
    #[arg(short, long, value_name = "NAME[=VALUE]", value_parser = variable, help_heading = "Program")]
    pub(super) env: Vec<(String, String)>,
    /// Directory it runs in, instead of the current one or the image's
    #[arg(short, long, value_name = "DIR", help_heading = "Program")]
    pub(super) workdir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) docker: Docker,
    /// How to show it
    #[arg(short, long, value_enum, default_value_t = Format::Text, help_heading = "Output")]
    pub(super) output: Format,
    /// Write a JUnit report to this file, too
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) junit: Option<PathBuf>,
    #[command(flatten)]
    pub(super) colors: Colors,
    #[command(flatten)]
    pub(super) capture: live::Capture,
}

/// What only an image needs.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Image")]
pub(super) struct Docker {
    /// Check this image, in a container that Docker makes; nothing is pulled
    #[arg(long, value_name = "IMAGE")]
    pub(super) image: Option<String>,
    /// Mount a directory into it: SOURCE:TARGET[:ro]; may repeat
    #[arg(long = "volume", value_name = "MOUNT", requires = "image")]
    pub(super) volumes: Vec<String>,
    /// Its network: none, host, the name of one
    #[arg(long, requires = "image")]
    pub(super) network: Option<String>,
    /// With Docker's own init (tini) as PID 1
    #[arg(long, requires = "image")]
    pub(super) init: bool,
    /// Socket of Docker or Podman, instead of those in the usual places
    #[arg(long = "docker", value_name = "SOCKET", value_parser = socket(), requires = "image")]
    pub(super) socket: Option<PathBuf>,
}

/// Form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
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
    pub(super) fn stop(&self) -> Stop {
        Stop { signal: self.stop_signal.unwrap_or(Signal::TERM), grace: self.grace }
    }

    /// The container, in which nothing runs yet.
    pub(super) async fn prepare(&self, output: OwnedFd) -> anyhow::Result<Subject> {
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

    pub(super) fn ready_when(&self) -> ReadyWhen {
        match (&self.ready, &self.ready_log) {
            (Some(command), _) => ReadyWhen::Command(command.clone()),
            (None, Some(text)) => ReadyWhen::Log(text.clone()),
            (None, None) => ReadyWhen::Settled,
        }
    }

    /// A report in which nothing has happened yet.
    pub(super) fn report(&self, begun: BootNs) -> Report {
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
}
