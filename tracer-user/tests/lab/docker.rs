//! A Docker daemon of the test's own: its own data, socket, containerd and mount namespace.
//!
//! Nothing is downloaded: the image is an empty directory tree, and the host's programs are mounted into it.

use super::{PATIENCE, host, output, read, send, until};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The image that every container is made of.
pub(crate) const IMAGE: &str = "tracer-lab";

/// Which cgroup hierarchies the daemon sees, and so which ones it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cgroups {
    /// cgroup v2 alone, whatever the host has: mounted in the daemon's mount namespace.
    PureV2,
    /// What the host has: v1, hybrid or v2.
    Host,
}

/// A running daemon. Dropping it ends it and everything it started.
pub(crate) struct Daemon {
    dir: TempDir,
    helper: Child,
    /// As long as this is open the daemon runs; the kernel closes it when the test ends, however it ends. What is
    /// written to it are orders for dockerd.
    lifeline: Option<ChildStdin>,
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
        let dir = tempfile::Builder::new().prefix("tracer-lab-").tempdir().expect("a temporary directory can be made");
        let mode = match cgroups {
            Cgroups::PureV2 => "pure-v2",
            Cgroups::Host => "host",
        };
        let mut helper = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", include_str!("docker.sh"), "docker.sh"])
            .arg(dir.path())
            .arg(mode)
            .env("PATH", search_path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("unshare starts");
        let lifeline = helper.stdin.take();
        let mut daemon = Self { dir, helper, lifeline, cgroups };
        daemon.wait_until_it_answers();
        daemon.import_image();
        daemon
    }

    fn wait_until_it_answers(&mut self) {
        let started = Instant::now();
        while !output(&mut self.client(&["info"])).status.success() {
            let ended = self.helper.try_wait().expect("the helper can be waited for");
            let waited = started.elapsed();
            let hopeful = ended.is_none() && waited < PATIENCE;
            assert!(hopeful, "no Docker daemon after {waited:?} (helper: {ended:?}):\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn import_image(&self) {
        let root = self.dir.path().join("image");
        // The mount points of what the host lends, and what a container needs for itself.
        let own = ["/dev", "/proc", "/sys", "/tmp", "/run", "/var"].map(PathBuf::from);
        for dir in host::mounts(&[]).into_iter().chain(own) {
            let inside = root.join(dir.strip_prefix("/").unwrap_or(&dir));
            std::fs::create_dir_all(inside).expect("the image's directories can be made");
        }
        let archive = self.dir.path().join("image.tar");
        read(Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(&root).arg("."));
        read(self.client(&["import"]).arg(&archive).arg(IMAGE));
    }

    /// Ends dockerd alone: its containers go on without it.
    #[track_caller]
    pub(crate) fn stop_dockerd(&self) {
        let process = format!("/proc/{}", self.dockerd());
        self.order("stop");
        until("dockerd to end", PATIENCE, || (!Path::new(&process).exists()).then_some(()));
    }

    /// Starts dockerd again after [`Self::stop_dockerd`], and waits until it answers.
    #[track_caller]
    pub(crate) fn start_dockerd(&mut self) {
        self.order("start");
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
        let pid = std::fs::read_to_string(self.dir.path().join("docker.pid")).expect("dockerd runs");
        pid.trim().parse().expect("dockerd writes a number")
    }

    #[track_caller]
    fn order(&self, order: &str) {
        let mut lifeline = self.lifeline.as_ref().expect("it is open until the drop");
        writeln!(lifeline, "{order}").expect("the helper takes orders");
    }

    /// The daemon's API socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("docker.sock")
    }

    /// A `docker` command for this daemon.
    pub(crate) fn client(&self, args: &[&str]) -> Command {
        // Debian's client first: another one on this machine may be too new for Debian's daemon.
        let mut command = Command::new(host::program("docker").unwrap_or_else(|| "docker".into()));
        command.arg("--host").arg(format!("unix://{}", self.socket().display())).args(args);
        command.env_remove("DOCKER_HOST").env_remove("DOCKER_CONTEXT").stdin(Stdio::null());
        command
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

    /// A command that runs in the daemon's mount namespace: there it sees the cgroups that the daemon sees.
    /// (Outside, an ordinary `Command` sees the host's.)
    pub(crate) fn enter(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--mount").arg("--target").arg(self.helper.id().to_string()).arg("--").arg(program.as_ref());
        command
    }

    /// The ends of both daemons' logs, for a failure's message.
    pub(crate) fn logs(&self) -> String {
        let end = |name: &str| {
            let text = std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            format!("--- {name}\n{}\n", lines[lines.len().saturating_sub(20)..].join("\n"))
        };
        end("containerd.log") + &end("dockerd.log")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let started = Instant::now();
        while let Ok(None) = self.helper.try_wait() {
            if started.elapsed() > PATIENCE {
                eprintln!("the Docker daemon did not end in {PATIENCE:?}:\n{}", self.logs());
                // A panic in a drop during a panic aborts the run: leave it at the message.
                drop(self.helper.kill());
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The search path for root's daemons, even if the one who tests has a shorter one.
fn search_path() -> String {
    format!("/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin:{}", std::env::var("PATH").unwrap_or_default())
}
