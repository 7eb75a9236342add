//! Processes that do nothing: fork, exec, exit, wait.

use std::process::Command;

use anyhow::{Context as _, Result};

use super::{Batches, Place};

/// Options of the load.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many
    #[arg(long)]
    times: u32,
    #[command(flatten)]
    place: Place,
}

/// Starts them, one after the other.
pub(crate) fn run(args: &Args) -> Result<()> {
    args.place.enter()?;
    let mut batches = Batches::new(1);
    let mut once = || {
        let status = Command::new("/bin/true").status().context("cannot start /bin/true")?;
        anyhow::ensure!(status.success(), "/bin/true ended with {status}");
        Ok(())
    };
    once()?;
    for _ in 0..args.times {
        batches.run(&mut once)?;
    }
    batches.tell()
}
