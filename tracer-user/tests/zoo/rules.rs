//! What every case must keep to, and the page for people: without root and without a container.

use std::collections::BTreeSet;

use super::case::{self, Case, Place, Step};
use super::page;

/// Every bad case has a mended twin, in which the fix is applied and which ends well; or it says why it has none.
#[test]
fn every_bad_case_has_a_mended_twin() {
    let cases = case::all();
    let mut wrong = Vec::new();
    for case in &cases {
        let name = &case.name;
        match (case.is_bad(), &case.mended_by, &case.unmended) {
            (true, Some(twin), None) => match cases.iter().find(|other| other.name == *twin) {
                None => wrong.push(format!("{name}: there is no case {twin}")),
                Some(twin) if !twin.expect.is_graceful() => {
                    wrong.push(format!(
                        "{name}: {} is no mended twin, it expects {}",
                        twin.name,
                        twin.expect.summary()
                    ));
                }
                Some(_) => {}
            },
            (true, None, Some(reason)) if reason.len() > 10 => {}
            (true, ..) => wrong.push(format!("{name}: either mended_by or unmended, with a reason")),
            (false, None, None) => {}
            (false, ..) => wrong.push(format!("{name}: nothing is wrong with it, so nothing mends it")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What makes no sense is refused before a container is started.
#[test]
fn every_case_makes_sense() {
    let cases = case::all();
    assert!(cases.len() > 50, "only {} cases in {}", cases.len(), case::directory().display());
    let wrong: Vec<_> = cases.iter().flat_map(nonsense).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn nonsense(case: &Case) -> Vec<String> {
    let run = &case.run;
    let mut wrong = Vec::new();
    let mut claim = |true_of_it: bool, what: &str| {
        if !true_of_it {
            wrong.push(format!("{}: {what}", case.name));
        }
    };
    let plain = |text: &str| !text.is_empty() && !text.contains(['|', '\n']);
    claim(case.about.len() > 15 && case.about.ends_with(['.', ')']), "`about` is a sentence");
    claim(plain(&case.program) && plain(&case.how), "`program` and `how` fit into a table");
    claim(case.name.len() <= 40, "the name is short");
    let places: BTreeSet<_> = case.places.iter().collect();
    claim(!places.is_empty() && places.len() == case.places.len(), "every place once, and at least one");
    let named = |name: &String| !name.contains('/');
    claim(run.files.keys().all(named), "files are directly in /app");
    claim(!run.steps.is_empty(), "something is done to it");
    if places.contains(&Place::Cri) {
        claim(run.args.is_empty() && !run.init, "`args` and `init` are Docker's own words");
        let special = |step: &Step| {
            matches!(
                step,
                Step::StopAsConfigured | Step::Restart(_) | Step::Kill(_) | Step::ExecDetached(_) | Step::ExecBeside(_)
            )
        };
        claim(run.beside.is_none(), "a container beside it is Docker's");
        claim(!run.steps.iter().any(special), "a step that CRI cannot do");
    }
    let is_beside = |step: &Step| matches!(step, Step::ExecBeside(_));
    let needs_beside = run.pid == Some(case::Pid::Beside) || run.steps.iter().any(is_beside);
    claim(run.beside.is_some() || !needs_beside, "`beside` says what runs in the container beside it");
    if places.contains(&Place::Docker) || places.contains(&Place::Host) {
        claim(run.pid != Some(case::Pid::Pod), "Docker has no pods");
    }
    wrong
}

/// `TRACER_UPDATE_DOCS=1 cargo test -p tracer-user --test zoo` writes it anew, as `cargo xtask zoo --docs` does.
#[test]
fn the_page_is_current() {
    let path = super::lab::workspace().join("docs/zoo.md");
    let page = page::page(&case::all());
    if std::env::var_os("TRACER_UPDATE_DOCS").is_some() {
        std::fs::write(&path, page).expect("docs/zoo.md can be written");
    } else {
        let shown = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(shown == page, "docs/zoo.md is not current: cargo xtask zoo --docs writes it anew");
    }
}
