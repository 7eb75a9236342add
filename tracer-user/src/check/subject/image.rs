//! An image, in a container that Docker makes of it.
//!
//! The container is removed in any case: by [`Image::remove`], and if we are killed before, by a guard: this binary,
//! run again with a hidden subcommand, which waits for our end of its standard input to close.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::check::ready::Attempt;
use crate::container::runtime::engine::{Create, Engine, Error};
use crate::sandbox::shim::{nothing, own_binary};

/// The hidden subcommand.
pub(crate) const GUARD: &str = "check-guard";
/// What a daemon was asked for just before we were killed it has done by then.
const LATE: Duration = Duration::from_secs(3);

/// The daemon does not make the container.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// A container of an image. Dropping it without `remove` leaves that to the guard.
#[derive(Debug)]
pub struct Image {
    engine: Engine,
    id: String,
    guard: Guard,
    output: Option<OwnedFd>,
    /// Comes back when the container has ended.
    wait: Option<JoinHandle<Result<(), Error>>>,
    log: Option<JoinHandle<()>>,
    /// A command that runs in it.
    attempt: Option<String>,
}

impl Image {
    /// Has the container made; its output goes to `output`. Nothing runs yet.
    ///
    /// # Errors
    /// When the daemon does not make it: [`Refused`].
    pub async fn create(engine: Engine, create: &Create, output: OwnedFd) -> anyhow::Result<Self> {
        let name = format!("tracer-check-{}-{:x}", std::process::id(), crate::live::boot_now().0);
        // before there is something to guard
        let guard = Guard::start(engine.socket(), &name)?;
        let id = engine.create(&name, create).await.map_err(|error| match error {
            Error::NotFound(why) => Refused(format!(
                "there is no image {0} here: docker pull {0}, or docker build, first ({why})",
                create.image
            )),
            other => Refused(format!("cannot make a container of {}: {other}", create.image)),
        })?;
        Ok(Self { engine, id, guard, output: Some(output), wait: None, log: None, attempt: None })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn socket(&self) -> &Path {
        self.engine.socket()
    }

    pub(super) async fn start(&mut self) -> anyhow::Result<()> {
        self.engine.start(&self.id).await.context("cannot start the container")?;
        let (engine, id) = (self.engine.clone(), self.id.clone());
        self.wait = Some(tokio::spawn(async move { engine.wait(&id).await }));
        let (engine, id) = (self.engine.clone(), self.id.clone());
        let output = self.output.take().context("it was started before")?;
        let output = pipe::Sender::from_owned_fd(output).context("cannot use the log's pipe")?;
        self.log = Some(tokio::spawn(async move {
            if let Err(error) = engine.logs(&id, output).await {
                log::warn!("the container's output cannot be shown: {error}");
            }
        }));
        Ok(())
    }

    /// Waits for its end; true when that has come.
    pub(super) async fn watch(&mut self, time: Duration) -> anyhow::Result<bool> {
        let Some(wait) = &mut self.wait else { return Ok(true) };
        let Ok(ended) = timeout(time, wait).await else { return Ok(false) };
        self.wait = None;
        ended.context("the wait for the container broke off")?.context("cannot wait for the container")?;
        Ok(true)
    }

    pub(super) async fn attempt(&mut self, command: &str) -> anyhow::Result<Option<Attempt>> {
        let Some(attempt) = &self.attempt else {
            let started = self.engine.exec(&self.id, command).await;
            return Ok(match started {
                Ok(attempt) => {
                    self.attempt = Some(attempt);
                    None
                }
                // no shell in the image, for example
                Err(error) => Some(Attempt { code: 126, said: Some(error.to_string()) }),
            });
        };
        let code = self.engine.exec_code(attempt).await.context("cannot look after the readiness command")?;
        if code.is_some() {
            self.attempt = None;
        }
        Ok(code.map(|code| Attempt { code, said: None }))
    }

    pub(super) async fn stop(&mut self, grace: Duration) -> anyhow::Result<()> {
        self.engine.stop(&self.id, grace).await.context("cannot stop the container")
    }

    pub(super) async fn remove(self) -> anyhow::Result<()> {
        let Self { engine, id, guard, log, wait, .. } = self;
        let removed = engine.remove(&id).await.with_context(|| format!("cannot remove the container {id}"));
        if let Some(wait) = wait {
            wait.abort();
        }
        if let Some(log) = log {
            // it ends with the container; what it has read by then is passed on
            timeout(Duration::from_secs(2), log).await.map(drop).unwrap_or_default();
        }
        if removed.is_ok() {
            guard.dismiss();
        }
        removed
    }
}

/// The process that removes the container when we cannot.
#[derive(Debug)]
struct Guard(Child);

impl Guard {
    fn start(socket: &Path, container: &str) -> anyhow::Result<Self> {
        let mut command = Command::new(own_binary());
        // Ctrl-C is for us, not for it
        command.arg(GUARD).arg(socket).arg(container).process_group(0);
        let child = command.stdin(Stdio::piped()).stdout(nothing()?).stderr(nothing()?).spawn();
        child.map(Self).context("cannot start the process that guards the container")
    }

    /// There is nothing to guard any more.
    fn dismiss(mut self) {
        if let Some(mut orders) = self.0.stdin.take() {
            orders.write_all(b"leave\n").unwrap_or_default();
        }
        self.0.wait().map(drop).unwrap_or_default();
    }
}

/// Runs the hidden subcommand: waits until whoever started us is gone, and removes the container unless told that that
/// is done.
#[must_use]
pub fn guard(socket: &str, container: &str) -> ExitCode {
    let mut told = Vec::new();
    std::io::stdin().read_to_end(&mut told).map(drop).unwrap_or_default();
    if told == b"leave\n" {
        return ExitCode::SUCCESS;
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    let engine = Engine::new(PathBuf::from(socket));
    let removed = runtime.block_on(async {
        // the daemon may be about to make it
        engine.remove(container).await.unwrap_or_default();
        tokio::time::sleep(LATE).await;
        engine.remove(container).await
    });
    if removed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
