//! What would become of a signal: worked out by a look from outside, because the model asked.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::TaskKey;
use crate::signal::Signal;

/// What would become of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Foreseen {
    /// The kernel would throw it away: an init without a handler.
    Dropped,
    /// It is ignored: `SIG_IGN`, or a default action that is to ignore it.
    Ignored,
    /// It would stay pending: one is already.
    Blocked,
    /// It would meet the default action.
    Default,
    /// That cannot be known.
    Unknown,
    /// A handler of the program would run.
    Caught,
    /// A thread that waits for it would take it, or a signalfd.
    Taken,
}

impl Foreseen {
    /// The fixed spelling.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Ignored => "ignored",
            Self::Blocked => "blocked",
            Self::Default => "default",
            Self::Unknown => "unknown",
            Self::Caught => "caught",
            Self::Taken => "taken",
        }
    }

    /// Whether whoever sends it waits in vain.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Dropped | Self::Ignored | Self::Blocked)
    }
}

impl fmt::Display for Foreseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.slug())
    }
}

/// What would become of the stop signal of a container, as `tracer audit` judges it. Texts hold names as they are: not
/// safe for a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Foresight {
    /// The container's first process.
    pub task: TaskKey,
    /// The stop signal.
    pub signal: Signal,
    /// What would become of it.
    pub foreseen: Foreseen,
    /// Why, in a sentence.
    pub why: String,
    /// What to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// What else there is to say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{BootNs, Event, What};

    #[test]
    fn as_it_is_in_a_recording() {
        let foresight = Foresight {
            task: TaskKey { pid: 70, start: 5 },
            signal: Signal::TERM,
            foreseen: Foreseen::Dropped,
            why: "sh (PID 1) has no handler for SIGTERM.".to_owned(),
            fix: None,
            notes: Vec::new(),
        };
        let event = Event(BootNs(7), What::Foreseen(foresight));
        let line = serde_json::to_string(&event).expect("JSON");
        let expected = r#"[7,{"foreseen":{"task":{"pid":70,"start":5},"signal":"SIGTERM","foreseen":"dropped","why":"sh (PID 1) has no handler for SIGTERM."}}]"#;
        assert_eq!(line, expected);
        assert_eq!(serde_json::from_str::<Event>(&line).expect("an event"), event);
    }
}
