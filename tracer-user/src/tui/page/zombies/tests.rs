use super::*;
use crate::event::Event;
use crate::event::made::{Made, exit, figures, fork, joins, reaped};
use crate::tui::testing::Stage;

const SIZES: [(u16, u16); 3] = [(80, 21), (120, 37), (200, 57)];

/// PID 1 adopts what a shell leaves behind, and probes come in by exec.
fn adopted(number: u32, name: &str, count: u32, max: Option<u64>) -> Vec<Event> {
    let made = Made { number };
    let (first, shell) = (made.task(1, "node"), made.task(5, "sh"));
    let mut events = made.found(name, Some("shop/web-7d9f8b6c5-x2x4k"), None, "node");
    events.push(fork(1_000, shell, first));
    for n in 0..count {
        let at = 2_000 + u64::from(n) * 2_000;
        let child = made.task(10 + n, if n % 5 == 0 { "chrome" } else { "curl" });
        events.push(fork(at, child, if n % 3 == 0 { first } else { shell }));
        events.push(exit(at + 1, child, first, 0));
        events.push(figures(at + 1_100, made, 3 + u64::from(n), max));
    }
    let probe = made.task(900, "probe");
    events.extend(joins(2_000, probe));
    events.push(exit(2_001, probe, first, 0));
    events
}

/// A child of PID 1 that starts others and does not wait for them.
fn neglected(number: u32, name: &str, from: u64) -> Vec<Event> {
    let made = Made { number };
    let (first, server) = (made.task(1, "tini"), made.task(7, "日本語サーバ"));
    let mut events = made.found(name, None, None, "tini");
    events.push(fork(1_000, server, first));
    for n in 0..4 {
        let child = made.task(10 + n, "\x1b[2Jworker");
        events.push(fork(from, child, server));
        events.push(exit(from + 1, child, server, 9));
    }
    events
}

fn stage() -> Stage {
    let mut events = adopted(2, "app", 37, Some(44));
    events.extend(neglected(3, "queue", 90_000));
    events.sort_by_key(|event| event.0);
    let mut stage = Stage::made(&events);
    stage.wait_until(92_000);
    stage
}

#[test]
fn who_does_not_reap_and_when_it_is_full() {
    let stage = stage();
    for size in SIZES {
        let screen = stage.screen(&mut Zombies::default(), size);
        insta::assert_snapshot!(format!("zombies_{}", size.0), screen);
    }
}

/// The moment at which zombies were told as they fill the limit of pids.
fn nearly_full(node: &crate::model::Node) -> Option<BootNs> {
    node.conditions().map(|(at, _)| at).nth(1)
}

#[test]
fn a_limit_of_pids_is_filled() {
    let stage = Stage::recorded_until("zombies-fill-pids", nearly_full);
    for size in SIZES {
        insta::assert_snapshot!(format!("fill_pids_{}", size.0), stage.screen(&mut Zombies::default(), size));
    }
    let screen = stage.screen(&mut Zombies::default(), (80, 21));
    assert!(screen.contains(" 18 of 20; full in "), "{screen}");
    // a second later nothing can be started any more
    let full = Stage::recorded_until("zombies-fill-pids", |node| Some(nearly_full(node)?.plus_ms(2_500)));
    let screen = full.screen(&mut Zombies::default(), (80, 21));
    assert!(screen.contains(" 20 of 20: fork: Resource temporarily unavailable "), "{screen}");
}

#[test]
fn another_container_and_another_order() {
    let stage = stage();
    let mut page = Zombies::default();
    stage.screen(&mut page, (80, 21));
    assert_eq!(stage.press(&mut page, "j"), Effect::Draw);
    insta::assert_snapshot!("queue_80", stage.screen(&mut page, (80, 21)));
    // it stays chosen when the order changes
    stage.press(&mut page, "s");
    assert_eq!(page.chosen, Some(Made { number: 3 }.id()));
    assert_eq!(stage.press(&mut page, "Enter"), Effect::Show(PageKind::Shutdown, Some(Made { number: 3 }.id())));
    assert_eq!(page.order, Order::Rate);
    stage.press(&mut page, "s s s");
    assert_eq!(page.order, Order::Count);
    // the mouse: the first line of the table
    let stage_screen = stage.screen(&mut page, (80, 21));
    assert!(stage_screen.contains("CONTAINER"));
    stage.click(&mut page, 3, 1);
    assert_eq!(page.chosen, Some(Made { number: 2 }.id()));
}

#[test]
fn what_is_copied_is_the_finding() {
    let stage = stage();
    let mut page = Zombies::default();
    let Effect::Copy(markdown) = stage.press(&mut page, "y") else { panic!("nothing was copied") };
    assert!(markdown.contains("### ZOMBIES: shop/web") && markdown.contains("**Fix:**"), "{markdown}");
    let Effect::Save(file, json) = stage.press(&mut page, "J") else { panic!("nothing was saved") };
    assert!(json.contains("\"condition\":\"zombies\"") && file.extension().is_some_and(|ext| ext == "json"));
}

#[test]
fn nobody_and_no_room() {
    let empty = Stage::made(&Made { number: 2 }.found("app", None, None, "node"));
    insta::assert_snapshot!("none_80", empty.screen(&mut Zombies::default(), (80, 21)));
    assert_eq!(empty.press(&mut Zombies::default(), "j"), Effect::Draw);
    let mut stage = stage();
    stage.theme.ascii = true;
    let screen = stage.screen(&mut Zombies::default(), (80, 21));
    assert!(screen.is_ascii(), "{screen}");
    for columns in (1..200).step_by(9) {
        for lines in (1..60).step_by(7) {
            let screen = stage.screen(&mut Zombies::default(), (columns, lines));
            assert!(!screen.chars().any(|c| c.is_control() && c != '\n'), "{screen:?}");
        }
    }
}

#[test]
fn those_that_are_reaped_are_gone_from_the_page() {
    let made = Made { number: 3 };
    let mut events = neglected(3, "queue", 2_000);
    events.extend((0..4).map(|n| reaped(5_000, made.task(10 + n, "worker"))));
    let mut stage = Stage::made(&events);
    stage.wait_until(6_000);
    assert!(stage.screen(&mut Zombies::default(), (80, 21)).contains("No zombies"));
    assert_eq!(Zombies::default().next(&stage.scene()), None);
}
