//! The cases: which container, and what is done to it. What must come of it is in tests/scenarios/NAME.expect.

use super::lab::docker::{Cgroups, Options};

/// One container's story.
pub(crate) struct Case {
    /// Of the container, the recording and the expectation.
    pub(crate) name: &'static str,
    /// What runs in it.
    pub(crate) command: &'static [&'static str],
    /// How it differs from a plain one.
    pub(crate) options: Options<'static>,
    /// What is waited for and done, in order. In the end the container has to exit.
    pub(crate) steps: &'static [Step],
    /// Needs cgroups of this kind.
    pub(crate) only: Option<Cgroups>,
    /// Programs of this machine that it needs.
    pub(crate) needs: &'static [&'static str],
}

/// Something to wait for, or to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Wait until the container's log says so.
    Says(&'static str),
    /// Wait until a process of this name runs in the container.
    Runs(&'static str),
    /// Wait until PID 1 has a handler for this signal.
    Handles(u32),
    /// Wait until the tracers have told this condition of the container.
    Told(&'static str),
    /// Wait until the container has exited by itself.
    Ends,
    /// `docker stop --time SECONDS`
    Stop(u32),
    /// `docker stop`
    StopAsConfigured,
    /// `docker restart --time SECONDS`
    Restart(u32),
    /// `docker kill --signal SIGNAL`
    Kill(&'static str),
    /// A signal from a process of the host to PID 1.
    FromHost(&'static str),
    /// `docker exec`
    Exec(&'static [&'static str]),
    /// `docker exec --detach`
    ExecDetached(&'static [&'static str]),
    /// `strace --attach` to PID 1, until the container ends.
    Strace,
}

use Step::{
    Ends, Exec, ExecDetached, FromHost, Handles, Kill, Restart, Runs, Says, Stop, StopAsConfigured, Strace, Told,
};

const READY: Step = Says("ready");

impl Case {
    fn new(name: &'static str, command: &'static [&'static str], steps: &'static [Step]) -> Self {
        Self { name, command, options: Options::default(), steps, only: None, needs: &[] }
    }

    /// A shell script as PID 1.
    fn sh(name: &'static str, command: &'static [&'static str; 3], steps: &'static [Step]) -> Self {
        Self::new(name, command, steps)
    }

    fn stop_signal(mut self, signal: &'static str) -> Self {
        self.options.stop_signal = Some(signal);
        self
    }

    fn args(mut self, args: &'static [&'static str]) -> Self {
        self.options.args = args;
        self
    }

    fn needs(mut self, programs: &'static [&'static str]) -> Self {
        self.needs = programs;
        self.options.programs = programs;
        self
    }
}

/// All of them. Those that take longest come first, so that none of them is left for the end.
pub(crate) fn all() -> Vec<Case> {
    [runtimes(), shells(), inits(), dispositions(), without_a_stop(), trees(), conditions(), lives()]
        .into_iter()
        .flatten()
        .collect()
}

/// Languages and what their runtimes do with signals.
fn runtimes() -> Vec<Case> {
    vec![
        Case::new(
            "java",
            &["sh", "-c", "cat >/var/Ready.java <<'END'\nclass Ready { public static void main(String[] a) throws Exception { System.out.println(\"ready\"); Thread.sleep(1000000); } }\nEND\nexec java -Xmx64m -XX:+UseSerialGC /var/Ready.java"],
            &[READY, Stop(20)],
        )
        .needs(&["java", "javac"]),
        Case::new(
            "node-plain",
            &["node", "-e", "console.log('ready'); setInterval(() => {}, 1000)"],
            &[READY, Stop(3)],
        )
        .needs(&["node"]),
        Case::new(
            "node-handler",
            &["node", "-e", "process.on('SIGTERM', () => process.exit(0)); console.log('ready'); setInterval(() => {}, 1000)"],
            &[READY, Stop(10)],
        )
        .needs(&["node"]),
        // A Go program that never calls signal.Notify, and waits for a socket that never comes.
        Case::new(
            "go-plain",
            &["ctr", "--address", "/run/none.sock", "--connect-timeout", "1000s", "version"],
            &[Handles(15), Stop(10)],
        )
        .needs(&["ctr"]),
        Case::new(
            "python-plain",
            &["python3", "-c", "import time; print('ready', flush=True); time.sleep(1000)"],
            &[READY, Stop(3)],
        ),
        Case::new("python-handler", &["python3", "-c", PYTHON_EXITS], &[READY, Stop(10)]),
        Case::new(
            "nginx-sigquit",
            &["sh", "-c", "mkdir -p /var/log /run/nginx && printf 'daemon off; error_log stderr; pid /run/nginx.pid; worker_processes 1; events {}' >/run/nginx.conf && exec nginx -c /run/nginx.conf -p /run/nginx -e stderr"],
            &[Runs("nginx"), Handles(3), Exec(&["sh", "-c", "until ps --ppid 1 -o args= | grep -q 'worker process$'; do sleep 0.05; done"]), Stop(10)],
        )
        .stop_signal("SIGQUIT")
        .needs(&["nginx"]),
    ]
}

const PYTHON_EXITS: &str = "
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print('ready', flush=True)
while True: time.sleep(1000)";

/// Shells as PID 1.
fn shells() -> Vec<Case> {
    vec![
        Case::sh("dash-drops", &["sh", "-c", "echo ready; sleep 1000; true"], &[READY, Runs("sleep"), Stop(3)]),
        Case::sh("bash-drops", &["bash", "-c", "echo ready; sleep 1000; true"], &[READY, Runs("sleep"), Stop(3)]),
        Case::sh("shell-execs", &["sh", "-c", "echo ready; exec sleep 1000"], &[READY, Runs("sleep"), Stop(3)]),
        Case::sh(
            "bash-trap-waits-for-child",
            &["bash", "-c", "trap 'exit 0' TERM; echo ready; sleep 1000; true"],
            &[READY, Runs("sleep"), Stop(3)],
        ),
        Case::sh(
            "bash-trap-forwards",
            &["bash", "-c", "trap 'kill $!' TERM; sleep 1000 & echo ready; wait; wait $!; exit 0"],
            &[READY, Runs("sleep"), Stop(10)],
        ),
        Case::sh(
            "bash-trap-exits-at-once",
            &["bash", "-c", "trap 'exit 0' TERM; sleep 1000 & echo ready; wait"],
            &[READY, Runs("sleep"), Stop(10)],
        ),
    ]
}

/// Inits made for containers.
fn inits() -> Vec<Case> {
    vec![
        Case::new("tini", &["tini", "--", "sleep", "1000"], &[Runs("sleep"), Stop(10)]).needs(&["tini"]),
        Case::new("dumb-init", &["dumb-init", "sleep", "1000"], &[Runs("sleep"), Stop(10)]).needs(&["dumb-init"]),
        Case::new("catatonit", &["catatonit", "--", "sleep", "1000"], &[Runs("sleep"), Stop(10)]).needs(&["catatonit"]),
        Case {
            options: Options { init: true, ..Options::default() },
            ..Case::new("docker-init", &["sleep", "1000"], &[Runs("sleep"), Stop(10)])
        },
        // https://github.com/krallin/tini/issues/229: only tini's child gets the signal.
        Case::new("tini-shell", &["tini", "--", "sh", "-c", "sleep 1000; true"], &[Runs("sleep"), Stop(10)])
            .needs(&["tini"]),
        // dumb-init signals the whole session, and the program passes the signal on as well.
        Case::new("dumb-init-twice", &["dumb-init", "python3", "-c", PYTHON_TWICE], &[READY, Stop(10)])
            .needs(&["dumb-init"]),
    ]
}

/// The child ends by the second SIGTERM only, so that both have to be sent.
const PYTHON_TWICE: &str = "
import os, signal, sys, time
r, w = os.pipe()
child = os.fork()
if child == 0:
    terms = []
    def term(*_):
        terms.append(1)
        os.write(w, b'x')
        if len(terms) == 2: os._exit(0)
    signal.signal(signal.SIGTERM, term)
    os.write(w, b'r')
    while True: time.sleep(1000)
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
os.read(r, 1)
print('ready', flush=True)
while not asked: time.sleep(0.01)
os.read(r, 1)
os.kill(child, signal.SIGTERM)
os.waitpid(child, 0)";

/// What PID 1 can do with a signal.
fn dispositions() -> Vec<Case> {
    vec![
        Case::new("mismatch-sigquit", &["python3", "-c", PYTHON_EXITS], &[READY, Stop(3)]).stop_signal("SIGQUIT"),
        Case::new("mismatch-sigusr1", &["python3", "-c", PYTHON_EXITS], &[READY, Stop(3)]).stop_signal("SIGUSR1"),
        Case::sh("ignores", &["sh", "-c", "trap '' TERM; echo ready; sleep 1000; true"], &[READY, Runs("sleep"), Stop(3)]),
        Case::new(
            "blocks",
            &["python3", "-c", "import signal, time; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM}); print('ready', flush=True); time.sleep(1000)"],
            &[READY, Stop(3)],
        ),
        Case::new(
            "unblocks-later",
            &["python3", "-c", "import signal, time\nterm = {signal.SIGTERM}\nsignal.pthread_sigmask(signal.SIG_BLOCK, term)\nprint('ready', flush=True)\nwhile not signal.sigpending(): time.sleep(0.02)\nsignal.pthread_sigmask(signal.SIG_UNBLOCK, term)\ntime.sleep(1000)"],
            &[READY, Stop(3)],
        ),
        Case::sh("strace", &["sh", "-c", "echo ready; sleep 1000; true"], &[READY, Runs("sleep"), Strace, Stop(3)]).needs(&["strace"]),
        // PID 1 of the host's namespace is somebody else: the default action acts.
        Case::sh("host-pid-namespace", &["sh", "-c", "echo ready; sleep 1000; true"], &[READY, Runs("sleep"), Stop(10)]).args(&["--pid=host"]),
        // SIGSTOP of an ancestor's namespace acts on an init, and a stopped process takes no signal.
        Case::new("stopped-by-host", &["python3", "-c", PYTHON_EXITS], &[READY, FromHost("STOP"), Stop(3)]),
        Case::new(
            "too-slow",
            &["python3", "-c", "import signal, time\nsignal.signal(signal.SIGTERM, lambda *_: None)\nprint('ready', flush=True)\nwhile True: time.sleep(1000)"],
            &[READY, StopAsConfigured],
        )
        .args(&["--stop-timeout=3"]),
        Case::sh("no-grace", &["sh", "-c", "echo ready; sleep 1000; true"], &[READY, Runs("sleep"), Stop(0)]),
        Case::new("asked-from-inside", &["python3", "-c", PYTHON_ASKED_BY_CHILD], &[Ends]),
        Case::new("asked-by-host", &["python3", "-c", PYTHON_EXITS], &[READY, FromHost("TERM"), Ends]),
    ]
}

/// Its own child asks it to end, and it waits for the child.
const PYTHON_ASKED_BY_CHILD: &str = "
import signal, subprocess, sys, time
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
child = subprocess.Popen(['sh', '-c', 'kill -TERM 1'])
child.wait()
while not asked: time.sleep(0.01)
sys.exit(0)";

/// Ends that nobody asked for in the usual way.
fn without_a_stop() -> Vec<Case> {
    vec![
        Case::sh("exits-0", &["sh", "-c", "sleep 0.2; exit 0"], &[Ends]),
        Case::sh("exits-3", &["sh", "-c", "sleep 0.2; exit 3"], &[Ends]),
        Case::sh("exits-143", &["sh", "-c", "sleep 0.2; exit 143"], &[Ends]),
        Case::sh("lives-50-ms", &["sh", "-c", "exec sleep 0.05"], &[Ends]),
        Case::new("segfault", &["python3", "-c", "import ctypes; ctypes.string_at(0)"], &[Ends]),
        // abort() raises SIGABRT, which an init drops twice; then it runs into its own trap instruction.
        Case::new("abort", &["python3", "-c", "import os; os.abort()"], &[Ends]),
        Case::sh(
            "docker-kill",
            &["sh", "-c", "echo ready; sleep 1000; true"],
            &[READY, Runs("sleep"), Kill("KILL"), Ends],
        ),
        Case::sh(
            "killed-by-host",
            &["sh", "-c", "echo ready; sleep 1000; true"],
            &[READY, Runs("sleep"), FromHost("KILL"), Ends],
        ),
        Case {
            // Only the hierarchy of v1 has the memory controller here.
            only: Some(Cgroups::Host),
            ..Case::new(
                "oom",
                &["python3", "-c", "import time\nhoard = []\nwhile True: hoard.append(bytearray(1 << 20))"],
                &[Ends],
            )
            .args(&["--memory=20m"])
        },
    ]
}

/// Who below PID 1 got the signal.
fn trees() -> Vec<Case> {
    vec![
        Case::new(
            "swallows",
            &[
                "python3",
                "-c",
                "import signal, subprocess\nsignal.signal(signal.SIGTERM, lambda *_: None)\nchild = subprocess.Popen(['sleep', '1000'])\nprint('ready', flush=True)\nchild.wait()",
            ],
            &[READY, Runs("sleep"), Stop(3)],
        ),
        Case::new("forwards-and-leaves", &["python3", "-c", PYTHON_LEAVES], &[READY, Stop(10)]),
        Case::new(
            "exec-left-behind",
            &["python3", "-c", PYTHON_EXITS],
            &[READY, ExecDetached(&["sleep", "1000"]), Runs("sleep"), Stop(10)],
        ),
    ]
}

/// Passes the signal on and exits without waiting for the child, which takes its time.
const PYTHON_LEAVES: &str = "
import os, signal, time
r, w = os.pipe()
child = os.fork()
if child == 0:
    def term(*_):
        os.write(w, b't')
        time.sleep(1000)
    signal.signal(signal.SIGTERM, term)
    os.write(w, b'r')
    while True: time.sleep(1000)
os.read(r, 1)
def term(*_):
    os.kill(child, signal.SIGTERM)
    os.read(r, 1)
    os._exit(0)
signal.signal(signal.SIGTERM, term)
print('ready', flush=True)
while True: time.sleep(1000)";

/// What is wrong without being the end.
fn conditions() -> Vec<Case> {
    vec![
        Case::sh(
            "kill-9-from-inside",
            &["sh", "-c", "echo ready; sleep 1000; true"],
            &[READY, Runs("sleep"), Exec(&["sh", "-c", "kill -9 1"]), Told("dropped-signal"), Stop(3)],
        ),
        Case::sh(
            "stop-from-inside",
            &["sh", "-c", "echo ready; sleep 1000; true"],
            &[READY, Runs("sleep"), Exec(&["sh", "-c", "kill -STOP 1"]), Told("dropped-signal"), Kill("KILL"), Ends],
        ),
        // SIGWINCH is ignored by default, SIGHUP is not.
        Case::sh(
            "hangup",
            &["sh", "-c", "echo ready; sleep 1000; true"],
            &[READY, Runs("sleep"), Kill("WINCH"), Kill("HUP"), Told("dropped-signal"), Kill("KILL"), Ends],
        ),
        Case::new(
            "zombies",
            &[
                "python3",
                "-c",
                "import os, time\nfor _ in range(4):\n    if os.fork() == 0: os._exit(0)\nprint('ready', flush=True)\ntime.sleep(1000)",
            ],
            &[READY, Told("zombies"), Kill("KILL"), Ends],
        ),
        Case::new(
            "respawn-loop",
            &[
                "python3",
                "-c",
                "import os, time\nprint('ready', flush=True)\nwhile True:\n    if os.fork() == 0:\n        time.sleep(0.05)\n        os._exit(3)\n    os.wait()\n    time.sleep(0.05)",
            ],
            &[READY, Told("respawn-loop"), Kill("KILL"), Ends],
        ),
        Case::new(
            "orphan-exit",
            &[
                "python3",
                "-c",
                "import os, time\nfor _ in range(3):\n    if os.fork() == 0: os._exit(1 if os.getppid() == 1 else 0)\nfor _ in range(3): os.wait()\nprint('ready', flush=True)\ntime.sleep(1000)",
            ],
            &[READY, Told("orphan-exit"), Kill("KILL"), Ends],
        ),
    ]
}

/// More than one life.
fn lives() -> Vec<Case> {
    vec![Case::new("restart", &["python3", "-c", PYTHON_EXITS], &[READY, Restart(10), Handles(15), Stop(10)])]
}
