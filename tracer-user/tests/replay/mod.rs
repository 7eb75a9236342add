//! The replay of a recording, without root and without a kernel.
#![allow(clippy::unwrap_used, reason = "a recording that cannot be read fails the test")]

use std::fs::File;
use std::io::BufReader;

use serde_json::Value;
use tracer_user::model::Node;
use tracer_user::output::{Clock, JsonLines, Style, Text, View as _};
use tracer_user::stream::Reader;

use super::expect;

/// What `tracer replay` says of a recording as JSON, and as text.
pub(crate) fn replay(case: &str) -> (Vec<Value>, String) {
    let path = expect::directory().join(format!("{case}.rec"));
    let reader = Reader::new(BufReader::new(File::open(path).unwrap())).unwrap_or_else(|e| panic!("{case}.rec: {e}"));
    let clock = Clock { boot_to_wall_ns: reader.start().boot_to_wall_ns };
    let (mut node, mut view) = (Node::new(), JsonLines::new(Vec::new(), clock));
    let mut page = Text::new(Vec::new(), clock, Style::default(), 120);
    let mut show = |node: &mut Node| {
        for change in node.take_changes() {
            view.show(&change).unwrap();
            page.show(&change).unwrap();
        }
    };
    for event in reader {
        node.apply(&event.unwrap_or_else(|error| panic!("{case}.rec: {error}")));
        show(&mut node);
    }
    node.conclude();
    show(&mut node);
    let json = view.into_inner();
    let lines = json.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    (lines.map(|line| serde_json::from_slice(line).unwrap()).collect(), String::from_utf8(page.into_inner()).unwrap())
}
