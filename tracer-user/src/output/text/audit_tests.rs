use super::*;
use crate::audit::Process;
use crate::event::PodName;
use crate::model::ContainerName;
use crate::output::fixtures::audit::{audited, named, process, report};
use crate::signal::SignalSet;

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

#[test]
fn a_signal_that_no_runtime_told_is_marked() {
    const LEGEND: &str = "? no runtime told the stop signal: SIGTERM is assumed\n";
    let mut report = report();
    for text in [audit(&report, PLAIN, 80), audit_wide(&report, PLAIN)] {
        assert!(text.contains(LEGEND) && text.contains(" TERM? ") && text.contains(" TERM  "), "{text}");
    }
    report.containers.retain(|audited| !audited.subject.stop.is_assumed());
    assert!(!audit(&report, PLAIN, 80).contains('?'), "{}", audit(&report, PLAIN, 80));
}

#[test]
fn who_takes_the_signal_for_something_else_is_not_fine() {
    let mut report = report();
    let systemd = Process { caught: SignalSet(1 << 14), ..process("systemd", &["/sbin/init"]) };
    report.containers = vec![audited(named("machine"), systemd)];
    let text = audit(&report, PLAIN, 80);
    assert!(text.contains("▲ machine") && text.contains("Fix ") && !text.contains('✔'), "{text}");
    assert_eq!(summary(&report), "1 container: 1 would take it for something else.");
}

#[test]
fn containers_with_the_same_fault_are_one_block() {
    let mut report = report();
    let pods = |n: usize, comm: &str| audited(named(&format!("web-{n}")), process(comm, &[comm, "serve"]));
    report.containers = (0..100).map(|n| pods(n, "app")).collect();
    let text = audit(&report, PLAIN, 80);
    assert_eq!((text.matches("  Fix ").count(), text.matches("  Why ").count()), (1, 1), "{text}");
    let blocks: String = text.lines().skip(101).collect::<Vec<_>>().join(" ");
    assert!(blocks.contains("100 containers: SIGTERM would be dropped"), "{text}");
    assert!((0..100).all(|n| blocks.contains(&format!("web-{n}"))), "{text}");

    // each has a line where the reasons differ; another fix, or zombies beside it, is told alone
    report.containers = vec![pods(0, "app"), pods(1, "python3"), pods(2, "server"), pods(3, "app")];
    report.containers[3].subject.zombies.count = 1;
    let text = audit(&report, PLAIN, 80);
    assert!(text.lines().all(|line| width(line) <= 80), "{text}");
    assert!(text.contains("2 containers: ") && text.matches("  Fix ").count() == 3, "{text}");
    assert!(text.contains("\n  web-0: app (PID 1) has") && text.contains("\n  web-2: server (PID 1) has"), "{text}");
}
