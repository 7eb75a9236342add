//! `tracer completions SHELL`.

use std::process::ExitCode;

use clap_complete::Shell;

use super::options::print;

/// Options of `tracer completions`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// For which shell
    shell: Shell,
}

pub(super) fn run(args: &Args, command: &mut clap::Command) -> anyhow::Result<ExitCode> {
    // clap_complete panics when it cannot write: a pipe that closes must not look like a crash
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "tracer", &mut script);
    print(&script)?;
    Ok(ExitCode::SUCCESS)
}
