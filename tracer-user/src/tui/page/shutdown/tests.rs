use super::*;
use crate::event::Handler;
use crate::model::Node;
use crate::signal::Signal;
use crate::tui::testing::{Made, Stage, at, exit, fork, gone, signal};
use crate::tui::theme::Colors;

const SIZES: [(u16, u16); 3] = [(80, 21), (120, 37), (200, 57)];

/// When a part of the grace period of the first stop is over, counted from its first sign.
fn when(ms: u64) -> impl Fn(&Node) -> Option<BootNs> {
    move |node| {
        let (_, container) = node.containers().next()?;
        container.stop.as_ref().map(|stop| stop.started.plus_ms(ms))
    }
}

fn snapshots(name: &str, stage: &Stage) {
    for (columns, lines) in SIZES {
        let screen = stage.screen(&mut Shutdown::default(), (columns, lines));
        insta::assert_snapshot!(format!("{name}_{columns}"), screen);
    }
}

#[test]
fn dropped_and_over() {
    snapshots("dropped_over", &Stage::recorded("dash-drops"));
}

#[test]
fn dropped_at_a_third_of_the_grace_period() {
    snapshots("dropped_third", &Stage::recorded_until("dash-drops", when(1_000)));
}
