//! The static programs that tests run: on this machine's kernel, in virtual machines and in an image. There is one build
//! of each; whoever needs it first makes it.

use crate::cargo::{self, Artifact};
use crate::setup::kernels::Arch;
use crate::{build, elf, ui};
use anyhow::{Context, Error, Result, anyhow};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What is built for each architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Programs {
    /// The finished binary.
    pub(crate) tracer: PathBuf,
    /// The program that meets every signal in every way.
    pub(crate) dispositions: PathBuf,
}

/// What came of the builds.
#[derive(Debug)]
pub(crate) struct Built(BTreeMap<Arch, Result<Programs>>);

impl Built {
    /// The programs of an architecture, or why there are none.
    pub(crate) fn of(&self, arch: Arch) -> Result<&Programs> {
        let programs = self.0.get(&arch).with_context(|| format!("nothing was built for {}", arch.triple()))?;
        programs.as_ref().map_err(|error| anyhow!("{error:#}"))
    }
}

/// Builds them for all of these with one cargo: much of a build keeps one processor busy, and two builds keep two.
/// When those of one architecture cannot be built there are still those of the others.
pub(crate) fn build(archs: &BTreeSet<Arch>) -> Result<Built> {
    let triples: Vec<&str> = archs.iter().map(|arch| arch.triple()).collect();
    let stage = ui::Stage::start(format!("tracer for {}", triples.join(" and ")));
    let mut command = build::command(build::Profile::Quick, &triples);
    // without the feature tracer-user has no such program, and `cargo install` installs none
    command.args(["--bin", "dispositions", "--features", "tracer-common/dispositions", "--keep-going"]);
    let (artifacts, status) = cargo::as_far_as_it_goes(&mut command)?;
    let built = Built(archs.iter().map(|&arch| (arch, programs(arch, &artifacts))).collect());
    let whole = status.success() && built.0.values().all(Result::is_ok);
    stage.end(if whole { "static" } else { "not all could be built" });
    Ok(built)
}

/// Those of one architecture among all that was built.
fn programs(arch: Arch, artifacts: &[Artifact]) -> Result<Programs> {
    let program = |name: &str| {
        let path = executable(arch, artifacts, name)?;
        elf::assert_static(path)?;
        Ok::<_, Error>(path.to_owned())
    };
    Ok(Programs { tracer: program("tracer")?, dispositions: program("dispositions")? })
}

/// Cargo does not say what an artifact was built for; the directory does.
fn executable<'a>(arch: Arch, artifacts: &'a [Artifact], name: &str) -> Result<&'a Path> {
    let ours =
        |artifact: &&Artifact| artifact.name == name && artifact.executable.iter().any(|part| part == arch.triple());
    let found = artifacts.iter().find(ours);
    Ok(&found.with_context(|| format!("cargo built no {name} for {}: see its output above", arch.triple()))?.executable)
}

#[cfg(test)]
mod tests {
    use super::{Built, executable};
    use crate::cargo::Artifact;
    use crate::setup::kernels::Arch;
    use anyhow::anyhow;
    use std::path::{Path, PathBuf};

    fn artifact(name: &str, executable: &str) -> Artifact {
        Artifact { name: name.to_owned(), dir: PathBuf::new(), executable: executable.into(), test: false }
    }

    #[test]
    fn each_architecture_gets_its_own_programs() {
        let x86 = "/t/x86_64-unknown-linux-musl/quick/tracer";
        let arm = "/t/aarch64-unknown-linux-musl/quick/tracer";
        let built = [artifact("tracer", x86), artifact("dispositions", "/d"), artifact("tracer", arm)];
        assert_eq!(executable(Arch::X86, &built, "tracer").unwrap(), Path::new(x86));
        assert_eq!(executable(Arch::Arm, &built, "tracer").unwrap(), Path::new(arm));
        let missing = executable(Arch::Arm, &built, "dispositions").unwrap_err().to_string();
        assert!(missing.contains("no dispositions for aarch64"), "{missing}");
    }

    #[test]
    fn what_could_not_be_built_says_why() {
        let built = Built([(Arch::Arm, Err(anyhow!("no linker").context("not built")))].into());
        assert_eq!(built.of(Arch::Arm).unwrap_err().to_string(), "not built: no linker");
        assert!(built.of(Arch::X86).is_err());
    }
}
