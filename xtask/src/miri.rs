//! `cargo xtask miri`: the wire format and its decoder under Miri, which knows what is undefined in Rust.

use crate::{setup, sh, ui};
use anyhow::{Context, Result, bail};

/// Tests that Miri can run: of records as bytes (their padding is what Miri alone can see).
const WIRE_FORMAT: [&str; 1] = ["layout_tests::"];
/// Of tracer-user, pure ones, about bytes.
const DECODER: [&str; 4] =
    ["probe::decode::tests::", "probe::survey::tests::", "probe::btf::tests::refuses", "printable::tests::"];

/// Installs Miri on nightly if it is missing, and runs both.
pub(crate) fn run() -> Result<()> {
    setup::ensure(&[setup::Group::Fuzz])?;
    let nightly = setup::nightly();
    if sh::read(sh::cargo(Some(&nightly)).args(["miri", "--version"])).is_err() {
        let component = ["component", "add", "miri", "rust-src", "--toolchain", &nightly];
        sh::run(sh::cmd("rustup").args(component)).with_context(|| {
            format!("Miri is a component of nightly, and not every nightly has it: TRACER_NIGHTLY names another than {nightly}")
        })?;
    }
    tests("wire format", &nightly, "tracer-common", &WIRE_FORMAT)?;
    tests("decoder", &nightly, "tracer-user", &DECODER)
}

/// Runs the tests of a package's library whose names begin so. That there are none of one name is an error: it has another
/// by now.
fn tests(what: &str, nightly: &str, package: &str, names: &[&str]) -> Result<()> {
    let stage = ui::Stage::start(format!("Miri: {what}"));
    let mut command = sh::cargo(Some(nightly));
    // files may be read: tests read their fixtures
    command.env("MIRIFLAGS", "-Zmiri-disable-isolation").env("AYA_BUILD_SKIP", "1");
    command.args(["miri", "test", "--package", package, "--lib", "--"]).args(names);
    let mut passed = Vec::new();
    let status = sh::lines(&mut command, |line| {
        ui::through(line);
        passed.extend(line.strip_prefix("test ").and_then(|line| line.strip_suffix(" ... ok")).map(str::to_owned));
    })?;
    if !status.success() {
        bail!("Miri is not content with {package}: see its output above");
    }
    if let Some(none) = names.iter().find(|name| !passed.iter().any(|test| test.starts_with(**name))) {
        bail!("no test of {package} is called {none}…: xtask/src/miri.rs has a name that is no more");
    }
    stage.end(&format!("clean, {} tests", passed.len()));
    Ok(())
}
