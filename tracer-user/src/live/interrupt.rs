//! The signals that ask us to end.

use std::future::pending;
use std::io;

use tokio::signal::unix::{Signal as Incoming, SignalKind, signal};

use crate::signal::{Signal, SignalSet};

/// SIGINT, SIGTERM and SIGHUP.
#[derive(Debug)]
pub(crate) struct Interrupt {
    int: Incoming,
    term: Incoming,
    /// `None` when whoever started us wants it ignored, as nohup does.
    hup: Option<Incoming>,
}

impl Interrupt {
    /// Listens from now on. To be made once: what we inherited is not to be seen afterwards.
    pub(crate) fn new() -> io::Result<Self> {
        Self::with_hangup(true)
    }

    /// As [`Self::new`]; SIGHUP may mean something else.
    pub(crate) fn with_hangup(ends: bool) -> io::Result<Self> {
        let hup = if !ends || ignored().has(Signal::HUP) { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self { int: signal(SignalKind::interrupt())?, term: signal(SignalKind::terminate())?, hup })
    }

    /// Safe to cancel.
    pub(crate) async fn wait(&mut self) {
        let Self { int, term, hup } = self;
        let hup = async {
            match hup {
                Some(hup) => hup.recv().await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
            _ = hup => {}
        }
    }
}

/// The signals that this process ignores. Without `/proc` none is known to be; tracing will not work then either.
fn ignored() -> SignalSet {
    let status = procfs::process::Process::myself().and_then(|own| own.status());
    status.map_or_else(|_unknown| SignalSet::default(), |status| SignalSet(status.sigign))
}
