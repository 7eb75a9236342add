//! What happened during a stop, moment by moment, in words.

use crate::event::BootNs;
use crate::model::{ExitStatus, Outcome, Party, PreStop, Received, Role, Termination};
use crate::output::glyphs::Glyphs;
use crate::output::picture;
use crate::output::words::{self, Detail};
use crate::signal::Signal;

/// What happens to many processes within this time is one moment, ns.
const TOGETHER_NS: u64 = 20_000_000;
/// An end this much later than the last exit is worth telling, ns.
const LATER_NS: u64 = 500_000_000;
/// Names told of a moment that concerns many.
const NAMED: usize = 2;

/// Something that happened.
#[derive(Clone, Debug)]
pub(super) struct Moment<'a> {
    /// When the first of it happened.
    pub(super) at: BootNs,
    what: What<'a>,
    /// To whom.
    who: Vec<&'a Party>,
}

#[derive(Clone, Copy, Debug)]
enum What<'a> {
    HookStarts(&'a PreStop),
    HookEnds(&'a PreStop),
    Signal(&'a Received),
    GraceOver(u64),
    Exit(ExitStatus),
    Gone,
    Over,
}

impl What<'_> {
    /// Whether two that happen at about the same time are told as one.
    fn joins(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Signal(one), Self::Signal(other)) => {
                (one.signal, one.outcome, one.role, one.taken) == (other.signal, other.outcome, other.role, other.taken)
                    && (one.sender.pid, one.sender.start) == (other.sender.pid, other.sender.start)
            }
            (Self::Exit(one), Self::Exit(other)) => one == other,
            (Self::Gone, Self::Gone) => true,
            _ => false,
        }
    }
}

/// All of them, in order.
pub(super) fn all(termination: &Termination, now: BootNs) -> Vec<Moment<'_>> {
    let mut single = Vec::new();
    let mut add = |at, what, who| single.push((at, what, who));
    if let Some(hook) = &termination.pre_stop {
        add(hook.started, What::HookStarts(hook), None);
        if let Some(ended) = hook.ended {
            add(ended, What::HookEnds(hook), None);
        }
    }
    for process in picture::lanes(termination) {
        let received = process.received.iter().filter(|received| received.matters());
        received.for_each(|received| add(received.at, What::Signal(received), Some(&process.process)));
        match (process.exited, process.exit) {
            (Some(at), Some(status)) => add(at, What::Exit(status), Some(&process.process)),
            (Some(at), None) => add(at, What::Gone, Some(&process.process)),
            (None, _) => {}
        }
    }
    if let Some((budget, over)) = picture::budget(termination).zip(picture::budget_end(termination))
        && over <= termination.exited.unwrap_or(now)
    {
        add(over, What::GraceOver(budget), None);
    }
    // right after the last exit it goes without saying
    let last = picture::last_moment(termination);
    if let Some(ended) = termination.ended.filter(|ended| ended.since(last) > LATER_NS) {
        add(ended, What::Over, None);
    }
    single.sort_by_key(|(at, ..)| *at);
    let first = termination.processes.first().map(|first| &first.process);
    join(single, first)
}

/// Makes one of what happens at about the same time to several. The first process is told alone: it is what counts.
fn join<'a>(single: Vec<(BootNs, What<'a>, Option<&'a Party>)>, first: Option<&Party>) -> Vec<Moment<'a>> {
    let is_first = |who: &Party| first.is_some_and(|first| (first.pid, first.start) == (who.pid, who.start));
    let mut joined: Vec<Moment<'a>> = Vec::new();
    for (at, what, who) in single {
        let near = joined.iter_mut().rev().take_while(|moment| at.since(moment.at) <= TOGETHER_NS);
        let alone = who.is_some_and(is_first);
        let joins = |moment: &&mut Moment<'_>| {
            !alone && moment.what.joins(&what) && !moment.who.first().copied().is_some_and(is_first)
        };
        match near.into_iter().find(joins) {
            Some(moment) => moment.who.extend(who),
            None => joined.push(Moment { at, what, who: who.into_iter().collect() }),
        }
    }
    joined
}

impl Moment<'_> {
    /// In words.
    pub(super) fn text(&self, termination: &Termination, glyphs: &Glyphs) -> String {
        match self.what {
            What::HookStarts(hook) => format!("the preStop hook {} starts", words::hook(hook, glyphs)),
            What::HookEnds(hook) => {
                let ended = hook.exit.map_or_else(|| "ended".to_owned(), words::exit);
                format!("the preStop hook {} {ended}", words::hook(hook, glyphs))
            }
            What::Signal(received) => self.signal(received, termination, glyphs),
            What::GraceOver(budget) => format!("the grace period of {} is over", words::duration(budget)),
            What::Exit(status) => format!("{} {}", self.names(glyphs), words::exit(status)),
            What::Gone => format!("{} gone, its end was not seen", self.names(glyphs)),
            What::Over => "nothing of it runs any more".to_owned(),
        }
    }

    fn signal(&self, received: &Received, termination: &Termination, glyphs: &Glyphs) -> String {
        let to = self.names(glyphs);
        let sender = words::sender(&received.sender, received.role, &[], Detail::Pids, glyphs);
        let signal = received.signal;
        let became = outcome(received, self.who.first().copied());
        let became = if became.is_empty() { String::new() } else { format!(": {became}") };
        match received.role {
            Role::Inside if self.is_passed_on(received, termination) => {
                format!("{sender} passed {signal} on to {to}{became}")
            }
            Role::Kernel
                if signal == Signal::KILL && termination.exited.is_some_and(|exited| exited <= received.at) =>
            {
                format!("with PID 1 gone the kernel killed {to}")
            }
            Role::Own => format!("{to} sent {signal} to itself{became}"),
            _ => format!("{sender} sent {signal} to {to}{became}"),
        }
    }

    /// Whether somebody inside told others to end, as the stop signal told it.
    fn is_passed_on(&self, received: &Received, termination: &Termination) -> bool {
        let first = termination.processes.first().map(|first| first.process.pid);
        termination.stop_signal == Some(received.signal) && self.who.first().map(|party| party.pid) != first
    }

    /// `sh 4123 (PID 1)`, `sleep 4130, sleep 4131 and 47 others`.
    fn names(&self, glyphs: &Glyphs) -> String {
        names(&self.who, glyphs)
    }
}

/// One name or two, and how many more.
pub(super) fn names(who: &[&Party], glyphs: &Glyphs) -> String {
    let named = if who.len() == NAMED + 1 { NAMED + 1 } else { NAMED };
    let mut told: Vec<_> = who.iter().take(named).map(|party| words::process(party, glyphs)).collect();
    let more = who.len().saturating_sub(told.len());
    match (more, told.pop()) {
        (_, None) => "nobody".to_owned(),
        (0, Some(only)) if told.is_empty() => only,
        (0, Some(last)) => format!("{} and {last}", told.join(", ")),
        (more, Some(last)) => {
            told.push(last);
            format!("{} and {more} others", told.join(", "))
        }
    }
}

fn outcome(received: &Received, to: Option<&Party>) -> &'static str {
    let init = to.is_some_and(|party| party.is_init);
    match received.outcome {
        Outcome::Dropped if matches!(received.signal, Signal::KILL | Signal::STOP) => {
            "dropped, PID 1 is immune from inside"
        }
        Outcome::Dropped if init => "dropped, PID 1 has no handler",
        Outcome::Dropped => "dropped",
        Outcome::Ignored => "ignored",
        Outcome::Caught => "caught",
        Outcome::Blocked if received.taken => "taken",
        Outcome::Blocked => "blocked, waits to be taken",
        Outcome::Default if received.signal == Signal::KILL => "",
        Outcome::Default if received.signal.default_is_stop() => "stops it",
        Outcome::Default => "its default action ends it",
        Outcome::Noise => "",
    }
}
