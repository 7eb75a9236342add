//! Names from container runtimes: the Docker Engine API, which Podman serves as well, and Kubernetes' CRI.
//!
//! One background task for each socket follows the daemon's event stream and sends a [`Described`] for every container
//! that runs, that starts, or that is asked for. Nothing waits for it: a daemon that is absent, restarts, hangs or
//! answers nonsense costs names, and nothing else. While a daemon is there and nothing happens, no timer runs.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::event::Described;

mod bounds;
mod client;
mod cri;
mod docker;
pub(crate) mod fuzzing;
mod kubernetes;
mod lenient;
mod look_up;
mod places;
mod queue;
mod session;
mod state;
pub(crate) mod transport;

pub use docker::engine;
pub use look_up::{look_up, who_answers};
pub use places::{NoUnixSocket, socket_path, usual_sockets};
pub use state::State;

use cri::Cri;
use docker::Docker;
use queue::{Job, Queue};
use session::{Ended, Session};

/// Back-off between attempts to reach a daemon that is not there.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// A connection that lasted this long was a good one.
const GOOD_SESSION: Duration = Duration::from_secs(30);
/// Look-ups that wait; more than that at once means that somebody makes containers faster than they can be named.
const MAX_WANTS: usize = 1024;
/// Look-ups of which is known that some of the daemons took them; beyond, all are asked again.
const MAX_REFUSED: usize = 8192;

/// What is spoken at a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The Docker Engine API: Docker and Podman.
    Docker,
    /// Kubernetes' Container Runtime Interface, version 1: containerd, CRI-O, cri-dockerd.
    Cri,
}

/// Where a daemon listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Socket {
    /// A Unix socket. It need not exist.
    pub path: PathBuf,
    /// What is spoken there.
    pub kind: Kind,
}

/// The background tasks. Dropping it ends them.
#[derive(Debug)]
pub struct Names {
    daemons: Vec<Daemon>,
    /// The daemons that had no room for a question, by id: the others are not asked again.
    refused: Mutex<HashMap<String, Vec<usize>>>,
}

#[derive(Debug)]
struct Daemon {
    socket: Socket,
    wants: mpsc::Sender<String>,
    state: watch::Receiver<State>,
    task: AbortHandle,
}

impl Names {
    /// Starts a task for each socket. What they find out goes to `out`; when that is full they wait, and when it is
    /// closed they end.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time.
    #[must_use]
    pub fn start(sockets: Vec<Socket>, out: &mpsc::Sender<Described>) -> Self {
        let daemons = sockets.into_iter().map(|socket| {
            let (wants, wanted) = mpsc::channel(MAX_WANTS);
            let (told, state) = watch::channel(State::default());
            let task = tokio::spawn(run(socket.clone(), wanted, out.clone(), told)).abort_handle();
            Daemon { socket, wants, state, task }
        });
        Self { daemons: daemons.collect(), refused: Mutex::default() }
    }

    /// Asks every daemon for the container with this id, ahead of everything else; who knows it sends a [`Described`],
    /// even if that was sent before. A daemon that is absent is tried again within a second. Ids that no Engine makes
    /// (they are hexadecimal) are passed over. False when too many wait already, at one of them at least; when it is
    /// asked for again, only those that had no room are asked.
    #[must_use]
    pub fn want(&self, id: &str) -> bool {
        if !bounds::is_id(id) {
            return true;
        }
        let is_full = |at: &usize| {
            let asked = self.daemons.get(*at).map(|daemon| daemon.wants.try_send(id.to_owned()));
            matches!(asked, Some(Err(TrySendError::Full(_))))
        };
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let left = refused.remove(id).unwrap_or_else(|| (0..self.daemons.len()).collect());
        let full: Vec<usize> = left.into_iter().filter(is_full).collect();
        let taken = full.is_empty();
        if !taken && refused.len() < MAX_REFUSED {
            refused.insert(id.to_owned(), full);
        }
        taken
    }

    /// How it stands with each daemon.
    pub fn states(&self) -> impl Iterator<Item = (&Socket, State)> {
        self.daemons.iter().map(|daemon| (&daemon.socket, daemon.state.borrow().clone()))
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        for daemon in &self.daemons {
            daemon.task.abort();
        }
    }
}

/// One daemon, from session to session.
async fn run(
    socket: Socket,
    mut wanted: mpsc::Receiver<String>,
    out: mpsc::Sender<Described>,
    state: watch::Sender<State>,
) {
    let mut queue = Queue::default();
    let mut wait = FIRST_WAIT;
    loop {
        let begun = Instant::now();
        let mut session =
            Session { socket: &socket.path, wanted: &mut wanted, out: &out, state: &state, queue: &mut queue };
        let ended = match socket.kind {
            Kind::Docker => session.run::<Docker>().await,
            Kind::Cri => session.run::<Cri>().await,
        };
        match ended {
            // the state is for people to see; without a reader it is set all the same
            Ended::Daemon(ended) => drop(state.send_replace(ended)),
            Ended::Nobody => return,
        }
        if begun.elapsed() >= GOOD_SESSION {
            wait = FIRST_WAIT;
        }
        let again = Instant::now() + wait;
        wait = (wait * 2).min(LONGEST_WAIT);
        tokio::select! {
            () = sleep_until(again) => {}
            () = out.closed() => return,
            // A container that looks like this daemon's own appeared, so it may be back.
            id = wanted.recv() => match id {
                Some(id) => {
                    queue.push(Job::wanted(id));
                    gather(&mut wanted, &mut queue, again.min(Instant::now() + FIRST_WAIT)).await;
                    wait = FIRST_WAIT;
                }
                None => return,
            },
        }
    }
}

/// Collects more wants until `until`: containers come in crowds.
async fn gather(wanted: &mut mpsc::Receiver<String>, queue: &mut Queue, until: Instant) {
    while let Ok(Some(id)) = timeout_at(until, wanted.recv()).await {
        queue.push(Job::wanted(id));
    }
}

#[cfg(test)]
mod tests;
