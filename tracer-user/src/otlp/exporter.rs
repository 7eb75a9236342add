//! The thread that sends: in batches, again where that helps, and never in the way of the tracing.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use prost::Message as _;
use rustls::ClientConfig;
use tokio::time::{sleep, timeout};

use super::client::{Answer, post};
use super::endpoint::Endpoint;
use super::journal::{Journal, Line};
use super::limits;
use super::proto::{ExportTraceServiceRequest, ResourceSpans};
use super::queue::Queue;
use super::retry::Backoff;
use super::spans::trace;
use crate::clock::wall_clock;
use crate::https::tls::{self, NoTls};

/// Where traces go, and what goes with each.
#[derive(Clone, PartialEq)]
pub struct Target {
    /// The collector.
    pub endpoint: Endpoint,
    /// Headers: may be secret.
    pub headers: HeaderMap,
    /// What is true of all on this machine: `host.name`, `k8s.cluster.name`.
    pub attributes: Vec<(String, String)>,
    /// With https: a file with the certificates of the authorities that are trusted, instead of those of the system.
    pub authorities: Option<PathBuf>,
}

impl Target {
    /// Whom to trust; `None` without TLS. Read anew each time: certificates change, and ends are rare.
    pub(super) fn trust(&self) -> Result<Option<Arc<ClientConfig>>, NoTls> {
        let authorities = || self.authorities.as_deref().map_or_else(tls::of_system, tls::of_file);
        self.endpoint.tls.then(authorities).transpose()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, headers, attributes, authorities } = self;
        let headers: Vec<_> = headers.keys().collect();
        f.debug_struct("Target")
            .field("endpoint", endpoint)
            .field("headers", &headers)
            .field("attributes", attributes)
            .field("authorities", authorities)
            .finish()
    }
}

/// What became of it all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Terminations that a collector took.
    pub sent: u64,
    /// Terminations that none took.
    pub lost: u64,
}

/// How long is waited for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) gather: Duration,
    pub(super) request: Duration,
    pub(super) backoff: Duration,
    pub(super) last_words: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            gather: limits::GATHER,
            request: limits::REQUEST_TIME,
            backoff: limits::BACKOFF,
            last_words: limits::LAST_WORDS,
        }
    }
}

/// The thread.
#[derive(Debug)]
pub struct Exporter {
    thread: JoinHandle<Summary>,
    queue: Arc<Queue>,
}

impl Exporter {
    /// Sends what comes into the queue from now on.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(target: Target, queue: Arc<Queue>) -> io::Result<Self> {
        Self::at_pace(target, queue, Pace::default())
    }

    pub(super) fn at_pace(target: Target, queue: Arc<Queue>, pace: Pace) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let work = Work::new(target, Arc::clone(&queue), pace);
        let thread = std::thread::Builder::new().name("tracer-otlp".to_owned()).spawn(move || {
            let summary = runtime.block_on(work.run());
            // the look-up of a name may go on for long
            runtime.shutdown_background();
            summary
        })?;
        Ok(Self { thread, queue })
    }

    /// What became of what came so far.
    #[must_use]
    pub fn so_far(&self) -> Summary {
        self.queue.summary()
    }

    /// Ends it. What waits is sent if that takes no longer than [`limits::LAST_WORDS`].
    #[must_use]
    pub fn stop(self) -> Summary {
        self.queue.close();
        self.thread.join().unwrap_or_else(|_panic| {
            log::error!("the thread that exports traces panicked");
            Summary::default()
        })
    }
}

/// What the thread does.
struct Work {
    target: Target,
    queue: Arc<Queue>,
    pace: Pace,
    journal: Journal,
    /// Taken from the queue, and neither sent nor refused.
    pending: u64,
}

impl Work {
    fn new(target: Target, queue: Arc<Queue>, pace: Pace) -> Self {
        Self { target, queue, pace, journal: Journal::default(), pending: 0 }
    }

    async fn run(mut self) -> Summary {
        let (queue, pace) = (Arc::clone(&self.queue), self.pace);
        // who waits for the first end to hear of a file that is missing waits for long
        if let Err(why) = self.target.trust() {
            say(self.journal.later(&self.target.endpoint, &why.to_string()));
        }
        let over = async {
            queue.closed().await;
            sleep(pace.last_words).await;
        };
        tokio::select! {
            () = self.all() => {}
            () = over => {}
        }
        let Summary { sent, lost } = queue.summary();
        Summary { sent, lost: lost + self.pending + queue.len() as u64 }
    }

    /// Until nothing more will come, and all is sent.
    async fn all(&mut self) {
        let mut left = None;
        loop {
            if left.is_none() {
                self.queue.ready().await;
                // the containers of a pod end together
                drop(timeout(self.pace.gather, self.queue.closed()).await);
            }
            let (batch, rest) = self.batch(left.take());
            left = rest;
            if !batch.is_empty() {
                self.send(batch).await;
            } else if self.queue.is_closed() {
                return;
            }
        }
    }

    /// What goes into one request, and what was taken from the queue and does not fit.
    fn batch(&mut self, first: Option<ResourceSpans>) -> (Vec<ResourceSpans>, Option<ResourceSpans>) {
        let clock = wall_clock();
        let (mut batch, mut bytes, mut next) = (Vec::new(), 0, first);
        while batch.len() < limits::BATCH {
            let spans = if let Some(spans) = next.take() {
                spans
            } else if let Some(ending) = self.queue.take() {
                self.pending += 1;
                trace(&ending, clock, &self.target.attributes)
            } else {
                break;
            };
            bytes += spans.encoded_len();
            if bytes > limits::BATCH_BYTES && !batch.is_empty() {
                return (batch, Some(spans));
            }
            batch.push(spans);
        }
        (batch, None)
    }

    /// Until it is taken, or refused, or the agent ends.
    async fn send(&mut self, batch: Vec<ResourceSpans>) {
        let number = batch.len() as u64;
        let body = Bytes::from(ExportTraceServiceRequest { resource_spans: batch }.encode_to_vec());
        let mut backoff = Backoff::from(self.pace.backoff);
        loop {
            let endpoint = &self.target.endpoint;
            let wait = match post(&self.target, body.clone(), self.pace.request).await {
                Answer::Taken => break self.taken(number),
                Answer::Partly(rejected, why) => {
                    say(self.journal.partly(endpoint, rejected, &why));
                    break self.taken(number);
                }
                Answer::Refused(why) => {
                    say(self.journal.refused(endpoint, &why));
                    self.pending -= number;
                    self.queue.refused(number);
                    break;
                }
                Answer::Later(asked, why) => {
                    say(self.journal.later(endpoint, &why));
                    backoff.wait(asked, chance())
                }
            };
            if timeout(wait, self.queue.closed()).await.is_ok() {
                break;
            }
            say(self.journal.dropped(self.queue.dropped()));
        }
    }

    fn taken(&mut self, number: u64) {
        self.pending -= number;
        self.queue.sent(number);
        say(self.journal.taken(&self.target.endpoint));
        say(self.journal.dropped(self.queue.dropped()));
    }
}

fn say(line: Line) {
    if let Some((level, text)) = line {
        log::log!(level, "{text}");
    }
}

/// From 0 to 1.
fn chance() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(bits >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}
