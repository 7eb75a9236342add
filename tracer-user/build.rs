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
    if env::var(SKIP).is_ok_and(|value| value == "1" || value.eq_ignore_ascii_case("true")) {
        let out = env::var_os("OUT_DIR").context("cargo sets OUT_DIR for build scripts")?;
        let stub = Path::new(&out).join(NAME);
        fs::write(&stub, []).with_context(|| format!("cannot write {}", stub.display()))?;
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
    )
}
