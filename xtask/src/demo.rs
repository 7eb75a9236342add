//! `cargo xtask demo`: from a fresh clone to the demo in one command.

use crate::{build, setup, sh, ui};
use anyhow::Result;
use std::process::Stdio;

/// The options of `demo`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Passed on to `tracer demo`: scenarios and options
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    args: Vec<String>,
}

/// Builds tracer and runs its demo as root, on this terminal.
pub(crate) fn run(args: &Args) -> Result<()> {
    setup::ensure(&[setup::Group::Build])?;
    let stage = ui::Stage::start("build tracer");
    let tracer = build::tracer(build::Profile::Dev, None)?;
    stage.end("built");
    sh::run(sh::root_cmd(tracer)?.arg("demo").args(&args.args).stdin(Stdio::inherit()))
}
