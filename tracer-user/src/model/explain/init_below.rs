//! An init made for containers that is not PID 1: what becomes of orphans then.

use super::super::process::{Place, Process};
use super::super::program::Program;

/// `PID 1 is sh; tini is pid 7 (not PID 1), so orphans go to sh, unless it runs as tini -s.`, where there is such an init
/// among `others`, which are below the first process or may be.
pub(in crate::model) fn init_below(first: &Process, others: &[&Process]) -> Option<String> {
    let is_inside = |process: &&&Process| process.place != Place::Outside && process.joined.is_none();
    let below = others.iter().filter(is_inside).filter(|process| is_init_below(first, others, process));
    let init = Some(first)
        .filter(|first| first.task.ns_pid > 1 && program(first).forwards())
        .or_else(|| below.min_by_key(|process| process.key()).copied())?;
    // it is a subreaper: it has been given an orphan
    if others.iter().any(|process| process.reaper.key() == init.key() && process.parent.key() != init.key()) {
        return None;
    }
    let (name, pid) = (init.comm(), init.task.ns_pid);
    // https://github.com/krallin/tini#subreaping
    let unless = if program(init) == Program::Tini { format!(", unless it runs as {name} -s") } else { String::new() };
    if init.key() == first.key() {
        return Some(format!(
            "{name} is pid {pid} (not PID 1) of a pid namespace that it shares, so orphans go to PID 1 of that namespace{unless}."
        ));
    }
    let init_of_all = first.comm();
    let orphans = if program(first).forwards() {
        format!("orphans go to {init_of_all}, which reaps them")
    } else {
        format!("orphans go to {init_of_all}{unless}")
    };
    Some(format!("PID 1 is {init_of_all}; {name} is pid {pid} (not PID 1), so {orphans}."))
}

fn program(process: &Process) -> Program {
    Program::of(process.comm().as_str(), process.exe.as_deref())
}

/// One that runs a program of its own: a child of an init bears its name until it has.
fn is_init_below(first: &Process, others: &[&Process], process: &Process) -> bool {
    let parent = process.parent.key();
    let parent =
        if parent == first.key() { Some(first) } else { others.iter().find(|other| other.key() == parent).copied() };
    first.task.ns_pid == 1
        && process.key() != first.key()
        && process.task.ns_pid > 1
        && program(process).forwards()
        && parent.is_none_or(|parent| parent.comm() != process.comm())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Comm;
    use crate::event::made::Made;

    fn process(ns_pid: u32, comm: &str, parent: Option<&Process>) -> Process {
        let made = Made { number: 2 };
        let parent = parent.map_or_else(|| made.task(0, "shim"), |parent| parent.task);
        let mut process = Process::new(made.task(ns_pid, comm), parent, None);
        process.task.comm = Comm::from(comm);
        process
    }

    fn said(first: &Process, others: &[Process]) -> String {
        init_below(first, &others.iter().collect::<Vec<_>>()).unwrap_or_default()
    }

    #[test]
    fn who_gets_the_orphans() {
        let shell = process(1, "sh", None);
        let tini = process(7, "tini", Some(&shell));
        let app = process(8, "node", Some(&tini));
        assert_eq!(
            said(&shell, &[tini.clone(), app.clone()]),
            "PID 1 is sh; tini is pid 7 (not PID 1), so orphans go to sh, unless it runs as tini -s."
        );
        let dumb = process(7, "dumb-init", Some(&shell));
        assert_eq!(said(&shell, &[dumb]), "PID 1 is sh; dumb-init is pid 7 (not PID 1), so orphans go to sh.");
        let docker = process(1, "docker-init", None);
        let below = process(7, "tini", Some(&docker));
        assert!(said(&docker, &[below]).ends_with("so orphans go to docker-init, which reaps them."));
        let shared = process(40, "tini", None);
        assert!(said(&shared, &[]).starts_with("tini is pid 40 (not PID 1) of a pid namespace that it shares"));
        // it was given an orphan: it is a subreaper
        let mut orphan = process(9, "curl", Some(&app));
        orphan.reaper = tini.task;
        assert_eq!(said(&shell, &[tini, app, orphan]), "");
    }

    #[test]
    fn in_its_place_nothing_is_said() {
        let tini = process(1, "tini", None);
        let forked = process(7, "tini", Some(&tini));
        assert_eq!(said(&tini, &[forked]), "", "a child that has not run its program yet");
        let shell = process(1, "sh", None);
        let mut exec = process(7, "tini", Some(&shell));
        exec.place = Place::Outside;
        assert_eq!(said(&shell, &[exec, process(9, "node", Some(&shell))]), "", "of an exec");
    }
}
