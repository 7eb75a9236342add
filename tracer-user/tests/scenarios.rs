//! Recorded and written scenarios: events in, expected terminations and conditions out, without root and without a
//! kernel. A new case is a new pair of files in tests/scenarios, or a case of the zoo, which has its expectation in it
//! (tests/zoo); tests/expect/mod.rs explains the keys.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "zoo/case.rs"]
mod case;
mod expect;
mod replay;

use std::collections::{BTreeMap, BTreeSet};

use expect::Expect;
use replay::replay;
use serde_json::Value;
use tracer_user::model::{Cause, ConditionKind, HintKind, HookKind, Outcome, Role, Verdict};

/// The cases, by the files of one kind.
fn names(extension: &str) -> BTreeSet<String> {
    std::fs::read_dir(expect::directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

/// What must come of each recording: of an `.expect` beside it, or of a case of the zoo.
fn expectations() -> BTreeMap<String, Expect> {
    let mut all = case::recordings();
    for name in names("expect") {
        let expect = Expect::of(&name);
        assert!(!expect.about.is_empty(), "{name}.expect does not say what it is about");
        assert!(all.insert(name.clone(), expect).is_none(), "{name} is a case of the zoo and has an .expect as well");
    }
    all
}

#[test]
fn every_recording_replays_to_what_is_expected() {
    let cases = expectations();
    let recorded = names("rec");
    assert!(!recorded.is_empty(), "there is no recording in {}", expect::directory().display());
    let expected: BTreeSet<_> = cases.keys().cloned().collect();
    let (unexpected, unrecorded): (Vec<_>, Vec<_>) =
        (recorded.difference(&expected).collect(), expected.difference(&recorded).collect());
    assert!(unexpected.is_empty(), "neither an .expect nor a place of a case of the zoo: {unexpected:?}");
    assert!(unrecorded.is_empty(), "not recorded, `cargo xtask zoo --record` does it: {unrecorded:?}");
    let mut failures = Vec::new();
    for (case, expect) in &cases {
        let (lines, text) = replay(case);
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
