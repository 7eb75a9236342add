//! What Prometheus is told.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use super::*;

/// What an agent with metrics says where it serves them.
#[track_caller]
fn metrics_address(agent: &Agent) -> SocketAddr {
    let log = agent.log();
    let (_, rest) = log.split_once("http://").expect("it says where");
    rest.split_once("/metrics").and_then(|(address, _)| address.parse().ok()).expect("an address")
}

/// Asks over plain TCP; returns the status line and the headers, and the body.
#[track_caller]
fn get(address: SocketAddr, path: &str, headers: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket has one");
    let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers in text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_owned(), body.to_owned())
}

/// The value of the sample whose name and labels are these.
fn sample(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

/// Prometheus' own judgement of a text.
#[track_caller]
fn promtool_likes(text: &str) {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = promtool.spawn().expect("promtool starts");
    child.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "promtool: {said}\n{text}");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn prometheus_is_told_what_clients_are_told() {
    if !lab::can_run("prometheus_is_told_what_clients_are_told", &["unshare", "promtool"]) {
        return;
    }
    let (dir, cgroup) = (directory(), Cgroup::any("agent-metrics"));
    let (one, other) = (cgroup.below("one"), cgroup.below("other"));
    let agent = Agent::start(dir.path(), &[&one, &other], &["--metrics-listen", "127.0.0.1:0"]);
    let address = metrics_address(&agent);
    for (path, told) in [("/healthz", "ok\n"), ("/readyz", "ok: the probes are attached\n")] {
        let (head, body) = get(address, path, "");
        assert!(head.starts_with("HTTP/1.1 200 ") && body == told, "{path}: {head}\n{body}");
    }
    assert!(get(address, "/other", "").0.starts_with("HTTP/1.1 404 "));
    let mut client = agent.client(&[]);
    Workload::init(&one, DROPS).drops_and_dies();
    client.wait_for("the end", PATIENCE, verdict_is("sigterm-dropped"));
    let scrape = || get(address, "/metrics", "").1;
    let labels = format!("cause=\"no-handler\",namespace=\"\",workload=\"{}\"", one.path);
    let series = format!("tracer_terminations_total{{verdict=\"sigterm-dropped\",{labels}}}");
    let text = until("the end in the metrics", PATIENCE, || {
        let text = scrape();
        (sample(&text, &series) == Some(1.0)).then_some(text)
    });
    promtool_likes(&text);
    let dropped =
        format!("tracer_dropped_signals_total{{signal=\"SIGTERM\",namespace=\"\",workload=\"{}\"}}", one.path);
    assert_eq!(sample(&text, &dropped), Some(1.0), "{text}");
    for (series, least) in [
        ("tracer_shutdown_duration_seconds_count{verdict=\"sigterm-dropped\",namespace=\"\"}", 1.0),
        ("tracer_containers", 2.0),
        ("tracer_events_total{kind=\"signal\"}", 2.0),
        ("tracer_events_lost_total{kind=\"signal\"}", 0.0),
        ("tracer_wakeups_total", 1.0),
        ("tracer_clients", 1.0),
        ("tracer_client_events_missed_total", 0.0),
        ("tracer_history_terminations", 1.0),
        ("tracer_history_bytes", 1_000.0),
        ("process_cpu_seconds_total", 0.01),
        ("process_resident_memory_bytes", 1_000_000.0),
        ("process_start_time_seconds", 1_600_000_000.0),
    ] {
        assert!(sample(&text, series).is_some_and(|value| value >= least), "{series}:\n{text}");
    }
    let fill = sample(&text, "tracer_ring_fill_ratio").expect("it is told");
    assert!(fill > 0.0 && fill < 1.0, "{fill}");
    assert!(text.contains("tracer_build_info{version=\""), "{text}");
    // the other format, for who asks for it
    let (head, open) = get(address, "/metrics", "Accept: application/openmetrics-text; version=1.0.0\r\n");
    assert!(head.contains("application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(open.ends_with("# EOF\n") && sample(&open, &series) == Some(1.0), "{open}");
    // a zombie is told as long as it is there
    let mut keeper = Workload::init(&other, "sleep 0.5 & echo ready; exec sleep 1000");
    let zombies = format!("tracer_zombies{{namespace=\"\",workload=\"{0}\",container=\"{0}\"}}", other.path);
    until("the zombie in the metrics", PATIENCE, || (sample(&scrape(), &zombies) == Some(1.0)).then_some(()));
    let text = scrape();
    let age = zombies.replace("tracer_zombies", "tracer_zombie_oldest_age_seconds");
    assert!(sample(&text, &age).is_some_and(|age| age >= 1.0), "{text}");
    promtool_likes(&text);
    send("KILL", keeper.pid);
    until("the workload to end", PATIENCE, || keeper.child.try_wait().expect("it can be waited for"));
    until("the zombie to be gone", PATIENCE, || sample(&scrape(), &zombies).is_none().then_some(()));
    agent.end();
    assert!(TcpStream::connect(address).is_err(), "nothing listens any more");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn whoever_asks_for_metrics_slows_nothing() {
    if !lab::can_run("whoever_asks_for_metrics_slows_nothing", &["unshare"]) {
        return;
    }
    let (dir, cgroup) = (directory(), Cgroup::any("agent-scraped"));
    let agent = Agent::start(dir.path(), &[&cgroup], &["--metrics-listen", "127.0.0.1:0"]);
    let address = metrics_address(&agent);
    // more connections than are kept, none of which says anything, and one that begins and never ends
    let mut silent: Vec<_> = (0..100).map(|_| TcpStream::connect(address).expect("it listens")).collect();
    silent[99].write_all(b"GET /metrics HTTP/1.1\r\nX-Long: ").expect("it reads");
    assert!(get(address, "/healthz", "").0.starts_with("HTTP/1.1 200 "));
    // the first ones made room
    let mut byte = [0];
    silent[0].set_read_timeout(Some(PATIENCE)).expect("a socket has one");
    assert!(matches!(silent[0].read(&mut byte), Ok(0) | Err(_)));
    // one that sends too much, and one that wants something else
    let mut stream = TcpStream::connect(address).expect("it listens");
    drop(stream.write_all(&vec![b'x'; 1 << 20]));
    let mut answer = String::new();
    drop(stream.read_to_string(&mut answer));
    assert!(!answer.contains(" 200 "), "{answer}");
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(b"POST /metrics HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n").expect("it reads");
    answer.clear();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    // scrapes as fast as they can, while something happens
    let over = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&over);
    let scraping = thread::spawn(move || {
        let (mut asked, mut answered) = (0, 0);
        while !told.load(Ordering::Relaxed) {
            asked += 1;
            answered += usize::from(get(address, "/metrics", "").0.contains(" 200 "));
        }
        (asked, answered)
    });
    let mut client = agent.client(&[]);
    Workload::init(&cgroup, DROPS).drops_and_dies();
    client.wait_for("the end", PATIENCE, verdict_is("sigterm-dropped"));
    over.store(true, Ordering::Relaxed);
    let (asked, answered) = scraping.join().expect("each is answered");
    assert!(asked > 0 && asked == answered, "{answered} of {asked}");
    // an address that is taken is said before anything is attached
    let taken = address.to_string();
    let other = directory();
    let mut twin = Agent::spawn(other.path(), &[&cgroup], &["--metrics-listen", &taken]);
    let ended = until("the second agent to give up", PATIENCE, || twin.child.try_wait().expect("it can be waited for"));
    assert_eq!(ended.code(), Some(1));
    twin.wait_for_log(&format!("cannot serve metrics on {taken}"));
    agent.end();
}
