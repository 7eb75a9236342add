//! The figures of a condition in words, with their units: what JSON lines tell by key.

use crate::model::{Condition, ConditionKind, Figure};

use super::words;

/// What each is, and how much, in the order to be read in: `("oldest", "6.20 s")`. From strangers: not safe for a terminal.
pub(crate) fn figures(condition: &Condition) -> Vec<(&'static str, String)> {
    let of = Figures(condition);
    match condition.kind {
        ConditionKind::Zombies => of.zombies(),
        ConditionKind::Stuck => vec![
            ("pid", of.plain("pid")),
            ("state", of.plain("state")),
            ("since SIGKILL", of.duration("since_ms")),
            ("kernel stack, innermost first", of.plain("stack")),
        ],
        ConditionKind::RespawnLoop => {
            let ended = match (of.text("exit_signal"), of.number("exit_code")) {
                (Some(signal), _) => ("the last died by", signal.to_owned()),
                (None, code) => ("the last exited with code", code.map_or_else(not_known, |code| code.to_string())),
            };
            let within = format!("{} in {}", of.plain("deaths"), of.duration("window_ms"));
            vec![
                ("children", of.plain("comm")),
                ("deaths", within),
                ended,
                ("started by pid", of.plain("supervisor_pid")),
            ]
        }
        ConditionKind::OrphanExit => vec![
            ("children", of.plain("comm")),
            ("exits", of.plain("exits")),
            ("exit code", of.plain("exit_code")),
            ("lived at most", of.duration("longest_life_ms")),
        ],
        ConditionKind::DroppedSignal => vec![
            ("signal", of.plain("signal")),
            ("times", of.plain("times")),
            ("sent by", of.process("sender_comm", "sender_pid")),
            ("to pid", of.plain("target_pid")),
        ],
    }
    .into_iter()
    .filter(|(_, text)| !text.is_empty())
    .collect()
}

fn not_known() -> String {
    "not known".to_owned()
}

/// Those of one condition, by their keys.
struct Figures<'a>(&'a Condition);

impl<'a> Figures<'a> {
    fn get(&self, key: &str) -> Option<&'a Figure> {
        self.0.figures.iter().find(|(name, _)| *name == key).map(|(_, figure)| figure)
    }

    fn number(&self, key: &str) -> Option<u64> {
        match self.get(key) {
            Some(Figure::Number(number)) => Some(*number),
            _ => None,
        }
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        match self.get(key) {
            Some(Figure::Text(text)) => Some(text),
            _ => None,
        }
    }

    fn plain(&self, key: &str) -> String {
        match self.get(key) {
            Some(Figure::Number(number)) => number.to_string(),
            Some(Figure::Text(text)) => text.clone(),
            Some(Figure::Unknown) => not_known(),
            None => String::new(),
        }
    }

    fn duration(&self, key: &str) -> String {
        self.number(key).map_or_else(not_known, words::duration)
    }

    fn process(&self, comm: &str, pid: &str) -> String {
        match (self.text(comm), self.number(pid)) {
            (Some(comm), Some(pid)) => format!("{comm} (pid {pid})"),
            (Some(comm), None) => comm.to_owned(),
            (None, Some(pid)) => format!("pid {pid}"),
            (None, None) => not_known(),
        }
    }

    fn zombies(&self) -> Vec<(&'static str, String)> {
        let (current, max) = (self.number("pids_current"), self.number("pids_max"));
        let pids = match (current, max) {
            (Some(current), Some(max)) => format!("{current} of {max} used"),
            (Some(current), None) => format!("{current} used, no limit known"),
            (None, _) => not_known(),
        };
        let full = match (self.number("full_in_ms"), current.zip(max)) {
            (_, Some((current, max))) if current >= max => "0 s: nothing more can be started".to_owned(),
            (Some(ms), _) => format!("{} at this rate", words::duration(ms / 1_000 * 1_000)),
            (None, _) => String::new(),
        };
        vec![
            ("zombies", self.plain("zombies")),
            ("oldest", self.duration("oldest_ms")),
            ("adopted", self.plain("adopted")),
            ("to be reaped by", self.process("parent_comm", "parent_pid")),
            ("pids", pids),
            ("full in", full),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(kind: ConditionKind, figures: Vec<(&'static str, Figure)>) -> String {
        let condition = Condition { kind, container: None, explanation: String::new(), fix: None, figures };
        let told = super::figures(&condition).into_iter().map(|(label, text)| format!("{label} {text}"));
        told.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn words_and_units_for_every_kind() {
        use Figure::{Number, Text, Unknown};
        let name = |name: &str| Text(name.to_owned());
        let zombies = |current, max, full| {
            told(
                ConditionKind::Zombies,
                vec![
                    ("zombies", Number(9)),
                    ("oldest_ms", Number(6_207)),
                    ("adopted", Number(0)),
                    ("parent_pid", Number(20_724)),
                    ("parent_comm", name("python3")),
                    ("pids_current", current),
                    ("pids_max", max),
                    ("full_in_ms", full),
                ],
            )
        };
        let who = "zombies 9, oldest 6.20 s, adopted 0, to be reaped by python3 (pid 20724)";
        assert_eq!(zombies(Unknown, Unknown, Unknown), format!("{who}, pids not known"));
        assert_eq!(zombies(Number(12), Unknown, Unknown), format!("{who}, pids 12 used, no limit known"));
        assert_eq!(
            zombies(Number(90), Number(100), Number(61_900)),
            format!("{who}, pids 90 of 100 used, full in 61 s at this rate")
        );
        assert!(zombies(Number(100), Number(100), Number(0)).ends_with("full in 0 s: nothing more can be started"));
        let loops = |code, signal| {
            told(
                ConditionKind::RespawnLoop,
                vec![
                    ("deaths", Number(5)),
                    ("window_ms", Number(10_000)),
                    ("comm", name("worker")),
                    ("exit_code", code),
                    ("exit_signal", signal),
                    ("supervisor_pid", Number(77)),
                ],
            )
        };
        assert_eq!(
            loops(Number(3), Unknown),
            "children worker, deaths 5 in 10 s, the last exited with code 3, started by pid 77"
        );
        assert!(loops(Unknown, name("SIGKILL")).contains("the last died by SIGKILL"));
        assert_eq!(
            told(
                ConditionKind::Stuck,
                vec![("pid", Number(9)), ("state", name("D")), ("since_ms", Number(2_000)), ("stack", name("a < b")),]
            ),
            "pid 9, state D, since SIGKILL 2 s, kernel stack, innermost first a < b"
        );
        assert_eq!(
            told(
                ConditionKind::DroppedSignal,
                vec![
                    ("signal", name("SIGKILL")),
                    ("sender_pid", Number(9)),
                    ("sender_comm", name("sh")),
                    ("target_pid", Number(8)),
                    ("times", Number(1)),
                ]
            ),
            "signal SIGKILL, times 1, sent by sh (pid 9), to pid 8"
        );
        assert_eq!(
            told(
                ConditionKind::OrphanExit,
                vec![
                    ("exits", Number(4)),
                    ("exit_code", Number(1)),
                    ("longest_life_ms", Number(3)),
                    ("comm", name("app")),
                ]
            ),
            "children app, exits 4, exit code 1, lived at most 3 ms"
        );
    }
}
