use super::*;
use crate::event::made::{Made, exit, fork, gone, signal};
use crate::event::{Event, Handler};
use crate::signal::Signal;
use crate::tui::testing::Stage;

const SIZES: [(u16, u16); 3] = [(80, 21), (120, 37), (200, 57)];

/// A container that drops SIGTERM.
fn dropped(number: u32, name: &str, from: u64) -> Vec<Event> {
    let made = Made { number };
    let first = made.task(1, "sh");
    let mut events = made.found(name, Some("shop/web-7d9f8b6c5-x2x4k"), Some(10_000), "sh");
    events.extend([
        signal(from, Signal::TERM, first, Made::runc(), Handler::Default),
        signal(from + 10_000, Signal::KILL, first, Made::runc(), Handler::Default),
        exit(from + 10_001, first, Made::runc(), 9),
        gone(from + 10_020, made),
    ]);
    events
}

/// Four that nobody reaps.
fn zombies(number: u32, from: u64) -> Vec<Event> {
    let made = Made { number };
    let first = made.task(1, "node");
    let mut events = made.found("queue", None, None, "node");
    for n in 0..4 {
        let child = made.task(10 + n, "curl");
        let at = from + u64::from(n) * 1_100;
        events.extend([fork(at, child, first), exit(at + 1, child, first, 0)]);
    }
    events
}

fn stage() -> Stage {
    let mut events = zombies(2, 4_000);
    events.extend(dropped(3, "app", 5_000));
    events.extend(dropped(4, "sidecar", 6_000));
    // one that stops well is no finding
    let made = Made { number: 5 };
    events.extend(made.found("fine", None, Some(10_000), "nginx"));
    events.push(signal(7_000, Signal::TERM, made.task(1, "nginx"), Made::runc(), Handler::Function));
    events.push(exit(9_000, made.task(1, "nginx"), Made::runc(), 0));
    events.push(gone(9_010, made));
    events.sort_by_key(|event| event.0);
    let mut stage = Stage::made(&events);
    stage.wait_until(20_000);
    stage
}

#[test]
fn what_is_so_now_comes_first() {
    let stage = stage();
    for size in SIZES {
        insta::assert_snapshot!(format!("findings_{}", size.0), stage.screen(&mut Findings::default(), size));
    }
    assert_eq!(Findings::default().badge(&stage.scene()), Some(("3".to_owned(), Tone::Bad)));
}

#[test]
fn every_condition_and_every_bad_verdict_of_the_recordings() {
    for name in [
        "stuck",
        "respawn-loop",
        "orphan-exit",
        "kill-9-from-inside",
        "oom",
        "segfault",
        "dumb-init-twice",
        "exec-left-behind",
    ] {
        let stage = Stage::recorded(name);
        let screen = stage.screen(&mut Findings::default(), (100, 40));
        assert!(!screen.contains("Nothing is wrong"), "{name}: {screen}");
    }
    for name in ["tini", "exits-0", "python-handler"] {
        let stage = Stage::recorded(name);
        assert!(collect::all(&stage.scene(), Order::Newest).is_empty(), "{name}");
    }
}

#[test]
fn worst_first_and_what_is_chosen_stays() {
    let stage = stage();
    let mut page = Findings::default();
    stage.screen(&mut page, (80, 21));
    stage.press(&mut page, "j");
    let chosen = page.chosen.clone();
    stage.press(&mut page, "s");
    assert_eq!((page.chosen.clone(), page.order), (chosen, Order::Worst));
    insta::assert_snapshot!("worst_80", stage.screen(&mut page, (80, 21)));
    // from a finding to its page
    assert_eq!(stage.press(&mut page, "Enter"), Effect::Show(PageKind::Shutdown, Some(Made { number: 4 }.id())));
    stage.press(&mut page, "G");
    assert_eq!(stage.press(&mut page, "Enter"), Effect::Show(PageKind::Zombies, Some(Made { number: 2 }.id())));
    // text that is longer than the room
    stage.press(&mut page, "g PgDn");
    assert!(stage.screen(&mut page, (80, 21)).contains('↑'));
    stage.click(&mut page, 2, 1);
    assert_eq!(page.index(&collect::all(&stage.scene(), page.order)), Some(1));
}

#[test]
fn one_or_all_for_a_ticket() {
    let stage = stage();
    let mut page = Findings::default();
    let Effect::Copy(markdown) = stage.press(&mut page, "y") else { panic!("nothing was copied") };
    assert!(markdown.starts_with("### ZOMBIES: queue"), "{markdown}");
    let Effect::Save(file, text) = stage.press(&mut page, "j w") else { panic!("nothing was saved") };
    assert!(text.contains("```text") && file.to_string_lossy().contains("sigterm-dropped"), "{file:?} {text}");
    let Effect::Save(file, json) = stage.press(&mut page, "J") else { panic!("nothing was saved") };
    assert!(json.starts_with("{\"kind\":\"termination\"") && file.extension().is_some_and(|ext| ext == "json"));
    let Effect::Save(file, all) = stage.press(&mut page, "W") else { panic!("nothing was saved") };
    assert_eq!((all.matches("### ").count(), file.to_str()), (3, Some("tracer-findings-20261121T140320Z.md")));
}

#[test]
fn told_again_and_again_it_is_one() {
    let made = Made { number: 3 };
    let (first, inside) = (made.task(1, "sh"), made.task(7, "kill"));
    let mut events = made.found("app", None, None, "sh");
    events.push(fork(2_000, inside, first));
    // the same ten times, which is told twice, and another
    events.extend((0..10).map(|n| signal(3_000 + n * 100, Signal::USR1, first, inside, Handler::Default)));
    events.push(signal(5_000, Signal::USR2, first, inside, Handler::Default));
    let stage = Stage::made(&events);
    let findings = collect::all(&stage.scene(), Order::Newest);
    assert_eq!(findings.iter().map(|finding| finding.times).collect::<Vec<_>>(), [1, 2]);
    assert!(stage.screen(&mut Findings::default(), (80, 21)).contains("2 times"));
}

#[test]
fn nothing_and_no_room() {
    let empty = Stage::made(&Made { number: 2 }.found("app", None, None, "node"));
    insta::assert_snapshot!("nothing_80", empty.screen(&mut Findings::default(), (80, 21)));
    assert!(matches!(empty.press(&mut Findings::default(), "y"), Effect::Say(_)));
    let mut stage = stage();
    stage.theme.ascii = true;
    let screen = stage.screen(&mut Findings::default(), (80, 21));
    assert!(screen.is_ascii(), "{screen}");
    for columns in (1..200).step_by(9) {
        for lines in (1..60).step_by(7) {
            let screen = stage.screen(&mut Findings::default(), (columns, lines));
            assert!(!screen.chars().any(|c| c.is_control() && c != '\n'), "{screen:?}");
        }
    }
}
