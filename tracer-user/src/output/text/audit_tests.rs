use super::*;
use crate::audit::{Audited, Member, Negligent, Pids, Process, StopSignal, Subject, Thread, Waits, Zombies, judge};
use crate::event::PodName;
use crate::model::ContainerName;
use crate::output::fixtures;
use crate::signal::SignalSet;

fn process(comm: &str, command: &[&str]) -> Process {
    Process {
        pid: 4_000,
        ns_pid: Some(1),
        start: 1,
        age_ms: 60_000,
        comm: comm.to_owned(),
        exe: Some(format!("/usr/bin/{comm}")),
        command: command.iter().map(|&word| word.to_owned()).collect(),
        init: true,
        threads: vec![Thread { tid: 4_000, ..Thread::default() }],
        signalfds: Some(vec![]),
        ..Process::default()
    }
}

fn audited(name: ContainerName, first: Process) -> Audited {
    let subject = Subject {
        container: name,
        runtime: Some("docker".to_owned()),
        image: None,
        stop: StopSignal { source: "docker".to_owned(), ..StopSignal::default() },
        grace_ms: Some(10_000),
        pre_stop: false,
        sight: Sight::Kernel,
        first,
        below: vec![],
        children: vec![],
        zombies: Zombies::default(),
        pids: Pids { current: Some(2), max: None },
    };
    Audited { finding: judge(&subject), subject }
}

fn named(name: &str) -> ContainerName {
    ContainerName { id: format!("{name}-id"), name: Some(name.to_owned()), ..ContainerName::default() }
}

fn rejudged(mut audited: Audited, change: impl FnOnce(&mut Subject)) -> Audited {
    change(&mut audited.subject);
    Audited { finding: judge(&audited.subject), ..audited }
}

fn report() -> Report {
    let term = SignalSet(1 << 14);
    let shell = audited(
        fixtures::container().as_ref().clone(),
        process("sh", &["/bin/sh", "-c", "node server.js --with \x1b[31mmany options"]),
    );
    let shell = rejudged(shell, |subject| {
        let node = Member { pid: 4_007, ns_pid: Some(7), comm: "node".to_owned(), depth: 1, ..Member::default() };
        subject.below.push(node);
    });
    let waiting = vec![Thread { tid: 4_000, blocked: term, waits: Waits::For(term), exiting: false }];
    let tini = Process { threads: waiting, ..process("tini", &["tini", "--", "sleep", "1000"]) };
    let tini = rejudged(audited(named("tini"), tini), |subject| {
        let child = Process { init: false, ns_pid: Some(7), ..process("sleep", &["sleep", "1000"]) };
        subject.children.push(child);
        subject.pids.max = Some(512);
    });
    let handles = Process { caught: term, ..process("java", &["java", "-jar", "/app/shop.jar"]) };
    let zombies = rejudged(audited(named("shop-1"), handles), |subject| {
        let parent = Negligent { pid: 4_000, ns_pid: Some(1), comm: "java".to_owned(), first: true, zombies: 3 };
        subject.zombies = Zombies { count: 3, oldest_at_most_ms: Some(65_000), parents: vec![parent] };
    });
    let blocks = vec![Thread { tid: 4_000, blocked: term, ..Thread::default() }];
    let blocks = audited(fixtures::nameless().as_ref().clone(), Process { threads: blocks, ..process("app", &[]) });
    Report {
        containers: vec![shell, zombies, blocks, tini],
        sight: Sight::Kernel,
        blind: None,
        runtimes: vec![],
        resolved: vec![],
        cut: false,
    }
}

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
