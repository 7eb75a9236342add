//! From arguments to what they mean, with some patience: options that stand before the command count for it, and a
//! recording without a command is told how to be shown.

use std::ffi::OsString;
use std::path::Path;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Error, Parser as _};

use super::Cli;

/// Parses `args`, the program's name first.
///
/// # Errors
/// When they mean nothing; or help or the version is asked for.
pub(super) fn parse(args: &[OsString]) -> Result<Cli, Error> {
    Cli::try_parse_from(args).or_else(|error| match error.kind() {
        ErrorKind::ArgumentConflict => command_first(args).unwrap_or(Err(error)),
        ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument => Err(with_hint(error, args)),
        _ => Err(error),
    })
}

/// `tracer -o json replay FILE` as `tracer replay -o json FILE`. `None` when there is no command among the arguments.
fn command_first(args: &[OsString]) -> Option<Result<Cli, Error>> {
    let (program, rest) = args.split_first()?;
    let command = Cli::command();
    let commands =
        (1..rest.len()).filter(|&at| rest[at].to_str().is_some_and(|arg| command.find_subcommand(arg).is_some()));
    let mut last = None;
    // the value of an option may be called as a command is: then another one is the command
    for at in commands {
        let (before, from) = rest.split_at(at);
        let (name, after) = from.split_first()?;
        let parsed = Cli::try_parse_from([program, name].into_iter().chain(before).chain(after));
        if parsed.is_ok() {
            return Some(parsed);
        }
        last = last.or(Some(parsed));
    }
    last
}

/// Whoever names a recording wants to see it.
fn with_hint(mut error: Error, args: &[OsString]) -> Error {
    let is_recording =
        |arg: &&OsString| Path::new(arg).extension().is_some_and(|kind| kind == "rec") || Path::new(arg).is_file();
    if let Some(file) = args.iter().skip(1).find(is_recording) {
        let file = crate::printable::text(&file.to_string_lossy()).into_owned();
        let hint = StyledStr::from(format!("a recording is shown by: tracer replay {file}"));
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint]));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::super::Command;
    use super::*;

    fn parsed(line: &str) -> Result<Cli, Error> {
        parse(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn options_before_the_command_count_for_it() {
        for (before, after) in [
            ("tracer -o json replay a.rec", "tracer replay -o json a.rec"),
            ("tracer --no-color replay -c web a.rec", "tracer replay --no-color -c web a.rec"),
            ("tracer -c replay replay a.rec", "tracer replay -c replay a.rec"),
            ("tracer --record a.rec demo dropped", "tracer demo --record a.rec dropped"),
        ] {
            let told = |line: &str| format!("{:?}", parsed(line).expect("it means something").command);
            assert_eq!(told(before), told(after));
        }
        assert!(parsed("tracer -c replay").expect("a container").command.is_none());
        assert!(matches!(parsed("tracer man").expect("a command").command, Some(Command::Man)));
    }

    #[test]
    fn options_that_the_command_does_not_have_are_told() {
        let said = parsed("tracer --until-exit replay a.rec").expect_err("live only").to_string();
        assert!(said.contains("--until-exit") && said.contains("tracer replay"), "{said}");
    }

    #[test]
    fn a_recording_alone_is_told_what_to_do() {
        let said = parsed("tracer stop.rec").expect_err("no command").to_string();
        assert!(said.contains("tracer replay stop.rec"), "{said}");
        assert!(!parsed("tracer stop").expect_err("no command").to_string().contains("replay stop"));
    }
}
