//! Other tools that show signals, as Debian has them. Those that are not installed are named.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Another tool.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) name: &'static str,
    program: PathBuf,
    args: &'static [&'static str],
    /// It starts what it looks at, instead of looking at the whole machine.
    pub(super) wraps: bool,
}

const ALL: [(&str, &str, &[&str], bool); 5] = [
    ("bpftrace killsnoop", "killsnoop.bt", &[], false),
    ("libbpf-tools killsnoop", "killsnoop", &[], false),
    ("libbpf-tools sigsnoop", "sigsnoop", &[], false),
    ("perf trace", "perf", &["trace", "-a", "-e", "signal:signal_generate", "-e", "signal:signal_deliver"], false),
    ("strace", "strace", &["-f", "-o", "/dev/null", "-e", "trace=kill,tkill,tgkill"], true),
];

const PLACES: [&str; 5] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin"];

/// Those that are installed, and the names of the others.
pub(super) fn installed() -> (Vec<Peer>, Vec<String>) {
    let (mut there, mut absent) = (Vec::new(), Vec::new());
    for (name, program, args, wraps) in ALL {
        match PLACES.iter().map(|place| PathBuf::from(place).join(program)).find(|file| file.is_file()) {
            Some(program) => there.push(Peer { name, program, args, wraps }),
            None => absent.push(name.to_owned()),
        }
    }
    (there, absent)
}

impl Peer {
    /// How it is started; what it prints nobody reads.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.args).stdout(Stdio::null());
        command
    }

    /// The command, started and looked at by it.
    pub(super) fn around(&self, inner: &Command) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.args).arg(inner.get_program()).args(inner.get_args());
        command
    }
}
