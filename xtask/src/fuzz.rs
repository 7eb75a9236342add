//! `cargo xtask fuzz`: every parser of strangers' bytes under libFuzzer.
//!
//! The short form of this runs with each `cargo test`, on stable and without a fuzzer: tracer-user/tests/hostile_bytes.rs.

use crate::{paths, setup, sh, tool, ui};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

/// The pinned version of cargo-fuzz.
const VERSION: &str = "0.13.2";
/// Longest input that is tried, and kept, bytes: longer than what is kept already, which would be cut.
const LONGEST: u32 = 32_768;

/// The options of `fuzz`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these (default: all that `fuzz` has)
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// How long each is fuzzed, s
    #[arg(long, default_value_t = 60, value_name = "N")]
    seconds: u32,
    /// Then put what reaches new code into fuzz/corpus, as little of it as does
    #[arg(long)]
    keep: bool,
}

/// Fuzzes each. What fails in one keeps the others from nothing.
pub(crate) fn run(args: &Args) -> Result<()> {
    setup::ensure(&[setup::Group::Fuzz])?;
    tool::ensure("fuzz", VERSION, "it builds and runs the fuzzer")?;
    let known = targets()?;
    let chosen = if args.targets.is_empty() { &known } else { &args.targets };
    if let Some(unknown) = chosen.iter().find(|name| !known.contains(name)) {
        bail!("there is no target {unknown}: there are {}", known.join(", "));
    }
    let mut failed = Vec::new();
    for name in chosen {
        if let Err(error) = one(name, args) {
            ui::note(format!("{error:#}"));
            failed.push(name.as_str());
        }
    }
    if !failed.is_empty() {
        bail!(
            "{}: see above; what fails is in fuzz/artifacts, and belongs into fuzz/corpus once it is mended",
            failed.join(", ")
        );
    }
    Ok(())
}

fn one(name: &str, args: &Args) -> Result<()> {
    let stage = ui::Stage::start(format!("fuzz {name}, {} s", args.seconds));
    let found = paths::target_dir(&format!("fuzz/{name}"))?;
    let kept = paths::workspace().join("fuzz/corpus").join(name);
    // the first directory takes what is new
    sh::run(fuzz(name).arg(&found).arg(&kept).arg("--").args([
        format!("-max_total_time={}", args.seconds),
        format!("-max_len={LONGEST}"),
        "-timeout=10".to_owned(),
        // not a line for each new input: numbers at the end, and all of what fails
        "-verbosity=0".to_owned(),
        "-print_final_stats=1".to_owned(),
    ]))?;
    if args.keep {
        // what runs a branch more often than another input is not new
        let merge = ["-set_cover_merge=1".to_owned(), "-use_counters=0".to_owned(), format!("-max_len={LONGEST}")];
        sh::run(fuzz(name).arg(&kept).arg(&found).arg("--").args(merge))?;
    }
    stage.end("nothing found");
    Ok(())
}

/// `cargo fuzz run`, without the kernel programs: no target needs them.
fn fuzz(name: &str) -> std::process::Command {
    let mut command = sh::cargo(Some(&setup::nightly()));
    command.args(["fuzz", "run", "--fuzz-dir", "fuzz", name]).env("AYA_BUILD_SKIP", "1");
    command
}

fn targets() -> Result<Vec<String>> {
    let directory = paths::workspace().join("fuzz/fuzz_targets");
    let stem = |path: &Path| Some(path.file_stem()?.to_str()?.to_owned());
    let files = fs::read_dir(&directory).with_context(|| format!("cannot list {}", directory.display()))?;
    let mut names: Vec<_> = files.filter_map(|file| stem(&file.ok()?.path())).collect();
    names.sort();
    Ok(names)
}
