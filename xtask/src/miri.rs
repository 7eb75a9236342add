//! `cargo xtask miri`: the wire format and its decoder under Miri, which knows what is undefined in Rust.

use crate::{setup, sh, ui};
use anyhow::{Context, Result};

/// Tests of tracer-user that Miri can run: pure ones, about bytes.
const DECODER: [&str; 3] = ["probe::decode::tests", "probe::survey::tests", "probe::btf::tests::refuses"];

/// Installs Miri on nightly if it is missing, and runs both.
pub(crate) fn run() -> Result<()> {
    let nightly = setup::nightly();
    if sh::read(sh::cargo(Some(&nightly)).args(["miri", "--version"])).is_err() {
        let component = ["component", "add", "miri", "rust-src", "--toolchain", &nightly];
        sh::run(sh::cmd("rustup").args(component)).with_context(|| {
            format!("Miri is a component of nightly, and not every nightly has it: TRACER_NIGHTLY names another than {nightly}")
        })?;
    }
    let stage = ui::Stage::start("Miri: wire format");
    sh::run(miri(&nightly).args(["--package", "tracer-common"]))?;
    stage.end("clean");
    let stage = ui::Stage::start("Miri: decoder");
    sh::run(miri(&nightly).args(["--package", "tracer-user", "--lib", "--"]).args(DECODER))?;
    stage.end("clean");
    Ok(())
}

/// No kernel programs, and files may be read: tests read their fixtures.
fn miri(nightly: &str) -> std::process::Command {
    let mut command = sh::cargo(Some(nightly));
    command.args(["miri", "test"]).env("AYA_BUILD_SKIP", "1").env("MIRIFLAGS", "-Zmiri-disable-isolation");
    command
}
