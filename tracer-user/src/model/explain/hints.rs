//! Remarks beside a verdict: what deserves a look although it did not decide.

use crate::signal::Signal;

use super::super::change::Hint;
use super::super::limits;
use super::super::names::{HintKind, Role, Verdict};
use super::super::process::Place;
use super::super::words::{count, seconds};
use super::{Story, names};

/// Remarks beside the verdict.
pub(in crate::model) fn hints(story: &Story<'_>) -> Vec<Hint> {
    let termination = story.termination;
    let mut hints = Vec::new();
    let took = story.took();
    if termination.verdict == Verdict::Graceful && termination.pre_stop.is_none() && took < limits::TOO_EARLY_MS {
        hints.push(Hint {
            kind: HintKind::TooEarly,
            text: format!(
                "It exited {} after {}. If it is a server, load balancers may still send it requests, which now fail; a preStop sleep of a few seconds gives them time.",
                seconds(took),
                story.stop()
            ),
        });
    }
    let left: Vec<_> = story
        .members
        .iter()
        .filter(|process| matches!(story.places.get(&process.key()), Some(Place::Outside)))
        .filter(|process| process.started_program && process.exit.is_none_or(|(_, s)| s.signal() == Some(Signal::KILL)))
        .filter(|process| termination.pre_stop.as_ref().is_none_or(|hook| hook.process.pid != process.task.pid))
        .copied()
        .collect();
    if !left.is_empty() {
        hints.push(Hint {
            kind: HintKind::LeftBehind,
            text: format!(
                "{} {} not below the first process (started by an exec): no stop signal goes there.",
                names(&left),
                if left.len() == 1 { "is" } else { "are" }
            ),
        });
    }
    if let Some(text) = twice(story) {
        hints.push(Hint { kind: HintKind::Twice, text });
    }
    hints
}

/// A process that got the stop signal from two senders.
fn twice(story: &Story<'_>) -> Option<String> {
    let signal = story.signal?;
    story.members.iter().find_map(|process| {
        let mut senders: Vec<_> = process
            .received
            .iter()
            .filter(|receipt| receipt.signal == signal.signal && receipt.at >= signal.at && receipt.role != Role::Own)
            .map(|receipt| (receipt.sender.pid, receipt.sender.comm))
            .collect();
        senders.dedup();
        let [(_, one), (_, other), ..] = senders.as_slice() else { return None };
        Some(format!(
            "{} got {} {}, from {one} and from {other}: many programs take the second one as the order to quit at once.",
            names(&[*process]),
            signal.signal,
            count(senders.len(), "time", "times")
        ))
    })
}
