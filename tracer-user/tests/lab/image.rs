//! Images, made here: nothing is downloaded. They hold empty directories, for the host's programs to be mounted on.

use super::{host, read};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The image of pod sandboxes.
pub(crate) const PAUSE: &str = "registry.local/pause:1";

/// Containers' images are made with these stop signals.
const STOP_SIGNALS: [Option<&str>; 5] = [None, Some("SIGUSR1"), Some("SIGQUIT"), Some("SIGWINCH"), Some("SIGINT")];

/// All images that [`archive`] makes.
pub(crate) fn names() -> impl Iterator<Item = String> {
    STOP_SIGNALS.into_iter().map(name).chain([PAUSE.to_owned()])
}

/// The image of containers: with a stop signal of its own, or without.
pub(crate) fn name(stop_signal: Option<&str>) -> String {
    let name = stop_signal.map_or("plain".to_owned(), |signal| format!("stops-by-{}", signal.to_ascii_lowercase()));
    format!("registry.local/{name}:1")
}

/// What Kubernetes' own pause does: it reaps, and exits when it is asked to.
/// <https://github.com/kubernetes/kubernetes/blob/v1.31.0/build/pause/linux/pause.c>
const PAUSE_C: &str = "
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void down(int signal) { (void)signal; _exit(0); }
static void reap(int signal) { (void)signal; while (waitpid(-1, NULL, WNOHANG) > 0) {} }
int main(void) {
    signal(SIGINT, down);
    signal(SIGTERM, down);
    signal(SIGCHLD, reap);
    for (;;) pause();
}
";

/// Makes the archive of a directory tree, for `docker import`: mount points of what the host lends, and what a
/// container needs for itself.
#[track_caller]
pub(crate) fn tree(dir: &Path) -> PathBuf {
    let root = dir.join("image");
    let own = ["/dev", "/proc", "/sys", "/tmp", "/run", "/var", "/app"].map(PathBuf::from);
    for dir in host::mounts(&[]).into_iter().chain(own) {
        let inside = root.join(dir.strip_prefix("/").unwrap_or(&dir));
        std::fs::create_dir_all(inside).expect("the image's directories can be made");
    }
    let archive = dir.join("image.tar");
    pack(&root, &archive);
    archive
}

/// Makes an archive as `docker save` does, for `ctr images import`: the image of sandboxes, and one of containers for
/// each stop signal.
#[track_caller]
pub(crate) fn archive(dir: &Path) -> PathBuf {
    let images = dir.join("images");
    std::fs::create_dir(&images).expect("a directory can be made");
    let mut manifest = Vec::new();
    let mut add = |name: &str, layer: &Path, config: Value| {
        let file = format!("config-{}.json", manifest.len());
        write(&images.join(&file), &config_file(layer, &config));
        let layer = layer.file_name().and_then(|name| name.to_str()).expect("a name in plain text");
        manifest.push(json!({"Config": file, "RepoTags": [name], "Layers": [layer]}));
    };
    let tree = tree(&images);
    for stop_signal in STOP_SIGNALS {
        let config = stop_signal.map_or_else(|| json!({}), |signal| json!({"StopSignal": signal}));
        add(&name(stop_signal), &tree, config);
    }
    add(PAUSE, &pause(&images), json!({"Entrypoint": ["/pause"]}));
    write(&images.join("manifest.json"), &Value::from(manifest));
    let archive = dir.join("images.tar");
    pack(&images, &archive);
    archive
}

/// The layer of the sandboxes' image: one program without libraries.
fn pause(images: &Path) -> PathBuf {
    let root = images.join("pause");
    std::fs::create_dir(&root).expect("a directory can be made");
    let source = images.join("pause.c");
    std::fs::write(&source, PAUSE_C).expect("the source can be written");
    read(Command::new("cc").args(["-static", "-Os", "-o"]).arg(root.join("pause")).arg(&source));
    let layer = images.join("pause.tar");
    pack(&root, &layer);
    layer
}

/// <https://github.com/opencontainers/image-spec/blob/v1.1.0/config.md>
fn config_file(layer: &Path, config: &Value) -> Value {
    let sum = read(Command::new("sha256sum").arg(layer));
    let sum = sum.split(' ').next().unwrap_or_default();
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    json!({
        "architecture": architecture,
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{sum}")]},
    })
}

fn write(file: &Path, value: &Value) {
    std::fs::write(file, value.to_string()).expect("the image's files can be written");
}

fn pack(root: &Path, archive: &Path) {
    read(Command::new("tar").arg("-cf").arg(archive).arg("-C").arg(root).arg("."));
}
