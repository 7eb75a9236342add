//! From what became known to an Event on the pod (`events.k8s.io/v1`). Pure.

use serde::Serialize;

use crate::event::BootNs;
use crate::model::{Change, ContainerName, News, Termination};
use crate::output::Clock;
use crate::printable;

use super::limits;
use super::reasons::{self, Words};

/// Who tells it.
pub(super) const CONTROLLER: &str = "tracer";

/// Something to be told of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) at: BootNs,
    pub(super) pod: Pod,
    pub(super) words: Words,
    /// At most [`limits::NOTE_BYTES`] long.
    pub(super) text: String,
}

/// The pod, and the container of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pod {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) container: String,
}

/// Whether a change may be one to be told.
pub(super) fn is_told(change: &Change) -> bool {
    match &change.news {
        News::Termination(end) => reasons::of_verdict(end.verdict).is_some() && is_in_pod(&end.container),
        News::Condition(condition) => condition.container.as_deref().is_some_and(is_in_pod),
        _ => false,
    }
}

fn is_in_pod(container: &ContainerName) -> bool {
    Pod::of(container).is_some()
}

impl Pod {
    /// `None` for what is in no pod of Kubernetes: Podman's have no namespace. A sandbox is nobody's workload.
    fn of(container: &ContainerName) -> Option<Self> {
        let pod = container.pod.as_ref().filter(|_| !container.sandbox)?;
        // the namespace becomes a part of a path, and a runtime may say what it likes
        let is_known = is_name(&pod.namespace) && is_name(&pod.name) && !pod.uid.is_empty();
        is_known.then(|| Self {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            uid: pod.uid.clone(),
            container: container.name.clone().unwrap_or_default(),
        })
    }
}

/// Whether the API may know an object by this name.
fn is_name(text: &str) -> bool {
    let fits = (1..=limits::NAME_BYTES).contains(&text.len());
    fits && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
        && !text.starts_with('.')
}

impl Note {
    /// What is to be told of a change, if anything is.
    pub(super) fn of(change: &Change) -> Option<Self> {
        let (words, container, certain, explanation, fix) = match &change.news {
            News::Termination(end) => {
                (reasons::of_verdict(end.verdict)?, &end.container, end.certain, without_strangers(end), &end.fix)
            }
            News::Condition(condition) => {
                let Some(container) = &condition.container else { return None };
                (reasons::of_condition(condition.kind), container, true, condition.explanation.clone(), &condition.fix)
            }
            _ => return None,
        };
        let pod = Pod::of(container)?;
        // no fieldPath: the runtime does not tell an init container (spec.initContainers) from another one
        let place = if pod.container.is_empty() { String::new() } else { format!("Container {}: ", pod.container) };
        let doubt = if certain { "" } else { "Not certain, some of what happened was not seen: " };
        let fix = fix.as_ref().map(|fix| format!(" Fix: {fix}")).unwrap_or_default();
        let text = format!("{place}{doubt}{explanation}{fix}").replace('\n', " ");
        let text = shortened(&printable::text(&text), limits::NOTE_BYTES);
        Some(Self { at: change.at, pod, words, text })
    }

    /// The object that tells it, by this name.
    pub(super) fn object<'a>(&'a self, name: &'a str, instance: &'a str, clock: Clock) -> Object<'a> {
        let Self { at, pod, words, text } = self;
        Object {
            api_version: "events.k8s.io/v1",
            kind: "Event",
            metadata: Metadata { name, namespace: &pod.namespace },
            event_time: micro_time(clock, *at),
            reporting_controller: CONTROLLER,
            reporting_instance: shortest(instance, limits::INSTANCE_BYTES),
            action: words.action,
            reason: words.reason,
            regarding: Regarding {
                api_version: "v1",
                kind: "Pod",
                namespace: &pod.namespace,
                name: &pod.name,
                uid: &pod.uid,
            },
            note: text,
            r#type: reasons::TYPE,
        }
    }

    /// A name that no other Event has: the pod's, and the time in hexadecimal, as kubelet does.
    pub(super) fn name(&self, clock: Clock, salt: u64) -> String {
        let nanos = clock.wall(self.at).unix_timestamp_nanos();
        let time = format!(".{nanos:x}{}", if salt == 0 { String::new() } else { format!(".{salt:x}") });
        let pod = shortest(&self.pod.name, limits::NAME_BYTES.saturating_sub(time.len()));
        format!("{}{time}", pod.trim_end_matches(['.', '-']))
    }
}

/// The explanation, without the names of containers in other namespaces that a signal came from: who may read the Events of
/// one namespace need not know what runs in another.
fn without_strangers(end: &Termination) -> String {
    fn namespace(name: &ContainerName) -> Option<&str> {
        name.pod.as_ref().map(|pod| pod.namespace.as_str())
    }
    let received = end.processes.iter().flat_map(|process| &process.received).map(|received| &received.sender);
    let told = end.sender.iter().chain(end.kill.iter().map(|kill| &kill.sender)).map(|sender| &sender.party);
    let others = received.chain(told).filter_map(|party| party.container.as_ref());
    let others = others.filter(|other| namespace(other) != namespace(&end.container));
    let mut names: Vec<_> = others.map(|other| format!("in container {}", other.friendly())).collect();
    // one name may begin with another
    names.sort_unstable_by_key(|name| std::cmp::Reverse(name.len()));
    names.iter().fold(end.explanation.clone(), |text, name| text.replace(name, "in another container"))
}

/// An Event as the API has it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'a>,
    event_time: String,
    reporting_controller: &'static str,
    reporting_instance: &'a str,
    action: &'static str,
    reason: &'static str,
    regarding: Regarding<'a>,
    note: &'a str,
    r#type: &'static str,
}

#[derive(Debug, Serialize)]
struct Metadata<'a> {
    name: &'a str,
    namespace: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Regarding<'a> {
    api_version: &'static str,
    kind: &'static str,
    namespace: &'a str,
    name: &'a str,
    uid: &'a str,
}

/// What makes an Event one of several.
#[derive(Debug, Serialize)]
pub(super) struct SeriesPatch {
    series: Series,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Series {
    count: u32,
    last_observed_time: String,
}

impl SeriesPatch {
    /// It has happened so often, last at this time.
    pub(super) fn new(count: u32, last: BootNs, clock: Clock) -> Self {
        Self { series: Series { count, last_observed_time: micro_time(clock, last) } }
    }
}

/// `2026-11-21T14:03:07.284000Z`: exactly six digits, or the API does not read it.
fn micro_time(clock: Clock, at: BootNs) -> String {
    let nanos = clock.rfc3339(at).to_string();
    nanos.strip_suffix("000Z").map_or_else(|| format!("{}Z", &nanos[..nanos.len() - 4]), |micros| format!("{micros}Z"))
}

/// As much of a text as fits, with a mark where something is missing.
fn shortened(text: &str, bytes: usize) -> String {
    const MARK: &str = " …";
    if text.len() <= bytes {
        return text.to_owned();
    }
    let mut short = shortest(text, bytes.saturating_sub(MARK.len())).to_owned();
    short.push_str(MARK);
    short
}

/// The beginning of a text, cut between two characters.
fn shortest(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::PodName;
    use crate::model::{ContainerRef, Verdict};
    use crate::output::fixtures::{self, CLOCK};

    fn ended(termination: Termination) -> Change {
        Change { at: fixtures::after(30_026), news: News::Termination(Arc::new(termination)) }
    }

    fn told(change: &Change) -> String {
        let note = Note::of(change).expect("it is told");
        let name = note.name(CLOCK, 0);
        serde_json::to_string_pretty(&note.object(&name, "node-1", CLOCK)).expect("it can be written")
    }

    #[test]
    fn an_end_is_an_event_on_its_pod() {
        insta::assert_snapshot!(told(&ended(fixtures::dropped())));
        assert!(is_told(&ended(fixtures::dropped())));
    }

    #[test]
    fn so_is_a_condition() {
        let change = Change { at: fixtures::after(5), news: News::Condition(Arc::new(fixtures::condition())) };
        insta::assert_snapshot!(told(&change));
        assert!(is_told(&change));
    }

    #[test]
    fn what_is_uncertain_says_so() {
        let text = told(&ended(Termination { certain: false, ..fixtures::dropped() }));
        assert!(
            text.contains("\"note\": \"Container app: Not certain, some of what happened was not seen: sh is PID 1"),
            "{text}"
        );
    }

    #[test]
    fn nothing_is_told_of_what_is_in_order_or_in_no_pod() {
        let with = |container: ContainerRef| ended(Termination { container, ..fixtures::dropped() });
        let named = |pod: PodName| {
            with(Arc::new(ContainerName { pod: Some(pod), ..ContainerName::clone(&fixtures::container()) }))
        };
        let hostile =
            PodName { namespace: "../x".to_owned(), ..fixtures::container().pod.clone().expect("it has one") };
        let podman = PodName { namespace: String::new(), name: "pod".to_owned(), uid: "1".to_owned() };
        let sandbox = ContainerName { sandbox: true, ..ContainerName::clone(&fixtures::container()) };
        let cases = [
            ended(fixtures::graceful()),
            with(fixtures::nameless()),
            named(podman),
            named(hostile),
            with(Arc::new(sandbox)),
        ];
        for change in cases {
            assert_eq!((Note::of(&change), is_told(&change)), (None, false));
        }
        for change in fixtures::every_event() {
            assert_eq!(Note::of(&change).is_some(), is_told(&change), "{change:?}");
        }
    }

    #[test]
    fn a_container_has_its_name_in_the_note_and_no_path_that_may_be_wrong() {
        let text = told(&ended(fixtures::dropped()));
        assert!(text.contains("\"note\": \"Container app: sh is PID 1") && !text.contains("fieldPath"), "{text}");
        let nameless = ContainerName { name: None, ..ContainerName::clone(&fixtures::container()) };
        let end = Termination { container: Arc::new(nameless), ..fixtures::dropped() };
        assert!(told(&ended(end)).contains("\"note\": \"sh is PID 1"));
    }

    #[test]
    fn who_sent_a_signal_from_another_namespace_is_not_named() {
        let from = |namespace: Option<&str>| {
            let mut end = fixtures::dropped();
            let pod = namespace.map(|namespace| PodName {
                namespace: namespace.to_owned(),
                name: "db-0".to_owned(),
                uid: "1".to_owned(),
            });
            let other = ContainerName { name: Some("db".to_owned()), pod, ..ContainerName::default() };
            end.explanation = format!("pkill (pid 7, in container {}) sent SIGTERM", other.friendly());
            end.sender.as_mut().expect("somebody sent it").party.container = Some(Arc::new(other));
            Note::of(&ended(end)).expect("it is told").text
        };
        for namespace in [Some("bank"), None] {
            let text = from(namespace);
            assert!(text.contains("pkill (pid 7, in another container) sent SIGTERM"), "{text}");
            assert!(!text.contains("db"), "{text}");
        }
        assert!(from(Some("shop")).contains("in container shop/db-0/db"), "{}", from(Some("shop")));
    }

    #[test]
    fn no_text_is_longer_than_the_api_takes_or_raw() {
        let long = "ä\u{1b}[2J\n".repeat(400);
        let hostile = Termination { explanation: long, ..fixtures::dropped() };
        let note = Note::of(&ended(hostile)).expect("it is told");
        assert!(note.text.len() <= limits::NOTE_BYTES && note.text.len() > limits::NOTE_BYTES - 8);
        assert!(note.text.ends_with(" …") && !note.text.chars().any(char::is_control), "{}", note.text);
    }

    #[test]
    fn who_tells_it_is_no_longer_than_the_api_takes() {
        let note = Note::of(&ended(fixtures::dropped())).expect("it is told");
        let instance = |node: &str| note.object("x", node, CLOCK).reporting_instance.to_owned();
        let longest = format!("n{}", ".example".repeat(31));
        assert_eq!(instance(&longest), longest[..128]);
        assert_eq!(instance("node-1"), "node-1");
    }

    #[test]
    fn a_name_is_one_that_the_api_takes() {
        let mut note = Note::of(&ended(fixtures::dropped())).expect("it is told");
        assert_eq!(note.name(CLOCK, 0), "web-7d9f8b6c5-x2x4k.18ea146318be3380");
        assert_eq!(note.name(CLOCK, 10), "web-7d9f8b6c5-x2x4k.18ea146318be3380.a");
        note.pod.name = "a-".repeat(126);
        let name = note.name(CLOCK, 0);
        assert!(name.len() <= limits::NAME_BYTES && !name.contains("-."), "{name}");
    }

    #[test]
    fn times_have_six_digits() {
        let clock = Clock { boot_to_wall_ns: 1_795_269_787_000_000_000 };
        assert_eq!(micro_time(clock, BootNs(0)), "2026-11-21T14:03:07.000000Z");
        assert_eq!(micro_time(clock, BootNs(284_999_999)), "2026-11-21T14:03:07.284999Z");
    }

    #[test]
    fn every_verdict_that_is_wrong_is_told() {
        let told = |verdict| is_told(&ended(Termination { verdict, ..fixtures::dropped() }));
        let silent: Vec<_> = Verdict::ALL.iter().filter(|verdict| !told(**verdict)).collect();
        assert_eq!(silent, [&Verdict::Graceful, &Verdict::DefaultAction, &Verdict::Exited]);
    }
}
