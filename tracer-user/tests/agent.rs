//! A real agent and real clients: what they are told, and what neither can do to the other.

mod lab;
#[path = "agent/metrics.rs"]
mod metrics;
#[path = "agent/recordings.rs"]
mod recordings;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use lab::cgroup::Cgroup;
use lab::screen::Screen;
use lab::tracer::{BINARY, Said, Tracer};
use lab::{PATIENCE, output, send, until};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::Value;

/// A PID 1 that does not think of signals.
const DROPS: &str = "echo ready; sleep 1000; true";
/// A PID 1 that stops in order.
const HANDLES: &str = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.02; done";
/// Processes that come and go, as fast as they can.
const STORM: &str = "echo ready; while :; do /bin/true; done";

/// A running agent, with its log. Dropping it kills it.
struct Agent {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    /// Reads the log until it is closed.
    listener: Option<JoinHandle<()>>,
    socket: PathBuf,
}

impl Agent {
    /// Starts one that listens in `dir` and traces some cgroups; returns when it does.
    #[track_caller]
    fn start(dir: &Path, cgroups: &[&Cgroup], more: &[&str]) -> Self {
        let agent = Self::spawn(dir, cgroups, more);
        agent.wait_for_log("clients attach on");
        agent
    }

    #[track_caller]
    fn spawn(dir: &Path, cgroups: &[&Cgroup], more: &[&str]) -> Self {
        let socket = dir.join("agent.sock");
        let mut command = Command::new(BINARY);
        command.args(["agent", "--socket", socket.to_str().expect("text")]).args(more);
        for cgroup in cgroups {
            command.args(["--cgroup", cgroup.arg()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the agent starts");
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let (stderr, lines) = (child.stderr.take().expect("it is piped"), Arc::clone(&log));
        let listener = thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().expect("no panic").push(line);
            }
        });
        Self { child, log, listener: Some(listener), socket }
    }

    fn log(&self) -> String {
        self.log.lock().expect("no panic").join("\n")
    }

    #[track_caller]
    fn wait_for_log(&self, wanted: &str) {
        let started = Instant::now();
        // longer than the longest that the agent itself waits for somebody, which is 20 s
        let deadline = PATIENCE * 2;
        until("a line of the agent's log", deadline * 2, || {
            assert!(started.elapsed() < deadline, "waited for {wanted:?} in the agent's log:\n{}", self.log());
            self.log().contains(wanted).then_some(())
        });
    }

    fn attach(&self) -> String {
        format!("--attach={}", self.socket.display())
    }

    /// A client that writes JSON lines.
    #[track_caller]
    fn client(&self, more: &[&str]) -> Tracer {
        let attach = self.attach();
        let args: Vec<&str> = [attach.as_str()].into_iter().chain(more.iter().copied()).collect();
        Tracer::spawn(&args, |said| matches!(said, Said::Note(note) if note.contains("attached to agent")))
    }

    /// Resident memory, KiB.
    fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel tells");
        line.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number")
    }

    /// Ends it in order. Returns its whole log.
    #[track_caller]
    fn end(mut self) -> String {
        send("TERM", self.child.id());
        let status = until("the agent to end", PATIENCE, || self.child.try_wait().expect("it can be waited for"));
        if let Some(listener) = self.listener.take() {
            listener.join().expect("reading the log does not panic");
        }
        assert!(status.success(), "{status}:\n{}", self.log());
        assert!(!self.socket.exists(), "it takes its socket along");
        self.log()
    }

    /// As the OOM killer would.
    fn kill(mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What runs in a cgroup as PID 1 of its own namespace. Dropping it kills it.
struct Workload {
    child: Child,
    pid: u32,
}

impl Workload {
    #[track_caller]
    fn init(cgroup: &Cgroup, script: &str) -> Self {
        let mut child = cgroup.init(script).stdout(Stdio::piped()).spawn().expect("the workload starts");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("it is piped")).read_line(&mut line).expect("it speaks");
        assert_eq!(line.trim(), "ready");
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).expect("unshare runs");
        let pid = children.trim().parse().expect("unshare has one child");
        if script == DROPS {
            until("the shell to wait for its child", PATIENCE, || waits_for_sleep(pid).then_some(()));
        }
        Self { child, pid }
    }

    /// Is told to stop, does not, and is killed.
    #[track_caller]
    fn drops_and_dies(mut self) {
        send("TERM", self.pid);
        send("KILL", self.pid);
        until("the workload to end", PATIENCE, || self.child.try_wait().expect("it can be waited for"));
    }

    #[track_caller]
    fn stops(mut self) {
        send("TERM", self.pid);
        until("the workload to end", PATIENCE, || self.child.try_wait().expect("it can be waited for"));
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Whether a shell has started `sleep` and blocks no signals any more, as it does while it starts something.
fn waits_for_sleep(shell: u32) -> bool {
    let proc = |file: String| fs::read_to_string(format!("/proc/{file}")).unwrap_or_default();
    let child = proc(format!("{shell}/task/{shell}/children"));
    let blocks_nothing = |line: &str| line.strip_prefix("SigBlk:").is_some_and(|set| set.trim() == "0000000000000000");
    proc(format!("{}/comm", child.trim())) == "sleep\n" && proc(format!("{shell}/status")).lines().any(blocks_nothing)
}

fn verdict_is(verdict: &str) -> impl Fn(&Value) -> bool {
    move |line| line["kind"] == "termination" && line["verdict"] == verdict
}

fn verdicts(tracer: &mut Tracer) -> Vec<String> {
    let told = tracer.terminations();
    told.iter().map(|told| told["verdict"].as_str().expect("each has one").to_owned()).collect()
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory can be made")
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn who_attaches_is_told_what_was_and_what_happens_on_lines_and_on_the_screen() {
    if !lab::can_run("who_attaches_is_told_what_was_and_what_happens_on_lines_and_on_the_screen", &["unshare", "tmux"])
    {
        return;
    }
    let (dir, cgroup) = (directory(), Cgroup::any("agent"));
    // as every container has: one of its own
    let (before, then) = (cgroup.below("before"), cgroup.below("then"));
    let agent = Agent::start(dir.path(), &[&before, &then], &[]);
    Workload::init(&before, DROPS).drops_and_dies();
    // what ended before is there for all of them
    let mut first = agent.client(&[]);
    let past = first.wait_for("what was", PATIENCE, verdict_is("sigterm-dropped"));
    let client = agent.client(&[]);
    drop(first.interrupt());
    first = client;
    assert_eq!(first.wait_for("what was", PATIENCE, verdict_is("sigterm-dropped")), past);
    let mut second = agent.client(&["--signal", "TERM"]);
    assert_eq!(second.wait_for("what was", PATIENCE, verdict_is("sigterm-dropped")), past);
    let screen = Screen::open(100, 30);
    screen.type_line(&format!("{BINARY} {}; echo ended-$?", agent.attach()));
    screen.wait_for("LIVE, AGENT");
    screen.press("2");
    screen.wait_for("SIGTERM DROPPED");
    // and what happens now
    Workload::init(&then, HANDLES).stops();
    let now = first.wait_for("what happens", PATIENCE, verdict_is("graceful"));
    assert_eq!(second.wait_for("what happens", PATIENCE, verdict_is("graceful")), now);
    screen.wait_until("the second end", |text| text.contains("graceful") || text.contains("GRACEFUL"));
    screen.press("q");
    screen.wait_for("ended-0");
    assert!(first.interrupt().status.success());
    // who stays is told that the agent ends
    let log = agent.end();
    let left = second.wait();
    assert_eq!(left.status.code(), Some(1), "{}", left.stderr);
    assert!(left.stderr.contains("has ended"), "{}", left.stderr);
    assert!(log.contains("attached") && log.contains("left"), "{log}");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn until_exit_means_an_end_from_now_on() {
    if !lab::can_run("until_exit_means_an_end_from_now_on", &["unshare"]) {
        return;
    }
    let (dir, cgroup) = (directory(), Cgroup::any("agent-until"));
    // as every container has: one of its own
    let (before, then) = (cgroup.below("before"), cgroup.below("then"));
    let agent = Agent::start(dir.path(), &[&before, &then], &[]);
    Workload::init(&before, DROPS).drops_and_dies();
    let mut client = agent.client(&[]);
    client.wait_for("an end", PATIENCE, verdict_is("sigterm-dropped"));
    let mut client = agent.client(&["--until-exit"]);
    client.wait_for("what was", PATIENCE, verdict_is("sigterm-dropped"));
    Workload::init(&then, HANDLES).stops();
    let ended = client.wait();
    assert!(ended.status.success(), "{}", ended.stderr);
    assert_eq!(ended.lines.iter().filter(|line| line["kind"] == "termination").count(), 2);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_cgroup_that_stays_and_is_used_again_has_an_end_each_time() {
    if !lab::can_run("a_cgroup_that_stays_and_is_used_again_has_an_end_each_time", &["unshare"]) {
        return;
    }
    let (dir, cgroup) = (directory(), Cgroup::any("agent-again"));
    let agent = Agent::start(dir.path(), &[&cgroup], &[]);
    let client = agent.client(&[]);
    let ready = |said: Said<'_>| matches!(said, Said::Note(note) if note.starts_with("tracer: tracing"));
    let own = Tracer::spawn(&["--no-attach", "--cgroup", cgroup.arg()], ready);
    Workload::init(&cgroup, DROPS).drops_and_dies();
    Workload::init(&cgroup, HANDLES).stops();
    let told = [client, own].map(|mut tracer| {
        tracer.wait_for("the first end", PATIENCE, verdict_is("sigterm-dropped"));
        tracer.wait_for("the second end", PATIENCE, verdict_is("graceful"));
        verdicts(&mut tracer)
    });
    assert_eq!(told, [["sigterm-dropped", "graceful"], ["sigterm-dropped", "graceful"]]);
    // and whoever comes later is told both, too
    Workload::init(&cgroup, DROPS).drops_and_dies();
    let mut late = agent.client(&[]);
    let all = until("all three ends", PATIENCE, || Some(verdicts(&mut late)).filter(|told| told.len() == 3));
    assert_eq!(all, ["sigterm-dropped", "graceful", "sigterm-dropped"]);
    agent.end();
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn strangers_are_refused_and_nobody_else_notices() {
    if !lab::can_run("strangers_are_refused_and_nobody_else_notices", &["unshare", "setpriv"]) {
        return;
    }
    let (dir, cgroup) = (directory(), Cgroup::any("agent-strangers"));
    let agent = Agent::start(dir.path(), &[&cgroup], &[]);
    let connect = || UnixStream::connect(&agent.socket).expect("it listens");
    // one that says nothing
    let silent = connect();
    let answer = |mut stream: UnixStream| {
        let mut text = String::new();
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket has one");
        // it may be cut off while we write
        drop(stream.read_to_string(&mut text));
        text
    };
    // garbage
    let mut stream = connect();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("it is read");
    assert!(answer(stream).contains("no greeting of a tracer"));
    // megabytes
    let mut stream = connect();
    drop(stream.write_all(&vec![b'x'; 8 << 20]));
    answer(stream);
    // another version
    let mut stream = connect();
    stream.write_all(b"{\"tracer-attach\":99,\"tool\":\"99.0.0\"}\n").expect("it is read");
    let told = answer(stream);
    assert!(told.contains("99.0.0") && told.contains("same version"), "{told}");
    // one that talks on
    let mut stream = connect();
    stream.write_all(b"{\"tracer-attach\":1}\n").expect("it is read");
    let mut byte = [0];
    stream.read_exact(&mut byte).expect("it is served");
    stream.write_all(b"more").expect("it is read");
    answer(stream);
    agent.wait_for_log("it sent what nobody asked for");
    // one that vanishes
    drop(connect());
    agent.wait_for_log("it did not say who it is");
    drop(silent);
    // another user, in whose way the socket's mode stands, and if that is changed, who it is
    let theirs = dir.path().join("tracer");
    // ours may be where nobody else gets
    fs::copy(BINARY, &theirs).expect("there is room");
    let as_nobody = || {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&theirs);
        output(command.args([&agent.attach(), "--output", "json"]).stdin(Stdio::null()))
    };
    let readable = |path: &Path, mode| {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).expect("it is ours");
    };
    readable(dir.path(), 0o755);
    let refused = as_nobody();
    assert_eq!(refused.status.code(), Some(3), "{}", String::from_utf8_lossy(&refused.stderr));
    readable(&agent.socket, 0o666);
    let refused = as_nobody();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("only root and user 0 may attach, you are user 65534"), "{told}");
    // and it serves as before
    Workload::init(&cgroup, DROPS).drops_and_dies();
    let mut client = agent.client(&[]);
    client.wait_for("an end", PATIENCE, verdict_is("sigterm-dropped"));
    // there is one agent
    let mut twin = Agent::spawn(dir.path(), &[&cgroup], &[]);
    let ended = until("the second agent to give up", PATIENCE, || twin.child.try_wait().expect("it can be waited for"));
    assert_eq!(ended.code(), Some(1));
    twin.wait_for_log(&format!("process {} listens on", agent.child.id()));
    agent.end();
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn killed_and_started_again_in_the_middle_of_a_stop_it_tells_nothing_wrong() {
    if !lab::can_run("killed_and_started_again_in_the_middle_of_a_stop_it_tells_nothing_wrong", &["unshare"]) {
        return;
    }
    let (dir, cgroup) = (directory(), Cgroup::any("agent-killed"));
    let agent = Agent::start(dir.path(), &[&cgroup], &[]);
    let mut workload = Workload::init(&cgroup, DROPS);
    let mut client = agent.client(&[]);
    send("TERM", workload.pid);
    client.wait_for("the stop signal", PATIENCE, |line| line["kind"] == "signal" && line["signal"] == "SIGTERM");
    agent.kill();
    let left = client.wait();
    assert!(left.stderr.contains("is gone"), "{}", left.stderr);
    // its socket is still there, and in nobody's way
    let agent = Agent::start(dir.path(), &[&cgroup], &[]);
    let mut client = agent.client(&[]);
    send("KILL", workload.pid);
    until("the workload to end", PATIENCE, || workload.child.try_wait().expect("it can be waited for"));
    let told = client.wait_for("its end", PATIENCE, |line| line["kind"] == "termination");
    assert!(told["verdict"] == "sigterm-dropped" || told["certain"] == false, "{told}");
    agent.end();
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_hangup_takes_over_what_is_good_and_keeps_what_was_if_it_is_not() {
    if !lab::can_run("a_hangup_takes_over_what_is_good_and_keeps_what_was_if_it_is_not", &["unshare"]) {
        return;
    }
    let (dir, cgroup) = (directory(), Cgroup::any("agent-hangup"));
    let file = dir.path().join("agent.toml");
    fs::write(&file, "log-level = \"info\"\n").expect("it can be written");
    let agent = Agent::start(dir.path(), &[&cgroup], &["--config", file.to_str().expect("text")]);
    fs::write(&file, "log-levle = \"warn\"\n").expect("it can be written");
    send("HUP", agent.child.id());
    agent.wait_for_log("did you mean log-level?");
    agent.wait_for_log("the old one stays");
    fs::write(&file, "log-format = \"json\"\ncri = [\"/run/none.sock\"]\n").expect("it can be written");
    send("HUP", agent.child.id());
    agent.wait_for_log("only a restart takes over: cri");
    agent.wait_for_log("\"message\":\"the configuration was read again; new: log-format\"");
    // recordings begin and end with a reload, which waits for none of them
    let records = directory();
    let record = format!("record-dir = \"{}\"\n", records.path().display());
    let told = || agent.log().matches("the configuration was read again").count();
    for text in [&*record, "log-level = \"info\"\n"].into_iter().cycle().take(6) {
        let before = told();
        fs::write(&file, text).expect("it can be written");
        send("HUP", agent.child.id());
        until("it to have read it", PATIENCE, || (told() > before).then_some(()));
    }
    assert_eq!(agent.log().matches("recordings go to").count(), 3);
    agent.end();
}
