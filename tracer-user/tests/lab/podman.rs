//! Podman of the test's own: its own storage, API socket and mount namespace. There is no daemon, but a service for
//! its API.

use super::daemon::{Cgroups, Helper, Kind};
use super::{host, image, read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a test that uses it needs.
pub(crate) const PROGRAMS: [&str; 4] = ["podman", "conmon", "runc", "nsenter"];

/// The image that every container is made of, as Podman calls it.
pub(crate) const IMAGE: &str = "localhost/tracer-lab:latest";

static PODMAN: Kind = Kind { name: "Podman", script: include_str!("podman.sh"), logs: &["podman.log"] };

/// Podman, ready for use. Dropping it removes its containers.
pub(crate) struct Podman {
    helper: Helper,
}

impl Podman {
    /// Starts the service and waits until it answers.
    #[track_caller]
    pub(crate) fn start(cgroups: Cgroups) -> Self {
        let mut helper = Helper::start(&PODMAN, cgroups);
        let url = format!("unix://{}", helper.dir().join("podman.sock").display());
        helper.wait_until_it_answers(|| {
            let mut command = Command::new("podman");
            command.args(["--url", &url, "version"]).stdin(Stdio::null());
            command
        });
        let podman = Self { helper };
        let archive = image::tree(podman.helper.dir());
        read(podman.client(&["import"]).arg(archive).arg(IMAGE));
        podman
    }

    /// Its API socket: Docker's API, and its own.
    pub(crate) fn socket(&self) -> PathBuf {
        self.helper.dir().join("podman.sock")
    }

    /// A `podman` command, as one types it: without the service.
    pub(crate) fn client(&self, args: &[&str]) -> Command {
        let dir = |name: &str| self.helper.dir().join(name);
        let mut command = self.enter("podman");
        command.arg("--root").arg(dir("storage")).arg("--runroot").arg(dir("run")).arg("--tmpdir").arg(dir("libpod"));
        command.args(["--storage-driver", "vfs", "--network-config-dir"]).arg(dir("net"));
        command.args(args).env("CONTAINERS_CONF", dir("containers.conf")).stdin(Stdio::null());
        command
    }

    /// `podman run` with these options: returns the container's id.
    #[track_caller]
    pub(crate) fn run(&self, options: &[&str], command: &[&str]) -> String {
        let mut run = self.client(&["run", "--detach"]);
        for dir in host::mounts(&[]) {
            run.arg("--volume").arg(format!("{0}:{0}:ro", dir.display()));
        }
        read(run.args(options).arg(IMAGE).args(command))
    }

    /// See [`Helper::enter`].
    pub(crate) fn enter(&self, program: impl AsRef<Path>) -> Command {
        self.helper.enter(program)
    }
}
