//! Attributes, bounded and safe: whatever a stranger named a process, a pod or an image goes through here.

use super::limits;
use super::proto::{AnyValue, ArrayValue, KeyValue, Value};
use crate::event::Comm;
use crate::printable;

/// Attributes as they are collected.
#[derive(Debug, Default)]
pub(super) struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn push(&mut self, key: &str, value: Value) {
        self.0.push(KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }) });
    }

    /// A text; none if it is empty.
    pub(super) fn text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.push(key, Value::Text(name(text)));
        }
    }

    /// Sentences, which may be longer than a name.
    pub(super) fn prose(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.push(key, Value::Text(prose(text)));
        }
    }

    /// Several texts; none if there is none.
    pub(super) fn texts<'a>(&mut self, key: &str, texts: impl Iterator<Item = &'a str>) {
        let values: Vec<_> = texts.map(|text| AnyValue { value: Some(Value::Text(name(text))) }).collect();
        if !values.is_empty() {
            self.push(key, Value::Array(ArrayValue { values }));
        }
    }

    /// A whole number.
    pub(super) fn number(&mut self, key: &str, number: impl Into<i64>) {
        self.push(key, Value::Int(number.into()));
    }

    /// A time, ms, told in seconds.
    pub(super) fn seconds(&mut self, key: &str, ms: u64) {
        self.push(key, Value::Double(std::time::Duration::from_millis(ms).as_secs_f64()));
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, key: &str, flag: bool) {
        self.push(key, Value::Bool(flag));
    }

    /// What belongs to all, unless it is said already.
    pub(super) fn add_missing(&mut self, more: &[(String, String)]) {
        for (key, value) in more {
            if !self.0.iter().any(|known| known.key == *key) {
                self.text(key, value);
            }
        }
    }

    pub(super) fn into_vec(self) -> Vec<KeyValue> {
        self.0
    }
}

/// A name: safe for a terminal, and no longer than [`limits::NAME`].
pub(super) fn name(text: &str) -> String {
    bounded(text, limits::NAME)
}

/// The name of a process.
pub(super) fn comm(comm: Comm) -> String {
    match printable::bytes(comm.bytes()) {
        name if name.is_empty() => "?".to_owned(),
        name => name.into_owned(),
    }
}

/// Sentences: the same, longer, and with their line breaks.
pub(super) fn prose(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| bounded(line, limits::PROSE)).collect();
    cut(lines.join("\n"), limits::PROSE)
}

fn bounded(text: &str, limit: usize) -> String {
    // only as much as can be told is made safe: it may be megabytes
    let start: String = text.chars().take(limit + 1).collect();
    cut(printable::text(&start).into_owned(), limit)
}

/// At most `limit` characters, with a mark where it was cut.
fn cut(text: String, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text,
        Some(_) => text.chars().take(limit - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_say_is_bounded_and_safe() {
        assert_eq!(name("nginx\x1b[2J\n"), "nginx\\x1b[2J\\x0a");
        assert_eq!(prose("one\ntwo \x07"), "one\ntwo \\x07");
        let long = name(&"\u{202e}".repeat(1_000_000));
        assert_eq!(long.chars().count(), limits::NAME);
        assert!(long.ends_with('…'), "{long}");
        assert_eq!(prose(&"word\n".repeat(100_000)).chars().count(), limits::PROSE);
        assert_eq!(name(&"a".repeat(limits::NAME)), "a".repeat(limits::NAME));
        assert_eq!((comm(Comm::from("")), comm(Comm::new([0xff; 16]))), ("?".to_owned(), "\u{fffd}".repeat(15)));
    }

    #[test]
    fn what_is_known_of_all_does_not_take_the_place_of_what_is_known_of_one() {
        let mut attributes = Attributes::default();
        attributes.text("container.id", "abc");
        attributes.text("container.name", "");
        let more = [("container.id", "other"), ("k8s.cluster.name", "east")];
        attributes.add_missing(&more.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let keys: Vec<_> = attributes.into_vec().into_iter().map(|known| known.key).collect();
        assert_eq!(keys, ["container.id", "k8s.cluster.name"]);
    }
}
