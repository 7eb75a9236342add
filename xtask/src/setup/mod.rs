//! `cargo xtask setup`: installs what is missing, says what and why, and is quick when nothing is.

mod apt;
pub(crate) mod kernels;
mod linker;
mod packages;
mod quiet;
mod rust;
pub(crate) mod upgrade;

use crate::ui;
use anyhow::Result;
use std::time::Instant;

/// What a machine is set up for. Each task asks for the groups it needs, so building never pulls in Docker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Group {
    /// To compile tracer and its kernel programs
    Build,
    /// To run the tests with real containers
    Containers,
    /// To run the tests on other kernels
    Vm,
    /// To compare tracer's cost with other tools': only where it is named
    Bench,
    /// To run the fuzzer and Miri: only where it is named
    Fuzz,
}

impl Group {
    /// What all tasks but the benchmarks, the fuzzer and Miri need.
    const ALL: [Self; 3] = [Self::Build, Self::Containers, Self::Vm];

    fn purpose(self) -> &'static str {
        match self {
            Self::Build => "to compile tracer and its kernel programs",
            Self::Containers => "for the tests with real containers",
            Self::Vm => "for the tests on other kernels",
            Self::Bench => "to compare tracer with",
            Self::Fuzz => "for the fuzzer and Miri",
        }
    }
}

/// The options of `setup`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these (default: all but bench and fuzz)
    #[arg(value_enum, value_name = "GROUP")]
    groups: Vec<Group>,
}

/// Sets this machine up for the groups named, or for all of them.
pub(crate) fn run(args: &Args) -> Result<()> {
    ensure(if args.groups.is_empty() { &Group::ALL } else { &args.groups })
}

/// Installs what these groups need and this machine lacks.
pub(crate) fn ensure(groups: &[Group]) -> Result<()> {
    let started = Instant::now();
    let mut did = false;
    for &group in groups {
        did |= packages::ensure(group)?;
        match group {
            Group::Build => {
                did |= rust::ensure()?;
                did |= linker::ensure()?;
            }
            Group::Containers => did |= upgrade::ensure()?,
            Group::Bench => {}
            Group::Vm => did |= kernels::ensure()?,
            Group::Fuzz => did |= rust::ensure_nightly()?,
        }
    }
    let names: Vec<_> = groups.iter().map(|group| format!("{group:?}").to_lowercase()).collect();
    let state = if did { "done" } else { "nothing to do" };
    ui::note(format!("setup ({}): {state} ({})", names.join(", "), ui::seconds(started.elapsed())));
    Ok(())
}

/// The toolchain that compiles the kernel programs, and has the sanitizers and Miri. `TRACER_NIGHTLY` names another, e.g. one of a fixed date.
pub(crate) fn nightly() -> String {
    std::env::var("TRACER_NIGHTLY").unwrap_or_else(|_| "nightly".to_owned())
}
