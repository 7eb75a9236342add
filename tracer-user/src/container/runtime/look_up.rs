//! The question asked once: what are these containers called?

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::event::Described;

use super::bounds::is_id;
use super::client::{ANSWER, AT_ONCE, Answer, Client, within};
use super::cri::Cri;
use super::docker::Docker;
use super::state::State;
use super::{Kind, Socket};

/// Answers that may wait to be taken.
const BUFFER: usize = 64;

/// What one of the daemons, the first, second, … of those that are asked, has to say.
enum Said {
    State(usize, State),
    Told(Box<Described>),
}

/// What the runtimes at `sockets` say of the containers with these `ids`, and how it stands with each runtime. Comes
/// back as soon as every container is described or every runtime has answered or failed, and after `patience` at the
/// latest: a runtime that has not answered by then is [`State::Hanging`]. Whoever describes a container first counts.
///
/// # Panics
/// Outside a tokio runtime with I/O and time.
pub async fn look_up(sockets: &[Socket], ids: &[String], patience: Duration) -> (Vec<Described>, Vec<(Socket, State)>) {
    let wanted: BTreeSet<_> = ids.iter().cloned().collect();
    if wanted.is_empty() {
        return (Vec::new(), untried(sockets));
    }
    let mut found = BTreeMap::new();
    let states = ask(sockets, ids, patience, |described| {
        if wanted.contains(&described.id) {
            found.entry(described.id.clone()).or_insert(described);
        }
        found.len() == wanted.len()
    })
    .await;
    (found.into_values().collect(), states)
}

/// How it stands with the runtimes at `sockets`: who answers. One that has not answered after `patience` is
/// [`State::Hanging`].
///
/// # Panics
/// Outside a tokio runtime with I/O and time.
pub async fn who_answers(sockets: &[Socket], patience: Duration) -> Vec<(Socket, State)> {
    ask(sockets, &[], patience, |_| false).await
}

fn untried(sockets: &[Socket]) -> Vec<(Socket, State)> {
    sockets.iter().map(|socket| (socket.clone(), State::default())).collect()
}

/// Asks all daemons side by side until `take` has enough.
async fn ask(
    sockets: &[Socket],
    ids: &[String],
    patience: Duration,
    mut take: impl FnMut(Described) -> bool,
) -> Vec<(Socket, State)> {
    let deadline = Instant::now() + patience;
    let (out, mut said) = mpsc::channel(BUFFER);
    let mut states = untried(sockets);
    // those that are still at it when this ends are ended along with it
    let mut asked = JoinSet::new();
    for (at, Socket { path, kind }) in sockets.iter().cloned().enumerate() {
        let (ids, out) = (ids.to_vec(), out.clone());
        match kind {
            Kind::Docker => asked.spawn(async move { one::<Docker>(at, &path, ids, &out).await }),
            Kind::Cri => asked.spawn(async move { one::<Cri>(at, &path, ids, &out).await }),
        };
    }
    drop(out);
    loop {
        match timeout_at(deadline, said.recv()).await {
            Ok(Some(Said::State(at, state))) => states[at].1 = state,
            Ok(Some(Said::Told(described))) => {
                if take(*described) {
                    return states;
                }
            }
            Ok(None) => return states,
            Err(_elapsed) => break,
        }
    }
    for (_, state) in states.iter_mut().filter(|(_, state)| *state == State::Connecting) {
        *state = State::Hanging;
    }
    states
}

/// Asks one daemon. Whoever listens may stop at any time.
async fn one<C: Client>(at: usize, socket: &Path, ids: Vec<String>, out: &mpsc::Sender<Said>) {
    let (client, state) = match within(ANSWER, C::connect(socket)).await {
        Ok((client, version)) => (Some(client), version.into()),
        Err(failure) => (None, State::at(socket, failure)),
    };
    let (Some(client), Ok(())) = (client, out.send(Said::State(at, state)).await) else { return };
    let questions = ids.into_iter().filter(|id| is_id(id)).map(|id| {
        let client = client.clone();
        async move { within(ANSWER, client.inspect(&id)).await }
    });
    let mut answers = stream::iter(questions).buffer_unordered(AT_ONCE);
    while let Some(answer) = answers.next().await {
        let said = match answer {
            Ok(Answer::Told(described) | Answer::Starting(described)) => Said::Told(described),
            Ok(Answer::Unknown) => continue,
            Err(failure) => Said::State(at, State::at(socket, failure)),
        };
        if out.send(said).await.is_err() {
            return;
        }
    }
}
