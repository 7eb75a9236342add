//! A Docker Engine that is none: it says whatever a test makes it say.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use super::super::{Kind, Socket};

/// What the fake says when it is asked for something.
#[derive(Clone)]
pub(super) enum Say {
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
pub(super) struct Fake {
    socket: PathBuf,
    says: Arc<Mutex<HashMap<String, Say>>>,
    asked: Arc<Mutex<Vec<String>>>,
    _directory: tempfile::TempDir,
}

impl Fake {
    pub(super) fn new() -> Self {
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

    pub(super) fn say(&self, path: &str, what: Say) {
        self.says.lock().expect("no panic").insert(path.to_owned(), what);
    }

    pub(super) fn runs(&self, ids: &[&str]) {
        let list: Vec<_> = ids.iter().map(|id| serde_json::json!({"Id": id, "Names": ["/x"]})).collect();
        self.say("/containers/json", Say::Json(serde_json::json!(list).to_string()));
    }

    pub(super) fn has(&self, id: &str, name: &str) {
        let told = serde_json::json!({"Id": id, "Name": format!("/{name}"), "State": {"Pid": 1}, "Config": {}});
        self.say(&format!("/containers/{id}/json"), Say::Json(told.to_string()));
    }

    pub(super) fn socket(&self) -> Socket {
        Socket { path: self.socket.clone(), kind: Kind::Docker }
    }

    pub(super) fn asked_for(&self, path: &str) -> usize {
        self.asked.lock().expect("no panic").iter().filter(|asked| *asked == path).count()
    }

    pub(super) fn listen(&self) {
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
