//! See [`crate::fuzzing`].

use super::bounds::{MAX_ALL_LABELS, MAX_COMMAND, MAX_LABELS, MAX_TEXT, is_id};
use super::{cri, docker};
use crate::event::Described;

pub(crate) fn docker(text: &str) {
    docker::described(text).iter().for_each(bounded);
}

pub(crate) fn cri(bytes: &[u8]) {
    cri::described(bytes).iter().for_each(bounded);
}

/// What strangers tell has an end, and an id is one.
fn bounded(described: &Described) {
    assert!(is_id(&described.id), "{:?}", described.id);
    let texts = [&described.name, &described.image, &described.grace_source, &described.pod_source];
    assert!(texts.into_iter().flatten().all(|text| text.len() <= MAX_TEXT));
    let pod = described.pod.iter().flat_map(|pod| [&pod.namespace, &pod.name, &pod.uid]);
    assert!(pod.into_iter().all(|text| text.len() <= MAX_TEXT));
    assert!(described.sandbox_id.iter().all(|id| is_id(id)));
    assert!(described.labels.len() <= MAX_LABELS);
    assert!(described.labels.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() <= MAX_ALL_LABELS);
    assert!(described.command.iter().map(String::len).sum::<usize>() <= MAX_COMMAND);
}
