//! Collectors that speak TLS: who is sent something, and what is said of who is not.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use rustls::ServerConfig;

use super::stand_in::Collector;
use crate::https::testing::{CA, EXPIRED, OTHER, SERVER, server};
use crate::otlp::client::{Answer, post};
use crate::otlp::{Endpoint, Target};

/// A trace without spans, as protobuf has it.
const NOTHING: &[u8] = &[10, 0];

/// Files with authorities.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let all = [("ca.crt", CA), ("namesake.crt", OTHER), ("other.crt", SERVER), ("empty.crt", b"")];
        for (name, text) in all {
            std::fs::write(dir.path().join(name), text).expect("there is room");
        }
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn collector(certificate: &[u8]) -> Collector {
    Collector::behind(Some(&server(certificate, rustls::ALL_VERSIONS)), [])
}

/// Sends something, trusting those in a file.
async fn send(url: &str, authorities: PathBuf) -> Answer {
    let endpoint = Endpoint::of_collector(url).expect("good");
    let target = Target { endpoint, headers: HeaderMap::new(), attributes: Vec::new(), authorities: Some(authorities) };
    post(&target, Bytes::from_static(NOTHING), Duration::from_secs(30)).await
}

/// Why nothing could be sent.
async fn trouble(url: &str, authorities: PathBuf) -> String {
    match send(url, authorities).await {
        Answer::Later(None, why) => why,
        other => panic!("{url}: {other:?}"),
    }
}

#[tokio::test]
async fn who_is_trusted_is_sent_what_there_is() {
    let files = Files::new();
    for versions in [[&rustls::version::TLS12], [&rustls::version::TLS13]] {
        let collector = Collector::behind(Some(&server(SERVER, &versions)), []);
        assert_eq!(send(&collector.url(), files.path("ca.crt")).await, Answer::Taken);
        let asked = collector.asked();
        assert!(asked[0].head.starts_with("post /v1/traces http/1.1\r\n"), "{}", asked[0].head);
    }
}

#[tokio::test]
async fn who_is_not_is_sent_nothing_and_it_is_said_why() {
    let files = Files::new();
    let (good, old) = (collector(SERVER), collector(EXPIRED));
    let elsewhere = format!("https://localhost:{}", good.address.port());
    for (url, authorities, why) in [
        (good.url(), "other.crt", "its certificate is of an unknown authority: that of none that is trusted here"),
        (
            good.url(),
            "namesake.crt",
            "its certificate is of an unknown authority, a namesake of one that is trusted here",
        ),
        (old.url(), "ca.crt", "its certificate has expired, or the clock here is wrong"),
        (elsewhere, "ca.crt", "its certificate is not for localhost, but for kubernetes.default.svc, 127.0.0.1"),
    ] {
        assert_eq!(trouble(&url, files.path(authorities)).await, why);
    }
    assert_eq!((good.asked().len(), old.asked().len()), (0, 0));
}

#[tokio::test]
async fn a_file_without_authorities_is_named() {
    let (files, collector) = (Files::new(), collector(SERVER));
    let told = trouble(&collector.url(), files.path("missing.crt")).await;
    assert!(told.contains("/missing.crt: No such file"), "{told}");
    let told = trouble(&collector.url(), files.path("empty.crt")).await;
    assert!(told.ends_with("/empty.crt: it holds no certificate"), "{told}");
}

#[tokio::test]
async fn what_the_other_side_does_not_speak_is_said() {
    let files = Files::new();
    // as servers answer who speaks TLS where they do not
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let plain = format!("https://{}", listener.local_addr().expect("it is bound"));
    let serve = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody comes");
        stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").expect("it is there");
        drop(stream.read_to_end(&mut Vec::new()));
    });
    assert_eq!(trouble(&plain, files.path("ca.crt")).await, "it does not speak TLS there");
    serve.join().expect("no panic");
    // of gRPC
    let mut config = ServerConfig::clone(&server(SERVER, rustls::ALL_VERSIONS));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let collector = Collector::behind(Some(&Arc::new(config)), []);
    assert_eq!(trouble(&collector.url(), files.path("ca.crt")).await, "it does not speak HTTP/1.1 there");
}
