//! The agent's socket: made for root alone, found stale or alive.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::sys::socket::{UnixCredentials, getsockopt, sockopt::PeerCredentials};

/// Why no socket could be made.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// An agent answers there.
    #[error("an agent runs already: process {pid} listens on {}; end it first, or give this one another --socket", path.display())]
    Alive {
        /// Where.
        path: PathBuf,
        /// Its pid; 0 when it is in a pid namespace that we do not see.
        pid: i32,
    },
    /// Something else has that name.
    #[error("{} is there and no socket: remove it, or give another --socket", .0.display())]
    NoSocket(PathBuf),
    /// The system said no.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What came of it.
        source: io::Error,
    },
}

/// A socket that listens. Its name goes away with it.
#[derive(Debug)]
pub struct Bound {
    /// The socket.
    pub listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl Drop for Bound {
    fn drop(&mut self) {
        // whoever took the name since has it now; what is left behind is replaced by the next agent
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            fs::remove_file(&self.path).unwrap_or_default();
        }
    }
}

/// Listens at `path`, whose directory is made if it is not there. A name that a killed agent left is taken over.
///
/// # Errors
/// When an agent listens there, or it cannot be done.
pub fn listen(path: &Path) -> Result<Bound, BindError> {
    let failed = |what, source| BindError::Io { what, path: path.to_owned(), source };
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty() && !dir.exists()) {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|source| BindError::Io { what: "make the directory", path: dir.to_owned(), source })?;
    }
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Err(BindError::NoSocket(path.to_owned())),
        Ok(_) => match UnixStream::connect(path) {
            Ok(other) => {
                let pid = peer(&other).map_or(0, |peer| peer.pid());
                return Err(BindError::Alive { path: path.to_owned(), pid });
            }
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                fs::remove_file(path)
                    .map_err(|source| failed("replace the socket of an agent that is gone,", source))?;
            }
            Err(source) => return Err(failed("tell whether an agent listens on", source)),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(source) => return Err(failed("look at", source)),
    }
    // who connects before its mode is set is looked at like everybody else: see `peer`
    let listener = UnixListener::bind(path).map_err(|source| failed("listen on", source))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(|source| failed("protect", source))?;
    listener.set_nonblocking(true).map_err(|source| failed("listen on", source))?;
    let inode = fs::symlink_metadata(path).map_err(|source| failed("look at", source))?.ino();
    Ok(Bound { listener, path: path.to_owned(), inode })
}

/// Who is at the other end.
///
/// # Errors
/// Those of the system.
pub(super) fn peer(stream: &impl AsFd) -> io::Result<UnixCredentials> {
    Ok(getsockopt(stream, PeerCredentials)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_for_its_owner_and_goes_away_with_its_agent() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("run/agent.sock");
        let bound = listen(&path).expect("it is free");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().expect("it has one"))), (0o600, 0o700));
        let error = listen(&path).expect_err("one listens there");
        let told = error.to_string();
        assert!(told.contains(&format!("process {} listens on", std::process::id())), "{told}");
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_killed_agent_left_is_replaced_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("agent.sock");
        // as kill -9 leaves it
        drop(UnixListener::bind(&path).expect("it is free"));
        assert!(path.exists());
        drop(listen(&path).expect("nobody listens"));
        fs::write(&path, "notes").expect("a file");
        assert!(matches!(listen(&path), Err(BindError::NoSocket(_))));
        assert_eq!(fs::read(&path).expect("it is still there"), b"notes");
    }
}
