//! `cargo xtask lint`: what a change must pass before anybody reads it.

use crate::{setup, sh, ui};
use anyhow::Result;
use std::process::Command;

/// Runs every check, each as a stage of its own, and stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    setup::ensure(&[setup::Group::Build])?;
    let mut format = sh::cargo(None);
    format.args(["fmt", "--all", "--check"]);
    check("formatting", &mut format)?;

    let mut host = sh::cargo(None);
    host.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    check("clippy, host", &mut host)?;

    let nightly = setup::nightly();
    let mut kernel = sh::cargo(Some(&nightly));
    kernel.args(["clippy", "--package", "tracer-ebpf", "--bins", "--target", "bpfel-unknown-none"]);
    kernel.args(["-Z", "build-std=core", "--", "-D", "warnings"]);
    check("clippy, kernel programs", &mut kernel)?;

    let mut docs = sh::cargo(None);
    docs.args(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings");
    check("rustdoc", &mut docs)
}

fn check(name: &str, command: &mut Command) -> Result<()> {
    let stage = ui::Stage::start(name);
    sh::run(command)?;
    stage.end("clean");
    Ok(())
}
