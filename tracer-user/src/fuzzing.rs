//! What is parsed of strangers' bytes, one function each, for `fuzz/` and `tests/hostile_bytes.rs`. No part of the interface.
//!
//! Each takes any bytes, must come to an end, and must not panic; what it asserts beside that is what whoever uses the parser
//! relies on.

use crate::agent::protocol::{Answer, Greeting, Skew};
use crate::container::{hierarchy, path};
use crate::event::Event;
use crate::model::Node;
use crate::output::{Clock, JsonLines, Style, Text, View as _};
use crate::stream::{MAX_LINE, Reader, record};
use crate::{audit, container, doctor, live, printable, probe};

/// A parser under test.
pub struct Target {
    /// Its name, and that of its corpus below `fuzz/corpus`.
    pub name: &'static str,
    /// Parses, and panics when what comes of it is not as it should be.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 8] = [
    Target { name: "records", run: records },
    Target { name: "recordings", run: recordings },
    Target { name: "cgroup_paths", run: cgroup_paths },
    Target { name: "docker", run: docker },
    Target { name: "cri", run: cri },
    Target { name: "btf", run: btf },
    Target { name: "proc", run: proc },
    Target { name: "attach", run: attach },
];

/// Events that a recording under test is folded to.
const FOLDED: usize = 4_096;

/// What the kernel programs write: the ring's records, and what the iterators tell.
pub fn records(bytes: &[u8]) {
    probe::fuzzing::records(bytes);
}

/// The kernel's types.
pub fn btf(bytes: &[u8]) {
    probe::fuzzing::btf(bytes);
}

/// A recording: what can be read of it can be written, and reads the same; it can be replayed, and nothing of it reaches a
/// terminal raw.
pub fn recordings(bytes: &[u8]) {
    let reader = match Reader::new(bytes) {
        Ok(reader) => reader,
        Err(error) => return assert_printable(&error.to_string()),
    };
    let start = reader.start().clone();
    let mut events = Vec::new();
    for event in reader {
        match event {
            Ok(event) => events.push(event),
            Err(error) => assert_printable(&error.to_string()),
        }
    }
    // escapes may make a line longer than one may be
    let longest = events.iter().filter_map(|event| serde_json::to_vec(event).ok()).map(|line| line.len()).max();
    if longest.is_none_or(|longest| longest < MAX_LINE) {
        let again = record(&start, &events).expect("what was read can be written");
        let reader = Reader::new(&*again).expect("what was written can be read");
        let read: Vec<_> = reader.map(|event| event.expect("all of it")).collect();
        assert_eq!(read, events, "a recording that is written again is another");
    }
    replay(&events[..events.len().min(FOLDED)], Clock { boot_to_wall_ns: start.boot_to_wall_ns });
}

fn replay(events: &[Event], clock: Clock) {
    let mut node = Node::new();
    let mut json = JsonLines::new(Vec::new(), clock);
    let mut text = Text::new(Vec::new(), clock, Style::default(), 80);
    for event in events {
        node.apply(event);
    }
    node.conclude();
    for change in node.take_changes() {
        json.show(&change).and_then(|()| text.show(&change)).expect("there is room for it");
    }
    for line in json.into_inner().split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        serde_json::from_slice::<serde_json::Value>(line).expect("a line is JSON");
        assert!(line.iter().all(|byte| *byte >= b' '), "a line has a control character");
    }
    String::from_utf8(text.into_inner()).expect("text is UTF-8").lines().for_each(assert_printable);
}

/// A cgroup's path. The id that it tells is in it.
pub fn cgroup_paths(bytes: &[u8]) {
    let path = String::from_utf8_lossy(bytes);
    let Some(found) = path::parse(&path) else { return };
    let own = path.get(..found.own_len).expect("its own part is a part of it");
    assert!(!found.id.is_empty() && own.contains(&found.id), "{found:?}");
    // what lies below is no other container's
    assert_eq!(path::parse(own).map(|found| found.id), Some(found.id.clone()));
    assert!(path::parse(own).is_some_and(|found| found.is_own(own)));
}

/// What a Docker daemon answers.
pub fn docker(bytes: &[u8]) {
    container::runtime::fuzzing::docker(&String::from_utf8_lossy(bytes));
}

/// What a CRI runtime answers.
pub fn cri(bytes: &[u8]) {
    container::runtime::fuzzing::cri(bytes);
}

/// Files of `/proc`.
pub fn proc(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().count();
    assert!(hierarchy::parse_controllers(&text).len() <= lines);
    assert!(hierarchy::parse_mountinfo(&text).len() <= lines);
    assert!(doctor::mounts::Mount::parse(&text).len() <= lines);
    for membership in hierarchy::parse_membership(&text) {
        assert!(membership.path.starts_with('/'));
        cgroup_paths(membership.path.as_bytes());
    }
    audit::fuzzing::proc(&text);
    live::fuzzing::stack(&text);
}

/// The first lines of both ends of an agent's socket, and the recording that follows.
pub fn attach(bytes: &[u8]) {
    let (line, rest) =
        bytes.iter().position(|byte| *byte == b'\n').map_or((bytes, &[][..]), |at| bytes.split_at(at + 1));
    match Answer::parse(line) {
        Answer::Welcome(_) => recordings(rest),
        Answer::Skew(Skew { agent, theirs, own, ours }) => assert_printable(&[agent, theirs, own, ours].concat()),
        Answer::Refused(why) => assert_printable(&why),
        Answer::Nonsense => {}
    }
    if let Some(greeting) = Greeting::parse(line) {
        greeting.trouble().iter().for_each(|trouble| assert_printable(trouble));
    }
}

fn assert_printable(line: &str) {
    assert!(printable::text(line) == line, "not safe for a terminal: {line:?}");
}
