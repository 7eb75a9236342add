//! Signal dispositions: the few calls that the compiler cannot check.
#![expect(unsafe_code, reason = "sigaction(2) is unsafe because a handler may run at any instruction")]

use std::io::{self, Read as _};
use std::os::fd::{IntoRawFd as _, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// Writing end of the socket that [`note`] writes to, -1 before the first [`Caught::catch`].
static NOTES: AtomicI32 = AtomicI32::new(-1);

/// Makes every signal default and unblocked, as a program finds them that a container runtime starts: Rust's start-up
/// ignores `SIGPIPE` and handles `SIGSEGV` and `SIGBUS`, and masks are inherited through exec.
pub(crate) fn reset() -> io::Result<()> {
    for signal in Signal::iterator().filter(|&signal| !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP)) {
        act(signal, SigHandler::SigDfl, SaFlags::empty())?;
    }
    Ok(SigSet::empty().thread_set_mask()?)
}

/// Ignores a signal.
pub(crate) fn ignore(signal: Signal) -> io::Result<()> {
    act(signal, SigHandler::SigIgn, SaFlags::empty())
}

/// Handles a signal as node does: the handler goes back to default and raises the signal again.
pub(crate) fn reraise(signal: Signal) -> io::Result<()> {
    act(signal, SigHandler::Handler(raise_again), SaFlags::SA_RESETHAND)
}

/// A signal that has a handler; the handler only notes that it ran.
pub(crate) struct Caught(UnixStream);

impl Caught {
    /// Installs the handler. There can be one caught signal a process.
    pub(crate) fn catch(signal: Signal) -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        writer.set_nonblocking(true)?;
        NOTES.store(writer.into_raw_fd(), Ordering::SeqCst);
        act(signal, SigHandler::Handler(note), SaFlags::SA_RESTART)?;
        Ok(Self(reader))
    }

    /// Waits until the handler has run.
    pub(crate) fn wait(&mut self) -> io::Result<()> {
        self.0.read_exact(&mut [0])
    }
}

fn act(signal: Signal, handler: SigHandler, flags: SaFlags) -> io::Result<()> {
    // SAFETY: the only handlers are the two functions below, and both keep to async-signal-safe calls.
    unsafe { sigaction(signal, &SigAction::new(handler, flags, SigSet::empty())) }?;
    Ok(())
}

extern "C" fn note(_signal: i32) {
    let fd: RawFd = NOTES.load(Ordering::SeqCst);
    // SAFETY: write(2) is async-signal-safe, the byte lives as long as the call, and the descriptor is never closed.
    // Should the socket be full, the reader has enough to read already, and nothing waits. errno is put back: the interrupted code may be about to
    // look at it.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        libc::write(fd, [0_u8].as_ptr().cast(), 1);
        *errno = before;
    }
}

extern "C" fn raise_again(signal: i32) {
    // SAFETY: raise(3) is async-signal-safe. SA_RESETHAND has made the signal default already; it is blocked until
    // this handler returns, and taken from the queue then.
    unsafe { libc::raise(signal) };
}
