//! Where runtimes listen.

use std::env;
use std::path::{Path, PathBuf};

use super::{Kind, Socket};

/// Where the daemons listen unless told otherwise: Docker's and Podman's sockets of the system, those of the user's own
/// daemons, and what `DOCKER_HOST` names. They need not exist. Each place is listed once.
///
/// Other users' daemons (`/run/user/*`) are left out on purpose: whoever owns a daemon can say anything about any
/// container. Name such a socket explicitly to trust it.
#[must_use]
pub fn usual_sockets() -> Vec<Socket> {
    let host = env::var("DOCKER_HOST").ok();
    let user = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    // the directory, because the socket may be still to come
    let resolve = |socket: &Path| match (socket.parent().map(Path::canonicalize), socket.file_name()) {
        (Some(Ok(directory)), Some(name)) => directory.join(name),
        _ => socket.to_owned(),
    };
    let docker = candidates(host.as_deref(), user.as_deref(), resolve);
    docker.into_iter().map(|path| Socket { path, kind: Kind::Docker }).collect()
}

/// The same without looking at the environment. `resolve` follows links: `/var/run` is one to `/run`.
pub(super) fn candidates(host: Option<&str>, user: Option<&Path>, resolve: impl Fn(&Path) -> PathBuf) -> Vec<PathBuf> {
    let host = host.and_then(|host| host.strip_prefix("unix://")).map(PathBuf::from);
    let system = ["/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock"].map(PathBuf::from);
    let user = user.into_iter().flat_map(|user| [user.join("docker.sock"), user.join("podman/podman.sock")]);
    let mut sockets: Vec<PathBuf> = Vec::new();
    for socket in host.into_iter().chain(system).chain(user).filter(|socket| socket.is_absolute()) {
        if !sockets.iter().any(|known| resolve(known) == resolve(&socket)) {
            sockets.push(socket);
        }
    }
    sockets
}
