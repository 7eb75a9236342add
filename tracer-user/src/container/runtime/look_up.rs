//! The question asked once: what are these containers called?

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::event::Described;

use super::session::{Failure, ask};
use super::{Kind, Socket, State};

/// Answers that may wait to be taken.
const BUFFER: usize = 64;

/// What the runtimes at `sockets` say of the containers with these `ids`, and how it stands with each runtime. Comes
/// back as soon as every container is described or every runtime has answered or failed, and after `patience` at the
/// latest: a runtime that has not answered by then is [`State::Hanging`]. Whoever describes a container first counts.
///
/// # Panics
/// Outside a tokio runtime with I/O and time.
pub async fn look_up(sockets: &[Socket], ids: &[String], patience: Duration) -> (Vec<Described>, Vec<(Socket, State)>) {
    let deadline = Instant::now() + patience;
    let (out, mut told) = mpsc::channel(BUFFER);
    let mut asked: JoinSet<(usize, State)> = JoinSet::new();
    let mut states: Vec<_> = sockets.iter().map(|socket| (socket.clone(), State::Connecting)).collect();
    for (at, (socket, _)) in states.iter().enumerate() {
        let (path, ids, out) = (socket.path.clone(), ids.to_vec(), out.clone());
        if socket.kind == Kind::Docker {
            asked.spawn(async move { (at, ask(&path, &ids, &out).await.unwrap_or_else(Failure::into)) });
        }
    }
    drop(out);
    let mut found = BTreeMap::new();
    while found.len() < ids.len()
        && let Ok(Some(described)) = timeout_at(deadline, told.recv()).await
    {
        let described: Described = described;
        if ids.contains(&described.id) {
            found.entry(described.id.clone()).or_insert(described);
        }
    }
    drop(told);
    while let Some(Ok((at, state))) = asked.try_join_next() {
        states[at].1 = state;
    }
    if Instant::now() >= deadline {
        for (_, state) in states.iter_mut().filter(|(_, state)| *state == State::Connecting) {
            *state = State::Hanging;
        }
    }
    (found.into_values().collect(), states)
}
