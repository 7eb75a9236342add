use crossterm::event::MouseEventKind;
use ratatui::style::Color;

use crate::event::{Described, Event, Foreseen, Foresight, PodName, What};
use crate::model::Node;
use crate::output::Clock;
use crate::signal::Signal;
use crate::tui::input::{Effect, Seek};
use crate::tui::page::PageKind;
use crate::tui::stand::{self, BUSY, PLAIN, Stand};
use crate::tui::theme::{Colors, Theme};

/// Two pods: one of three containers, one of one.
fn in_pods(described: &mut Described) {
    let pod = |name: &str| PodName { namespace: "shop".to_owned(), name: name.to_owned(), uid: name.to_owned() };
    described.pod = match described.name.as_deref() {
        Some("bash-drops" | "tini" | "java") => Some(pod("web-7d9f8b6c5-x2x4k")),
        Some("node-plain") => Some(pod("api-0")),
        _ => None,
    };
}

fn busy() -> Stand {
    let mut stand = Stand::changed(&BUSY, in_pods);
    stand.press("1");
    stand
}

/// Some stop, some run, some are gone.
fn in_the_middle() -> Stand {
    let mut stand = busy();
    stand.player.seek(Seek::Start).expect("memory");
    stand.player.seek(Seek::By(4_500)).expect("memory");
    stand
}

/// Four containers that nobody stops, after a look at their first processes: of one nothing is known.
fn foreseen() -> Stand {
    let (mut events, clock) = stand::events_of(&["bash-drops", "tini", "blocks", "zombies"]);
    let is_end = |what: &What| matches!(what, What::Signal(_) | What::Exit(_) | What::Reaped(_) | What::CgroupGone(_));
    events.retain(|event| !is_end(&event.1));
    let mut node = Node::new();
    for event in &events {
        node.apply(event);
    }
    for (_, container) in node.containers() {
        let (foreseen, why, fix) = match container.name.name.as_deref() {
            Some("bash-drops") => {
                (Foreseen::Dropped, "bash (PID 1) has no handler for SIGTERM.", Some("Handle it.".to_owned()))
            }
            Some("tini") => (Foreseen::Taken, "tini (PID 1) waits for it.", None),
            Some("blocks") => (Foreseen::Unknown, "python3 (PID 1) blocks it, and may take it later.", None),
            _ => continue,
        };
        let task = container.first.expect("it runs");
        let foresight = Foresight { task, signal: Signal::TERM, foreseen, why: why.to_owned(), fix, notes: Vec::new() };
        events.push(Event(node.now(), What::Foreseen(foresight)));
    }
    let mut stand = Stand::over(events, clock, PLAIN);
    stand.press("1");
    stand
}

/// What is in the first column, line by line.
fn names(stand: &mut Stand) -> Vec<String> {
    let screen = stand.screen((80, 40));
    let list = screen.lines().skip(3).take_while(|line| !line.contains("──"));
    let names = list.map(|line| line.trim_start_matches('"').chars().skip(1).take(16).collect::<String>());
    names.map(|name| name.trim_end().to_owned()).filter(|name| !name.is_empty()).collect()
}

#[test]
fn a_busy_node() {
    for (columns, lines) in [(80, 24), (120, 40), (200, 60)] {
        insta::assert_snapshot!(format!("busy_{columns}"), busy().screen((columns, lines)));
        insta::assert_snapshot!(format!("middle_{columns}"), in_the_middle().screen((columns, lines)));
    }
    insta::assert_snapshot!("middle_40", in_the_middle().screen((40, 12)));
    let mut ascii = in_the_middle();
    ascii.press("z");
    ascii.player.app.set_theme(Theme { ascii: true, ..PLAIN });
    let screen = ascii.screen((80, 24));
    assert!(screen.is_ascii(), "{screen}");
    insta::assert_snapshot!("ascii_80", screen);
}

#[test]
fn what_a_stop_signal_would_meet_is_told_before_one_is_sent() {
    for (columns, lines) in [(80, 24), (120, 40), (200, 60)] {
        insta::assert_snapshot!(format!("foreseen_{columns}"), foreseen().screen((columns, lines)));
    }
    let mut stand = foreseen();
    stand.player.app.set_theme(Theme { colors: Colors::Sixteen, ascii: false });
    stand.press("G");
    let buffer = stand.buffer((120, 40));
    for (text, color) in [("~dropped", Color::Red), ("~taken", Color::Green)] {
        assert_eq!(stand::find(&buffer, text).map(|cell| cell.fg), Some(color), "{text}");
    }
    // whoever would not stop comes before those that would, and why is told
    let mut stand = foreseen();
    assert_eq!(names(&mut stand)[0], "bash-drops");
    let screen = stand.screen((80, 24));
    assert!(screen.contains("SIGTERM would be dropped: bash (PID 1) has no handler"), "{screen}");
    assert!(screen.contains("Fix  Handle it."), "{screen}");
    stand.press("Enter");
    let screen = stand.screen((80, 24));
    assert!(screen.contains("Then     SIGTERM would be dropped") && screen.contains("Fix      Handle it."), "{screen}");
}

#[test]
fn a_recording_of_the_chosen_one_is_asked_for_with_one_key() {
    let mut stand = busy();
    stand.press("/");
    stand.type_in("segfault");
    stand.press("Enter");
    let effect = stand.press("R");
    let Effect::Record(path, Some(id)) = &effect else { panic!("{effect:?}") };
    assert!(path.to_string_lossy().starts_with("tracer-segfault-2"), "{path:?}");
    assert_eq!(path.extension().and_then(|extension| extension.to_str()), Some("rec"));
    for page in ["2", "5"] {
        stand.press("1 Enter");
        stand.press(page);
        assert!(matches!(stand.press("R"), Effect::Record(..)), "page {page}");
    }
    assert_eq!(id.len(), 64);
}

#[test]
fn nothing_is_here() {
    let mut stand = Stand::over(Vec::new(), Clock::default(), PLAIN);
    assert!(stand.screen((80, 24)).contains("no container is here yet"));
    for key in ["j", "k", "G", "Enter", "s", "S", "h", "l", "z", "PgDn"] {
        assert_ne!(stand.press(key), Effect::Quit);
    }
    assert_eq!(stand.click(3, 4), Effect::Pass);
}

#[test]
fn problems_come_first_and_colours_say_the_same() {
    let mut stand = in_the_middle();
    stand.player.app.set_theme(Theme { colors: Colors::Sixteen, ascii: false });
    stand.press("G");
    let buffer = stand.buffer((120, 40));
    for (text, color) in [
        ("▶", Color::Magenta),
        ("✖ sigterm-dropped", Color::Red),
        ("✔ graceful", Color::Green),
        ("dropped", Color::Red),
        ("blocked", Color::Magenta),
    ] {
        assert_eq!(stand::find(&buffer, text).map(|cell| cell.fg), Some(color), "{text}");
    }
    let mut end = busy();
    let screen = end.screen((120, 40));
    let place = |text: &str| screen.lines().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{text}"));
    assert!(place("✖ sigterm-dropped") < place("✔ graceful"));
}

#[test]
fn enter_and_a_second_click_open_the_shutdown() {
    let mut stand = busy();
    stand.press("/");
    stand.type_in("segfault");
    stand.press("Enter Enter");
    assert_eq!(stand.player.app.page(), PageKind::Shutdown);
    stand.press("1");
    stand.screen((80, 24));
    stand.click(5, 3);
    assert_eq!(stand.player.app.page(), PageKind::Shutdown, "it was chosen already");
    let mut stand = busy();
    stand.screen((80, 24));
    assert_eq!(stand.click(5, 6), Effect::Draw);
    assert_eq!(stand.player.app.page(), PageKind::Containers, "the first click chooses");
    stand.screen((80, 24));
    stand.click(5, 6);
    assert_eq!(stand.player.app.page(), PageKind::Shutdown);
}

#[test]
fn letters_in_order_filter_and_esc_shows_all() {
    let mut stand = busy();
    let all = names(&mut stand).len();
    stand.press("/");
    stand.type_in("bshdrp");
    let found = names(&mut stand);
    assert!(found.iter().any(|name| name.ends_with("/bash-drops")), "{found:?}");
    assert!(stand.screen((80, 24)).contains("/bshdrp_"));
    stand.press("Enter");
    assert!(stand.screen((80, 24)).contains("/bshdrp ") && names(&mut stand).len() < all);
    stand.press("Esc");
    assert_eq!(names(&mut stand).len(), all);
    // by verdict and by pod, too
    for (text, expect) in [("crashed", "segfault"), ("shop/api", "api-0/node-plain"), ("nothing like it", "")] {
        stand.press("/");
        stand.type_in(text);
        let screen = stand.screen((80, 24));
        assert!(
            if expect.is_empty() { screen.contains("no container fits") } else { screen.contains(expect) },
            "{screen}"
        );
        stand.press("Esc");
    }
}

#[test]
fn a_pod_is_folded_into_a_line_with_its_worst() {
    let mut stand = busy();
    let open = names(&mut stand);
    assert!(open.iter().any(|name| name.starts_with("▾ shop/web")), "{open:?}");
    let place = open.iter().position(|name| name.starts_with('▾')).expect("a pod");
    let worst = stand.screen((80, 40)).lines().nth(3 + place + 1).map(str::to_owned).expect("its first container");
    assert!(worst.contains("sigterm-dropped"), "{worst}");
    stand.press("g");
    (0..place + 2).for_each(|_| drop(stand.press("j")));
    stand.press("h");
    let folded = names(&mut stand);
    assert_eq!(folded.len(), open.len() - 3);
    let line = stand.screen((80, 40)).lines().nth(3 + place).map(str::to_owned).expect("the pod");
    assert!(line.contains("▸ web-") && line.contains("sigterm-dropped") && line.contains("(3)"), "{line}");
    // Enter on the pod unfolds it again
    stand.press("Enter");
    assert_eq!(names(&mut stand), open);
    stand.press("z");
    assert_eq!(names(&mut stand), folded);
    stand.press("z");
    assert_eq!(names(&mut stand), open);
}

#[test]
fn the_choice_stays_with_its_container_when_the_order_changes() {
    let mut stand = busy();
    stand.press("/");
    stand.type_in("zombies");
    stand.press("Enter j");
    stand.press("Esc");
    let about = |stand: &mut Stand| {
        let screen = stand.screen((80, 24));
        let rule = screen.lines().find(|line| line.contains("── ")).expect("the chosen one is told of");
        rule.split(" ─").next().map(str::to_owned)
    };
    let chosen = about(&mut stand);
    for key in ["s", "s", "S", "s", "s", "s", "s"] {
        stand.press(key);
        assert_eq!(about(&mut stand), chosen, "after {key}");
    }
}

#[test]
fn sorting_by_name_and_back() {
    let mut stand = busy();
    stand.press("s");
    assert!(stand.screen((80, 24)).contains("sorted by name"));
    let tops = |stand: &mut Stand| names(stand).into_iter().filter(|name| !name.starts_with(' ')).collect::<Vec<_>>();
    let by_name = tops(&mut stand);
    let plain: Vec<_> = by_name.iter().filter(|name| !name.contains('/')).cloned().collect();
    assert!(plain.is_sorted(), "{plain:?}");
    stand.press("S");
    let mut reversed = tops(&mut stand);
    reversed.reverse();
    assert_eq!(reversed, by_name);
}

#[test]
fn the_wheel_moves_the_choice() {
    let mut stand = busy();
    let about = |stand: &mut Stand| stand.screen((80, 24)).lines().find(|line| line.contains("── ")).map(str::to_owned);
    let first = about(&mut stand);
    stand.mouse(MouseEventKind::ScrollDown, 5, 5);
    assert_ne!(about(&mut stand), first);
    stand.mouse(MouseEventKind::ScrollUp, 5, 5);
    assert_eq!(about(&mut stand), first);
}

#[test]
fn a_container_that_was_replaced_is_one_line() {
    let mut stand = Stand::of(&["restart"]);
    stand.press("1");
    let lines = names(&mut stand);
    assert_eq!(lines.len(), 1, "{lines:?}");
}

/// Rows that there is no room for are counted where it is seen.
#[test]
fn rows_beyond_the_screen_are_told() {
    let mut busy = busy();
    let screen = busy.screen((80, 24));
    assert!(screen.contains("↓1 more: j k"), "{screen}");
    busy.press("G");
    let screen = busy.screen((80, 24));
    assert!(screen.contains("↑1 more: j k"), "{screen}");
    assert!(!busy.screen((120, 40)).contains(" more: j k"), "there is room for all");
}

#[test]
fn ages_and_rates_are_drawn_anew_when_they_change() {
    let mut stand = busy();
    let (app, moment) = stand.player.app_and_moment();
    assert_eq!(app.next(&moment), Some(moment.now.plus_ms(1_000)));
    let later = |ms: u64| crate::tui::app::Moment { now: moment.now.plus_ms(ms), ..moment };
    let step = |ms: u64| app.next(&later(ms)).map(|next| next.ms_since(later(ms).now));
    assert_eq!([step(120_000), step(7_200_000)], [Some(60_000), Some(3_600_000)]);
}
