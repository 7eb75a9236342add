//! The programs that Debian packages bring, as one table. A new need is a new row.
//!
//! Rows ask for a command, not for a package: a machine may have node, java or docker from elsewhere,
//! and those do as well.

use super::{Group, apt};
use crate::{paths, ui};
use anyhow::Result;

/// A program that a group of tasks runs.
struct Need {
    group: Group,
    command: &'static str,
    packages: &'static [&'static str],
    why: &'static str,
}

const fn need(group: Group, command: &'static str, packages: &'static [&'static str], why: &'static str) -> Need {
    Need { group, command, packages, why }
}

/// Debian keeps it out of the search path, which looks up a path that is absolute as it is.
const POSTGRES: &str = "/usr/lib/postgresql/15/bin/postgres";

/// Where Debian has the sources of a Go library.
const SPRIG: &str = "/usr/share/gocode/src/github.com/Masterminds/sprig/functions.go";

const NEEDS: &[Need] = &[
    need(Group::Build, "cc", &["gcc", "libc6-dev"], "rustc links with it"),
    need(Group::Build, "protoc", &["protobuf-compiler"], "the CRI client of the tests is generated from its protocol"),
    need(Group::Containers, "dockerd", &["docker.io"], "the tests start a Docker daemon of their own"),
    need(Group::Containers, "docker", &["docker.io"], "its client"),
    need(Group::Containers, "containerd", &["containerd"], "Docker's and CRI's runtime"),
    need(Group::Containers, "runc", &["runc"], "what really sends the stop signal"),
    need(Group::Containers, "podman", &["podman"], "containers without a daemon, and pods without Kubernetes"),
    need(Group::Containers, "unshare", &["util-linux"], "private mount namespaces"),
    need(Group::Containers, "pkill", &["procps"], "a process of one container that ends one of another"),
    need(Group::Containers, "mkfs.ext4", &["e2fsprogs"], "a file system to freeze"),
    need(Group::Containers, "losetup", &["mount"], "a file system to freeze"),
    need(
        Group::Containers,
        "systemctl",
        &["systemd"],
        "PID 1 of a node that is a container; nothing of it is started here",
    ),
    need(Group::Containers, "tini", &["tini"], "an init that waits with sigtimedwait"),
    need(Group::Containers, "dumb-init", &["dumb-init"], "an init that waits with sigwait"),
    need(Group::Containers, "catatonit", &["catatonit"], "an init that waits with signalfd"),
    need(Group::Containers, "s6-svscan", &["s6"], "an init that supervises, and waits with signalfd"),
    need(Group::Containers, "redis-server", &["redis-server"], "a server that handles its stop signal itself"),
    need(Group::Containers, POSTGRES, &["postgresql-15"], "a server whose workers are all its children"),
    need(Group::Containers, "gunicorn", &["gunicorn"], "a prefork server whose master looks after its workers"),
    need(Group::Containers, "celery", &["celery"], "a worker whose pool must not be signalled by others"),
    need(
        Group::Containers,
        "uwsgi_python3",
        &["uwsgi-core", "uwsgi-plugin-python3"],
        "a server that reloads by SIGTERM",
    ),
    need(Group::Containers, "apache2", &["apache2-bin"], "a server that ends by SIGWINCH"),
    need(Group::Containers, "haproxy", &["haproxy"], "a server with a soft stop and a hard one"),
    need(Group::Containers, "memcached", &["memcached"], "a server of one process with threads"),
    need(Group::Containers, "php-fpm8.2", &["php8.2-fpm"], "a server that is hard on its workers"),
    need(Group::Containers, "supervisord", &["supervisor"], "a supervisor that has a patience of its own"),
    need(Group::Containers, "runsvdir", &["runit"], "a supervisor that leaves its services behind"),
    need(Group::Containers, "bash", &["bash"], "a shell whose trap is deferred"),
    need(Group::Containers, "python3", &["python3"], "a PID 1 with no handler; workers for the scenarios"),
    need(Group::Containers, "node", &["nodejs"], "a PID 1 that re-raises the signal"),
    need(Group::Containers, "java", &["default-jre-headless"], "a PID 1 that exits 143 in order"),
    need(Group::Containers, "javac", &["default-jdk-headless"], "compiles the zoo's Java"),
    need(Group::Containers, "npm", &["npm"], "a PID 1 that signals a shell instead of the program"),
    need(Group::Containers, "go", &["golang-go"], "compiles the zoo's Go, with signal.Notify and without"),
    need(Group::Containers, "ruby", &["ruby"], "a PID 1 that raises the signal once more when all is done"),
    need(Group::Containers, "perl", &["perl"], "a PID 1 with no handler"),
    need(Group::Containers, "erl", &["erlang-base"], "a runtime that stops in order by itself"),
    need(Group::Containers, "nginx", &["nginx-light"], "a stop signal that is not SIGTERM"),
    need(Group::Containers, "gron", &["gron"], "a Go program without signal.Notify"),
    need(Group::Containers, "systemd", &["systemd"], "an init of machines, as PID 1 of a container"),
    need(Group::Containers, "busybox", &["busybox-static"], "a shell and an init without libraries"),
    need(Group::Containers, "stress-ng", &["stress-ng"], "signal and fork storms"),
    need(Group::Containers, "strace", &["strace"], "a PID 1 that is being ptraced"),
    need(Group::Containers, "tmux", &["tmux"], "a terminal for the live screen"),
    need(
        Group::Containers,
        SPRIG,
        &["golang-github-masterminds-sprig-dev"],
        "the functions of Helm's templates, to render the chart",
    ),
    need(Group::Containers, "promtool", &["prometheus"], "judges metrics and alert rules; no server is started"),
    need(Group::Containers, "shellcheck", &["shellcheck"], "reads the kubectl plugin"),
    need(Group::Containers, "systemd-analyze", &["systemd"], "reads the unit"),
    need(Group::Containers, "dpkg-deb", &["dpkg"], "makes and reads the Debian package"),
    need(Group::Bench, "killsnoop.bt", &["bpftrace"], "signals by bpftrace"),
    need(Group::Bench, "sigsnoop", &["libbpf-tools"], "signals by libbpf"),
    need(Group::Bench, "perf", &["linux-perf"], "signals by perf"),
    need(Group::Bench, "strace", &["strace"], "signals by ptrace"),
    need(Group::Fuzz, "cc", &["gcc", "libc6-dev"], "rustc links with it"),
    need(Group::Fuzz, "c++", &["g++"], "libFuzzer is C++, and is compiled here"),
    need(Group::Fuzz, "protoc", &["protobuf-compiler"], "the CRI client of the tests that Miri runs is generated"),
    need(Group::Vm, "qemu-system-x86_64", &["qemu-system-x86"], "boots the other kernels"),
    need(Group::Vm, "qemu-system-aarch64", &["qemu-system-arm"], "boots a kernel of arm64"),
];

/// Installs what the group lacks. Says whether anything was.
pub(super) fn ensure(group: Group) -> Result<bool> {
    let missing: Vec<&Need> =
        NEEDS.iter().filter(|need| need.group == group && paths::which(need.command).is_none()).collect();
    if missing.is_empty() {
        return Ok(false);
    }
    let stage = ui::Stage::start(format!("install packages {}", group.purpose()));
    let mut packages: Vec<&str> = Vec::new();
    for need in &missing {
        ui::note(format!("{}: {}", need.packages.join(" "), need.why));
        packages.extend(need.packages.iter().filter(|name| !packages.contains(name)).collect::<Vec<_>>());
    }
    apt::install(&packages)?;
    stage.end("installed");
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::NEEDS;

    #[test]
    fn every_need_names_a_package_and_a_reason() {
        for need in NEEDS {
            assert!(!need.packages.is_empty() && !need.why.is_empty());
        }
    }
}
