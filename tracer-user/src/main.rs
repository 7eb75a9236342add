//! The `tracer` command.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tracer_user::memory::Allocator = tracer_user::memory::Allocator;

fn main() -> ExitCode {
    // our own containers are made by running this binary again: before anything else touches threads or signals
    if let Some(code) = tracer_user::commands::hidden(std::env::args_os()) {
        return code;
    }
    tracer_user::commands::run(std::env::args_os())
}
