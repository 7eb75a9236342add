//! A Docker daemon of the test's own: its own data, socket, containerd and mount namespace.
//!
//! Nothing is downloaded: the image is an empty directory tree, and the host's programs are mounted into it.

use super::daemon::{Helper, Kind};
use super::{PATIENCE, host, image, output, read, send, until};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) use super::daemon::Cgroups;

/// The image that every container is made of.
pub(crate) const IMAGE: &str = "tracer-lab";

static DOCKER: Kind =
    Kind { name: "Docker daemon", script: include_str!("docker.sh"), logs: &["containerd.log", "dockerd.log"] };

/// A running daemon. Dropping it ends it and everything it started.
pub(crate) struct Daemon {
    helper: Helper,
    /// The hierarchies it was started with.
    pub(crate) cgroups: Cgroups,
}

/// How a container differs from the plain one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options<'a> {
    /// The signal `docker stop` sends, if not SIGTERM: `--stop-signal`.
    pub(crate) stop_signal: Option<&'a str>,
    /// Seconds that `docker stop` waits, if not 10: `--stop-timeout`.
    pub(crate) stop_timeout: Option<u32>,
    /// Docker's own init as PID 1: `--init`.
    pub(crate) init: bool,
    /// Programs that may live outside of the usual directories, such as `node`.
    pub(crate) programs: &'a [&'a str],
    /// Anything else for `docker run`, in its own words.
    pub(crate) args: &'a [&'a str],
}

impl Daemon {
    /// Starts one and waits until it answers.
    #[track_caller]
    pub(crate) fn start(cgroups: Cgroups) -> Self {
        let mut daemon = Self { helper: Helper::start(&DOCKER, cgroups), cgroups };
        daemon.wait_until_it_answers();
        let archive = image::tree(daemon.helper.dir());
        read(daemon.client(&["import"]).arg(archive).arg(IMAGE));
        daemon
    }

    /// One that has the runtimes `lab`, which can start privileged containers on any machine, and `lab-bpf`, which gives
    /// `CAP_BPF` and `CAP_PERFMON` to whoever has `CAP_SYS_PTRACE`.
    #[track_caller]
    pub(crate) fn start_with_runtimes(cgroups: Cgroups) -> Self {
        let mut docker = Self::start(cgroups);
        let runc = docker.socket().with_file_name("runc");
        fs::write(&runc, include_str!("runc.sh")).expect("the daemon's directory is ours");
        fs::set_permissions(&runc, fs::Permissions::from_mode(0o755)).expect("it is ours");
        let bpf = docker.socket().with_file_name("runc-bpf");
        symlink(&runc, &bpf).expect("the daemon's directory is ours");
        let runtimes = serde_json::json!({"runtimes": {"lab": {"path": runc}, "lab-bpf": {"path": bpf}}});
        fs::write(docker.socket().with_file_name("daemon.json"), runtimes.to_string()).expect("it is ours");
        docker.stop_dockerd();
        docker.start_dockerd();
        docker
    }

    #[track_caller]
    fn wait_until_it_answers(&mut self) {
        let socket = self.socket();
        self.helper.wait_until_it_answers(|| client(&socket, &["info"]));
    }

    /// Ends dockerd alone: its containers go on without it.
    #[track_caller]
    pub(crate) fn stop_dockerd(&self) {
        let process = format!("/proc/{}", self.dockerd());
        self.helper.order("stop");
        until("dockerd to end", PATIENCE, || (!Path::new(&process).exists()).then_some(()));
    }

    /// Starts dockerd again after [`Self::stop_dockerd`], and waits until it answers.
    #[track_caller]
    pub(crate) fn start_dockerd(&mut self) {
        self.helper.order("start");
        self.wait_until_it_answers();
    }

    /// Makes dockerd hang: it takes connections, as the kernel does that for it, and answers nothing.
    #[track_caller]
    pub(crate) fn hang_dockerd(&self) {
        send("STOP", self.dockerd());
    }

    /// Lets dockerd go on after [`Self::hang_dockerd`].
    #[track_caller]
    pub(crate) fn wake_dockerd(&self) {
        send("CONT", self.dockerd());
    }

    /// The pid of dockerd itself.
    #[track_caller]
    fn dockerd(&self) -> u32 {
        self.helper.pid("docker.pid")
    }

    /// The daemon's API socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.helper.dir().join("docker.sock")
    }

    /// A `docker` command for this daemon.
    pub(crate) fn client(&self, args: &[&str]) -> Command {
        client(&self.socket(), args)
    }

    /// Starts a container and returns its id. The host's programs are there; the network is not.
    #[track_caller]
    pub(crate) fn run(&self, name: &str, command: &[&str], options: &Options<'_>) -> String {
        let mut run = self.client(&["run", "--detach", "--network", "none", "--name", name]);
        for dir in host::mounts(options.programs) {
            run.arg("--volume").arg(format!("{0}:{0}:ro", dir.display()));
        }
        if let Some(signal) = options.stop_signal {
            run.args(["--stop-signal", signal]);
        }
        if let Some(seconds) = options.stop_timeout {
            run.arg("--stop-timeout").arg(seconds.to_string());
        }
        if options.init {
            run.arg("--init");
        }
        read(run.args(options.args).arg(IMAGE).args(command))
    }

    /// `docker stop --time SECONDS`; returns how long it took.
    #[track_caller]
    pub(crate) fn stop(&self, name: &str, seconds: u32) -> Duration {
        let started = Instant::now();
        read(&mut self.client(&["stop", "--time", &seconds.to_string(), name]));
        started.elapsed()
    }

    /// `docker kill --signal SIGNAL`.
    #[track_caller]
    pub(crate) fn kill(&self, name: &str, signal: &str) {
        read(&mut self.client(&["kill", "--signal", signal, name]));
    }

    /// `docker exec`: returns what the command printed.
    #[track_caller]
    pub(crate) fn exec(&self, name: &str, command: &[&str]) -> String {
        read(self.client(&["exec", name]).args(command))
    }

    /// `docker rm --force`.
    #[track_caller]
    pub(crate) fn rm(&self, name: &str) {
        read(&mut self.client(&["rm", "--force", name]));
    }

    /// `docker logs`, both streams.
    #[track_caller]
    pub(crate) fn container_logs(&self, name: &str) -> String {
        let output = output(&mut self.client(&["logs", name]));
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    /// One field of `docker inspect`, by its Go template: `{{.State.Pid}}`.
    #[track_caller]
    pub(crate) fn inspect(&self, name: &str, template: &str) -> String {
        read(&mut self.client(&["inspect", "--format", template, name]))
    }

    /// The pid, as the host sees it, of the container's first process.
    #[track_caller]
    pub(crate) fn pid(&self, name: &str) -> u32 {
        let pid = self.inspect(name, "{{.State.Pid}}").parse().expect("Docker says a pid");
        assert_ne!(pid, 0, "container {name} is not running");
        pid
    }

    /// The container's full id.
    #[track_caller]
    pub(crate) fn id(&self, name: &str) -> String {
        self.inspect(name, "{{.Id}}")
    }

    /// Waits for the container to end and returns its exit code.
    #[track_caller]
    pub(crate) fn wait(&self, name: &str) -> i32 {
        until(&format!("container {name} to exit"), PATIENCE, || {
            let state = self.inspect(name, "{{.State.Status}} {{.State.ExitCode}}");
            state.strip_prefix("exited ")?.parse().ok()
        })
    }

    /// See [`Helper::enter`].
    pub(crate) fn enter(&self, program: impl AsRef<Path>) -> Command {
        self.helper.enter(program)
    }
}

fn client(socket: &Path, args: &[&str]) -> Command {
    // Debian's client first: another one on this machine may be too new for Debian's daemon.
    let mut command = Command::new(host::program("docker").unwrap_or_else(|| "docker".into()));
    command.arg("--host").arg(format!("unix://{}", socket.display())).args(args);
    command.env_remove("DOCKER_HOST").env_remove("DOCKER_CONTEXT").stdin(Stdio::null());
    command
}
