//! The two hidden programs that make a container: the shim outside of it, and its first process on the way to the
//! entrypoint.
//!
//! The shim talks to whoever started it in lines. It is told `signal NUMBER` and `leave`; it reports `ready PID`,
//! `error MESSAGE` and `exit WAIT-STATUS`.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};

use anyhow::Context as _;
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Gid, Pid, Uid, dup2_stdout, setgid, setgroups, sethostname, setuid};
use serde::{Deserialize, Serialize};

use super::{cgroup, probe, sys};

/// The hidden subcommand.
pub const COMMAND: &str = "sandbox-init";
/// What the process is called that sends a container its signals.
pub const SHIM_NAME: &str = crate::model::OWN_SHIM;
/// What an entrypoint that announces itself writes to its standard output once it can be stopped.
pub const READY: &str = "ready";
const SHIM: &str = "shim";
const ENTER: &str = "enter";

/// A container to make.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Directory of its cgroup, which exists.
    pub cgroup: PathBuf,
    /// Its host name; that of the host when none is given.
    pub hostname: Option<String>,
    /// No pid namespace of its own, as in a pod with `hostPID` or `shareProcessNamespace`.
    pub share_pid: bool,
    /// Entrypoint and arguments.
    pub command: Vec<String>,
    /// The entrypoint says [`READY`] on its standard output. Where it does not, what is reported is that it runs, and
    /// its standard output and error are the shim's standard error.
    pub announces: bool,
    /// Who it runs as; root when nobody is named.
    pub user: Option<User>,
    /// Where it runs.
    pub workdir: PathBuf,
}

/// Whom a process runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// User.
    pub uid: u32,
    /// Group, and the only one.
    pub gid: u32,
}

impl User {
    /// Becomes this one.
    pub(super) fn become_it(self) -> anyhow::Result<()> {
        setgroups(&[Gid::from_raw(self.gid)]).context("cannot set the groups")?;
        setgid(Gid::from_raw(self.gid)).with_context(|| format!("cannot become group {}", self.gid))?;
        setuid(Uid::from_raw(self.uid)).with_context(|| format!("cannot become user {}", self.uid))
    }
}

/// This program, to be run again. Its real path is preferred to `/proc/self/exe`, whose last part the kernel would
/// make the process's name until the actor sets a better one.
pub(crate) fn own_binary() -> PathBuf {
    let by_link = PathBuf::from("/proc/self/exe");
    std::env::current_exe().ok().filter(|path| path.exists()).unwrap_or(by_link)
}

/// What `/dev/null` is for, without it: it may be missing in an initramfs that has nothing but this program. To read
/// from, it is at its end; to write to, it is closed.
pub(crate) fn nothing() -> io::Result<Stdio> {
    match File::options().read(true).write(true).open("/dev/null") {
        Ok(null) => Ok(null.into()),
        Err(_) => UnixStream::pair().map(|(end, _)| OwnedFd::from(end).into()),
    }
}

/// The command that starts a shim; the caller adds the pipes.
pub(super) fn shim_command(binary: &Path, spec: &Spec) -> anyhow::Result<Command> {
    let mut command = Command::new(binary);
    // A process group of its own: Ctrl-C is for whoever started it, who then stops its containers in order.
    command.args([COMMAND, SHIM, &serde_json::to_string(spec)?]).process_group(0);
    Ok(command)
}

/// Runs the hidden subcommand.
pub(super) fn run(role: &str, spec: &str) -> ExitCode {
    let result = match role {
        SHIM => read(spec).and_then(|spec| shim(&spec)).map(|()| ExitCode::SUCCESS),
        ENTER => read(spec).and_then(|spec| enter(&spec)).map(|never| match never {}),
        probe::OUTSIDE => read(spec).and_then(|spec| probe::outside(&spec)),
        probe::INSIDE => read(spec).and_then(|spec| probe::inside(&spec)).map(|never| match never {}),
        _ => Err(anyhow::anyhow!("{role:?} is no role")),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            // Nobody may be there to read it any more.
            say(&format!("error {error:#}")).unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

fn read<'a, T: Deserialize<'a>>(spec: &'a str) -> anyhow::Result<T> {
    serde_json::from_str(spec).context("the specification cannot be read")
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", line.replace('\n', " "))?;
    out.flush()
}

/// Becomes the container's first process: runs in its pid namespace already, and is replaced by the entrypoint.
fn enter(spec: &Spec) -> anyhow::Result<Infallible> {
    sys::reset().context("cannot reset the signals")?;
    // Should the shim be killed, nothing may be left behind; the namespace ends with its first process.
    prctl::set_pdeathsig(Signal::SIGKILL).context("cannot ask to be killed with the shim")?;
    fs::write(spec.cgroup.join("cgroup.procs"), "0").context("cannot join the container's cgroup")?;
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS).context("cannot unshare mounts and host name")?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).context("cannot make the mounts private")?;
    if !spec.share_pid {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>).context("cannot mount /proc")?;
    }
    if let Some(hostname) = &spec.hostname {
        sethostname(hostname).context("cannot set the host name")?;
    }
    spec.user.map_or(Ok(()), User::become_it)?;
    // another user's process forgets it
    prctl::set_pdeathsig(Signal::SIGKILL).context("cannot ask to be killed with the shim")?;
    let workdir = &spec.workdir;
    std::env::set_current_dir(workdir).with_context(|| format!("cannot enter {}", workdir.display()))?;
    let (program, args) = spec.command.split_first().context("there is no entrypoint")?;
    let mut command = Command::new(program);
    command.args(args);
    if spec.announces {
        return Err(command.exec()).with_context(|| format!("cannot run {program}"));
    }
    // The shim's end of our pipe tells that the program runs: it closes with this copy.
    let report = io::stdout().as_fd().try_clone_to_owned().context("cannot keep the shim's pipe")?;
    dup2_stdout(io::stderr()).context("cannot set the standard output")?;
    let error = command.exec();
    // so that it reaches the shim
    dup2_stdout(&report).context("cannot set the standard output")?;
    Err(error).with_context(|| format!("cannot run {program}"))
}

/// Stays outside: starts the container, passes signals to it, reports its end, and leaves nothing of it behind.
fn shim(spec: &Spec) -> anyhow::Result<()> {
    sys::reset().context("cannot reset the signals")?;
    prctl::set_name(&std::ffi::CString::new(SHIM_NAME)?)?;
    let end = match supervise(spec) {
        Ok(end) => end,
        Err(error) => {
            cgroup::remove(&spec.cgroup).unwrap_or_default();
            return Err(error);
        }
    };
    cgroup::remove(&spec.cgroup).with_context(|| format!("cannot remove {}", spec.cgroup.display()))?;
    // Who vanished cannot remove its own directory. The last of its shims succeeds.
    if let (End::Abandoned, Some(root)) = (end, spec.cgroup.parent()) {
        fs::remove_dir(root).unwrap_or_default();
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Who started it said `leave`.
    Asked,
    /// Who started it closed the pipe without a word: it was killed.
    Abandoned,
}

fn supervise(spec: &Spec) -> anyhow::Result<End> {
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    children.thread_block().context("cannot block SIGCHLD")?;
    let exits = SignalFd::with_flags(&children, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
    let mut first = First::start(spec)?;
    let mut orders = Lines::new(io::stdin().lock());
    let end = loop {
        let mut watched = vec![PollFd::new(orders.from.as_fd(), PollFlags::POLLIN)];
        watched.push(PollFd::new(exits.as_fd(), PollFlags::POLLIN));
        if let Some(output) = &first.output {
            watched.push(PollFd::new(output.from.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut watched, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error).context("cannot wait for the container"),
        }
        let due: Vec<bool> = watched.iter().map(|fd| fd.any().unwrap_or_default()).collect();
        // The order matters: an entrypoint that is ready and ends at once is reported as ready first.
        if due.get(2) == Some(&true) {
            first.hear()?;
        }
        if due[1] {
            while exits.read_signal()?.is_some() {}
            first.reap()?;
        }
        if due[0] {
            let Some(lines) = orders.read() else { break End::Abandoned };
            if lines.iter().any(|line| line == "leave") {
                break End::Asked;
            }
            for number in lines.iter().filter_map(|line| line.strip_prefix("signal ")) {
                first.signal(Signal::try_from(number.parse::<i32>()?)?)?;
            }
        }
    };
    first.end()?;
    Ok(end)
}

/// The container's first process, from outside.
struct First {
    process: Child,
    pid: u32,
    running: bool,
    announces: bool,
    /// Its standard output, until it has said what we wait for.
    output: Option<Lines<ChildStdout>>,
}

impl First {
    fn start(spec: &Spec) -> anyhow::Result<Self> {
        if !spec.share_pid {
            unshare(CloneFlags::CLONE_NEWPID).context("cannot make a pid namespace")?;
        }
        let mut command = Command::new(own_binary());
        command.args([COMMAND, ENTER, &serde_json::to_string(spec)?]).process_group(0);
        let mut process = command.stdin(nothing()?).stdout(Stdio::piped()).spawn()?;
        let output = process.stdout.take().map(Lines::new);
        Ok(Self { pid: process.id(), process, running: true, announces: spec.announces, output })
    }

    /// Passes on the first thing that the entrypoint says; or, where it does not speak to us, that it runs: that has
    /// closed the pipe.
    fn hear(&mut self) -> io::Result<()> {
        let Some(output) = &mut self.output else { return Ok(()) };
        let said = output.read();
        match said.as_ref().map(|lines| lines.first()) {
            Some(None) => return Ok(()),
            Some(Some(line)) if line == READY => say(&format!("ready {}", self.pid))?,
            Some(Some(line)) => say(line)?,
            None if !self.announces => say(&format!("ready {}", self.pid))?,
            None => say("error the entrypoint ended before it was ready")?,
        }
        self.output = None;
        Ok(())
    }

    fn reap(&mut self) -> io::Result<()> {
        if let Some(status) = self.process.try_wait()?.filter(|_| self.running) {
            self.running = false;
            say(&format!("exit {}", status.into_raw()))?;
        }
        Ok(())
    }

    /// Sends a signal. The pid cannot be another's: only this process reaps it.
    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        if self.running {
            kill(Pid::from_raw(self.pid.try_into()?), signal)?;
        }
        Ok(())
    }

    /// Ends it. As the init of a namespace it takes all others along.
    fn end(&mut self) -> io::Result<()> {
        if self.running {
            self.process.kill()?;
            self.process.wait()?;
        }
        Ok(())
    }
}

/// Lines from a pipe that is read only when poll(2) says so.
struct Lines<R> {
    from: R,
    partial: Vec<u8>,
}

impl<R: Read> Lines<R> {
    fn new(from: R) -> Self {
        Self { from, partial: Vec::new() }
    }

    /// What is there, without waiting; `None` at the end.
    fn read(&mut self) -> Option<Vec<String>> {
        let mut chunk = [0; 512];
        match self.from.read(&mut chunk) {
            Ok(length) if length > 0 => self.partial.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => return None,
        }
        let complete = self.partial.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let lines: Vec<u8> = self.partial.drain(..complete).collect();
        Some(String::from_utf8_lossy(&lines).lines().map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_arrive_in_pieces() {
        let mut lines = Lines::new(&b"signal 15\nlea"[..]);
        assert_eq!(lines.read(), Some(vec!["signal 15".to_owned()]));
        lines.from = b"ve\n";
        assert_eq!(lines.read(), Some(vec!["leave".to_owned()]));
        assert_eq!(lines.read(), None);
    }
}
