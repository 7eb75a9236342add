//! Inits made for containers and machines, by their names.

use super::judge::Init;
use super::subject::{Process, Subject};

/// What an init does with the stop signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// It passes every signal on to its child, and exits when that does.
    Forwards,
    /// It has an order of its own in which its services end.
    Supervises,
}

/// Names of executables, and how each behaves.
const INITS: [(&str, Manner); 13] = [
    ("tini", Manner::Forwards),
    ("tini-static", Manner::Forwards),
    ("docker-init", Manner::Forwards),
    ("dumb-init", Manner::Forwards),
    ("catatonit", Manner::Forwards),
    ("podman-init", Manner::Forwards),
    ("s6-svscan", Manner::Supervises),
    ("s6-overlay-suexec", Manner::Supervises),
    ("systemd", Manner::Supervises),
    ("runit", Manner::Supervises),
    ("runit-init", Manner::Supervises),
    ("runsvdir", Manner::Supervises),
    ("my_init", Manner::Supervises),
];

/// Which init a program is, by its executable or, where that has another name (`/sbin/init`), its `comm`.
pub(super) fn init(comm: &str, exe: Option<&str>) -> Option<(&'static str, Manner)> {
    let file = exe.and_then(|exe| exe.trim_end_matches(" (deleted)").rsplit('/').next()).unwrap_or_default();
    INITS.into_iter().find(|(name, _)| *name == file || *name == comm)
}

/// The first process as an init, if it is one.
pub(super) fn manner(process: &Process) -> Option<(&'static str, Manner)> {
    init(&process.comm, process.exe.as_deref())
}

/// The init of a container that is nearest to its first process.
pub(super) fn init_of(subject: &Subject) -> Option<Init> {
    if let Some((name, _)) = manner(&subject.first) {
        return Some(Init { name: name.to_owned(), depth: 0 });
    }
    let below = subject.below.iter().filter_map(|member| {
        let (name, _) = init(&member.comm, member.exe.as_deref())?;
        Some(Init { name: name.to_owned(), depth: member.depth })
    });
    below.min_by_key(|init| init.depth)
}

/// Whether tini was told to reap although it is not PID 1 (`-s`, or `TINI_SUBREAPER`, which cannot be seen).
pub(super) fn is_subreaper(command: &[String]) -> bool {
    let options = command.iter().skip(1).take_while(|word| word.starts_with('-') && *word != "--");
    options.into_iter().any(|word| !word.starts_with("--") && word.contains('s'))
}
