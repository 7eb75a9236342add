#![expect(unsafe_code, reason = "what becomes of a signal is the process's, and so not safe to change")]
//! What a process does with the signals that it sends to itself.

use anyhow::{Context as _, Result};
use nix::sys::signal::{SigHandler, Signal, signal};

extern "C" fn nothing(_: libc::c_int) {}

/// Ignores it.
pub(super) fn ignore(which: Signal) -> Result<()> {
    // SAFETY: there is one thread, and no handler before it.
    unsafe { signal(which, SigHandler::SigIgn) }.map(drop).context("cannot ignore it")
}

/// Handles it, by doing nothing.
pub(super) fn handle(which: Signal) -> Result<()> {
    // SAFETY: as above, and a handler that does nothing is safe at any moment.
    unsafe { signal(which, SigHandler::Handler(nothing)) }.map(drop).context("cannot handle it")
}
