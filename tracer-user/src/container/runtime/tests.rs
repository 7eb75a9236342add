//! Against a daemon that is not one: it says whatever a test makes it say.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};
use std::thread;

use std::path::Path;

use super::places::candidates;
use super::*;

const A: &str = "6ea1b4602822bd02403ad7e666867f81a739cc7c8cb95bbb56e484ec54908a1e";
const B: &str = "25feb8a9b6fd585a738350f13a2b4a93983bd9bd249cfad25246d7bcd7ffb846";
const C: &str = "ca738f4de1be07b0c75523dcd349a35101f464acf794f4630366e78716c1852d";

/// What the fake says when it is asked for something.
#[derive(Clone)]
enum Say {
    /// An answer with this body.
    Json(String),
    /// These bytes, and an end.
    Raw(String),
    /// The head of an endless answer, then this over and over.
    Endless(&'static str, String),
    /// Events, and then nothing until the test ends.
    Events(String),
    /// Nothing at all.
    Silence,
}

/// A server whose answers are changed as the test goes on.
struct Fake {
    socket: PathBuf,
    says: Arc<Mutex<HashMap<String, Say>>>,
    asked: Arc<Mutex<Vec<String>>>,
    _directory: tempfile::TempDir,
}

impl Fake {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let fake = Self {
            socket: directory.path().join("docker.sock"),
            says: Arc::default(),
            asked: Arc::default(),
            _directory: directory,
        };
        fake.say("/version", Say::Json(r#"{"Version": "1.2.3", "ApiVersion": "1.41"}"#.to_owned()));
        fake.say("/events", Say::Events(String::new()));
        fake.runs(&[]);
        fake
    }

    fn say(&self, path: &str, what: Say) {
        self.says.lock().expect("no panic").insert(path.to_owned(), what);
    }

    fn runs(&self, ids: &[&str]) {
        let list: Vec<_> = ids.iter().map(|id| serde_json::json!({"Id": id, "Names": ["/x"]})).collect();
        self.say("/containers/json", Say::Json(serde_json::json!(list).to_string()));
    }

    fn has(&self, id: &str, name: &str) {
        let told = serde_json::json!({"Id": id, "Name": format!("/{name}"), "State": {"Pid": 1}, "Config": {}});
        self.say(&format!("/containers/{id}/json"), Say::Json(told.to_string()));
    }

    fn asked_for(&self, path: &str) -> usize {
        self.asked.lock().expect("no panic").iter().filter(|asked| *asked == path).count()
    }

    fn listen(&self) {
        let listener = UnixListener::bind(&self.socket).expect("a free path");
        let (says, asked) = (self.says.clone(), self.asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (says, asked) = (says.clone(), asked.clone());
                thread::spawn(move || {
                    let Some(path) = path_asked(&stream) else { return };
                    asked.lock().expect("no panic").push(path.clone());
                    let say = says.lock().expect("no panic").get(&path).cloned();
                    answer(stream, say);
                });
            }
        });
    }
}

/// The path of a request, without its query.
fn path_asked(mut stream: &UnixStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let target = head.split(' ').nth(1)?;
    Some(target.split('?').next()?.to_owned())
}

/// Says it; the other side may hang up at any time.
fn answer(mut stream: UnixStream, say: Option<Say>) {
    let chunked = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let sized = |status: &str, text: &str| format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{text}", text.len());
    let said = match say {
        None => stream.write_all(sized("404 Not Found", r#"{"message": "No such container"}"#).as_bytes()),
        Some(Say::Json(text)) => stream.write_all(sized("200 OK", &text).as_bytes()),
        Some(Say::Raw(text)) => stream.write_all(text.as_bytes()),
        Some(Say::Endless(head, text)) => {
            let mut said = stream.write_all(format!("{chunked}{}", chunk(head)).as_bytes());
            while said.is_ok() {
                said = stream.write_all(chunk(&text).as_bytes());
            }
            said
        }
        Some(Say::Events(text)) => {
            let said = stream.write_all(chunked.as_bytes());
            if !text.is_empty() {
                stream.write_all(chunk(&text).as_bytes()).unwrap_or_default();
            }
            wait_for_hang_up(&mut stream);
            said
        }
        Some(Say::Silence) => {
            wait_for_hang_up(&mut stream);
            Ok(())
        }
    };
    said.unwrap_or_default();
}

fn wait_for_hang_up(stream: &mut UnixStream) {
    stream.read_to_end(&mut Vec::new()).unwrap_or_default();
}

fn event(id: &str) -> String {
    format!("{}\n", serde_json::json!({"Type": "container", "Action": "start", "Actor": {"ID": id}}))
}

/// The next names that are told, sorted: inspections run side by side.
async fn names(told: &mut mpsc::Receiver<Described>, count: usize) -> Vec<String> {
    let mut names = Vec::new();
    while names.len() < count {
        let described = tokio::time::timeout(Duration::from_secs(20), told.recv()).await.expect("in time");
        names.push(described.expect("a task that runs").name.expect("a name"));
    }
    names.sort();
    names
}

async fn state(names: &Names, is: impl Fn(&State) -> bool) -> State {
    let mut watch = names.daemons[0].state.clone();
    let state = tokio::time::timeout(Duration::from_secs(20), watch.wait_for(is)).await.expect("in time");
    state.expect("a task that runs").clone()
}

fn start(fake: &Fake) -> (Names, mpsc::Receiver<Described>) {
    let (out, told) = mpsc::channel(16);
    (Names::start(vec![Socket { path: fake.socket.clone(), kind: Kind::Docker }], &out), told)
}

#[tokio::test]
async fn what_runs_what_starts_and_what_is_wanted() {
    let fake = Fake::new();
    fake.runs(&[A]);
    for (id, name) in [(A, "a"), (B, "b"), (C, "c")] {
        fake.has(id, name);
    }
    fake.say("/events", Say::Events(event(B) + &event(B)));
    fake.listen();
    let (docker, mut told) = start(&fake);
    assert_eq!(names(&mut told, 2).await, ["a", "b"]);
    assert!(docker.want(C) && docker.want(A) && docker.want("lxc-guest"));
    assert_eq!(names(&mut told, 2).await, ["a", "c"]);
    let connected = State::Connected { runtime: "docker".to_owned(), version: "1.2.3".to_owned() };
    assert_eq!(docker.states().map(|(_, state)| state).collect::<Vec<_>>(), [connected]);
    // nothing that was the same was told twice
    assert!(told.try_recv().is_err());
}

/// An inspection waits for as long as a container starts, and one that lives a moment only is gone by then.
#[tokio::test]
async fn a_creation_tells_the_name_at_once() {
    let fake = Fake::new();
    fake.say(&format!("/containers/{A}/json"), Say::Silence);
    let actor = serde_json::json!({"ID": A, "Attributes": {"name": "brief", "image": "x"}});
    fake.say("/events", Say::Events(format!("{}\n", serde_json::json!({"Action": "create", "Actor": actor}))));
    fake.listen();
    let (_docker, mut told) = start(&fake);
    let described = told.recv().await.expect("a description");
    assert_eq!((described.name.as_deref(), described.stop_signal, described.grace_ms), (Some("brief"), None, None));
}

#[tokio::test]
async fn podman_is_told_apart() {
    let fake = Fake::new();
    fake.say("/version", Say::Json(r#"{"Components": [{"Name": "Podman Engine", "Version": "4.3.1"}]}"#.to_owned()));
    fake.runs(&[A]);
    fake.has(A, "a");
    fake.listen();
    let (_docker, mut told) = start(&fake);
    assert_eq!(told.recv().await.expect("a description").runtime.as_deref(), Some("podman"));
}

/// A daemon's first words are nonsense: that is told, and it is asked again.
#[tokio::test]
async fn nonsense_at_first() {
    let http = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    for raw in [
        "\u{1b}[2Jnot http at all\r\n\r\n".to_owned(),
        http("not json"),
        http(r#"{"Version": 5}"#),
        http(&"[".repeat(100_000)),
        format!("HTTP/1.1 200 OK\r\n{}", "X-A: b\r\n".repeat(10_000)),
        "HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\n\u{1b}[m".to_owned(),
    ] {
        let fake = Fake::new();
        fake.runs(&[A]);
        fake.has(A, "a");
        fake.say("/version", Say::Raw(raw.clone()));
        fake.listen();
        let (docker, mut told) = start(&fake);
        let State::Failing(why) = state(&docker, |state| matches!(state, State::Failing(_))).await else { continue };
        assert!(!why.is_empty() && !why.contains('\u{1b}') && why.len() < 2000, "{why}");
        fake.say("/version", Say::Json("{}".to_owned()));
        assert_eq!(names(&mut told, 1).await, ["a"]);
    }
}

/// Each way of answering about one container that cannot be used; the other one's name arrives all the same.
#[tokio::test]
async fn nonsense_about_one() {
    for say in [
        Say::Json("{}".to_owned()),
        Say::Json(r#"{"Id": 7}"#.to_owned()),
        Say::Json("null".to_owned()),
        Say::Json(String::new()),
        Say::Raw("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"Id\": ".to_owned()),
        Say::Raw(String::new()),
        Say::Raw("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n{}".to_owned()),
        Say::Raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_owned()),
        Say::Endless("{\"Id\": \"", "x".repeat(60_000)),
    ] {
        let fake = Fake::new();
        fake.runs(&[A, B]);
        fake.has(B, "b");
        fake.say(&format!("/containers/{A}/json"), say);
        fake.listen();
        let (_docker, mut told) = start(&fake);
        assert_eq!(names(&mut told, 1).await, ["b"]);
    }
}

#[tokio::test]
async fn lists_that_are_none() {
    for say in [
        Say::Json("{}".to_owned()),
        Say::Json(r#"[{"Id": "../../secrets"}, {"Id": null}, {}]"#.to_owned()),
        Say::Endless("[", format!("{{\"Id\": \"{}\"}},", "f".repeat(50_000))),
    ] {
        let fake = Fake::new();
        fake.has(A, "a");
        fake.say("/containers/json", say);
        fake.listen();
        let (docker, mut told) = start(&fake);
        assert!(docker.want(A));
        assert_eq!(names(&mut told, 1).await, ["a"]);
    }
}

/// The event stream ends, breaks off or turns to nonsense: what runs is listed again.
#[tokio::test]
async fn events_that_break_off() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for say in [
        Say::Json(String::new()),
        Say::Raw(chunked.to_owned()),
        Say::Raw(format!("{chunked}5\r\n{{\"a\"")),
        Say::Events("nonsense\n".to_owned()),
        Say::Events("{\"Type\": \"unheard-of\"}\n".to_owned()),
        Say::Endless("{\"Action\": \"", "y".repeat(30_000)),
        Say::Raw("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned()),
    ] {
        let fake = Fake::new();
        fake.say("/events", say);
        fake.listen();
        let (docker, mut told) = start(&fake);
        state(&docker, |state| !matches!(state, State::Connecting | State::Connected { .. })).await;
        fake.runs(&[A]);
        fake.has(A, "a");
        fake.say("/events", Say::Events(event(B)));
        fake.has(B, "b");
        assert_eq!(names(&mut told, 2).await, ["a", "b"]);
    }
}

/// Far more events than one line may be long.
#[tokio::test]
async fn a_long_stream_of_short_events() {
    let fake = Fake::new();
    fake.has(A, "a");
    let many = event(B).repeat(300); // about 30 KB a time, and it goes on for ever
    fake.say("/events", Say::Endless("\n", many));
    fake.listen();
    let (docker, mut told) = start(&fake);
    for _ in 0..20 {
        assert!(docker.want(A));
        assert_eq!(names(&mut told, 1).await, ["a"]);
    }
    assert_eq!(fake.asked_for("/events"), 1);
}

/// One container that the daemon never answers about does not keep the others waiting, and is asked for again.
#[tokio::test]
async fn a_daemon_that_hangs() {
    let fake = Fake::new();
    fake.runs(&[A, B]);
    fake.has(B, "b");
    let path = format!("/containers/{A}/json");
    fake.say(&path, Say::Silence);
    fake.listen();
    let (docker, mut told) = start(&fake);
    assert_eq!(names(&mut told, 1).await, ["b"]);
    state(&docker, |state| *state == State::Hanging).await;
    fake.has(A, "a");
    assert_eq!(names(&mut told, 1).await, ["a"]);
    state(&docker, |state| matches!(state, State::Connected { .. })).await;
    assert!(fake.asked_for(&path) >= 2);

    let fake = Fake::new();
    fake.say("/version", Say::Silence);
    fake.listen();
    let (docker, _told) = start(&fake);
    state(&docker, |state| *state == State::Hanging).await;
}

/// It comes up while we wait: whoever asks for a container makes us look.
#[tokio::test]
async fn a_daemon_that_comes_later() {
    let fake = Fake::new();
    fake.has(A, "a");
    let (docker, mut told) = start(&fake);
    state(&docker, |state| *state == State::Absent).await;
    fake.listen();
    assert!(docker.want(A));
    assert_eq!(names(&mut told, 1).await, ["a"]);
}

/// Nothing stays open when nobody is interested any more.
#[tokio::test]
async fn dropping_it_hangs_up() {
    let fake = Fake::new();
    fake.listen();
    let (docker, told) = start(&fake);
    state(&docker, |state| matches!(state, State::Connected { .. })).await;
    let mut watch = docker.daemons[0].state.clone();
    drop(docker);
    // the task owned the other end
    while tokio::time::timeout(Duration::from_secs(20), watch.changed()).await.expect("in time").is_ok() {}
    drop(told);

    // the same when nobody takes what it finds, whether it is there or not
    for fake in [fake, Fake::new()] {
        let (docker, told) = start(&fake);
        let mut watch = docker.daemons[0].state.clone();
        state(&docker, |state| *state != State::Connecting).await;
        drop(told);
        while tokio::time::timeout(Duration::from_secs(20), watch.changed()).await.expect("in time").is_ok() {}
    }
}

#[test]
fn wanted_ones_go_first_and_once() {
    let mut queue = VecDeque::new();
    for job in [Job::wanted("c".into()), Job::wanted("d".into()), Job::wanted("c".into())] {
        session::enqueue(&mut queue, job);
    }
    assert_eq!(queue, [Job::wanted("c".into()), Job::wanted("d".into())]);
}

#[test]
fn places_to_look() {
    let linked = |path: &Path| PathBuf::from(path.to_string_lossy().replace("/var/run/", "/run/"));
    let found = candidates(Some("unix:///var/run/docker.sock"), Some(Path::new("/run/user/1000")), linked);
    let expect = [
        "/var/run/docker.sock",
        "/run/podman/podman.sock",
        "/run/user/1000/docker.sock",
        "/run/user/1000/podman/podman.sock",
    ];
    assert_eq!(found, expect.map(PathBuf::from));
    for host in [None, Some("tcp://1.2.3.4:2375"), Some("unix://relative"), Some("")] {
        let found = candidates(host, None, linked);
        assert_eq!(found, ["/run/docker.sock", "/run/podman/podman.sock"].map(PathBuf::from));
    }
}
