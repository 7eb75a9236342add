//! A Docker daemon that starts privileged containers, and tracers in containers of it.

use std::path::PathBuf;
use std::process::Command;

use super::lab::docker::{Cgroups, Daemon, IMAGE};
use super::lab::host;
use super::lab::tracer::{BINARY, Said, Tracer};

/// Where the tracer is in its container.
pub(crate) const TRACER: &str = "/run/tracer";

/// Where the daemon's sockets are in a tracer's container. Elsewhere than outside: the host has a name for it, too.
const SOCKETS: &str = "/run/host";

/// One that can start such containers.
#[track_caller]
pub(crate) fn daemon(cgroups: Cgroups) -> Daemon {
    Daemon::start_with_runtimes(cgroups)
}

/// `docker run` with the host's programs and the tracer, as far as the image; to be followed by a command.
pub(crate) fn run(docker: &Daemon, name: &str, args: &[&str]) -> Command {
    let mut run = docker.client(&["run", "--rm", "--network", "none", "--name", name]);
    for dir in host::mounts(&[]) {
        run.arg("--volume").arg(format!("{0}:{0}:ro", dir.display()));
    }
    run.arg("--volume").arg(format!("{BINARY}:{TRACER}:ro"));
    run.arg("--volume").arg(format!("{}:{SOCKETS}:ro", directory(docker).display()));
    run.args(args).arg(IMAGE);
    run
}

fn directory(docker: &Daemon) -> PathBuf {
    docker.socket().parent().expect("it is in a directory").to_owned()
}

/// A live tracer in a container, which traces already.
#[track_caller]
pub(crate) fn tracer(docker: &Daemon, name: &str, args: &[&str], options: &[&str]) -> Tracer {
    let mut run = run(docker, name, args);
    run.args([TRACER, "--docker", &format!("{SOCKETS}/docker.sock")]);
    Tracer::start(run, options, begun)
}

/// One that sees what the daemon sees.
#[track_caller]
pub(crate) fn tracer_beside(docker: &Daemon) -> Tracer {
    let socket = docker.socket();
    Tracer::start(docker.enter(BINARY), &["--docker", socket.to_str().expect("plain text")], begun)
}

/// Whether a tracer has begun.
#[expect(clippy::needless_pass_by_value, reason = "what a tracer is started with takes what was said")]
pub(crate) fn begun(said: Said<'_>) -> bool {
    matches!(said, Said::Note(note) if note.starts_with("tracer: tracing"))
}
