//! The system calls that the compiler cannot check.
#![expect(unsafe_code, reason = "handlers, ptrace(2), and the ways to send a signal that no safe crate has")]

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// What a handler does.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    /// Ends the process with exit code 0, from within, so that what it interrupts may restart.
    Exit,
    /// Nothing.
    Nothing,
    /// Raises the signal again.
    Raise,
}

/// Sets a handler.
pub(crate) fn handle(signal: Signal, handler: Handler, flags: SaFlags) -> io::Result<()> {
    let handler = match handler {
        Handler::Exit => SigHandler::Handler(exit),
        Handler::Nothing => SigHandler::Handler(nothing),
        Handler::Raise => SigHandler::Handler(raise),
    };
    act(signal, handler, flags)
}

/// Ignores a signal.
pub(crate) fn ignore(signal: Signal) -> io::Result<()> {
    act(signal, SigHandler::SigIgn, SaFlags::empty())
}

/// Takes a handler away.
pub(crate) fn default(signal: Signal) -> io::Result<()> {
    act(signal, SigHandler::SigDfl, SaFlags::empty())
}

fn act(signal: Signal, handler: SigHandler, flags: SaFlags) -> io::Result<()> {
    // SAFETY: the only handlers are the three functions below, and all keep to async-signal-safe calls.
    unsafe { sigaction(signal, &SigAction::new(handler, flags, SigSet::empty())) }?;
    Ok(())
}

extern "C" fn exit(_signal: i32) {
    // SAFETY: _exit(2) is async-signal-safe.
    unsafe { libc::_exit(0) }
}

extern "C" fn nothing(_signal: i32) {}

extern "C" fn raise(signal: i32) {
    // Not raise(3): musl blocks all signals around it.
    // SAFETY: both calls are async-signal-safe, and take numbers.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::getpid(), signal) };
    RAISED.store(true, Ordering::SeqCst);
}

/// Set by the handler that raises the signal again.
static RAISED: AtomicBool = AtomicBool::new(false);

/// Whether a handler has raised its signal again. The code that it interrupted sees that when what was raised is over.
pub(crate) fn has_raised() -> bool {
    RAISED.load(Ordering::SeqCst)
}

/// Asks for a signal that is blocked, and waits no longer than this many nanoseconds. Whether it came.
pub(crate) fn take_within(signal: Signal, nanoseconds: i64) -> io::Result<bool> {
    let mut set = SigSet::empty();
    set.add(signal);
    let wait = libc::timespec { tv_sec: 0, tv_nsec: nanoseconds };
    // SAFETY: set and time are valid for the call, and no information on the signal is asked for.
    match unsafe { libc::sigtimedwait(set.as_ref(), ptr::null_mut(), &raw const wait) } {
        -1 if io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN) => Ok(false),
        result => check(result.into()).map(|()| true),
    }
}

/// Sends a signal with sigqueue(3).
pub(crate) fn queue(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: takes numbers; the value is a null pointer that nobody looks at.
    check(unsafe { libc::sigqueue(pid, signal, libc::sigval { sival_ptr: ptr::null_mut() }) }.into())
}

/// Sends a signal to the first thread of a process with tgkill(2).
pub(crate) fn to_thread(pid: i32, signal: Signal) -> io::Result<()> {
    // SAFETY: takes numbers.
    check(unsafe { libc::syscall(libc::SYS_tgkill, pid, pid, signal as i32) })
}

/// Sends a signal with `pidfd_send_signal(2)`.
pub(crate) fn by_pidfd(pid: i32, signal: Signal) -> io::Result<()> {
    // SAFETY: takes numbers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    check(fd)?;
    // SAFETY: takes numbers, and no information with the signal. The descriptor goes with the process.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal as i32, ptr::null::<libc::siginfo_t>(), 0) })
}

/// Touches memory that nobody may touch.
pub(crate) fn fault() -> io::Error {
    // SAFETY: a new mapping, which has nothing to do with any other memory; reading it ends the process by SIGSEGV.
    unsafe {
        let page = libc::mmap(ptr::null_mut(), 1, libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
        if page != libc::MAP_FAILED {
            page.cast::<u8>().read_volatile();
        }
    }
    io::Error::other("nothing happened")
}

/// Begins to trace a process without stopping it, as `strace -p` does. The caller's thread is its tracer from now on.
pub(crate) fn seize(pid: u32, options: i32) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: this request takes numbers.
    check(unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, NOWHERE, libc::c_long::from(options)) })
}

/// Lets a traced process go on that has stopped for us, with the signal that it is about to take or 0 for none. Nobody
/// traces it from then on: as long as somebody does, its parent does not learn of its end.
pub(crate) fn go_on(pid: u32, signal: i32) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: this request takes numbers.
    check(unsafe { libc::ptrace(libc::PTRACE_DETACH, pid, NOWHERE, libc::c_long::from(signal)) })
}

/// The address that neither of these requests looks at.
const NOWHERE: *mut libc::c_void = ptr::null_mut();

/// What a traced process has stopped at: the low half is the signal, above it a ptrace event. `None` while it runs.
pub(crate) fn stopped_at(pid: u32) -> io::Result<Option<i32>> {
    let mut status = 0;
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: the status is valid for the call.
    let found = unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG | libc::__WALL) };
    check(found.into())?;
    Ok((found == pid && libc::WIFSTOPPED(status)).then_some(status >> 8))
}

fn check(result: i64) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
