//! Remarks beside a finding: what is odd about the container's shape, and what happens behind its first process.

use crate::event::Foreseen;
use crate::model::{Meaning, Program, are_several, command_name, in_time};
use crate::signal::Signal;

use super::fate::{Fate, fate, names, program};
use super::judge::{Note, NoteKind};
use super::known::{self, Manner};
use super::subject::{Member, Process, Subject};

/// All there is to remark.
pub(super) fn notes(subject: &Subject, fate: &Fate) -> Vec<Note> {
    let first = &subject.first;
    [
        shell_form(subject),
        init_not_first(subject),
        forwarded(subject, fate),
        trap_deferred(subject, fate),
        other_meaning(subject, fate),
        not_init(first, fate),
        stopped(first),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The command that a shell runs: `sh -c COMMAND`.
fn command_of_shell(process: &Process) -> Option<&str> {
    if program(process) != Program::Shell {
        return None;
    }
    let mut words = process.command.iter().skip(1);
    let option = |word: &&String| word.starts_with('-') && !word.starts_with("--") && word.contains('c');
    words.find(option)?;
    words.next().map(String::as_str)
}

fn shell_form(subject: &Subject) -> Option<Note> {
    let first = &subject.first;
    command_of_shell(first)?;
    let child = child(subject)?;
    Some(Note::new(
        NoteKind::ShellForm,
        format!(
            "The entrypoint is a shell ({} -c …) that runs {} as its child and stays the first process itself: the shell form of CMD or ENTRYPOINT, or a script without exec.",
            first.comm,
            named(child)
        ),
    ))
}

fn init_not_first(subject: &Subject) -> Option<Note> {
    let found = known::init_of(subject).filter(|init| init.depth > 0)?;
    let member = subject
        .below
        .iter()
        .find(|member| member.depth == found.depth && known::init(&member.comm, member.exe.as_deref()).is_some())?;
    let reaps = if found.name.starts_with("tini") && known::is_subreaper(&member.command) {
        "it reaps (-s), but the stop signal does not go to it"
    } else {
        "the stop signal does not go to it, and orphans are not its to reap"
    };
    Some(Note::new(
        NoteKind::InitNotFirst,
        format!(
            "{} is there, but not as the first process: it is {} below {}, so {reaps}. Put it first: ENTRYPOINT [\"{}\", \"--\", …].",
            found.name,
            if found.depth == 1 { "directly".to_owned() } else { format!("{} levels", found.depth) },
            subject.first.called(),
            found.name
        ),
    ))
}

/// What the child of an init that forwards would do.
fn forwarded(subject: &Subject, own: &Fate) -> Option<Note> {
    let (name, manner) = known::manner(&subject.first)?;
    if manner != Manner::Forwards || !matches!(own.foreseen, Foreseen::Taken | Foreseen::Caught) {
        return None;
    }
    let signal = subject.stop.signal;
    let child = subject.children.iter().min_by_key(|child| child.start)?;
    let whom = named(&Member { pid: child.pid, ns_pid: child.ns_pid, comm: child.comm.clone(), ..Member::default() });
    let fate = fate(child, signal, subject.sight);
    let then = match fate.foreseen {
        Foreseen::Default => {
            "which has no handler and dies by it at once: it is not PID 1, so the default action acts".to_owned()
        }
        Foreseen::Caught => "which has a handler for it".to_owned(),
        Foreseen::Taken => "which waits for it".to_owned(),
        Foreseen::Ignored => format!("which ignores it, so that nothing ends until SIGKILL: {}", fate.why),
        Foreseen::Dropped => format!("which never gets it: {}", fate.why),
        Foreseen::Blocked | Foreseen::Unknown => format!("of which it is not known what it does: {}", fate.why),
    };
    Some(Note::new(NoteKind::Forwarded, format!("{name} forwards {signal} to {whom}, {then}.")))
}

fn trap_deferred(subject: &Subject, fate: &Fate) -> Option<Note> {
    if program(&subject.first) != Program::Shell || fate.foreseen != Foreseen::Caught {
        return None;
    }
    let child = child(subject)?;
    Some(Note::new(
        NoteKind::TrapDeferred,
        format!(
            "A shell runs its trap only when its foreground child has ended: if {} is one, and not waited for with the shell's own wait, nothing happens until then.",
            named(child)
        ),
    ))
}

/// What the first process takes the stop signal for, where that is not the order to end soon. systemd of a user, which
/// exits by SIGTERM, is no PID 1.
pub(super) fn meaning(first: &Process, signal: Signal, fate: &Fate) -> Option<Meaning> {
    let reached = matches!(fate.foreseen, Foreseen::Taken | Foreseen::Caught);
    let program = program(first);
    program.meaning(signal).filter(|_| reached && (first.init || program != Program::Systemd))
}

/// Programs that take the stop signal for something else than the order to end.
fn other_meaning(subject: &Subject, fate: &Fate) -> Option<Note> {
    let (first, signal) = (&subject.first, subject.stop.signal);
    let meaning = meaning(first, signal, fate)?;
    // of systemd the fix is told as such: a stop would end by SIGKILL for sure
    let fix =
        if is_taken_to_reexecute(first, signal, fate) { String::new() } else { in_time(meaning.fix, subject.grace_ms) };
    Some(Note::new(NoteKind::OtherMeaning, format!("{}. {fix}", meaning.what).trim_end().to_owned()))
}

/// systemd as PID 1 stays, whatever its configuration.
pub(super) fn is_taken_to_reexecute(first: &Process, signal: Signal, fate: &Fate) -> bool {
    meaning(first, signal, fate).is_some() && program(first) == Program::Systemd
}

fn not_init(first: &Process, fate: &Fate) -> Option<Note> {
    if first.init || matches!(fate.foreseen, Foreseen::Default) {
        return None;
    }
    Some(Note::new(
        NoteKind::NotInit,
        format!(
            "{} is not init of its pid namespace (hostPID, shareProcessNamespace or docker run --pid): nothing is dropped there, and its orphans are reaped by another.",
            first.called()
        ),
    ))
}

fn stopped(first: &Process) -> Option<Note> {
    let text = || {
        format!(
            "{} is stopped (state T): until it is continued it takes no signal but SIGKILL. It handles {}.",
            first.called(),
            names(first.caught)
        )
    };
    first.stopped.then(|| Note { note: NoteKind::Stopped, text: text() })
}

/// What one types to run the one program below a shell.
pub(super) fn runs(subject: &Subject) -> Option<String> {
    if program(&subject.first) != Program::Shell {
        return None;
    }
    for depth in 1.. {
        let mut there = subject.below.iter().filter(|member| member.depth == depth);
        let (member, None) = (there.next()?, there.next()) else { return None };
        let program = Program::of(&member.comm, member.exe.as_deref());
        if !program.is_shell() {
            return command_name(&member.comm, member.exe.as_deref());
        }
    }
    None
}

/// Programs of different names run below a shell: in a pipe, it may be.
pub(super) fn runs_several(subject: &Subject) -> bool {
    let children = subject.below.iter().filter(|member| member.depth == 1);
    program(&subject.first).is_shell()
        && are_several(children.map(|member| (member.comm.as_str(), member.exe.as_deref())))
}

/// The child of the first process that is told: the first there is.
fn child(subject: &Subject) -> Option<&Member> {
    subject.below.iter().find(|member| member.depth == 1)
}

/// `sleep (pid 7)`, with the pid as the container sees it.
fn named(member: &Member) -> String {
    format!("{} (pid {})", member.comm, member.ns_pid.unwrap_or(member.pid))
}
