use crossterm::event::MouseEventKind;
use ratatui::style::Color;

use crate::output::Clock;
use crate::tui::input::{Effect, Seek};
use crate::tui::stand::{self, BUSY, PLAIN, Stand};
use crate::tui::theme::{Colors, Theme};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

fn log(names: &[&str]) -> Stand {
    let mut stand = Stand::of(names);
    stand.press("4");
    stand
}

/// The lines of the log.
fn lines(stand: &mut Stand) -> Vec<String> {
    let screen = stand.screen((100, 24));
    let lines = screen.lines().skip(3).take(20).map(|line| line.trim_matches('"').trim_end().to_owned());
    lines.take_while(|line| !line.starts_with("───")).filter(|line| !line.is_empty()).collect()
}

fn head(stand: &mut Stand) -> String {
    stand.screen((100, 24)).lines().nth(2).map(str::to_owned).expect("a line")
}

#[test]
fn the_log_and_an_event_in_plain_words() {
    for (columns, lines) in SIZES {
        let mut stand = log(&["bash-drops", "tini", "nginx-sigquit"]);
        insta::assert_snapshot!(format!("log_{columns}"), stand.screen((columns, lines)));
        stand.press("/");
        stand.type_in("sigterm bash");
        stand.press("Enter g Enter");
        insta::assert_snapshot!(format!("details_{columns}"), stand.screen((columns, lines)));
    }
}

/// Every kind of news has its words: signals that were dropped, caught, blocked and taken, killed; exits, programs,
/// zombies, containers, ends, conditions, losses.
#[test]
fn every_kind_has_details() {
    let mut stand = log(&["bash-drops", "tini", "zombies", "lost-events", "kill-9-from-inside", "java"]);
    stand.press("a g Enter");
    let mut told = std::collections::BTreeSet::new();
    for _ in 0..400 {
        stand.press("j");
        let screen = stand.screen((120, 40));
        let pane: Vec<_> = screen.lines().skip_while(|line| !line.starts_with("\"──────")).skip(1).collect();
        let pane: Vec<_> = pane.iter().map(|line| line.trim_matches('"').trim().to_owned()).collect();
        let what = pane.iter().find(|line| line.starts_with("What")).cloned().unwrap_or_default();
        assert!(!what.is_empty(), "{screen}");
        // numbers differ from run to run of a recording that is made anew
        let kind: String = what.chars().filter(|c| !c.is_ascii_digit()).collect();
        told.insert(kind + " | " + pane.get(1).map_or("", String::as_str));
    }
    for word in [
        "dropped by the kernel: it is init",
        "nothing ends or stops an init",
        "caught: it has a handler",
        "blocked: it waits",
        "it dies: nothing catches SIGKILL",
        "from the queue",
        "runs a new program",
        "was created",
        "was not reaped for",
        "ended: sigterm-dropped, no-handler",
        "is described",
        "is being stopped",
        "zombies in",
        "found no room",
        "ended | How",
    ] {
        assert!(told.iter().any(|line| line.contains(word)), "nothing says {word:?}: {told:#?}");
    }
}

/// What became of a signal after it was sent is looked up in the model as it is at the moment.
#[test]
fn details_tell_what_became_of_it_later() {
    for (name, later) in [
        ("java", "its handler ran"),
        ("python-handler", "its handler ran"),
        ("blocks", "still waiting to be taken"),
        ("unblocks-later", "dropped when it was taken from the queue"),
    ] {
        let mut stand = log(&[name]);
        stand.press("/");
        stand.type_in("sigterm");
        stand.press("Enter Enter");
        stand.player.seek(Seek::Start).expect("memory");
        let mut told = false;
        for _ in 0..200 {
            stand.player.seek(Seek::Step(true)).expect("memory");
            stand.press("g");
            told |= stand.screen((120, 40)).contains(later);
        }
        assert!(told, "{name}: {later}");
    }
}

#[test]
fn it_follows_until_the_person_looks_back_and_loses_nothing() {
    let mut stand = log(&BUSY);
    stand.player.seek(Seek::Start).expect("memory");
    stand.player.seek(Seek::By(5_000)).expect("memory");
    assert!(head(&mut stand).contains("following"));
    stand.press("PgUp");
    let before = lines(&mut stand);
    assert!(head(&mut stand).contains("newer, f follows"));
    stand.player.seek(Seek::By(2_000)).expect("memory");
    assert_eq!(lines(&mut stand), before, "what comes does not move what is looked at");
    stand.press("f");
    assert!(head(&mut stand).contains("following"));
    assert_ne!(lines(&mut stand), before);
    // the wheel leaves and comes back
    stand.mouse(MouseEventKind::ScrollUp, 5, 10);
    assert!(head(&mut stand).contains("newer"));
    stand.mouse(MouseEventKind::ScrollDown, 5, 10);
    assert!(head(&mut stand).contains("following"));
    stand.press("k");
    assert!(head(&mut stand).contains("1 newer"));
    stand.press("G");
    assert!(head(&mut stand).contains("following"));
}

#[test]
fn filters_by_keys_and_by_text() {
    let mut stand = log(&BUSY);
    let all = lines(&mut stand);
    stand.press("o");
    assert!(head(&mut stand).contains("outcome: dropped"));
    assert!(lines(&mut stand).iter().all(|line| line.contains("DROPPED")));
    stand.press("g c");
    let name = lines(&mut stand)[0].split_whitespace().nth(1).map(str::to_owned).expect("a name");
    assert!(lines(&mut stand).iter().all(|line| line.contains(&name)));
    stand.press("s");
    assert!(head(&mut stand).contains("signal: SIGTERM"), "{}", head(&mut stand));
    stand.press("Esc G");
    assert_eq!(lines(&mut stand), all);
    stand.press("/");
    stand.type_in("sigkill python3");
    let found = lines(&mut stand);
    assert!(
        !found.is_empty() && found.iter().all(|line| line.contains("SIGKILL") && line.contains("python3")),
        "{found:?}"
    );
    stand.press("Esc");
    assert_eq!(lines(&mut stand), all);
    stand.press("a");
    assert!(lines(&mut stand).iter().any(|line| line.contains("zombie") || line.contains("fork")));
    stand.press("/");
    stand.type_in("there is no such thing");
    assert!(stand.screen((80, 24)).contains("nothing fits the filter"));
}

#[test]
fn details_open_by_enter_and_by_a_second_click() {
    let mut stand = log(&["bash-drops"]);
    stand.screen((100, 24));
    stand.press("k");
    assert_eq!(stand.click(5, 4), Effect::Draw);
    assert!(!stand.screen((100, 24)).contains(" What "));
    stand.click(5, 4);
    assert!(stand.screen((100, 24)).contains(" What "));
    stand.press("Esc");
    assert!(!stand.screen((100, 24)).contains(" What "));
}

#[test]
fn nothing_happened_yet() {
    let mut stand = Stand::over(Vec::new(), Clock::default(), PLAIN);
    stand.press("4");
    assert!(stand.screen((80, 24)).contains("no signal was sent yet"));
    for key in ["j", "k", "g", "G", "Enter", "c", "s", "o", "f", "a", "Esc", "PgUp"] {
        assert_ne!(stand.press(key), Effect::Quit);
    }
}

#[test]
fn colours_say_what_words_say() {
    let mut stand = log(&["bash-drops"]);
    stand.player.app.set_theme(Theme { colors: Colors::Sixteen, ascii: false });
    let buffer = stand.buffer((100, 40));
    assert_eq!(stand::find(&buffer, "DROPPED").map(|cell| cell.fg), Some(Color::Red));
    assert_eq!(stand::find(&buffer, "following").map(|cell| cell.fg), Some(Color::Green));
    let heading = stand::find(&buffer, "SIGTERM DROPPED").expect("the end has a heading");
    assert_eq!((heading.fg, heading.bg), (Color::White, Color::Red));
}
