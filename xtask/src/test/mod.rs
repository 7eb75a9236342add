//! `cargo xtask test`: three tiers, one command, one closing line.

mod harness;
mod privileged;
mod pure;
mod report;
mod skips;
mod tally;

pub(crate) use tally::Tally;

use report::Report;

use crate::setup::{self, Group};
use crate::{ui, vm};
use anyhow::{Result, bail};
use std::collections::BTreeSet;

/// The tiers of tests, in the order in which they run: cheap ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Stage {
    /// Everything that needs no root: `cargo test --workspace`
    Pure,
    /// The `#[ignore]`d tests, as root, with the real kernel and real containers
    Privileged,
    /// The finished binary on other kernels, in virtual machines
    Vm,
}

impl Stage {
    const ALL: [Self; 3] = [Self::Pure, Self::Privileged, Self::Vm];

    fn title(self) -> &'static str {
        match self {
            Self::Pure => "tests without root",
            Self::Privileged => "tests as root, with real containers",
            Self::Vm => "tests on other kernels",
        }
    }

    fn needs(self) -> Group {
        match self {
            Self::Pure => Group::Build,
            Self::Privileged => Group::Containers,
            Self::Vm => Group::Vm,
        }
    }
}

/// The options of `test`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only what needs no root: the same as --stage pure
    #[arg(long, conflicts_with_all = ["stages", "kernels"])]
    quick: bool,
    /// Only these tiers; may repeat
    #[arg(long = "stage", value_enum, value_name = "STAGE")]
    stages: Vec<Stage>,
    #[command(flatten)]
    vm: vm::Options,
    /// Only tests whose name contains one of these
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

/// Runs the tiers, whatever became of the earlier ones, and ends with the sum of all:
/// `N passed, N failed, N skipped`, alone on the last line of stdout. Programs read that line.
pub(crate) fn run(args: &Args) -> Result<()> {
    let stages: &[Stage] = match (args.quick, args.stages.is_empty()) {
        (true, _) => &[Stage::Pure],
        (false, true) if args.vm.are_given() => &[Stage::Vm],
        (false, true) => &Stage::ALL,
        (false, false) => &args.stages,
    };
    let mut groups = vec![Group::Build];
    groups.extend(stages.iter().map(|stage| stage.needs()).filter(|group| *group != Group::Build));
    setup::ensure(&groups)?;

    // What is built for the machines is built beside what is built for the stage before.
    let follows = if stages.contains(&Stage::Vm) { vm::archs(&args.vm, &args.filters) } else { BTreeSet::new() };

    let mut rows = Vec::new();
    let mut sum = Report::default();
    for stage in stages {
        let announced = ui::Stage::start(stage.title());
        let outcome = match stage {
            Stage::Pure => pure::run(&args.filters, stages.contains(&Stage::Privileged)),
            Stage::Privileged => privileged::run(&args.filters, &follows),
            Stage::Vm => vm::run(&args.vm, &args.filters).map(Report::from),
        };
        // A tier that could not even run counts as one failure, and does not hide what the others found.
        let report = outcome.unwrap_or_else(|error| {
            ui::error(&error);
            Tally { failed: 1, ..Tally::default() }.into()
        });
        announced.end(&report.tally.to_string());
        rows.push(format!("{:<38} {}", stage.title(), report.tally));
        sum += report;
    }
    sum.tell();
    ui::note("summary");
    rows.iter().for_each(ui::note);
    ui::result(sum.tally.to_string());
    if sum.tally.failed > 0 {
        bail!("{} failed: the reasons are in the output above", sum.tally.failed);
    }
    Ok(())
}

/// Whether a test that cannot run is a failure instead of a skip.
pub(crate) fn strict() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}
