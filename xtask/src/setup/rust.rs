//! The toolchains' components and targets.

use super::nightly;
use crate::{sh, ui};
use anyhow::{Context, Result};
use std::path::Path;

/// Static binaries are built for these.
const MUSL: [&str; 2] = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"];

/// Adds what stable and nightly lack. Says whether anything was.
pub(super) fn ensure() -> Result<bool> {
    let mut did = false;
    let stable = sysroot(None).context("cannot ask rustc where it lives: rustup brings it, see https://rustup.rs")?;
    for triple in MUSL {
        if !Path::new(&stable).join("lib/rustlib").join(triple).exists() {
            ui::note(format!("target {triple}: static binaries"));
            sh::run(sh::cmd("rustup").args(["target", "add", triple]))?;
            did = true;
        }
    }
    for (file, component, why) in
        [("bin/cargo-clippy", "clippy", "lint"), ("bin/rustfmt", "rustfmt", "formatting, as CI checks it")]
    {
        did |= component_for(&stable, file, component, None, why)?;
    }
    Ok(ensure_nightly()? | did)
}

/// The same for nightly alone.
pub(super) fn ensure_nightly() -> Result<bool> {
    let name = nightly();
    let Ok(root) = sysroot(Some(&name)) else {
        ui::note(format!("toolchain {name}: compiles the kernel programs, and what the fuzzer and Miri run"));
        let components = ["--component", "rust-src", "--component", "clippy"];
        sh::run(sh::cmd("rustup").args(["toolchain", "install", &name, "--profile", "minimal"]).args(components))?;
        return Ok(true);
    };
    let core = "lib/rustlib/src/rust/library/core/src/lib.rs";
    let source = component_for(&root, core, "rust-src", Some(&name), "core is compiled for the BPF target")?;
    let clippy = component_for(&root, "bin/cargo-clippy", "clippy", Some(&name), "lint of the kernel programs")?;
    Ok(source | clippy)
}

fn component_for(root: &str, file: &str, component: &str, toolchain: Option<&str>, why: &str) -> Result<bool> {
    if Path::new(root).join(file).exists() {
        return Ok(false);
    }
    ui::note(format!("component {component} on {}: {why}", toolchain.unwrap_or("stable")));
    let mut command = sh::cmd("rustup");
    command.args(["component", "add", component]);
    if let Some(name) = toolchain {
        command.args(["--toolchain", name]);
    }
    sh::run(&mut command)?;
    Ok(true)
}

fn sysroot(toolchain: Option<&str>) -> Result<String> {
    let mut command = sh::cmd("rustc");
    if let Some(name) = toolchain {
        command.arg(format!("+{name}"));
    }
    Ok(sh::read(command.args(["--print", "sysroot"]))?.trim().to_owned())
}
