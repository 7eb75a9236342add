//! Where runtimes listen.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{Kind, Socket};

/// The system's own daemons. In some images `/var/run` is another directory than `/run`.
const SYSTEM: [(Kind, &str); 12] = [
    (Kind::Cri, "/run/containerd/containerd.sock"),
    (Kind::Cri, "/var/run/containerd/containerd.sock"),
    (Kind::Cri, "/run/crio/crio.sock"),
    (Kind::Cri, "/var/run/crio/crio.sock"),
    (Kind::Cri, "/run/k3s/containerd/containerd.sock"),
    (Kind::Cri, "/run/k0s/containerd.sock"),
    (Kind::Cri, "/var/snap/microk8s/common/run/containerd.sock"),
    (Kind::Cri, "/run/cri-dockerd.sock"),
    (Kind::Cri, "/var/run/cri-dockerd.sock"),
    (Kind::Docker, "/run/docker.sock"),
    (Kind::Docker, "/var/run/docker.sock"),
    (Kind::Docker, "/run/podman/podman.sock"),
];
/// Where a host's directories are mounted in a container, by custom.
const HOST: &str = "/host";
/// The root directory of the host as its first process sees it, for those who share its pid namespace and may look.
const INIT: &str = "/proc/1/root";

/// Where the daemons listen unless told otherwise: the sockets of containerd, CRI-O, k3s, k0s, `MicroK8s`, cri-dockerd,
/// Docker and Podman, those of the user's own daemons, and what `CONTAINER_RUNTIME_ENDPOINT` and `DOCKER_HOST` name.
/// They need not exist. Each place is listed once. In a container that has the host's `/run` neither at `/run` nor at
/// `/host/run`, but its pid namespace, they are looked for where the host's first process has them.
///
/// Other users' daemons (`/run/user/*`) are left out on purpose: whoever owns a daemon can say anything about any
/// container. Name such a socket explicitly to trust it.
#[must_use]
pub fn usual_sockets() -> Vec<Socket> {
    let surroundings = Surroundings {
        cri: env::var("CONTAINER_RUNTIME_ENDPOINT").ok(),
        docker: env::var("DOCKER_HOST").ok(),
        user: env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from),
    };
    // the directory, because the socket may be still to come
    let resolve = |socket: &Path| match (socket.parent().map(Path::canonicalize), socket.file_name()) {
        (Some(Ok(directory)), Some(name)) => directory.join(name),
        _ => socket.to_owned(),
    };
    let plain = candidates(&surroundings, resolve);
    let sockets = plain.into_iter().map(|socket| Socket { path: seen_from_here(&socket.path, &roots()), ..socket });
    once(sockets.collect())
}

/// A socket is named as what cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("only Unix sockets: /PATH or unix:///PATH")]
pub struct NoUnixSocket;

/// The path of a socket that is named by its path, or by a URL as `docker --host` and `crictl --runtime-endpoint` take it.
///
/// # Errors
/// When it is another kind of URL, one of a relative path, or empty.
pub fn socket_path(named: &OsStr) -> Result<PathBuf, NoUnixSocket> {
    let bytes = named.as_bytes();
    let path = match bytes.strip_prefix(b"unix:") {
        // unix:/PATH and unix:///PATH
        Some(path) => Some(path.strip_prefix(b"//").unwrap_or(path)).filter(|path| path.starts_with(b"/")),
        None if bytes.windows(3).any(|three| three == b"://") => None,
        None => Some(bytes).filter(|path| !path.is_empty()),
    };
    path.map(|path| PathBuf::from(OsStr::from_bytes(path))).ok_or(NoUnixSocket)
}

/// What the environment says.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// `CONTAINER_RUNTIME_ENDPOINT`, as `crictl` has it: a path or a `unix://` URL.
    pub(super) cri: Option<String>,
    /// `DOCKER_HOST`.
    pub(super) docker: Option<String>,
    /// `XDG_RUNTIME_DIR`.
    pub(super) user: Option<PathBuf>,
}

/// All places, without looking. `resolve` follows links: `/var/run` is one to `/run`.
pub(super) fn candidates(surroundings: &Surroundings, resolve: impl Fn(&Path) -> PathBuf) -> Vec<Socket> {
    let socket = |kind| move |path| Socket { path, kind };
    let cri = surroundings.cri.as_deref().and_then(|url| socket_path(url.as_ref()).ok()).map(socket(Kind::Cri));
    let url = surroundings.docker.as_deref().and_then(|host| host.strip_prefix("unix://"));
    let docker = url.map(PathBuf::from).map(socket(Kind::Docker));
    let system = SYSTEM.map(|(kind, path)| Socket { path: PathBuf::from(path), kind });
    let user = surroundings.user.iter().flat_map(|user| [user.join("docker.sock"), user.join("podman/podman.sock")]);
    let all = cri.into_iter().chain(docker).chain(system).chain(user.map(socket(Kind::Docker)));
    let mut sockets: Vec<Socket> = Vec::new();
    for socket in all.filter(|socket| socket.path.is_absolute()) {
        if !sockets.iter().any(|known| resolve(&known.path) == resolve(&socket.path)) {
            sockets.push(socket);
        }
    }
    sockets
}

/// Where the host's root directory may be.
fn roots() -> Vec<&'static Path> {
    let mounts = |process: &str| fs::read_link(format!("/proc/{process}/ns/mnt")).ok();
    let elsewhere = mounts("1").is_some_and(|of_init| Some(of_init) != mounts("self"));
    [Some("/"), Some(HOST), elsewhere.then_some(INIT)].into_iter().flatten().map(Path::new).collect()
}

/// Where `socket` is: below the first of `roots` that has it, else below the first that has its directory.
pub(super) fn seen_from_here(socket: &Path, roots: &[&Path]) -> PathBuf {
    let below = |root: &&Path| root.join(socket.strip_prefix("/").unwrap_or(socket));
    let has_directory = |path: &PathBuf| path.parent().is_some_and(Path::is_dir);
    let there = roots.iter().map(below).find(|path| path.exists());
    there.or_else(|| roots.iter().map(below).find(has_directory)).unwrap_or_else(|| socket.to_owned())
}

/// Those that exist under several names, once.
fn once(sockets: Vec<Socket>) -> Vec<Socket> {
    let mut seen = BTreeSet::new();
    let is_new = |socket: &Socket| match fs::metadata(&socket.path) {
        Ok(file) => seen.insert((file.dev(), file.ino())),
        Err(_) => true,
    };
    sockets.into_iter().filter(is_new).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn paths(sockets: &[Socket], kind: Kind) -> Vec<&str> {
        let of_kind = sockets.iter().filter(|socket| socket.kind == kind);
        of_kind.map(|socket| socket.path.to_str().expect("plain text")).collect()
    }

    #[test]
    fn sockets_are_paths_or_urls() {
        let path = |named: &str| socket_path(named.as_ref()).map(|path| path.to_string_lossy().into_owned());
        for named in ["/run/x.sock", "unix:///run/x.sock", "unix:/run/x.sock"] {
            assert_eq!(path(named).as_deref(), Ok("/run/x.sock"), "{named}");
        }
        assert_eq!(path("x.sock").as_deref(), Ok("x.sock"));
        for odd in ["tcp://1.2.3.4:2375", "ssh://host", "unix://x.sock", "unix:x.sock", "unix://", "npipe:////./x", ""]
        {
            assert_eq!(path(odd), Err(NoUnixSocket), "{odd}");
        }
    }

    #[test]
    fn places_to_look() {
        let linked = |path: &Path| PathBuf::from(path.to_string_lossy().replace("/var/run/", "/run/"));
        let surroundings = Surroundings {
            cri: Some("unix:///run/mine/containerd.sock".to_owned()),
            docker: Some("unix:///var/run/docker.sock".to_owned()),
            user: Some(PathBuf::from("/run/user/1000")),
        };
        let found = candidates(&surroundings, linked);
        let docker = [
            "/var/run/docker.sock",
            "/run/podman/podman.sock",
            "/run/user/1000/docker.sock",
            "/run/user/1000/podman/podman.sock",
        ];
        assert_eq!(paths(&found, Kind::Docker), docker);
        let cri = [
            "/run/mine/containerd.sock",
            "/run/containerd/containerd.sock",
            "/run/crio/crio.sock",
            "/run/k3s/containerd/containerd.sock",
            "/run/k0s/containerd.sock",
            "/var/snap/microk8s/common/run/containerd.sock",
            "/run/cri-dockerd.sock",
        ];
        assert_eq!(paths(&found, Kind::Cri), cri);
        for odd in [None, Some("tcp://1.2.3.4:2375"), Some("unix://relative"), Some("")] {
            let odd = odd.map(str::to_owned);
            let surroundings = Surroundings { cri: odd.clone(), docker: odd, user: None };
            let found = candidates(&surroundings, linked);
            assert_eq!(paths(&found, Kind::Docker), ["/run/docker.sock", "/run/podman/podman.sock"]);
            assert_eq!(paths(&found, Kind::Cri), cri[1..]);
        }
    }

    #[test]
    fn the_hosts_root_directory_may_be_elsewhere() {
        let directory = tempfile::tempdir().expect("a directory");
        let [own, host, init] = ["own", "host", "init"].map(|name| directory.path().join(name));
        let roots = [own.as_path(), host.as_path(), init.as_path()];
        let find = || seen_from_here(Path::new("/run/x/x.sock"), &roots);
        assert_eq!(find(), Path::new("/run/x/x.sock"), "nothing is anywhere");
        fs::create_dir_all(init.join("run/x")).expect("a directory");
        assert_eq!(find(), init.join("run/x/x.sock"), "it would come there");
        fs::create_dir_all(own.join("run/x")).expect("a directory");
        assert_eq!(find(), own.join("run/x/x.sock"), "rather here");
        let _init = UnixListener::bind(init.join("run/x/x.sock")).expect("a socket");
        assert_eq!(find(), init.join("run/x/x.sock"), "where it is");
        let _own = UnixListener::bind(own.join("run/x/x.sock")).expect("a socket");
        assert_eq!(find(), own.join("run/x/x.sock"));

        let socket = |path: PathBuf| Socket { path, kind: Kind::Cri };
        std::os::unix::fs::symlink(own.join("run/x/x.sock"), directory.path().join("link")).expect("a link");
        let all = vec![socket(find()), socket(directory.path().join("link")), socket(PathBuf::from("/nowhere"))];
        assert_eq!(once(all.clone()), [all[0].clone(), all[2].clone()]);
    }
}
