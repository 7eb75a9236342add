//! Everything a contributor runs. `cargo xtask help` lists it; each task is one file.

mod bench;
mod build;
mod cargo;
mod deb;
mod demo;
mod deny;
mod dist;
mod elf;
mod fuzz;
mod lint;
mod miri;
mod object;
mod paths;
mod picture;
mod sbom;
mod setup;
mod sh;
mod statics;
mod test;
mod tool;
mod ui;
mod vm;
mod zoo;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Set up, build, test and package tracer.
///
/// On a fresh Debian 12 machine with rustup (stable and nightly): `cargo xtask setup`, then `cargo xtask test`.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is missing on this machine, saying what and why; quick when nothing is
    Setup(setup::Args),
    /// Build the `tracer` binary and print where it is
    Build(build::Args),
    /// Run `tracer demo`: small containers that stop well and badly, traced live
    Demo(demo::Args),
    /// Formatting, clippy for the host and for the kernel programs, rustdoc; warnings are errors
    Lint,
    /// All tests: without root, with root on this kernel, and on other kernels in virtual machines
    Test(test::Args),
    /// Run the zoo, real programs stopped for real, or some of its cases, and print a table; write docs/zoo.md
    Zoo(zoo::Args),
    /// What tracer costs, against other tools and against an empty program: a table, and JSON
    Bench(bench::Args),
    /// Draw the shutdown page over a recording as an SVG, for the top of the README
    Picture(picture::Args),
    /// Static binaries for x86-64 and arm64, Debian packages, man page, completions, bills of materials and checksums, in
    /// target/dist
    Dist(dist::Args),
    /// Licences, sources and known faults of all dependencies, with cargo-deny
    Deny(deny::Args),
    /// Every parser of strangers' bytes under libFuzzer
    Fuzz(fuzz::Args),
    /// The wire format and its decoder under Miri
    Miri,
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Setup(args) => setup::run(&args),
        Task::Build(args) => build::run(&args),
        Task::Demo(args) => demo::run(&args),
        Task::Lint => lint::run(),
        Task::Test(args) => test::run(&args),
        Task::Zoo(args) => zoo::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::Picture(args) => picture::run(&args),
        Task::Dist(args) => dist::run(&args),
        Task::Deny(args) => deny::run(&args),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Miri => miri::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui::error(&error);
            ExitCode::FAILURE
        }
    }
}
