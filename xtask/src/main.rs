//! Everything a contributor runs: `cargo xtask help` lists it.

fn main() {}
