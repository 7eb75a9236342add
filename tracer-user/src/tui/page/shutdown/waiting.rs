//! What a stop that goes on waits for, in one or two sentences.

use crate::event::BootNs;
use crate::model::{Outcome, Party, Role, Termination, TerminationProcess, limits};
use crate::output::glyphs::Glyphs;
use crate::output::picture;
use crate::output::words::{self, Detail};
use crate::signal::Signal;

use super::moments;
use super::timeline::{is_cut, is_running, tenths};

/// The sentence.
pub(crate) fn sentence(termination: &Termination, now: BootNs, glyphs: &Glyphs) -> String {
    let story = Story { termination, now, glyphs, lanes: picture::lanes(termination) };
    if termination.exited.is_some() {
        return story.first_is_gone();
    }
    if let Some(kill) = &termination.kill {
        let ago = now.ms_since(kill.at);
        let first = story.first();
        return match ago {
            0..limits::STUCK_MS => format!("SIGKILL was sent; {first} is going."),
            _ => format!(
                "SIGKILL was sent {} ago and {first} is still there: it is stuck in the kernel, or its cgroup is frozen.",
                tenths(ago)
            ),
        };
    }
    match (termination.stop_signal, termination.outcome) {
        (Some(signal), Some(outcome)) => story.signalled(signal, outcome),
        _ => story.not_signalled(),
    }
}

struct Story<'a> {
    termination: &'a Termination,
    now: BootNs,
    glyphs: &'a Glyphs,
    lanes: Vec<&'a TerminationProcess>,
}

impl Story<'_> {
    fn first(&self) -> String {
        let first = self.lanes.first().filter(|first| first.depth == Some(0));
        first.map_or_else(|| "the first process".to_owned(), |first| words::process(&first.process, self.glyphs))
    }

    /// Those that run beside the first process.
    fn others(&self) -> Vec<&Party> {
        let others = self.lanes.iter().filter(|process| process.depth != Some(0) && is_running(process));
        others.map(|process| &process.process).collect()
    }

    fn first_is_gone(&self) -> String {
        let others = self.others();
        let first = self.first();
        if others.is_empty() {
            return format!("{first} is gone; waiting for the runtime to remove the container's cgroup.");
        }
        let verb = if others.len() == 1 { "runs" } else { "run" };
        format!("{first} is gone; {} still {verb}.", moments::names(&others, self.glyphs))
    }

    fn not_signalled(&self) -> String {
        match &self.termination.pre_stop {
            Some(hook) if hook.ended.is_none() => format!(
                "The preStop hook {} runs for {}; no stop signal is sent before it ends, and its time counts against the grace period.",
                words::hook(hook, self.glyphs),
                tenths(self.now.ms_since(hook.started))
            ),
            Some(_) => "The preStop hook ended; the stop signal is next.".to_owned(),
            None => "No stop signal was sent.".to_owned(),
        }
    }

    fn signalled(&self, signal: Signal, outcome: Outcome) -> String {
        let first = self.first();
        match outcome {
            Outcome::Dropped => {
                format!(
                    "The kernel dropped {signal}: {first} has no handler and will never see it. {}",
                    self.prospect()
                )
            }
            Outcome::Ignored => format!("{first} ignores {signal} (SIG_IGN). {}", self.prospect()),
            Outcome::Blocked if !self.termination.taken => {
                format!("{first} blocks {signal} and has not taken it yet. {}", self.rest(signal))
            }
            Outcome::Blocked => format!("{first} took {signal} and has to end now. {}", self.rest(signal)),
            Outcome::Caught => format!("{first} has a handler for {signal} and has to end now. {}", self.rest(signal)),
            Outcome::Default => format!("{signal} ends {first} by its default action."),
            Outcome::Noise => format!("{signal} means nothing to {first}. {}", self.prospect()),
        }
    }

    /// What comes when nothing else does.
    fn prospect(&self) -> String {
        let Some(sender) = &self.termination.sender else { return String::new() };
        if sender.role != Role::Runtime {
            let who = words::sender(&sender.party, sender.role, &[], Detail::Pids, self.glyphs);
            return format!("It came from {who}, which is no container runtime: no SIGKILL will follow by itself.");
        }
        let Some(budget) = picture::budget(self.termination) else {
            return "Nothing more happens until SIGKILL, at the end of a grace period that is not known.".to_owned();
        };
        match budget.checked_sub(self.now.ms_since(self.termination.counted_from())) {
            Some(left) if left > 0 => format!("Nothing more happens until SIGKILL in {}.", tenths(left)),
            _ => "SIGKILL is due.".to_owned(),
        }
    }

    /// Who else runs, and who of them was told nothing.
    fn rest(&self, signal: Signal) -> String {
        let running: Vec<_> =
            self.lanes.iter().filter(|process| process.depth != Some(0) && is_running(process)).collect();
        let since = self.termination.started;
        let told = |process: &TerminationProcess| {
            process.received.iter().any(|received| received.at >= since && received.outcome != Outcome::Noise)
        };
        let untold: Vec<_> = running.iter().filter(|process| !told(process)).map(|process| &process.process).collect();
        match (running.len(), untold.len()) {
            (0, _) => "No other process is left.".to_owned(),
            (1, 0) => format!("{} runs too, and was sent a signal.", moments::names(&self.others(), self.glyphs)),
            (all, 0) if is_cut(self.termination) => {
                format!("At least {all} other processes run; those that are told were sent a signal.")
            }
            (all, 0) => format!("{all} other processes run, and each was sent a signal."),
            (_, _) => {
                let was = if untold.len() == 1 { "was" } else { "were" };
                format!("{} {was} not sent {signal} so far.", moments::names(&untold, self.glyphs))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kill, Sender};
    use crate::output::fixtures::{self, after};
    use crate::output::glyphs::UNICODE;

    /// As it stands while it goes on: nobody has ended.
    fn going_on(termination: Termination) -> Termination {
        let mut now = Termination { kill: None, exited: None, ended: None, exit: None, ..termination };
        for process in &mut now.processes {
            (process.exit, process.exited) = (None, None);
            process.received.retain(|received| received.signal != Signal::KILL);
        }
        now
    }

    #[test]
    fn what_is_waited_for() {
        let dropped = going_on(fixtures::dropped());
        let tree = going_on(fixtures::not_forwarded(2));
        let host = Sender { role: Role::Host, party: fixtures::outsider("kill", 999), ancestors: Vec::new() };
        let hook = Termination { stop_signal: None, outcome: None, ..going_on(fixtures::too_slow()) };
        let mut runs = hook.clone();
        if let Some(hook) = &mut runs.pre_stop {
            (hook.ended, hook.exit) = (None, None);
        }
        let killed = Termination { kill: fixtures::dropped().kill, ..dropped.clone() };
        let early = Termination { kill: Some(Kill { at: after(0), sender: fixtures::runc() }), ..dropped.clone() };
        let cases = [
            ("dropped", dropped.clone()),
            ("by the host", Termination { sender: Some(host), ..dropped.clone() }),
            ("ignored", Termination { outcome: Some(Outcome::Ignored), ..dropped.clone() }),
            ("blocked", Termination { outcome: Some(Outcome::Blocked), ..dropped.clone() }),
            ("no budget", Termination { grace: crate::model::Grace::default(), ..dropped.clone() }),
            ("caught, nobody told", tree.clone()),
            ("taken, child told", going_on(fixtures::taken())),
            ("hook runs", runs),
            ("hook ended", hook),
            ("killed", Termination { exited: None, ..killed }),
            ("killed long ago", early),
            ("first gone", Termination { exited: Some(after(9_000)), ..tree }),
            ("all gone", Termination { exited: Some(after(9_000)), processes: Vec::new(), ..dropped }),
        ];
        let told: Vec<_> = cases
            .iter()
            .map(|(name, termination)| {
                let now = if *name == "killed" { after(30_014) } else { after(10_000) };
                format!("{name}: {}", sentence(termination, now, &UNICODE))
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"));
    }
}
