//! What `/proc` tells of one process beside its masks. What cannot be read is left out.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::event::TaskKey;
use crate::signal::SignalSet;

use super::go::{self, GoFile};
use super::subject::{Go, SignalFd};

/// What is read of a command line, bytes, and how many words of it are kept.
const MAX_COMMAND: u64 = 4 << 10;
const MAX_WORDS: usize = 64;
/// File descriptors looked at. A process that has more is not looked at to the end.
const MAX_FDS: usize = 16 << 10;
/// `USER_HZ`: what `/proc` counts starts in, on every architecture we support.
const NS_PER_TICK: u64 = 10_000_000;

/// The command line.
pub(super) fn command(pid: u32) -> Vec<String> {
    let mut bytes = Vec::new();
    let read =
        File::open(format!("/proc/{pid}/cmdline")).and_then(|file| file.take(MAX_COMMAND).read_to_end(&mut bytes));
    if read.is_err() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    text.trim_end_matches('\0').split('\0').filter(|_| !bytes.is_empty()).take(MAX_WORDS).map(str::to_owned).collect()
}

/// The executable, as the process sees it itself.
pub(super) fn executable(pid: u32) -> Option<String> {
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    Some(path.to_string_lossy().into_owned())
}

/// Whether it is the process that it was, and its state: one letter as in `/proc/PID/stat`.
pub(super) fn state(key: TaskKey) -> Option<char> {
    let stat = procfs::process::Process::new(i32::try_from(key.pid).ok()?).ok()?.stat().ok()?;
    (stat.starttime == key.start / NS_PER_TICK).then_some(stat.state)
}

/// The signalfds of a process; `None` when we may not look at its file descriptors, or there are too many.
pub(super) fn signalfds(pid: u32) -> Option<Vec<SignalFd>> {
    let mut found = Vec::new();
    for (n, entry) in fs::read_dir(format!("/proc/{pid}/fd")).ok()?.enumerate() {
        if n >= MAX_FDS {
            return None;
        }
        let path = entry.ok()?.path();
        // closed since
        let Ok(target) = fs::read_link(&path) else { continue };
        if target != Path::new("anon_inode:[signalfd]") {
            continue;
        }
        let fd = path.file_name()?.to_str()?.parse().ok()?;
        let Ok(info) = fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")) else { continue };
        found.push(SignalFd { fd, mask: mask(&info)? });
    }
    found.sort_by_key(|found| found.fd);
    Some(found)
}

/// `sigmask:` of a signalfd's fdinfo: what can be read from it.
/// <https://github.com/torvalds/linux/blob/v6.18/fs/signalfd.c>
pub(super) fn mask(fdinfo: &str) -> Option<SignalSet> {
    let digits = fdinfo.lines().find_map(|line| line.strip_prefix("sigmask:"))?;
    u64::from_str_radix(digits.trim(), 16).ok().map(SignalSet)
}

/// Executables that were looked into: containers of one image run the same.
#[derive(Debug, Default)]
pub(super) struct Executables(HashMap<(u64, u64), Option<GoFile>>);

impl Executables {
    /// What the executable of a process tells, if it was made by Go.
    pub(super) fn go(&mut self, pid: u32) -> Option<Go> {
        let file = File::open(format!("/proc/{pid}/exe")).ok()?;
        let metadata = file.metadata().ok()?;
        let found = self.0.entry((metadata.dev(), metadata.ino())).or_insert_with(|| go::inspect(&file));
        found.map(|found| found.of(pid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_details() {
        let pid = std::process::id();
        assert!(!command(pid).is_empty() && executable(pid).is_some_and(|exe| exe.contains("tracer_user")));
        assert_eq!(signalfds(pid), Some(vec![]));
        assert_eq!(Executables::default().go(pid), None);
        assert_eq!(command(0), Vec::<String>::new());
        assert_eq!((executable(0), signalfds(0), state(TaskKey { pid: 0, start: 0 })), (None, None, None));
    }

    #[test]
    fn the_mask_of_a_signalfd() {
        let info = "pos:\t0\nflags:\t02004002\nmnt_id:\t15\nino:\t1057\nsigmask:\tfffffffe7ffbfeff\n";
        assert_eq!(mask(info), Some(SignalSet(0xffff_fffe_7ffb_feff)));
        assert_eq!(mask("pos:\t0\n"), None);
        assert_eq!(mask("sigmask:\tx\n"), None);
    }
}
