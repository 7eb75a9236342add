//! The picture at the top of the README: the shutdown page over a recording.

use std::path::PathBuf;

use anyhow::Result;

use crate::{paths, sh, ui};

/// The recording that the README's picture shows.
const RECORDING: &str = "tracer-user/tests/scenarios/kubelet-prestop.rec";
const PICTURE: &str = "docs/shutdown.svg";

/// Options of `cargo xtask picture`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Recording, made with `tracer --record` [default: the one of the README]
    recording: Option<PathBuf>,
    /// Where the picture goes [default: docs/shutdown.svg]
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// So long after the first sign of the first stop, ms [default: when all is over]
    #[arg(long)]
    after: Option<u64>,
    /// As on a terminal with a white ground: to see whether all of it can be read there
    #[arg(long, requires = "output")]
    light: bool,
}

/// Builds what draws it (without the kernel programs, which it does not need) and runs it.
pub(crate) fn run(args: &Args) -> Result<()> {
    let recording = args.recording.clone().unwrap_or_else(|| paths::workspace().join(RECORDING));
    let output = args.output.clone().unwrap_or_else(|| paths::workspace().join(PICTURE));
    let stage = ui::Stage::start("draw the shutdown page");
    let mut command = sh::cargo(None);
    command.args(["run", "--quiet", "--package", "tracer-user", "--example", "picture", "--"]);
    command.arg(&recording).arg("--output").arg(&output).env("AYA_BUILD_SKIP", "1");
    if let Some(after) = args.after {
        command.args(["--after", &after.to_string()]);
    }
    if args.light {
        command.arg("--light");
    }
    sh::run(&mut command)?;
    stage.end("drawn");
    ui::result(output.display().to_string());
    Ok(())
}
