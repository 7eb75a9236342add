//! What a case must lead to, and the comparison with the tracer's JSON lines.
//!
//! One expectation serves the real container (`tests/zoo`, `tests/cri_stop`) and the replay of its recording
//! (`tests/scenarios.rs`): both are judged by the lines of the contract, so that they cannot drift apart.
#![allow(dead_code, reason = "every test that compares compiles its own copy of this and uses a part of it")]

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use tracer_user::model::{Cause, ConditionKind, HintKind, HookKind, Outcome, Verdict};
use tracer_user::signal::Signal;

/// Where recordings and expectations are.
pub(crate) fn directory() -> PathBuf {
    let crate_dir = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&crate_dir).join("tests/scenarios")
}

/// A case's expectation. What it does not name must not be there: a field that is left out is expected to be null, and
/// a list that is left out to be empty.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    /// What happens and why, for people. A case of the zoo says it in another place.
    #[serde(default)]
    pub(crate) about: String,
    /// Every termination, in order.
    #[serde(default)]
    pub(crate) terminations: Vec<Ending>,
    /// Every condition, in order; one that is told again and again is one.
    #[serde(default)]
    pub(crate) conditions: Vec<Condition>,
    /// Signals that must be among the signal lines: `SIGSTOP default host` is signal, outcome and role of the sender.
    #[serde(default)]
    pub(crate) signals: Vec<String>,
    /// Every container line: `found 0123456789ab`, `described shop/web/app`. Not compared when it is left out.
    containers: Option<Vec<String>>,
    /// What the text view must say somewhere, 120 columns wide.
    #[serde(default)]
    text: Vec<String>,
}

/// A termination.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ending {
    verdict: Verdict,
    cause: Option<Cause>,
    /// The cause is a matter of luck and not compared.
    #[serde(default)]
    any_cause: bool,
    #[serde(default = "yes")]
    certain: bool,
    stop_signal: Option<Signal>,
    outcome: Option<Outcome>,
    #[serde(default)]
    taken: bool,
    /// Name and role: `runc (runtime)`.
    sender: Option<String>,
    /// The same of SIGKILL to the first process.
    kill: Option<String>,
    /// Not compared when it is left out: a container may be gone before the runtime has told its grace period.
    grace: Option<Grace>,
    /// `3` for an exit code, `SIGKILL` for death by a signal.
    exit: Option<String>,
    /// `NAME: SIGNAL OUTCOME by SENDER (ROLE), …; EXIT`. Not compared when it is left out: it is a matter of luck.
    processes: Option<Vec<String>>,
    #[serde(default)]
    hints: Vec<HintKind>,
    /// Hints that may be there or not: a matter of luck.
    #[serde(default)]
    perhaps: Vec<HintKind>,
    /// Name of the preStop hook's program.
    pre_stop: Option<String>,
    /// More of the hook, which may have no program. Not compared when it is left out.
    hook: Option<PreStopHook>,
    /// `NAMESPACE/POD/CONTAINER`. Not compared when it is left out.
    container: Option<String>,
    /// How long before its own the pod's stop began, s. Not compared when it is left out.
    behind_pod_s: Option<[f64; 2]>,
    /// Pieces of the explanation, and of the fix.
    #[serde(default)]
    says: Vec<String>,
    #[serde(default)]
    advises: Vec<String>,
}

/// A preStop hook.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PreStopHook {
    hook: HookKind,
    used_s: [f64; 2],
    share: Option<[f64; 2]>,
    exit: Option<String>,
}

/// Times are ranges of seconds: machines are busy.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grace {
    budget_s: Option<[f64; 2]>,
    source: Option<String>,
    used_s: [f64; 2],
}

/// A condition.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Condition {
    #[serde(rename = "condition")]
    kind: ConditionKind,
    /// Those of its figures that do not depend on the machine.
    #[serde(default)]
    figures: BTreeMap<String, Value>,
    /// Pieces of the explanation, and of the fix.
    #[serde(default)]
    says: Vec<String>,
    #[serde(default)]
    advises: Vec<String>,
}

fn yes() -> bool {
    true
}

impl Expect {
    /// The same of a pod with this grace period: it is known from the runtime.
    pub(crate) fn of_a_pod(mut self, grace_s: u32) -> Self {
        for grace in self.terminations.iter_mut().filter_map(|ending| ending.grace.as_mut()) {
            grace.budget_s = Some([grace_s.into(); 2]);
            grace.source = Some("cri".to_owned());
        }
        self
    }

    /// Whether it has verdicts other than a good end, or conditions.
    pub(crate) fn tells_something_bad(&self) -> bool {
        let good = |ending: &Ending| matches!(ending.verdict, Verdict::Graceful | Verdict::Exited);
        !self.terminations.iter().all(good) || !self.conditions.is_empty()
    }

    /// Whether there is nothing but graceful ends.
    pub(crate) fn is_graceful(&self) -> bool {
        let graceful = |ending: &Ending| ending.verdict == Verdict::Graceful;
        !self.terminations.is_empty() && self.terminations.iter().all(graceful) && self.conditions.is_empty()
    }

    /// All verdicts and conditions, for people.
    pub(crate) fn summary(&self) -> String {
        let verdicts =
            self.terminations.iter().map(|ending| summary(ending.verdict.slug(), ending.cause.map(Cause::slug)));
        let conditions = self.conditions.iter().map(|condition| condition.kind.slug().to_owned());
        conditions.chain(verdicts).collect::<Vec<_>>().join(", ")
    }

    /// The expectation of a scenario.
    #[track_caller]
    pub(crate) fn of(case: &str) -> Self {
        let path = directory().join(format!("{case}.expect"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Compares with the JSON lines of the container; returns what differs, a line each.
    pub(crate) fn differences(&self, lines: &[Value]) -> Vec<String> {
        let mut differences = Differences::default();
        let of_kind = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).collect::<Vec<_>>();
        let endings = of_kind("termination");
        differences.compare("number of terminations", &self.terminations.len(), &endings.len());
        for (number, (expected, line)) in self.terminations.iter().zip(endings).enumerate() {
            differences.place = format!("termination {}: ", number + 1);
            expected.compare(line, &mut differences);
        }
        differences.place.clear();
        // A condition is told again when it gets markedly worse: that is the same one.
        let mut conditions = of_kind("condition");
        conditions.dedup_by_key(|line| text(&line["condition"]));
        let kinds: Vec<_> = conditions.iter().map(|line| text(&line["condition"])).collect();
        let expected: Vec<_> = self.conditions.iter().map(|condition| condition.kind.slug()).collect();
        differences.compare("conditions", &expected, &kinds);
        for (expected, line) in self.conditions.iter().zip(conditions) {
            for (name, figure) in &expected.figures {
                differences.compare(&format!("{}: {name}", expected.kind), figure, &line[name]);
            }
            differences.place = format!("{}: ", expected.kind);
            differences.compare_sentences(line, &expected.says, &expected.advises);
            differences.place.clear();
        }
        let signals: Vec<_> = of_kind("signal").into_iter().map(told_signal).collect();
        for signal in self.signals.iter().filter(|signal| !signals.contains(signal)) {
            differences.list.push(format!("no signal line says {signal:?}, but {signals:?}"));
        }
        if let Some(expected) = &self.containers {
            let told: Vec<_> = of_kind("container").into_iter().map(told_container).collect();
            differences.compare("containers", expected, &told);
        }
        differences.list
    }

    /// What the text view of the same does not say.
    pub(crate) fn missing_from(&self, text: &str) -> Vec<String> {
        // what is wrapped is one sentence all the same
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let missing = self.text.iter().filter(|wanted| !text.contains(wanted.as_str()));
        missing.map(|wanted| format!("the text does not say {wanted:?}: {text}")).collect()
    }
}

/// The same of what was told.
pub(crate) fn told_summary(lines: &[Value]) -> String {
    let mut told: Vec<_> = lines.iter().filter(|line| line["kind"] == "condition").collect();
    told.dedup_by_key(|line| text(&line["condition"]));
    let conditions = told.into_iter().map(|line| text(&line["condition"]).to_owned());
    let endings = lines.iter().filter(|line| line["kind"] == "termination");
    let verdicts = endings.map(|line| summary(text(&line["verdict"]), line["cause"].as_str()));
    conditions.chain(verdicts).collect::<Vec<_>>().join(", ")
}

/// `sigterm-dropped (no-handler)`
fn summary(verdict: &str, cause: Option<&str>) -> String {
    cause.map_or_else(|| verdict.to_owned(), |cause| format!("{verdict} ({cause})"))
}

#[derive(Default)]
struct Differences {
    place: String,
    list: Vec<String>,
}

impl Differences {
    fn compare<A: PartialEq<B> + Debug + ?Sized, B: Debug + ?Sized>(&mut self, what: &str, expected: &A, found: &B) {
        if expected != found {
            self.list.push(format!("{}{what}: expected {expected:?}, found {found:?}", self.place));
        }
    }

    /// That explanation and fix have these pieces in them.
    fn compare_sentences(&mut self, line: &Value, says: &[String], advises: &[String]) {
        for (sentence, wanted) in [("explanation", says), ("fix", advises)] {
            let told = line[sentence].as_str().unwrap_or("");
            for wanted in wanted.iter().filter(|wanted| !told.contains(wanted.as_str())) {
                self.list.push(format!("{}{sentence} does not say {wanted:?}: {told}", self.place));
            }
        }
    }

    fn compare_range(&mut self, what: &str, range: [f64; 2], found: &Value) {
        let within = found.as_f64().is_some_and(|found| range[0] <= found && found <= range[1]);
        if !within {
            self.list.push(format!("{}{what}: expected {range:?}, found {found}", self.place));
        }
    }
}

impl Ending {
    fn compare(&self, line: &Value, differences: &mut Differences) {
        let slug = |value: Option<&str>| value.map_or(Value::Null, Value::from);
        let exit = told_exit(&line["exit"]);
        differences.compare("verdict", &slug(Some(self.verdict.slug())), &line["verdict"]);
        if !self.any_cause {
            differences.compare("cause", &slug(self.cause.map(Cause::slug)), &line["cause"]);
        }
        differences.compare("certain", &Value::from(self.certain), &line["certain"]);
        let stop_signal = self.stop_signal.map(|signal| signal.to_string());
        differences.compare("stop_signal", &slug(stop_signal.as_deref()), &line["stop_signal"]);
        differences.compare("outcome", &slug(self.outcome.map(Outcome::slug)), &line["outcome"]);
        differences.compare("taken", &Value::from(self.taken), &line["taken"]);
        differences.compare("sender", &self.sender, &told_sender(&line["sender"]));
        differences.compare("kill", &self.kill, &told_sender(&line["kill"]["sender"]));
        differences.compare("exit", &self.exit, &exit);
        let processes: Vec<_> = line["processes"].as_array().into_iter().flatten().map(told_process).collect();
        if let Some(expected) = &self.processes {
            differences.compare("processes", expected, &processes);
        }
        let by_luck = |hint: &&str| self.perhaps.iter().any(|perhaps| perhaps.slug() == *hint);
        let hints = line["hints"].as_array().into_iter().flatten().map(|hint| text(&hint["hint"]));
        let hints: Vec<_> = hints.filter(|hint| !by_luck(hint)).collect();
        let expected: Vec<_> = self.hints.iter().map(|hint| hint.slug()).collect();
        differences.compare("hints", &expected, &hints);
        let hook = line["pre_stop"]["process"]["comm"].as_str();
        differences.compare("pre_stop", &self.pre_stop.as_deref(), &hook);
        if let Some(grace) = &self.grace {
            grace.compare(&line["grace"], differences);
        }
        self.compare_pod(line, differences);
        for sentence in ["explanation", "fix"] {
            let told = &line[sentence];
            if told.as_str().is_some_and(|told| told.len() < 20 || !told.ends_with(['.', ')', 'T'])) {
                differences.list.push(format!("{}{sentence} is no sentence: {told}", differences.place));
            }
        }
        if line["explanation"].is_null() {
            differences.list.push(format!("{}there is no explanation", differences.place));
        }
    }
}

impl Ending {
    fn compare_pod(&self, line: &Value, differences: &mut Differences) {
        if let Some(container) = &self.container {
            differences.compare("container", container, &friendly(&line["container"]));
        }
        if let Some(hook) = &self.hook {
            let told = &line["pre_stop"];
            differences.compare("pre_stop.hook", &Value::from(hook.hook.slug()), &told["hook"]);
            differences.compare_range("pre_stop.used_s", hook.used_s, &told["used_s"]);
            if let Some(share) = hook.share {
                differences.compare_range("pre_stop.share", share, &told["share"]);
            }
            differences.compare("pre_stop.exit", &hook.exit, &told_exit(&told["exit"]));
        }
        if let Some(range) = self.behind_pod_s {
            let behind = seconds(&line["started"]).zip(seconds(&line["pod_started"]));
            let behind = behind.map_or(Value::Null, |(own, pod)| Value::from(own - pod));
            differences.compare_range("behind_pod_s", range, &behind);
        }
        differences.compare_sentences(line, &self.says, &self.advises);
    }
}

impl Grace {
    fn compare(&self, line: &Value, differences: &mut Differences) {
        match self.budget_s {
            Some(range) => differences.compare_range("grace.budget_s", range, &line["budget_s"]),
            None => differences.compare("grace.budget_s", &Value::Null, &line["budget_s"]),
        }
        differences.compare("grace.source", &self.source.as_deref(), &line["source"].as_str());
        differences.compare_range("grace.used_s", self.used_s, &line["used_s"]);
    }
}

/// Seconds since midnight of an RFC 3339 time: no case runs past midnight.
fn seconds(time: &Value) -> Option<f64> {
    let clock = time.as_str()?.split_once('T')?.1.trim_end_matches('Z').to_owned();
    let parts: Vec<f64> = clock.split(':').filter_map(|part| part.parse().ok()).collect();
    let [hours, minutes, seconds] = parts.as_slice() else { return None };
    Some(hours * 3600.0 + minutes * 60.0 + seconds)
}

/// `NAMESPACE/POD/CONTAINER`, Compose's `PROJECT/SERVICE`, the name, or twelve characters of the id.
fn friendly(container: &Value) -> String {
    let id = text(&container["id"]);
    let name = container["name"].as_str().unwrap_or_else(|| id.get(..12).unwrap_or(id));
    match (container["pod"].as_object(), container["service"].as_str()) {
        (Some(pod), _) => format!("{}/{}/{name}", text(&pod["namespace"]), text(&pod["name"])),
        (None, Some(service)) => service.to_owned(),
        (None, None) => name.to_owned(),
    }
}

/// `described shop/web/app`
fn told_container(line: &Value) -> String {
    format!("{} {}", text(&line["state"]), friendly(line))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("(no text)")
}

/// `runc (runtime)`
fn told_sender(sender: &Value) -> Option<String> {
    let role = sender["role"].as_str()?;
    Some(format!("{} ({role})", text(&sender["comm"])))
}

/// `3` or `SIGKILL`
fn told_exit(exit: &Value) -> Option<String> {
    exit["signal"].as_str().map(str::to_owned).or_else(|| exit["code"].as_u64().map(|code| code.to_string()))
}

/// `sh: SIGTERM dropped by runc (runtime), SIGKILL default by runc (runtime); SIGKILL`
fn told_process(process: &Value) -> String {
    let mut told = format!("{}:", text(&process["comm"]));
    for (number, received) in process["received"].as_array().into_iter().flatten().enumerate() {
        let (signal, outcome) = (text(&received["signal"]), text(&received["outcome"]));
        let sender = told_sender(&received["sender"]).unwrap_or_default();
        let comma = if number == 0 { "" } else { "," };
        write!(told, "{comma} {signal} {outcome} by {sender}").expect("memory");
    }
    format!("{told}; {}", told_exit(&process["exit"]).unwrap_or_else(|| "lives".to_owned()))
}

/// `SIGSTOP default host`
fn told_signal(line: &Value) -> String {
    format!("{} {} {}", text(&line["signal"]), text(&line["outcome"]), text(&line["sender"]["role"]))
}
