//! `cargo xtask zoo`: only the zoo of `tracer-user/tests/zoo`, with a table of what came of it.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cargo::{self, Artifact};
use crate::setup::{self, Group};
use crate::{paths, sh, ui};

/// The cases, a file each.
const CASES: &str = "tracer-user/tests/zoo/cases";

/// Options of `cargo xtask zoo`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only the cases whose names begin so [default: all]
    #[arg(value_name = "CASE")]
    cases: Vec<String>,
    /// Write their recordings in tests/scenarios anew
    #[arg(long)]
    record: bool,
    /// Only list them: name, what it expects, what it is about
    #[arg(long, conflicts_with_all = ["record", "docs"])]
    list: bool,
    /// Only write docs/zoo.md anew, from the cases and their recordings: needs no root
    #[arg(long, conflicts_with_all = ["record", "cases"])]
    docs: bool,
}

/// Runs them as root, lists them, or writes their page.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.docs {
        return docs();
    }
    let cases = chosen(&args.cases)?;
    if args.list {
        for (name, about) in &cases {
            ui::result(format!("{name:<32} {about}"));
        }
        return Ok(());
    }
    setup::ensure(&[Group::Build, Group::Containers])?;
    let stage = ui::Stage::start("build tracer and the zoo");
    let binary = build()?;
    stage.end("built");
    let stage = ui::Stage::start(format!("{} cases", cases.len()));
    let mut command = sh::root_cmd("env")?;
    command.arg(format!("CARGO_MANIFEST_DIR={}", binary.dir.display()));
    command.arg(format!("TRACER_CASES={}", args.cases.join(",")));
    if args.record {
        command.arg("TRACER_RECORD_SCENARIOS=1");
    }
    command.arg(&binary.executable).args(["--ignored", "--nocapture", "--test-threads=1"]);
    let ran = sh::run(command.current_dir(&binary.dir));
    stage.end(if ran.is_ok() { "all are right" } else { "see above" });
    ran
}

/// Names and sentences of the cases whose names begin with one of these words. A word that no name begins with is a
/// mistake.
fn chosen(words: &[String]) -> Result<BTreeMap<String, String>> {
    let all = list()?;
    if let Some(word) = words.iter().find(|word| !all.keys().any(|name| name.starts_with(*word))) {
        bail!("no case's name begins with {word}: `cargo xtask zoo --list` shows all of them");
    }
    let wanted = |name: &String| words.is_empty() || words.iter().any(|word| name.starts_with(word));
    Ok(all.into_iter().filter(|(name, _)| wanted(name)).collect())
}

fn list() -> Result<BTreeMap<String, String>> {
    let dir = paths::workspace().join(CASES);
    let files = std::fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let mut cases = BTreeMap::new();
    for file in files {
        let path = file.with_context(|| format!("cannot list {}", dir.display()))?.path();
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let case: toml::Table = toml::from_str(&text).with_context(|| format!("{} is no case", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        cases.insert(name, format!("{:<28} {}", expected(&case), case["about"].as_str().unwrap_or_default()));
    }
    Ok(cases)
}

/// The verdicts that it expects.
fn expected(case: &toml::Table) -> String {
    let endings = case.get("expect").and_then(|expect| expect.get("terminations")).and_then(toml::Value::as_array);
    let verdict = |ending: &toml::Value| ending.get("verdict").and_then(|verdict| verdict.as_str()).map(str::to_owned);
    endings.into_iter().flatten().filter_map(verdict).collect::<Vec<_>>().join(", ")
}

/// The zoo's test binary.
fn build() -> Result<Artifact> {
    let mut command = sh::cargo(None);
    command.args(["test", "--package", "tracer-user", "--test", "zoo", "--no-run"]);
    let binaries = cargo::executables(&mut command)?;
    binaries.into_iter().find(|binary| binary.test).context("cargo built no test binary: `zoo` is missing")
}

/// Writes docs/zoo.md: needs no root.
fn docs() -> Result<()> {
    let binary = build()?;
    let mut command = Command::new(&binary.executable);
    command.args(["--exact", "rules::the_page_is_current"]).env("TRACER_UPDATE_DOCS", "1").current_dir(&binary.dir);
    sh::read(&mut command)?;
    ui::result(paths::workspace().join("docs/zoo.md").display().to_string());
    Ok(())
}
