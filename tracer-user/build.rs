//! Builds the kernel programs and leaves the object in `OUT_DIR` for `probe/load.rs` to embed.

use std::path::Path;
use std::{env, fs};

use anyhow::{Context as _, Result};
use aya_build::{Package, Toolchain};

/// Set to 1 or true, a stub takes the object's place, so that everything but tracing builds with stable Rust alone.
const SKIP: &str = "AYA_BUILD_SKIP";
const NAME: &str = "tracer-ebpf";

fn main() -> Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../tracer-common/src");
    println!("cargo:rerun-if-env-changed={SKIP}");
    if env::var(SKIP).is_ok_and(|value| value == "1" || value.eq_ignore_ascii_case("true")) {
        let out = env::var_os("OUT_DIR").context("cargo sets OUT_DIR for build scripts")?;
        let stub = Path::new(&out).join(NAME);
        fs::write(&stub, []).with_context(|| format!("cannot write {}", stub.display()))?;
        return Ok(());
    }
    let root = env::var("CARGO_MANIFEST_DIR").context("cargo sets CARGO_MANIFEST_DIR for build scripts")?;
    let root = Path::new(&root).with_file_name(NAME);
    let root_dir = root.to_str().context("the path of the repository is not UTF-8")?;
    aya_build::build_ebpf([Package { name: NAME, root_dir, ..Package::default() }], Toolchain::Nightly).context(
        "the kernel programs need the nightly toolchain with rust-src, and bpf-linker (`cargo xtask setup` installs \
         them); AYA_BUILD_SKIP=1 builds without the programs, for tests that do not trace",
    )
}
