use super::*;
use crate::event::PodName;
use crate::model::ContainerName;
use crate::output::fixtures::audit::{named, report};

const PLAIN: Style = Style { color: false, ascii: false };

#[test]
fn a_table_and_what_is_wrong_in_80_columns() {
    let text = audit(&report(), PLAIN, 80);
    assert!(text.lines().all(|line| width(line) <= 80), "{text}");
    insta::assert_snapshot!("audit_80", text);
}

#[test]
fn a_wide_table() {
    insta::assert_snapshot!("audit_wide", audit_wide(&report(), PLAIN));
}

#[test]
fn nothing_raw_and_ascii_where_that_is_asked_for() {
    for text in [audit(&report(), PLAIN, 80), audit_wide(&report(), PLAIN)] {
        assert!(!text.contains('\x1b'), "{text}");
    }
    let ascii = audit(&report(), Style { ascii: true, color: false }, 80);
    // only what the sentences themselves have
    assert!(ascii.lines().take(6).all(str::is_ascii), "{ascii}");
}

#[test]
fn colours_change_nothing_but_colours() {
    let colored = audit(&report(), Style { color: true, ascii: false }, 80);
    let mut plain = String::new();
    let mut rest = colored.as_str();
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    plain.push_str(rest);
    let trimmed = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert_eq!(trimmed(&plain), trimmed(&audit(&report(), PLAIN, 80)));
    assert!(colored.contains("\x1b[1;31m✖"));
}

#[test]
fn narrow_terminals_and_long_names_do_no_harm() {
    let mut report = report();
    let long = PodName { namespace: "n".repeat(60), name: "p".repeat(250), uid: String::new() };
    report.containers[0].subject.container = ContainerName { pod: Some(long), ..named("日本語") };
    for limit in [0, 1, 20, 40, 60, 80, 200] {
        let text = audit(&report, PLAIN, limit);
        assert!(text.lines().all(|line| width(line) <= limit.max(60)), "{limit}: {text}");
    }
}

#[test]
fn the_summary_counts() {
    assert_eq!(
        summary(&report()),
        "4 containers: 1 would not react to the stop signal, 1 cannot be told, 2 would get it, 1 with zombies."
    );
}
