use serde_json::Value;

use super::*;
use crate::model::{Change, News};
use crate::output::fixtures::{self, CLOCK, every_event, show, terminated};

fn lines(changes: &[Change]) -> String {
    let mut view = JsonLines::new(Vec::new(), CLOCK);
    show(&mut view, changes);
    String::from_utf8(view.into_inner()).expect("JSON is UTF-8")
}

#[test]
fn every_kind_of_event() {
    insta::assert_snapshot!(lines(&every_event()));
}

#[test]
fn terminations() {
    let all = [fixtures::dropped(), fixtures::taken(), fixtures::too_slow(), fixtures::killed(), fixtures::hostile()];
    insta::assert_snapshot!(lines(&all.map(terminated)));
}

#[test]
fn kind_then_time_and_never_a_raw_control_character() {
    let mut changes = every_event();
    changes.push(terminated(fixtures::hostile()));
    changes.push(terminated(fixtures::graceful()));
    let written = lines(&changes);
    assert_eq!(written.lines().count(), changes.len());
    for line in written.lines() {
        let rest = line.strip_prefix("{\"kind\":\"").expect("kind first");
        let (_, rest) = rest.split_once('"').expect("a closed string");
        assert!(rest.starts_with(",\"time\":\"2026-11-21T14:03:"), "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
        let _: Value = serde_json::from_str(line).expect("an object");
    }
}

/// The same keys on every line of a kind: what is unknown is null, not absent.
#[test]
fn the_keys_of_a_kind_do_not_depend_on_what_is_known() {
    let mut changes = every_event();
    changes.extend([fixtures::dropped(), fixtures::hostile()].map(terminated));
    let mut known = std::collections::BTreeMap::<String, Vec<String>>::new();
    for line in lines(&changes).lines() {
        let value: Value = serde_json::from_str(line).expect("an object");
        let kind = value["kind"].as_str().expect("a kind").to_owned();
        if kind == "condition" {
            continue; // its figures are its own
        }
        let keys: Vec<_> = value.as_object().expect("an object").keys().cloned().collect();
        assert_eq!(known.entry(kind).or_insert_with(|| keys.clone()), &keys, "{line}");
    }
    assert_eq!(known.len(), 9);
}

#[test]
fn a_stop_that_goes_on_makes_no_line() {
    let stopping = Change { at: fixtures::after(0), news: News::Stopping(Box::new(fixtures::dropped())) };
    assert_eq!(lines(&[stopping]), "");
}

#[test]
fn errors_of_the_writer_are_passed_on() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut view = JsonLines::new(Gone, CLOCK);
    let error = view.show(&terminated(fixtures::dropped())).expect_err("nobody reads");
    assert!(crate::output::is_broken_pipe(&error));
}

/// What other tools read of an audit.
#[test]
fn an_audit() {
    let report = fixtures::audit::report();
    let mut lines = JsonLines::new(Vec::new(), Clock::default());
    for audited in &report.containers {
        lines.audited(BootNs(1), audited).expect("memory");
    }
    let text = String::from_utf8(lines.into_inner()).expect("UTF-8");
    assert!(!text.contains('\x1b'), "{text}");
    for line in text.lines() {
        assert!(line.starts_with(r#"{"kind":"audit","time":"1970"#), "{line}");
        serde_json::from_str::<Value>(line).expect("JSON");
    }
    insta::assert_snapshot!("audit", text);
}
