//! What tracer costs. `cargo xtask bench` builds this and runs it as root.
//!
//! `run` measures and reports; the other commands are what it starts: loads, and the floor.

mod floor;
mod load;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "What tracer costs, measured: cargo xtask bench runs it")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure, and report
    Run(run::Args),
    /// Send signals to oneself, and tell what one took
    Signals(load::signals::Args),
    /// Start short-lived processes, and tell what one took
    Forks(load::forks::Args),
    /// Attach an empty program to tracepoints until killed
    Floor(floor::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Signals(args) => load::signals::run(&args),
        Command::Forks(args) => load::forks::run(&args),
        Command::Floor(args) => floor::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            run::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
