//! Serves scrapes and probes, on a thread of its own. What a scrape shows is asked of the tracing thread, which answers
//! between two batches of events and waits for nobody.
//!
//! Whoever can connect can ask, so what asking costs has an end: one request a connection, within a time, so many
//! connections at once, and one snapshot in a while however many ask.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as Bound};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use nix::errno::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Notify, mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::container::hierarchy::Hierarchies;
use crate::container::runtime::transport::{Allowance, Metered};
use crate::container::scan::figures;

use super::super::limits;
use super::exposition::{self, Format};
use super::process::Process;
use super::snapshot::Snapshot;

/// A question to the tracing thread, and where the answer goes.
#[derive(Debug)]
pub enum Ask {
    /// How does it stand?
    Snapshot(oneshot::Sender<Snapshot>),
    /// How many kernel programs are attached? Costs nothing but an answer: for probes.
    Programs(oneshot::Sender<usize>),
}

/// After the listening socket failed it is asked again this much later.
const PAUSE: Duration = Duration::from_millis(200);

/// A socket that listens, and where.
#[derive(Debug)]
pub struct Listening {
    socket: Bound,
    /// Where, with the port that was found if it was to be any.
    pub address: SocketAddr,
}

impl Listening {
    /// Listens; nobody is answered before [`Server::start`].
    ///
    /// # Errors
    /// When the address is not to be had.
    pub fn on(address: SocketAddr) -> io::Result<Self> {
        let any = address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let socket = match Bound::bind(address) {
            // every address of a machine that has no IPv6
            Err(error) if any && error.raw_os_error() == Some(Errno::EAFNOSUPPORT as i32) => {
                Bound::bind((Ipv4Addr::UNSPECIFIED, address.port()))?
            }
            bound => bound?,
        };
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }
}

/// The thread that serves.
#[derive(Debug)]
pub struct Server {
    thread: Option<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

impl Server {
    /// Serves who connects; how it stands is asked of whoever has the other end of `asks`, and figures are read from
    /// `hierarchies`.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(listening: Listening, hierarchies: Hierarchies, asks: mpsc::Sender<Ask>) -> io::Result<Self> {
        let (stop, mut stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("tracer-metrics".to_owned()).spawn(move || {
            let patience = limits::METRICS_PATIENCE;
            let desk = Arc::new(Desk { asks, hierarchies, patience, last: Mutex::default() });
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listening.socket, desk) => {}
                    _ = stopped.wait_for(|stopped| *stopped) => {}
                }
            });
            // nobody who is being answered keeps us
            runtime.shutdown_background();
        })?;
        Ok(Self { thread: Some(thread), stop })
    }

    /// Ends it at once.
    pub fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread that serves metrics panicked");
        }
    }
}

async fn accept(socket: Bound, desk: Arc<Desk>) {
    let listener = match TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => return log::error!("metrics are not served: cannot wait for connections: {error}"),
    };
    let mut places = Places::default();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                places.take(peer.ip(), tokio::spawn(connection(stream, Arc::clone(&desk))).abort_handle());
            }
            Err(error) => {
                log::warn!("a connection for metrics could not be taken: {error}");
                sleep(PAUSE).await;
            }
        }
    }
}

/// The connections there are, the oldest first.
#[derive(Default)]
struct Places(VecDeque<(IpAddr, AbortHandle)>);

impl Places {
    /// Takes one in. Where there are too many the oldest of the address that has the most is ended: whoever keeps
    /// connections open, or floods us, takes the place of nobody at another address, above all not that of a probe.
    fn take(&mut self, peer: IpAddr, connection: AbortHandle) {
        self.0.retain(|(_, connection)| !connection.is_finished());
        self.0.push_back((peer, connection));
        if self.0.len() <= limits::METRICS_CONNECTIONS {
            return;
        }
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        self.0.iter().for_each(|(peer, _)| *counts.entry(*peer).or_default() += 1);
        let most = counts.values().copied().max();
        let oldest = self.0.iter().position(|(peer, _)| counts.get(peer).copied() == most);
        if let Some((_, connection)) = oldest.and_then(|at| self.0.remove(at)) {
            connection.abort();
        }
    }
}

async fn connection(stream: TcpStream, desk: Arc<Desk>) {
    let heard = Arc::new(Notify::new());
    let request_came = Arc::clone(&heard);
    let serve = service_fn(move |request| {
        request_came.notify_one();
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(desk.answer(&request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.keep_alive(false).half_close(true).max_buf_size(limits::METRICS_REQUEST_BYTES);
    // who asks has little time, and that is limit enough
    let stream = Metered::over(stream, &Allowance::new(usize::MAX));
    let served = builder.serve_connection(stream, serve);
    let silent = async {
        if timeout(limits::METRICS_REQUEST_TIME, heard.notified()).await.is_ok() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        served = timeout(limits::METRICS_TIME, served) => match served {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log::debug!("a connection for metrics ended: {error}"),
            Err(_) => log::debug!("a connection for metrics took too long and was ended"),
        },
        () = silent => log::debug!("a connection for metrics said nothing for too long and was ended"),
    }
}

/// What each connection has.
struct Desk {
    asks: mpsc::Sender<Ask>,
    hierarchies: Hierarchies,
    /// How long the tracing thread has to answer.
    patience: Duration,
    /// The last answer, for those who ask right after.
    last: Mutex<Option<(Instant, Arc<Snapshot>)>>,
}

impl Desk {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            refused.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        match request.uri().path() {
            "/metrics" => {
                let accept = request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
                let format = Format::liked(&accept.collect::<Vec<_>>().join(","));
                match self.snapshot().await {
                    Some(snapshot) => self.metrics((*snapshot).clone(), format),
                    None => silent(),
                }
            }
            "/healthz" => self.programs().await.map_or_else(silent, |_| plain(StatusCode::OK, "ok\n")),
            "/readyz" => match self.programs().await {
                Some(0) => plain(StatusCode::SERVICE_UNAVAILABLE, "no probe is attached\n"),
                Some(_) => plain(StatusCode::OK, "ok: the probes are attached\n"),
                None => silent(),
            },
            "/" => plain(StatusCode::OK, "tracer agent: /metrics, /healthz, /readyz\n"),
            _ => plain(StatusCode::NOT_FOUND, "there is /metrics, /healthz and /readyz\n"),
        }
    }

    /// How it stands; `None` if the tracing thread does not say so in time.
    async fn snapshot(&self) -> Option<Arc<Snapshot>> {
        let mut last = self.last.lock().await;
        if let Some((at, snapshot)) = &*last
            && at.elapsed() < limits::METRICS_REUSE
        {
            return Some(Arc::clone(snapshot));
        }
        let snapshot = Arc::new(self.ask(Ask::Snapshot).await?);
        *last = Some((Instant::now(), Arc::clone(&snapshot)));
        Some(snapshot)
    }

    /// How many kernel programs are attached; `None` like above.
    async fn programs(&self) -> Option<usize> {
        self.ask(Ask::Programs).await
    }

    async fn ask<A>(&self, question: impl FnOnce(oneshot::Sender<A>) -> Ask) -> Option<A> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            self.asks.send(question(reply)).await.ok()?;
            answer.await.ok()
        };
        timeout(self.patience, asked).await.ok()?
    }

    fn metrics(&self, mut snapshot: Snapshot, format: Format) -> Response<Full<Bytes>> {
        snapshot.read_figures(|cgroup, path| figures(&self.hierarchies, cgroup, path));
        match exposition::write(snapshot, Process::look(), format) {
            Ok(text) => response(StatusCode::OK, format.content_type(), text.into()),
            Err(error) => {
                log::error!("metrics could not be written: {error}");
                plain(StatusCode::INTERNAL_SERVER_ERROR, "metrics could not be written\n")
            }
        }
    }
}

fn silent() -> Response<Full<Bytes>> {
    plain(StatusCode::SERVICE_UNAVAILABLE, "the tracing thread does not answer\n")
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()))
}

fn response(status: StatusCode, content: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content));
    response
}

#[cfg(test)]
mod tests {
    use super::super::{Metrics, Own};
    use super::*;
    use crate::model::Node;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// Serves one connection and returns the answer to a request for this path.
    async fn get(desk: &Arc<Desk>, path: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let mut client = TcpStream::connect(listener.local_addr().expect("it has one")).await.expect("it listens");
        let (stream, _) = listener.accept().await.expect("one connects");
        let served = tokio::spawn(connection(stream, Arc::clone(desk)));
        let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n");
        client.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("it answers");
        served.await.expect("no panic");
        answer
    }

    fn desk(patience: Duration) -> (Arc<Desk>, mpsc::Receiver<Ask>) {
        let (asks, asked) = mpsc::channel(4);
        (Arc::new(Desk { asks, hierarchies: Hierarchies::default(), patience, last: Mutex::default() }), asked)
    }

    #[tokio::test]
    async fn a_tracing_thread_that_hangs_or_is_gone_is_not_well() {
        let (hanging, asked) = desk(Duration::from_millis(50));
        for path in ["/healthz", "/readyz", "/metrics"] {
            assert!(get(&hanging, path).await.starts_with("HTTP/1.1 503 "), "{path}");
        }
        drop(asked);
        assert!(get(&hanging, "/healthz").await.starts_with("HTTP/1.1 503 "));
    }

    #[tokio::test]
    async fn who_is_well_is_ready_when_something_is_attached_and_is_asked_once_in_a_while() {
        let (desk, mut asked) = desk(Duration::from_secs(30));
        let answering = tokio::spawn(async move {
            let (mut programs, mut snapshots) = (0, 0);
            while let Some(ask) = asked.recv().await {
                match ask {
                    Ask::Programs(reply) => {
                        reply.send(programs).expect("it waits");
                        programs += 1;
                    }
                    Ask::Snapshot(reply) => {
                        snapshots += 1;
                        let snapshot = Metrics::new(false).snapshot(&Node::new(), Own::default());
                        assert!(reply.send(snapshot).is_ok(), "it waits");
                    }
                }
            }
            snapshots
        });
        assert!(get(&desk, "/readyz").await.starts_with("HTTP/1.1 503 "), "nothing is attached");
        assert!(get(&desk, "/healthz").await.starts_with("HTTP/1.1 200 "));
        assert!(get(&desk, "/readyz").await.starts_with("HTTP/1.1 200 "));
        // what was said is good for a while, whoever asks
        assert!(get(&desk, "/metrics").await.contains("tracer_containers 0"));
        let (_, said) = desk.last.lock().await.clone().expect("it was asked");
        let later = Instant::now() + Duration::from_hours(1);
        *desk.last.lock().await = Some((later, said));
        for _ in 0..20 {
            assert!(get(&desk, "/metrics").await.contains("tracer_containers 0"));
        }
        drop(desk);
        assert_eq!(answering.await.expect("no panic"), 1, "and no probe costs a snapshot");
    }

    #[tokio::test]
    async fn who_says_nothing_is_ended_before_who_is_answered_slowly() {
        let (desk, _asked) = desk(Duration::from_secs(3));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let mut client = TcpStream::connect(listener.local_addr().expect("it has one")).await.expect("it listens");
        let (stream, _) = listener.accept().await.expect("one connects");
        let begun = Instant::now();
        let served = tokio::spawn(connection(stream, Arc::clone(&desk)));
        let slow = get(&desk, "/healthz");
        client.write_all(b"GET /healthz HTTP/1.1\r\nX-Long: ").await.expect("it reads");
        let (ended, slow) = tokio::join!(
            async {
                drop(served.await);
                begun.elapsed()
            },
            slow
        );
        assert!(ended < limits::METRICS_TIME, "{ended:?}");
        assert!(slow.starts_with("HTTP/1.1 503 "), "it had asked, and was told that nobody answers: {slow}");
    }

    #[tokio::test]
    async fn a_flood_takes_the_place_of_nobody_at_another_address() {
        let address = |last| IpAddr::from([10, 0, 0, last]);
        let mut places = Places::default();
        let mut tasks = Vec::new();
        let mut connect = |last| {
            let task = tokio::spawn(std::future::pending::<()>());
            places.take(address(last), task.abort_handle());
            tasks.push(task);
        };
        connect(1);
        (0..3 * limits::METRICS_CONNECTIONS).for_each(|_| connect(2));
        connect(3);
        assert_eq!(places.0.len(), limits::METRICS_CONNECTIONS);
        let surplus = tasks.len() - limits::METRICS_CONNECTIONS;
        for (at, task) in tasks.into_iter().enumerate() {
            if (1..=surplus).contains(&at) {
                assert!(task.await.expect_err("it is ended").is_cancelled(), "the oldest of the flood: {at}");
            } else {
                assert!(!task.is_finished(), "{at}");
            }
        }
    }
}
