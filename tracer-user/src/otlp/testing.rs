//! For tests: traces in words.

use std::fmt::Write as _;

use super::proto::{AnyValue, KeyValue, ResourceSpans, Span, Value};

/// `key=value`.
pub(super) fn tell(attribute: &KeyValue) -> String {
    format!("{}={}", attribute.key, value(attribute.value.as_ref()))
}

fn value(told: Option<&AnyValue>) -> String {
    match told.and_then(|told| told.value.as_ref()) {
        None => "nothing".to_owned(),
        Some(Value::Text(text)) => text.clone(),
        Some(Value::Bool(flag)) => flag.to_string(),
        Some(Value::Int(number)) => number.to_string(),
        Some(Value::Double(number)) => number.to_string(),
        Some(Value::Array(array)) => {
            let values: Vec<_> = array.values.iter().map(|told| value(Some(told))).collect();
            format!("[{}]", values.join(", "))
        }
    }
}

/// The spans of a trace.
pub(super) fn spans(trace: &ResourceSpans) -> &[Span] {
    let [scope] = trace.scope_spans.as_slice() else { panic!("one scope: {trace:?}") };
    &scope.spans
}

/// Columns of the picture.
const WIDTH: u64 = 40;

/// As Jaeger draws it: who, when, and what happened.
pub(super) fn picture(trace: &ResourceSpans) -> String {
    let spans = spans(trace);
    let root = &spans[0];
    let length = (root.end_time_unix_nano - root.start_time_unix_nano).max(1);
    let column = |at: u64| {
        let from = at - root.start_time_unix_nano;
        usize::try_from(u128::from(from) * u128::from(WIDTH) / u128::from(length)).expect("small")
    };
    let mut text = String::new();
    for span in spans {
        let (from, to) = (column(span.start_time_unix_nano), column(span.end_time_unix_nano));
        let (from, to) = (from.min(39), to.max(from.min(39) + 1));
        let bar = format!("{}{}", " ".repeat(from), "━".repeat(to - from));
        let name = if span.parent_span_id.is_empty() { span.name.clone() } else { format!("  {}", span.name) };
        let error = if span.status.as_ref().is_some_and(|status| status.code == 2) { "!" } else { " " };
        let took = seconds(span.end_time_unix_nano - span.start_time_unix_nano);
        writeln!(text, "{error} {name:24} {bar:40} {took:>9}").expect("a string");
        for event in &span.events {
            let at = column(event.time_unix_nano).min(39);
            let when = seconds(event.time_unix_nano - root.start_time_unix_nano);
            let line = format!("{}└ {} at {when}", " ".repeat(at), event.name);
            writeln!(text, "  {:24} {line}", "").expect("a string");
        }
    }
    let lines: Vec<_> = text.lines().map(str::trim_end).chain([""]).collect();
    lines.join("\n")
}

fn seconds(ns: u64) -> String {
    if ns < 1_000_000 {
        return format!("{} µs", ns / 1_000);
    }
    format!("{}.{:03} s", ns / 1_000_000_000, ns / 1_000_000 % 1_000)
}

/// All of it, for a snapshot.
pub(super) fn all(trace: &ResourceSpans) -> String {
    let mut text = picture(trace);
    let list = |text: &mut String, attributes: &[KeyValue]| {
        for known in attributes {
            writeln!(text, "    {}", tell(known)).expect("a string");
        }
    };
    writeln!(text, "\nresource").expect("a string");
    list(&mut text, &trace.resource.as_ref().expect("there is one").attributes);
    for span in spans(trace) {
        writeln!(text, "{}", span.name).expect("a string");
        list(&mut text, &span.attributes);
        if let Some(status) = &span.status {
            writeln!(text, "    status {} {}", status.code, status.message).expect("a string");
        }
        for event in &span.events {
            writeln!(text, "  at {}: {}", event.time_unix_nano, event.name).expect("a string");
            list(&mut text, &event.attributes);
        }
    }
    text
}
