//! `cargo xtask build`: the `tracer` binary.

use crate::{cargo, setup, sh, ui};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;

const TRACER: &str = "tracer";

/// The options of `build`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Optimised, as it is shipped
    #[arg(long)]
    release: bool,
    /// For this target instead of the host, e.g. x86_64-unknown-linux-musl
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
}

/// Builds it and prints its path, alone, on stdout.
pub(crate) fn run(args: &Args) -> Result<()> {
    setup::ensure(&[setup::Group::Build])?;
    let stage = ui::Stage::start("build tracer");
    let profile = if args.release { Profile::Release } else { Profile::Dev };
    let binary = tracer(profile, args.target.as_deref())?;
    stage.end("built");
    ui::result(binary.display().to_string());
    Ok(())
}

/// A profile of the workspace's manifest.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    /// As tests have it.
    Dev,
    /// For static programs in tests.
    Quick,
    /// As it is shipped.
    Release,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Quick => "quick",
            Self::Release => "release",
        }
    }
}

/// The command that builds the `tracer` binary, for these targets or for the host.
pub(crate) fn command(profile: Profile, targets: &[&str]) -> Command {
    let mut command = sh::cargo(None);
    command.args(["build", "--package", "tracer-user", "--bin", TRACER, "--profile", profile.name()]);
    for triple in targets {
        command.args(["--target", triple]);
        // Rust's own linker and start-up objects are enough for musl: no C cross compiler is needed.
        if *triple == "aarch64-unknown-linux-musl" {
            command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER", "rust-lld");
        }
    }
    command
}

/// Builds the `tracer` binary and says where it is.
pub(crate) fn tracer(profile: Profile, target: Option<&str>) -> Result<PathBuf> {
    let built = cargo::executables(&mut command(profile, target.as_slice()))?;
    let binary = built.into_iter().find(|artifact| artifact.name == TRACER);
    let missing = || format!("cargo built no executable named {TRACER}: has tracer-user lost its [[bin]]?");
    Ok(binary.with_context(missing)?.executable)
}
