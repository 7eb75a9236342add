//! A Docker daemon of its own for a test: private directories, sockets and mount namespace, no network.
//!
//! Nothing of it is shared with the host's daemon, and everything it starts ends with it, also when a test fails. It
//! needs root and the packages docker.io, containerd and runc.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How the cgroups look where a test runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// As on this host.
    Host,
    /// One v2 hierarchy at /sys/fs/cgroup and nothing else, whatever the host has. The hierarchy is the host's own, with
    /// the controllers that v1 leaves to it: possibly none.
    PureV2,
}

/// Set in a process that runs in a mount namespace made by [`inside`].
const INSIDE: &str = "TRACER_TEST_INSIDE";
/// For setpriv: who is started so ends with the test, however that ends.
const TIED: [&str; 1] = ["--pdeathsig=TERM"];
/// What a daemon may take to come up or to go down.
const PATIENCE: Duration = Duration::from_mins(1);
/// The name of the image that [`Daemon::start`] makes.
pub(crate) const IMAGE: &str = "tracer/test:1";

/// Runs `body` in a mount namespace of its own with the cgroups laid out as `layout` says. `name` is the test's full
/// name: a namespace is entered by a whole process, so the test runs itself again, inside.
///
/// # Panics
/// When the test fails inside.
pub(crate) fn inside(name: &str, layout: Layout, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let cgroups = match layout {
        Layout::Host => ":",
        // wherever somebody mounted some
        Layout::PureV2 => {
            "for at in $(awk '/ - cgroup2? / { print $5 }' /proc/self/mountinfo); do umount \"$at\"; done; \
             { umount -R /sys/fs/cgroup || :; } && mount -t cgroup2 none /sys/fs/cgroup"
        }
    };
    // the shims' sockets, the daemon's key and its configuration have fixed places
    let places = "mount -t tmpfs tmpfs /run && { [ ! -d /etc/docker ] || mount -t tmpfs tmpfs /etc/docker; }";
    let script = format!("mount --make-rprivate / && {places} && {cgroups} && exec \"$@\"");
    let test = std::env::current_exe().expect("the path of this test");
    let status = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script, "sh"])
        .arg(test)
        .args(["--exact", name, "--include-ignored", "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .expect("unshare (util-linux) runs");
    assert!(status.success(), "{name} failed in its mount namespace ({layout:?}): {status}; see above");
}

/// A dockerd and its containerd.
pub(crate) struct Daemon {
    directory: tempfile::TempDir,
    containerd: Child,
    dockerd: Option<Child>,
}

impl Daemon {
    /// Starts both and imports [`IMAGE`], whose containers have all of the host's programs when run by [`Self::run`].
    ///
    /// # Panics
    /// When something is missing, or they do not come up.
    pub(crate) fn start() -> Self {
        for tool in ["setpriv", "dockerd", "containerd", "runc"] {
            let there = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output();
            assert!(
                there.is_ok_and(|there| there.status.success()),
                "{tool} is not installed: apt-get install docker.io containerd runc"
            );
        }
        // short: a socket's path has 108 bytes
        let directory = tempfile::Builder::new().prefix("tracer-").tempdir_in("/tmp").expect("a directory");
        let at = directory.path();
        let config = format!(
            "version = 2\nroot = \"{0}/c-root\"\nstate = \"{0}/c-state\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = \"{0}/c.sock\"\n[ttrpc]\naddress = \"{0}/ct.sock\"\n",
            at.display()
        );
        fs::write(at.join("containerd.toml"), config).expect("a file");
        let containerd = Command::new("setpriv")
            .args(TIED)
            .args(["containerd", "--config"])
            .arg(at.join("containerd.toml"))
            .stdout(Stdio::null())
            .stderr(log(at, "containerd.log"))
            .spawn()
            .expect("containerd starts");
        let mut daemon = Self { directory, containerd, dockerd: None };
        daemon.start_dockerd();
        daemon.import();
        daemon
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("d.sock")
    }

    /// Starts dockerd again after [`Self::stop_dockerd`].
    pub(crate) fn start_dockerd(&mut self) {
        let at = self.directory.path();
        let path = |name: &str| at.join(name).into_os_string();
        let child = Command::new("setpriv")
            .args(TIED)
            .args([
                "dockerd",
                "--bridge=none",
                "--iptables=false",
                "--ip-forward=false",
                "--ip-masq=false",
                "--storage-driver=vfs",
                "--exec-opt=native.cgroupdriver=cgroupfs",
                "--shutdown-timeout=2",
            ])
            .args([
                "--data-root".into(),
                path("root"),
                "--exec-root".into(),
                path("exec"),
                "--pidfile".into(),
                path("d.pid"),
                "--containerd".into(),
                path("c.sock"),
            ])
            .arg("--host")
            .arg(format!("unix://{}", self.socket().display()))
            .env("DOCKER_CONFIG", at)
            .stdout(Stdio::null())
            .stderr(log(at, "dockerd.log"))
            .spawn()
            .expect("dockerd starts");
        self.dockerd = Some(child);
        let deadline = Instant::now() + PATIENCE;
        while !self.try_docker(&["version"]).status.success() {
            let ended = !self.dockerd.as_mut().is_some_and(runs);
            assert!(!ended && Instant::now() < deadline, "dockerd does not come up:\n{}", self.logs());
            sleep(Duration::from_millis(100));
        }
    }

    /// Ends dockerd, and with it its containers.
    pub(crate) fn stop_dockerd(&mut self) {
        if let Some(mut child) = self.dockerd.take() {
            end(&mut child);
        }
    }

    /// Sends a signal to dockerd: STOP makes it hang, CONT wakes it.
    pub(crate) fn signal(&self, name: &str) {
        send(self.dockerd.as_ref().expect("dockerd runs").id(), name);
    }

    /// What the client says, without the newline at the end.
    ///
    /// # Panics
    /// When it fails.
    pub(crate) fn docker(&self, arguments: &[&str]) -> String {
        let output = self.try_docker(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {arguments:?} failed: {error}\n{}", self.logs());
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Runs a container in the background: `options` of `docker run`, then the command. Tells its full id.
    pub(crate) fn run(&self, options: &[&str], command: &[&str]) -> String {
        let fixed = ["run", "--detach", "--network=none", "--volume=/usr:/usr:ro", "--volume=/etc:/etc:ro"];
        self.docker(&[&fixed, options, &[IMAGE], command].concat())
    }

    /// Host pid of a container's first process.
    pub(crate) fn pid(&self, container: &str) -> u32 {
        self.docker(&["inspect", "--format={{.State.Pid}}", container]).parse().expect("a number")
    }

    fn client(&self) -> Command {
        // Debian's client fits Debian's daemon; another one first in PATH may be too new for it
        let debians = Path::new("/usr/bin/docker");
        let mut client = Command::new(if debians.exists() { debians } else { Path::new("docker") });
        client.env("DOCKER_HOST", format!("unix://{}", self.socket().display()));
        client.env("DOCKER_API_VERSION", "1.41").env("DOCKER_CONFIG", self.directory.path());
        client
    }

    fn try_docker(&self, arguments: &[&str]) -> Output {
        self.client().args(arguments).stdin(Stdio::null()).output().expect("the docker client runs")
    }

    /// An image of empty directories and Debian's links into /usr: the rest is mounted. /sbin is Docker's own, for `--init`.
    fn import(&self) {
        let root = self.directory.path().join("image");
        for name in ["usr", "etc", "proc", "sys", "dev", "tmp", "run", "sbin"] {
            fs::create_dir_all(root.join(name)).expect("a directory");
        }
        for name in ["bin", "lib", "lib64"] {
            std::os::unix::fs::symlink(format!("usr/{name}"), root.join(name)).expect("a link");
        }
        let tar = Command::new("tar").arg("c").arg("-C").arg(&root).arg(".").output().expect("tar runs");
        let mut import = self.client();
        let import = import.args(["import", "-", IMAGE]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut import = import.spawn().expect("the docker client runs");
        import.stdin.take().expect("a pipe").write_all(&tar.stdout).expect("it reads all");
        assert!(import.wait().expect("it ends").success(), "the image was not imported:\n{}", self.logs());
    }

    fn logs(&self) -> String {
        let tail = |name: &str| {
            let text = fs::read_to_string(self.directory.path().join(name)).unwrap_or_default();
            let lines: Vec<_> = text.lines().rev().take(12).collect();
            format!("-- {name}\n{}\n", lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
        };
        tail("dockerd.log") + &tail("containerd.log")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.dockerd.as_mut().is_some_and(runs) {
            self.signal("CONT");
            let all = self.try_docker(&["ps", "--all", "--quiet"]);
            let all = String::from_utf8_lossy(&all.stdout).into_owned();
            let containers: Vec<_> = all.split_whitespace().collect();
            if !containers.is_empty() {
                self.try_docker(&[&["rm", "--force"], containers.as_slice()].concat());
            }
        }
        self.stop_dockerd();
        end(&mut self.containerd);
        // what is left mounted would keep the directory from being removed
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let points = mounts
            .lines()
            .filter_map(|line| line.split(' ').nth(4))
            .filter(|point| Path::new(point).starts_with(self.directory.path()));
        for point in points.collect::<Vec<_>>().into_iter().rev() {
            drop(Command::new("umount").args(["--lazy", point]).status());
        }
    }
}

fn log(at: &Path, name: &str) -> Stdio {
    fs::File::options().create(true).append(true).open(at.join(name)).expect("a file").into()
}

fn send(pid: u32, signal: &str) {
    let sent = Command::new("kill").args(["-s", signal, &pid.to_string()]).status();
    assert!(sent.is_ok(), "kill (procps or util-linux) runs");
}

/// Whether it has not ended yet; its pid is its own as long as nobody has seen its end.
fn runs(child: &mut Child) -> bool {
    child.try_wait().is_ok_and(|status| status.is_none())
}

/// SIGTERM, and SIGKILL if that does not do.
fn end(child: &mut Child) {
    if !runs(child) {
        return;
    }
    send(child.id(), "CONT"); // a stopped process would keep SIGTERM waiting
    send(child.id(), "TERM");
    let deadline = Instant::now() + PATIENCE;
    while runs(child) {
        if Instant::now() > deadline {
            child.kill().unwrap_or_default();
        }
        sleep(Duration::from_millis(50));
    }
}
