//! The kernel programs on the running kernel, with real processes. As root: `cargo xtask test`.

use std::time::Instant;

use tracer_user::probe::{Probe, Settings};

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn loads_and_attaches() {
    let start = Instant::now();
    let mut probe = Probe::load(&Settings::default()).unwrap();
    println!("loaded in {:?}: {:?}", start.elapsed(), probe.info());
    let start = Instant::now();
    let tasks = probe.snapshot().unwrap();
    println!("{} tasks in {:?}", tasks.len(), start.elapsed());
    let me = tasks.iter().find(|task| task.process.task.pid == std::process::id()).unwrap();
    println!("{me:?}");
}
