//! What the API says of pods, and what of that is an event. Pure.
//!
//! Only the metadata is asked for: neither environments nor volumes nor what else a specification holds.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::event::{BootNs, Deletion, Owner, PodName, PodTold};
use crate::output::Clock;

use super::limits;

/// All pods at once.
#[derive(Debug, Deserialize)]
pub(super) struct List {
    pub(super) metadata: ListMeta,
    items: Option<Vec<Object>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListMeta {
    pub(super) resource_version: String,
}

/// A line of a watch.
#[derive(Debug, Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub(super) r#type: &'a str,
    #[serde(borrow)]
    pub(super) object: &'a RawValue,
}

/// One pod, as far as it is of interest.
#[derive(Debug, Deserialize)]
pub(super) struct Object {
    metadata: Meta,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Meta {
    name: String,
    namespace: String,
    uid: String,
    resource_version: String,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
    deletion_timestamp: Option<String>,
    deletion_grace_period_seconds: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OwnerReference {
    kind: String,
    name: String,
    controller: bool,
}

/// When something was heard.
#[derive(Clone, Copy, Debug)]
pub(super) enum Heard {
    /// As it happened, at this time.
    Now(BootNs),
    /// Some time after.
    Later,
}

/// The pods of this node, as they were told last.
#[derive(Debug, Default)]
pub(super) struct Pods {
    told: HashMap<String, PodTold>,
}

impl Object {
    /// The version of the whole that it belongs to: where a watch goes on.
    pub(super) fn version(&self) -> &str {
        &self.metadata.resource_version
    }
}

impl Pods {
    /// All pods that there are now; what changed. Those that are not among them are gone.
    pub(super) fn all(&mut self, list: List, clock: Clock) -> Vec<PodTold> {
        let items = list.items.unwrap_or_default();
        let mut left: Vec<_> = self.told.keys().cloned().collect();
        let mut news = Vec::new();
        for object in &items {
            left.retain(|uid| uid != uid_of(&object.metadata));
            news.extend(self.one(object, Heard::Later, clock));
        }
        let gone = left.into_iter().filter_map(|uid| self.told.remove(&uid));
        news.extend(gone.map(|told| PodTold { gone: true, ..told }));
        news
    }

    /// A pod as it is now; `None` where nothing changed that is of interest.
    pub(super) fn one(&mut self, object: &Object, heard: Heard, clock: Clock) -> Option<PodTold> {
        let meta = &object.metadata;
        let uid = uid_of(meta);
        let before = self.told.get(uid);
        if uid.is_empty() || (before.is_none() && self.told.len() >= limits::PODS) {
            return None;
        }
        let deletion = deletion(meta, heard, clock).map(|new| match before.and_then(|before| before.deletion) {
            // asked for once more, with less time: the first request counts
            Some(old) => Deletion { requested: old.requested, imprecise: old.imprecise, ..new },
            None => new,
        });
        let told = PodTold {
            pod: PodName { namespace: meta.namespace.clone(), name: meta.name.clone(), uid: uid.to_owned() },
            owner: owner(meta),
            deletion,
            gone: false,
        };
        if before == Some(&told) || (before.is_none() && told.owner.is_none() && told.deletion.is_none()) {
            return None;
        }
        self.told.insert(uid.to_owned(), told.clone());
        Some(told)
    }

    /// A pod is no more. One that nobody had asked to end was deleted by force.
    pub(super) fn gone(&mut self, object: &Object, heard: Heard) -> Option<PodTold> {
        let meta = &object.metadata;
        let uid = uid_of(meta);
        let before = self.told.remove(uid);
        let forced = match heard {
            Heard::Now(requested) => Some(Deletion { requested, grace_ms: 0, imprecise: false }),
            Heard::Later => None,
        };
        (!uid.is_empty()).then(|| PodTold {
            pod: PodName { namespace: meta.namespace.clone(), name: meta.name.clone(), uid: uid.to_owned() },
            owner: owner(meta),
            deletion: before.and_then(|before| before.deletion).or(forced),
            gone: true,
        })
    }
}

/// The UID that the runtime knows it by: of a static pod the API has a mirror only, with a UID of its own.
fn uid_of(meta: &Meta) -> &str {
    let mirrored = meta.annotations.as_ref().and_then(|annotations| annotations.get("kubernetes.io/config.mirror"));
    mirrored.map_or(&meta.uid, |uid| uid)
}

/// What answers for it: its controller, and for a `ReplicaSet` that a Deployment made that Deployment, whose name it bears with
/// the hash of the pod's template.
fn owner(meta: &Meta) -> Option<Owner> {
    let owner = meta.owner_references.as_ref()?.iter().find(|owner| owner.controller)?;
    let hash = meta.labels.as_ref().and_then(|labels| labels.get("pod-template-hash"));
    let deployment = hash.filter(|_| owner.kind == "ReplicaSet").and_then(|hash| {
        let name = owner.name.strip_suffix(hash.as_str())?.strip_suffix('-')?;
        Some(Owner { kind: "Deployment".to_owned(), name: name.to_owned() })
    });
    Some(deployment.unwrap_or_else(|| Owner { kind: owner.kind.clone(), name: owner.name.clone() }))
}

/// The request is as long before `deletionTimestamp` as the grace period is long. That is in whole seconds, cut off, so that the
/// request was in the second after; what is heard at once was asked for just before. Where both do not fit together, the clock
/// of the server is another one, and that of this node counts.
fn deletion(meta: &Meta, heard: Heard, clock: Clock) -> Option<Deletion> {
    let due = OffsetDateTime::parse(meta.deletion_timestamp.as_ref()?, &Rfc3339).ok()?;
    let grace_s = meta.deletion_grace_period_seconds.unwrap_or(0);
    let requested = due.unix_timestamp_nanos() - i128::from(grace_s) * 1_000_000_000;
    let first = boot(requested, clock);
    let last = boot(requested + 999_999_999, clock);
    let within = |at: BootNs| at.clamp(first, last);
    let is_near = |at: BootNs| at.0.abs_diff(within(at).0) <= Deletion::CLOCKS_AGREE_MS * 1_000_000;
    let (requested, imprecise) = match heard {
        Heard::Now(at) if is_near(at) => (within(at), false),
        Heard::Now(at) => (at, true),
        Heard::Later => (first, false),
    };
    Some(Deletion { requested, grace_ms: grace_s.saturating_mul(1_000), imprecise })
}

fn boot(wall_ns: i128, clock: Clock) -> BootNs {
    let ns = wall_ns - i128::from(clock.boot_to_wall_ns);
    BootNs(u64::try_from(ns.max(0)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fixtures::CLOCK;

    fn object(text: &str) -> Object {
        serde_json::from_str(text).expect("a pod")
    }

    /// As kube-apiserver 1.31 answers who asks for the metadata.
    fn web(more: &str) -> Object {
        object(&format!(
            r#"{{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{{"name":"web-7d9f8b6c5-x2x4k","generateName":"web-7d9f8b6c5-","namespace":"shop","uid":"9d3c","resourceVersion":"811","creationTimestamp":"2026-11-21T13:00:00Z",{more}"labels":{{"app":"web","pod-template-hash":"7d9f8b6c5"}},"ownerReferences":[{{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-7d9f8b6c5","uid":"1","controller":true,"blockOwnerDeletion":true}}],"managedFields":[{{"manager":"kubelet"}}]}}}}"#
        ))
    }

    /// 30 s after a request at 14:03:06 and something: boot is at 14:03:00.
    const DELETED: &str = r#""deletionTimestamp":"2026-11-21T14:03:36Z","deletionGracePeriodSeconds":30,"#;

    fn ms(ms: u64) -> BootNs {
        BootNs(ms * 1_000_000)
    }

    #[test]
    fn the_owner_is_what_people_know() {
        let mut pods = Pods::default();
        let told = pods.one(&web(""), Heard::Later, CLOCK).expect("it is new");
        assert_eq!(told.owner, Some(Owner { kind: "Deployment".to_owned(), name: "web".to_owned() }));
        assert_eq!((told.pod.uid.as_str(), told.deletion, told.gone), ("9d3c", None, false));
        assert_eq!(pods.one(&web(""), Heard::Later, CLOCK), None, "nothing changed");
        let owner = |kind: &str, name: &str| {
            let text = format!(
                r#"{{"metadata":{{"uid":"1","labels":null,"ownerReferences":[{{"kind":"Other","name":"x"}},{{"kind":"{kind}","name":"{name}","controller":true}}]}}}}"#
            );
            Pods::default().one(&object(&text), Heard::Later, CLOCK).and_then(|told| told.owner)
        };
        let as_it_is = |kind: &str, name: &str| Some(Owner { kind: kind.to_owned(), name: name.to_owned() });
        assert_eq!(owner("StatefulSet", "db"), as_it_is("StatefulSet", "db"));
        assert_eq!(owner("ReplicaSet", "by-hand"), as_it_is("ReplicaSet", "by-hand"));
        // of a pod that nobody made there is nothing to tell
        assert_eq!(Pods::default().one(&object(r#"{"metadata":{"uid":"1"}}"#), Heard::Later, CLOCK), None);
    }

    #[test]
    fn a_static_pod_has_the_uid_that_its_runtime_knows() {
        let text = r#"{"metadata":{"uid":"1","annotations":{"kubernetes.io/config.mirror":"abc"},"ownerReferences":[{"kind":"Node","name":"n1","controller":true}]}}"#;
        let told = Pods::default().one(&object(text), Heard::Later, CLOCK).expect("it is new");
        assert_eq!(told.pod.uid, "abc");
    }

    #[test]
    fn the_request_was_a_grace_period_before_it_is_due() {
        let requested = |heard| {
            let told = Pods::default().one(&web(DELETED), heard, CLOCK).expect("it is new");
            let deletion = told.deletion.expect("it was asked for");
            assert_eq!(deletion.grace_ms, 30_000);
            (deletion.requested, deletion.imprecise)
        };
        assert_eq!(requested(Heard::Later), (ms(6_000), false));
        assert_eq!(requested(Heard::Now(ms(6_412))), (ms(6_412), false));
        // what was heard a little late lies within the second all the same
        assert_eq!(requested(Heard::Now(ms(8_999))), (BootNs(6_999_999_999), false));
        assert_eq!(requested(Heard::Now(ms(4_000))), (ms(6_000), false));
        // the server's clock is behind, or ahead: it says nothing of how long anything took
        assert_eq!(requested(Heard::Now(ms(9_001))), (ms(9_001), true));
        assert_eq!(requested(Heard::Now(ms(3_999))), (ms(3_999), true));
        // what is heard of it again does not change when it was
        let mut pods = Pods::default();
        pods.one(&web(DELETED), Heard::Now(ms(20_000)), CLOCK).expect("it is new");
        assert_eq!(pods.one(&web(DELETED), Heard::Now(ms(25_000)), CLOCK), None);
        assert_eq!(pods.one(&web(DELETED), Heard::Later, CLOCK), None);
    }

    #[test]
    fn the_first_request_counts_and_its_last_grace_period() {
        let mut pods = Pods::default();
        let first = pods.one(&web(DELETED), Heard::Now(ms(6_412)), CLOCK).expect("it is new");
        // the same is heard again with each change of the pod
        assert_eq!(pods.one(&web(DELETED), Heard::Now(ms(7_000)), CLOCK), None);
        let sooner = DELETED.replace("36Z", "11Z").replace(":30", ":5");
        let second = pods.one(&web(&sooner), Heard::Now(ms(8_000)), CLOCK).expect("it changed");
        let requested = first.deletion.expect("it was asked for").requested;
        assert_eq!(second.deletion, Some(Deletion { requested, grace_ms: 5_000, imprecise: false }));
        let gone = pods.gone(&web(&sooner), Heard::Now(ms(12_000))).expect("it is told");
        assert_eq!((gone.deletion, gone.gone), (second.deletion, true));
        // by force: nothing came before
        let gone = Pods::default().gone(&web(""), Heard::Now(ms(12_000))).expect("it is told");
        assert_eq!(gone.deletion, Some(Deletion { requested: ms(12_000), grace_ms: 0, imprecise: false }));
    }

    #[test]
    fn who_is_in_no_list_is_gone() {
        let mut pods = Pods::default();
        pods.one(&web(""), Heard::Later, CLOCK);
        let list = r#"{"kind":"PartialObjectMetadataList","metadata":{"resourceVersion":"900"},"items":[]}"#;
        let list: List = serde_json::from_str(list).expect("a list");
        assert_eq!(list.metadata.resource_version, "900");
        let news = pods.all(list, CLOCK);
        assert!(news.len() == 1 && news[0].gone && news[0].owner.is_some(), "{news:?}");
        let empty: List = serde_json::from_str(r#"{"metadata":{"resourceVersion":"1"},"items":null}"#).expect("a list");
        assert_eq!(pods.all(empty, CLOCK), []);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut pods = Pods::default();
        for n in 0..2 * limits::PODS {
            let text = format!(
                r#"{{"metadata":{{"uid":"{n}","ownerReferences":[{{"kind":"Job","name":"x","controller":true}}]}}}}"#
            );
            pods.one(&object(&text), Heard::Later, CLOCK);
        }
        assert_eq!(pods.told.len(), limits::PODS);
    }
}
