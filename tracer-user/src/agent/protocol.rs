//! What agent and client say to each other before the events: one line each, then a recording.
//!
//! The client says which protocol it speaks; the agent answers with its own and what it traces, or with a refusal. What
//! follows is a recording as `tracer --record` writes it: start record, what is remembered, what happens. Nothing else
//! ever goes to the agent.

use serde::{Deserialize, Serialize};

use crate::event::BootNs;
use crate::printable;
use crate::stream::FORMAT;

/// Version of the protocol. Who has another one cannot attach; what is added within one is ignored by those who do not
/// know it.
pub const PROTOCOL: u32 = 1;

/// Where an agent listens unless it is told otherwise.
pub const USUAL_SOCKET: &str = "/run/tracer/agent.sock";

/// The client's line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// [`PROTOCOL`] of the client.
    #[serde(rename = "tracer-attach")]
    pub protocol: u32,
    /// Its version.
    #[serde(default)]
    pub tool: String,
}

/// The agent's line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// [`PROTOCOL`] of the agent.
    #[serde(rename = "tracer-agent")]
    pub protocol: u32,
    /// Its version.
    pub tool: String,
    /// [`FORMAT`] of its events.
    pub format: u32,
    /// Its pid, as it sees itself.
    pub pid: u32,
    /// Since when it traces.
    pub since: BootNs,
    /// Events of the history that come first; what follows them is live.
    pub history: u64,
    /// Terminations among them, at most.
    pub terminations: u64,
    /// The filters it was started with: what they left out it does not know.
    #[serde(default)]
    pub filters: Vec<String>,
}

/// The agent's line to whom it does not serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// [`PROTOCOL`] of the agent.
    #[serde(rename = "tracer-agent")]
    pub protocol: u32,
    /// Its version.
    #[serde(default)]
    pub tool: String,
    /// Why.
    pub refused: String,
}

/// Agent and client do not understand each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the agent is tracer {agent} (protocol {theirs}), this is tracer {own} (protocol {ours}): use the same version on \
     both sides, or --no-attach to trace without the agent"
)]
pub struct Skew {
    /// Version of the agent, printable.
    pub agent: String,
    /// Its protocol, and the format of its events where that is what differs.
    pub theirs: String,
    /// Our version.
    pub own: String,
    /// Our protocol.
    pub ours: String,
}

impl Greeting {
    /// Ours.
    #[must_use]
    pub fn own() -> Self {
        Self { protocol: PROTOCOL, tool: env!("CARGO_PKG_VERSION").to_owned() }
    }

    /// Understands a line.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        // of a struct serde takes a list as well
        serde_json::from_slice(line).ok().filter(|_| line.starts_with(b"{"))
    }

    /// Why a client that says this cannot be served, if so.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        (self.protocol != PROTOCOL).then(|| {
            format!(
                "this agent is tracer {} and speaks protocol {PROTOCOL}, the client is tracer {} and speaks {}: use the \
                 same version on both sides",
                env!("CARGO_PKG_VERSION"),
                printable::text(&self.tool),
                self.protocol
            )
        })
    }
}

/// What an agent's first line means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It serves.
    Welcome(Welcome),
    /// It is of another version.
    Skew(Skew),
    /// It does not serve, and says why, printable.
    Refused(String),
    /// It is no agent.
    Nonsense,
}

impl Answer {
    /// Understands a line.
    #[must_use]
    pub fn parse(line: &[u8]) -> Self {
        let skew = |tool: &str, theirs: String, ours: String| {
            let (agent, own) = (printable::text(tool).into_owned(), env!("CARGO_PKG_VERSION").to_owned());
            Self::Skew(Skew { agent, theirs, own, ours })
        };
        if !line.starts_with(b"{") {
            return Self::Nonsense;
        }
        if let Ok(refusal) = serde_json::from_slice::<Refusal>(line) {
            return if refusal.protocol == PROTOCOL {
                Self::Refused(printable::text(&refusal.refused).into_owned())
            } else {
                skew(&refusal.tool, refusal.protocol.to_string(), PROTOCOL.to_string())
            };
        }
        match serde_json::from_slice::<Welcome>(line) {
            Ok(welcome) if welcome.protocol != PROTOCOL => {
                skew(&welcome.tool, welcome.protocol.to_string(), PROTOCOL.to_string())
            }
            Ok(welcome) if welcome.format > FORMAT => skew(
                &welcome.tool,
                format!("{PROTOCOL}, events of format {}", welcome.format),
                format!("{PROTOCOL}, format {FORMAT}"),
            ),
            Ok(welcome) => Self::Welcome(welcome),
            Err(_) => Self::Nonsense,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn welcome() -> Welcome {
        Welcome {
            protocol: PROTOCOL,
            tool: "0.1.0".to_owned(),
            format: FORMAT,
            pid: 7,
            since: BootNs(1),
            history: 2,
            terminations: 512,
            filters: Vec::new(),
        }
    }

    fn line(value: &impl Serialize) -> Vec<u8> {
        serde_json::to_vec(value).expect("it is plain data")
    }

    #[test]
    fn the_same_protocol_is_understood_with_what_a_later_version_adds() {
        assert_eq!(Answer::parse(&line(&welcome())), Answer::Welcome(welcome()));
        let mut later = serde_json::to_value(welcome()).expect("plain data");
        later["tool"] = "0.9.0".into();
        later["more"] = 1.into();
        assert!(matches!(Answer::parse(&line(&later)), Answer::Welcome(Welcome { pid: 7, .. })));
        let greeting = Greeting::parse(br#"{"tracer-attach":1,"tool":"9","more":true}"#).expect("a greeting");
        assert_eq!(greeting.trouble(), None);
    }

    #[test]
    fn another_version_is_named_on_both_sides() {
        let theirs = Welcome { protocol: 2, tool: "2.0\u{1b}[m".to_owned(), ..welcome() };
        let Answer::Skew(skew) = Answer::parse(&line(&theirs)) else { panic!("it is another protocol") };
        let told = skew.to_string();
        let own = env!("CARGO_PKG_VERSION");
        assert!(told.contains("tracer 2.0\\u{1b}[m (protocol 2)") || told.contains("2.0\\x1b[m"), "{told}");
        assert!(told.contains(&format!("this is tracer {own} (protocol 1)")) && told.contains("--no-attach"), "{told}");
        let newer = Welcome { format: FORMAT + 1, ..welcome() };
        assert!(matches!(Answer::parse(&line(&newer)), Answer::Skew(_)));
        let greeting = Greeting { protocol: 2, tool: "2.0.0".to_owned() };
        let told = greeting.trouble().expect("it is another protocol");
        assert!(told.contains("2.0.0") && told.contains(own), "{told}");
    }

    #[test]
    fn a_refusal_says_why_and_anything_else_is_no_agent() {
        let refusal = Refusal { protocol: 1, tool: String::new(), refused: "full".to_owned() };
        assert_eq!(Answer::parse(&line(&refusal)), Answer::Refused("full".to_owned()));
        for nonsense in [&b""[..], b"HTTP/1.1 400", b"{}", b"[1]"] {
            assert_eq!(Answer::parse(nonsense), Answer::Nonsense);
            assert_eq!(Greeting::parse(nonsense), None);
        }
    }
}
