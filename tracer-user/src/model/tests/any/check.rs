//! What must be true of the fold whatever it was told.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::Node;
use crate::event::TaskKey;
use crate::model::{Change, News, limits};
use crate::output::{Clock, JsonLines, Style, Text, View as _};

/// What was said so far that can be said only once.
#[derive(Default)]
pub(super) struct Ledger {
    exits: HashSet<TaskKey>,
    /// Stops that began and were not told to be over.
    open: HashMap<String, usize>,
    /// First processes whose container's end was told.
    ended: HashSet<(String, TaskKey)>,
}

impl Ledger {
    /// Takes the news of a node.
    pub(super) fn note(&mut self, node: &mut Node, said: &mut Vec<Change>) -> Result<(), TestCaseError> {
        for change in node.take_changes() {
            self.enter(&change)?;
            said.push(change);
        }
        Ok(())
    }

    fn enter(&mut self, change: &Change) -> Result<(), TestCaseError> {
        match &change.news {
            News::Exit(exit) => {
                let key = TaskKey { pid: exit.process.pid, start: exit.process.start };
                prop_assert!(self.exits.insert(key), "{key:?} exits twice");
            }
            News::Stopping(stop) => *self.open.entry(stop.container.id.clone()).or_default() += 1,
            News::Termination(end) => {
                let id = &end.container.id;
                let begun = self.open.remove(id).is_some();
                prop_assert!(begun, "the end of {id:?} is told, and no stop began since the last one");
                prop_assert!(end.ended.is_some(), "the end of {id:?} has no time");
                if let Some(first) = end.processes.iter().find(|process| process.depth == Some(0)) {
                    let key = TaskKey { pid: first.process.pid, start: first.process.start };
                    prop_assert!(self.ended.insert((id.clone(), key)), "{id:?} ended twice, with {key:?}");
                }
                prop_assert!(end.processes.len() <= limits::PROCESSES_TOLD);
            }
            _ => {}
        }
        Ok(())
    }
}

/// What a node keeps has an end, and its indexes agree with each other.
pub(super) fn holds(node: &Node) -> Result<(), TestCaseError> {
    prop_assert!(node.terminations.len() <= limits::TERMINATIONS_KEPT);
    prop_assert!(node.conditions().count() <= limits::CONDITIONS_KEPT);
    prop_assert!(node.gone.len() <= limits::GONE_KEPT);
    prop_assert!(node.pods_told.len() <= limits::PODS_TOLD);
    node.processes.agree().map_err(TestCaseError::fail)?;
    let known = |key| node.containers.contains_key(key);
    prop_assert!(node.by_id.values().all(known) && node.by_id.len() == node.containers.len(), "by id");
    prop_assert!(node.cgroups.values().all(|(key, _)| known(key)), "by cgroup");
    prop_assert!(node.followed.values().all(known), "by pid");
    prop_assert!(node.gone.iter().all(known), "gone");
    prop_assert!(node.undecided.keys().all(|id| node.by_id.contains_key(id)), "undecided");
    prop_assert!(node.processes.iter().filter_map(|process| process.container.as_ref()).all(known), "of no container");
    for undecided in node.undecided.values() {
        prop_assert!(undecided.held() <= limits::UNDECIDED_HELD);
    }
    for process in node.processes.iter() {
        prop_assert!(process.received.len() <= limits::RECEIVED_KEPT);
    }
    for (key, container) in &node.containers {
        prop_assert_eq!(node.by_id.get(&container.name.id), Some(key));
        prop_assert!(container.departed.len() <= limits::DEPARTED_KEPT);
        prop_assert!(container.execs.len() <= limits::JOINED_KEPT);
        let zombies = node.told_zombies(*key).count();
        prop_assert_eq!(container.zombies, zombies, "told zombies of {:?}", container.name.id);
        let is_gone = node.gone.contains(key);
        prop_assert_eq!(container.gone.is_some(), is_gone, "{:?} is gone, or is not", container.name.id);
        let live = node.processes.of(*key).filter(|process| process.is_live()).count();
        prop_assert!(container.gone.is_none() || live == 0, "{:?} is gone, and {live} live there", container.name.id);
    }
    for (key, pod) in &node.pods {
        prop_assert_eq!(node.pod_by_uid.get(&pod.uid), Some(key));
        prop_assert!(pod.containers.iter().chain(&pod.sandbox).all(known), "a pod of nobody");
        prop_assert!(!pod.containers.is_empty() || pod.sandbox.is_some(), "an empty pod");
    }
    prop_assert_eq!(node.pods.len(), node.pod_by_uid.len());
    Ok(())
}

/// Views write every change down, and nothing of it reaches a terminal raw.
pub(super) fn printed(said: &[Change]) -> Result<(), TestCaseError> {
    let clock = Clock { boot_to_wall_ns: 1_700_000_000_000_000_000 };
    let mut json = JsonLines::new(Vec::new(), clock);
    let mut text = Text::new(Vec::new(), clock, Style::default(), 100);
    for change in said {
        let shown = json.show(change).and_then(|()| text.show(change));
        prop_assert!(shown.is_ok(), "{shown:?}");
    }
    let text = String::from_utf8(text.into_inner()).map_err(|error| TestCaseError::fail(error.to_string()))?;
    for line in text.lines() {
        prop_assert!(crate::printable::text(line) == line, "{line:?}");
    }
    for line in json.into_inner().split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let value: Result<serde_json::Value, _> = serde_json::from_slice(line);
        prop_assert!(value.is_ok_and(|value| value["kind"].is_string()), "{:?}", String::from_utf8_lossy(line));
        prop_assert!(line.iter().all(|byte| *byte >= b' ' && *byte != 0x7f), "{:?}", String::from_utf8_lossy(line));
    }
    Ok(())
}
