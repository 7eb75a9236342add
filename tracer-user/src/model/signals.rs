//! Signals are sent, taken, dropped.

use tracer_common::task_flags;

use crate::event::{BootNs, Delivered, Handler, PendingSeen, SendResult, SignalSent, TaskKey};
use crate::signal::{Signal, SignalSet};

use super::change::{DeliverNews, News, Sender, SignalNews};
use super::container::{Attempt, Container};
use super::limits;
use super::names::{Outcome, Role};
use super::node::{Node, Timer, Want};
use super::outcome::{dropped_at_delivery, outcome, role};
use super::process::{Process, Receipt};
use super::program::Program;

/// When to ask whether a blocked signal was taken, ms after it was sent. Programs that wait for signals take them at
/// once; the exit of the process settles the rest.
const ASK_AFTER_MS: [u64; 4] = [5, 50, 250, 1_000];

impl Node {
    pub(super) fn on_signal(&mut self, at: BootNs, sent: &SignalSent) {
        self.meet_alone(&sent.target);
        let key = sent.target.key();
        let target = self.party(&sent.target);
        let sender = self.party(&sent.sender);
        let same = match (&target.container, &sender.container) {
            (Some(ours), Some(theirs)) => ours.id == theirs.id,
            _ => false,
        };
        let role = role(sent, same, sender.container.is_some());
        let outcome = match outcome(sent) {
            Outcome::Noise if role == Role::Runtime && self.is_stop_signal_of(key, sent.signal) => Outcome::Ignored,
            outcome => outcome,
        };
        let exiting = outcome == Outcome::Ignored && sent.target.has(task_flags::EXITING | task_flags::GROUP_EXIT);
        let receipt = Receipt {
            signal: sent.signal,
            at,
            sender: sender.clone(),
            role,
            outcome,
            result: sent.result,
            taken: false,
            dropped_late: outcome == Outcome::Dropped && sent.result != SendResult::Ignored,
            delivered: false,
        };
        let owner = self.processes.get(key).and_then(|process| process.container);
        if let Some(container) = owner.and_then(|owner| self.containers.get_mut(&owner)) {
            container.signals = container.signals.saturating_add(1);
        }
        // an init that exits kills all that is left, its own dying threads included, and the last end of a socket raises
        // SIGIO at whoever had the other one: to a process that is on its way out that tells nothing of anybody
        let moot = (exiting || sent.signal == Signal::KILL) && outcome == Outcome::Ignored && role == Role::Kernel;
        if outcome != Outcome::Noise
            && !moot
            && let Some(process) = self.processes.get_mut(key)
        {
            // a standard signal is queued once: that it was queued again proves that the one before was taken
            if sent.result == SendResult::Queued && sent.signal.is_standard() {
                for earlier in process.received.iter_mut().filter(|r| r.signal == sent.signal) {
                    earlier.taken |= earlier.outcome == Outcome::Blocked;
                }
            }
            process.receive(receipt.clone());
        }
        self.news(
            at,
            News::Signal(Box::new(SignalNews {
                signal: sent.signal,
                result: sent.result,
                outcome,
                code: sent.code,
                sender: sender.clone(),
                role,
                ancestors: sent.ancestors.clone(),
                container: target.container.clone(),
                target,
                handler: sent.handler,
                mask: sent.mask,
                caught: sent.caught,
            })),
        );
        if outcome == Outcome::Blocked {
            self.remind(at.plus_ms(ASK_AFTER_MS[0]), Timer::Taken(key, 0));
        }
        if sent.signal == Signal::KILL && outcome == Outcome::Default {
            self.remind(at.plus_ms(limits::STUCK_MS), Timer::Stuck(key));
        }
        let Some(owner) = owner else { return };
        self.refresh_stop_signal(key);
        if !exiting && self.containers.get(&owner).and_then(|container| container.first) == Some(key) {
            let sender = Sender { party: sender, role, ancestors: sent.ancestors.clone() };
            self.signal_to_first(at, owner, &receipt, sender, sent);
        }
    }

    /// Whether a container's first process is to be stopped by this signal. Where that does nothing by default, as httpd's
    /// SIGWINCH, and the process has no handler, nobody would tell of it otherwise.
    fn is_stop_signal_of(&self, key: TaskKey, signal: Signal) -> bool {
        let owner = self.processes.get(key).and_then(|process| process.container);
        let container = owner.and_then(|owner| self.containers.get(&owner));
        container.is_some_and(|container| container.first == Some(key) && container.stop_signal() == Some(signal))
    }

    pub(super) fn on_deliver(&mut self, at: BootNs, delivered: &Delivered) {
        self.meet_alone(&delivered.target);
        let key = delivered.target.key();
        let dropped = dropped_at_delivery(delivered);
        let mut latency = None;
        if let Some(process) = self.processes.get_mut(key) {
            for receipt in process.pending_group(delivered.signal) {
                latency = Some(at.since(receipt.at));
                receipt.delivered = true;
                // that it is not pending any more may have been seen before this
                receipt.taken = false;
                receipt.dropped_late |= dropped;
                receipt.outcome = match (receipt.outcome, delivered.handler) {
                    _ if dropped => Outcome::Dropped,
                    (Outcome::Blocked, Handler::Function) => Outcome::Caught,
                    (Outcome::Blocked, Handler::Default) => Outcome::Default,
                    (Outcome::Blocked, Handler::Ignore) => Outcome::Ignored,
                    (before, _) => before,
                };
            }
        }
        self.refresh_stop_signal(key);
        let target = self.party(&delivered.target);
        let container = target.container.clone();
        if container.as_ref().is_some_and(|container| container.sandbox) {
            return;
        }
        self.news(
            at,
            News::Deliver(DeliverNews {
                signal: delivered.signal,
                handler: delivered.handler,
                dropped,
                latency,
                target,
                container,
            }),
        );
    }

    pub(super) fn ask_pending(&mut self, due: BootNs, key: TaskKey, attempt: u8) {
        let waiting = self.processes.get(key).is_some_and(|process| {
            process.is_live() && process.received.iter().any(|r| r.outcome == Outcome::Blocked && !r.taken)
        });
        if !waiting {
            return;
        }
        self.want(Want::Pending(key));
        let next = usize::from(attempt) + 1;
        if let (Some(later), Some(earlier)) = (ASK_AFTER_MS.get(next), ASK_AFTER_MS.get(next - 1)) {
            self.remind(due.plus_ms(later - earlier), Timer::Taken(key, attempt + 1));
        }
    }

    pub(super) fn on_pending(&mut self, seen: &PendingSeen) {
        self.settle_blocked(seen.task, seen.pending);
    }

    /// Carries what became known of a first process's signals over to its stop.
    pub(super) fn refresh_stop_signal(&mut self, key: TaskKey) {
        let Some(process) = self.processes.get(key) else { return };
        let Some(container) = process.container.and_then(|owner| self.containers.get_mut(&owner)) else { return };
        if container.first != Some(key) {
            return;
        }
        let Container { stop, candidate, .. } = container;
        if let Some(candidate) = candidate {
            candidate.refresh(process);
        }
        if let Some(request) = stop.as_mut().and_then(|stop| stop.request.as_mut()) {
            request.refresh(process);
            // a re-raise that was queued and then dropped at delivery
            let (since, signal) = (request.receipt.at, request.receipt.signal);
            let raised = |r: &&Receipt| r.signal == signal && r.at >= since && r.role == Role::Own;
            for receipt in process.received.iter().filter(raised).filter(|r| r.outcome == Outcome::Dropped) {
                request.was_reraised(receipt.at);
            }
        }
    }
}

impl Attempt {
    /// Takes over what became of the signal since.
    fn refresh(&mut self, process: &Process) {
        let Receipt { signal, at, .. } = self.receipt;
        if let Some(newer) = process.received.iter().find(|r| r.signal == signal && r.at == at) {
            self.receipt.clone_from(newer);
        }
    }
}

/// Signals that ask a program to end, whoever sends them.
pub(super) const ASKING: [Signal; 5] = [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP, Signal::USR1];

/// Whether one of the signals that ask a program to end has a handler.
pub(crate) fn handles_another(caught: SignalSet, stop: Signal, program: Program) -> Option<Signal> {
    let own = |other| program.handles_itself(other);
    program.ends_by().iter().copied().find(|&other| other != stop && caught.has(other) && !own(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `SIGQUIT` is no order to end for all that handle it.
    #[test]
    fn another_stop_signal_is_one_that_ends_the_program() {
        let all = SignalSet::from_iter([Signal::QUIT, Signal::USR1, Signal::INT]);
        let quit = SignalSet::from_iter([Signal::QUIT]);
        for (program, caught, expected) in [
            (Program::Haproxy, all, Some(Signal::USR1)),
            (Program::Haproxy, quit, None),
            (Program::Java, quit, None),
            (Program::Nginx, quit, Some(Signal::QUIT)),
            (Program::Python, all, Some(Signal::QUIT)),
            (Program::Shell, SignalSet::from_iter([Signal::INT]), None),
            (Program::Other, all, Some(Signal::INT)),
        ] {
            assert_eq!(handles_another(caught, Signal::TERM, program), expected, "{program:?} {caught:?}");
        }
    }
}
