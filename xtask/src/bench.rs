//! `cargo xtask bench`: what tracer costs, against other tools and against an empty program. `tracer-bench` measures.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::cargo;
use crate::setup::{self, Group};
use crate::{build, paths, sh, ui};

/// Options of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Few and short rounds, without peers: shows that it works, and is no measurement
    #[arg(long)]
    quick: bool,
    /// Only these measures: signals, forks, programs, storm, wakeups, idle, startup, memory, replay, frames; may repeat
    #[arg(long, value_name = "MEASURE")]
    only: Vec<String>,
    /// Write the results there, too [default: target/bench.json]
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// In a private mount namespace that has cgroup v2 alone, on a machine that has v1 as well
    #[arg(long)]
    pure_v2: bool,
    /// Measure without the peers that are not installed, instead of installing them
    #[arg(long)]
    no_setup: bool,
}

/// Builds what is needed, as it is shipped, and measures as root. The table goes to standard output.
pub(crate) fn run(args: &Args) -> Result<()> {
    let bench = [Group::Build, Group::Bench];
    setup::ensure(if args.quick || args.no_setup { &bench[..1] } else { &bench })?;
    let stage = ui::Stage::start("build tracer and the benchmarks");
    // what is shipped is static: another C library, and so another allocator
    let shipped = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let tracer = build::tracer(build::Profile::Release, Some(&shipped))?;
    let own = executable(&["build", "--release", "--package", "tracer-bench"], "tracer-bench")?;
    let wants_frames = if args.only.is_empty() { !args.quick } else { args.only.iter().any(|only| only == "frames") };
    let library = ["test", "--release", "--package", "tracer-user", "--lib", "--no-run"];
    let frames = if wants_frames { Some(executable(&library, "tracer_user")?) } else { None };
    stage.end("built");
    let json = match &args.json {
        Some(path) => std::path::absolute(path).context("there is no current directory")?,
        None => paths::target().join("bench.json"),
    };
    let mut command = sh::root_cmd(own)?;
    command.arg("run").arg("--tracer").arg(tracer).arg("--json").arg(&json);
    command.args(args.only.iter().flat_map(|only| ["--only", only]));
    command.args(args.quick.then_some("--quick")).args(args.pure_v2.then_some("--pure-v2"));
    if let Some(frames) = frames {
        command.arg("--frames").arg(frames);
    }
    sh::run(&mut command)?;
    ui::note(format!("as JSON: {}", json.display()));
    Ok(())
}

fn executable(words: &[&str], name: &str) -> Result<PathBuf> {
    let built = cargo::executables(sh::cargo(None).args(words))?;
    let found = built.into_iter().find(|artifact| artifact.name == name);
    Ok(found.with_context(|| format!("cargo built no executable named {name}"))?.executable)
}
