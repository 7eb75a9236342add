//! What stop signals would meet: worked out on a thread of its own, since that takes its time and tracing must not wait.

use std::collections::HashMap;
use std::io;
use std::sync::mpsc as requests;
use std::thread;

use tokio::sync::mpsc;

use super::boot_now;
use crate::audit::Seer;
use crate::container::filter::Filters;
use crate::event::{Described, Event, What};
use crate::model::Container;

/// Answers that may wait to be taken in.
const ANSWERS: usize = 256;

/// Somebody to ask. While nobody can be asked, nothing is answered.
#[derive(Debug)]
pub(super) struct Foresights {
    requests: Option<requests::Sender<Request>>,
    answers: mpsc::Receiver<Event>,
}

/// A container's id, and what is known of it.
type Request = (String, Described);

/// Opens what needs privileges to be opened. Tracing goes on without.
pub(super) fn open(filters: &Filters) -> Option<Seer> {
    Seer::open(filters).inspect_err(|error| log::warn!("what stop signals would meet cannot be told: {error:#}")).ok()
}

impl Foresights {
    /// Starts the thread, if there is somebody to ask.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(super) fn start(seer: Option<Seer>) -> io::Result<Self> {
        let (sender, answers) = mpsc::channel(ANSWERS);
        let Some(seer) = seer else { return Ok(Self { requests: None, answers }) };
        let (requests, questions) = requests::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        thread::Builder::new()
            .name("tracer-ahead".to_owned())
            .spawn(move || runtime.block_on(answer(seer, &questions, &sender)))?;
        Ok(Self { requests: Some(requests), answers })
    }

    /// Whether there is somebody to ask.
    pub(super) const fn can_answer(&self) -> bool {
        self.requests.is_some()
    }

    /// Asks about a container and its first process. The answer comes when it comes, or never.
    pub(super) fn ask(&self, container: &Container) {
        let Some(requests) = &self.requests else { return };
        let id = container.name.id.clone();
        let told = container.described.clone().unwrap_or_else(|| Described { id: id.clone(), ..Described::default() });
        // who that is the model knows as well where no runtime says so
        let pid = container.first.map(|first| first.pid).or(told.pid);
        if requests.send((id, Described { pid, ..told })).is_err() {
            log::debug!("nobody looks ahead any more");
        }
    }

    /// The next answer; `None` when there will be none.
    pub(super) async fn next(&mut self) -> Option<Event> {
        self.answers.recv().await
    }
}

/// Answers what is asked, all that has come at once. Nothing else runs on this thread: it may block.
async fn answer(mut seer: Seer, questions: &requests::Receiver<Request>, answers: &mpsc::Sender<Event>) {
    while let Ok(question) = questions.recv() {
        let asked: HashMap<_, _> = std::iter::once(question).chain(questions.try_iter()).collect();
        match seer.look(asked).await {
            Ok(foresights) => {
                for foresight in foresights {
                    if answers.send(Event(boot_now(), What::Foreseen(foresight))).await.is_err() {
                        return;
                    }
                }
            }
            Err(error) => log::info!("what stop signals would meet cannot be told: {error:#}"),
        }
    }
}
