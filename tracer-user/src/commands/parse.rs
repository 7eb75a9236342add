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
        ErrorKind::ArgumentConflict => {
            command_first(args).or_else(|| word_alone(args, &error)).unwrap_or(Err(error)).map_err(with_hint)
        }
        _ => Err(with_hint(error)),
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

/// A word after options that is no command, as if it stood alone: that it is none is what is wrong, not the options.
fn word_alone(args: &[OsString], error: &Error) -> Option<Result<Cli, Error>> {
    let word = told(error, ContextKind::InvalidSubcommand)?;
    Some(Cli::try_parse_from([args.first()?, &OsString::from(word)]))
}

/// Whoever names a recording wants to see it, whoever names something else means a container, and what is recorded is
/// neither in a cgroup nor a process any more.
fn with_hint(mut error: Error) -> Error {
    let replays = told(&error, ContextKind::Usage).is_some_and(|usage| usage.contains("tracer replay"));
    let hint = match error.kind() {
        ErrorKind::UnknownArgument if replays => hint_for_replay(&error),
        ErrorKind::UnknownArgument => {
            told(&error, ContextKind::InvalidArg).and_then(|word| hint_for_word(&word, &error))
        }
        ErrorKind::InvalidSubcommand => {
            told(&error, ContextKind::InvalidSubcommand).and_then(|word| hint_for_word(&word, &error))
        }
        _ => None,
    };
    if let Some(hint) = hint {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(hint)]));
        error.remove(ContextKind::SuggestedArg);
    }
    error
}

/// What an error says of its `kind` of context.
fn told(error: &Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::StyledStr(text) => Some(text.to_string()),
        _ => None,
    }
}

fn hint_for_replay(error: &Error) -> Option<String> {
    let option = told(error, ContextKind::InvalidArg)?;
    let live = ["--cgroup", "--pid", "-p"];
    live.contains(&option.as_str()).then(|| "--cgroup and --pid work live only".to_owned())
}

/// For a word that is no command.
fn hint_for_word(word: &str, error: &Error) -> Option<String> {
    let path = Path::new(word);
    let shown = crate::printable::text(word);
    if word.starts_with('-') {
        None
    } else if path.extension().is_some_and(|kind| kind == "rec") || path.is_file() {
        Some(format!("a recording is shown by: tracer replay {shown}"))
    } else if error.get(ContextKind::SuggestedSubcommand).is_some() || is_of_a_command(error) {
        None
    } else {
        Some(format!("to trace a container of that name: tracer -c {shown}"))
    }
}

/// Whether it is about the arguments of a command, as its usage line tells.
fn is_of_a_command(error: &Error) -> bool {
    let usage = told(error, ContextKind::Usage).unwrap_or_default();
    Cli::command().get_subcommands().any(|command| usage.contains(&format!("tracer {}", command.get_name())))
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

    #[test]
    fn a_word_that_is_no_command_may_be_a_container() {
        let told = |line: &str| parsed(line).expect_err("no command").to_string();
        for line in ["tracer web", "tracer -o json web"] {
            assert!(told(line).contains("to trace a container of that name: tracer -c web"), "{}", told(line));
        }
        for line in ["tracer replya", "tracer doctr", "tracer stop.rec", "tracer demo --web", "tracer doctor web"] {
            assert!(!told(line).contains("of that name"), "{}", told(line));
        }
        assert!(told("tracer replya").contains("'replay'"));
    }

    #[test]
    fn what_a_recording_cannot_be_asked_for() {
        let lines =
            ["replay x.rec --cgroup /x", "replay x.rec -p 1", "replay --pid 1 x.rec", "--cgroup /x replay x.rec"];
        for line in lines {
            let said = parsed(&format!("tracer {line}")).expect_err("live only").to_string();
            assert_eq!(said.matches("tip:").count(), 1, "{said}");
            assert!(said.contains("--cgroup and --pid work live only"), "{said}");
        }
        let said = parsed("tracer audit --record x.rec").expect_err("nothing happens").to_string();
        assert!(!said.contains("recording"), "{said}");
    }
}
