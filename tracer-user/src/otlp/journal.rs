//! What the log is told of the export: each thing once, until it is not so any more. Pure.

use log::Level;

use super::endpoint::Endpoint;
use super::limits;

/// A line for the log.
pub(super) type Line = Option<(Level, String)>;

/// What was said already.
#[derive(Debug, Default)]
pub(super) struct Journal {
    failing: bool,
    partly: bool,
    /// How many had to go, as far as that was said.
    dropped: u64,
}

impl Journal {
    /// It may work later.
    pub(super) fn later(&mut self, endpoint: &Endpoint, why: &str) -> Line {
        let first = !std::mem::replace(&mut self.failing, true);
        // what people configure when they have read of gRPC
        let hint = if endpoint.port == 4317 { "; 4317 is usually gRPC, OTLP over HTTP is at 4318" } else { "" };
        first.then(|| (Level::Warn, format!("cannot export traces to {endpoint}: {why}; it is tried again{hint}")))
    }

    /// It will not work.
    pub(super) fn refused(&mut self, endpoint: &Endpoint, why: &str) -> Line {
        let first = !std::mem::replace(&mut self.failing, true);
        let what = format!("{endpoint} refuses traces: {why}; they are dropped until it takes one");
        first.then_some((Level::Warn, what))
    }

    /// Not all of it was taken.
    pub(super) fn partly(&mut self, endpoint: &Endpoint, rejected: i64, why: &str) -> Line {
        let first = !std::mem::replace(&mut self.partly, true);
        let what = match rejected {
            0 => format!("{endpoint} takes traces with a warning, which is told once: {why}"),
            _ => format!("{endpoint} did not take {rejected} spans, which is told once: {why}"),
        };
        first.then_some((Level::Warn, what))
    }

    /// It works.
    pub(super) fn taken(&mut self, endpoint: &Endpoint) -> Line {
        let again = std::mem::take(&mut self.failing);
        again.then(|| (Level::Info, format!("traces are exported to {endpoint} again")))
    }

    /// So many had to go by now: told when the first do, and when it works again.
    pub(super) fn dropped(&mut self, by_now: u64) -> Line {
        let new = by_now - self.dropped;
        if new == 0 || (self.failing && self.dropped > 0) {
            return None;
        }
        self.dropped = by_now;
        let room = limits::QUEUE;
        Some((Level::Warn, format!("{new} terminations are not exported: no more than the last {room} wait")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> Endpoint {
        Endpoint::of_collector("http://c:4318").expect("good")
    }

    fn text(line: Line) -> String {
        line.map(|(level, text)| format!("{level} {text}")).unwrap_or_default()
    }

    #[test]
    fn each_thing_is_said_once_until_it_works_again() {
        let (mut journal, c) = (Journal::default(), endpoint());
        assert_eq!(journal.taken(&c), None);
        let told = text(journal.later(&c, "no answer"));
        assert_eq!(told, "WARN cannot export traces to http://c:4318/v1/traces: no answer; it is tried again");
        assert_eq!((journal.later(&c, "no"), journal.refused(&c, "no")), (None, None));
        assert_eq!(text(journal.taken(&c)), "INFO traces are exported to http://c:4318/v1/traces again");
        let told = text(journal.refused(&c, "401 Unauthorized"));
        assert!(told.contains("refuses traces: 401 Unauthorized; they are dropped until"), "{told}");
        assert!(text(journal.partly(&c, 3, "too old")).contains("did not take 3 spans, which is told once: too old"));
        assert_eq!(journal.partly(&c, 3, "too old"), None);
    }

    #[test]
    fn what_had_to_go_is_told_at_first_and_when_it_is_over() {
        let (mut journal, c) = (Journal::default(), endpoint());
        assert_eq!(journal.dropped(0), None);
        drop(journal.later(&c, "no answer"));
        assert!(text(journal.dropped(1)).starts_with("WARN 1 terminations are not exported"));
        assert_eq!((journal.dropped(7), journal.dropped(9)), (None, None));
        drop(journal.taken(&c));
        assert!(text(journal.dropped(9)).starts_with("WARN 8 terminations are not exported"));
        assert_eq!(journal.dropped(9), None);
    }

    #[test]
    fn who_sends_to_the_port_of_grpc_is_told() {
        let grpc = Endpoint::of_collector("http://c:4317").expect("good");
        let told = text(Journal::default().later(&grpc, "invalid HTTP version parsed"));
        assert!(told.ends_with("4317 is usually gRPC, OTLP over HTTP is at 4318"), "{told}");
    }
}
