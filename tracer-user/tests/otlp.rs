//! A real agent, real ends, and what arrives at a collector.

#[path = "../src/https/testing.rs"]
#[allow(dead_code, reason = "a part of it is of use here")]
mod certificates;
mod lab;
#[path = "../src/otlp/tests/stand_in.rs"]
mod stand_in;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Instant, SystemTime};

use lab::cgroup::Cgroup;
use lab::tracer::BINARY;
use lab::{PATIENCE, send, until};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use stand_in::{Collector, Say};

/// A PID 1 that stops in order.
const HANDLES: &str = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.02; done";
/// A PID 1 that does not think of signals, nor blocks any as a shell does while it starts something.
const DROPS: &str = "echo ready; exec sleep 1000";

/// A running agent, with its log. Dropping it kills it.
struct Agent {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    /// Reads the log until it is closed.
    listener: Option<JoinHandle<()>>,
}

impl Agent {
    /// Starts one that traces these cgroups and sends to this collector; returns when it does.
    #[track_caller]
    fn start(dir: &tempfile::TempDir, cgroups: &[&Cgroup], collector: &Collector) -> Self {
        let mut command = Command::new(BINARY);
        command.arg("agent").arg("--socket").arg(dir.path().join("agent.sock"));
        command.args(cgroups.iter().flat_map(|cgroup| ["--cgroup", cgroup.arg()]));
        // half of it as OpenTelemetry's own programs are told
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url());
        command.env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20c2VjcmV0");
        // the authorities that this system trusts
        let authorities = dir.path().join("authorities.crt");
        fs::write(&authorities, certificates::CA).expect("there is room");
        command.env("SSL_CERT_FILE", authorities).env_remove("SSL_CERT_DIR");
        command.args(["--otlp-attributes", "k8s.cluster.name=east"]);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the agent starts");
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let (stderr, lines) = (child.stderr.take().expect("it is piped"), Arc::clone(&log));
        let listener = thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().expect("no panic").push(line);
            }
        });
        let agent = Self { child, log, listener: Some(listener) };
        agent.wait_for_log("clients attach on");
        agent
    }

    fn log(&self) -> String {
        self.log.lock().expect("no panic").join("\n")
    }

    #[track_caller]
    fn wait_for_log(&self, wanted: &str) {
        let started = Instant::now();
        until("a line of the agent's log", PATIENCE * 2, || {
            assert!(started.elapsed() < PATIENCE, "waited for {wanted:?} in the agent's log:\n{}", self.log());
            self.log().contains(wanted).then_some(())
        });
    }

    /// Ends it in order.
    #[track_caller]
    fn end(&mut self) {
        send("TERM", self.child.id());
        let status = until("the agent to end", PATIENCE, || self.child.try_wait().expect("it can be waited for"));
        if let Some(listener) = self.listener.take() {
            listener.join().expect("reading the log does not panic");
        }
        assert!(status.success(), "{status}:\n{}", self.log());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs a PID 1 in a cgroup, sends it these signals, and waits for its end.
#[track_caller]
fn stop(cgroup: &Cgroup, script: &str, signals: &[&str]) {
    let mut child = cgroup.init(script).stdout(Stdio::piped()).spawn().expect("the workload starts");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("it is piped")).read_line(&mut line).expect("it speaks");
    assert_eq!(line.trim(), "ready");
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).expect("unshare runs");
    let pid = children.trim().parse().expect("unshare has one child");
    for signal in signals {
        send(signal, pid);
    }
    until("the workload to end", PATIENCE, || child.try_wait().expect("it can be waited for"));
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let known = attributes.iter().find(|known| known.key == key).and_then(|known| known.value.clone());
    match known.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        other => panic!("{key} is {other:?} in {attributes:?}"),
    }
}

fn spans(trace: &ResourceSpans) -> &[Span] {
    &trace.scope_spans[0].spans
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_collector_is_sent_what_became_of_each_stop() {
    if !lab::can_run("a_collector_is_sent_what_became_of_each_stop", &["unshare"]) {
        return;
    }
    let (dir, cgroup) = (tempfile::tempdir().expect("a directory"), Cgroup::any("otlp"));
    let (first, second) = (cgroup.below("first"), cgroup.below("second"));
    let tls = certificates::server(certificates::SERVER, rustls::ALL_VERSIONS);
    let collector = Collector::behind(Some(&tls), [Say::status("503 Service Unavailable")]);
    let mut agent = Agent::start(&dir, &[&first, &second], &collector);
    let began = SystemTime::now();
    stop(&first, HANDLES, &["TERM"]);
    // busy, and asked again
    let asked = collector.wait_for(2);
    assert_eq!(asked[0].body, asked[1].body);
    stop(&second, DROPS, &["TERM", "KILL"]);
    collector.wait_for(3);
    let ended = SystemTime::now();
    agent.end();
    let asked = collector.asked();
    let traces: Vec<_> = asked[1..].iter().flat_map(|request| request.traces().resource_spans).collect();
    let verdicts: Vec<_> = traces.iter().map(|trace| text(&spans(trace)[0].attributes, "tracer.verdict")).collect();
    assert_eq!(verdicts, ["graceful", "sigterm-dropped"]);
    let nanos = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).expect("it is later").as_nanos();
    for trace in &traces {
        let resource = &trace.resource.as_ref().expect("there is one").attributes;
        assert_eq!(text(resource, "k8s.cluster.name"), "east");
        assert_eq!(text(resource, "host.name"), nix::unistd::gethostname().expect("a name").to_string_lossy());
        for span in spans(trace) {
            // the clocks are compared at different moments
            let (from, to) = (u128::from(span.start_time_unix_nano), u128::from(span.end_time_unix_nano));
            assert!(nanos(began) < from + 50_000_000 && from <= to && to < nanos(ended) + 50_000_000, "{span:?}");
        }
        let names: Vec<_> = spans(trace).iter().map(|span| span.name.as_str()).collect();
        assert!(names[1] == "grace period" && names[2].ends_with(" (PID 1)"), "{names:?}");
    }
    let events: Vec<_> = spans(&traces[1])[2].events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(events, ["SIGTERM dropped", "SIGKILL default"]);
    assert!(asked.iter().all(|request| request.head.contains("authorization: basic c2vjcmv0\r\n")));
    let log = agent.log();
    assert_eq!(log.matches("cannot export traces").count(), 1, "{log}");
    assert!(log.contains("are exported to https://127.0.0.1") && log.contains("/v1/traces again"), "{log}");
    assert!(log.contains("2 terminations were exported") && !log.contains("c2VjcmV0"), "{log}");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_collector_that_hangs_holds_up_neither_the_tracing_nor_the_end() {
    if !lab::can_run("a_collector_that_hangs_holds_up_neither_the_tracing_nor_the_end", &["unshare"]) {
        return;
    }
    let (dir, cgroup) = (tempfile::tempdir().expect("a directory"), Cgroup::any("otlp-hangs"));
    let collector = Collector::start(std::iter::repeat_n(Say::Nothing, 100));
    let mut agent = Agent::start(&dir, &[&cgroup], &collector);
    stop(&cgroup, DROPS, &["TERM", "KILL"]);
    collector.wait_for(1);
    // who waited for an answer would wait for ever
    agent.end();
    let log = agent.log();
    assert!(log.contains("0 terminations were exported, 1 were not"), "{log}");
}
