//! Produces every disposition that a signal can meet, for real, and judges what tracer says of each.
//!
//! ```text
//! dispositions TRACER RECORDING LINES [ROW…]
//! ```
//!
//! Runs `TRACER` over containers of its own, one for each row of [`rows::ROWS`], keeps its recording and its JSON lines
//! in the files named, and prints what is right and what is wrong. Needs root. This is a program for tests: on the host
//! `tests/dispositions` runs it, in virtual machines `cargo xtask test` does. It is not shipped.

use std::process::ExitCode;

mod actors;
mod judge;
mod play;
mod rows;
mod sys;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [actors::COMMAND, name, args @ ..] => return actors::run(name, args),
        [tracer, recording, lines, chosen @ ..] => play::run(tracer, recording, lines, chosen),
        _ => Err(anyhow::anyhow!("usage: dispositions TRACER RECORDING LINES [ROW…]")),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            play::say(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}
