//! The picture at the top of the README is what the shutdown page looks like.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use tracer_user::output::Clock;
use tracer_user::stream::Reader;
use tracer_user::tui::{still, svg};

/// `TRACER_UPDATE_DOCS=1 cargo test -p tracer-user --test picture` draws it anew, as `cargo xtask picture` does.
#[test]
fn the_readmes_picture_is_current() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let recording = File::open(here.join("tests/scenarios/kubelet-prestop.rec")).unwrap();
    let reader = Reader::new(BufReader::new(recording)).unwrap();
    let clock = Clock { boot_to_wall_ns: reader.start().boot_to_wall_ns };
    let events: Vec<_> = reader.map(|event| event.unwrap()).collect();
    let screen = still::shutdown(&events, clock, (100, 31), None);
    let picture =
        svg::render(&screen, "tracer's shutdown page: how the grace period of a container was used", svg::Ground::Dark);
    let path = here.parent().unwrap().join("docs/shutdown.svg");
    if std::env::var_os("TRACER_UPDATE_DOCS").is_some() {
        std::fs::write(&path, picture).unwrap();
    } else {
        let shown = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(shown == picture, "docs/shutdown.svg is not current: cargo xtask picture draws it anew");
    }
}

/// While it goes on: what is left drains with the time.
#[test]
fn a_moment_in_between() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let recording = File::open(here.join("tests/scenarios/dash-drops.rec")).unwrap();
    let reader = Reader::new(BufReader::new(recording)).unwrap();
    let events: Vec<_> = reader.map(|event| event.unwrap()).collect();
    let text = |after| {
        let screen = still::shutdown(&events, Clock::default(), (80, 24), Some(after));
        screen.content().iter().map(ratatui::buffer::Cell::symbol).collect::<String>()
    };
    assert!(text(1_000).contains("9.0 s left of 10 s"), "{}", text(1_000));
    assert!(text(2_000).contains("8.0 s left of 10 s"), "{}", text(2_000));
}
