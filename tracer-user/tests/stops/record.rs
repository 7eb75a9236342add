//! Takes the recording of all containers apart: one small file for each case.

use std::collections::HashSet;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use tracer_user::event::{CgroupId, Event, Task, TaskKey, What};
use tracer_user::model::Node;
use tracer_user::stream::{self, Reader, Start};

use super::super::expect;

/// Recordings larger than this do not belong into a repository, bytes.
const MOST: u64 = 64 * 1024;

/// Whether the recordings are to be written anew.
pub(crate) fn wanted() -> bool {
    std::env::var_os("TRACER_RECORD_SCENARIOS").is_some_and(|value| value == "1")
}

/// What a case has of the recording of all.
pub(crate) struct Part<'a> {
    /// Of its file.
    pub(crate) name: String,
    /// Ids of its containers.
    pub(crate) ids: Vec<&'a str>,
    /// Ids of containers that only have to have a name, as those do that somebody sends signals from.
    pub(crate) named: Vec<&'a str>,
}

/// Writes the part of each case to tests/scenarios.
pub(crate) fn split(recording: &Path, cases: &[Part<'_>]) {
    let reader = Reader::new(BufReader::new(File::open(recording).expect("the recording is there")))
        .expect("the tracer writes what it reads");
    let start = reader.start().clone();
    let events: Vec<_> = reader.map(|event| event.expect("the tracer writes what it reads")).collect();
    for part in cases {
        let name = &part.name;
        let path = expect::directory().join(format!("{name}.rec"));
        write(&path, &anonymous(&start, name), &of_containers(&events, part));
        let size = path.metadata().expect("it was written").len();
        assert!(size <= MOST, "{} has {size} bytes, more than {MOST}", path.display());
    }
}

fn write(path: &Path, start: &Start, events: &[Event]) {
    let mut recorder = stream::create(path, start).expect("the recording can be written");
    for event in events {
        recorder.record(event).expect("the recording can be written");
    }
    recorder.finish().expect("the recording can be written");
}

/// Without what names this machine.
fn anonymous(start: &Start, name: &str) -> Start {
    let release = |kernel: &str| kernel.split('-').next().unwrap_or_default().to_owned();
    Start {
        kernel: release(&start.kernel),
        boot_id: "00000000-0000-0000-0000-000000000000".to_owned(),
        command: vec!["--container".to_owned(), name.to_owned()],
        ..start.clone()
    }
}

/// What concerns its containers. Of the passing of time only what leads to something.
fn of_containers(events: &[Event], part: &Part<'_>) -> Vec<Event> {
    let Part { ids, named, .. } = part;
    let has_name = |id: &str| ids.contains(&id) || named.contains(&id);
    let cgroups: HashSet<CgroupId> = events
        .iter()
        .filter_map(|Event(_, what)| match what {
            What::Cgroup(found) if ids.contains(&found.container.as_str()) => Some(found.cgroup),
            _ => None,
        })
        .collect();
    let mut tasks: HashSet<TaskKey> = HashSet::new();
    let mut node = Node::new();
    let mut kept = Vec::new();
    for Event(at, what) in events {
        let is_due = node.next_tick().is_some_and(|due| due <= *at);
        let mut belongs = |task: &Task| {
            let ours = cgroups.contains(&task.cgroup) || tasks.contains(&task.key());
            if ours {
                tasks.insert(task.key());
            }
            ours
        };
        let keep = match what {
            What::Signal(sent) => belongs(&sent.target),
            What::Deliver(delivered) => belongs(&delivered.target),
            What::Exit(exited) => belongs(&exited.task),
            What::Fork(forked) => belongs(&forked.child),
            What::Exec(execed) => belongs(&execed.task),
            What::Reaped(reaped) => belongs(&reaped.task),
            What::Joined(joined) => belongs(&joined.task),
            What::Process(seen) => belongs(&seen.task),
            What::OomVictim(victim) => tasks.iter().any(|task| task.pid == victim.pid),
            What::Pending(seen) => tasks.contains(&seen.task),
            What::State(seen) => tasks.contains(&seen.task),
            What::Foreseen(told) => tasks.contains(&told.task),
            What::Cgroup(found) => has_name(&found.container),
            What::CgroupGone(gone) => cgroups.contains(&gone.cgroup),
            What::Dismissed(dismissed) => ids.contains(&dismissed.container.as_str()),
            What::Described(described) => has_name(&described.id),
            What::Pod(told) => ids.iter().any(|id| {
                let pod = node.container_by_id(id).and_then(|(_, container)| node.pod(container.pod?));
                pod.is_some_and(|pod| pod.uid == told.pod.uid)
            }),
            What::CgroupFigures(figures) => cgroups.contains(&figures.cgroup),
            What::Counted(counted) => cgroups.contains(&counted.cgroup),
            What::Lost(_) => true,
            What::Tick {} => is_due,
        };
        if keep {
            let event = Event(*at, discreet(what.clone()));
            node.apply(&event);
            kept.push(event);
        }
    }
    kept
}

/// Who started the tests is nobody's business: of a sender's ancestors only the nearest counts, and only if it is
/// part of the runtime.
fn discreet(mut what: What) -> What {
    if let What::Signal(sent) = &mut what {
        sent.ancestors.truncate(1);
        sent.ancestors.retain(|ancestor| ancestor.comm.as_str().starts_with("containerd-shim"));
    }
    what
}
