//! What the Kubernetes API has to do with it: Events on pods for what goes wrong.
//!
//! All of it is optional and nothing waits for it. It runs on a thread of its own behind a bounded queue; an API that is
//! absent, refuses, hangs or talks nonsense costs Events and nothing else. No client library: those bring some eighty crates
//! and encryption in C, for two requests.

mod access;
mod aggregate;
mod answer;
mod backoff;
mod event;
mod http;
mod limits;
mod poster;
mod reasons;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::agent::Sink;
use crate::model::Change;

pub use access::{NoAccess, NoAddress, Proxy};

use access::Access;
use http::Api;
use poster::Poster;

/// What is wanted of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Tell it what goes wrong.
    pub events: bool,
    /// The name of this node.
    pub node: Option<String>,
    /// Where it is, if not where a pod finds it.
    pub proxy: Option<Proxy>,
}

impl Settings {
    /// Whether anything is.
    #[must_use]
    pub const fn is_wanted(&self) -> bool {
        self.events
    }
}

/// Why there is nothing to be had of the API.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no way to it.
    #[error(transparent)]
    NoAccess(#[from] NoAccess),
    /// There is no thread to be had.
    #[error("no thread for it: {0}")]
    Io(#[from] io::Error),
}

/// The thread that speaks with the API.
#[derive(Debug)]
pub struct Kubernetes {
    thread: Option<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    /// Counts the times that somebody asked to try again.
    again: watch::Sender<u64>,
    left_out: Arc<AtomicU64>,
}

impl Kubernetes {
    /// Starts it. Whoever gets to know something hands it to the sink.
    ///
    /// # Errors
    /// When there is no API, or no thread.
    pub fn start(settings: &Settings) -> Result<(Self, Events), StartError> {
        let access = match &settings.proxy {
            Some(proxy) => Access::proxy(proxy),
            None => Access::of_pod(|name| std::env::var(name).ok())?,
        };
        let api = Api::new(access);
        let instance = settings.node.clone().unwrap_or_else(host_name);
        let (stop, stopped) = watch::channel(false);
        let (again, asked) = watch::channel(0);
        let (sender, changes) = mpsc::channel(limits::QUEUE);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let poster = Poster::new(api, instance, asked);
        let thread = std::thread::Builder::new().name("tracer-kubernetes".to_owned()).spawn(move || {
            runtime.block_on(until_stopped(poster.run(changes), stopped));
            // a server that hangs must not keep us
            runtime.shutdown_background();
        })?;
        let left_out = Arc::default();
        let events = Events { changes: sender, left_out: Arc::clone(&left_out) };
        Ok((Self { thread: Some(thread), stop, again, left_out }, events))
    }

    /// What did not fit so far.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    /// Asks again where it was refused.
    pub fn try_again(&self) {
        self.again.send_modify(|times| *times += 1);
    }

    /// Ends it: what waits is told if that takes no more than a moment.
    pub fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread that speaks with Kubernetes panicked");
        }
        match self.left_out() {
            0 => {}
            left_out => log::warn!("Kubernetes was not told of {left_out} things that went wrong: it was too slow"),
        }
    }
}

/// Runs to its end, or for a moment after it was told to stop.
async fn until_stopped(work: impl Future<Output = ()>, mut stopped: watch::Receiver<bool>) {
    tokio::pin!(work);
    tokio::select! {
        () = &mut work => return,
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
    timeout(limits::LAST, work).await.unwrap_or_default();
}

fn host_name() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}

/// The sink for what is to be told. It never waits: what does not fit is counted.
#[derive(Clone, Debug)]
pub struct Events {
    changes: mpsc::Sender<Change>,
    left_out: Arc<AtomicU64>,
}

impl Sink for Events {
    fn wants(&self, change: &Change) -> bool {
        event::is_told(change)
    }

    fn take(&mut self, changes: &[Change]) {
        for change in changes {
            if self.changes.try_send(change.clone()).is_err() && self.left_out.fetch_add(1, Ordering::Relaxed) == 0 {
                log::warn!(
                    "Kubernetes takes Events more slowly than there is something to tell: what does not fit is left out"
                );
            }
        }
    }
}
