//! Alert rules and the dashboard: they ask for metrics that there are, and Prometheus' own tool understands them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::k8s;
use super::lab::{self, read};

/// Every metric of the agent with its labels: a contract. Histograms have `_bucket`, `_sum` and `_count`, and `le`.
const METRICS: &[(&str, &[&str])] = &[
    ("tracer_terminations_total", &["verdict", "cause", "namespace", "workload"]),
    ("tracer_shutdown_duration_seconds", &["verdict", "namespace", "le"]),
    ("tracer_grace_period_used_ratio", &["namespace", "le"]),
    ("tracer_dropped_signals_total", &["signal", "namespace", "workload"]),
    ("tracer_conditions_total", &["condition", "namespace", "workload"]),
    ("tracer_zombies", &["namespace", "workload", "container"]),
    ("tracer_zombie_oldest_age_seconds", &["namespace", "workload", "container"]),
    ("tracer_pids_current", &["namespace", "workload", "container"]),
    ("tracer_pids_max", &["namespace", "workload", "container"]),
    ("tracer_containers", &[]),
    ("tracer_events_total", &["kind"]),
    ("tracer_events_lost_total", &["kind"]),
    ("tracer_wakeups_total", &[]),
    ("tracer_ring_fill_ratio", &[]),
    ("tracer_clients", &[]),
    ("tracer_client_events_missed_total", &[]),
    ("tracer_history_terminations", &[]),
    ("tracer_history_bytes", &[]),
    ("tracer_otlp_terminations_total", &["result"]),
    ("process_cpu_seconds_total", &[]),
    ("process_resident_memory_bytes", &[]),
    ("process_start_time_seconds", &[]),
    ("tracer_build_info", &["version", "kernel"]),
];

/// Labels that Prometheus adds.
const ADDED: [&str; 2] = ["instance", "job"];

const ALERTS: &str = include_str!("../../../deploy/prometheus/alerts.yaml");
const DASHBOARD: &str = include_str!("../../../deploy/grafana/tracer.json");

/// An agent that has seen a stop has each of them, with exactly these labels.
#[track_caller]
pub(crate) fn assert_has_all(exposition: &str) {
    // of containers that have zombies or a limit of pids, and of what did not happen, there is nothing to tell
    let silent = ["tracer_zombies", "tracer_zombie_oldest_age_seconds", "tracer_pids_current", "tracer_pids_max"];
    let lossless = ["tracer_events_lost_total", "tracer_conditions_total", "tracer_dropped_signals_total"];
    // no collector is told of here
    let lossless = [&lossless[..], &["tracer_otlp_terminations_total"]].concat();
    for (name, labels) in METRICS {
        let declared = [*name, name.trim_end_matches("_total")];
        let declared = declared.iter().any(|name| exposition.contains(&format!("\n# TYPE {name} ")));
        assert!(declared || exposition.contains(&format!("# TYPE {name} ")), "{name} in {exposition}");
        let sample = |line: &&str| {
            let rest = ["_bucket", ""].iter().find_map(|end| line.strip_prefix(&format!("{name}{end}")));
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
        };
        let Some(line) = exposition.lines().find(sample) else {
            assert!(silent.contains(name) || lossless.contains(name), "no sample of {name} in {exposition}");
            continue;
        };
        let inner = line.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(inner, _)| inner);
        let found: BTreeSet<_> = inner.split(',').filter_map(|pair| pair.split_once('=')).map(|(key, _)| key).collect();
        assert_eq!(found, labels.iter().copied().collect(), "{line}");
    }
}

/// The rules: what they record, or the alert's name, and the expression.
fn rules() -> Vec<(String, String)> {
    let documents = k8s::documents(ALERTS);
    let [document] = &documents[..] else { panic!("one document") };
    let groups = document["groups"].as_array().expect("a list");
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().expect("a list"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    rules.map(|rule| (text(&rule["record"]) + &text(&rule["alert"]), text(&rule["expr"]))).collect()
}

/// The dashboard's expressions, with values for the variables.
fn panels() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("a list");
    let mut found = Vec::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().expect("a title");
        let targets = panel["targets"].as_array().expect("a list");
        assert!(!targets.is_empty(), "{title}");
        for target in targets {
            let expression = target["expr"].as_str().expect("an expression");
            let plain = ["$__rate_interval", "$__range"]
                .iter()
                .fold(expression.to_owned(), |text, name| text.replace(name, "5m"));
            let plain = plain.replace("$namespace", ".*");
            assert!(!plain.contains('$'), "{title}: {plain}");
            found.push((title.to_owned(), plain));
        }
    }
    found
}

/// Names of metrics, and of labels that are asked for: in braces, and behind `by` and `on`.
fn names(expression: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = expression.split(|c| !is_name(c));
    let metrics = words.filter(|word| ["tracer", "process_"].iter().any(|begin| word.starts_with(begin))).collect();
    let mut labels = BTreeSet::new();
    for part in expression.split('{').skip(1) {
        let inner = part.split('}').next().unwrap_or_default();
        let matchers = inner.split(',').filter_map(|one| one.split(['=', '!']).next());
        labels.extend(matchers.map(str::trim));
    }
    for word in ["by (", "on ("] {
        for part in expression.split(word).skip(1) {
            labels.extend(part.split(')').next().unwrap_or_default().split(',').map(str::trim));
        }
    }
    (metrics, labels)
}

#[test]
fn every_metric_and_label_is_one_that_the_agent_has() {
    let known: BTreeMap<&str, &[&str]> = METRICS.iter().copied().collect();
    let (rules, panels) = (rules(), panels());
    let recorded: BTreeSet<String> =
        rules.iter().map(|(name, _)| name.clone()).filter(|name| name.contains(':')).collect();
    let mut used = BTreeSet::new();
    for (name, expression) in rules.iter().chain(&panels) {
        let (metrics, labels) = names(expression);
        assert!(!metrics.is_empty(), "{name}: {expression}");
        let mut possible: BTreeSet<&str> = ADDED.into();
        for metric in metrics {
            if recorded.contains(metric) {
                possible.extend(["namespace", "workload", "verdict", "condition"]);
                continue;
            }
            let plain = ["_bucket", "_sum", "_count"].iter().find_map(|end| metric.strip_suffix(end)).unwrap_or(metric);
            let labels = known.get(plain).unwrap_or_else(|| panic!("{name}: there is no {metric}"));
            possible.extend(*labels);
            used.insert(plain);
        }
        assert!(labels.is_subset(&possible), "{name}: {labels:?} of {possible:?}");
    }
    // those that nobody looks at may be told, too, but these are what it is for
    let unused: Vec<_> = known.keys().filter(|name| !used.contains(*name)).collect();
    let expected = ["process_start_time_seconds", "tracer_history_terminations", "tracer_otlp_terminations_total"];
    assert_eq!(unused, expected.iter().collect::<Vec<_>>());
}

#[test]
fn verdicts_and_conditions_are_spelled_as_the_model_has_them() {
    let docs = |dir: &str| fs::read_to_string(lab::workspace().join(dir)).unwrap_or_default();
    let conditions = docs("docs/conditions.md");
    for (name, expression) in rules().iter().chain(&panels()) {
        for label in ["verdict", "condition"] {
            for part in expression.split(label).skip(1).filter(|part| part.starts_with(['=', '!'])) {
                let value = part.split('"').nth(1).unwrap_or_default();
                for word in value.split('|') {
                    let there = match label {
                        "verdict" => lab::workspace().join(format!("docs/verdicts/{word}.md")).is_file(),
                        _ => conditions.contains(&format!("\n## `{word}`\n")),
                    };
                    assert!(there, "{name}: {label} {word}");
                }
            }
        }
    }
}

#[test]
fn the_dashboard_can_be_imported() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("a list");
    let ids: BTreeSet<u64> = panels.iter().filter_map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "each has an id of its own");
    let mut cells = BTreeSet::new();
    for panel in panels {
        let at = |key: &str| panel["gridPos"][key].as_u64().expect("a number");
        assert!(at("x") + at("w") <= 24, "{}", panel["title"]);
        for cell in (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y))) {
            assert!(cells.insert(cell), "{} is over another", panel["title"]);
        }
    }
    for variable in dashboard["templating"]["list"].as_array().expect("a list") {
        let name = variable["name"].as_str().expect("a name");
        assert!(
            DASHBOARD.contains(&format!("${name}")) || DASHBOARD.contains(&format!("${{{name}}}")),
            "{name} is used"
        );
    }
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn promtool_understands_the_rules_and_the_dashboard() {
    if !lab::can_run("promtool_understands_the_rules_and_the_dashboard", &["promtool"]) {
        return;
    }
    let prometheus = lab::workspace().join("deploy/prometheus");
    let promtool = |words: &[&str], file: &Path| read(Command::new("promtool").args(words).arg(file));
    promtool(&["check", "rules"], &prometheus.join("alerts.yaml"));
    promtool(&["test", "rules"], &prometheus.join("alerts.test.yaml"));
    // an expression of a panel is checked as if it were to be recorded
    let rules: Vec<_> = panels()
        .iter()
        .enumerate()
        .map(|(n, (_, expr))| json!({"record": format!("panel:{n}"), "expr": expr}))
        .collect();
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), json!({"groups": [{"name": "panels", "rules": rules}]}).to_string()).expect("it is ours");
    promtool(&["check", "rules"], file.path());
}

#[test]
fn every_alert_is_tested() {
    let tests = fs::read_to_string(lab::workspace().join("deploy/prometheus/alerts.test.yaml")).expect("it is there");
    for (name, _) in rules().iter().filter(|(name, _)| !name.contains(':')) {
        let fires =
            |part: &str| part.split("exp_alerts:").nth(1).is_some_and(|rest| !rest.trim_start().starts_with("[]"));
        let parts: Vec<_> = tests.split("alertname: ").filter(|part| part.starts_with(name.as_str())).collect();
        assert!(parts.iter().any(|part| fires(part)), "{name} is seen firing");
    }
}
