//! The image, made by `docker build` of the Dockerfile.

use std::fs;
use std::path::{Path, PathBuf};

use super::lab::docker::Daemon;
use super::lab::tracer::BINARY;
use super::lab::{output, read};

/// What it is called here.
pub(crate) const NAME: &str = "registry.local/tracer:1";

const DOCKERFILE: &str = include_str!("../../../deploy/docker/Dockerfile");

/// The static binary if there is a fresh one, as in `cargo xtask test`, or else what cargo built for the test: that one
/// needs the libraries of this machine.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("TRACER_STATIC").map_or_else(|| BINARY.into(), PathBuf::from)
}

/// Directories of this machine that the binary needs in its container: none for a static one.
pub(crate) fn libraries() -> Vec<PathBuf> {
    if binary() != Path::new(BINARY) {
        return Vec::new();
    }
    // never /usr, where the image has its program
    ["/lib", "/lib64"].map(PathBuf::from).into_iter().filter(|dir| dir.is_dir()).collect()
}

/// Where `docker build` finds what `cargo xtask dist` makes. There is one architecture here: the file for the other is
/// there, and empty.
fn context(dir: &Path) -> PathBuf {
    let context = dir.join("dist");
    fs::create_dir_all(&context).expect("a directory can be made");
    for arch in ["x86_64", "aarch64"] {
        let file = context.join(format!("tracer-{arch}-unknown-linux-musl"));
        if arch == std::env::consts::ARCH {
            fs::copy(binary(), file).expect("the binary can be copied");
        } else {
            fs::write(file, "").expect("a file can be written");
        }
    }
    context
}

/// Builds it, with the classic builder or `BuildKit`.
#[track_caller]
pub(crate) fn build(docker: &Daemon, buildkit: bool) {
    let dir = docker.socket().parent().expect("it is in a directory").to_owned();
    let dockerfile = dir.join("Dockerfile");
    fs::write(&dockerfile, DOCKERFILE).expect("the daemon's directory is ours");
    let mut build = docker.client(&["build", "--quiet", "--tag", NAME, "--file"]);
    build.arg(&dockerfile).env("DOCKER_BUILDKIT", if buildkit { "1" } else { "0" });
    if !buildkit {
        build.args(["--build-arg", &format!("ARCH={}", architecture())]);
    }
    read(build.arg(context(&dir)));
}

/// As Docker calls it.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    }
}

/// Writes it as an archive, for containerd.
#[track_caller]
pub(crate) fn save(docker: &Daemon, archive: &Path) {
    let saved = output(docker.client(&["save", "--output"]).arg(archive).arg(NAME));
    assert!(saved.status.success(), "{}", String::from_utf8_lossy(&saved.stderr));
}
