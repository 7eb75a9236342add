//! A containerd of the test's own, with its CRI plugin: what kubelet talks to. [`super::kubelet`] does the talking.

use super::daemon::{Cgroups, Helper, Kind};
use super::{PATIENCE, host, image, read, send, until};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a test that starts one needs.
pub(crate) const PROGRAMS: [&str; 5] = ["containerd", "ctr", "runc", "nsenter", "cc"];

static CONTAINERD: Kind = Kind { name: "containerd", script: include_str!("cri.sh"), logs: &["containerd.log"] };

/// A running containerd. Dropping it ends it and everything it started.
pub(crate) struct Containerd {
    helper: Helper,
    /// The hierarchies it was started with.
    pub(crate) cgroups: Cgroups,
}

impl Containerd {
    /// Starts one and waits until it answers and has the images.
    #[track_caller]
    pub(crate) fn start(cgroups: Cgroups) -> Self {
        let mut containerd = Self { helper: Helper::start(&CONTAINERD, cgroups), cgroups };
        containerd.wait_until_it_answers();
        let archive = image::archive(containerd.helper.dir());
        containerd.import(&archive);
        containerd
    }

    /// Takes in the images of an archive as `docker save` writes it.
    #[track_caller]
    pub(crate) fn import(&self, archive: &Path) {
        read(ctr(&self.socket(), &["images", "import", "--snapshotter", "native"]).arg(archive));
    }

    #[track_caller]
    fn wait_until_it_answers(&mut self) {
        let socket = self.socket();
        self.helper.wait_until_it_answers(|| ctr(&socket, &["version"]));
    }

    /// Ends containerd alone: its containers go on without it.
    #[track_caller]
    pub(crate) fn stop_containerd(&self) {
        let process = format!("/proc/{}", self.pid());
        self.helper.order("stop");
        until("containerd to end", PATIENCE, || (!Path::new(&process).exists()).then_some(()));
    }

    /// Starts it again after [`Self::stop_containerd`], and waits until it answers.
    #[track_caller]
    pub(crate) fn start_containerd(&mut self) {
        self.helper.order("start");
        self.wait_until_it_answers();
    }

    /// The programs of this directory are what [`Self::start_containerd`] starts from now on.
    #[track_caller]
    pub(crate) fn upgrade(&self, programs: &Path) {
        self.helper.order(&format!("upgrade {}", programs.display()));
    }

    /// The version that answers.
    #[track_caller]
    pub(crate) fn version(&self) -> String {
        let said = read(&mut ctr(&self.socket(), &["version"]));
        let server = said.split_once("Server:").map(|(_, server)| server.trim_start());
        server.and_then(|server| server.lines().next()).expect("ctr tells the server's version").to_owned()
    }

    /// Makes it hang: the kernel takes connections for it, and it answers nothing.
    #[track_caller]
    pub(crate) fn hang(&self) {
        send("STOP", self.pid());
    }

    /// Lets it go on after [`Self::hang`].
    #[track_caller]
    pub(crate) fn wake(&self) {
        send("CONT", self.pid());
    }

    #[track_caller]
    fn pid(&self) -> u32 {
        self.helper.pid("containerd.pid")
    }

    /// Its socket, for CRI and for its own API.
    pub(crate) fn socket(&self) -> PathBuf {
        self.helper.dir().join("containerd.sock")
    }

    /// A directory for what the test writes.
    pub(crate) fn dir(&self) -> &Path {
        self.helper.dir()
    }

    /// A pod has this cgroup: whatever becomes of the pod, it is removed in the end.
    #[track_caller]
    pub(crate) fn pod_has(&self, cgroup: &str) {
        self.helper.order(&format!("cgroup {cgroup}"));
    }

    /// A pod has it no longer.
    #[track_caller]
    pub(crate) fn remove_cgroup(&self, cgroup: &str) {
        self.helper.order(&format!("no-cgroup {cgroup}"));
    }

    /// See [`Helper::enter`].
    pub(crate) fn enter(&self, program: impl AsRef<Path>) -> Command {
        self.helper.enter(program)
    }

    /// The end of its log, for a failure's message.
    pub(crate) fn logs(&self) -> String {
        self.helper.logs()
    }
}

fn ctr(socket: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(host::program("ctr").unwrap_or_else(|| "ctr".into()));
    command.arg("--address").arg(socket).args(["--namespace", "k8s.io"]).args(args).stdin(Stdio::null());
    command
}
