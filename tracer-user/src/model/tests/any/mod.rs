//! Any events in any order, with any loss: the fold does not panic, what it says stays sensible, and what it keeps has an end.
//!
//! The streams are recorded ones to which things are done, recorded ones in no order, and such as no kernel would send.
//! Every run has the same cases; `TRACER_CASES=100000` tries as many of each kind, `TRACER_SEED=7` others. What fails is
//! made small and printed as a recording: a file in `tests/scenarios`, or a test in `missed.rs`, when it is mended.

mod check;
mod made_up;
mod make;
mod missed;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use super::super::Change;
use super::{Event, Node};
use check::{Ledger, holds};

/// Cases of each kind where nobody asks for more.
const CASES: u32 = 150;

/// A number from the environment.
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

/// Runs every case, and makes small what fails.
fn check_all(streams: impl Strategy<Value = Vec<Event>>) {
    let cases = asked("TRACER_CASES").map_or(CASES, |cases| u32::try_from(cases).unwrap_or(u32::MAX));
    let mut runner = TestRunner::new(Config {
        cases,
        max_shrink_iters: 500,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(asked("TRACER_SEED").unwrap_or(1)),
        ..Config::default()
    });
    let failure = runner.run(&streams.prop_map(Stream), |Stream(events)| sensible(&events));
    match failure {
        Ok(()) => {}
        Err(TestError::Fail(_, Stream(events))) => {
            let (events, why) = smallest(events);
            panic!("{why}\n{:?}", Stream(events));
        }
        Err(other) => panic!("{other}"),
    }
}

/// Leaves out what a failure does not need, in halves, quarters, … and at last one by one; and says what fails.
fn smallest(mut events: Vec<Event>) -> (Vec<Event>, String) {
    let mut size = events.len();
    while size > 0 {
        let mut from = 0;
        while from < events.len() {
            let rest = [&events[..from], &events[events.len().min(from + size)..]].concat();
            if failure(&rest).is_some() {
                events = rest;
            } else {
                from += size;
            }
        }
        size /= 2;
    }
    let why = failure(&events).unwrap_or_else(|| "it fails now and then".to_owned());
    (events, why)
}

/// What is wrong with a stream. What depends on chance may need a few attempts to show.
fn failure(events: &[Event]) -> Option<String> {
    (0..4).find_map(|_| attempt(events))
}

fn attempt(events: &[Event]) -> Option<String> {
    match std::panic::catch_unwind(|| sensible(events)) {
        Ok(outcome) => outcome.err().map(|error| error.to_string()),
        Err(panic) => Some(panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "it panics".to_owned())),
    }
}

/// A stream that fails is shown as it would be recorded.
struct Stream(Vec<Event>);

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|event| writeln!(f, "{}", serde_json::to_string(event).expect("an event is JSON")))
    }
}

/// Folds a stream twice. Both must say the same, and it must make sense.
fn sensible(events: &[Event]) -> Result<(), TestCaseError> {
    let mut ledger = Ledger::default();
    let said = fold(events, &mut ledger)?;
    let again = fold(events, &mut Ledger::default())?;
    let differs = said.iter().zip(&again).position(|(one, other)| one != other);
    prop_assert!(
        differs.is_none() && said.len() == again.len(),
        "said once {:?} and then {:?}",
        differs.map(|index| &said[index]),
        differs.map(|index| &again[index])
    );
    check::printed(&said)
}

/// Takes in all events, and then lets all time pass.
fn fold(events: &[Event], ledger: &mut Ledger) -> Result<Vec<Change>, TestCaseError> {
    let mut node = Node::new();
    node.ask_what_signals_would_meet();
    let mut said = Vec::new();
    for (index, event) in events.iter().enumerate() {
        node.apply(event);
        node.take_wants();
        if index % 8 == 0 {
            holds(&node)?;
        }
        ledger.note(&mut node, &mut said)?;
    }
    // each process has a few timers, and each of those asks again a few times
    let mut left = events.len() * 20 + 100;
    while let Some(due) = node.next_tick() {
        node.tick(due);
        prop_assert!(left > 0, "it never comes to rest");
        left -= 1;
    }
    ledger.note(&mut node, &mut said)?;
    node.conclude();
    ledger.note(&mut node, &mut said)?;
    holds(&node)?;
    Ok(said)
}

#[test]
fn recorded_streams_with_losses_and_lies() {
    check_all(make::mangled());
}

#[test]
fn recorded_streams_in_any_order() {
    check_all(make::shuffled());
}

#[test]
fn streams_made_up_from_nothing() {
    check_all(made_up::stream());
}
