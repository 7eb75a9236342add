//! The Docker daemon comes and goes while containers are traced: tracing goes on, verdicts are right, names come back.
//!
//! What the kernel shows needs no daemon; only names do. Containers survive their daemon (`live-restore`), and what
//! happens to them meanwhile is told.

mod lab;

use lab::docker::{Cgroups, Daemon, Options};
use lab::tracer::{BINARY, Said, Tracer};
use lab::{PATIENCE, send, until};
use serde_json::Value;

const DROPS: [&str; 3] = ["sh", "-c", "echo ready; sleep 1000; true"];
const HANDLES: [&str; 3] = ["sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done"];

fn trace(docker: &Daemon) -> Tracer {
    let socket = docker.socket();
    let socket = socket.to_str().expect("a path in plain text");
    let begun = |said: Said<'_>| matches!(said, Said::Note(note) if note.starts_with("tracer: tracing"));
    Tracer::start(docker.enter(BINARY), &["--docker", socket], begun)
}

fn ready(docker: &Daemon, name: &str) {
    until(&format!("{name} to be ready"), PATIENCE, || docker.container_logs(name).contains("ready").then_some(()));
}

/// The next termination of a container, by its id.
fn termination(tracer: &mut Tracer, id: &str) -> Value {
    tracer.wait_for(&format!("the termination of {id}"), PATIENCE, |line| {
        line["kind"] == "termination" && line["container"]["id"] == id
    })
}

/// A container has the name when the tracer has told it.
fn named(tracer: &mut Tracer, id: &str, name: &str) {
    tracer.wait_for(&format!("the name of {name}"), PATIENCE, |line| {
        line["kind"] == "container" && line["id"] == id && line["name"] == name
    });
}

fn expect(line: &Value, verdict: &str, name: Option<&str>) {
    assert_eq!(line["verdict"], verdict, "{line}");
    assert_eq!(line["container"]["name"].as_str(), name, "{line}");
    assert_eq!(line["certain"], true, "{line}");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_daemon_that_is_not_there_yet_and_then_restarts() {
    if !lab::can_run("a_daemon_that_is_not_there_yet_and_then_restarts", &["dockerd", "containerd", "runc"]) {
        return;
    }
    let mut docker = Daemon::start(Cgroups::PureV2);
    let old = docker.run("old", &DROPS, &Options::default());
    let handles = docker.run("handles", &HANDLES, &Options::default());
    let (old_pid, handles_pid) = (docker.pid("old"), docker.pid("handles"));
    ready(&docker, "old");
    ready(&docker, "handles");

    // The tracer begins without a daemon: it traces, and knows ids only.
    docker.stop_dockerd();
    let mut tracer = trace(&docker);
    send("TERM", old_pid);
    let dropped = tracer.wait_for("the drop", PATIENCE, |line| {
        line["kind"] == "signal" && line["container"]["id"] == old.as_str() && line["outcome"] == "dropped"
    });
    assert_eq!(dropped["container"]["name"], Value::Null, "{dropped}");
    send("KILL", old_pid);
    let told = termination(&mut tracer, &old);
    expect(&told, "sigterm-dropped", None);
    assert_eq!((&told["sender"]["role"], &told["exit"]["signal"]), (&"host".into(), &"SIGKILL".into()), "{told}");

    // With the daemon come the names of what runs.
    docker.start_dockerd();
    named(&mut tracer, &handles, "handles");
    let new = docker.run("new", &DROPS, &Options::default());
    ready(&docker, "new");
    named(&mut tracer, &new, "new");

    // It goes again, and what it had told stays known.
    docker.stop_dockerd();
    send("TERM", handles_pid);
    expect(&termination(&mut tracer, &handles), "graceful", Some("handles"));

    // Back once more: it is asked again about what starts. It may take the tracer a second to find that out, and who
    // ends before that is told without a name.
    docker.start_dockerd();
    let third = docker.run("third", &HANDLES, &Options::default());
    ready(&docker, "third");
    named(&mut tracer, &third, "third");
    docker.stop("third", 10);
    expect(&termination(&mut tracer, &third), "graceful", Some("third"));
    docker.stop("new", 1);
    expect(&termination(&mut tracer, &new), "sigterm-dropped", Some("new"));
    let ended = tracer.interrupt();
    assert!(ended.status.success(), "{}", ended.stderr);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_daemon_that_hangs() {
    if !lab::can_run("a_daemon_that_hangs", &["dockerd", "containerd", "runc"]) {
        return;
    }
    let docker = Daemon::start(Cgroups::PureV2);
    let known = docker.run("known", &DROPS, &Options::default());
    let later = docker.run("later", &HANDLES, &Options::default());
    let (known_pid, later_pid) = (docker.pid("known"), docker.pid("later"));
    ready(&docker, "known");
    ready(&docker, "later");

    // It accepts connections and answers none: a stopped process behind an open socket.
    docker.hang_dockerd();
    let mut tracer = trace(&docker);
    send("TERM", known_pid);
    send("KILL", known_pid);
    expect(&termination(&mut tracer, &known), "sigterm-dropped", None);

    // It goes on: the name of what still runs comes.
    docker.wake_dockerd();
    named(&mut tracer, &later, "later");
    docker.hang_dockerd();
    send("TERM", later_pid);
    expect(&termination(&mut tracer, &later), "graceful", Some("later"));
    // A tracer ends, whoever hangs.
    let ended = tracer.interrupt();
    docker.wake_dockerd();
    assert!(ended.status.success(), "{}", ended.stderr);
}

/// A running agent. Dropping it kills it.
struct Agent(std::process::Child);

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// An agent goes on through it as well, and whoever attaches later is told all of it, with the names that were known.
#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn an_agent_while_the_daemon_restarts() {
    if !lab::can_run("an_agent_while_the_daemon_restarts", &["dockerd", "containerd", "runc"]) {
        return;
    }
    let mut docker = Daemon::start(Cgroups::PureV2);
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (socket, log) = (dir.path().join("agent.sock"), dir.path().join("log"));
    let mut command = docker.enter(BINARY);
    command.arg("agent").arg("--socket").arg(&socket).arg("--docker").arg(docker.socket());
    let file = std::fs::File::create(&log).expect("a file can be made");
    let mut agent = Agent(command.stderr(file).spawn().expect("the agent starts"));
    let attach = format!("--attach={}", socket.display());
    until("the agent to listen", PATIENCE, || socket.exists().then_some(()));
    let attached = |said: Said<'_>| matches!(said, Said::Note(note) if note.contains("attached to agent"));
    let mut early = Tracer::spawn(&[&attach], attached);
    // it says of what began before it that it is not certain
    let first = docker.run("first", &HANDLES, &Options::default());
    ready(&docker, "first");
    let first_pid = docker.pid("first");
    named(&mut early, &first, "first");

    docker.stop_dockerd();
    send("TERM", first_pid);
    expect(&termination(&mut early, &first), "graceful", Some("first"));
    docker.start_dockerd();
    let second = docker.run("second", &DROPS, &Options::default());
    ready(&docker, "second");
    named(&mut early, &second, "second");
    docker.stop("second", 1);
    expect(&termination(&mut early, &second), "sigterm-dropped", Some("second"));

    let mut late = Tracer::spawn(&[&attach], attached);
    expect(&termination(&mut late, &first), "graceful", Some("first"));
    expect(&termination(&mut late, &second), "sigterm-dropped", Some("second"));
    send("TERM", agent.0.id());
    let status = until("the agent to end", PATIENCE, || agent.0.try_wait().expect("it is ours"));
    assert!(status.success(), "{status}: {}", std::fs::read_to_string(&log).unwrap_or_default());
}
