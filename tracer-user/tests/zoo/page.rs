//! docs/zoo.md: what the tracer really says of each case, from its committed recording.

use std::fmt::Write as _;

use serde_json::Value;

use super::case::{Case, Group};
use super::expect::told_summary;
use super::replay::replay;

const INTRODUCTION: &str = "\
# The zoo

Real programs in real containers, stopped for real. Every row is a case of the tests: it is run by a real Docker daemon
(some of them also through CRI, and on cgroup v1), and the verdict and the advice are what tracer really says of the
recording of that run. Where something is wrong, the last column names the case in which the advice is followed: it ends
gracefully.

`cargo xtask zoo` runs all of them, `cargo xtask zoo CASE` one; `cargo xtask zoo --docs` writes this page.
A recording can be looked at without root: `tracer replay tracer-user/tests/scenarios/CASE.rec`.
";

/// The whole page.
pub(crate) fn page(cases: &[Case]) -> String {
    let mut page = INTRODUCTION.to_owned();
    let out = &mut page;
    let number = |group: Group| cases.iter().filter(|case| case.group == group).count();
    let groups = || Group::ALL.into_iter().filter(|group| number(*group) > 0);
    for group in groups() {
        let title = group.title();
        let anchor: String = title.to_lowercase().replace(' ', "-").replace(',', "");
        let number = number(group);
        write!(out, "\n- [{title}](#{anchor}): {number}").expect("memory");
    }
    out.push('\n');
    for group in groups() {
        write!(out, "\n## {}\n\n", group.title()).expect("memory");
        out.push_str(
            "| Case | Program, and how it is run | What the kernel did | Verdict | What to change | Mended |\n",
        );
        out.push_str("|---|---|---|---|---|---|\n");
        for case in cases.iter().filter(|case| case.group == group) {
            out.push_str(&row(case));
        }
    }
    page
}

fn row(case: &Case) -> String {
    let (lines, _) = replay(&case.name);
    let name = &case.name;
    let of_kind = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).collect::<Vec<_>>();
    let (endings, conditions) = (of_kind("termination"), of_kind("condition"));
    let kernel: Vec<_> = endings.iter().map(|line| kernel(line)).collect();
    // a container with a condition is ended somehow, and how is not what the case is about
    let ends_somehow = |line: &&&Value| !conditions.is_empty() && line["cause"] == "never-signalled";
    let advising = conditions.iter().chain(endings.iter().filter(|line| !ends_somehow(line)));
    let mut advice: Vec<_> = advising.filter_map(|line| line["fix"].as_str()).collect();
    advice.dedup();
    let mended = match (&case.mended_by, &case.unmended) {
        (Some(twin), _) => format!("[{twin}](#{twin})"),
        (None, Some(reason)) => reason.clone(),
        (None, None) => String::new(),
    };
    format!(
        "| <a id=\"{name}\"></a>[{name}](../tracer-user/tests/zoo/cases/{name}.toml) | **{}**: {}. {} | {} | {} | {} | {} |\n",
        cell(&case.program),
        cell(&case.how),
        cell(&case.about),
        kernel.join("<br>then<br>"),
        cell(&told_summary(&lines)),
        advice.into_iter().map(cell).collect::<Vec<_>>().join("<br>"),
        cell(&mended),
    )
}

/// What became of the signals of each process, and of the process.
fn kernel(ending: &Value) -> String {
    const MOST: usize = 4;
    let processes = ending["processes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut told: Vec<_> = processes.iter().take(MOST).map(process).collect();
    if processes.len() > MOST {
        told.push(format!("and {} more", processes.len() - MOST));
    }
    told.join("<br>")
}

/// `sh`: SIGTERM dropped, SIGKILL from the runtime; died by SIGKILL
fn process(process: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let received = process["received"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut signals: Vec<String> = Vec::new();
    for one in received {
        // of a blocked one that was taken both are told
        let outcome = if one["taken"] == true { "taken".to_owned() } else { text(&one["outcome"]) };
        let signal = text(&one["signal"]);
        // A default action is the plain case, and of SIGKILL there is no other.
        let became = if outcome == "default" { String::new() } else { format!(" {outcome}") };
        let sender = &one["sender"];
        let from = match sender["role"].as_str() {
            Some("kernel") => "the kernel".to_owned(),
            Some("runtime") => text(&sender["comm"]),
            Some("self") => "itself".to_owned(),
            Some("host") => format!("{} of the host", text(&sender["comm"])),
            _ => format!("{} inside", text(&sender["comm"])),
        };
        signals.push(format!("{signal}{became} (from {from})"));
    }
    let end = match (process["exit"]["signal"].as_str(), process["exit"]["code"].as_u64()) {
        (Some(signal), _) => format!("died by {signal}"),
        (None, Some(code)) => format!("exit {code}"),
        (None, None) => "lives".to_owned(),
    };
    let signals = if signals.is_empty() { "no signal".to_owned() } else { signals.join(", ") };
    format!("`{}`: {}; {end}", cell(&text(&process["comm"])), cell(&signals))
}

/// Fit for a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}
