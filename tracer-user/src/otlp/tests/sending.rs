//! The exporter, and collectors of many kinds.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message as _;

use super::stand_in::{Asked, Collector, Say};
use crate::event::BootNs;
use crate::model::{ContainerName, Termination};
use crate::otlp::exporter::Pace;
use crate::otlp::proto::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use crate::otlp::{Ending, Endpoint, Exporter, Queue, Summary, Target, limits};
use crate::output::fixtures;

/// A pace for tests: nothing is waited for in vain for long.
const PACE: Pace = Pace {
    gather: Duration::from_millis(20),
    request: Duration::from_secs(20),
    backoff: Duration::from_millis(20),
    last_words: Duration::from_secs(20),
};

/// Longer than any test runs.
const NEVER: Duration = Duration::from_hours(24);

fn target(url: &str) -> Target {
    let endpoint = Endpoint::of_collector(url).expect("good");
    let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, HeaderValue::from_static("Basic abc"))]);
    let attributes = vec![("host.name".to_owned(), "node-1".to_owned())];
    Target { endpoint, headers, attributes, authorities: None }
}

/// The end of a container with this name.
fn end(name: &str) -> Ending {
    let container = ContainerName { id: name.to_owned(), name: Some(name.to_owned()), ..ContainerName::default() };
    let termination = Termination { container: Arc::new(container), ..fixtures::graceful() };
    Ending { termination: Arc::new(termination), image: Some("nginx:1.25".to_owned()) }
}

/// An exporter, and the way into it.
fn exporter(url: &str, pace: Pace) -> (Arc<Queue>, Exporter) {
    let queue = Arc::new(Queue::default());
    let exporter = Exporter::at_pace(target(url), Arc::clone(&queue), pace).expect("a thread");
    (queue, exporter)
}

fn roots(asked: &[Asked]) -> Vec<Vec<String>> {
    asked.iter().map(Asked::roots).collect()
}

#[test]
fn what_ends_together_is_sent_together_as_the_protocol_wants_it() {
    let collector = Collector::start([]);
    let (queue, exporter) = exporter(&collector.url(), Pace { gather: Duration::from_mins(1), ..PACE });
    for name in ["app", "sidecar"] {
        queue.push(end(name));
    }
    // what waits is sent at the end
    assert_eq!(exporter.stop(), Summary { sent: 2, lost: 0 });
    let asked = collector.asked();
    assert_eq!(roots(&asked), [["stop app", "stop sidecar"]]);
    let head = &asked[0].head;
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    for line in [
        &format!("host: {}", collector.address),
        "content-type: application/x-protobuf",
        "authorization: basic abc",
        concat!("user-agent: tracer/", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(head.lines().any(|header| header == line), "{line} is not in\n{head}");
    }
    // every field is where others look for it
    let traces = asked[0].traces();
    let first = &traces.resource_spans[0];
    let text = |value: &str| Some(Value::StringValue(value.to_owned()));
    let resource = &first.resource.as_ref().expect("there is one").attributes;
    let told = |key: &str| {
        let known = resource.iter().find(|known| known.key == key).unwrap_or_else(|| panic!("{key} in {resource:?}"));
        known.value.as_ref().and_then(|value| value.value.clone())
    };
    assert_eq!((told("service.name"), told("host.name")), (text("app"), text("node-1")));
    let Some(Value::ArrayValue(tags)) = told("container.image.tags") else { panic!("{resource:?}") };
    assert_eq!(tags.values[0].value, text("1.25"));
    let scope = &first.scope_spans[0];
    assert_eq!(scope.scope.as_ref().map(|scope| scope.name.as_str()), Some("tracer"));
    assert!(first.schema_url.starts_with("https://opentelemetry.io/schemas/"));
    let (root, child) = (&scope.spans[0], &scope.spans[2]);
    assert_eq!((root.kind, root.flags, root.status.as_ref().map(|status| status.code)), (1, 1, Some(1)));
    assert_eq!((root.trace_id.len(), root.span_id.len()), (16, 8));
    assert_eq!((&child.trace_id, &child.parent_span_id), (&root.trace_id, &root.span_id));
    assert!(root.start_time_unix_nano <= child.start_time_unix_nano);
    assert_eq!(root.end_time_unix_nano - root.start_time_unix_nano, 850_000_000);
    assert_eq!(child.name, "nginx (PID 1)");
    let value = |key: &str| {
        let known = child.attributes.iter().find(|known| known.key == key).expect(key);
        known.value.as_ref().and_then(|value| value.value.clone())
    };
    assert_eq!(
        (value("process.pid"), value("tracer.got_stop_signal")),
        (Some(Value::IntValue(4123)), Some(Value::BoolValue(true)))
    );
    let grace = &scope.spans[1].attributes;
    let budget = grace.iter().find(|known| known.key == "tracer.grace.budget_s").and_then(|known| known.value.clone());
    assert_eq!(budget.and_then(|value| value.value), Some(Value::DoubleValue(30.0)));
    let event = &child.events[0];
    assert_eq!((event.name.as_str(), event.time_unix_nano), ("SIGQUIT caught", root.start_time_unix_nano));
    assert!(event.attributes.iter().any(|known| known.key == "tracer.sender"));
}

#[test]
fn a_collector_that_is_busy_is_asked_again_when_it_says() {
    let busy = Say::Status("429 Too Many Requests", "Retry-After: 1\r\n".to_owned(), Vec::new());
    let collector = Collector::start([busy, Say::status("503 Service Unavailable"), Say::status("502 Bad Gateway")]);
    let (queue, exporter) = exporter(&collector.url(), PACE);
    queue.push(end("app"));
    let asked = collector.wait_for(4);
    assert_eq!(exporter.stop(), Summary { sent: 1, lost: 0 });
    assert!(asked.iter().all(|request| request.body == asked[0].body), "it is sent as it was");
    let waited = asked[1].at - asked[0].at;
    assert!(waited >= Duration::from_secs(1), "it came back after {waited:?}");
    assert_eq!(collector.asked().len(), 4);
}

#[test]
fn what_is_refused_is_not_sent_again_and_the_next_is_tried() {
    let collector = Collector::start([Say::status("500 Internal Server Error"), Say::status("400 Bad Request")]);
    let (queue, exporter) = exporter(&collector.url(), PACE);
    for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
        queue.push(end(name));
        collector.wait_for(number + 1);
    }
    assert_eq!(exporter.stop(), Summary { sent: 1, lost: 2 });
    // as the metrics have it
    assert_eq!(queue.summary(), Summary { sent: 1, lost: 2 });
    assert_eq!(roots(&collector.asked()), [["stop a"], ["stop b"], ["stop c"]]);
}

#[test]
fn what_was_taken_in_part_is_not_sent_again() {
    let partial = ExportTracePartialSuccess { rejected_spans: 2, error_message: b"too \x1b[31mold".to_vec() };
    let body = ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    let collector = Collector::start([Say::Status("200 OK", String::new(), body)]);
    let (queue, exporter) = exporter(&collector.url(), PACE);
    queue.push(end("a"));
    collector.wait_for(1);
    queue.push(end("b"));
    collector.wait_for(2);
    assert_eq!(exporter.stop(), Summary { sent: 2, lost: 0 });
    assert_eq!(roots(&collector.asked()), [["stop a"], ["stop b"]]);
}

#[test]
fn one_that_hangs_or_talks_nonsense_is_left_and_asked_again() {
    let collector = Collector::start([Say::Nothing, Say::Garbage, Say::Endless]);
    let (queue, exporter) = exporter(&collector.url(), Pace { request: Duration::from_millis(300), ..PACE });
    queue.push(end("app"));
    collector.wait_for(4);
    assert_eq!(exporter.stop(), Summary { sent: 1, lost: 0 });
}

#[test]
fn while_nobody_takes_anything_the_last_ends_are_kept() {
    // a port at which nobody listens yet
    let reserved = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = reserved.local_addr().expect("it is bound");
    drop(reserved);
    // who waited for the collector would wait for ever, and so would who waited for the last words to be over
    let (queue, exporter) = exporter(&format!("http://{address}"), Pace { last_words: NEVER, ..PACE });
    for number in 0..limits::QUEUE * 2 {
        queue.push(end(&number.to_string()));
    }
    assert!(queue.len() <= limits::QUEUE);
    assert_eq!(exporter.stop(), Summary { sent: 0, lost: limits::QUEUE as u64 * 2 });
}

#[test]
fn the_end_does_not_wait_for_one_that_hangs() {
    let collector = Collector::start([Say::Nothing]);
    let last_words = Duration::from_millis(100);
    // who waited for the answer would wait for ever
    let (queue, exporter) = exporter(&collector.url(), Pace { request: NEVER, last_words, ..PACE });
    queue.push(end("app"));
    collector.wait_for(1);
    let began = Instant::now();
    assert_eq!(exporter.stop(), Summary { sent: 0, lost: 1 });
    assert!(began.elapsed() >= last_words, "it has a moment for that");
}

#[test]
fn what_is_too_much_for_one_request_is_several_and_nothing_is_missing() {
    let collector = Collector::start([]);
    let (queue, exporter) = exporter(&collector.url(), PACE);
    // about 80 KiB each
    let large = |at: u64| Ending {
        termination: Arc::new(Termination { started: BootNs(at), ..fixtures::not_forwarded(200) }),
        image: None,
    };
    (0..40).for_each(|at| queue.push(large(7_284_000_000 + at)));
    assert_eq!(exporter.stop(), Summary { sent: 40, lost: 0 });
    let asked = collector.asked();
    assert!(asked.len() > 1, "{}", asked.len());
    for request in &asked {
        let alone = request.roots().len() == 1;
        assert!(alone || request.body.len() <= limits::BATCH_BYTES + 64 * limits::BATCH, "{}", request.body.len());
    }
    let ids = |asked: &[Asked]| -> std::collections::HashSet<Vec<u8>> {
        let all = asked.iter().flat_map(|request| request.traces().resource_spans);
        all.map(|told| told.scope_spans[0].spans[0].trace_id.clone()).collect()
    };
    assert_eq!(ids(&asked).len(), 40);
}
