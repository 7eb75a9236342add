use ratatui::style::Color;

use super::*;
use crate::event::made::{Made, at, exit, fork, gone, signal};
use crate::event::{Deletion, Event, Handler, PodName, PodTold, What};
use crate::model::Node;
use crate::signal::Signal;
use crate::tui::testing::Stage;
use crate::tui::theme::Colors;

/// What the frame around the pages leaves of 80x24, 120x40 and 200x60.
const SIZES: [(u16, u16); 3] = [(80, 21), (120, 37), (200, 57)];

/// When so much time has passed since the first sign of a stop.
fn after(ms: u64) -> impl Fn(&Node) -> Option<BootNs> {
    move |node| {
        let stop = node.containers().find_map(|(_, container)| container.stop.as_ref())?;
        Some(stop.started.plus_ms(ms))
    }
}

fn snapshots(name: &str, stage: &Stage) {
    for size in SIZES {
        let screen = stage.screen(&mut Shutdown::default(), size);
        insta::assert_snapshot!(format!("{name}_{}", size.0), screen);
    }
}

/// `docker stop` of a shell that drops SIGTERM.
fn dropped(number: u32, name: &str, pod: Option<&str>, from: u64) -> Vec<Event> {
    let made = Made { number };
    let (first, child) = (made.task(1, "sh"), made.task(7, "sleep"));
    let mut events = made.found(name, pod, Some(30_000), "sh");
    events.extend([
        Made::seen(1, child, first),
        signal(from, Signal::TERM, first, Made::runc(), Handler::Default),
        signal(from + 30_000, Signal::KILL, first, Made::runc(), Handler::Default),
        exit(from + 30_001, first, Made::runc(), 9),
        signal(from + 30_002, Signal::KILL, child, first, Handler::Default),
        exit(from + 30_003, child, first, 9),
        gone(from + 30_020, made),
    ]);
    events
}

/// One that passes SIGTERM on to a tree of depth 3, but not to the lowest.
fn tree(number: u32, name: &str, pod: Option<&str>, from: u64) -> Vec<Event> {
    let made = Made { number };
    let first = made.task(1, "supervisord");
    let (shell, server) = (made.task(8, "sh"), made.task(9, "gunicorn"));
    let (one, two) = (made.task(10, "gunicorn"), made.task(11, "gunicorn"));
    let mut events = made.found(name, pod, Some(10_000), "supervisord");
    events.extend([
        fork(2, shell, first),
        fork(3, server, shell),
        fork(4, one, server),
        fork(5, two, server),
        signal(from, Signal::TERM, first, Made::runc(), Handler::Function),
        signal(from + 2, Signal::TERM, shell, first, Handler::Default),
        exit(from + 4, shell, first, 15),
        exit(from + 1_500, first, Made::runc(), 0),
        signal(from + 1_501, Signal::KILL, server, first, Handler::Default),
        signal(from + 1_501, Signal::KILL, one, first, Handler::Default),
        signal(from + 1_501, Signal::KILL, two, first, Handler::Default),
        exit(from + 1_502, server, first, 9),
        exit(from + 1_503, one, first, 9),
        exit(from + 1_504, two, first, 9),
        gone(from + 1_540, made),
    ]);
    events
}

fn merged(mut events: Vec<Event>, more: Vec<Event>) -> Vec<Event> {
    events.extend(more);
    events.sort_by_key(|event| event.0);
    events
}

fn until(events: Vec<Event>, ms: u64) -> Stage {
    let events: Vec<_> = events.into_iter().filter(|event| event.0 <= at(ms)).collect();
    let mut stage = Stage::made(&events);
    stage.wait_until(ms);
    stage
}

/// A pod whose sidecar stops at once while the app holds out.
fn pod() -> Vec<Event> {
    let mut sidecar = tree(3, "envoy", Some("shop/web-7d9f8b6c5-x2x4k"), 5_040);
    sidecar.extend(Made { number: 4 }.found("logs", Some("shop/web-7d9f8b6c5-x2x4k"), Some(30_000), "fluent-bit"));
    merged(dropped(2, "app", Some("shop/web-7d9f8b6c5-x2x4k"), 5_000), sidecar)
}

#[test]
fn dropped_and_over() {
    snapshots("dropped_over", &Stage::recorded("dash-drops"));
}

#[test]
fn dropped_at_a_third_of_the_grace_period() {
    snapshots("dropped_third", &Stage::recorded_until("dash-drops", after(1_000)));
}

#[test]
fn graceful() {
    snapshots("graceful", &Stage::recorded("python-handler"));
}

#[test]
fn not_forwarded_in_a_tree_of_depth_3() {
    snapshots("tree_over", &Stage::made(&tree(2, "queue", None, 5_000)));
    snapshots("tree_going_on", &until(tree(2, "queue", None, 5_000), 6_000));
}

/// The API of Kubernetes told that its pod was deleted some time before.
#[test]
fn a_pod_that_was_deleted_before_anything_came_of_it() {
    let pod = PodName { namespace: "shop".to_owned(), name: "web".to_owned(), uid: "uid-of-web".to_owned() };
    let deletion = Some(Deletion { requested: at(5_000), grace_ms: 30_000, imprecise: false });
    let told = What::Pod(PodTold { pod, owner: None, deletion, gone: false });
    let events = merged(dropped(2, "app", Some("shop/web"), 11_500), vec![Event(at(5_100), told)]);
    let stage = Stage::made(&events);
    insta::assert_snapshot!("deleted_80", stage.screen(&mut Shutdown::default(), SIZES[0]));
}

#[test]
fn a_hook_before_it() {
    snapshots("hook_over", &Stage::recorded("kubelet-prestop"));
    // the stop becomes known with its signal
    snapshots("hook_going_on", &Stage::recorded_until("kubelet-prestop", after(3_000)));
}

#[test]
fn a_pod_of_three_containers() {
    snapshots("pod_third", &until(pod(), 15_000));
    snapshots("pod_over", &Stage::made(&pod()));
}

/// More processes than lines, all told to end and all slow.
fn crowd(from: u64) -> Vec<Event> {
    let made = Made { number: 2 };
    let first = made.task(1, "postgres");
    let workers: Vec<_> = (0..300).map(|n| made.task(20 + n, "postgres")).collect();
    let mut events = made.found("db", None, Some(10_000), "postgres");
    events.extend(workers.iter().map(|worker| fork(2, *worker, first)));
    events.push(signal(from, Signal::TERM, first, Made::runc(), Handler::Function));
    events.extend(workers.iter().map(|worker| signal(from + 3, Signal::TERM, *worker, first, Handler::Function)));
    events
        .extend(workers.iter().take(100).enumerate().map(|(n, worker)| exit(from + 100 + n as u64, *worker, first, 0)));
    events
}

#[test]
fn three_hundred_processes() {
    let stage = until(crowd(5_000), 9_000);
    snapshots("crowd", &stage);
    let mut page = Shutdown::default();
    stage.screen(&mut page, (80, 21));
    stage.press(&mut page, "PgDn PgDn");
    insta::assert_snapshot!("crowd_scrolled", stage.screen(&mut page, (80, 21)));
    // those that still run
    stage.press(&mut page, "r");
    insta::assert_snapshot!("crowd_running", stage.screen(&mut page, (80, 21)));
    // what cannot be scrolled to does not exist
    stage.press(&mut page, &["PgDn"; 200].join(" "));
    let screen = stage.screen(&mut page, (80, 21));
    assert!(!screen.contains("running ") || screen.contains(" ↑"), "{screen}");
    assert!(screen.contains("256 processes") && !screen.contains(" ↓"), "{screen}");
}

#[test]
fn hostile_and_wide_names() {
    let made = Made { number: 2 };
    let first = made.task(1, "日本語サーバ");
    let evil = made.task(7, "\x1b[2J\x07\n;rm");
    let long = "very-long-name-of-a-deployment-that-nobody-can-remember-5d8f7c9b6d-abcde";
    let mut events = made.found("コンテナ\x1b[31m", Some(&format!("生産/{long}")), Some(30_000), "日本語サーバ");
    events.extend([
        Made::seen(1, evil, first),
        signal(5_000, Signal::TERM, first, Made::runc(), Handler::Function),
        signal(5_001, Signal::TERM, evil, first, Handler::Default),
        exit(5_002, evil, first, 15),
    ]);
    let stage = until(events, 6_000);
    snapshots("hostile", &stage);
    for columns in (1..200).step_by(7) {
        for lines in (1..60).step_by(5) {
            for keys in ["e", "Enter", "Home", "H"] {
                let mut page = Shutdown::default();
                stage.press(&mut page, keys);
                let screen = stage.screen(&mut page, (columns, lines));
                assert!(!screen.chars().any(|c| c.is_control() && c != '\n'), "{screen:?}");
            }
        }
    }
}

#[test]
fn ascii_and_too_small() {
    let mut stage = Stage::recorded("dumb-init-twice");
    stage.theme.ascii = true;
    let screen = stage.screen(&mut Shutdown::default(), (80, 21));
    assert!(screen.is_ascii(), "{screen}");
    insta::assert_snapshot!("ascii_80", screen);
    insta::assert_snapshot!("small", stage.screen(&mut Shutdown::default(), (40, 9)));
    insta::assert_snapshot!("too_small", stage.screen(&mut Shutdown::default(), (29, 5)));
}

#[test]
fn before_anything_was_stopped() {
    let stage = Stage::made(&Made { number: 2 }.found("app", Some("shop/web"), Some(30_000), "node"));
    insta::assert_snapshot!("nothing_80", stage.screen(&mut Shutdown::default(), (80, 21)));
    let mut page = Shutdown::default();
    page.select(&Made { number: 2 }.id(), &stage.scene());
    insta::assert_snapshot!("nothing_of_one_80", stage.screen(&mut page, (80, 21)));
}

/// Two that ended and one that goes on, the newest first in the list.
fn three() -> Stage {
    let mut events = merged(dropped(2, "before", None, 5_000), tree(3, "after", None, 50_000));
    events = merged(events, dropped(4, "now", None, 60_000));
    until(events, 70_000)
}

fn line<'a>(screen: &'a str, with: &str) -> &'a str {
    screen.lines().find(|line| line.contains(with)).unwrap_or_else(|| panic!("no {with:?} in\n{screen}"))
}

#[test]
fn from_stop_to_stop() {
    let stage = three();
    let mut page = Shutdown::default();
    let heading = |page: &mut Shutdown| {
        let screen = stage.screen(page, (80, 21));
        screen.lines().nth(4).map(str::to_owned).unwrap_or_default()
    };
    assert!(heading(&mut page).contains("STOPPING  now"));
    stage.press(&mut page, "j");
    assert!(heading(&mut page).contains("NOT FORWARDED  after"));
    stage.press(&mut page, "Down j j");
    assert!(heading(&mut page).contains("SIGTERM DROPPED  before"), "the last one stays the last");
    stage.press(&mut page, "g");
    assert!(heading(&mut page).contains("now"));
    stage.press(&mut page, "G k");
    assert!(heading(&mut page).contains("after"));
    // a click on the list, a click on the picture
    assert_eq!(stage.click(&mut page, 4, 2), Effect::Draw);
    assert!(heading(&mut page).contains("before"));
    assert_eq!(stage.click(&mut page, 40, 6), Effect::Draw);
    assert!(matches!(page.cursor, Some(Cursor::At(_))));
    // back: the cursor, then the newest again, then it is for somebody else
    stage.press(&mut page, "Esc");
    assert_eq!(page.cursor, None);
    stage.press(&mut page, "Esc");
    assert!(heading(&mut page).contains("now"));
    assert_eq!(stage.press(&mut page, "Esc"), Effect::Pass);
    assert_eq!(stage.press(&mut page, "x"), Effect::Pass);
}

#[test]
fn a_stop_that_is_looked_at_stays_when_it_ends() {
    let events = dropped(4, "now", None, 60_000);
    let mut stage = until(events.clone(), 70_000);
    let mut page = Shutdown::default();
    stage.screen(&mut page, (80, 21));
    stage.press(&mut page, "j");
    let focus = page.focus.clone();
    assert!(matches!(focus, Focus::Stop(_)));
    for event in events.iter().filter(|event| event.0 > at(70_000)) {
        stage.take(event);
    }
    let screen = stage.screen(&mut page, (80, 21));
    assert!(screen.contains("SIGTERM DROPPED  now"), "{screen}");
    assert_eq!(page.focus, focus);
}

#[test]
fn along_the_axis() {
    let stage = Stage::made(&tree(2, "queue", None, 5_000));
    let mut page = Shutdown::default();
    stage.screen(&mut page, (80, 21));
    let mut told = |keys: &str| {
        stage.press(&mut page, keys);
        let screen = stage.screen(&mut page, (80, 21));
        // the line between the legend and the sentences
        let legend = screen.lines().position(|line| line.contains("● caught")).expect("a legend");
        screen.lines().nth(legend + 1).map(|line| line.trim_matches(['"', ' ']).to_owned()).unwrap_or_default()
    };
    assert!(told("Home").starts_with("0 ms runc 90 sent SIGTERM to supervisord"), "{}", told("Home"));
    assert!(told("Home").contains("and 2 more") || told("Home").contains("caught"));
    assert!(told("L").starts_with("2 ms supervisord 200001 (PID 1) passed SIGTERM on"));
    assert!(told("L").starts_with("4 ms sh 200008 (ns 8) killed by SIGTERM"));
    assert!(told("S-Right").starts_with("1.50 s supervisord 200001 (PID 1) exited with code 0"));
    assert!(told("L").starts_with("1.50 s with PID 1 gone the kernel killed gunicorn"));
    assert!(told("H H").starts_with("4 ms"));
    // from the mark at the left edge to the right, column by column
    assert!(told("l").contains("left; 4 processes running"), "{}", told("h"));
    assert!(told("Home h h").starts_with("0 ms"));
    // beyond the last mark is the end
    assert!(told("End").starts_with("1.50 s"));
    assert!(told("L L l l").starts_with("1.50 s"));
    insta::assert_snapshot!("cursor_80", {
        stage.press(&mut page, "Home l l l");
        stage.screen(&mut page, (80, 21))
    });
}

/// `kill -9 1` from inside, and a `docker stop` after it: the page of the stop tells both.
#[test]
fn what_was_wrong_before_the_stop_is_told() {
    let stage = Stage::recorded("kill-9-from-inside");
    let screen = stage.screen(&mut Shutdown::default(), (80, 21));
    assert!(screen.contains("Before   315 ms before the stop: sh (pid 8 in the container) sent SIGKILL"), "{screen}");
    assert!(screen.contains("not even SIGKILL reaches an init"), "{screen}");
    snapshots("kill_9", &stage);
}

/// A container that nobody stops, opened by its name: what is wrong with it is on the page, and who gets its orphans.
#[test]
fn what_is_wrong_while_it_runs_is_told() {
    let told = |recording, until: fn(&Node) -> Option<BootNs>| {
        let stage = Stage::recorded_until(recording, until);
        let id = stage.node.containers().map(|(_, container)| container.name.id.clone()).next().expect("a container");
        let mut page = Shutdown::default();
        page.select(&id, &stage.scene());
        stage.screen(&mut page, (80, 21))
    };
    let screen = told("zombies", |node| node.conditions().map(|(at, _)| at).next());
    assert!(screen.contains("Now      9 zombies (python3 ×9)"), "{screen}");
    let screen = told("tini-not-first", |node| {
        let tini = node.processes().iter().find(|process| process.comm().as_str() == "tini")?;
        Some(BootNs(tini.task.start).plus_ms(20))
    });
    assert!(screen.contains("Init     PID 1 is sh; tini is pid 7 (not PID 1), so orphans go to sh"), "{screen}");
}

/// Whatever does not fit leaves a mark: at each height of a terminal of 80 columns.
#[test]
fn nothing_is_cut_without_a_mark() {
    for name in ["npm-start", "celery-dumb-init", "tini-shell", "kill-9-from-inside", "bash-trap-forwards"] {
        let stage = Stage::recorded(name);
        let entries = stops::entries(&stage.scene());
        let sections = keys::sections(&entries, 0, &stage.scene());
        let moments = keys::moments_of(&sections, stage.now).len();
        for height in 14..40 {
            let screen = stage.screen(&mut Shutdown::default(), (80, height));
            let lines: Vec<_> = screen.lines().map(|line| line.trim_matches('"').trim_end()).collect();
            // the list of what happened is whole, or says how much of it is not to be seen
            let title = lines.iter().position(|line| line.contains("─ What happened"));
            let whole = title.is_some_and(|title| lines.len() - title > moments);
            let marked = title.is_some_and(|title| lines[title].contains(" more: H L "));
            assert!(whole || marked || screen.contains("e: all of it"), "{name}, {height} lines:\n{screen}");
            let legend = screen.contains("■ exit") || lines.iter().any(|line| line.ends_with('…'));
            assert!(legend, "{name}, {height} lines:\n{screen}");
        }
    }
}

#[test]
fn two_are_compared() {
    let stage = three();
    let mut page = Shutdown::default();
    stage.screen(&mut page, (80, 21));
    assert!(matches!(stage.press(&mut page, "c"), Effect::Say(_)), "it goes on");
    assert_eq!(page.marked, None);
    stage.press(&mut page, "j c");
    assert!(page.marked.is_some());
    assert!(line(&stage.screen(&mut page, (80, 21)), " after").contains("c✖"), "marked in the list");
    stage.press(&mut page, "c");
    assert_eq!(page.marked, None, "the same again takes the mark away");
    stage.press(&mut page, "c j c");
    insta::assert_snapshot!("compare_80", stage.screen(&mut page, (80, 21)));
    insta::assert_snapshot!("compare_120", stage.screen(&mut page, (120, 37)));
    stage.press(&mut page, "Esc");
    assert_eq!(page.mode, Mode::Both);
}

#[test]
fn alone_and_in_words() {
    let stage = three();
    let mut page = Shutdown::default();
    stage.press(&mut page, "Enter");
    insta::assert_snapshot!("alone_80", stage.screen(&mut page, (80, 21)));
    stage.press(&mut page, "e");
    insta::assert_snapshot!("words_going_on_80", stage.screen(&mut page, (80, 21)));
    stage.press(&mut page, "j");
    insta::assert_snapshot!("words_80", stage.screen(&mut page, (80, 21)));
    stage.press(&mut page, "PgDn");
    assert!(stage.screen(&mut page, (80, 21)).contains('↑'));
    stage.press(&mut page, "e");
    assert_eq!(page.mode, Mode::Both);
}

#[test]
fn what_is_written_down() {
    let stage = three();
    let mut page = Shutdown::default();
    let Effect::Copy(so_far) = stage.press(&mut page, "y") else { panic!("nothing was copied") };
    assert!(so_far.starts_with("### STOPPING: now") && !so_far.contains("Verdict"), "{so_far}");
    assert!(matches!(stage.press(&mut page, "J"), Effect::Say(_)), "no JSON before it is over");
    let Effect::Save(file, text) = stage.press(&mut page, "j w") else { panic!("nothing was saved") };
    assert_eq!(file.to_str(), Some("tracer-after-not-forwarded-20261121T140350Z.md"));
    assert!(text.contains("```text") && text.contains("NOT FORWARDED"), "{text}");
    let Effect::Save(_, json) = stage.press(&mut page, "J") else { panic!("nothing was saved") };
    assert!(json.contains("\"verdict\":\"not-forwarded\""), "{json}");
}

/// Colours, where they carry meaning: each of these must also differ by shape or by word.
#[test]
fn colours_say_what_shapes_say() {
    let mut stage = three();
    stage.theme.colors = Colors::Sixteen;
    let mut page = Shutdown::default();
    let terminal = stage.terminal(&mut page, (80, 21));
    let buffer = terminal.backend().buffer();
    let color = |symbol: &str| buffer.content().iter().find(|cell| cell.symbol() == symbol).map(|cell| cell.fg);
    assert_eq!(color("⊘"), Some(Color::Red));
    assert_eq!(color("█"), Some(Color::Green), "a third is used");
    stage.wait_until(60_000 + 20_000);
    let terminal = stage.terminal(&mut page, (80, 21));
    let used = terminal.backend().buffer().content().iter().find(|cell| cell.symbol() == "█").map(|cell| cell.fg);
    assert_eq!(used, Some(Color::Magenta), "two thirds are used");
    stage.theme.colors = Colors::None;
    let terminal = stage.terminal(&mut page, (80, 21));
    assert!(
        terminal.backend().buffer().content().iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
    );
}

/// A kill from the host, a countdown that is over, a grace period that nobody knows.
#[test]
fn countdowns() {
    let mut stage = until(dropped(2, "app", None, 5_000), 6_000);
    let heading = |stage: &Stage| {
        let screen = stage.screen(&mut Shutdown::default(), (80, 21));
        line(&screen, "STOPPING  app").trim_matches('"').split("  ").last().unwrap_or_default().trim().to_owned()
    };
    assert_eq!(heading(&stage), "29.0 s left of 30 s");
    stage.wait_until(34_950);
    assert_eq!(heading(&stage), "0.0 s left of 30 s");
    stage.wait_until(36_200);
    assert_eq!(heading(&stage), "1.2 s over the 30 s");
    let made = Made { number: 7 };
    let mut events = made.found("app", None, None, "sh");
    events.push(signal(5_000, Signal::TERM, made.task(1, "sh"), Made::runc(), Handler::Default));
    assert_eq!(heading(&until(events, 7_500)), "2.5 s so far");
}
