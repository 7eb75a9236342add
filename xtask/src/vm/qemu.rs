//! One virtual machine: started, listened to, and ended.

use crate::setup::kernels::Arch;
use crate::{sh, ui};
use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// What a machine is made of.
pub(super) struct Machine<'a> {
    /// What its processor is.
    pub(super) arch: Arch,
    /// The kernel image.
    pub(super) kernel: &'a Path,
    /// Its first and only file system.
    pub(super) initramfs: &'a Path,
    /// qemu's accelerator.
    pub(super) accel: &'a str,
}

/// What was on the serial console.
pub(super) struct Console {
    /// Its lines.
    pub(super) text: Vec<String>,
    /// Why there are no more.
    pub(super) end: End,
}

/// How the listening to a machine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The last line that was waited for came.
    Done,
    /// qemu ended before that.
    Off,
    /// This time was over before that.
    Late(Duration),
}

/// Ends the process when the waiting ends, whichever way.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Machine<'_> {
    /// Boots it and listens to its console until its last line comes, it switches itself off, or the time is over.
    pub(super) fn run(&self, limit: Duration, last_line: &str) -> Result<Console> {
        let (program, model, console) = match self.arch {
            Arch::X86 => ("qemu-system-x86_64", ["-cpu", "max"].as_slice(), "ttyS0"),
            // The first of its kind: what runs here runs on the others, and there are no signed pointers, which take
            // half of the time when they are emulated.
            Arch::Arm => ("qemu-system-aarch64", ["-machine", "virt", "-cpu", "cortex-a72"].as_slice(), "ttyAMA0"),
        };
        let mut command = sh::cmd(program);
        command.args(["-accel", self.accel]).args(model).args(["-smp", "2", "-m", "1024", "-no-reboot"]);
        command.args(["-nodefaults", "-display", "none", "-monitor", "none", "-serial", "stdio"]);
        command.arg("-kernel").arg(self.kernel).arg("-initrd").arg(self.initramfs);
        // panic=-1: a machine that panics ends at once instead of waiting for the deadline.
        command.args(["-append", &format!("console={console} quiet panic=-1")]);
        ui::command(&sh::show(&command));
        let child = command.stdout(Stdio::piped()).spawn();
        let missing = || format!("cannot start {program}: `cargo xtask setup vm` installs it");
        let mut child = Running(child.with_context(missing)?);
        let output = child.0.stdout.take().context("qemu's console is not connected")?;
        Ok(listen(&read(output), limit, last_line))
    }
}

fn read(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        // A console ends its lines with \r\n, and a crash may leave anything on it.
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn listen(lines: &Receiver<String>, limit: Duration, last_line: &str) -> Console {
    let started = Instant::now();
    let mut text = Vec::new();
    let end = loop {
        match lines.recv_timeout(limit.saturating_sub(started.elapsed())) {
            Ok(line) => {
                let done = line == last_line;
                text.push(line);
                if done {
                    break End::Done;
                }
            }
            // its output is closed
            Err(RecvTimeoutError::Disconnected) => break End::Off,
            Err(RecvTimeoutError::Timeout) => break End::Late(limit),
        }
    };
    Console { text, end }
}

#[cfg(test)]
mod tests {
    use super::{Console, End, listen};
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn the_last_line_qemus_end_and_the_limit_end_the_listening() {
        let (sender, lines) = channel();
        let console = |limit| {
            let Console { text, end } = listen(&lines, limit, "@@done");
            (text.join(" "), end)
        };
        let say = |words: &str| words.split(' ').for_each(|word| sender.send(word.to_owned()).unwrap());
        say("a @@done b");
        assert_eq!(console(Duration::from_mins(1)), ("a @@done".to_owned(), End::Done));
        let short = Duration::from_millis(10);
        assert_eq!(console(short), ("b".to_owned(), End::Late(short)));
        say("c");
        drop(sender);
        assert_eq!(console(Duration::from_mins(1)), ("c".to_owned(), End::Off));
    }
}
