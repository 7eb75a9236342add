//! Programs known by their name: what they do with signals, and how to mend them.

/// Kind of a program. A Go program cannot be told by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Program {
    /// sh, dash, bash, ash, busybox, …
    Shell,
    /// Python, and servers written in it.
    Python,
    /// Node, and the package managers that start it.
    Node,
    /// A JVM.
    Java,
    /// Ruby, and servers written in it.
    Ruby,
    /// Perl.
    Perl,
    /// PHP and php-fpm.
    Php,
    /// nginx.
    Nginx,
    /// Apache httpd.
    Apache,
    /// `HAProxy`.
    Haproxy,
    /// `PostgreSQL`.
    Postgres,
    /// Redis and Valkey.
    Redis,
    /// An init made for containers: tini, dumb-init, catatonit, docker-init, s6, …
    Init,
    /// Anything else.
    Other,
}

impl Program {
    /// By the name of its executable where that is known, else by its `comm`.
    #[must_use]
    pub fn of(comm: &str, exe: Option<&str>) -> Self {
        let by_comm = Self::named(comm);
        if by_comm != Self::Other {
            return by_comm;
        }
        let file = exe.and_then(|exe| exe.rsplit('/').next()).unwrap_or("");
        // one file with many programs in it: only the name tells which
        if matches!(file, "busybox" | "toybox" | "coreutils") {
            return by_comm;
        }
        Self::named(file)
    }

    fn named(name: &str) -> Self {
        let base = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
        match base {
            "sh" | "dash" | "bash" | "ash" | "busybox" | "zsh" | "ksh" | "mksh" | "rbash" => Self::Shell,
            "python" | "gunicorn" | "celery" | "uvicorn" | "flask" | "pypy" => Self::Python,
            "node" | "nodejs" | "npm" | "yarn" | "pnpm" | "MainThread" | "bun" => Self::Node,
            "java" => Self::Java,
            "ruby" | "puma" | "rails" | "unicorn" => Self::Ruby,
            "perl" => Self::Perl,
            "php" | "php-fpm" => Self::Php,
            "nginx" | "nginx: master" | "nginx: worker" => Self::Nginx,
            "apache" | "httpd" => Self::Apache,
            "haproxy" => Self::Haproxy,
            "postgres" | "postmaster" => Self::Postgres,
            "redis-server" | "valkey-server" => Self::Redis,
            "tini" | "tini-static" | "dumb-init" | "catatonit" | "docker-init" | "s6-svscan" | "pause" => Self::Init,
            _ if base.starts_with("npm ") || base.starts_with("yarn ") => Self::Node,
            _ => Self::Other,
        }
    }

    /// Whether it is a shell: its trap waits for its foreground child, and it passes nothing on.
    #[must_use]
    pub const fn is_shell(self) -> bool {
        matches!(self, Self::Shell)
    }

    /// It has a handler for SIGINT that its user did not write: Python makes it a `KeyboardInterrupt`; dash with `-c` or a
    /// script, and bash while it waits for a child, look whether the child died of it, and then raise it at themselves,
    /// which an init drops.
    pub(super) const fn handles_interrupt_itself(self) -> bool {
        matches!(self, Self::Python | Self::Shell)
    }

    /// Its workers learn of a shutdown through a pipe or a channel, not by a signal: that they got none proves nothing.
    pub(super) const fn tells_workers_by_pipe(self) -> bool {
        matches!(self, Self::Nginx | Self::Apache | Self::Haproxy)
    }

    /// How to handle a signal in this program's language, if it is known.
    pub(super) fn handler_advice(self, signal: &str) -> Option<String> {
        Some(match self {
            Self::Python => format!(
                "install a handler: signal.signal(signal.{signal}, lambda *_: sys.exit(0)), and let the program clean up in atexit or finally"
            ),
            Self::Node => format!("handle it: process.on('{signal}', () => server.close(() => process.exit(0)))"),
            Self::Ruby => format!("handle it: Signal.trap('{}') {{ exit }}", signal.trim_start_matches("SIG")),
            Self::Perl => format!("handle it: $SIG{{{}}} = sub {{ exit 0 }}", signal.trim_start_matches("SIG")),
            Self::Php => format!("handle it: pcntl_async_signals(true); pcntl_signal({signal}, fn() => exit(0))"),
            Self::Java => "do not start the JVM with -Xrs, which switches its signal handlers off".to_owned(),
            // these handle their signals, or no line of code would help
            Self::Postgres
            | Self::Redis
            | Self::Nginx
            | Self::Apache
            | Self::Haproxy
            | Self::Shell
            | Self::Init
            | Self::Other => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_known_with_their_versions() {
        for (comm, exe, expected) in [
            ("sh", None, Program::Shell),
            ("python3.11", None, Program::Python),
            ("python3", Some("/usr/bin/python3.11"), Program::Python),
            ("web: master", Some("/usr/local/bin/python3.12"), Program::Python),
            ("node", None, Program::Node),
            ("npm start", None, Program::Node),
            ("apache2", None, Program::Apache),
            ("php-fpm8.2", None, Program::Php),
            ("my-server", Some("/app/my-server"), Program::Other),
            ("sleep", Some("/bin/busybox"), Program::Other),
            ("sh", Some("/bin/busybox"), Program::Shell),
            ("node-22", Some("/usr/bin/node-22"), Program::Node),
            ("", None, Program::Other),
        ] {
            assert_eq!(Program::of(comm, exe), expected, "{comm} {exe:?}");
        }
    }
}
