//! What concerns one container, out of many events: a recording to give away holds nothing of its neighbours, but the names
//! and pods of those that it got signals from.

use std::collections::{HashMap, HashSet};
use std::io;

use crate::event::{CgroupId, Described, Event, Task, TaskKey, What};

/// The events that concern a container, by its full id, and the other containers of its pod, which share its clock; in
/// their order. Losses and the passage of time concern everybody.
///
/// # Errors
/// When nothing says what the container is: a recording without that tells nothing.
pub fn about<'a>(container: &str, events: impl Iterator<Item = &'a Event> + Clone) -> io::Result<Vec<Event>> {
    let founds = |event: &Event| matches!(&event.1, What::Cgroup(found) if found.container == container);
    if !events.clone().any(founds) {
        return Err(io::Error::other("nothing of this container is kept any more"));
    }
    let mut of = Of::new(container, &events);
    let mut kept = Vec::new();
    for event in events {
        if of.concerns(&event.1) {
            kept.push(of.without_neighbours(event));
        }
    }
    Ok(kept)
}

/// What belongs to the container and its pod.
struct Of {
    ids: HashSet<String>,
    /// Other containers that sent it signals: who they are is told, and nothing else of them.
    senders: HashSet<String>,
    /// UIDs.
    pods: HashSet<String>,
    cgroups: HashSet<CgroupId>,
    /// Processes of `--pid` are known by their pids and have no cgroup of their own: then everything is theirs.
    all: bool,
    tasks: HashSet<TaskKey>,
    pids: HashSet<u32>,
}

/// The containers that others sent signals from to these.
fn senders<'a>(ids: &HashSet<String>, events: &(impl Iterator<Item = &'a Event> + Clone)) -> HashSet<String> {
    let mut places: HashMap<CgroupId, &str> = HashMap::new();
    for Event(_, what) in events.clone() {
        if let What::Cgroup(found) = what {
            places.insert(found.cgroup, &found.container);
        }
    }
    let is_ours = |task: &Task| places.get(&task.cgroup).is_some_and(|id| ids.contains(*id));
    let sent = events.clone().filter_map(|Event(_, what)| match what {
        What::Signal(sent) if is_ours(&sent.target) && !is_ours(&sent.sender) => places.get(&sent.sender.cgroup),
        _ => None,
    });
    sent.map(|id| (*id).to_owned()).collect()
}

impl Of {
    fn new<'a>(container: &str, events: &(impl Iterator<Item = &'a Event> + Clone)) -> Self {
        let mut ids = HashSet::from([container.to_owned()]);
        let mut pods: HashSet<&str> = HashSet::new();
        let mut sandboxes: HashSet<&str> = HashSet::new();
        let belongs = |id: &str, uid: Option<&'a str>, pods: &HashSet<&str>| {
            id == container || uid.is_some_and(|uid| pods.contains(uid))
        };
        // the first round finds the pod, the second one what else is in it
        for _ in 0..2 {
            for Event(_, what) in events.clone() {
                let (id, uid) = match what {
                    What::Cgroup(found) => (&found.container, found.pod_uid.as_deref()),
                    What::Described(told) => (&told.id, told.pod.as_ref().map(|pod| pod.uid.as_str())),
                    _ => continue,
                };
                if belongs(id, uid, &pods) {
                    ids.insert(id.clone());
                    pods.extend(uid.filter(|uid| !uid.is_empty()));
                    if let What::Described(told) = what {
                        sandboxes.extend(told.sandbox_id.as_deref());
                    }
                }
            }
        }
        ids.extend(sandboxes.into_iter().map(str::to_owned));
        let of_pids = |what: &What| matches!(what, What::Cgroup(found) if found.container == container && found.runtime == "process");
        let all = events.clone().any(|event| of_pids(&event.1));
        let senders = senders(&ids, events);
        let pods = pods.into_iter().map(str::to_owned).collect();
        Self { ids, senders, pods, cgroups: HashSet::new(), all, tasks: HashSet::new(), pids: HashSet::new() }
    }

    fn concerns(&mut self, what: &What) -> bool {
        if self.all {
            return true;
        }
        match what {
            What::Cgroup(found) => {
                let ours = self.ids.contains(&found.container);
                if ours {
                    self.cgroups.insert(found.cgroup);
                }
                ours || self.senders.contains(&found.container)
            }
            What::CgroupGone(gone) => self.cgroups.contains(&gone.cgroup),
            What::CgroupFigures(figures) => self.cgroups.contains(&figures.cgroup),
            What::Counted(counted) => self.cgroups.contains(&counted.cgroup),
            What::Dismissed(dismissed) => self.ids.contains(&dismissed.container),
            What::Described(told) => self.ids.contains(&told.id) || self.senders.contains(&told.id),
            What::Pod(told) => self.pods.contains(&told.pod.uid),
            What::Signal(sent) => self.has(&sent.target),
            What::Deliver(delivered) => self.has(&delivered.target),
            What::Exit(exited) => self.has(&exited.task),
            What::Exec(execed) => self.has(&execed.task),
            What::Reaped(reaped) => self.has(&reaped.task),
            What::Joined(joined) => self.has(&joined.task),
            What::Process(seen) => self.has(&seen.task),
            // a child may leave the cgroup of its parent at once
            What::Fork(forked) => self.has(&forked.child) || self.has(&forked.parent),
            What::OomVictim(victim) => {
                victim.task.as_ref().is_some_and(|task| self.has(task)) || self.pids.contains(&victim.pid)
            }
            What::Pending(seen) => self.tasks.contains(&seen.task),
            What::State(seen) => self.tasks.contains(&seen.task),
            What::Foreseen(foresight) => self.tasks.contains(&foresight.task),
            What::Lost(_) | What::Tick {} => true,
        }
    }

    /// The event, and if it tells of a sender then who that is: not its command, its labels, its image or its hook.
    fn without_neighbours(&self, event: &Event) -> Event {
        match event {
            Event(at, What::Described(told)) if !self.all && !self.ids.contains(&told.id) => {
                let Described { id, name, runtime, pod, .. } = told.clone();
                Event(*at, What::Described(Described { id, name, runtime, pod, ..Described::default() }))
            }
            other => other.clone(),
        }
    }

    fn has(&mut self, task: &Task) -> bool {
        if self.cgroups.contains(&task.cgroup) {
            self.tasks.insert(task.key());
            self.pids.insert(task.pid);
            return true;
        }
        self.tasks.contains(&task.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::made::{Made, signal};
    use crate::event::{Handler, Hook};
    use crate::signal::Signal;

    /// A container of a pod of its own, with all that a runtime may tell.
    fn found(made: Made, name: &str) -> Vec<Event> {
        let mut events = made.found(name, Some(&format!("{name}s/{name}-0")), Some(30_000), name);
        for event in &mut events {
            if let What::Described(told) = &mut event.1 {
                told.command = vec![name.to_owned(), format!("--password={name}-secret")];
                told.labels.insert("team".to_owned(), format!("{name}-secret"));
                told.image = Some(format!("{name}-secret:1"));
                told.hook = Some(Hook::Exec { command: vec![format!("{name}-secret")] });
                told.sandbox_id = Some(format!("sandbox-of-{name}"));
            }
        }
        events
    }

    fn described<'a>(events: &'a [Event], id: &str) -> Option<&'a Described> {
        events.iter().find_map(|event| match &event.1 {
            What::Described(told) if told.id == id => Some(told),
            _ => None,
        })
    }

    #[test]
    fn of_a_neighbour_that_sent_a_signal_only_its_names_are_told() {
        let [ours, sender, other] = [2, 3, 4].map(|number| Made { number });
        let mut events = [found(ours, "web"), found(sender, "db"), found(other, "mail")].concat();
        events.push(signal(5_000, Signal::TERM, ours.task(1, "web"), sender.task(7, "db"), Handler::Default));
        let kept = about(&ours.id(), events.iter()).expect("it is there");
        let text = serde_json::to_string(&kept).expect("it can be written");
        assert!(text.contains("--password=web-secret") && !text.contains("db-secret"), "{text}");
        assert_eq!(described(&kept, &ours.id()), described(&events, &ours.id()));
        let pod = described(&events, &sender.id()).and_then(|told| told.pod.clone());
        let (id, name) = (sender.id(), Some("db".to_owned()));
        assert_eq!(described(&kept, &id).cloned(), Some(Described { id, name, pod, ..Described::default() }));
        assert!(!text.contains("mail"), "{text}");
    }
}
