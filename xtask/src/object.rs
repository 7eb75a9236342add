//! `cargo xtask dist --verify`: the kernel programs are the same bytes wherever they are built.

use crate::{paths, setup, sh, ui};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

const TRIPLE: &str = "bpfel-unknown-none";

/// Builds the kernel programs here and in a copy elsewhere, and compares.
pub(crate) fn verify() -> Result<()> {
    setup::ensure(&[setup::Group::Build])?;
    let stage = ui::Stage::start("kernel programs, built twice");
    let dir = paths::target_dir("xtask/verify")?;
    let copy = dir.join("a copy with another path");
    clone(&copy)?;
    let here = object(paths::workspace(), &dir.join("here"))?;
    let there = object(&copy, &dir.join("there, and longer"))?;
    if let Some(at) = here.iter().zip(&there).position(|(one, other)| one != other) {
        bail!("two builds of the kernel programs differ from byte {at} on: is a path of the machine in them?");
    }
    if here.len() != there.len() {
        bail!("two builds of the kernel programs have {} and {} bytes", here.len(), there.len());
    }
    stage.end("the same bytes");
    Ok(())
}

/// Copies what git knows, as it is in the work tree.
fn clone(to: &Path) -> Result<()> {
    let listed = sh::read(sh::cmd("git").args(["ls-files", "-z"]))?;
    if to.exists() {
        fs::remove_dir_all(to).with_context(|| format!("cannot remove {}", to.display()))?;
    }
    for file in listed.split('\0').filter(|file| !file.is_empty()) {
        let (from, to) = (paths::workspace().join(file), to.join(file));
        // removed, and not yet for git
        if !from.exists() {
            continue;
        }
        let parent = to.parent().context("a file is in a directory")?;
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        fs::copy(&from, &to).with_context(|| format!("cannot copy {file}"))?;
    }
    Ok(())
}

/// What aya-build tells the compiler, and tracer-user/build.rs tells cargo; a test there looks for paths in what they make.
const FLAGS: [&str; 3] = ["--cfg=bpf_target_arch=\"x86_64\"", "-Cdebuginfo=2", "-Clink-arg=--btf"];
const TOLD: [(&str, &str); 2] = [("CARGO_UNSTABLE_TRIM_PATHS", "true"), ("CARGO_PROFILE_RELEASE_TRIM_PATHS", "all")];

fn object(workspace: &Path, target: &Path) -> Result<Vec<u8>> {
    let mut command = sh::cargo(Some(&setup::nightly()));
    command.current_dir(workspace).envs(TOLD).env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"));
    command.args(["build", "--quiet", "--package", "tracer-ebpf", "--bins", "--release", "-Z", "build-std=core"]);
    sh::run(command.args(["--target", TRIPLE, "--target-dir"]).arg(target))?;
    let object = target.join(TRIPLE).join("release/tracer-ebpf");
    fs::read(&object).with_context(|| format!("cannot read {}", object.display()))
}
