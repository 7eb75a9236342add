//! What is checked: a program in a container of our own, or an image in one of Docker's.

use std::os::fd::OwnedFd;
use std::time::Duration;

use super::ready::Attempt;
use crate::container::filter::Filters;
use crate::container::runtime::{Kind, Socket};
use crate::event::Described;
use crate::sandbox::Stop;

mod image;
mod own;

pub use image::{Image, Refused, guard};
pub use own::{Own, Program};

pub(crate) use image::GUARD;

/// What is checked. Dropping it ends it and leaves nothing behind.
#[derive(Debug)]
pub enum Subject {
    /// A program.
    Own(Box<Own>),
    /// An image.
    Image(Box<Image>),
}

impl Subject {
    /// A program. Nothing runs yet; what it prints will go to `output`.
    ///
    /// # Errors
    /// When no cgroup can be made.
    pub fn program(name: String, program: Program, output: OwnedFd) -> anyhow::Result<Self> {
        Own::prepare(name, program, output).map(Box::new).map(Self::Own)
    }

    /// What the model calls it.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Own(own) => own.id(),
            Self::Image(image) => image.id(),
        }
    }

    /// What to trace.
    #[must_use]
    pub fn filters(&self) -> Filters {
        match self {
            Self::Own(own) => own.filters(),
            Self::Image(image) => Filters { containers: vec![image.id().to_owned()], ..Filters::default() },
        }
    }

    /// Who is asked for names.
    #[must_use]
    pub fn sockets(&self) -> Vec<Socket> {
        match self {
            Self::Own(_) => Vec::new(),
            Self::Image(image) => vec![Socket { path: image.socket().to_owned(), kind: Kind::Docker }],
        }
    }

    /// What a runtime would say of it; `None` where there is one that says it.
    #[must_use]
    pub fn described(&self, stop: Stop) -> Option<Described> {
        match self {
            Self::Own(own) => Some(own.described(stop)),
            Self::Image(_) => None,
        }
    }

    /// Starts it.
    ///
    /// # Errors
    /// When there is no such program, or the kernel or the daemon refuses a container.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Own(own) => own.start().await,
            Self::Image(image) => image.start().await,
        }
    }

    /// Lets time pass; returns early, and true, when it has ended.
    ///
    /// # Errors
    /// When it is lost sight of.
    pub async fn watch(&mut self, time: Duration) -> anyhow::Result<bool> {
        match self {
            Self::Own(own) => own.watch(time).await,
            Self::Image(image) => image.watch(time).await,
        }
    }

    /// Runs a shell command in it, or looks how far that is. `None` while it runs.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn attempt(&mut self, command: &str) -> anyhow::Result<Option<Attempt>> {
        match self {
            Self::Own(own) => own.attempt(command),
            Self::Image(image) => image.attempt(command).await,
        }
    }

    /// Stops it as kubelet would; returns when its first process has ended.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(&mut self, stop: Stop) -> anyhow::Result<()> {
        match self {
            Self::Own(own) => own.stop(stop).await,
            // it knows its stop signal since it was made
            Self::Image(image) => image.stop(stop.grace).await,
        }
    }

    /// Ends what still runs, and removes all there is of it.
    ///
    /// # Errors
    /// When something is left.
    pub async fn remove(self) -> anyhow::Result<()> {
        match self {
            Self::Own(own) => own.remove().await,
            Self::Image(image) => image.remove().await,
        }
    }
}
