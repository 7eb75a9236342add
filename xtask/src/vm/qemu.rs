//! One virtual machine: started, listened to, and ended.

use crate::setup::kernels::Arch;
use crate::{sh, ui};
use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
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
    /// Whether the last line that was waited for came.
    pub(super) done: bool,
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
    /// Boots it and listens to its console until it switches itself off, or the deadline passes.
    pub(super) fn run(&self, deadline: Duration, last_line: &str) -> Result<Console> {
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
        Ok(listen(&read(output), deadline, last_line))
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

fn listen(lines: &Receiver<String>, deadline: Duration, last_line: &str) -> Console {
    let started = Instant::now();
    let mut console = Console { text: Vec::new(), done: false };
    // Ends when qemu does and closes its output, when the last line came, or when the time is over.
    while let Ok(line) = lines.recv_timeout(deadline.saturating_sub(started.elapsed())) {
        console.done = line == last_line;
        console.text.push(line);
        if console.done {
            break;
        }
    }
    console
}
