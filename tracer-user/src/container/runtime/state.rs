//! How it stands with a daemon, and why there was no answer.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use crate::causes::chain;
use crate::printable;

/// How it stands with one daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Not tried yet.
    #[default]
    Connecting,
    /// It answers.
    Connected {
        /// `docker`, `podman`, `containerd`, `cri-o`; another one calls itself so, and is a stranger.
        runtime: String,
        /// Its version, as it says; from a stranger.
        version: String,
    },
    /// There is no such file.
    Absent,
    /// There is a socket at which nobody listens.
    Deserted,
    /// There is a file, and it is no socket.
    NoSocket,
    /// It answers, and does not do what is asked of it at all: containerd without its CRI plugin.
    Unserved,
    /// We may not ask.
    Forbidden,
    /// We may not enter this directory, in which the socket would be.
    Closed(PathBuf),
    /// It does not answer in time. It is asked again, ever more rarely.
    Hanging,
    /// It answers, but nothing that can be used. What went wrong, safe for a terminal.
    Failing(String),
}

impl State {
    /// Why nobody answered at `socket`, which is looked at: the kernel says little more than "no".
    pub(super) fn at(socket: &Path, failure: Failure) -> Self {
        match (failure, fs::metadata(socket)) {
            (Failure::Absent, Ok(file)) if !file.file_type().is_socket() => Self::NoSocket,
            (Failure::Absent, Ok(_)) => Self::Deserted,
            (Failure::Forbidden, Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
                let closed = socket.ancestors().skip(1).find(|directory| fs::metadata(directory).is_ok());
                closed.map_or(Self::Forbidden, |directory| Self::Closed(directory.to_owned()))
            }
            (failure, _) => failure.into(),
        }
    }

    /// Whether it says nothing that people should know of a socket which nobody named: no runtime is there.
    #[must_use]
    pub const fn is_quiet(&self) -> bool {
        matches!(self, Self::Absent | Self::Deserted | Self::Unserved | Self::Connecting)
    }
}

impl fmt::Display for State {
    /// What there is to say of the daemon, safe for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("has not answered yet"),
            Self::Connected { runtime, version } => {
                write!(f, "is {} {}", printable::text(runtime), printable::text(version))
            }
            Self::Absent => f.write_str("is not there: no such file; containers have ids and no names until it is"),
            Self::Deserted => f.write_str("has nobody listening; containers have ids and no names until it has"),
            Self::NoSocket => f.write_str("is no socket; containers have ids and no names"),
            Self::Unserved => f.write_str("has no CRI of version 1, and knows nothing of pods"),
            Self::Forbidden => f.write_str("may not be asked: permission denied; containers have ids and no names"),
            Self::Closed(directory) => {
                let directory = directory.to_string_lossy();
                let directory = printable::text(&directory);
                write!(
                    f,
                    "may not be asked: the directory {directory} may not be entered; containers have ids and no names"
                )
            }
            Self::Hanging => f.write_str("does not answer; containers have ids and no names until it does"),
            Self::Failing(trouble) => write!(f, "is of no use: {trouble}; containers have ids and no names"),
        }
    }
}

/// Why there was no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No answer in time.
    TimedOut,
    /// Nobody there, or no longer.
    Absent,
    /// It has never heard of the service.
    Unserved,
    /// The socket is not for us.
    Forbidden,
    /// It said so itself, or it said nonsense: asking again would not help. Safe for a terminal.
    Refused(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "no answer in time",
            Self::Absent => "nobody answers",
            Self::Unserved => "it does not serve that",
            Self::Forbidden => "permission denied",
            Self::Refused(why) => why,
        })
    }
}

/// Characters of a daemon's complaint that are told.
const COMPLAINT: usize = 300;

impl Failure {
    /// What a daemon, or one of its answers, is refused for.
    pub(super) fn refused(why: &str) -> Self {
        // only as much of it as can be told is made safe: it may be megabytes
        let start: String = why.chars().take(COMPLAINT).collect();
        Self::Refused(printable::text(&start).chars().take(COMPLAINT).collect())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound, PermissionDenied, WouldBlock};
        match error.kind() {
            // its backlog is full: it accepts nothing
            WouldBlock => Self::TimedOut,
            NotFound | ConnectionRefused | ConnectionReset | BrokenPipe => Self::Absent,
            PermissionDenied => Self::Forbidden,
            _ => Self::refused(&error.to_string()),
        }
    }
}

impl From<&hyper::Error> for Failure {
    fn from(error: &hyper::Error) -> Self {
        if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
            return Self::Absent;
        }
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            let http2 = cause.downcast_ref::<h2::Error>();
            if http2.is_some_and(|error| error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR)) {
                return Self::Absent;
            }
            let io = cause.downcast_ref::<io::Error>().or_else(|| http2.and_then(h2::Error::get_io));
            if let Some(failure @ (Self::Absent | Self::TimedOut)) = io.map(|io| Self::from(io::Error::from(io.kind())))
            {
                return failure;
            }
            source = cause.source();
        }
        Self::refused(&chain(error))
    }
}

impl From<Failure> for State {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::TimedOut => Self::Hanging,
            Failure::Absent => Self::Absent,
            Failure::Unserved => Self::Unserved,
            Failure::Forbidden => Self::Forbidden,
            Failure::Refused(why) => Self::Failing(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_daemon_complains_about_is_bounded_and_safe() {
        let Failure::Refused(why) = Failure::refused(&"\u{1b}[2J".repeat(1_000_000)) else { panic!("refused") };
        assert!(why.len() <= 4 * COMPLAINT && why.starts_with("\\x1b[2J"), "{why}");
        assert_eq!(
            State::from(Failure::refused("no")).to_string(),
            "is of no use: no; containers have ids and no names"
        );
    }

    #[test]
    fn errors_of_sockets() {
        let told = |kind: io::ErrorKind| Failure::from(io::Error::from(kind));
        assert_eq!(told(io::ErrorKind::PermissionDenied), Failure::Forbidden);
        assert_eq!(told(io::ErrorKind::NotFound), Failure::Absent);
        assert_eq!(told(io::ErrorKind::ConnectionRefused), Failure::Absent);
        assert_eq!(told(io::ErrorKind::WouldBlock), Failure::TimedOut);
        assert!(matches!(told(io::ErrorKind::InvalidInput), Failure::Refused(_)));
    }

    #[test]
    fn why_nobody_answers_is_looked_up() {
        use std::os::unix::net::{UnixListener, UnixStream};
        let directory = tempfile::tempdir().expect("a directory");
        let place = |name: &str| directory.path().join(name);
        drop(UnixListener::bind(place("left")).expect("a socket"));
        fs::write(place("file"), "").expect("a file");
        let asked = |socket: &Path| State::at(socket, UnixStream::connect(socket).expect_err("nobody").into());
        assert_eq!(asked(&place("none")), State::Absent);
        assert_eq!(asked(&place("left")), State::Deserted);
        assert_eq!(asked(&place("file")), State::NoSocket);
        assert_eq!(asked(directory.path()), State::NoSocket);
    }

    #[test]
    fn a_directory_that_is_closed_is_named() {
        use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
        use std::os::unix::fs::PermissionsExt as _;
        use std::os::unix::net::{UnixListener, UnixStream};
        let directory = tempfile::tempdir().expect("a directory");
        let closed = directory.path().join("closed");
        fs::create_dir_all(closed.join("below")).expect("directories");
        let (open, hidden) = (directory.path().join("open"), closed.join("below/x.sock"));
        let _listener = UnixListener::bind(&open).expect("a socket");
        for path in [&closed, &open] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o000)).expect("it is ours");
        }
        // root may enter and ask whatever there is, unless it gives that up; capabilities are those of a thread
        let asked = std::thread::spawn(move || {
            let none = CapabilitySet::empty();
            let none = CapabilitySets { effective: none, permitted: none, inheritable: none };
            set_capabilities(None, none).expect("fewer are always allowed");
            [open, hidden].map(|socket| State::at(&socket, UnixStream::connect(&socket).expect_err("no").into()))
        });
        let asked = asked.join().expect("no panic");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("it is ours");
        assert_eq!(asked, [State::Forbidden, State::Closed(closed.clone())]);
        let told = asked[1].to_string();
        assert!(told.contains(&format!("the directory {} may not be entered", closed.display())), "{told}");
    }

    #[test]
    fn only_what_is_worth_it_is_told_unasked() {
        let quiet = [State::Absent, State::Deserted, State::Unserved, State::Connecting];
        assert!(quiet.iter().all(State::is_quiet));
        let closed = State::Closed(PathBuf::from("/x"));
        let loud = [State::Forbidden, closed, State::NoSocket, State::Hanging, State::Failing(String::new())];
        assert!(!loud.iter().any(State::is_quiet));
    }
}
