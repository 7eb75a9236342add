//! Docker and Podman.

use std::time::Duration;

use super::super::*;
use super::http::{Fake, Say};
use super::{A, B, C, names, start, state};

fn event(id: &str) -> String {
    format!("{}\n", serde_json::json!({"Type": "container", "Action": "start", "Actor": {"ID": id}}))
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
    let (docker, mut told) = start(fake.socket());
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
    let (_docker, mut told) = start(fake.socket());
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
    let (_docker, mut told) = start(fake.socket());
    assert_eq!(told.recv().await.expect("a description").runtime.as_deref(), Some("podman"));
}

/// A daemon's first words are nonsense: that is told, and it is asked again.
#[tokio::test]
async fn nonsense_at_first() {
    let http = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    for raw in [
        "\u{1b}[2Jnot http at all\r\n\r\n".to_owned(),
        http("not json"),
        http("5"),
        http(&"[".repeat(100_000)),
        format!("HTTP/1.1 200 OK\r\n{}", "X-A: b\r\n".repeat(10_000)),
        "HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\n\u{1b}[m".to_owned(),
    ] {
        let fake = Fake::new();
        fake.runs(&[A]);
        fake.has(A, "a");
        fake.say("/version", Say::Raw(raw.clone()));
        fake.listen();
        let (docker, mut told) = start(fake.socket());
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
        let (_docker, mut told) = start(fake.socket());
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
        let (docker, mut told) = start(fake.socket());
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
        Say::Endless("{\"Action\": \"", "y".repeat(30_000)),
        Say::Raw("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned()),
    ] {
        let fake = Fake::new();
        fake.say("/events", say);
        fake.listen();
        let (docker, mut told) = start(fake.socket());
        state(&docker, |state| !matches!(state, State::Connecting | State::Connected { .. })).await;
        fake.runs(&[A]);
        fake.has(A, "a");
        fake.say("/events", Say::Events(event(B)));
        fake.has(B, "b");
        assert_eq!(names(&mut told, 2).await, ["a", "b"]);
    }
}

/// Podman leaves out, spells differently and adds; old and new versions do so, too.
#[tokio::test]
async fn fields_that_are_not_as_expected() {
    let fake = Fake::new();
    fake.say("/version", Say::Json(r#"{"Version": 5, "Components": {"Name": "x"}, "New": []}"#.to_owned()));
    let told = serde_json::json!({
        "Id": A, "Name": "/a", "Path": null, "Args": "none", "State": {"Pid": "7"}, "HostConfig": [],
        "Config": {"Image": 5, "StopSignal": 3, "StopTimeout": "10", "Labels": {"good": "yes", "bad": 1}},
    });
    fake.say(&format!("/containers/{A}/json"), Say::Json(told.to_string()));
    fake.say("/containers/json", Say::Json(format!(r#"[7, null, {{"Id": 7}}, {{"Id": "{A}", "Names": null}}]"#)));
    let events = "{\"Type\": \"unheard-of\"}\n\n{\"Action\": 5, \"Actor\": {\"ID\": null}}\n".to_owned() + &event(B);
    fake.say("/events", Say::Events(events));
    fake.has(B, "b");
    fake.listen();
    let (docker, mut told) = start(fake.socket());
    let mut found = [told.recv().await.expect("one"), told.recv().await.expect("another")];
    found.sort_by(|a, b| a.name.cmp(&b.name));
    let [a, b] = found;
    assert_eq!((a.name.as_deref(), b.name.as_deref()), (Some("a"), Some("b")));
    assert_eq!((a.pid, a.stop_signal, a.grace_ms), (None, Some(crate::signal::Signal::QUIT), Some(10_000)));
    assert_eq!(a.labels, [("good".to_owned(), "yes".to_owned())].into());
    let connected = State::Connected { runtime: "docker".to_owned(), version: String::new() };
    assert_eq!(state(&docker, |state| *state == connected).await, connected);
    assert_eq!(fake.asked_for("/events"), 1, "the stream went on");
}

/// What only Podman's own API tells: that a container is in a pod, and which one the pod hangs on.
#[tokio::test]
async fn pods_of_podman() {
    let fake = Fake::new();
    fake.say("/version", Say::Json(r#"{"Components": [{"Name": "Podman Engine", "Version": "4.3.1"}]}"#.to_owned()));
    fake.runs(&[A, B, C]);
    for (id, name, infra) in [(A, "a", false), (B, "b", true)] {
        fake.has(id, name);
        let own =
            serde_json::json!({"Id": id, "Name": name, "Pod": POD, "IsInfra": infra, "Config": {"StopSignal": 15}});
        fake.say(&format!("/v4.0.0/libpod/containers/{id}/json"), Say::Json(own.to_string()));
    }
    fake.has(C, "c");
    let pod = serde_json::json!({"Id": POD, "Name": "shop", "Labels": {"app": "web"}});
    fake.say(&format!("/v4.0.0/libpod/pods/{POD}/json"), Say::Json(pod.to_string()));
    fake.listen();
    let (_docker, mut told) = start(fake.socket());
    for _ in 0..3 {
        let one = told.recv().await.expect("a description");
        let pod = one.pod.map(|pod| (pod.namespace, pod.name, pod.uid));
        let shop = Some((String::new(), "shop".to_owned(), POD.to_owned()));
        let labels: Vec<_> = one.labels.into_iter().collect();
        match one.name.as_deref() {
            Some("a") => assert_eq!((pod, one.sandbox), (shop, false)),
            Some("b") => assert_eq!((pod, one.sandbox, labels), (shop, true, vec![("app".into(), "web".into())])),
            Some("c") => assert_eq!((pod, one.sandbox), (None, false)),
            other => panic!("{other:?}"),
        }
    }
}

const POD: &str = "1111111111111111111111111111111111111111111111111111111111111111";

/// Far more events than one line may be long.
#[tokio::test]
async fn a_long_stream_of_short_events() {
    let fake = Fake::new();
    fake.has(A, "a");
    let many = event(B).repeat(300); // about 30 KB a time, and it goes on for ever
    fake.say("/events", Say::Endless("\n", many));
    fake.listen();
    let (docker, mut told) = start(fake.socket());
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
    let (docker, mut told) = start(fake.socket());
    assert_eq!(names(&mut told, 1).await, ["b"]);
    state(&docker, |state| *state == State::Hanging).await;
    fake.has(A, "a");
    assert_eq!(names(&mut told, 1).await, ["a"]);
    state(&docker, |state| matches!(state, State::Connected { .. })).await;
    assert!(fake.asked_for(&path) >= 2);

    let fake = Fake::new();
    fake.say("/version", Say::Silence);
    fake.listen();
    let (docker, _told) = start(fake.socket());
    state(&docker, |state| *state == State::Hanging).await;
}

/// It comes up while we wait: whoever asks for a container makes us look.
#[tokio::test]
async fn a_daemon_that_comes_later() {
    let fake = Fake::new();
    fake.has(A, "a");
    let (docker, mut told) = start(fake.socket());
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
    let (docker, told) = start(fake.socket());
    state(&docker, |state| matches!(state, State::Connected { .. })).await;
    let mut watch = docker.daemons[0].state.clone();
    drop(docker);
    // the task owned the other end
    while tokio::time::timeout(Duration::from_secs(20), watch.changed()).await.expect("in time").is_ok() {}
    drop(told);

    // the same when nobody takes what it finds, whether it is there or not
    for fake in [fake, Fake::new()] {
        let (docker, told) = start(fake.socket());
        let mut watch = docker.daemons[0].state.clone();
        state(&docker, |state| *state != State::Connecting).await;
        drop(told);
        while tokio::time::timeout(Duration::from_secs(20), watch.changed()).await.expect("in time").is_ok() {}
    }
}
