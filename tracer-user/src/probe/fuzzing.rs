//! See [`crate::fuzzing`].

use super::{Record, Settings, decode, offsets, survey};
use crate::container::path;
use crate::event::Event;

pub(crate) fn records(bytes: &[u8]) {
    match decode::record(bytes) {
        Ok(Record::Event(event)) => same_again(&event),
        Ok(Record::CgroupMade(_, made)) => drop(path::parse(&made.path)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(tasks) = decode::tasks(bytes) {
        assert!(tasks.len() <= bytes.len());
    }
    survey::decoded(bytes);
}

/// What the ring brings can be recorded.
fn same_again(event: &Event) {
    let line = serde_json::to_vec(event).expect("an event is JSON");
    let again: Event = serde_json::from_slice(&line).expect("an event can be read");
    assert_eq!(&again, event, "an event that was recorded is another");
}

pub(crate) fn btf(bytes: &[u8]) {
    if let Err(error) = offsets::find(bytes, &Settings::default()) {
        assert!(!error.to_string().is_empty());
    }
}
