//! What the Kubernetes API has to do with it: Events on pods for what goes wrong, and what it tells of this node's pods.
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
mod pods;
mod poster;
mod reasons;
mod watcher;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use futures_util::FutureExt as _;
use futures_util::future::{FusedFuture as _, OptionFuture};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::event::What;
use crate::model::Change;

pub use access::{NoAccess, NoAddress, Proxy};

use access::Access;
use http::Api;
use poster::Poster;
use watcher::Watcher;

/// What is wanted of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Tell it what goes wrong.
    pub events: bool,
    /// Hear from it when somebody deletes a pod of this node, and whose the pods are.
    pub watch: bool,
    /// The name of this node.
    pub node: Option<String>,
    /// Where it is, if not where a pod finds it.
    pub proxy: Option<Proxy>,
}

impl Settings {
    /// Whether anything is.
    #[must_use]
    pub const fn is_wanted(&self) -> bool {
        self.events || self.watch
    }
}

/// Why there is nothing to be had of the API.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no way to it.
    #[error(transparent)]
    NoAccess(#[from] NoAccess),
    /// Nobody told which pods.
    #[error("to watch this node's pods its name is wanted: --node-name, or TRACER_NODE_NAME from spec.nodeName")]
    NoNode,
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

/// What was started: who is told, and who tells.
#[derive(Debug)]
pub struct Started {
    /// The thread.
    pub thread: Kubernetes,
    /// Takes what is to be told, if that is wanted.
    pub events: Option<Events>,
    /// Brings what the API tells of pods ([`What::Pod`]), if that is wanted.
    pub pods: Option<mpsc::Receiver<What>>,
}

impl Kubernetes {
    /// Starts it.
    ///
    /// # Errors
    /// When there is no API, or no thread.
    pub fn start(settings: &Settings) -> Result<Started, StartError> {
        let access = match &settings.proxy {
            Some(proxy) => Access::proxy(proxy),
            None => Access::of_pod(|name| std::env::var(name).ok())?,
        };
        let api = Api::new(access);
        let (stop, stopped) = watch::channel(false);
        let (again, asked) = watch::channel(0);
        let left_out: Arc<AtomicU64> = Arc::default();
        let (posting, events) = if settings.events {
            let (sender, changes) = mpsc::channel(limits::QUEUE);
            let poster = Poster::new(api.clone(), settings.node.clone().unwrap_or_else(host_name), asked.clone());
            (Some(poster.run(changes)), Some(Events { changes: sender, left_out: Arc::clone(&left_out) }))
        } else {
            (None, None)
        };
        let (watching, pods) = if settings.watch {
            let node = settings.node.clone().ok_or(StartError::NoNode)?;
            let (sender, pods) = mpsc::channel(limits::TOLD);
            (Some(Watcher::new(api, node, sender, asked).run()), Some(pods))
        } else {
            (None, None)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("tracer-kubernetes".to_owned()).spawn(move || {
            runtime.block_on(until_stopped(posting, watching, stopped));
            // a server that hangs must not keep us
            runtime.shutdown_background();
        })?;
        Ok(Started { thread: Self { thread: Some(thread), stop, again, left_out }, events, pods })
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

/// Does both until it is told to stop; what is to be told then has a moment more.
async fn until_stopped(
    posting: Option<impl Future<Output = ()>>,
    watching: Option<impl Future<Output = ()>>,
    mut stopped: watch::Receiver<bool>,
) {
    // what is not wanted is done already, and what is done is not asked again
    let posting = OptionFuture::from(posting).map(drop).fuse();
    let watching = OptionFuture::from(watching).map(drop).fuse();
    tokio::pin!(posting, watching);
    loop {
        tokio::select! {
            () = &mut posting, if !posting.is_terminated() => {}
            () = &mut watching, if !watching.is_terminated() => {}
            _ = stopped.wait_for(|stopped| *stopped) => break,
        }
    }
    if !posting.is_terminated() {
        timeout(limits::LAST, posting).await.unwrap_or_default();
    }
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

impl Events {
    /// Whether something becomes an Event.
    #[must_use]
    pub fn wants(change: &Change) -> bool {
        event::is_told(change)
    }

    /// Hands on what is to be told, and waits for nobody: what does not fit is counted, and said once.
    pub fn take(&self, changes: &[Change]) {
        for change in changes {
            if self.changes.try_send(change.clone()).is_err() && self.left_out.fetch_add(1, Ordering::Relaxed) == 0 {
                log::warn!(
                    "Kubernetes takes Events more slowly than there is something to tell: what does not fit is left out"
                );
            }
        }
    }
}
