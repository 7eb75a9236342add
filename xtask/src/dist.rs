//! `cargo xtask dist`: what a release consists of.

use crate::{build, deb, elf, object, paths, sbom, setup, sh, ui};
use anyhow::{Context, Result, bail};
use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};

/// The static binaries of a release.
const TRIPLES: [&str; 2] = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"];

/// The completion files, under the names that the shells look for.
const COMPLETIONS: [(&str, &str); 3] = [("bash", "tracer.bash"), ("zsh", "_tracer"), ("fish", "tracer.fish")];

/// The options of `dist`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only build the kernel programs twice, in different places, and compare the bytes
    #[arg(long)]
    verify: bool,
}

/// Builds, checks and collects all of it in target/dist.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.verify {
        return object::verify();
    }
    setup::ensure(&[setup::Group::Build])?;
    let dist = paths::target_dir("dist")?;
    let mut files = Vec::new();
    for triple in TRIPLES {
        let stage = ui::Stage::start(format!("tracer for {triple}"));
        let built = build::tracer(build::Profile::Release, Some(triple))?;
        elf::assert_static(&built)?;
        let file = format!("tracer-{triple}");
        copy(&built, &dist.join(&file))?;
        files.push(file);
        stage.end("static");
    }
    let stage = ui::Stage::start("man page, completions");
    let native = TRIPLES.iter().find(|triple| triple.starts_with(ARCH));
    let native = native.with_context(|| format!("a release is made on x86-64 or arm64, not on {ARCH}"))?;
    let tracer = dist.join(format!("tracer-{native}"));
    files.push(write(&dist, "tracer.1", &tracer, &["man"])?);
    for (shell, file) in COMPLETIONS {
        files.push(write(&dist, file, &tracer, &["completions", shell])?);
    }
    stage.end("written");
    let stage = ui::Stage::start("Debian packages, bills of materials, checksums");
    for triple in TRIPLES {
        let bill = format!("tracer-{triple}.cdx.json");
        save(&dist.join(&bill), &sbom::make(triple)?)?;
        files.push(bill);
        files.push(deb::make(&dist.join(format!("tracer-{triple}")), deb::architecture(triple), &dist)?);
    }
    let sums = sh::read(sh::cmd("sha256sum").current_dir(&dist).args(&files))?;
    save(&dist.join("SHA256SUMS"), &sums)?;
    stage.end("written");
    ui::result(dist.display().to_string());
    Ok(())
}

/// Writes what the built binary prints: the man page and the completions can never differ from it.
fn write(dist: &Path, file: &str, tracer: &PathBuf, args: &[&str]) -> Result<String> {
    let text = sh::read(sh::cmd(tracer).args(args))?;
    if text.trim().is_empty() {
        bail!("`tracer {}` printed nothing, so there is no {file} to ship", args.join(" "));
    }
    save(&dist.join(file), &text)?;
    Ok(file.to_owned())
}

fn save(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}
