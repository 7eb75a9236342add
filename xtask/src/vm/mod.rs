//! The same binary on other kernels.

use crate::test::Tally;
use anyhow::Result;

/// How the virtual machines run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// qemu's accelerator: tcg works everywhere, kvm is faster where it works
    #[arg(long, value_name = "NAME", default_value = "tcg")]
    accel: String,
}

/// Boots every kernel.
pub(crate) fn run(_options: &Options, _filters: &[String]) -> Result<Tally> {
    anyhow::bail!("not built yet")
}
