//! Processes that run while something is measured, and what the kernel says of them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Whoever is not ready by then never will be.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that is killed when dropped.
pub(super) struct Running {
    child: Child,
    /// From its start until it said that it was ready.
    pub(super) ready_after: Duration,
}

impl Running {
    /// Starts it and waits for a line on its standard error that has one of these words.
    pub(super) fn start(command: &mut Command, words: &[&str]) -> Result<Self> {
        let begun = Instant::now();
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().with_context(|| cannot(command))?;
        let stderr = child.stderr.take().context("its standard error is a pipe")?;
        let mut running = Self { child, ready_after: Duration::ZERO };
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let (sender, receiver) = mpsc::channel();
        // it reads on until the end: nobody is to die of a closed pipe
        spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let at = words.iter().any(|word| line.contains(word)).then(Instant::now);
                // nobody listens any more once it is ready
                sender.send((line, at)).unwrap_or_default();
            }
        });
        let mut said = Vec::new();
        loop {
            match receiver.recv_timeout(PATIENCE) {
                Ok((_, Some(at))) => {
                    running.ready_after = at - begun;
                    return Ok(running);
                }
                Ok((line, None)) => said.push(line),
                Err(_over) => {
                    drop(running);
                    bail!("{} was never ready; it said: {}", show(command), said.join("; "));
                }
            }
        }
    }

    /// Starts it and waits until it holds what attaches a program, and for half a second more.
    pub(super) fn attached(command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().with_context(|| cannot(command))?;
        let mut running = Self { child, ready_after: Duration::ZERO };
        let begun = Instant::now();
        while !holds_a_link(running.pid()) {
            if let Some(status) = running.child.try_wait()? {
                bail!("{} ended at once: {status}", show(command));
            }
            if begun.elapsed() > PATIENCE {
                bail!("{} never attached anything", show(command));
            }
            sleep(Duration::from_millis(10));
        }
        sleep(Duration::from_millis(500));
        Ok(running)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.pid()).context("a pid is small")?;
        kill(Pid::from_raw(pid), signal).context("cannot signal what was started")
    }

    /// Asks it to end and waits until it has.
    pub(super) fn interrupt(mut self) -> Result<()> {
        self.signal(Signal::SIGINT)?;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                let fine = status.success() || status.signal() == Some(Signal::SIGINT as i32);
                anyhow::ensure!(fine, "it ended with {status}");
                return Ok(());
            }
            sleep(Duration::from_millis(5));
        }
        bail!("it does not end")
    }

    /// Waits until it has nothing left to do: what has not been read when it is asked to end may count as lost.
    pub(super) fn settle(&self) -> Result<()> {
        let begun = Instant::now();
        let (mut before, mut quiet) = (self.usage()?.cpu_ns, 0);
        while quiet < 3 {
            anyhow::ensure!(begun.elapsed() < PATIENCE, "it is still busy {} s after the load", PATIENCE.as_secs());
            sleep(Duration::from_millis(100));
            let now = self.usage()?.cpu_ns;
            // a look at the clock is no work
            quiet = if now - before < 200_000 { quiet + 1 } else { 0 };
            before = now;
        }
        Ok(())
    }

    /// What it used until now.
    pub(super) fn usage(&self) -> Result<Usage> {
        Usage::of(self.pid())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // it may have ended
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

/// Runs it to its end; its output, unless it failed.
pub(super) fn finish(command: &mut Command) -> Result<Output> {
    let output = command.stdin(Stdio::null()).output().with_context(|| cannot(command))?;
    if !output.status.success() {
        bail!("{} ended with {}: {}", show(command), output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output)
}

fn holds_a_link(pid: u32) -> bool {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let mut targets = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.any(|target| {
        let name = target.to_string_lossy();
        name.contains("[perf_event]") || name.contains("bpf_link") || name.contains("bpf-link")
    })
}

fn cannot(command: &Command) -> String {
    format!("cannot start {}", show(command))
}

fn show(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// What the threads of a process used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Times that a thread slept and was woken.
    pub(super) wakeups: u64,
    /// Processor time, ns.
    pub(super) cpu_ns: u64,
}

impl Usage {
    fn of(pid: u32) -> Result<Self> {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).context("it has ended")?;
        let mut sum = Self::default();
        for task in tasks.flatten() {
            let read = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
            sum.wakeups += number(&read("status"), "voluntary_ctxt_switches:");
            let scheduled = read("schedstat");
            sum.cpu_ns += scheduled.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0);
        }
        Ok(sum)
    }

    /// What was used since.
    pub(super) const fn since(self, before: Self) -> Self {
        Self { wakeups: self.wakeups.saturating_sub(before.wakeups), cpu_ns: self.cpu_ns.saturating_sub(before.cpu_ns) }
    }
}

/// The number after a name at the beginning of a line.
pub(super) fn number(text: &str, name: &str) -> u64 {
    let rest = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    rest.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn a_number_is_found_by_the_whole_name() {
        let status = "VmRSS:\t   1024 kB\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t9\n";
        assert_eq!(number(status, "voluntary_ctxt_switches:"), 7);
        assert_eq!(number(status, "VmRSS:"), 1024);
        assert_eq!(number(status, "VmHWM:"), 0);
    }
}
