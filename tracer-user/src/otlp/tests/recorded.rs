//! Every recorded scenario as traces.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prost::Message as _;

use crate::agent::{Ends, Sink as _};
use crate::event::{Owner, PodName};
use crate::model::{ContainerName, Deleted, Kill, Node, Outcome, Party, Role, Sender, Termination, Verdict};
use crate::otlp::proto::{ResourceSpans, Span};
use crate::otlp::testing::{all, picture, spans, tell};
use crate::otlp::{Ending, Queue, limits, trace};
use crate::output::{Clock, fixtures};
use crate::signal::Signal;
use crate::stream::Reader;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

/// The ends in a recording, and its clock.
fn ends(case: &str) -> (Vec<Ending>, Clock) {
    let file = File::open(directory().join(format!("{case}.rec"))).unwrap_or_else(|error| panic!("{case}: {error}"));
    let reader = Reader::new(BufReader::new(file)).unwrap_or_else(|error| panic!("{case}: {error}"));
    let clock = Clock { boot_to_wall_ns: reader.start().boot_to_wall_ns };
    let queue = Arc::new(Queue::default());
    let (mut node, mut sink) = (Node::new(), Ends::new(Arc::clone(&queue)));
    let mut hand_over = |node: &mut Node| {
        let wanted: Vec<_> = node.take_changes().filter(|change| sink.wants(change)).collect();
        sink.take(&wanted);
    };
    for event in reader {
        node.apply(&event.unwrap_or_else(|error| panic!("{case}: {error}")));
        hand_over(&mut node);
    }
    node.conclude();
    hand_over(&mut node);
    (std::iter::from_fn(|| queue.take()).collect(), clock)
}

fn common() -> Vec<(String, String)> {
    vec![("host.name".to_owned(), "node-1".to_owned())]
}

fn traces(case: &str) -> Vec<ResourceSpans> {
    let (ends, clock) = ends(case);
    ends.iter().map(|ending| trace(ending, clock, &common())).collect()
}

#[test]
fn what_recorded_ends_look_like() {
    for case in [
        "dash-drops",
        "kubelet-prestop",
        "cri-pre-stop",
        "cri-pre-stop-uses-all",
        "tini-shell",
        "npm-start",
        "cri-exits-143",
    ] {
        let told: Vec<_> = traces(case).iter().map(all).collect();
        insta::assert_snapshot!(case, told.join("\n----\n"));
    }
}

#[test]
fn what_ends_made_by_hand_look_like() {
    let hostile = fixtures::killed();
    let deleted = Termination {
        // 1.5 s before the first sign
        deletion: Some(Deleted {
            requested: fixtures::ms(5_784),
            grace_ms: 30_000,
            until_signal_ms: Some(21_540),
            imprecise: false,
        }),
        owner: Some(Owner { kind: "StatefulSet".to_owned(), name: "db".to_owned() }),
        ..fixtures::too_slow()
    };
    for (name, termination) in [("too_slow", fixtures::too_slow()), ("killed", hostile), ("deleted", deleted)] {
        let ending = Ending { termination: Arc::new(termination), image: Some("nginx:1.25".to_owned()) };
        insta::assert_snapshot!(name, all(&trace(&ending, fixtures::CLOCK, &[])));
    }
}

fn page() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/otlp.md");
    fs::read_to_string(page).expect("docs/otlp.md")
}

/// The page shows what is made of this recording.
#[test]
fn the_picture_in_the_documentation_is_one_of_these() {
    let picture = picture(&traces("cri-pre-stop")[0]);
    assert!(page().contains(&picture), "docs/otlp.md does not show\n{picture}");
}

#[test]
fn the_documentation_quotes_the_bounds() {
    let page = page().replace('\n', " ");
    for said in [
        format!(
            "Names are cut at {} characters, sentences at {},{:03}",
            limits::NAME,
            limits::PROSE / 1000,
            limits::PROSE % 1000
        ),
        format!("at most {} terminations or {} MiB a request", limits::BATCH, limits::BATCH_BYTES >> 20),
        format!("A request has {} s", limits::REQUEST_TIME.as_secs()),
        format!(
            "`Retry-After` ({} min at most), else after {} s",
            limits::RETRY_AFTER_MAX.as_secs() / 60,
            limits::BACKOFF.as_secs()
        ),
        format!("… {} s, less a random part of up to half", limits::BACKOFF_MAX.as_secs()),
        format!("the last {} terminations wait", limits::QUEUE),
        format!("the agent has {} s for what still waits", limits::LAST_WORDS.as_secs_f64()),
    ] {
        assert!(page.contains(&said), "docs/otlp.md does not say: {said}");
    }
    assert_eq!(limits::GATHER.as_millis(), 500, "docs/otlp.md says: within half a second");
}

/// Whatever strangers choose is bounded and bears nothing that a terminal would obey.
#[test]
fn names_from_strangers_are_bounded_and_safe_wherever_they_come() {
    let hostile = || "\x1b[2J\u{202e}\n\0".repeat(100_000);
    let pod = PodName { namespace: hostile(), name: hostile(), uid: hostile() };
    let labels = [("com.docker.compose.service", hostile()), ("job-name", hostile()), ("any", hostile())];
    let container = Arc::new(ContainerName {
        id: hostile(),
        name: Some(hostile()),
        pod: Some(pod),
        labels: labels.map(|(key, value)| (key.to_owned(), value)).into(),
        ..ContainerName::default()
    });
    let stranger = Party { container: Some(Arc::clone(&container)), ..fixtures::stranger() };
    let sender = Sender { party: stranger.clone(), role: Role::Host, ancestors: Vec::new() };
    let processes = vec![fixtures::process(
        stranger.clone(),
        None,
        vec![fixtures::received(Signal::TERM, fixtures::after(1), &sender, Outcome::Default)],
    )];
    let termination = Termination {
        container,
        sender: Some(sender.clone()),
        kill: Some(Kill { at: fixtures::after(2), sender }),
        processes,
        explanation: hostile(),
        fix: Some(hostile()),
        ..fixtures::too_slow()
    };
    for image in [hostile(), format!("{}:{}@{}", hostile(), hostile(), hostile())] {
        let ending = Ending { termination: Arc::new(termination.clone()), image: Some(image) };
        let told = trace(&ending, fixtures::CLOCK, &[("k8s.cluster.name".to_owned(), hostile())]);
        assert!(told.encoded_len() < 32 << 10, "{} bytes", told.encoded_len());
        let text = all(&told);
        let unsafe_one = text.chars().find(|&c| c != '\n' && (c.is_control() || c == '\u{202e}'));
        assert_eq!(unsafe_one, None, "{text}");
        let (root, ids) = (&spans(&told)[0], spans(&told).iter().map(|span| span.span_id.as_slice()).collect());
        for span in spans(&told) {
            check_span("hostile", span, &ids, root);
        }
    }
}

fn check_span(place: &str, span: &Span, ids: &HashSet<&[u8]>, root: &Span) {
    let name = &span.name;
    assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8), "{place}: {name}");
    assert!(span.trace_id.iter().any(|byte| *byte != 0) && span.span_id.iter().any(|byte| *byte != 0), "{place}");
    assert_eq!(span.trace_id, root.trace_id, "{place}: {name}");
    assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{place}: {name} ends before it starts");
    assert!(root.start_time_unix_nano <= span.start_time_unix_nano, "{place}: {name} starts before the root");
    assert!(span.end_time_unix_nano <= root.end_time_unix_nano, "{place}: {name} ends after the root");
    // 2020-01-01
    assert!(span.start_time_unix_nano > 1_577_836_800_000_000_000, "{place}: {name} is before 2020");
    if !std::ptr::eq(span, root) {
        assert_eq!(span.parent_span_id, root.span_id, "{place}: {name}");
        assert!(ids.contains(span.parent_span_id.as_slice()), "{place}: {name} has no parent");
    }
    let mut last = 0;
    for event in &span.events {
        assert!(last <= event.time_unix_nano, "{place}: events of {name} are in no order");
        last = event.time_unix_nano;
        assert!(!event.name.is_empty() && event.name.chars().count() <= limits::NAME, "{place}: {name}");
    }
    assert!(!name.is_empty() && name.chars().count() <= limits::NAME + 8, "{place}: {name}");
    let keys: HashSet<_> = span.attributes.iter().map(|known| &known.key).collect();
    assert_eq!(keys.len(), span.attributes.len(), "{place}: {name} has an attribute twice");
    for attribute in &span.attributes {
        let told = tell(attribute);
        assert!(told.chars().count() <= limits::PROSE + 64, "{place}: {told}");
        assert!(!told.chars().any(|c| c.is_control() && c != '\n'), "{place}: {told:?}");
    }
    let message = span.status.as_ref().map_or("", |status| &status.message);
    assert!(message.chars().count() <= limits::PROSE, "{place}: {message}");
}

#[test]
fn what_holds_of_the_trace_of_every_recorded_end() {
    let mut number = 0;
    for entry in fs::read_dir(directory()).expect("scenarios") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|found| found != "rec") {
            continue;
        }
        let case = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        let (ends, clock) = ends(&case);
        // what was written by hand may be the same in several
        let mut seen = HashSet::new();
        for ending in ends {
            let told = trace(&ending, clock, &common());
            number += 1;
            let termination = &*ending.termination;
            let (root, children) = spans(&told).split_first().expect("a root");
            let place = format!("{case}, {}", root.name);
            assert!(root.parent_span_id.is_empty(), "{place}: the root has a parent");
            let ids: HashSet<_> = spans(&told).iter().map(|span| span.span_id.as_slice()).collect();
            assert_eq!(ids.len(), spans(&told).len(), "{place}: an id is there twice");
            for span in spans(&told) {
                check_span(&place, span, &ids, root);
            }
            // the same end is the same trace, and others are others
            assert_eq!(told, trace(&ending, clock, &common()), "{place}");
            assert!(seen.insert(root.trace_id.clone()), "{place} has the id of another");
            // nobody is missing
            let others = ["grace period", "pod deletion requested"];
            let processes = children.iter().filter(|span| !others.contains(&span.name.as_str())).count();
            let deleted = children.iter().filter(|span| span.name == others[1]).count();
            assert_eq!(deleted, usize::from(termination.deletion.is_some()), "{place}");
            let hook = termination.pre_stop.as_ref();
            let of_kubelet = usize::from(
                hook.is_some_and(|hook| !termination.processes.iter().any(|process| hook.is(&process.process))),
            );
            assert_eq!(processes, termination.processes.len() + of_kubelet, "{place}");
            let asked = termination.stop_signal.is_some() || hook.is_some();
            assert_eq!(children.iter().any(|span| span.name == "grace period"), asked, "{place}");
            let error = root.status.as_ref().is_some_and(|status| status.code == 2);
            let well = termination.verdict == Verdict::Graceful
                || (termination.verdict == Verdict::Exited && termination.exit.is_some_and(|exit| exit.raw == 0));
            assert_eq!(error, !well, "{place}");
            if termination.verdict == Verdict::Graceful {
                let wrong: Vec<_> = children.iter().filter(|span| span.name.starts_with("preStop")).collect();
                let failed = |span: &&Span| span.status.is_some() && !wrong.contains(span);
                assert!(!children.iter().any(|span| failed(&span)), "{place}: graceful, and a process failed");
            }
        }
    }
    assert!(number > 200, "{number} ends were recorded");
}
