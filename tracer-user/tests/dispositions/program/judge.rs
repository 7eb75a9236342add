//! What tracer told of a row's container, in the words of the table, and what is wrong with it.

use serde_json::Value;

/// All that the JSON lines tell of one container.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Signals, deliveries and ends, in order; those of the first process first, because between two processes, on two
    /// processors, the order is nobody's.
    pub(crate) lines: Vec<String>,
    /// Each container has one.
    pub(crate) verdicts: Vec<String>,
    /// Without repetition.
    pub(crate) conditions: Vec<String>,
}

impl Told {
    /// Of the container `id`, whose first process is `first`.
    pub(crate) fn of<'a>(lines: impl IntoIterator<Item = &'a Value>, id: &str, first: u32) -> Self {
        let mut told = Self::default();
        let mut happenings = Vec::new();
        for line in lines.into_iter().filter(|line| line["container"]["id"] == id) {
            match word(&line["kind"]) {
                "termination" => told.verdicts.push(verdict(line)),
                "condition" => {
                    let kind = word(&line["condition"]).to_owned();
                    if !told.conditions.contains(&kind) {
                        told.conditions.push(kind);
                    }
                }
                _ => happenings.extend(happened(line, first)),
            }
        }
        happenings.sort_by(|(one, _), (other, _)| one.cmp(other));
        told.lines = happenings.into_iter().map(|(who, what)| who + &what).collect();
        told
    }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

fn verdict(line: &Value) -> String {
    let mut text = word(&line["verdict"]).to_owned();
    if let Some(cause) = line["cause"].as_str() {
        text = format!("{text}/{cause}");
    }
    if line["taken"] == true {
        text.push_str(" taken");
    }
    if line["certain"] != true {
        text.push_str(" (not certain)");
    }
    text
}

/// To whom something happened, and what; nothing for what the table leaves out.
fn happened(line: &Value, first: u32) -> Option<(String, String)> {
    let signal = word(&line["signal"]);
    let (process, text) = match word(&line["kind"]) {
        "signal" => {
            let (role, outcome) = (word(&line["sender"]["role"]), word(&line["outcome"]));
            let (code, result) = (word(&line["code"]), word(&line["result"]));
            if role == "kernel" && (outcome == "noise" || (signal == "SIGKILL" && result == "ignored")) {
                return None;
            }
            (&line["target"], format!("{signal} {role} {code} {result} {outcome}"))
        }
        "deliver" if signal == "SIGKILL" => return None,
        "deliver" => {
            let dropped = if line["dropped"] == true { " dropped" } else { "" };
            (&line["target"], format!("deliver {signal} {}{dropped}", word(&line["handler"])))
        }
        "exit" => {
            let how = line["code"].as_u64().map_or_else(|| signal.to_owned(), |code| code.to_string());
            (&line["process"], format!("exit {how}"))
        }
        _ => return None,
    };
    let who = if process["pid"] == first { String::new() } else { format!("{}: ", word(&process["comm"])) };
    Some((who, text))
}

/// The difference between what had to be told and what was; nothing if there is none.
pub(crate) fn difference(expected: &Told, told: &Told) -> Option<String> {
    let mut wrong = Vec::new();
    if told.lines != expected.lines {
        wrong.push(format!("told:\n      {}", told.lines.join("\n      ")));
        wrong.push(format!("instead of:\n      {}", expected.lines.join("\n      ")));
    }
    if told.verdicts != expected.verdicts {
        wrong.push(format!("verdict {:?} instead of {:?}", told.verdicts, expected.verdicts));
    }
    if told.conditions != expected.conditions {
        wrong.push(format!("conditions {:?} instead of {:?}", told.conditions, expected.conditions));
    }
    (!wrong.is_empty()).then(|| wrong.join("\n    "))
}

#[cfg(test)]
mod tests {
    use super::{Told, difference};
    use serde_json::{Value, json};

    fn lines() -> Vec<Value> {
        let container = json!({ "id": "/x/row" });
        let signal = |pid, comm, role, outcome| {
            json!({ "kind": "signal", "signal": "SIGTERM", "code": "SI_USER", "result": "queued", "outcome": outcome,
                "sender": { "role": role }, "target": { "pid": pid, "comm": comm }, "container": container })
        };
        vec![
            signal(7, "app", "runtime", "caught"),
            signal(7, "app", "kernel", "noise"),
            json!({ "kind": "deliver", "signal": "SIGTERM", "handler": "default", "dropped": true,
                "target": { "pid": 7 }, "container": container }),
            json!({ "kind": "deliver", "signal": "SIGKILL", "handler": "default", "dropped": false,
                "target": { "pid": 7 }, "container": container }),
            signal(8, "worker", "inside", "default"),
            json!({ "kind": "exit", "code": null, "signal": "SIGTERM", "process": { "pid": 8, "comm": "worker" },
                "container": container }),
            json!({ "kind": "exit", "code": 3, "signal": null, "process": { "pid": 7, "comm": "app" },
                "container": container }),
            json!({ "kind": "exit", "code": 3, "signal": null, "process": { "pid": 7 }, "container": { "id": "/x/row2" } }),
            json!({ "kind": "termination", "verdict": "graceful", "cause": null, "taken": true, "certain": true,
                "container": container }),
            json!({ "kind": "condition", "condition": "stuck", "container": container }),
            json!({ "kind": "condition", "condition": "stuck", "container": container }),
        ]
    }

    fn expected() -> Told {
        let lines = [
            "SIGTERM runtime SI_USER queued caught",
            "deliver SIGTERM default dropped",
            "exit 3",
            "worker: SIGTERM inside SI_USER queued default",
            "worker: exit SIGTERM",
        ];
        Told {
            lines: lines.map(str::to_owned).into(),
            verdicts: vec!["graceful taken".to_owned()],
            conditions: vec!["stuck".to_owned()],
        }
    }

    #[test]
    fn lines_are_put_into_the_words_of_the_table() {
        assert_eq!(Told::of(&lines(), "/x/row", 7), expected());
    }

    #[test]
    fn every_difference_is_found() {
        assert_eq!(difference(&expected(), &Told::of(&lines(), "/x/row", 7)), None);
        for at in 0..lines().len() {
            let mut fewer = lines();
            fewer.remove(at);
            let told = Told::of(&fewer, "/x/row", 7);
            // what the table leaves out, another container's, and what is told twice
            let irrelevant = [1, 3, 7, 9, 10].contains(&at);
            assert_eq!(difference(&expected(), &told).is_none(), irrelevant, "without line {at}: {told:?}");
        }
        for (pointer, value) in [
            ("/0/outcome", json!("blocked")),
            ("/0/result", json!("ignored")),
            ("/0/sender/role", json!("host")),
            ("/0/code", json!("SI_QUEUE")),
            ("/2/dropped", json!(false)),
            ("/2/handler", json!("handler")),
            ("/4/target/pid", json!(7)),
            ("/6/code", json!(0)),
            ("/8/verdict", json!("killed")),
            ("/8/cause", json!("no-handler")),
            ("/8/taken", json!(false)),
            ("/8/certain", json!(false)),
            ("/9/condition", json!("zombies")),
        ] {
            let mut all = Value::Array(lines());
            *all.pointer_mut(pointer).expect("it is there") = value;
            let told = Told::of(all.as_array().expect("an array"), "/x/row", 7);
            assert!(difference(&expected(), &told).is_some(), "{pointer}");
        }
    }
}
