//! Names from container runtimes: the Docker Engine API, which Podman serves as well, and Kubernetes' CRI.
//!
//! One background task for each socket follows the daemon's event stream and sends a [`Described`] for every container
//! that runs, that starts, or that is asked for. Nothing waits for it: a daemon that is absent, restarts, hangs or
//! answers nonsense costs names, and nothing else. While a daemon is there and nothing happens, no timer runs.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::event::Described;

mod bounds;
mod client;
mod cri;
mod docker;
mod kubernetes;
mod lenient;
mod look_up;
mod places;
mod queue;
mod session;
mod state;
mod transport;

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
        Self { daemons: daemons.collect() }
    }

    /// Asks every daemon for the container with this id, ahead of everything else; who knows it sends a [`Described`],
    /// even if that was sent before. A daemon that is absent is tried again within a second. Ids that no Engine makes
    /// (they are hexadecimal) are passed over. False when too many wait already, at one of them at least.
    #[must_use]
    pub fn want(&self, id: &str) -> bool {
        let ask = |daemon: &Daemon| daemon.wants.try_send(id.to_owned()).is_ok();
        // each one is asked, also when another has no room
        !bounds::is_id(id) || self.daemons.iter().filter(|daemon| !ask(daemon)).count() == 0
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
