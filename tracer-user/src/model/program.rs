//! Programs known by their name: which they are. What they do with signals and how to mend them is in [`advice`].

mod advice;

pub(crate) use advice::{Meaning, in_time};

use std::collections::BTreeSet;

use crate::signal::Signal;

/// Kind of a program. A Go program cannot be told by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Program {
    /// sh, dash, bash, ash, busybox, …
    Shell,
    /// Python, and servers written in it that have no kind of their own.
    Python,
    /// gunicorn.
    Gunicorn,
    /// uvicorn.
    Uvicorn,
    /// Celery.
    Celery,
    /// uWSGI.
    Uwsgi,
    /// Node.
    Node,
    /// npm, yarn, pnpm: Node programs that start a shell that starts the program.
    PackageManager,
    /// Deno.
    Deno,
    /// Bun.
    Bun,
    /// A JVM.
    Java,
    /// .NET.
    Dotnet,
    /// Ruby, and servers written in it that have no kind of their own.
    Ruby,
    /// Puma.
    Puma,
    /// Unicorn.
    Unicorn,
    /// Perl.
    Perl,
    /// PHP.
    Php,
    /// php-fpm.
    PhpFpm,
    /// nginx.
    Nginx,
    /// Apache httpd.
    Apache,
    /// `HAProxy`.
    Haproxy,
    /// Envoy.
    Envoy,
    /// `PostgreSQL`.
    Postgres,
    /// Redis and Valkey.
    Redis,
    /// `MySQL` and `MariaDB`.
    Mysql,
    /// memcached.
    Memcached,
    /// The Erlang VM: `RabbitMQ`, Elixir, …
    Erlang,
    /// supervisord.
    Supervisord,
    /// runit's runsvdir.
    Runsvdir,
    /// s6-svscan.
    S6,
    /// systemd.
    Systemd,
    /// `BusyBox`' init.
    BusyboxInit,
    /// tini, which is docker-init as well.
    Tini,
    /// dumb-init.
    DumbInit,
    /// catatonit, which is podman-init as well.
    Catatonit,
    /// The pause process of a pod.
    Pause,
    /// cron.
    Cron,
    /// sshd.
    Sshd,
    /// Anything else.
    Other,
}

impl Program {
    /// By its `comm`, or the name of its executable, which of a script is its interpreter.
    #[must_use]
    pub fn of(comm: &str, exe: Option<&str>) -> Self {
        let file = file_of(exe);
        // one file with many programs in it: only the name tells which
        let many = matches!(file, "busybox" | "toybox" | "coreutils");
        match (Self::named(comm), comm) {
            (Self::Other, "init") if file == "busybox" => Self::BusyboxInit,
            (Self::Other, _) if many => Self::of_script(comm),
            (Self::Other, _) => match Self::named(file) {
                Self::Other => Self::of_script(if file.is_empty() { comm } else { file }),
                program => program,
            },
            (program, _) => program,
        }
    }

    fn named(name: &str) -> Self {
        // what programs make of their title: "nginx: master", "gunicorn: maste", "[celeryd: celer", "npm start"
        let first = name.trim_start_matches('[').split([':', ' ']).next().unwrap_or_default();
        let base = first.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
        match base {
            "sh" | "dash" | "bash" | "ash" | "busybox" | "zsh" | "ksh" | "mksh" | "rbash" => Self::Shell,
            "python" | "flask" | "pypy" | "daphne" | "hypercorn" => Self::Python,
            "gunicorn" => Self::Gunicorn,
            "uvicorn" => Self::Uvicorn,
            "celery" | "celeryd" => Self::Celery,
            "uwsgi" | "uwsgi-core" | "uwsgi_python" => Self::Uwsgi,
            // Node names its first thread so from version 20 on
            "node" | "nodejs" | "MainThread" | "node-MainThread" => Self::Node,
            "npm" | "yarn" | "pnpm" => Self::PackageManager,
            "deno" => Self::Deno,
            "bun" => Self::Bun,
            "java" => Self::Java,
            "dotnet" => Self::Dotnet,
            "ruby" | "rails" => Self::Ruby,
            "puma" => Self::Puma,
            "unicorn" | "unicorn_rails" => Self::Unicorn,
            "perl" => Self::Perl,
            "php" => Self::Php,
            "php-fpm" => Self::PhpFpm,
            "nginx" => Self::Nginx,
            "apache" | "httpd" => Self::Apache,
            "haproxy" => Self::Haproxy,
            "envoy" => Self::Envoy,
            "postgres" | "postmaster" => Self::Postgres,
            "redis-server" | "valkey-server" => Self::Redis,
            "mysqld" | "mariadbd" => Self::Mysql,
            "memcached" => Self::Memcached,
            "beam.smp" => Self::Erlang,
            "supervisord" => Self::Supervisord,
            "runsvdir" => Self::Runsvdir,
            "s6-svscan" => Self::S6,
            "systemd" => Self::Systemd,
            "tini" | "tini-static" | "docker-init" => Self::Tini,
            "dumb-init" => Self::DumbInit,
            "catatonit" | "podman-init" => Self::Catatonit,
            "pause" => Self::Pause,
            "cron" | "crond" => Self::Cron,
            "sshd" => Self::Sshd,
            _ => Self::Other,
        }
    }

    /// The kernel names a process by its script. Where its interpreter is not known, the extension tells.
    fn of_script(name: &str) -> Self {
        match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("sh" | "bash" | "ash" | "dash" | "ksh" | "zsh") => Self::Shell,
            Some("py") => Self::Python,
            Some("js" | "mjs" | "cjs") => Self::Node,
            Some("rb") => Self::Ruby,
            Some("pl") => Self::Perl,
            Some("php") => Self::Php,
            _ => Self::Other,
        }
    }

    /// Whether it is a helper that its runtime ends by closing a pipe, when it ends itself: no signal is due to it, and
    /// nothing is lost with it.
    pub(super) fn is_helper(comm: &str) -> bool {
        matches!(comm, "erl_child_setup" | "inet_gethost")
    }

    /// Whether it is a shell: its trap waits for its foreground child, and it passes nothing on.
    #[must_use]
    pub const fn is_shell(self) -> bool {
        matches!(self, Self::Shell)
    }

    /// Whether it is an init made for containers that has one child and passes signals on to it.
    #[must_use]
    pub const fn forwards(self) -> bool {
        matches!(self, Self::Tini | Self::DumbInit | Self::Catatonit)
    }

    /// It has a handler for this signal that its user did not write. Python makes SIGINT a `KeyboardInterrupt`; dash with `-c`
    /// or a script, and bash while it waits for a child, look whether the child died of it. Node restores the terminal. All
    /// of them then raise it at themselves, which an init drops.
    pub(super) fn handles_itself(self, signal: Signal) -> bool {
        match self {
            Self::Python | Self::Gunicorn | Self::Uvicorn | Self::Celery | Self::Shell => signal == Signal::INT,
            Self::Node => matches!(signal, Signal::INT | Signal::TERM),
            _ => false,
        }
    }

    /// Its workers learn of a shutdown through a pipe or a channel, not by a signal, or are left alone until their clients
    /// go, as in `PostgreSQL`'s smart shutdown: that they got none proves nothing.
    pub(super) const fn tells_workers_by_pipe(self) -> bool {
        matches!(self, Self::Nginx | Self::Apache | Self::Haproxy | Self::Postgres)
    }

    /// The signals that end it where it handles them, the most usual first. By SIGQUIT `HAProxy` shows its memory pools and
    /// a JVM its threads: <https://docs.haproxy.org/2.8/management.html#4>
    pub(super) const fn ends_by(self) -> &'static [Signal] {
        match self {
            Self::Haproxy => &[Signal::USR1, Signal::TERM, Signal::INT],
            Self::Java => &[Signal::TERM, Signal::INT],
            _ => &[Signal::TERM, Signal::INT, Signal::QUIT],
        }
    }
}

/// Whether these, of one parent, are several programs: processes of different names that are no shells.
pub(crate) fn are_several<'a>(processes: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> bool {
    let programs = processes.filter(|(comm, exe)| !Program::of(comm, *exe).is_shell());
    programs.map(|(comm, _)| comm).collect::<BTreeSet<_>>().len() > 1
}

/// What one types to run a program, if that can be told from what the kernel shows of it: `gunicorn` of a process that
/// calls itself `gunicorn: master`. From strangers, but only letters, digits and a few marks.
pub(crate) fn command_name(comm: &str, exe: Option<&str>) -> Option<String> {
    /// A `comm` of this length may be the beginning of a longer name.
    const CUT: usize = 15;
    let file = file_of(exe);
    let plain = |name: &str| {
        let usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
        let plain = !name.is_empty() && name.len() <= 40 && !name.starts_with('-') && name.chars().all(usual);
        plain.then(|| name.to_owned())
    };
    if matches!(Program::named(comm), Program::Node) {
        return Some("node".to_owned());
    }
    // a title of its own making begins with its name, if it is a program that is known
    let first = comm.trim_start_matches('[').split([':', ' ']).next().unwrap_or_default();
    match Program::named(comm) {
        Program::Celery => Some("celery".to_owned()),
        Program::Other if comm.len() < CUT => plain(comm).or_else(|| plain(file)),
        Program::Other if file.starts_with(comm) => plain(file),
        Program::Other => None,
        _ => plain(first),
    }
}

fn file_of(exe: Option<&str>) -> &str {
    let file = exe.and_then(|exe| exe.rsplit('/').next()).unwrap_or_default();
    file.trim_end_matches(" (deleted)")
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
            ("gunicorn: maste", Some("/usr/bin/python3.11"), Program::Gunicorn),
            ("[celeryd: celer", Some("/usr/bin/python3.11"), Program::Celery),
            ("node", None, Program::Node),
            ("MainThread", Some("/usr/local/bin/node"), Program::Node),
            ("node-MainThread", None, Program::Node),
            ("npm start", Some("/usr/bin/node"), Program::PackageManager),
            ("uwsgi_python3", Some("/usr/bin/uwsgi_python311"), Program::Uwsgi),
            ("apache2", None, Program::Apache),
            ("nginx: master", None, Program::Nginx),
            ("php-fpm8.2", None, Program::PhpFpm),
            ("my-server", Some("/app/my-server"), Program::Other),
            ("sleep", Some("/bin/busybox"), Program::Other),
            ("sh", Some("/bin/busybox"), Program::Shell),
            ("init", Some("/bin/busybox"), Program::BusyboxInit),
            ("init", Some("/usr/lib/systemd/systemd"), Program::Systemd),
            ("node-22", Some("/usr/bin/node-22"), Program::Node),
            ("docker-init", Some("/sbin/docker-init"), Program::Tini),
            ("entrypoint.sh", Some("/app/entrypoint.sh"), Program::Shell),
            ("docker-entrypoi", Some("/docker-entrypoint.sh"), Program::Shell),
            ("entrypoint", Some("/bin/dash"), Program::Shell),
            ("entrypoint", Some("/entrypoint"), Program::Other),
            ("start.sh", Some("/bin/busybox"), Program::Shell),
            ("app.js", Some("/usr/bin/deno"), Program::Deno),
            ("app.py", Some("/app/app.py"), Program::Python),
            ("server.bin", Some("/app/server.bin"), Program::Other),
            ("", None, Program::Other),
        ] {
            assert_eq!(Program::of(comm, exe), expected, "{comm} {exe:?}");
        }
    }

    #[test]
    fn what_one_types_to_run_it() {
        for (comm, exe, expected) in [
            ("gunicorn: maste", Some("/usr/bin/python3.11"), Some("gunicorn")),
            ("gunicorn", Some("/usr/local/bin/gunicorn"), Some("gunicorn")),
            ("[celeryd: celer", None, Some("celery")),
            ("MainThread", Some("/usr/local/bin/node"), Some("node")),
            ("python3.11", None, Some("python3.11")),
            ("nginx: master p", None, Some("nginx")),
            ("sleep", Some("/bin/busybox"), Some("sleep")),
            ("my-long-named-s", Some("/app/my-long-named-server"), Some("my-long-named-server")),
            ("my-long-named-s", None, None),
            ("a b", Some("/app/worker"), Some("worker")),
            ("$(reboot)", None, None),
            ("", None, None),
        ] {
            assert_eq!(command_name(comm, exe).as_deref(), expected, "{comm} {exe:?}");
        }
    }
}
