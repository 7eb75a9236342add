//! What a session wants of a daemon, whatever it speaks.

use std::path::Path;
use std::time::Duration;

use futures_util::stream::BoxStream;
use tokio::time::timeout;

use crate::event::Described;

use super::state::{Failure, State};

/// How long a daemon may take for an answer. Tests against one that never answers are in a hurry.
pub(super) const ANSWER: Duration = if cfg!(test) { Duration::from_millis(1_200) } else { Duration::from_secs(5) };
/// How many look-ups are under way at once: a daemon takes locks for each.
pub(super) const AT_ONCE: usize = 8;

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// `docker`, `podman`, `containerd`, `cri-o`, or what it calls itself.
    pub(super) runtime: String,
    /// As it says.
    pub(super) version: String,
}

impl From<Version> for State {
    fn from(told: Version) -> Self {
        Self::Connected { runtime: told.runtime, version: told.version }
    }
}

/// What came of the question about a container.
#[derive(Debug)]
pub(super) enum Answer {
    /// All there is to know.
    Told(Box<Described>),
    /// Not all yet: its first process is still to come, or what it belongs to was not told in time.
    Starting(Box<Described>),
    /// Asked and answered: the daemon knows no such container.
    Unknown,
}

/// Something happened to a container.
#[derive(Debug)]
pub(super) struct Heard {
    /// Its id; from a stranger.
    pub(super) id: String,
    /// What was said along with it.
    pub(super) described: Option<Described>,
}

/// What is heard, until the daemon ends it.
pub(super) type Events = BoxStream<'static, Result<Heard, Failure>>;

/// A daemon that can be asked. Nothing is kept open between questions; each has its limit of bytes. Time limits are
/// the caller's.
pub(super) trait Client: Clone + Send + Sync + Sized + 'static {
    /// Whether it always tells events, so that their end is its own; otherwise one does without.
    const HAS_EVENTS: bool;
    /// Whether it may not know yet what the kernel shows already.
    const KNOWS_LATE: bool;

    /// Asks who is there.
    fn connect(socket: &Path) -> impl Future<Output = Result<(Self, Version), Failure>> + Send;

    /// The ids of what runs; from a stranger.
    fn running(&self) -> impl Future<Output = Result<Vec<String>, Failure>> + Send;

    /// All about one.
    fn inspect(&self, id: &str) -> impl Future<Output = Result<Answer, Failure>> + Send;

    /// Everything that gives a container a name, a pid or both. `None` when it does not tell.
    fn events(&self) -> Option<Events>;
}

/// The answer, or that it did not come in time.
pub(super) async fn within<T>(limit: Duration, ask: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timeout(limit, ask).await.unwrap_or(Err(Failure::TimedOut))
}
