//! The programs in the containers. Each has one disposition, and says `ready` when it has.

use std::convert::Infallible;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::{Command, ExitCode, Stdio, exit};
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SaFlags, SigSet, Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::unistd::{Pid, getppid, pause, pipe};

use crate::sys::{self, Handler};

/// The first word of an actor's command line.
pub(crate) const COMMAND: &str = "act";
/// The name that an actor gives itself when it has done what is asked of it and stays.
pub(crate) const SETTLED: &str = "settled";

type Never = Result<Infallible, io::Error>;

/// Runs an actor; returns only when something went wrong.
pub(crate) fn run(name: &str, args: &[&str]) -> ExitCode {
    let done = match (name, args) {
        ("default", []) => waits(),
        ("ignores", []) => sys::ignore(Signal::SIGTERM).and_then(|()| waits()),
        ("catches", []) => catches(),
        ("blocks", []) => block(&[Signal::SIGTERM]).and_then(|()| waits()),
        ("sigwait", []) => sigwait(),
        ("sigtimedwait", []) => sigtimedwait(),
        ("signalfd", []) => signalfd(),
        ("unblocks", []) => unblocks(),
        ("raises-in-handler", []) => raises(SaFlags::SA_RESETHAND),
        ("raises-at-once", []) => raises(SaFlags::SA_RESETHAND | SaFlags::SA_NODEFER),
        ("other-thread", []) => other_thread(),
        ("unprotected-thread", []) => unprotected_thread(),
        ("attacked", []) => attacked(),
        ("addressed", []) => addressed(),
        ("faults", []) => faults(),
        ("leaves", []) => leaves(),
        ("send", [how]) => send(how),
        ("bystander", []) => prctl::set_name(c"bystander").map_err(io::Error::from).and_then(|()| waits()),
        _ => Err(io::Error::other("there is no such actor")),
    };
    match done {
        Ok(never) => match never {},
        Err(error) => {
            // Whoever started us passes it on, or is gone.
            writeln!(io::stdout(), "error {name}: {error}").unwrap_or_default();
            ExitCode::from(70)
        }
    }
}

fn ready() -> io::Result<()> {
    writeln!(io::stdout(), "ready")?;
    io::stdout().flush()
}

fn forever() -> ! {
    loop {
        pause();
    }
}

fn waits() -> Never {
    ready()?;
    forever()
}

fn block(signals: &[Signal]) -> io::Result<()> {
    Ok(signals.iter().copied().collect::<SigSet>().thread_block()?)
}

/// What the handler interrupts would be restarted.
fn catches() -> Never {
    sys::handle(Signal::SIGTERM, Handler::Exit, SaFlags::SA_RESTART)?;
    let (reader, _writer) = pipe()?;
    ready()?;
    fs::File::from(reader).read_exact(&mut [0])?;
    Err(io::Error::other("there was something to read"))
}

/// As dumb-init does.
fn sigwait() -> Never {
    block(&[Signal::SIGTERM])?;
    ready()?;
    SigSet::from(Signal::SIGTERM).wait()?;
    exit(0)
}

/// As tini does: it asks, does something else, and asks again.
fn sigtimedwait() -> Never {
    block(&[Signal::SIGTERM])?;
    ready()?;
    while !sys::take_within(Signal::SIGTERM, 20_000_000)? {}
    exit(0)
}

/// As catatonit, s6 and systemd do.
fn signalfd() -> Never {
    block(&[Signal::SIGTERM])?;
    let fd = SignalFd::new(&SigSet::from(Signal::SIGTERM))?;
    ready()?;
    let mut file = fs::File::from(fd.as_fd().try_clone_to_owned()?);
    file.read_exact(&mut [0; 128])?;
    exit(0)
}

/// Blocks SIGTERM until it is told to go on, when there is still no handler.
fn unblocks() -> Never {
    block(&[Signal::SIGTERM, Signal::SIGUSR1])?;
    ready()?;
    SigSet::from(Signal::SIGUSR1).wait()?;
    SigSet::from(Signal::SIGTERM).thread_unblock()?;
    settled()
}

/// As the runtime of node does, and that of Go: the handler makes way for the default and raises the signal again.
/// While it runs the signal is blocked, unless it asks for the contrary.
fn raises(flags: SaFlags) -> Never {
    sys::handle(Signal::SIGTERM, Handler::Raise, flags)?;
    ready()?;
    // not pause(2): the signal may come before it
    while !sys::has_raised() {
        std::thread::sleep(Duration::from_millis(5));
    }
    settled()
}

fn settled() -> Never {
    prctl::set_name(c"settled")?;
    forever()
}

/// The first thread blocks the signal, another one takes it.
fn other_thread() -> Never {
    sys::handle(Signal::SIGTERM, Handler::Exit, SaFlags::SA_RESTART)?;
    std::thread::spawn(|| forever());
    block(&[Signal::SIGTERM])?;
    waits()
}

/// Its first thread blocks what it has no handler for, and another thread does not.
fn unprotected_thread() -> Never {
    // until it runs, a new thread blocks everything
    let (runs, running) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        runs.send(()).unwrap_or_default();
        forever()
    });
    running.recv().map_err(io::Error::other)?;
    block(&[Signal::SIGTERM])?;
    waits()
}

/// Survives what its child sends it.
fn attacked() -> Never {
    for how in ["term", "kill", "stop"] {
        child(&["send", how])?;
    }
    waits()
}

/// Is sent a signal in every way there is.
fn addressed() -> Never {
    for signal in [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
        sys::handle(signal, Handler::Nothing, SaFlags::SA_RESTART)?;
    }
    for how in ["with-kill", "with-sigqueue", "to-thread", "with-pidfd", "to-group"] {
        child(&["send", how])?;
    }
    waits()
}

/// Runs another actor until it ends. It begins when we say so: while a child is made all signals are blocked.
fn child(args: &[&str]) -> io::Result<()> {
    let mut child = Command::new(own()?).arg(COMMAND).args(args).stdin(Stdio::piped()).spawn()?;
    child.stdin.as_mut().ok_or_else(|| io::Error::other("there is no pipe"))?.write_all(b"\n")?;
    let status = child.wait()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{args:?} ended with {status}"))) }
}

fn own() -> io::Result<std::path::PathBuf> {
    std::env::current_exe()
}

/// Sends the parent a signal. The parent takes it before it learns that we have ended.
fn send(how: &str) -> Never {
    prctl::set_name(c"sender")?;
    io::stdin().read_exact(&mut [0])?;
    let parent = getppid();
    let pid = parent.as_raw();
    match how {
        "term" => kill(parent, Signal::SIGTERM)?,
        "kill" => kill(parent, Signal::SIGKILL)?,
        "stop" => kill(parent, Signal::SIGSTOP)?,
        "with-kill" => kill(parent, Signal::SIGUSR1)?,
        "with-sigqueue" => sys::queue(pid, Signal::SIGUSR2 as i32)?,
        "to-thread" => sys::to_thread(pid, Signal::SIGHUP)?,
        "with-pidfd" => sys::by_pidfd(pid, Signal::SIGINT)?,
        "to-group" => {
            // not to us
            nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
            kill(Pid::from_raw(-pid), Signal::SIGQUIT)?;
        }
        _ => return Err(io::Error::other("there is no such way")),
    }
    exit(0)
}

/// Touches what it must not, when it is told to.
fn faults() -> Never {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    sys::default(Signal::SIGSEGV)?;
    block(&[Signal::SIGUSR1])?;
    ready()?;
    SigSet::from(Signal::SIGUSR1).wait()?;
    Err(sys::fault())
}

/// Exits at once, and leaves a child to the kernel.
fn leaves() -> Never {
    let mut child =
        Command::new(own()?).args([COMMAND, "bystander"]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut output = child.stdout.take().ok_or_else(|| io::Error::other("there is no pipe"))?;
    output.read_exact(&mut [0; 5])?;
    catches()
}
