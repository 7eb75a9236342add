//! Whoever folds what is remembered knows what whoever saw it all knows; and it does not grow.

use super::*;
use crate::event::made::{self, Made};
use crate::event::{CgroupFound, CgroupGone, Deletion, Handler, Owner, PodName, PodTold, Task};
use crate::model::{Change, News};
use crate::signal::Signal;
use crate::stream::Reader;

/// A fold with a memory beside it, as the agent has it.
struct Agent {
    node: Node,
    history: History,
}

impl Agent {
    fn new(bounds: Bounds) -> Self {
        Self { node: Node::new(), history: History::new(bounds) }
    }

    fn take(&mut self, event: &Event) -> Vec<Change> {
        self.history.before(&Arc::new(event.clone()), &self.node);
        self.node.apply(event);
        self.history.after(self.node.now(), &self.node);
        self.node.take_wants().for_each(drop);
        self.node.take_changes().collect()
    }

    fn take_all(&mut self, events: &[Event]) {
        for event in events {
            self.take(event);
        }
    }

    /// Somebody attaches.
    fn attach(&self) -> Node {
        let mut node = Node::new();
        self.history.all().iter().for_each(|event| node.apply(event));
        node.tick(self.node.now());
        node
    }
}

fn recordings() -> Vec<(String, Vec<Event>)> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("the scenarios are there") {
        let path = entry.expect("the directory can be read").path();
        if path.extension().is_some_and(|extension| extension == "rec") {
            let text = std::fs::read(&path).expect("it can be read");
            let events = Reader::new(&text[..]).expect("a recording").map(|event| event.expect("it is good"));
            found.push((path.display().to_string(), events.collect()));
        }
    }
    assert!(found.len() > 30, "{} recordings", found.len());
    found
}

fn terminations(node: &Node) -> Vec<Termination> {
    node.terminations().map(|told| (**told).clone()).collect()
}

/// Real stops of all kinds: whoever attaches afterwards sees what was seen.
#[test]
fn ends_are_remembered_as_they_were_told() {
    for (name, events) in recordings() {
        let mut agent = Agent::new(Bounds::default());
        agent.take_all(&events);
        agent.node.conclude();
        let mut attached = agent.attach();
        attached.conclude();
        assert_eq!(terminations(&attached), terminations(&agent.node), "{name}");
        let names = |node: &Node| {
            let there = node.containers().filter(|(_, one)| one.gone.is_none() && !one.is_sandbox());
            there.map(|(_, one)| (one.name.id.clone(), one.name.name.clone(), one.first)).collect::<Vec<_>>()
        };
        assert_eq!(names(&attached), names(&agent.node), "{name}");
    }
}

/// The same for whoever attaches while it happens.
#[test]
fn who_attaches_in_between_comes_to_the_same_end() {
    for (name, events) in recordings() {
        for tenth in 1..10 {
            let (before, after) = events.split_at(events.len() * tenth / 10);
            let mut agent = Agent::new(Bounds::default());
            agent.take_all(before);
            let mut attached = agent.attach();
            for event in after {
                agent.take(event);
                attached.apply(event);
            }
            agent.node.conclude();
            attached.conclude();
            assert_eq!(terminations(&attached), terminations(&agent.node), "{name}, from {} on", before.len());
        }
    }
}

/// What the API of Kubernetes told of a pod is remembered with its end, and as long as it may be asked for.
#[test]
fn deletions_are_remembered_with_the_ends_they_led_to() {
    let told = |ms: u64, requested: Option<u64>, gone| {
        let pod = PodName { namespace: "shop".to_owned(), name: "job".to_owned(), uid: "uid-of-job".to_owned() };
        let owner = Some(Owner { kind: "Job".to_owned(), name: "job".to_owned() });
        let deletion = requested.map(|ms| Deletion { requested: made::at(ms), grace_ms: 30_000, imprecise: false });
        Event(made::at(ms), What::Pod(PodTold { pod, owner, deletion, gone }))
    };
    let mut events = short_life(10_000, 7);
    events.extend([told(9_000, None, false), told(10_050, Some(10_040), false), told(40_200, Some(10_040), true)]);
    // and then so many others that nothing is remembered of it but its end
    let others = (0..2 * limits::PODS as u64).map(|number| {
        let pod = PodName { namespace: "shop".to_owned(), name: "x".to_owned(), uid: number.to_string() };
        Event(made::at(60_000 + number), What::Pod(PodTold { pod, owner: None, deletion: None, gone: false }))
    });
    events.extend(others);
    events.sort_by_key(|event| event.0);
    for at in 0..14 {
        let (before, after) = events.split_at(at);
        let mut agent = Agent::new(Bounds::default());
        agent.take_all(before);
        let mut attached = agent.attach();
        for event in after {
            agent.take(event);
            attached.apply(event);
        }
        agent.node.conclude();
        attached.conclude();
        let ends = terminations(&agent.node);
        let until_signal = ends.iter().map(|end| end.deletion?.until_signal_ms).collect::<Vec<_>>();
        assert_eq!(until_signal, [Some(60)]);
        assert_eq!(terminations(&attached), ends, "from {at} on");
    }
    let mut agent = Agent::new(Bounds::default());
    agent.take_all(&events);
    assert_eq!(terminations(&agent.attach()), terminations(&agent.node));
    assert_eq!((agent.history.pods.len(), agent.history.present().len()), (limits::PODS, limits::PODS));
}

/// A probe: kubelet runs a command in the container, again and again.
fn probe(ms: u64, made: Made, number: u32) -> Vec<Event> {
    let task = Task { start: ms * 1_000_000, ..made.task(1_000 + number % 50_000, "probe") };
    let mut events = made::joins(ms, task).to_vec();
    events.extend([made::exit(ms + 5, task, Made::runc(), 0), made::reaped(ms + 20, task)]);
    events
}

/// A cgroup within the container comes, with somebody in it the second time, and goes.
fn within(ms: u64, made: Made, number: u32) -> Vec<Event> {
    let cgroup = CgroupId(1_000_000 + u64::from(made.number) * 100_000 + u64::from(number));
    let path = format!("/kubepods/{}/session-{number}", made.id());
    let (container, runtime) = (made.id(), "containerd".to_owned());
    let found = CgroupFound { cgroup, path, container, own: false, runtime, pod_uid: None, new: true };
    let mut events = vec![Event(made::at(ms), What::Cgroup(found))];
    if number % 2 == 1 {
        let task = Task { start: ms * 1_000_000, cgroup, ..made.task(60_000 + number % 30_000, "session") };
        events.extend([
            made::fork(ms + 1, task, made.task(1, "nginx")),
            made::signal(ms + 2, Signal::USR1, task, made.task(1, "nginx"), Handler::Function),
            made::exit(ms + 3, task, made.task(1, "nginx"), 0),
            made::reaped(ms + 4, task),
        ]);
    }
    events.push(Event(made::at(ms + 5), What::CgroupGone(CgroupGone { cgroup })));
    events
}

/// A container that is there for a while and drops its stop signal.
fn short_life(ms: u64, number: u32) -> Vec<Event> {
    let made = Made { number };
    let first = made.task(1, "sh");
    let mut events = made.found(&format!("job-{number}"), Some("shop/job"), Some(30_000), "sh");
    for event in &mut events {
        event.0 = made::at(ms);
    }
    events.extend([
        made::signal(ms + 100, Signal::TERM, first, Made::runc(), Handler::Default),
        made::signal(ms + 30_100, Signal::KILL, first, Made::runc(), Handler::Default),
        made::exit(ms + 30_101, first, Made::runc(), 9),
        made::reaped(ms + 30_120, first),
        made::gone(ms + 30_130, made),
    ]);
    events
}

#[test]
fn a_day_takes_no_more_memory_than_an_hour() {
    const HOUR: u64 = 3_600_000;
    let mut events = Vec::new();
    for number in 1..=12 {
        let made = Made { number };
        events.extend(made.found(&format!("web-{number}"), Some("shop/web"), Some(30_000), "nginx"));
        for (index, ms) in (0..24 * HOUR).step_by(20_000).enumerate() {
            let index = u32::try_from(index).expect("it is a day");
            events.extend(probe(1_000 + ms + u64::from(number) * 100, made, index));
            events.extend(within(10_000 + ms + u64::from(number) * 100, made, index));
        }
    }
    for (number, ms) in (1_000..).zip((0..24 * HOUR).step_by(60_000)) {
        events.extend(short_life(2_000 + ms, number));
    }
    events.sort_by_key(|event| event.0);
    assert!(events.len() > 200_000);
    let bounds = Bounds { terminations: 50, bytes: 4 << 20 };
    let mut agent = Agent::new(bounds);
    let mut most = [Size::default(); 24];
    for event in &events {
        agent.take(event);
        let hour = usize::try_from(event.0.0 / 1_000_000 / HOUR).expect("it is a day").min(23);
        let size = agent.history.size();
        most[hour].bytes = most[hour].bytes.max(size.bytes);
        most[hour].events = most[hour].events.max(size.events);
        assert!(size.bytes <= bounds.bytes, "{size:?}");
        assert!(size.terminations <= bounds.terminations, "{size:?}");
    }
    // in the third hour everything has been thinned for the first time
    for later in &most[4..] {
        assert!(later.bytes <= most[3].bytes * 11 / 10, "{later:?}, in the fourth hour {:?}", most[3]);
        assert!(later.events <= most[3].events * 11 / 10, "{later:?}, in the fourth hour {:?}", most[3]);
    }
    // and it is still the truth
    let attached = agent.attach();
    let ends = terminations(&attached);
    assert_eq!(ends.len(), 50);
    assert_eq!(ends, terminations(&agent.node).split_off(agent.node.terminations().count() - 50));
    let there = |node: &Node| node.containers().filter(|(_, one)| one.gone.is_none()).count();
    assert_eq!((there(&attached), there(&agent.node)), (12, 12));
    let alive = |node: &Node| node.processes().iter().filter(|one| one.is_live()).count();
    assert_eq!(alive(&attached), alive(&agent.node));
}

#[test]
fn less_memory_from_now_on_means_that_the_oldest_goes() {
    let mut agent = Agent::new(Bounds::default());
    for (number, ms) in (1_000..1_020).zip((0..).step_by(60_000)) {
        agent.take_all(&short_life(2_000 + ms, number));
    }
    assert_eq!(agent.history.size().terminations, 20);
    agent.history.set_bounds(Bounds { terminations: 3, bytes: 64 << 20 });
    assert_eq!(agent.history.size().terminations, 3);
    let names: Vec<_> = terminations(&agent.attach()).iter().map(|end| end.container.friendly()).collect();
    assert!(names.last().is_some_and(|last| last.contains("job-1019")) && names.len() == 3, "{names:?}");
}

#[test]
fn a_storm_during_a_stop_makes_the_verdict_of_who_attaches_uncertain_and_not_wrong() {
    let made = Made { number: 7 };
    let first = made.task(1, "python3");
    let mut agent = Agent::new(Bounds::default());
    for event in made.found("web", None, Some(30_000), "python3") {
        agent.take(&event);
    }
    agent.take(&made::signal(70_000, Signal::TERM, first, Made::runc(), Handler::Function));
    for number in 0..60_000_u32 {
        let task = Task { start: 70_000_000_000 + u64::from(number), ..made.task(10 + number % 20_000, "true") };
        let ms = 70_001 + u64::from(number) / 10;
        agent.take(&made::fork(ms, task, first));
        agent.take(&made::exit(ms, task, first, 0));
        agent.take(&made::reaped(ms, task));
    }
    assert!(agent.history.size().events < 2 * limits::STOP_EVENTS, "{:?}", agent.history.size());
    let mut attached = agent.attach();
    let mut told = Vec::new();
    for event in [made::exit(80_000, first, Made::runc(), 0), made::reaped(80_010, first), made::gone(80_020, made)] {
        agent.take(&event);
        attached.apply(&event);
        told.extend(attached.take_changes().filter(|change| matches!(change.news, News::Termination(_))));
    }
    let (seen, later) = (terminations(&agent.node), terminations(&attached));
    assert_eq!((seen.len(), later.len(), told.len()), (1, 1, 1));
    assert!(seen[0].certain);
    assert!(!later[0].certain || later[0].verdict == seen[0].verdict, "{:?}", later[0]);
}

#[test]
fn a_container_that_is_too_large_by_itself_does_not_cost_all_ends() {
    let bounds = Bounds { terminations: 512, bytes: 1 << 20 };
    let mut agent = Agent::new(bounds);
    for (number, ms) in (1_000..1_400).zip((0..).step_by(60_000)) {
        agent.take_all(&short_life(2_000 + ms, number));
    }
    let before = agent.history.size();
    let made = Made { number: 7 };
    agent.take_all(&made.found("web", None, None, "sh"));
    for number in 10..10_000 {
        agent.take(&made::fork(30_000_000, made.task(number, "worker"), made.task(1, "sh")));
    }
    let size = agent.history.size();
    assert!(size.bytes > bounds.bytes, "{size:?}");
    assert!(size.terminations > 20 && size.terminations < before.terminations, "{size:?}, before {before:?}");
    let ends: usize = agent.history.clips.iter().map(|clip| clip.bytes).sum();
    assert!(ends <= bounds.bytes / 4, "{ends} bytes");
    agent.history.set_bounds(Bounds { bytes: bounds.bytes / 2, ..bounds });
    assert!(agent.history.size().terminations > 10);
}

#[test]
fn times_of_losses_have_an_end() {
    let mut marks = VecDeque::new();
    for seq in 0..2 * limits::MARKS as u64 {
        let event = Arc::new(Event(made::at(seq), What::Lost(Lost::default())));
        add_mark(&mut marks, Kept { seq, event });
    }
    assert_eq!(marks.len(), limits::MARKS);
    assert_eq!(marks.back().map(|mark| mark.seq), Some(2 * limits::MARKS as u64 - 1));
}

#[test]
fn all_conditions_that_are_told_at_once_are_remembered() {
    let mut agent = Agent::new(Bounds::default());
    let both = [Made { number: 3 }, Made { number: 4 }];
    for made in both {
        let first = made.task(1, "sh");
        agent.take_all(&made.found("web", None, None, "sh"));
        for number in 10..120 {
            let child = made.task(number, "child");
            agent.take_all(&[made::fork(1_000, child, first), made::exit(1_001, child, first, 0)]);
        }
    }
    assert_eq!(agent.node.conditions().count(), 0);
    agent.take(&Event(made::at(400_000), What::Tick {}));
    let told: HashSet<_> = agent.node.conditions().filter_map(|(_, told)| Some(&told.container.as_ref()?.id)).collect();
    assert_eq!(told.len(), 2, "in one event");
    for made in both {
        assert!(agent.history.clips.iter().any(|clip| *clip.container == *made.id()));
    }
}
