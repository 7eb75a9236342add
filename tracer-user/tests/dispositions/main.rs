//! Every disposition that a signal can meet, produced for real on this kernel, and what tracer says of each. Virtual
//! machines do the same on other kernels: `cargo xtask test --vm`.

use std::process::Command;

#[path = "program/judge.rs"]
mod judge;
#[path = "../lab/mod.rs"]
mod lab;

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn every_disposition_is_told_as_it_is() {
    if !lab::can_run("every_disposition_is_told_as_it_is", &[]) {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let mut command = Command::new(env!("CARGO_BIN_EXE_dispositions"));
    command.arg(lab::tracer::BINARY).arg(dir.path().join("all.rec")).arg(dir.path().join("all.json"));
    let output = lab::output(&mut command);
    let said = String::from_utf8_lossy(&output.stdout);
    let all = said
        .lines()
        .last()
        .and_then(|line| line.split_once(" of "))
        .is_some_and(|(right, of)| of.split_whitespace().next() == Some(right));
    assert!(output.status.success() && all, "{said}{}", String::from_utf8_lossy(&output.stderr));
}
