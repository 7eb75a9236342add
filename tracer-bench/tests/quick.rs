//! The benchmark works: not what it measures, but that it measures, and that what it writes can be read.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// `tracer` of the same build: `cargo test --workspace` makes it.
fn tracer() -> PathBuf {
    let tracer = Path::new(env!("CARGO_BIN_EXE_tracer-bench")).with_file_name("tracer");
    assert!(tracer.is_file(), "{} is not there: cargo build -p tracer-user", tracer.display());
    tracer
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_quick_run_writes_a_table_and_json() {
    let dir = std::env::temp_dir().join(format!("tracer-bench-test-{}", std::process::id()));
    std::fs::create_dir(&dir).expect("a directory");
    let json = dir.join("bench.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracer-bench"));
    command.args(["run", "--quick", "--only", "signals", "--only", "programs", "--tracer"]).arg(tracer());
    let output = command.arg("--json").arg(&json).output().expect("it runs");
    let (table, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}");
    let report: Value = serde_json::from_slice(&std::fs::read(&json).expect("it is there")).expect("it is JSON");
    std::fs::remove_dir_all(&dir).expect("it is ours");

    let rows = report["rows"].as_array().expect("rows");
    let median = |measure: &str, of: &str| {
        let row = rows.iter().find(|row| row["measure"] == measure && row["of"] == of);
        row.unwrap_or_else(|| panic!("no {of} of {measure} in {report:#}"))["median"].as_f64().expect("a number")
    };
    // it takes time to send a signal, and to run a program
    assert!(median("ns for a signal to oneself, no tracer", "ignored") > 0.0);
    let by_kernel = |of: &str| median("ns in a kernel program, by the kernel", of);
    // a whole record is more work than a look-up, on whatever machine
    assert!(by_kernel("signal_generate, streamed") > by_kernel("signal_generate, not tracked"), "{report:#}");
    assert_eq!(report["quick"], true);
    assert!(report["machine"]["kernel"].as_str().is_some_and(|kernel| kernel.contains('.')));
    // every row is in the table
    for row in rows {
        let (of, measure) = (row["of"].as_str().expect("text"), row["measure"].as_str().expect("text"));
        assert!(table.contains(&format!("| {of} |")) && table.contains(measure), "{of} is not in {table}");
    }
    // and these two bars can be judged
    assert!(table.contains("| untracked: at most 1.5 times the floor |"), "{table}");
    assert!(table.contains("| streamed: at most 4 times the floor |"), "{table}");
}
