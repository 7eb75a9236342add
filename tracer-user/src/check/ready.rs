//! When a program that is checked is ready to be stopped.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::settle;

/// Pause between two attempts of a readiness command.
pub const RETRY: Duration = Duration::from_millis(200);

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadyWhen {
    /// Its signal handlers and its processes have settled: see [`settle`].
    Settled,
    /// This shell command, run in the container, exits with 0.
    Command(String),
    /// It prints a line with this text.
    Log(String),
}

/// By what it was found to be ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadyBy {
    /// It had settled.
    Settled,
    /// It had not settled, and was not waited for any longer.
    Time,
    /// The readiness command said so.
    Command,
    /// The line came.
    Log,
}

impl ReadyBy {
    /// What to be careful with, when it was found to be ready in this way.
    #[must_use]
    pub fn warning(self) -> Option<String> {
        (self == Self::Time).then(|| {
            format!(
                "after {} s it was still busy or starting processes, and was stopped all the same: --ready or --ready-log \
                 tells when it is ready",
                settle::LONGEST.as_secs()
            )
        })
    }
}

/// The last attempt of a readiness command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its exit code.
    pub code: i32,
    /// The last thing it said, where that is known.
    pub said: Option<String>,
}

/// Why a program was not ready in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotReady<'a> {
    /// What was waited for.
    pub when: &'a ReadyWhen,
    /// For how long.
    pub waited: Duration,
    /// The last attempt of the readiness command.
    pub last: Option<Attempt>,
}

impl fmt::Display for NotReady<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not ready within {}", humantime::format_duration(self.waited))?;
        match (self.when, &self.last) {
            (ReadyWhen::Settled, _) => Ok(()),
            (ReadyWhen::Log(text), _) => write!(f, ": it printed no line with {text:?}"),
            (ReadyWhen::Command(command), None) => write!(f, ": {command:?} has not ended"),
            (ReadyWhen::Command(command), Some(Attempt { code, said: None })) => {
                write!(f, ": {command:?} ended with code {code}")
            }
            (ReadyWhen::Command(command), Some(Attempt { code, said: Some(said) })) => {
                write!(f, ": {command:?} ended with code {code} and said: {said}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_it_was_not_ready() {
        let told = |when: ReadyWhen, last: Option<Attempt>| {
            NotReady { when: &when, waited: Duration::from_mins(1), last }.to_string()
        };
        let command = || ReadyWhen::Command("curl x".to_owned());
        let attempt = |said: Option<&str>| Some(Attempt { code: 7, said: said.map(str::to_owned) });
        assert_eq!(told(command(), None), "not ready within 1m: \"curl x\" has not ended");
        assert_eq!(told(command(), attempt(None)), "not ready within 1m: \"curl x\" ended with code 7");
        assert_eq!(
            told(command(), attempt(Some("refused"))),
            "not ready within 1m: \"curl x\" ended with code 7 and said: refused"
        );
        assert_eq!(told(ReadyWhen::Log("up".to_owned()), None), "not ready within 1m: it printed no line with \"up\"");
    }

    #[test]
    fn only_running_out_of_time_is_to_be_careful_with() {
        assert!(ReadyBy::Time.warning().is_some_and(|warning| warning.contains("--ready")));
        for fine in [ReadyBy::Settled, ReadyBy::Command, ReadyBy::Log] {
            assert_eq!(fine.warning(), None);
        }
    }
}
