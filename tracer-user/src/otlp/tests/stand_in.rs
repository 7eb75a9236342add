//! Something that answers as a collector may, for the tests here and for those with a real agent.
#![allow(dead_code, reason = "the tests with a real agent compile their own copy of this and use a part of it")]

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What to answer.
#[derive(Clone, Debug)]
pub(crate) enum Say {
    /// A status with its reason, header lines (each with its line end), and a body.
    Status(&'static str, String, Vec<u8>),
    /// Nothing, until the client goes.
    Nothing,
    /// A head, and a body that does not end.
    Endless,
    /// What is no HTTP.
    Garbage,
}

impl Say {
    pub(crate) fn status(status: &'static str) -> Self {
        Self::Status(status, String::new(), Vec::new())
    }
}

/// A request, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) at: Instant,
    /// Request line and headers, in lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    /// What is in it, as the crate reads it that OpenTelemetry publishes.
    pub(crate) fn traces(&self) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest::decode(self.body.as_slice()).expect("OTLP")
    }

    /// The names of the roots.
    pub(crate) fn roots(&self) -> Vec<String> {
        let traces = self.traces();
        let spans =
            traces.resource_spans.iter().flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans);
        spans.filter(|span| span.parent_span_id.is_empty()).map(|span| span.name.clone()).collect()
    }
}

/// The collector. Its threads end with the test.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    /// It speaks TLS.
    tls: bool,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Collector {
    /// Answers with these in their order, then with 200 and nothing.
    pub(crate) fn start(says: impl IntoIterator<Item = Say>) -> Self {
        Self::behind(None, says)
    }

    /// The same with TLS, if there is something to speak it with.
    pub(crate) fn behind(tls: Option<&Arc<ServerConfig>>, says: impl IntoIterator<Item = Say>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let (asked, says) = (Arc::default(), Arc::new(Mutex::new(says.into_iter().collect::<VecDeque<_>>())));
        let (requests, with) = (Arc::clone(&asked), tls.cloned());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (asked, says, tls) = (Arc::clone(&requests), Arc::clone(&says), with.clone());
                thread::spawn(move || match tls {
                    None => serve(stream, &asked, &says),
                    Some(config) => {
                        let server = ServerConnection::new(config).expect("the configuration is good");
                        serve(StreamOwned::new(server, stream), &asked, &says);
                    }
                });
            }
        });
        Self { address, tls: tls.is_some(), asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }

    /// Waits until there were so many requests.
    #[track_caller]
    pub(crate) fn wait_for(&self, number: usize) -> Vec<Asked> {
        let started = Instant::now();
        loop {
            let asked = self.asked();
            if asked.len() >= number {
                return asked;
            }
            assert!(started.elapsed() < Duration::from_secs(30), "{} of {number} requests came", asked.len());
            thread::sleep(Duration::from_millis(2));
        }
    }
}

fn serve(mut stream: impl Read + Write, asked: &Mutex<Vec<Asked>>, says: &Mutex<VecDeque<Say>>) {
    let Some(request) = read(&mut stream) else { return };
    let say = says.lock().expect("no panic").pop_front().unwrap_or_else(|| Say::status("200 OK"));
    asked.lock().expect("no panic").push(request);
    answer(stream, say);
}

fn read(stream: impl Read) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { at: Instant::now(), head, body })
}

/// The other side may hang up at any time.
fn answer(mut stream: impl Read + Write, say: Say) {
    match say {
        Say::Status(status, headers, body) => {
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
            drop(stream.write_all(&[head.into_bytes(), body].concat()));
        }
        Say::Nothing => drop(stream.read_to_end(&mut Vec::new())),
        Say::Endless => {
            let mut said = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n");
            while said.is_ok() {
                said = stream.write_all(&[b'x'; 4096]);
            }
        }
        Say::Garbage => drop(stream.write_all(b"\0\0\x12\x04\0\0\0\0\0\0\0")),
    }
}
