use super::*;
use crate::event::Owner;
use crate::model::{Cause, Deleted, Grace, HookKind, PodEnd, PodNews, PreStop, RestartNews, Verdict};
use crate::output::fixtures::{self, CLOCK, every_event, show, terminated};

const UNICODE: Style = Style { color: false, ascii: false };

fn text(changes: &[Change], width: usize, style: Style) -> String {
    let mut view = Text::new(Vec::new(), CLOCK, style, width);
    show(&mut view, changes);
    String::from_utf8(view.into_inner()).expect("text is UTF-8")
}

fn stopping(termination: Termination) -> Change {
    Change { at: termination.started, news: News::Stopping(Box::new(termination)) }
}

/// The end of a container that said nothing of its own accord.
fn by_itself(verdict: Verdict, exit: crate::model::ExitStatus) -> Termination {
    let process = fixtures::process(fixtures::party("worker", 4123, 1), Some(0), Vec::new());
    Termination {
        verdict,
        cause: None,
        stop_signal: None,
        outcome: None,
        sender: None,
        kill: None,
        exited: Some(fixtures::after(0)),
        ended: Some(fixtures::after(12)),
        grace: Grace { budget_ms: Some(30_000), source: Some("cri".to_owned()), used_ms: 0, since: fixtures::after(0) },
        exit: Some(exit),
        processes: vec![process.ends(fixtures::after(0), exit)],
        explanation: "worker (PID 1) ended by itself.".to_owned(),
        fix: None,
        ..fixtures::dropped()
    }
}

/// The first process with the stop signal and what became of it, and the SIGKILL at the end.
fn to_the_end(verdict: Verdict, outcome: Outcome) -> Termination {
    let mut termination = fixtures::dropped();
    termination.processes[0].received[0].outcome = outcome;
    termination.explanation = format!("SIGTERM was {outcome} by sh (PID 1); runc sent SIGKILL 30.0 s later.");
    Termination { verdict, cause: None, outcome: Some(outcome), fix: None, ..termination }
}

fn cases() -> Vec<(&'static str, Termination)> {
    let killed = fixtures::killed_by(Signal::KILL);
    let default_action = Termination { cause: None, ..by_default_action() };
    vec![
        ("graceful", fixtures::graceful()),
        ("taken", fixtures::taken()),
        ("sigterm_dropped", fixtures::dropped()),
        ("sigterm_ignored", to_the_end(Verdict::SigtermIgnored, Outcome::Ignored)),
        ("sigterm_blocked", to_the_end(Verdict::SigtermBlocked, Outcome::Blocked)),
        ("not_forwarded", fixtures::not_forwarded(2)),
        ("not_forwarded_many", fixtures::not_forwarded(47)),
        ("too_slow", fixtures::too_slow()),
        ("default_action", default_action),
        ("oom_killed", by_itself(Verdict::OomKilled, killed)),
        ("killed", fixtures::killed()),
        ("crashed", by_itself(Verdict::Crashed, crate::model::ExitStatus { raw: 0x8b })),
        ("exited", by_itself(Verdict::Exited, fixtures::exited(1))),
        ("hostile", fixtures::hostile()),
    ]
}

fn by_default_action() -> Termination {
    let status = fixtures::killed_by(Signal::TERM);
    let mut first = fixtures::process(
        fixtures::party("app", 4123, 17),
        Some(0),
        vec![fixtures::received(Signal::TERM, fixtures::after(0), &fixtures::runc(), Outcome::Default)],
    );
    first = first.ends(fixtures::after(2), status);
    Termination {
        verdict: Verdict::DefaultAction,
        outcome: Some(Outcome::Default),
        kill: None,
        exited: Some(fixtures::after(2)),
        ended: Some(fixtures::after(3)),
        grace: Grace { budget_ms: Some(30_000), source: Some("cri".to_owned()), used_ms: 2, since: fixtures::after(0) },
        exit: Some(status),
        processes: vec![first],
        explanation: "app has no handler for SIGTERM and is no init, so it died by it at once.".to_owned(),
        fix: Some("Add a handler where it should finish its work first.".to_owned()),
        ..fixtures::dropped()
    }
}

#[test]
fn every_event_in_80_columns() {
    insta::assert_snapshot!(text(&every_event(), 80, UNICODE));
}

#[test]
fn every_event_in_120_columns() {
    insta::assert_snapshot!(text(&every_event(), 120, UNICODE));
}

#[test]
fn terminations() {
    for (name, termination) in cases() {
        for width in [80, 120] {
            let written = text(&[terminated(termination.clone())], width, UNICODE);
            insta::assert_snapshot!(format!("{name}_{width}"), written);
        }
    }
}

#[test]
fn ascii() {
    let changes = [stopping(fixtures::dropped()), terminated(fixtures::too_slow()), terminated(fixtures::hostile())];
    let written = text(&changes, 80, Style { ascii: true, color: false });
    assert!(written.is_ascii());
    insta::assert_snapshot!(written);
    let all: Vec<_> = cases().into_iter().map(|(_, termination)| terminated(termination)).collect();
    let style = Style { ascii: true, color: false };
    assert!(text(&all, 100, style).is_ascii() && text(&every_event(), 100, style).is_ascii());
}

#[test]
fn colors() {
    let mut changes = every_event();
    changes.retain(|change| matches!(change.news, News::Signal(_) | News::Lost(_)));
    changes.push(terminated(fixtures::dropped()));
    let written = text(&changes, 100, Style { color: true, ascii: false });
    insta::assert_snapshot!(written.replace('\x1b', "<ESC>"));
}

/// All of a pod has ended, and a container was restarted in one: once with all that can be known, once with hostile names.
fn pods() -> Vec<Change> {
    let end = |container, verdict, ms| PodEnd { container, verdict, ended: fixtures::after(ms) };
    let restart = |before: Option<Termination>, container| RestartNews {
        container,
        restarts: 3,
        before: before.map(std::sync::Arc::new),
    };
    let pod = PodNews {
        uid: "9d3c6a52-7c1e-4a57-8f4c-0a4a5a0b7f11".to_owned(),
        name: fixtures::container().pod.clone(),
        started: fixtures::after(0),
        ended: fixtures::after(5_120),
        containers: vec![
            end(fixtures::nameless(), Verdict::Graceful, 30),
            end(fixtures::container(), Verdict::SigtermDropped, 5_100),
        ],
    };
    let hostile = fixtures::hostile();
    let strange = PodNews {
        name: hostile.container.pod.clone(),
        containers: vec![end(hostile.container.clone(), Verdict::Killed, 1); 2],
        ..pod.clone()
    };
    let news = [
        News::Pod(Box::new(pod.clone())),
        News::Pod(Box::new(PodNews { name: None, ..pod })),
        News::Pod(Box::new(strange)),
        News::Restarted(Box::new(restart(Some(fixtures::dropped()), fixtures::container()))),
        News::Restarted(Box::new(restart(
            Some(by_itself(Verdict::Exited, fixtures::exited(1))).map(|end| Termination { sender: None, ..end }),
            fixtures::container(),
        ))),
        News::Restarted(Box::new(restart(
            Some(Termination { sender: Some(fixtures::runc()), ..hostile }),
            fixtures::nameless(),
        ))),
        News::Restarted(Box::new(restart(None, fixtures::container()))),
    ];
    news.into_iter().map(|news| Change { at: fixtures::after(5_120), news }).collect()
}

/// A container that was told to stop later than its pod, and a hook that left no process.
fn behind_its_pod() -> Termination {
    let slow = fixtures::too_slow();
    let hook = slow.pre_stop.map(|hook| PreStop {
        kind: HookKind::HttpGet,
        process: None,
        started: fixtures::ms(fixtures::START_MS - 4_000),
        exit: None,
        ..hook
    });
    Termination {
        pod_started: Some(fixtures::ms(fixtures::START_MS - 4_000)),
        grace: Grace { since: fixtures::ms(fixtures::START_MS - 4_000), ..slow.grace },
        pre_stop: hook,
        ..fixtures::too_slow()
    }
}

/// Its pod was deleted some seconds before anything came of that.
#[test]
fn a_deletion_is_on_the_axis() {
    let deleted = |requested, until_signal_ms| Termination {
        deletion: Some(Deleted { requested, grace_ms: 30_000, until_signal_ms, imprecise: false }),
        owner: Some(Owner { kind: "Deployment".to_owned(), name: "web".to_owned() }),
        ..fixtures::too_slow()
    };
    let slow = deleted(fixtures::ms(fixtures::START_MS - 4_000), Some(6_000));
    let quick = deleted(fixtures::ms(fixtures::START_MS - 200), Some(200));
    let forced = Termination { stop_signal: None, ..deleted(fixtures::after(0), None) };
    insta::assert_snapshot!(text(&[slow, quick, forced].map(terminated), 80, UNICODE));
    let mut heard = deleted(fixtures::ms(fixtures::START_MS - 4_000), Some(6_000));
    heard.deletion.as_mut().expect("it was asked for").imprecise = true;
    let written = text(&[terminated(heard)], 80, UNICODE);
    assert!(written.contains("its pod, heard 6 s before") && !written.contains("± 1 s"), "{written}");
}

#[test]
fn pods_in_80_and_120_columns() {
    let mut changes = pods();
    changes.push(terminated(behind_its_pod()));
    insta::assert_snapshot!("pods_80", text(&changes, 80, UNICODE));
    insta::assert_snapshot!("pods_120", text(&changes, 120, UNICODE));
}

#[test]
fn stopping_names_the_first_sign() {
    let no_stop = Termination { stop_signal: None, sender: None, ..fixtures::dropped() };
    let hook = Termination { stop_signal: None, kill: None, ..fixtures::too_slow() };
    let exit = Termination { kill: None, exit: Some(fixtures::exited(3)), ..no_stop.clone() };
    let changes = [fixtures::dropped(), no_stop, hook, exit, fixtures::hostile()].map(stopping);
    insta::assert_snapshot!(text(&changes, 100, UNICODE));
}

#[test]
fn a_causes_slug_is_shown_with_the_verdicts() {
    let termination = Termination { cause: Some(Cause::HandlerReraised), ..fixtures::dropped() };
    let written = text(&[terminated(termination)], 80, UNICODE);
    assert!(written.contains("sigterm-dropped, handler-reraised"), "{written}");
}

#[test]
fn a_new_day_is_told_once() {
    let mut view = Text::new(Vec::new(), CLOCK, UNICODE, 80);
    let lost = |hours: u64| Change {
        at: fixtures::ms(hours * 3_600_000),
        news: News::Lost(Lost { signal: 1, ..Lost::default() }),
    };
    show(&mut view, &[lost(0), lost(1), lost(12)]);
    let written = String::from_utf8(view.into_inner()).expect("text is UTF-8");
    let days: Vec<_> = written.lines().filter(|line| line.ends_with("(UTC)")).collect();
    assert_eq!(days, ["2026-11-21 (UTC)", "2026-11-22 (UTC)"]);
}

/// Whatever it is and however narrow the terminal: no line is too long, nothing raw gets through, nothing panics.
#[test]
fn no_line_is_too_wide_and_none_holds_a_control_character() {
    let mut changes = every_event();
    changes.extend(pods());
    changes.push(terminated(behind_its_pod()));
    for (_, termination) in cases() {
        changes.push(stopping(termination.clone()));
        changes.push(terminated(termination));
    }
    for columns in (0..240).step_by(7) {
        for ascii in [false, true] {
            for line in text(&changes, columns, Style { color: false, ascii }).lines() {
                assert!(width(line) <= columns.max(NARROWEST), "{columns}: {} {line}", width(line));
                assert!(!line.chars().any(char::is_control), "{line:?}");
            }
        }
    }
}

/// Figures no kernel would tell, as a damaged recording might: drawn somehow, never a panic.
#[test]
fn absurd_times() {
    for budget_ms in [None, Some(0), Some(1), Some(u64::MAX)] {
        for (started, exited) in [(0, u64::MAX), (u64::MAX, 0), (5, 5)] {
            let mut termination = fixtures::too_slow();
            termination.started = BootNs(started);
            termination.exited = Some(BootNs(exited));
            termination.ended = Some(BootNs(exited));
            termination.grace.budget_ms = budget_ms;
            termination.grace.used_ms = u64::MAX;
            termination.processes[0].exited = Some(BootNs(exited));
            let change = Change { at: BootNs(exited), news: News::Termination(std::sync::Arc::new(termination)) };
            assert!(!text(&[change], 80, UNICODE).is_empty());
        }
    }
}
