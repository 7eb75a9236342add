//! `cargo xtask build`: the `tracer` binary.

use crate::{cargo, setup, sh, ui};
use anyhow::{Context, Result};
use std::path::PathBuf;

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
    /// For virtual machines.
    Quick,
    /// As it is shipped.
    Release,
}

/// Builds the `tracer` binary and says where it is.
pub(crate) fn tracer(profile: Profile, target: Option<&str>) -> Result<PathBuf> {
    executable(profile, target, "tracer")
}

/// Without it tracer-user has no program for tests, which `cargo install` would install otherwise.
const TESTED: &str = "tracer-common/dispositions";

/// Builds one of tracer-user's executables and says where it is.
pub(crate) fn executable(profile: Profile, target: Option<&str>, name: &str) -> Result<PathBuf> {
    let name_of_profile = match profile {
        Profile::Dev => "dev",
        Profile::Quick => "quick",
        Profile::Release => "release",
    };
    let mut command = sh::cargo(None);
    command.args(["build", "--package", "tracer-user", "--bin", name, "--profile", name_of_profile]);
    // For both programs, or else they would share no library.
    if matches!(profile, Profile::Quick) {
        command.args(["--features", TESTED]);
    }
    if let Some(triple) = target {
        command.args(["--target", triple]);
        // Rust's own linker and start-up objects are enough for musl: no C cross compiler is needed.
        if triple == "aarch64-unknown-linux-musl" {
            command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER", "rust-lld");
        }
    }
    let built = cargo::executables(&mut command)?;
    let binary = built.into_iter().find(|artifact| artifact.name == name);
    let missing = || format!("cargo built no executable named {name}: has tracer-user lost its [[bin]]?");
    Ok(binary.with_context(missing)?.executable)
}
