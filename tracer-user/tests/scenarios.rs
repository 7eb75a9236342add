//! Recorded and written scenarios: events in, expected terminations and conditions out, without root and without a
//! kernel. A new case is a new pair of files in tests/scenarios; tests/expect/mod.rs explains the keys.

#![expect(clippy::unwrap_used, reason = "a test")]

mod expect;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;

use expect::Expect;
use serde_json::Value;
use tracer_user::model::{Cause, ConditionKind, HintKind, HookKind, Node, Outcome, Role, Verdict};
use tracer_user::output::{Clock, JsonLines, Style, Text, View as _};
use tracer_user::stream::Reader;

/// The cases, by the files of one kind.
fn names(extension: &str) -> BTreeSet<String> {
    std::fs::read_dir(expect::directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

/// What `tracer replay` says of a recording as JSON, and as text.
fn replay(case: &str) -> (Vec<Value>, String) {
    let path = expect::directory().join(format!("{case}.rec"));
    let reader = Reader::new(BufReader::new(File::open(path).unwrap())).unwrap_or_else(|e| panic!("{case}.rec: {e}"));
    let clock = Clock { boot_to_wall_ns: reader.start().boot_to_wall_ns };
    let (mut node, mut view) = (Node::new(), JsonLines::new(Vec::new(), clock));
    let mut page = Text::new(Vec::new(), clock, Style::default(), 120);
    let mut show = |node: &mut Node| {
        for change in node.take_changes() {
            view.show(&change).unwrap();
            page.show(&change).unwrap();
        }
    };
    for event in reader {
        node.apply(&event.unwrap_or_else(|error| panic!("{case}.rec: {error}")));
        show(&mut node);
    }
    node.conclude();
    show(&mut node);
    let json = view.into_inner();
    let lines = json.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    (lines.map(|line| serde_json::from_slice(line).unwrap()).collect(), String::from_utf8(page.into_inner()).unwrap())
}

#[test]
fn every_recording_replays_to_what_is_expected() {
    let cases = names("rec");
    assert!(!cases.is_empty(), "there is no recording in {}", expect::directory().display());
    assert_eq!(cases, names("expect"), "a recording has an expectation of the same name, and the other way round");
    let mut failures = Vec::new();
    for case in &cases {
        let (lines, text) = replay(case);
        let expect = Expect::of(case);
        let mut differences = expect.differences(&lines);
        differences.extend(expect.missing_from(&text));
        if !differences.is_empty() {
            let told: Vec<_> = lines.iter().map(Value::to_string).collect();
            failures.push(format!("{case}:\n  {}\n{}", differences.join("\n  "), told.join("\n")));
        }
    }
    assert!(failures.is_empty(), "{} of {} differ:\n\n{}", failures.len(), cases.len(), failures.join("\n\n"));
}

/// Every word that other tools rely on is told by some scenario: a rule without a scenario is a rule nobody checks.
#[test]
fn every_word_of_the_contract_has_a_scenario() {
    let lines: Vec<_> = names("rec").iter().flat_map(|case| replay(case).0).collect();
    let told = |kind: &str, pointer: &str| -> BTreeSet<String> {
        let of_kind = lines.iter().filter(|line| line["kind"] == kind);
        of_kind.filter_map(|line| Some(line.pointer(pointer)?.as_str()?.to_owned())).collect()
    };
    let hints: BTreeSet<String> = lines
        .iter()
        .filter_map(|line| line["hints"].as_array())
        .flatten()
        .filter_map(|hint| Some(hint["hint"].as_str()?.to_owned()))
        .collect();
    let all = |slugs: &[&str]| slugs.iter().map(|&slug| slug.to_owned()).collect::<BTreeSet<_>>();
    let slugs = |known: &[&'static str], told: BTreeSet<String>, what: &str| {
        assert_eq!(all(known), told, "{what}");
    };
    slugs(&Verdict::ALL.iter().map(|v| v.slug()).collect::<Vec<_>>(), told("termination", "/verdict"), "verdicts");
    slugs(&Cause::ALL.iter().map(|c| c.slug()).collect::<Vec<_>>(), told("termination", "/cause"), "causes");
    slugs(
        &ConditionKind::ALL.iter().map(|c| c.slug()).collect::<Vec<_>>(),
        told("condition", "/condition"),
        "conditions",
    );
    slugs(&Outcome::ALL.iter().map(|o| o.slug()).collect::<Vec<_>>(), told("signal", "/outcome"), "outcomes");
    slugs(&Role::ALL.iter().map(|r| r.slug()).collect::<Vec<_>>(), told("signal", "/sender/role"), "roles");
    slugs(
        &HookKind::ALL.iter().map(|h| h.slug()).collect::<Vec<_>>(),
        told("termination", "/pre_stop/hook"),
        "preStop hooks",
    );
    slugs(&HintKind::ALL.iter().map(|h| h.slug()).collect::<Vec<_>>(), hints, "hints");
    assert!(lines.iter().any(|line| line["certain"] == false), "no scenario lost events");
}
