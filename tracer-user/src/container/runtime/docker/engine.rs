//! Making, running and removing a container by the Docker Engine API: what `tracer check --image` needs of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;
use tokio::time::timeout;

use super::super::state::Failure;
use super::http::{Stream, exchange};
use crate::printable;
use crate::signal::Signal;

/// What an answer may weigh, bytes.
const SIZE: usize = 1 << 20;
/// What a busy daemon may take for something that needs no waiting.
const PATIENCE: Duration = Duration::from_mins(1);

/// Why a daemon did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such image or container. What the daemon says, safe for a terminal.
    #[error("{0}")]
    NotFound(String),
    /// It says no, and why; safe for a terminal.
    #[error("{0}")]
    Refused(String),
    /// It does not answer, or nonsense.
    #[error("the Docker daemon: {0}")]
    Silent(String),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Silent(failure.to_string())
    }
}

/// A container to make.
#[derive(Clone, Debug, Default)]
pub struct Create {
    /// Image, by name or id.
    pub image: String,
    /// What its entrypoint is given instead of the image's own command; nothing leaves that.
    pub command: Vec<String>,
    /// Additions to its environment, `NAME=VALUE`.
    pub env: Vec<String>,
    /// Who it runs as, if not as the image says.
    pub user: Option<String>,
    /// Where it runs, if not where the image says.
    pub workdir: Option<String>,
    /// Its stop signal, if not the image's.
    pub stop_signal: Option<Signal>,
    /// Its grace period, s.
    pub grace_s: u64,
    /// Mounts, `SOURCE:TARGET[:ro]`.
    pub volumes: Vec<String>,
    /// Its network, if not the daemon's default.
    pub network: Option<String>,
    /// Docker's own init as PID 1.
    pub init: bool,
}

impl Create {
    fn body(&self) -> Value {
        let Self { image, command, env, user, workdir, stop_signal, grace_s, volumes, network, init } = self;
        let mut body = json!({
            "Image": image,
            "Env": env,
            "StopTimeout": grace_s,
            "HostConfig": {"Binds": volumes},
        });
        let mut set = |name: &str, value: Value| body[name] = value;
        if !command.is_empty() {
            set("Cmd", json!(command));
        }
        if let Some(user) = user {
            set("User", json!(user));
        }
        if let Some(workdir) = workdir {
            set("WorkingDir", json!(workdir));
        }
        if let Some(signal) = stop_signal {
            set("StopSignal", json!(signal.to_string()));
        }
        if let Some(network) = network {
            body["HostConfig"]["NetworkMode"] = json!(network);
        }
        if *init {
            body["HostConfig"]["Init"] = json!(true);
        }
        body
    }
}

/// A daemon at a socket.
#[derive(Clone, Debug)]
pub struct Engine {
    socket: PathBuf,
}

impl Engine {
    /// The one that listens there.
    #[must_use]
    pub fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Makes a container, and returns its id.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such image.
    pub async fn create(&self, name: &str, create: &Create) -> Result<String, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Created {
            id: String,
        }
        let target = format!("/containers/create?name={name}");
        let told = self.ask(Method::POST, &target, Some(&create.body()), PATIENCE).await?;
        read::<Created>(&told).map(|created| created.id)
    }

    /// Starts a container.
    ///
    /// # Errors
    /// When its program cannot be run, among others.
    pub async fn start(&self, id: &str) -> Result<(), Error> {
        self.ask(Method::POST, &format!("/containers/{id}/start"), None, PATIENCE).await.map(drop)
    }

    /// Comes back when a container has ended.
    ///
    /// # Errors
    /// When the daemon goes away.
    pub async fn wait(&self, id: &str) -> Result<(), Error> {
        self.ask(Method::POST, &format!("/containers/{id}/wait"), None, Duration::MAX).await.map(drop)
    }

    /// Stops a container: its stop signal, the grace period in whole seconds, SIGKILL.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(&self, id: &str, grace: Duration) -> Result<(), Error> {
        let target = format!("/containers/{id}/stop?t={}", grace.as_secs());
        self.ask(Method::POST, &target, None, grace.saturating_add(PATIENCE)).await.map(drop)
    }

    /// Removes a container, running or not, with the volumes that have no name. That it is gone is fine.
    ///
    /// # Errors
    /// When it is still there.
    pub async fn remove(&self, id: &str) -> Result<(), Error> {
        match self.ask(Method::DELETE, &format!("/containers/{id}?force=true&v=true"), None, PATIENCE).await {
            Err(Error::NotFound(_)) => Ok(()),
            removed => removed.map(drop),
        }
    }

    /// Runs a shell command in a container, and returns how to ask for it.
    ///
    /// # Errors
    /// When there is no shell, among others.
    pub async fn exec(&self, id: &str, command: &str) -> Result<String, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Made {
            id: String,
        }
        let body = json!({"Cmd": ["/bin/sh", "-c", command]});
        let told = self.ask(Method::POST, &format!("/containers/{id}/exec"), Some(&body), PATIENCE).await?;
        let exec = read::<Made>(&told)?.id;
        let detached = json!({"Detach": true, "Tty": false});
        self.ask(Method::POST, &format!("/exec/{exec}/start"), Some(&detached), PATIENCE).await?;
        Ok(exec)
    }

    /// The exit code of such a command; `None` while it runs.
    ///
    /// # Errors
    /// When it is not known.
    pub async fn exec_code(&self, exec: &str) -> Result<Option<i32>, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Inspected {
            running: bool,
            exit_code: Option<i32>,
        }
        let told = self.ask(Method::GET, &format!("/exec/{exec}/json"), None, PATIENCE).await?;
        let Inspected { running, exit_code } = read(&told)?;
        Ok(exit_code.filter(|_| !running))
    }

    /// Passes on what a container prints, from the beginning, until it ends.
    ///
    /// # Errors
    /// When the daemon does not keep it, or goes away.
    pub async fn logs(&self, id: &str, mut to: pipe::Sender) -> Result<(), Error> {
        let target = format!("/containers/{id}/logs?follow=true&stdout=true&stderr=true");
        let mut stream = Stream::get(&self.socket, &target, SIZE).await?;
        let mut frames = Frames::default();
        while let Some(data) = stream.next().await? {
            // nobody reads any more: nobody misses it
            if to.write_all(&frames.take(&data)).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn ask(
        &self,
        method: Method,
        target: &str,
        body: Option<&Value>,
        patience: Duration,
    ) -> Result<String, Error> {
        let body = body.map(|body| Bytes::from(body.to_string()));
        let exchanged = timeout(patience, exchange(&self.socket, method, target, body, SIZE)).await;
        let (status, told) = exchanged.unwrap_or(Err(Failure::TimedOut))?;
        let told = String::from_utf8_lossy(&told).into_owned();
        // 304: it is so already
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(told);
        }
        let why = complaint(&told);
        Err(if status == StatusCode::NOT_FOUND { Error::NotFound(why) } else { Error::Refused(why) })
    }
}

/// What a daemon says when it says no, safe for a terminal.
fn complaint(told: &str) -> String {
    #[derive(Deserialize)]
    struct Message {
        message: String,
    }
    let message = serde_json::from_str(told).map_or_else(|_| told.to_owned(), |Message { message }| message);
    let message: String = message.trim().chars().take(1000).collect();
    printable::text(&message).into_owned()
}

fn read<'a, T: Deserialize<'a>>(told: &'a str) -> Result<T, Error> {
    serde_json::from_str(told).map_err(|error| Error::Silent(format!("it answers nonsense: {error}")))
}

/// Takes apart what Docker makes of two streams: eight bytes, the last four of them a length, and so many bytes of one
/// of the streams.
#[derive(Debug, Default)]
struct Frames {
    header: Vec<u8>,
    /// Bytes that are still to come of the one that has begun.
    left: usize,
}

impl Frames {
    /// What is in the next piece, without headers.
    fn take(&mut self, mut data: &[u8]) -> Vec<u8> {
        const HEADER: usize = 8;
        let mut content = Vec::with_capacity(data.len());
        while !data.is_empty() {
            if self.left == 0 {
                let (header, rest) = data.split_at(data.len().min(HEADER - self.header.len()));
                self.header.extend_from_slice(header);
                data = rest;
                if let [_, _, _, _, length @ ..] = self.header.as_slice()
                    && let Ok(length) = <[u8; 4]>::try_from(length)
                {
                    self.left = u32::from_be_bytes(length) as usize;
                    self.header.clear();
                }
                continue;
            }
            let (of_it, rest) = data.split_at(data.len().min(self.left));
            content.extend_from_slice(of_it);
            self.left -= of_it.len();
            data = rest;
        }
        content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_arrive_in_pieces_of_any_size() {
        let mut stream = Vec::new();
        for (kind, content) in [(1, "hello\n"), (2, ""), (2, "oh\n"), (1, "bye\n")] {
            stream.extend_from_slice(&[kind, 0, 0, 0]);
            stream.extend_from_slice(&u32::try_from(content.len()).expect("short").to_be_bytes());
            stream.extend_from_slice(content.as_bytes());
        }
        for size in 1..=stream.len() {
            let mut frames = Frames::default();
            let content: Vec<u8> = stream.chunks(size).flat_map(|piece| frames.take(piece)).collect();
            assert_eq!(content, b"hello\noh\nbye\n", "pieces of {size}");
        }
    }

    #[test]
    fn what_the_image_says_stays_unless_something_else_is_asked_for() {
        let plain = Create { image: "app:1".to_owned(), grace_s: 30, ..Create::default() }.body();
        let expect = json!({"Image": "app:1", "Env": [], "StopTimeout": 30, "HostConfig": {"Binds": []}});
        assert_eq!(plain, expect);
        let create = Create {
            image: "app:1".to_owned(),
            command: vec!["serve".to_owned()],
            stop_signal: Some(Signal::QUIT),
            network: Some("none".to_owned()),
            init: true,
            ..Create::default()
        };
        let body = create.body();
        assert_eq!(body["Cmd"], json!(["serve"]));
        assert_eq!(body["StopSignal"], "SIGQUIT");
        assert_eq!(body["HostConfig"]["NetworkMode"], "none");
        assert_eq!(body["HostConfig"]["Init"], true);
    }

    #[test]
    fn what_a_daemon_complains_about() {
        assert_eq!(complaint(r#"{"message":"No such image: x\u001b[2J"}"#), "No such image: x\\x1b[2J");
        assert_eq!(complaint("what?\n"), "what?");
    }
}
