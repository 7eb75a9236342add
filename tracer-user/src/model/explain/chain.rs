//! What one process's end did to another: whom a first process followed, whom it took along, and who stood between it and
//! those that never got the stop signal.

use crate::event::{BootNs, TaskKey};
use crate::signal::Signal;

use super::super::change::{ExitStatus, Sender};
use super::super::limits;
use super::super::names::Outcome;
use super::super::process::Process;
use super::super::signals::ASKING;
use super::{Story, ended, names, sent_by};

/// A first process that ends so soon after its child, and with what that ended with, ended because of it, ms.
const FOLLOWS_MS: u64 = 1_000;

/// ` Just before, its child gunicorn (pid 7) died by SIGKILL from gunicorn (pid 8 in the container).`, where the first
/// process passes on what its child ended with, as shells and inits do.
pub(super) fn followed(story: &Story<'_>) -> String {
    let told = || {
        let child = story.last_child?;
        let (at, status) = child.exit?;
        let code = story.termination.exit?.code().filter(|code| *code != 0)?;
        let same = status.code() == Some(code)
            || status.signal().is_some_and(|signal| u32::from(signal.number()) + 128 == code);
        let soon = story.termination.exited?.ms_since(at) <= FOLLOWS_MS;
        let killer = status.signal().and_then(|signal| child.received.iter().rfind(|receipt| receipt.signal == signal));
        let by = killer.map_or_else(String::new, |receipt| {
            let (party, role) = (receipt.sender.clone(), receipt.role);
            format!(" from {}", sent_by(&Sender { party, role, ancestors: Vec::new() }))
        });
        (same && soon).then(|| format!(" Just before, its child {} {}{by}.", names(&[child]), ended(status)))
    };
    told().unwrap_or_default()
}

/// ` nginx (pid 7) below it died by SIGKILL with its namespace.`, where a first process that exits takes others along.
pub(super) fn took_along(story: &Story<'_>) -> String {
    let killed = story.killed(false);
    if killed.is_empty() || story.termination.kill.is_some() {
        return String::new();
    }
    let why = if went_to_background(story) {
        ": it went into the background, and a container ends with its first process"
    } else {
        ""
    };
    format!(" {} below it died by SIGKILL with it{why}.", names(&killed))
}

/// The first process only started another one of its kind, and left.
pub(super) fn went_to_background(story: &Story<'_>) -> bool {
    let exited_well = story.termination.exit.and_then(ExitStatus::code) == Some(0);
    let first = story.termination.processes.first().map(|first| first.process.comm);
    let alike = |process: &&Process| first == Some(process.comm()) && !process.execed;
    // a server does so first of all; a shell that leaves a subshell behind has done its work
    let just = |process: &&Process| {
        let start = BootNs(process.task.start);
        story.termination.exited.is_some_and(|end| end.ms_since(start) <= limits::BACKGROUND_MS)
    };
    let left = |process: &&Process| alike(process) && just(process);
    let no_shell = !story.facts.program.is_shell();
    exited_well && no_shell && story.termination.kill.is_none() && story.killed(false).iter().any(left)
}

/// The process between the first one and those that never got the stop signal: it got it, died of it, and passed nothing
/// on. `None` where the first process itself left it at that.
pub(super) fn swallowed_by<'a>(story: &Story<'a>) -> Option<&'a Process> {
    let signal = story.signal?;
    let first = story
        .termination
        .processes
        .first()
        .map(|first| TaskKey { pid: first.process.pid, start: first.process.start })?;
    let unreached = story.killed(true);
    let parent = unreached.first()?.parent.key();
    if parent == first {
        return None;
    }
    let asked = |process: &Process| {
        process.received.iter().any(|receipt| {
            receipt.at >= signal.at
                && receipt.outcome == Outcome::Default
                && (receipt.signal == signal.signal || ASKING.contains(&receipt.signal))
        })
    };
    let died = |process: &Process| process.exit.and_then(|(_, s)| s.signal()).is_some_and(|s| s != Signal::KILL);
    story.members.iter().copied().find(|process| process.key() == parent && asked(process) && died(process))
}
