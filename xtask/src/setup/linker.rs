//! bpf-linker, and whether it fits the nightly compiler.
//!
//! bpf-linker reads the LLVM bitcode that nightly rustc writes. Its LLVM must be as new as rustc's, or it stops with
//! "invalid record"; so the two are pinned together, and the pair is tried out before anything is built with it.

use super::{apt, nightly};
use crate::{paths, sh, ui};
use anyhow::{Context, Result, bail};
use std::fs;

/// The pinned version; its feature names the LLVM it is built with.
const VERSION: &str = "0.13.0";
/// The LLVM that goes with it, and that nightly must have.
const LLVM: &str = "22";
/// A nightly that is known to fit, for when a newer one does not.
const KNOWN_GOOD_NIGHTLY: &str = "nightly-2026-05-20";

/// Installs bpf-linker unless the right one is there, and checks that it can read what nightly writes.
pub(super) fn ensure() -> Result<bool> {
    let rustc = sh::read(sh::cmd("rustc").arg(format!("+{}", nightly())).arg("-vV"))?;
    let llvm = llvm_major(&rustc).context("`rustc -vV` of nightly shows no LLVM version")?;
    if llvm != LLVM {
        bail!(
            "{} has LLVM {llvm}, bpf-linker {VERSION} has LLVM {LLVM}, and the two must match: \
             `rustup toolchain install {KNOWN_GOOD_NIGHTLY} --component rust-src,clippy` \
             and set TRACER_NIGHTLY={KNOWN_GOOD_NIGHTLY}",
            nightly()
        );
    }
    let installed = sh::read(sh::cmd("bpf-linker").arg("--version")).ok();
    if installed.as_deref().is_some_and(is_pinned) {
        try_out()?;
        return Ok(false);
    }
    let stage = ui::Stage::start(format!("install bpf-linker {VERSION} (it links the kernel programs)"));
    ui::note(match installed {
        Some(found) => format!("found {}, which is not the pinned version", found.trim()),
        None => "found none that runs".to_owned(),
    });
    build()?;
    try_out()?;
    stage.end("installed");
    Ok(true)
}

fn build() -> Result<()> {
    let prefix = format!("/usr/lib/llvm-{LLVM}");
    let config = format!("{prefix}/bin/llvm-config");
    if !std::path::Path::new(&config).exists() || paths::which("c++").is_none() {
        apt::refresh()?;
        let package = format!("llvm-{LLVM}-dev");
        if !apt::offers(&package)? {
            bail!(
                "apt knows no {package}, which bpf-linker {VERSION} is built with: on Debian 12 it is in the security \
                 suite (bookworm-security); elsewhere `cargo binstall bpf-linker@{VERSION}` brings a finished binary"
            );
        }
        ui::note(format!("{package} g++: bpf-linker is linked with LLVM {LLVM}"));
        // zlib, zstd, xml2, edit and ffi are what LLVM itself is linked with, and its config asks the linker for them.
        apt::install(&[&package, "g++", "zlib1g-dev", "libzstd-dev", "libxml2-dev", "libedit-dev", "libffi-dev"])?;
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let mut install = sh::cargo(None);
    install.args(["install", "bpf-linker", "--version", VERSION, "--locked", "--force"]);
    install.args(["--no-default-features", "--features", &format!("llvm-{LLVM}")]);
    install.env("LLVM_PREFIX", &prefix).env("PATH", format!("{prefix}/bin:{path}"));
    // Its objects are worth nothing afterwards, and a shared target directory would keep them.
    install.env_remove("CARGO_TARGET_DIR");
    sh::run(&mut install)
}

/// Compiles an empty crate to bitcode with nightly and links it: a real answer in 0.2 s.
fn try_out() -> Result<()> {
    let dir = paths::target_dir("xtask/linker")?;
    let (source, bitcode, object) = (dir.join("empty.rs"), dir.join("empty.bc"), dir.join("empty.o"));
    fs::write(&source, "#![feature(no_core)]\n#![no_core]\n")
        .with_context(|| format!("cannot write {}", source.display()))?;
    let mut rustc = sh::cmd("rustc");
    rustc.arg(format!("+{}", nightly())).args(["--crate-type", "lib", "--target", "bpfel-unknown-none"]);
    sh::read(rustc.arg("--emit=llvm-bc").arg("-o").arg(&bitcode).arg(&source))?;
    sh::read(sh::cmd("bpf-linker").arg("-o").arg(&object).arg(&bitcode)).with_context(|| {
        format!("bpf-linker cannot read what {} writes: `cargo uninstall bpf-linker`, then set up again", nightly())
    })?;
    Ok(())
}

fn is_pinned(version: &str) -> bool {
    version.split_whitespace().nth(1) == Some(VERSION)
}

fn llvm_major(rustc: &str) -> Option<&str> {
    rustc.lines().find_map(|line| line.strip_prefix("LLVM version: "))?.split('.').next()
}

#[cfg(test)]
mod tests {
    use super::{is_pinned, llvm_major};

    #[test]
    fn versions_are_read() {
        assert_eq!(llvm_major("host: x86_64\nrelease: 1.97.0-nightly\nLLVM version: 22.1.4\n"), Some("22"));
        assert_eq!(llvm_major("host: x86_64\n"), None);
        assert!(is_pinned("bpf-linker 0.13.0\n"));
        assert!(!is_pinned("bpf-linker 0.9.15"));
        assert!(!is_pinned(""));
    }
}
