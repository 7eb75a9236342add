//! Builds the kernel programs and leaves the object in `OUT_DIR` for `probe/load.rs` to embed.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result};
use aya_build::{Package, Toolchain};

/// Set to 1 or true, a stub takes the object's place, so that everything but tracing builds with stable Rust alone.
const SKIP: &str = "AYA_BUILD_SKIP";
const NAME: &str = "tracer-ebpf";
/// Another toolchain than `nightly` for the kernel programs, such as one of a fixed date.
const NIGHTLY: &str = "TRACER_NIGHTLY";
/// What the cargo that builds the kernel programs is told, by way of this program's own environment: aya-build sets its
/// options itself.
const TOLD: [(&str, &str); 3] = [
    // aya-build turns every "Compiling …" into a warning of ours
    ("CARGO_TERM_QUIET", "true"),
    // no path of this machine in the object: the same bytes wherever it is built
    ("CARGO_UNSTABLE_TRIM_PATHS", "true"),
    ("CARGO_PROFILE_RELEASE_TRIM_PATHS", "all"),
];
/// Set once that was done.
const AGAIN: &str = "TRACER_BUILD_AGAIN";

fn main() -> Result<()> {
    if env::var_os(AGAIN).is_some() {
        return build();
    }
    let own = env::current_exe().context("a build script has a path")?;
    let told = Command::new(own).envs(TOLD).env(AGAIN, "1").status();
    let status = told.context("cannot run the build script again")?;
    anyhow::ensure!(status.success(), "the kernel programs could not be built");
    Ok(())
}

fn build() -> Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../tracer-common/src");
    println!("cargo:rerun-if-env-changed={SKIP}");
    println!("cargo:rerun-if-env-changed={NIGHTLY}");
    let out = env::var_os("OUT_DIR").context("cargo sets OUT_DIR for build scripts")?;
    let object = Path::new(&out).join(NAME);
    if env::var(SKIP).is_ok_and(|value| value == "1" || value.eq_ignore_ascii_case("true")) {
        fs::write(&object, []).with_context(|| format!("cannot write {}", object.display()))?;
        return Ok(());
    }
    let root = env::var("CARGO_MANIFEST_DIR").context("cargo sets CARGO_MANIFEST_DIR for build scripts")?;
    let root = Path::new(&root).with_file_name(NAME);
    let root_dir = root.to_str().context("the path of the repository is not UTF-8")?;
    let nightly = env::var(NIGHTLY).ok();
    let toolchain = nightly.as_deref().map_or(Toolchain::Nightly, Toolchain::Custom);
    aya_build::build_ebpf([Package { name: NAME, root_dir, ..Package::default() }], toolchain).context(
        "the kernel programs need the nightly toolchain with rust-src, and bpf-linker (`cargo xtask setup` installs \
         them); AYA_BUILD_SKIP=1 builds without the programs, for tests that do not trace",
    )?;
    strip(&object).with_context(|| format!("cannot strip {}", object.display()))
}

/// Leaves out what is for debuggers: most of the object. BTF, which is made of it, stays.
fn strip(object: &Path) -> Result<()> {
    let bytes = fs::read(object)?;
    let mut elf = object::build::elf::Builder::read(bytes.as_slice())?;
    for section in &mut elf.sections {
        let name = section.name.as_slice();
        section.delete = name.starts_with(b".debug_") || name.starts_with(b".rel.debug_");
    }
    // the compiler keeps the sections' names among the symbols', the crate wants them apart
    let names = elf.sections.add();
    names.name = b".shstrtab".as_slice().into();
    names.sh_type = object::elf::SHT_STRTAB;
    names.sh_addralign = 1;
    names.data = object::build::elf::SectionData::SectionString;
    let mut stripped = Vec::new();
    elf.write(&mut stripped)?;
    fs::write(object, stripped)?;
    Ok(())
}
