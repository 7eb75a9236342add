//! Every recorded scenario as traces.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::agent::{Ends, Sink as _};
use crate::model::{Node, Verdict};
use crate::otlp::proto::{ResourceSpans, Span};
use crate::otlp::testing::{all, picture, spans, tell};
use crate::otlp::{Ending, Queue, limits, trace};
use crate::output::{Clock, fixtures};
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
    for case in ["dash-drops", "cri-pre-stop", "cri-pre-stop-uses-all", "tini-shell", "npm-start", "cri-exits-143"] {
        let told: Vec<_> = traces(case).iter().map(all).collect();
        insta::assert_snapshot!(case, told.join("\n----\n"));
    }
}

#[test]
fn what_ends_made_by_hand_look_like() {
    let hostile = fixtures::killed();
    for (name, termination) in [("too_slow", fixtures::too_slow()), ("killed", hostile)] {
        let ending = Ending { termination: Arc::new(termination), image: Some("nginx:1.25".to_owned()) };
        insta::assert_snapshot!(name, all(&trace(&ending, fixtures::CLOCK, &[])));
    }
}

/// The page shows what is made of this recording.
#[test]
fn the_picture_in_the_documentation_is_one_of_these() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/otlp.md");
    let page = fs::read_to_string(page).expect("docs/otlp.md");
    let picture = picture(&traces("cri-pre-stop")[0]);
    assert!(page.contains(&picture), "docs/otlp.md does not show\n{picture}");
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
            let processes = children.iter().filter(|span| span.name != "grace period").count();
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
