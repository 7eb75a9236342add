//! Cargo's own extensions: installed when they are asked for, at the version that was tried.

use crate::{sh, ui};
use anyhow::Result;

/// Installs `cargo-NAME` from crates.io unless that version is there.
pub(crate) fn ensure(name: &str, version: &str, why: &str) -> Result<()> {
    let program = format!("cargo-{name}");
    let installed = sh::read(sh::cmd(&program).args([name, "--version"])).unwrap_or_default();
    if installed.split_whitespace().any(|word| word == version) {
        return Ok(());
    }
    let stage = ui::Stage::start(format!("install {program} {version} ({why})"));
    let mut install = sh::cargo(None);
    install.args(["install", &program, "--version", version, "--locked", "--force"]).env_remove("CARGO_TARGET_DIR");
    sh::run(&mut install)?;
    stage.end("installed");
    Ok(())
}
