use crossterm::event::MouseEventKind;
use ratatui::style::{Color, Modifier};

use super::*;
use crate::event::{Comm, Described, Event, What};
use crate::tui::stand::{self, BUSY, PLAIN, Stand};
use crate::tui::theme::Colors;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

#[test]
fn keys_turn_the_pages() {
    let mut stand = Stand::of(&["bash-drops"]);
    let mut pages = |keys: &str| {
        stand.press(keys);
        stand.player.app.page()
    };
    assert_eq!(pages("1"), PageKind::Containers);
    assert_eq!(pages("Tab"), PageKind::Shutdown);
    assert_eq!(pages("Tab Tab Tab Tab"), PageKind::Containers);
    assert_eq!(pages("S-Tab"), PageKind::Findings);
    assert_eq!(pages("4"), PageKind::Signals);
}

#[test]
fn a_click_on_a_tab_turns_to_it() {
    let mut stand = Stand::of(&["bash-drops"]);
    let screen = stand.screen((80, 24));
    let line = screen.lines().next().expect("a line");
    let column = u16::try_from(line.find("4 Signals").expect("a tab")).expect("a column");
    assert_eq!(stand.click(column, 0), Effect::Draw);
    assert_eq!(stand.player.app.page(), PageKind::Signals);
}

#[test]
fn a_recording_opens_with_its_last_termination() {
    assert_eq!(Stand::of(&["bash-drops"]).player.app.page(), PageKind::Shutdown);
}

/// That they were removed in the end is not why anybody looks at them.
#[test]
fn a_recording_of_zombies_opens_with_them() {
    for name in ["zombies", "zombies-adopted", "zombies-of-execs"] {
        let mut stand = Stand::of(&[name]);
        assert_eq!(stand.player.app.page(), PageKind::Findings, "{name}");
        let screen = stand.screen((80, 24));
        assert!(screen.contains("ZOMBIES") && screen.contains("Fix"), "{name}: {screen}");
        // what to change is on their own page, too, and it can be taken away
        stand.press("3");
        let screen = stand.screen((80, 24));
        assert!(screen.contains("Fix"), "{name}: {screen}");
        assert!(matches!(stand.press("R"), Effect::Record(_, Some(_))), "{name}");
        assert!(matches!(stand.press("y"), Effect::Copy(_)), "{name}");
    }
}

/// What the README says of every page.
#[test]
fn what_is_looked_at_can_be_taken_away_from_every_page() {
    let mut stand = Stand::of(&["bash-drops"]);
    for page in ["1", "2", "4", "5"] {
        stand.press(page);
        assert!(matches!(stand.press("y"), Effect::Copy(_)), "{page}");
        assert!(matches!(stand.press("w"), Effect::Save(..)), "{page}");
        assert!(matches!(stand.press("R"), Effect::Record(_, Some(_))), "{page}");
        // an event is part of no contract by itself
        let json = stand.press("J");
        assert!(matches!(json, Effect::Save(..)) || page == "4" && stand.player.app.notice().is_some(), "{page}");
    }
}

#[test]
fn quitting_and_stopping_work_everywhere() {
    let mut stand = Stand::of(&["bash-drops"]);
    assert_eq!(stand.press("1 q"), Effect::Quit);
    assert_eq!(stand.press("C-c"), Effect::Quit);
    assert_eq!(stand.press("C-z"), Effect::Suspend);
    // while a filter is typed letters are text
    assert_eq!(stand.press("/ q"), Effect::Draw);
    assert_eq!(stand.press("C-c"), Effect::Quit);
    assert_eq!(stand.press("C-z"), Effect::Suspend);
    assert_eq!(stand.press("Esc q"), Effect::Quit);
    // the help takes keys first
    assert_eq!(stand.press("? q"), Effect::Draw);
    assert_eq!(stand.press("? C-c"), Effect::Quit);
}

#[test]
fn the_help_has_every_key_of_every_table() {
    let mut stand = Stand::of(&["bash-drops"]);
    stand.live = false;
    for page in ["1", "2", "3", "4", "5"] {
        stand.press(page);
        stand.press("?");
        let help = stand.screen((100, 60));
        let own = stand.player.app.pages[stand.player.app.page().index()].help();
        let tables = own.iter().chain(&HELP_ALWAYS).chain(&HELP_SEEKS).chain(HELP.iter().filter(|h| h.keys != "Space"));
        for Help { keys, does } in tables {
            assert!(
                help.lines().any(|line| line.contains(keys) && line.contains(does)),
                "{page}: {keys} {does}\n{help}"
            );
        }
        stand.press("Esc");
    }
    stand.press("1 ?");
    insta::assert_snapshot!("help_80", stand.screen((80, 24)));
    stand.press("j j");
    assert!(!stand.screen((80, 24)).contains("In the recording") || stand.player.app.help == Some(2));
    stand.mouse(MouseEventKind::ScrollUp, 3, 3);
    assert_eq!(stand.player.app.help, Some(0));
}

#[test]
fn paused_it_stands_still_while_tracing_goes_on() {
    let mut stand = Stand::of(&["bash-drops"]);
    stand.press("1");
    stand.player.seek(Seek::Start).expect("memory");
    stand.player.seek(Seek::By(1_000)).expect("memory");
    stand.press("Space");
    let paused = stand.screen((80, 24));
    assert!(paused.contains("PAUSED") && paused.contains("stopping"), "{paused}");
    stand.player.seek(Seek::End).expect("memory");
    assert_eq!(stand.screen((80, 24)), paused, "nothing moves");
    let (app, moment) = stand.player.app_and_moment();
    assert_eq!(app.next(&moment), None);
    // the log, too, is as it was, and nothing of what came is lost
    stand.press("4");
    let log = stand.screen((80, 24));
    assert!(log.contains("DROPPED") && !log.contains("SIGKILL"), "{log}");
    stand.press("Space");
    let log = stand.screen((80, 24));
    assert!(log.contains("LIVE") && log.contains("SIGKILL"), "{log}");
    stand.press("1");
    assert!(stand.screen((80, 24)).contains("sigterm-dropped"));
}

#[test]
fn a_notice_is_there_until_a_key_or_its_time() {
    let mut stand = Stand::of(&["bash-drops"]);
    stand.player.app.say("saved as \x1b[2Jx.md".to_owned());
    assert!(stand.screen((80, 24)).lines().last().is_some_and(|line| line.contains("saved as \\x1b[2Jx.md")));
    stand.press("j");
    assert!(!stand.screen((80, 24)).contains("saved"));
    stand.player.app.say("again".to_owned());
    stand.player.app.hush();
    assert_eq!(stand.player.app.notice(), None);
}

#[test]
fn the_title_is_shortened_before_it_gives_way() {
    let mut stand = Stand::of(&["bash-drops"]);
    stand
        .player
        .app
        .set_title(Some("(3/16) a title that is longer than there is room for in so many columns".to_owned()));
    stand.player.seek(Seek::Start).expect("memory");
    stand.player.seek(Seek::By(1_000)).expect("memory");
    let mut line = |columns: u16| stand.screen((columns, 24)).lines().nth(1).map(str::to_owned).expect("a line");
    assert_eq!(
        line(80).trim_matches(['"', ' ']),
        "(3/16) a title that is longer th… · 1 stopping: bash-drops, 9.5 s left of 10 s"
    );
    assert!(line(160).contains("in so many columns · 1 container · 1 stopping"));
    assert_eq!(line(50).trim_matches(['"', ' ']), "1 stopping: bash-drops, 9.5 s left of 10 s");
}

#[test]
fn what_was_asked_for_is_opened_once() {
    let (events, clock) = stand::events_of(&["bash-drops"]);
    let open = |touch: bool| {
        let mut app = App::new(PLAIN);
        let mut node = Node::new();
        app.open_the_first();
        for event in &events {
            node.apply(event);
            let changes: Vec<Change> = node.take_changes().collect();
            let moment = Moment { node: &node, now: event.0, clock };
            if touch {
                app.input(Input::Key(KeyCode::Char('j').into()), &moment);
            }
            app.take(&changes, &moment);
        }
        app.page()
    };
    assert_eq!(open(false), PageKind::Shutdown);
    assert_eq!(open(true), PageKind::Containers, "whoever did anything is not led away");
}

/// As live: the page that is opened by itself, while nobody presses a key, until something has become known.
fn opened_when(recording: &str, known: impl Fn(&Change) -> bool) -> PageKind {
    let (events, clock) = stand::events_of(&[recording]);
    let (mut app, mut node) = (App::new(PLAIN), Node::new());
    app.open_the_first();
    for event in &events {
        node.apply(event);
        let changes: Vec<Change> = node.take_changes().collect();
        app.take(&changes, &Moment { node: &node, now: event.0, clock });
        if changes.iter().any(&known) {
            return app.page();
        }
    }
    panic!("{recording} does not tell it");
}

#[test]
fn what_matters_of_what_was_asked_for_is_opened() {
    let condition = |change: &Change| matches!(change.news, News::Condition(_));
    let stopping = |change: &Change| matches!(change.news, News::Stopping(_));
    let over = |change: &Change| matches!(change.news, News::Termination(_));
    // it has zombies and nobody stops it
    assert_eq!(opened_when("zombies", condition), PageKind::Findings);
    assert_eq!(opened_when("zombies", over), PageKind::Findings, "what was wrong outweighs that it was killed");
    assert_eq!(opened_when("kill-9-from-inside", condition), PageKind::Findings);
    assert_eq!(opened_when("kill-9-from-inside", stopping), PageKind::Shutdown);
    assert_eq!(opened_when("kill-9-from-inside", over), PageKind::Shutdown);
}

#[test]
fn losses_are_in_the_header_whatever_is_paused() {
    let (events, clock) = stand::events_of(&["lost-events"]);
    let theme = Theme { colors: Colors::Sixteen, ascii: false };
    let mut stand = Stand::over(events, clock, theme);
    stand.press("1");
    insta::assert_snapshot!("lost_80", stand.screen((80, 24)));
    let buffer = stand.buffer((120, 40));
    let cell = stand::find(&buffer, "LOST").expect("the losses are shown");
    assert_eq!((cell.fg, cell.bg), (Color::White, Color::Red));
    stand.player.app.set_theme(PLAIN);
    let buffer = stand.buffer((120, 40));
    let cell = stand::find(&buffer, "LOST").expect("the losses are shown");
    assert!(cell.modifier.contains(Modifier::REVERSED | Modifier::BOLD));
}

#[test]
fn nothing_is_drawn_when_nothing_moves() {
    let mut stand = Stand::of(&["bash-drops"]);
    stand.press("4");
    let (app, moment) = stand.player.app_and_moment();
    assert_eq!(app.next(&moment), None, "the log of a node where nothing happens stands still");
    assert!(!app.take(&[], &moment));
    stand.player.seek(Seek::Start).expect("memory");
    stand.player.seek(Seek::By(1_000)).expect("memory");
    let (app, moment) = stand.player.app_and_moment();
    assert_eq!(app.next(&moment), Some(moment.now.plus_ms(DRAINING_MS)), "a budget drains");
}

#[test]
fn going_back_and_forth_leads_to_the_same_screens() {
    let mut stand = Stand::of(&["bash-drops", "tini"]);
    stand.live = false;
    stand.press("1");
    let end = stand.screen((120, 40));
    stand.press("{");
    let start = stand.screen((120, 40));
    assert_ne!(start, end);
    stand.press("} {");
    assert_eq!(stand.screen((120, 40)), start);
    for _ in 0..10 {
        stand.press("]");
    }
    assert_eq!(stand.screen((120, 40)), end);
    stand.press("[ ]");
    assert_eq!(stand.screen((120, 40)), end);
    stand.press(", .");
    assert_eq!(stand.screen((120, 40)), end);
    stand.press("< >");
    assert_eq!(stand.screen((120, 40)), end);
    stand.press("{ . .");
    insta::assert_snapshot!("replay_80", stand.screen((80, 24)));
    insta::assert_snapshot!("replay_120", stand.screen((120, 40)));
    // step by step
    stand.press("{");
    let mut steps = 0;
    while stand.player.now() < stand.player.last() && steps < 1_000 {
        stand.press(">");
        steps += 1;
    }
    assert!((10..1_000).contains(&steps), "{steps}");
    assert_eq!(stand.screen((120, 40)), end);
}

#[test]
fn the_mouse_can_be_left_to_the_terminal() {
    let mut stand = Stand::of(&["bash-drops"]);
    assert_eq!(stand.press("m"), Effect::Mouse(false));
    assert_eq!(stand.press("m"), Effect::Mouse(true));
}

#[test]
fn no_size_is_too_small_to_say_so() {
    let mut stand = Stand::of(&BUSY);
    insta::assert_snapshot!("too_small", stand.screen((39, 10)));
    for page in ["1", "2", "3", "4", "5"] {
        stand.press(page);
        for columns in [1, 2, 7, 39, 40, 41, 55, 79, 300] {
            for lines in [1, 2, 9, 10, 11, 13, 100] {
                stand.screen((columns, lines));
            }
        }
    }
}

/// Names that try to leave their place.
fn hostile() -> Vec<Event> {
    let (mut events, _) = stand::events_of(&["bash-drops", "zombies"]);
    let name = "\x1b[2J\u{9b}31m\u{202e}日本語\u{300}\n\t".repeat(20);
    for Event(_, what) in &mut events {
        match what {
            What::Described(described) => {
                let pod = crate::event::PodName { namespace: name.clone(), name: name.clone(), uid: name.clone() };
                *described = Described {
                    name: Some(name.clone()),
                    image: Some(name.clone()),
                    pod: Some(pod),
                    ..described.clone()
                };
            }
            What::Signal(sent) => {
                sent.sender.comm = Comm::new(*b"\x1b[2J\x07\xff\xfe\xc2\x9b31m\n\0\0\0");
                sent.target.comm = sent.sender.comm;
            }
            What::Exec(execed) => execed.filename.clone_from(&name),
            _ => {}
        }
    }
    events
}

#[test]
fn names_from_strangers_stay_in_their_place() {
    for ascii in [false, true] {
        let mut stand = Stand::over(hostile(), Clock::default(), Theme { ascii, ..PLAIN });
        for keys in ["1", "2", "3", "4", "a Enter", "/ x Esc", "5"] {
            stand.press(keys);
            for size in SIZES {
                let buffer = stand.buffer(size);
                for cell in &buffer.content {
                    let symbol = cell.symbol();
                    assert!(!symbol.chars().any(|c| c.is_control() || c == '\u{202e}'), "{symbol:?} after {keys}");
                    assert!(!ascii || symbol.is_ascii(), "{symbol:?} after {keys}");
                }
            }
        }
    }
}

#[test]
fn the_containers_that_are_remembered_are_bounded() {
    let mut app = App::new(PLAIN);
    let node = Node::new();
    let moment = Moment { node: &node, now: BootNs(0), clock: Clock::default() };
    for n in 0..SHOWN_KEPT + 10 {
        app.remember(&n.to_string(), &moment);
    }
    assert_eq!(app.shown.len(), 10, "nobody tells of the others any more");
}
