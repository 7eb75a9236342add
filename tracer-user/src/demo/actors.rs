//! Built-in stand-ins for the programs that run in containers. Each does with signals and children exactly what its
//! archetype does, and nothing else.
//!
//! An actor writes [`READY`] to its standard output once its handlers are in place and its
//! children are ready; children write theirs to a pipe that their parent reads.

use std::convert::Infallible;
use std::ffi::CString;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio, exit};
use std::thread::sleep;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getppid, pause};

use crate::sandbox::shim::{READY, nothing, own_binary};
use crate::sandbox::sys::{self, Caught};

/// The hidden subcommand.
pub const COMMAND: &str = "demo-actor";
/// How many zombies the negligent actors have made when they are ready.
pub const ZOMBIES: usize = 4;
/// How long a well-behaved one takes to finish its requests: longer than the second within which a load balancer may
/// still send new ones.
const DRAIN: Duration = Duration::from_millis(1100);

type Never = Result<Infallible, io::Error>;
type Actor = fn() -> Never;

/// Name on the command line, name of the process, and what it does.
const ACTORS: &[(&str, &str, Actor)] = &[
    // first processes
    ("no-handler", "app", no_handler),
    ("no-handler-alone", "app", no_handler_alone),
    ("drains", "app", drains),
    ("waits-for-child", "sh-like", waits_for_child),
    ("leaves-child", "sh-like", leaves_child),
    ("slow", "app", slow),
    ("tini-like", "tini-like", tini_like),
    ("ignores", "app", ignores),
    ("blocks", "app", blocks),
    ("never-reaps", "app", never_reaps),
    ("adopts", "app", adopts),
    ("supervisor", "supervisor", supervisor),
    ("attacked", "app", attacked),
    ("node-like", "node-like", node_like),
    ("prefork", "prefork", prefork),
    // their children
    ("worker", "worker", sleeper),
    ("draining-worker", "worker", draining_worker),
    ("job", "job", job),
    ("launcher", "launcher", launcher),
    ("helper", "helper", helper),
    ("crashing-worker", "worker", crashing_worker),
    ("attacker", "sh-like", attacker),
    ("prefork-child", "prefork-child", prefork_child),
];

/// Runs an actor; returns only when there is none of that name, or something went wrong.
pub(super) fn run(name: &str) -> ExitCode {
    let Some((_, comm, act)) = ACTORS.iter().find(|(known, ..)| *known == name) else { return ExitCode::from(2) };
    let prepared = CString::new(*comm).map_err(io::Error::other).and_then(|comm| {
        sys::reset()?;
        Ok(prctl::set_name(&comm)?)
    });
    match prepared.and_then(|()| act()) {
        Ok(never) => match never {},
        Err(error) => {
            // The shim passes this on. It may be gone already: then nobody wants to know.
            writeln!(io::stdout(), "error the actor {name} failed: {error}").unwrap_or_default();
            ExitCode::from(70)
        }
    }
}

/// Whether there is an actor of this name.
#[must_use]
pub fn exists(name: &str) -> bool {
    ACTORS.iter().any(|(known, ..)| *known == name)
}

fn ready() -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{READY}")?;
    out.flush()
}

fn forever() -> ! {
    loop {
        pause();
    }
}

/// Starts another actor as a child.
fn spawn(name: &str) -> io::Result<(Child, BufReader<ChildStdout>)> {
    let mut command = Command::new(own_binary());
    let mut child = command.args([COMMAND, name]).stdin(nothing()?).stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().ok_or_else(|| io::Error::other("there is no pipe"))?;
    Ok((child, BufReader::new(output)))
}

/// Starts another actor as a child, and waits until it is ready.
fn spawn_ready(name: &str) -> io::Result<Child> {
    let (child, mut output) = spawn(name)?;
    let mut line = String::new();
    output.read_line(&mut line)?;
    if line.trim_end() == READY { Ok(child) } else { Err(io::Error::other(format!("{name}: {line}"))) }
}

/// Waits until everyone who holds the other end of the pipe has exited.
fn until_closed(mut output: BufReader<ChildStdout>) -> io::Result<()> {
    io::copy(&mut output.by_ref(), &mut io::sink()).map(drop)
}

fn pid(child: &Child) -> io::Result<Pid> {
    i32::try_from(child.id()).map(Pid::from_raw).map_err(io::Error::other)
}

/// The exit code by which a shell tells how its child ended.
fn shell_code(status: std::process::ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}

/// Like an application that never thought of signals.
fn no_handler() -> Never {
    let _worker = spawn_ready("worker")?;
    no_handler_alone()
}

fn no_handler_alone() -> Never {
    ready()?;
    forever()
}

/// Like a server that stops in order: passes the signal on, finishes its requests, waits for its worker.
fn drains() -> Never {
    let mut caught = Caught::catch(Signal::SIGTERM)?;
    let mut worker = spawn_ready("draining-worker")?;
    ready()?;
    caught.wait()?;
    kill(pid(&worker)?, Signal::SIGTERM)?;
    worker.wait()?;
    exit(0)
}

/// Like `bash` with a trap, or npm: it takes the signal, tells nobody, and waits for its child.
fn waits_for_child() -> Never {
    let _caught = Caught::catch(Signal::SIGTERM)?;
    let mut worker = spawn_ready("worker")?;
    ready()?;
    exit(shell_code(worker.wait()?))
}

/// Like a wrapper script that exits in its trap: the kernel kills whoever is left.
fn leaves_child() -> Never {
    let mut caught = Caught::catch(Signal::SIGTERM)?;
    let _worker = spawn_ready("worker")?;
    ready()?;
    caught.wait()?;
    exit(0)
}

/// Like a server whose clean-up takes a minute.
fn slow() -> Never {
    let mut caught = Caught::catch(Signal::SIGTERM)?;
    ready()?;
    caught.wait()?;
    sleep(Duration::from_mins(1));
    exit(0)
}

/// Like tini: blocks every signal and waits for them, passes them on, reaps, and exits as its child did.
fn tini_like() -> Never {
    let all = SigSet::all();
    all.thread_set_mask()?;
    let main = pid(&spawn_ready("draining-worker")?)?;
    ready()?;
    loop {
        match all.wait()? {
            Signal::SIGCHLD => {
                if let Some(code) = reap_all(main)? {
                    exit(code)
                }
            }
            signal => kill(main, signal)?,
        }
    }
}

/// Reaps whoever exited; tells the exit code of `main` when it was among them.
fn reap_all(main: Pid) -> io::Result<Option<i32>> {
    let mut code = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(who, status)) if who == main => code = Some(status),
            Ok(WaitStatus::Signaled(who, signal, _)) if who == main => code = Some(128 + signal as i32),
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(code),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn ignores() -> Never {
    sys::ignore(Signal::SIGTERM)?;
    no_handler_alone()
}

/// Like a program that blocks signals for a moment and forgets to unblock them.
fn blocks() -> Never {
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGTERM);
    blocked.thread_block()?;
    no_handler_alone()
}

/// Like an application that starts jobs and never waits for them: the zombies are its own children.
fn never_reaps() -> Never {
    make_zombies(|| until_closed(spawn("job")?.1))
}

/// Like an application that waits for the children it started, but as PID 1 adopts others and does not know of them.
fn adopts() -> Never {
    make_zombies(|| {
        // The helper inherits the launcher's end of the pipe, which closes when both have exited.
        let (mut launcher, output) = spawn("launcher")?;
        launcher.wait()?;
        until_closed(output)
    })
}

/// A few at once, then more and more.
fn make_zombies(mut one: impl FnMut() -> io::Result<()>) -> Never {
    for _ in 0..ZOMBIES {
        one()?;
    }
    ready()?;
    loop {
        sleep(Duration::from_millis(500));
        one()?;
    }
}

/// Like a process manager whose worker cannot start: it stays up, and replaces the worker for ever.
fn supervisor() -> Never {
    let (mut worker, _output) = spawn("crashing-worker")?;
    ready()?;
    loop {
        worker.wait()?;
        worker = spawn("crashing-worker")?.0;
    }
}

/// Survives what its child does to it: the kernel drops both signals. It says that it is ready afterwards.
fn attacked() -> Never {
    let status = spawn("attacker")?.0.wait()?;
    if !status.success() {
        return Err(io::Error::other(format!("the attacker ended with {status}")));
    }
    no_handler_alone()
}

/// Like node without a handler in the program: the runtime's own handler goes back to default and raises the signal
/// again, which kills any process but PID 1.
fn node_like() -> Never {
    sys::reraise(Signal::SIGTERM)?;
    no_handler_alone()
}

/// Like a prefork web server: its children take PID 1 as their parent for a sign that the real one has died.
fn prefork() -> Never {
    ready()?;
    let children = (0..4).map(|_| spawn("prefork-child")).collect::<io::Result<Vec<_>>>()?;
    for (mut child, _output) in children {
        child.wait()?;
    }
    // long enough for an observer to see the server up with nobody serving
    sleep(Duration::from_secs(1));
    exit(1)
}

fn sleeper() -> Never {
    ready()?;
    forever()
}

fn draining_worker() -> Never {
    let mut caught = Caught::catch(Signal::SIGTERM)?;
    ready()?;
    caught.wait()?;
    sleep(DRAIN);
    exit(0)
}

fn job() -> Never {
    exit(0)
}

/// Starts a helper and exits: a double fork.
fn launcher() -> Never {
    let mut command = Command::new(own_binary());
    drop(command.args([COMMAND, "helper"]).stdin(nothing()?).spawn()?);
    exit(0)
}

/// Ends well after the launcher did, so that it is an orphan by then.
fn helper() -> Never {
    sleep(Duration::from_millis(100));
    exit(0)
}

fn crashing_worker() -> Never {
    sleep(Duration::from_millis(150));
    exit(1)
}

/// `kill 1; kill -9 1`, as people try in a shell of the container.
fn attacker() -> Never {
    kill(Pid::from_raw(1), Signal::SIGTERM)?;
    kill(Pid::from_raw(1), Signal::SIGKILL)?;
    exit(0)
}

fn prefork_child() -> Never {
    if getppid() == Pid::from_raw(1) {
        exit(1)
    }
    forever()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_names_are_whole() {
        for (name, comm, _) in ACTORS {
            assert!(comm.len() <= 15, "{name}: the kernel keeps 15 bytes of {comm}");
            assert_eq!(ACTORS.iter().filter(|(other, ..)| other == name).count(), 1, "{name}");
        }
    }
}
