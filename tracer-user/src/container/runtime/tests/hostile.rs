//! Daemons that mean ill, or are broken: they cost the names that they should have told, and nothing else.

use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::thread;

use super::super::cri::api;
use super::super::*;
use super::grpc::{Fake, Say, UNKNOWN, entry, status};
use super::{A, B, names, start, state};

/// Sockets where nothing that makes sense is said, whatever is asked there.
fn nonsense(say: impl Fn(&mut std::os::unix::net::UnixStream) + Send + 'static) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("x.sock");
    let listener = UnixListener::bind(&path).expect("a free path");
    thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().flatten() {
            say(&mut stream);
            open.push(stream);
            if open.len() > 8 {
                open.remove(0);
            }
        }
    });
    (directory, path)
}

/// Neither protocol is to be had. It is said, and the tracer goes on.
#[tokio::test]
async fn no_protocol_at_all() {
    type Speech = fn(&mut std::os::unix::net::UnixStream);
    let speeches: [Speech; 5] = [
        |_| {},
        |stream| stream.write_all(b"\x1b[2Jwho is there?\r\n\r\n").unwrap_or_default(),
        |stream| stream.write_all(&[0; 4096]).unwrap_or_default(),
        // a frame of HTTP/2 that is far too long, and settings that make no sense
        |stream| stream.write_all(b"\xff\xff\xff\x04\x00\x00\x00\x00\x00").unwrap_or_default(),
        |stream| stream.shutdown(std::net::Shutdown::Both).unwrap_or_default(),
    ];
    for speech in speeches {
        for kind in [Kind::Docker, Kind::Cri] {
            let (_directory, path) = nonsense(speech);
            let (daemon, _told) = start(Socket { path, kind });
            let found = state(&daemon, |state| *state != State::Connecting).await;
            assert!(matches!(found, State::Hanging | State::Deserted | State::Failing(_)), "{found:?}");
            let text = found.to_string();
            assert!(!text.contains('\u{1b}') && text.len() < 2000, "{text}");
        }
    }
}

/// Each way of answering about one container that cannot be used; the other one's name arrives all the same.
#[tokio::test]
async fn nonsense_about_one() {
    let message = |told: &api::ContainerStatusResponse| Say::Message(prost::Message::encode_to_vec(told));
    for say in [
        Say::Message(Vec::new()),
        Say::Message(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()),
        Say::Raw(b"\x1b[2J".to_vec()),
        Say::Raw(Vec::new()),
        Say::Raw(b"\x01\x00\x00\x00\x00".to_vec()),
        Say::Status(UNKNOWN, "%1b[31mred"),
        Say::Status(99, ""),
        Say::Huge(100 << 20),
        Say::Huge(5 << 20),
        Say::Stall,
        Say::Silence,
        Say::Vanish,
        message(&status(B, "not-asked-for", 1, "{}")),
        message(&status("", "without-id", 1, "{}")),
        message(&status("../../x", "no-id", 1, "{}")),
    ] {
        let fake = Fake::new();
        fake.runs(&[A], &[]);
        fake.has(B, "b");
        fake.say(&format!("ContainerStatus {A}"), say.clone());
        fake.listen();
        let (cri, mut told) = start(fake.socket());
        let troubled = |state: &State| !matches!(state, State::Connecting | State::Connected { .. });
        let troubled = state(&cri, troubled).await.to_string();
        assert!(!troubled.contains('\u{1b}') && troubled.len() < 2000, "{troubled}");
        assert!(cri.want(B));
        assert_eq!(names(&mut told, 1).await, ["b"], "{say:?}");
        // and when it is asked again in better times, it answers
        fake.has(A, "a");
        assert!(cri.want(A));
        assert_eq!(names(&mut told, 1).await, ["a"], "{say:?}");
    }
}

#[tokio::test]
async fn lists_that_are_none() {
    for say in [
        Say::Message(b"\x0a\xff".to_vec()),
        Say::Huge(100 << 20),
        Say::Stall,
        Say::Message(prost::Message::encode_to_vec(&api::ListResponse {
            items: [&b"../x"[..], b"\xff\xfe", b""].map(|id| api::Item { id: id.to_vec() }).to_vec(),
        })),
    ] {
        let fake = Fake::new();
        fake.has(A, "a");
        fake.say("ListContainers", say);
        fake.listen();
        let (cri, mut told) = start(fake.socket());
        assert!(cri.want(A));
        assert_eq!(names(&mut told, 1).await, ["a"]);
    }
}

/// What is said makes no sense, and only that is not believed.
#[tokio::test]
async fn lies() {
    let fake = Fake::new();
    let mut lie = status(A, "a", 1, r#"{"pid": -7, "sandboxID": "../x", "config": [], "runtimeSpec": {"process": 5}}"#);
    let big = "x".repeat(70_000);
    if let Some(status) = &mut lie.status {
        status.annotations = vec![
            entry("io.kubernetes.pod.terminationGracePeriod", "-5"),
            entry("io.kubernetes.container.restartCount", "99999999999999999999"),
            entry("io.kubernetes.container.preStopHandler", "\u{1b}[2J"),
        ];
        status.labels = vec![
            entry("big", big.as_str()),
            entry("broken", b"a\xffb".to_vec()),
            entry("control", "\u{1b}[31m"),
            entry("\u{7}", "bell"),
        ];
        status.stop_signal = -3;
    }
    fake.answer(&format!("ContainerStatus {A}"), &lie);
    fake.listen();
    let (cri, mut told) = start(fake.socket());
    assert!(cri.want(A));
    let told = told.recv().await.expect("a description");
    assert_eq!((told.pid, told.grace_ms, told.grace_source, told.restarts), (None, None, None, Some(0)));
    assert_eq!((told.pre_stop, told.hook, told.stop_signal, told.sandbox_id), (true, None, None, None));
    assert_eq!(told.labels["big"].len(), 64 << 10);
    assert_eq!((told.labels["broken"].as_str(), told.labels.len()), ("a\u{fffd}b", 4));
}

/// Sandbox and image may hang without taking the container's own name along.
#[tokio::test]
async fn only_a_part_hangs() {
    let fake = Fake::new();
    let pod = "1".repeat(64);
    let labels = ["namespace", "name", "uid"].map(|key| entry(&format!("io.kubernetes.pod.{key}"), key));
    let info = format!(r#"{{"pid": 7, "sandboxID": "{pod}", "config": {{"image": {{"image": "sha256:1"}}}}}}"#);
    let mut known = status(A, "a", 1, &info);
    if let Some(status) = &mut known.status {
        status.labels = labels.to_vec();
    }
    fake.answer(&format!("ContainerStatus {A}"), &known);
    fake.say(&format!("PodSandboxStatus {pod}"), Say::Silence);
    fake.say("ImageStatus sha256:1", Say::Stall);
    fake.listen();
    let (cri, mut told) = start(fake.socket());
    assert!(cri.want(A));
    let told = told.recv().await.expect("a description");
    assert_eq!((told.name.as_deref(), told.pod.map(|pod| pod.name).as_deref()), (Some("a"), Some("name")));
}
