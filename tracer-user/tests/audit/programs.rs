//! The programs: what runs as a container's first process, and what an audit has to say of it. What it says is compared
//! with what really becomes of the stop signal afterwards.

use super::lab::docker::Options;

/// One program as the first process of a container.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// Of the container.
    pub(crate) name: &'static str,
    /// What runs in it.
    pub(crate) command: &'static [&'static str],
    /// How the container differs from a plain one.
    pub(crate) options: Options<'static>,
    /// When it has come to what it does with signals.
    pub(crate) ready: Ready,
    /// What the audit has to say: outcome and cause.
    pub(crate) outcome: &'static str,
    pub(crate) cause: Option<&'static str>,
    /// A remark that must be there.
    pub(crate) note: Option<&'static str>,
    /// Programs of this machine that it needs.
    pub(crate) needs: &'static [&'static str],
    /// Seconds that `docker stop` waits.
    pub(crate) grace: u32,
}

/// How to know that a program is ready.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ready {
    /// Its log says `ready`.
    Says,
    /// A process of this name runs in the container.
    Runs(&'static str),
    /// PID 1 has this name and a handler for this signal.
    Handles(&'static str, u32),
    /// PID 1 has this name and a signalfd.
    HasSignalFd(&'static str),
}

use Ready::{Handles, HasSignalFd, Runs, Says};

impl Program {
    fn new(name: &'static str, command: &'static [&'static str], ready: Ready, outcome: &'static str) -> Self {
        let options = Options::default();
        Self { name, command, options, ready, outcome, cause: None, note: None, needs: &[], grace: 4 }
    }

    fn dropped(name: &'static str, command: &'static [&'static str], ready: Ready, cause: &'static str) -> Self {
        Self { cause: Some(cause), grace: 1, ..Self::new(name, command, ready, "dropped") }
    }

    fn needs(mut self, programs: &'static [&'static str]) -> Self {
        self.needs = programs;
        self.options.programs = programs;
        self
    }

    fn stop_signal(mut self, signal: &'static str) -> Self {
        self.options.stop_signal = Some(signal);
        self
    }

    fn note(mut self, note: &'static str) -> Self {
        self.note = Some(note);
        self
    }

    fn args(mut self, args: &'static [&'static str]) -> Self {
        self.options.args = args;
        self
    }

    fn grace(mut self, seconds: u32) -> Self {
        self.grace = seconds;
        self
    }
}

/// All of them.
pub(crate) fn all() -> Vec<Program> {
    [inits(), languages(), shells(), servers(), dispositions()].into_iter().flatten().collect()
}

fn inits() -> Vec<Program> {
    vec![
        Program::new("tini", &["tini", "--", "sleep", "1000"], Runs("sleep"), "taken")
            .needs(&["tini"])
            .note("forwarded"),
        Program::new("dumb-init", &["dumb-init", "sleep", "1000"], Runs("sleep"), "taken")
            .needs(&["dumb-init"])
            .note("forwarded"),
        Program::new("catatonit", &["catatonit", "--", "sleep", "1000"], Runs("sleep"), "taken")
            .needs(&["catatonit"])
            .note("forwarded"),
        Program {
            options: Options { init: true, ..Options::default() },
            ..Program::new("docker-init", &["sleep", "1000"], Runs("sleep"), "taken")
        }
        .note("forwarded"),
        Program::dropped("tini-not-first", &["sh", "-c", "tini -- sleep 1000; true"], Runs("sleep"), "no-handler")
            .needs(&["tini"])
            .note("init-not-first"),
        Program::new(
            "s6",
            &["sh", "-c", "mkdir /var/scan; exec s6-svscan /var/scan"],
            HasSignalFd("s6-svscan"),
            "taken",
        )
        .needs(&["s6-svscan"]),
        // a target of its own: what the machine's units say is none of the container's business
        Program::new("systemd", &["sh", "-c", SYSTEMD], HasSignalFd("systemd"), "taken")
            .needs(&["systemd"])
            .args(&[
                "--cap-add=SYS_ADMIN",
                "--security-opt=seccomp=unconfined",
                "--security-opt=apparmor=unconfined",
                "--tmpfs=/run",
                "--env=container=docker",
            ])
            .stop_signal("SIGRTMIN+3")
            .grace(1),
    ]
}

const SYSTEMD: &str = "
mount -o remount,rw /sys/fs/cgroup
mkdir -p /run/systemd/system
printf '[Unit]\\nDefaultDependencies=no\\n' >/run/systemd/system/idle.target
exec /lib/systemd/systemd --unit=idle.target";

fn languages() -> Vec<Program> {
    vec![
        Program::dropped(
            "node-plain",
            &["node", "-e", "console.log('ready'); setInterval(() => {}, 1000)"],
            Says,
            "handler-reraised",
        )
        .needs(&["node"]),
        Program::new(
            "node-handler",
            &[
                "node",
                "-e",
                "process.on('SIGTERM', () => process.exit(0)); console.log('ready'); setInterval(() => {}, 1000)",
            ],
            Says,
            "caught",
        )
        .needs(&["node"]),
        // it waits for somebody to write into the pipe, and cannot ask for signals
        Program::dropped(
            "go-without-notify",
            &["sh", "-c", "mkfifo /var/pipe; exec gron /var/pipe"],
            Handles("gron", 15),
            "handler-reraised",
        )
        .needs(&["gron"])
        .grace(4),
        // it has signal.Notify and does not call it; stripped, so that nothing of that can be seen
        Program::new(
            "go-with-notify",
            &["ctr", "--address", "/run/none.sock", "--connect-timeout", "1000s", "version"],
            Handles("ctr", 15),
            "unknown",
        )
        .needs(&["ctr"]),
        Program::new("java", &["sh", "-c", JAVA], Says, "caught").needs(&["java", "javac"]).grace(20),
        Program::dropped("java-without-handlers", &["sh", "-c", JAVA_RS], Says, "no-handler").needs(&["java", "javac"]),
        Program::dropped(
            "python-plain",
            &["python3", "-c", "import time; print('ready', flush=True); time.sleep(1000)"],
            Says,
            "no-handler",
        ),
        Program::new("python-handler", &["python3", "-c", PYTHON_EXITS], Says, "caught"),
        Program::dropped("mismatch", &["python3", "-c", PYTHON_EXITS], Says, "stop-signal-mismatch")
            .stop_signal("SIGQUIT"),
    ]
}

const JAVA: &str = "cat >/var/Ready.java <<'END'
class Ready { public static void main(String[] a) throws Exception { System.out.println(\"ready\"); Thread.sleep(1000000); } }
END
exec java -Xmx64m -XX:+UseSerialGC /var/Ready.java";
const JAVA_RS: &str = "cat >/var/Ready.java <<'END'
class Ready { public static void main(String[] a) throws Exception { System.out.println(\"ready\"); Thread.sleep(1000000); } }
END
exec java -Xrs -Xmx64m -XX:+UseSerialGC /var/Ready.java";

pub(crate) const PYTHON_EXITS: &str = "
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print('ready', flush=True)
while True: time.sleep(1000)";

fn shells() -> Vec<Program> {
    vec![
        Program::dropped("dash", &["dash", "-c", "sleep 1000; true"], Runs("sleep"), "no-handler").note("shell-form"),
        Program::dropped("bash", &["bash", "-c", "sleep 1000; true"], Runs("sleep"), "no-handler").note("shell-form"),
        Program::new("dash-trap", &["dash", "-c", "trap 'exit 0' TERM; sleep 1000 & echo ready; wait"], Says, "caught"),
        Program::new("bash-trap", &["bash", "-c", "trap 'exit 0' TERM; sleep 1000 & echo ready; wait"], Says, "caught"),
        Program::new(
            "bash-trap-waits",
            &["bash", "-c", "trap 'exit 0' TERM; sleep 1000; true"],
            Runs("sleep"),
            "caught",
        )
        .note("trap-deferred")
        .grace(1),
        // it runs the EXIT trap in a handler of its own, raises the signal again, and in the end exits
        Program::new(
            "bash-exit-trap",
            &["bash", "-c", "trap 'echo bye' EXIT; sleep 1000 & echo ready; wait"],
            Says,
            "caught",
        ),
        Program::new("ignores", &["sh", "-c", "trap '' TERM; sleep 1000; true"], Runs("sleep"), "ignored").grace(1),
    ]
}

fn servers() -> Vec<Program> {
    vec![
        Program::new("nginx", &["sh", "-c", NGINX], Handles("nginx", 3), "caught")
            .needs(&["nginx"])
            .stop_signal("SIGQUIT"),
        Program::new("redis", &["redis-server", "--save", "", "--dir", "/var"], Handles("redis-server", 15), "caught")
            .needs(&["redis-server"]),
        Program::new("postgres", &["sh", "-c", POSTGRES], Runs("walwriter"), "caught")
            .needs(&["setpriv"])
            .stop_signal("SIGINT")
            .grace(20),
        Program::new("containerd", &["sh", "-c", CONTAINERD], Handles("containerd", 15), "unknown")
            .needs(&["containerd"]),
    ]
}

const NGINX: &str = "mkdir -p /var/log /run/nginx && printf 'daemon off; error_log stderr; pid /run/nginx.pid; worker_processes 1; events {}' >/run/nginx.conf && exec nginx -c /run/nginx.conf -p /run/nginx -e stderr";
const POSTGRES: &str = "
bin=$(ls -d /usr/lib/postgresql/*/bin)
mkdir /var/pg && chown postgres /var/pg && chmod 777 /tmp
as='setpriv --reuid=postgres --regid=postgres --clear-groups'
$as $bin/initdb --pgdata /var/pg --auth trust --no-locale --no-sync >/dev/null
exec $as $bin/postgres -D /var/pg -k /tmp -c listen_addresses=";
const CONTAINERD: &str = "
printf 'version = 2\\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\\n' >/var/config.toml
exec containerd --config /var/config.toml --address /run/c.sock --root /var/c --state /run/c";

fn dispositions() -> Vec<Program> {
    vec![
        Program::new(
            "blocks",
            &["python3", "-c", "import signal, time; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM}); print('ready', flush=True); time.sleep(1000)"],
            Says,
            "unknown",
        )
        .grace(1),
        Program::new("waits", &["python3", "-c", PYTHON_WAITS], Says, "taken"),
        Program::new("thread-waits", &["python3", "-c", PYTHON_THREAD_WAITS], Says, "taken"),
        // the thread waits for what the kernel has thrown away before
        Program::dropped("thread-waits-in-vain", &["python3", "-c", PYTHON_THREAD_WAITS_IN_VAIN], Says, "no-handler"),
        Program::dropped("signalfd-in-vain", &["python3", "-c", PYTHON_SIGNALFD_IN_VAIN], Says, "no-handler"),
        Program::new("thread-does-not-block", &["python3", "-c", PYTHON_THREAD_UNBLOCKED], Says, "unknown"),
        Program::new("host-pid-namespace", &["sh", "-c", "sleep 1000; true"], Runs("sleep"), "default").args(&["--pid=host"]),
        Program::new("winch", &["python3", "-c", PYTHON_EXITS], Says, "ignored").stop_signal("SIGWINCH").grace(1),
        Program::new("kill", &["python3", "-c", PYTHON_EXITS], Says, "default").stop_signal("SIGKILL"),
    ]
}

const PYTHON_WAITS: &str = "
import signal
term = {signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, term)
print('ready', flush=True)
signal.sigwait(term)";
const PYTHON_THREAD_WAITS: &str = "
import os, signal, threading, time
term = {signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, term)
def wait():
    signal.sigwait(term)
    os._exit(0)
threading.Thread(target=wait).start()
print('ready', flush=True)
time.sleep(1000)";
const PYTHON_THREAD_WAITS_IN_VAIN: &str = "
import os, signal, threading, time
term = {signal.SIGTERM}
def wait():
    signal.pthread_sigmask(signal.SIG_BLOCK, term)
    signal.sigwait(term)
    os._exit(0)
threading.Thread(target=wait).start()
print('ready', flush=True)
time.sleep(1000)";
const PYTHON_SIGNALFD_IN_VAIN: &str = "
import ctypes, os, time
mask = ctypes.c_uint64(1 << 14)
fd = ctypes.CDLL(None).syscall(289 if os.uname().machine == 'x86_64' else 74, -1, ctypes.byref(mask), 8, 0)
assert fd >= 0
print('ready', flush=True)
os.read(fd, 128)";
const PYTHON_THREAD_UNBLOCKED: &str = "
import signal, threading, time
threading.Thread(target=time.sleep, args=(1000,)).start()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print('ready', flush=True)
time.sleep(1000)";
