//! From events to what is scraped, without a kernel.

use super::exposition::{Format, write};
use super::*;
use crate::agent::sinks::Sinks;
use crate::container::filter::Filters;
use crate::event::made::{self, Made, at};
use crate::event::{CgroupFigures, Event, Handler, Owner, PodName, PodTold, What};
use crate::live::Pipeline;
use crate::otlp::Summary;
use crate::signal::Signal;
use crate::stream::Reader;

/// An agent without a kernel.
struct Agent {
    metrics: Metrics,
    pipeline: Pipeline,
    seen: Seen,
}

impl Agent {
    fn new(pod_names: bool) -> Self {
        let metrics = Metrics::new(pod_names);
        let view = Box::new(Sinks::new(vec![metrics.sink()]));
        Self { pipeline: Pipeline::new(Filters::default(), view, None), metrics, seen: Seen::default() }
    }

    fn take(&mut self, events: &[Event]) {
        for event in events {
            self.seen.count(&event.1);
        }
        self.pipeline.take(events).expect("memory takes everything");
        self.pipeline.wants().clear();
        self.pipeline.flush().expect("memory takes everything");
    }

    fn recording(&mut self, name: &str) {
        let path = format!("{}/tests/scenarios/{name}.rec", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(path).expect("the scenario is there");
        let events = Reader::new(&bytes[..]).expect("a recording").map(|event| event.expect("it is good"));
        self.take(&events.collect::<Vec<_>>());
        self.pipeline.conclude().expect("memory takes everything");
        self.pipeline.flush().expect("memory takes everything");
    }

    fn snapshot(&self) -> Snapshot {
        let own = Own { kernel: "6.1.0-test".to_owned(), programs: 11, wakeups: 12, ring_fill: 0.25, ..Own::default() };
        self.metrics.snapshot(&self.pipeline.node, Own { seen: self.seen, ..own })
    }

    fn scrape(&self) -> String {
        write(self.snapshot(), None, Format::Prometheus).expect("a text takes everything")
    }
}

/// The samples of one metric, without its name.
fn samples(text: &str, metric: &str) -> Vec<String> {
    let of = |line: &&str| line.strip_prefix(metric).is_some_and(|rest| rest.starts_with(['{', ' ']));
    text.lines().filter(of).map(|line| line[metric.len()..].to_owned()).collect()
}

#[test]
fn real_stops_become_series() {
    let mut agent = Agent::new(false);
    for name in ["cri-dropped", "cri-handled", "cri-too-slow", "oom-group", "zombies-adopted", "cgroup-used-again"] {
        agent.recording(name);
    }
    insta::assert_snapshot!("prometheus", agent.scrape());
    let open = write(agent.snapshot(), None, Format::OpenMetrics).expect("a text takes everything");
    insta::assert_snapshot!("openmetrics", open);
}

/// Whatever there is a scenario of, the counters agree with what the model tells, and each line is one that can be read.
#[test]
fn every_scenario_is_counted_as_it_is_told() {
    let agent = Agent::new(true);
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios");
    let entries = std::fs::read_dir(dir).expect("the scenarios are there");
    let mut names: Vec<_> = entries
        .filter_map(|entry| {
            entry.expect("it can be read").file_name().to_str()?.strip_suffix(".rec").map(str::to_owned)
        })
        .collect();
    names.sort();
    let mut told = (0, 0);
    for name in &names {
        let mut alone = Agent::new(false);
        alone.recording(name);
        told.0 += alone.pipeline.node.terminations().count();
        told.1 += alone.pipeline.node.conditions().count();
        // the same ones, counted by one agent
        let counts = alone.metrics.0.borrow().clone();
        let mut all = agent.metrics.0.borrow_mut();
        for (labels, count) in counts.terminations.iter() {
            *all.terminations.of(&[&labels[0], &labels[1]], &[&labels[2], &labels[3], name]) += count;
        }
        for (labels, count) in counts.conditions.iter() {
            *all.conditions.of(&[&labels[0]], &[&labels[1], &labels[2], name]) += count;
        }
    }
    let text = agent.scrape();
    let sum = |metric: &str| -> usize {
        let values = samples(&text, metric);
        values
            .iter()
            .map(|sample| sample.rsplit(' ').next().expect("a value").parse::<usize>().expect("a number"))
            .sum()
    };
    assert_eq!((sum("tracer_terminations_total"), sum("tracer_conditions_total")), told);
    assert!(told.0 > 200 && told.1 > 10, "{told:?}");
}

/// A pod's container that is told as from a stranger.
fn stranger(made: Made, pod: &str, name: &str) -> Vec<Event> {
    let mut events = made.found(name, None, Some(30_000), "sh");
    if let Some(Event(_, What::Described(described))) = events.last_mut() {
        let uid = format!("uid-{}", made.number);
        described.pod = Some(PodName { namespace: "a\"b\\c\nd".to_owned(), name: pod.to_owned(), uid });
    }
    events
}

fn dropped_and_killed(made: Made, ms: u64) -> [Event; 5] {
    let first = made.task(1, "sh");
    [
        made::signal(ms, Signal::TERM, first, Made::runc(), Handler::Default),
        made::signal(ms + 30_000, Signal::KILL, first, Made::runc(), Handler::Default),
        made::exit(ms + 30_001, first, Made::runc(), 9),
        made::reaped(ms + 30_002, first),
        made::gone(ms + 30_003, made),
    ]
}

#[test]
fn what_strangers_call_themselves_cannot_break_the_text() {
    let mut agent = Agent::new(true);
    let made = Made { number: 3 };
    agent.take(&stranger(made, "web\"} 1\nevil_total 7\x1b[2J", "c\\"));
    agent.take(&dropped_and_killed(made, 70_000));
    let text = agent.scrape();
    assert!(!text.contains("\nevil") && !text.contains('\x1b'), "{text}");
    let ends = samples(&text, "tracer_terminations_total");
    assert_eq!(
        ends,
        [
            r#"{verdict="sigterm-dropped",cause="no-handler",namespace="a\"b\\c\\x0ad",workload="web\"} 1\\x0aevil_total 7\\x1b[2J",pod="web\"} 1\\x0aevil_total 7\\x1b[2J"} 1"#
        ]
    );
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let value = line.rsplit(' ').next().expect("a value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    assert_eq!(samples(&text, "tracer_dropped_signals_total").len(), 1);
    assert!(samples(&text, "tracer_shutdown_duration_seconds_count")[0].ends_with(" 1"), "{text}");
    assert!(samples(&text, "tracer_grace_period_used_ratio_bucket").iter().any(|s| s.contains("le=\"0.99\"} 0")));
    assert!(samples(&text, "tracer_grace_period_used_ratio_bucket").iter().any(|s| s.contains("le=\"1.1\"} 1")));
}

/// A zombie that is old enough to be told.
fn zombie(made: Made, ms: u64, ns_pid: u32) -> [Event; 3] {
    let (first, child) = (made.task(1, "sh"), made.task(ns_pid, "worker"));
    [made::fork(ms, child, first), made::exit(ms + 1, child, first, 0), Event(at(ms + 5_000), What::Tick {})]
}

#[test]
fn zombies_are_told_while_they_are_there_and_no_longer() {
    let mut agent = Agent::new(false);
    let (one, other) = (Made { number: 3 }, Made { number: 4 });
    agent.take(&one.found("app", Some("shop/web-7d4b9c8f6d-x2kqz"), None, "sh"));
    agent.take(&other.found("app", Some("shop/web-7d4b9c8f6d-kqzx2"), None, "sh"));
    assert!(samples(&agent.scrape(), "tracer_zombies").is_empty());
    assert_eq!(samples(&agent.scrape(), "tracer_containers"), [" 2"]);
    agent.take(&zombie(one, 10_000, 5));
    agent.take(&[made::figures(16_000, one, 90, Some(100)), made::figures(16_000, other, 10, Some(20))]);
    let labels = r#"{namespace="shop",workload="web",container="app"}"#;
    let told = |agent: &Agent, metric: &str| samples(&agent.scrape(), metric);
    assert_eq!(told(&agent, "tracer_zombies"), [format!("{labels} 1")]);
    // two pods of one workload: of their pids those that matter more
    assert_eq!(told(&agent, "tracer_pids_current"), [format!("{labels} 90")]);
    assert_eq!(told(&agent, "tracer_pids_max"), [format!("{labels} 100")]);
    agent.take(&zombie(other, 20_000, 6));
    assert_eq!(told(&agent, "tracer_zombies"), [format!("{labels} 2")]);
    // the age is that of the moment, though nothing happened
    agent.pipeline.node.tick(at(70_001));
    assert_eq!(told(&agent, "tracer_zombie_oldest_age_seconds"), [format!("{labels} 60.0")]);
    // figures that were just read count
    let mut snapshot = agent.snapshot();
    snapshot
        .read_figures(|cgroup, _| Some(CgroupFigures { cgroup, pids_current: Some(cgroup.0), pids_max: Some(100) }));
    let text = write(snapshot, None, Format::Prometheus).expect("a text takes everything");
    assert_eq!(samples(&text, "tracer_pids_current"), [format!("{labels} 4")]);
    // one is reaped, and then both containers are gone
    agent.take(&[made::reaped(80_000, one.task(5, "worker"))]);
    assert_eq!(told(&agent, "tracer_zombies"), [format!("{labels} 1")]);
    for made in [one, other] {
        agent.take(&dropped_and_killed(made, 90_000));
    }
    for metric in ["tracer_zombies", "tracer_zombie_oldest_age_seconds", "tracer_pids_current", "tracer_pids_max"] {
        assert!(told(&agent, metric).is_empty(), "{metric}");
    }
    assert_eq!(told(&agent, "tracer_containers"), [" 0"]);
}

#[test]
fn the_workload_is_the_one_that_the_api_tells() {
    let mut agent = Agent::new(false);
    let (early, late) = (Made { number: 3 }, Made { number: 4 });
    let told = |ms: u64, pod: &str, owner: &str| {
        let pod = PodName { namespace: "shop".to_owned(), name: pod.to_owned(), uid: format!("uid-of-{pod}") };
        let owner = Some(Owner { kind: "Database".to_owned(), name: owner.to_owned() });
        Event(at(ms), What::Pod(PodTold { pod, owner, deletion: None, gone: false }))
    };
    // one before there is a container, one after
    agent.take(&[told(0, "db-shard-0", "db")]);
    agent.take(&early.found("app", Some("shop/db-shard-0"), None, "sh"));
    agent.take(&late.found("app", Some("shop/queue-777-1"), None, "sh"));
    agent.take(&[made::figures(2, early, 7, None), made::figures(2, late, 8, None)]);
    let series = |agent: &Agent, metric: &str| samples(&agent.scrape(), metric);
    let labels = |workload: &str| format!(r#"{{namespace="shop",workload="{workload}",container="app"}}"#);
    let pids = |agent: &Agent| series(agent, "tracer_pids_current");
    assert_eq!(pids(&agent), [format!("{} 7", labels("db")), format!("{} 8", labels("queue-777"))]);
    agent.take(&[told(3, "queue-777-1", "queue")]);
    assert_eq!(pids(&agent), [format!("{} 7", labels("db")), format!("{} 8", labels("queue"))]);
    // and so it is with what is counted: drops and ends
    for made in [early, late] {
        agent.take(&dropped_and_killed(made, 90_000));
    }
    let counted = |known: &str, workload: &str| format!(r#"{{{known},namespace="shop",workload="{workload}"}} 1"#);
    for (metric, known) in [
        ("tracer_dropped_signals_total", r#"signal="SIGTERM""#),
        ("tracer_terminations_total", r#"verdict="sigterm-dropped",cause="no-handler""#),
    ] {
        assert_eq!(series(&agent, metric), [counted(known, "db"), counted(known, "queue")], "{metric}");
    }
}

#[test]
fn what_is_exported_is_told_where_anything_is() {
    let metric = "tracer_otlp_terminations_total";
    let told = |traces| {
        let snapshot = Metrics::new(false).snapshot(&Node::new(), Own { traces, ..Own::default() });
        samples(&write(snapshot, None, Format::Prometheus).expect("a text takes everything"), metric)
    };
    assert_eq!(told(None), [""; 0]);
    assert_eq!(told(Some(Summary { sent: 7, lost: 2 })), [r#"{result="sent"} 7"#, r#"{result="dropped"} 2"#]);
}

#[test]
fn containers_beyond_the_limit_are_told_together() {
    let mut agent = Agent::new(false);
    let count = u32::try_from(crate::agent::limits::SERIES).expect("a small number") + 50;
    for number in 10..10 + count {
        let made = Made { number };
        agent.take(&made.found(&format!("job{number}"), None, None, "sh"));
        agent.take(&[made::figures(2, made, 7, None)]);
    }
    let text = agent.scrape();
    let series = samples(&text, "tracer_pids_current");
    assert_eq!(series.len(), crate::agent::limits::SERIES + 1);
    assert!(series.contains(&r#"{namespace="other",workload="other",container="other"} 7"#.to_owned()));
    assert!(samples(&text, "tracer_pids_max").is_empty(), "none has a limit");
}

#[test]
fn what_ended_by_itself_was_not_shut_down() {
    let mut agent = Agent::new(false);
    let made = Made { number: 3 };
    agent.take(&made.found("job", None, Some(10_000), "sh"));
    let first = made.task(1, "sh");
    agent.take(&[made::exit(9_000, first, Made::runc(), 0), made::reaped(9_001, first), made::gone(9_002, made)]);
    let text = agent.scrape();
    assert_eq!(
        samples(&text, "tracer_terminations_total"),
        [r#"{verdict="exited",cause="",namespace="",workload="job"} 1"#]
    );
    assert!(samples(&text, "tracer_shutdown_duration_seconds_count").is_empty(), "{text}");
    assert!(samples(&text, "tracer_grace_period_used_ratio_count").is_empty(), "{text}");
}

#[test]
fn a_scraper_gets_the_format_that_it_likes_best() {
    for (accept, format) in [
        ("", Format::Prometheus),
        ("*/*", Format::Prometheus),
        ("text/html", Format::Prometheus),
        ("application/openmetrics-text", Format::OpenMetrics),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            Format::OpenMetrics,
        ),
        ("text/plain;version=0.0.4;q=0.6, application/openmetrics-text;version=1.0.0;q=0.5", Format::Prometheus),
        ("application/openmetrics-text;version=0.0.1", Format::Prometheus),
        ("application/openmetrics-text;q=0", Format::Prometheus),
        ("application/openmetrics-text;q=nonsense, text/plain;q=0.1", Format::Prometheus),
    ] {
        assert_eq!(Format::liked(accept), format, "{accept}");
    }
}
