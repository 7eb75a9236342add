//! How many events of each kind came, and how many were lost.

use crate::event::{Lost, What};

/// Kinds of events, as they are called in recordings.
const KINDS: [&str; 21] = [
    "signal",
    "deliver",
    "exit",
    "fork",
    "exec",
    "reaped",
    "joined",
    "oom_victim",
    "process",
    "pending",
    "state",
    "cgroup",
    "cgroup_gone",
    "dismissed",
    "described",
    "pod",
    "cgroup_figures",
    "foreseen",
    "counted",
    "lost",
    "tick",
];

/// Events by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen([u64; KINDS.len()]);

impl Seen {
    pub(in crate::agent) const fn count(&mut self, what: &What) {
        self.0[kind(what)] += 1;
    }

    /// All kinds, with how many there were.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        KINDS.into_iter().zip(self.0)
    }
}

const fn kind(what: &What) -> usize {
    match what {
        What::Signal(_) => 0,
        What::Deliver(_) => 1,
        What::Exit(_) => 2,
        What::Fork(_) => 3,
        What::Exec(_) => 4,
        What::Reaped(_) => 5,
        What::Joined(_) => 6,
        What::OomVictim(_) => 7,
        What::Process(_) => 8,
        What::Pending(_) => 9,
        What::State(_) => 10,
        What::Cgroup(_) => 11,
        What::CgroupGone(_) => 12,
        What::Dismissed(_) => 13,
        What::Described(_) => 14,
        What::Pod(_) => 15,
        What::CgroupFigures(_) => 16,
        What::Foreseen(_) => 17,
        What::Counted(_) => 18,
        What::Lost(_) => 19,
        What::Tick {} => 20,
    }
}

/// Records that were lost, by kind.
pub(super) const fn lost(lost: &Lost) -> [(&'static str, u64); 11] {
    // all of them: a new kind must not be forgotten here
    let Lost { signal, deliver, exit, fork, exec, reaped, cgroup, joined, oom, untracked, undecodable } = *lost;
    [
        ("signal", signal),
        ("deliver", deliver),
        ("exit", exit),
        ("fork", fork),
        ("exec", exec),
        ("reaped", reaped),
        ("cgroup", cgroup),
        ("joined", joined),
        ("oom", oom),
        ("untracked", untracked),
        ("undecodable", undecodable),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::made::{Made, at, exit, fork, gone, joins, reaped, signal};
    use crate::event::{Event, Handler};
    use crate::signal::Signal;

    #[test]
    fn kinds_are_called_what_recordings_call_them() {
        let made = Made { number: 3 };
        let first = made.task(1, "sh");
        let mut events = made.found("web", None, None, "sh");
        events.extend(joins(1, first));
        events.extend([
            fork(2, first, first),
            exit(3, first, first, 0),
            reaped(4, first),
            gone(5, made),
            signal(6, Signal::TERM, first, first, Handler::Default),
            Event(at(7), What::Lost(Lost::default())),
            Event(at(8), What::Tick {}),
        ]);
        for event in events {
            let value = serde_json::to_value(&event.1).expect("it is written so");
            let name = value.as_object().and_then(|object| object.keys().next().cloned()).expect("one key");
            assert_eq!(KINDS[kind(&event.1)], name);
        }
    }
}
