//! A stand-in for the API of Kubernetes: HTTP on the loopback interface, with answers as kube-apiserver gives them. The one
//! thing here that is not real: a cluster's control plane is more than a test can start.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::until;

/// Something that was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Lower-case names, with their values.
    pub(crate) headers: Vec<(String, String)>,
    /// `null` where there is none.
    pub(crate) body: Value,
    pub(crate) at: Instant,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What is answered.
pub(crate) enum Reply {
    /// At once, and all of it: the code, `Retry-After` in seconds, the body.
    Whole(u16, Option<u64>, Value),
    /// Nothing, for as long as the other side waits.
    Hang,
    /// The connection breaks.
    Cut,
    /// Lines as they come, until there will be none; then an end in order.
    Lines(mpsc::Receiver<String>),
}

impl Reply {
    /// What was asked for is done.
    pub(crate) fn done() -> Self {
        Self::Whole(201, None, json!({}))
    }

    /// What kube-apiserver says to those who lack the permission.
    pub(crate) fn forbidden() -> Self {
        Self::status(
            403,
            "Forbidden",
            "events.events.k8s.io is forbidden: User \"system:serviceaccount:tracer:tracer\" cannot create resource \"events\" in API group \"events.k8s.io\" in the namespace \"lab\"",
        )
    }

    /// A `Status` of kind `Failure`.
    pub(crate) fn status(code: u16, reason: &str, message: &str) -> Self {
        Self::Whole(code, None, status(code, reason, message))
    }
}

/// A `Status` of kind `Failure`.
pub(crate) fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
           "reason": reason, "code": code})
}

type Answers = dyn FnMut(&Asked) -> Reply + Send;

/// A running stand-in. Dropping it ends it.
pub(crate) struct Api {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    over: Arc<AtomicBool>,
}

impl Api {
    /// Answers everything the same way.
    pub(crate) fn start(answers: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let over: Arc<AtomicBool> = Arc::default();
        let answers: Arc<Mutex<Box<Answers>>> = Arc::new(Mutex::new(Box::new(answers)));
        let (all, ends) = (Arc::clone(&asked), Arc::clone(&over));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::Relaxed) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                let (all, answers, ends) = (Arc::clone(&all), Arc::clone(&answers), Arc::clone(&ends));
                // who breaks off in the middle has not asked
                thread::spawn(move || serve(stream, &all, &answers, &ends));
            }
        });
        Self { address, asked, over }
    }

    /// These answers, one after the other, and then that it is done.
    pub(crate) fn with(replies: impl IntoIterator<Item = Reply>) -> Self {
        let mut replies: VecDeque<_> = replies.into_iter().collect();
        Self::start(move |_| replies.pop_front().unwrap_or_else(Reply::done))
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }

    /// All that was asked, once it is so many.
    #[track_caller]
    pub(crate) fn wait_for(&self, many: usize, deadline: Duration) -> Vec<Asked> {
        until(&format!("{many} requests"), deadline, || Some(self.asked()).filter(|asked| asked.len() >= many))
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // so that it looks
        drop(TcpStream::connect(self.address));
    }
}

fn serve(stream: TcpStream, all: &Mutex<Vec<Asked>>, answers: &Mutex<Box<Answers>>, ends: &AtomicBool) -> Option<()> {
    let mut to = stream.try_clone().ok()?;
    let asked = read(stream)?;
    let reply = answers.lock().expect("no panic")(&asked);
    all.lock().expect("no panic").push(asked);
    match reply {
        Reply::Cut => {}
        Reply::Hang => {
            while !ends.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(20));
            }
        }
        Reply::Whole(code, retry_after, body) => {
            let body = body.to_string();
            let retry_after = retry_after.map(|after| format!("Retry-After: {after}\r\n")).unwrap_or_default();
            write!(to, "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\n{retry_after}").ok()?;
            write!(to, "Content-Length: {}\r\n\r\n{body}", body.len()).ok()?;
        }
        Reply::Lines(lines) => {
            write!(to, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
                .ok()?;
            for line in lines {
                write!(to, "{:x}\r\n{line}\n\r\n", line.len() + 1).ok()?;
                to.flush().ok()?;
            }
            write!(to, "0\r\n\r\n").ok()?;
        }
    }
    to.flush().ok()
}

fn read(stream: TcpStream) -> Option<Asked> {
    let mut from = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        from.read_line(&mut line).ok().filter(|read| *read > 0)?;
        Some(line.trim_end().to_owned())
    };
    let first = line()?;
    let (method, rest) = first.split_once(' ')?;
    let (target, _) = rest.split_once(' ')?;
    let mut headers = Vec::new();
    loop {
        let line = line()?;
        let Some((name, value)) = line.split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    from.read_exact(&mut body).ok()?;
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).ok()? };
    Some(Asked { method: method.to_owned(), target: target.to_owned(), headers, body, at: Instant::now() })
}
