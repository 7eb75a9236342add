//! The stop of a container: what opens it, what it collects, what closes it.

use crate::event::{BootNs, SignalSent, TaskKey};
use crate::signal::Signal;

use super::change::{ExitStatus, Kill, News, Sender};
use super::container::{Attempt, Container, Stop, Taker};
use super::limits;
use super::names::{Outcome, Role};
use super::node::{Node, Timer};
use super::process::{ContainerKey, Receipt};

impl Node {
    /// A signal was sent to the first process of a container.
    pub(super) fn signal_to_first(
        &mut self,
        at: BootNs,
        owner: ContainerKey,
        receipt: &Receipt,
        sender: Sender,
        sent: &SignalSent,
    ) {
        let taker = Taker {
            comm: sent.target.comm,
            exe: self.processes.get(sent.target.key()).and_then(|process| process.exe.clone()),
        };
        let exited = self.processes.get(sent.target.key()).is_some_and(|process| !process.is_live());
        let Some(container) = self.containers.get_mut(&owner) else { return };
        if exited && container.stop.is_none() {
            // its end was told: what comes now leads to nothing any more
            return;
        }
        let told_caught = sent.caught;
        if told_caught.is_some() {
            container.caught = told_caught;
        }
        if receipt.signal == Signal::KILL && receipt.outcome == Outcome::Default {
            self.killed_first(at, owner, sender);
            return;
        }
        // who suspends a program does not ask it to end
        let suspends = receipt.outcome == Outcome::Default && receipt.signal.default_is_stop();
        if receipt.outcome == Outcome::Noise || suspends {
            return;
        }
        if let Some(stop) = &mut container.stop {
            match &mut stop.request {
                None if asks_to_stop(container.described.as_ref().and_then(|d| d.stop_signal), receipt) => {
                    stop.request = Some(Attempt::new(receipt.clone(), sender, taker));
                }
                Some(request) => request.followed_by(receipt),
                None => {}
            }
            return;
        }
        if asks_to_stop(container.stop_signal(), receipt) {
            container.candidate = None;
            self.open(owner, Some(Attempt::new(receipt.clone(), sender, taker)), None, at);
            return;
        }
        match &mut container.candidate {
            Some(candidate) if candidate.is_repeated_by(receipt) => candidate.followed_by(receipt),
            candidate => {
                *candidate = Some(Attempt::new(receipt.clone(), sender, taker));
                // who ended before it has nothing to do with what it may lead to
                let first = container.first;
                container.departed.retain(|process| {
                    Some(process.key()) == first || process.exit.is_none_or(|(exited, _)| exited >= at)
                });
            }
        }
        if receipt.outcome == Outcome::Dropped && receipt.role != Role::Own {
            self.dropped_outside_a_stop(at, owner, receipt);
        }
    }

    fn killed_first(&mut self, at: BootNs, owner: ContainerKey, sender: Sender) {
        let Some(container) = self.containers.get_mut(&owner) else { return };
        let kill = Kill { at, sender };
        let told_before = container.is_told_to_stop();
        if let Some(stop) = &mut container.stop {
            stop.kill.get_or_insert(kill);
            if !told_before {
                self.pod_stop_begins(owner, at);
            }
            return;
        }
        let (configured, grace) = (container.stop_signal(), container.grace_ms());
        let reason = container.take_candidate(|Attempt { receipt: candidate, .. }| {
            let after = at.ms_since(candidate.at);
            // A reload of an hour ago is no reason. What is configured is no bound for a runtime: docker stop and kubectl
            // delete take another one.
            let bound = grace.map_or(limits::EXIT_AFTER_MS, |grace| grace.saturating_add(limits::ABANDON_SLACK_MS));
            let soon = after <= if candidate.role == Role::Runtime { bound.max(limits::EXIT_AFTER_MS) } else { bound };
            // A runtime's signal that is not its stop signal as far as we know: the pod may have another one than the
            // image. Then it was given time; docker kill with one signal and then another is no stop.
            let patient =
                configured.is_none() || after.saturating_add(limits::BUDGET_TOLERANCE_MS) >= limits::GRACE_LEAST_MS;
            soon && (candidate.signal == Signal::TERM || (candidate.role == Role::Runtime && patient))
        });
        self.open(owner, reason, Some(kill), at);
    }

    /// The first process of a container exits.
    pub(super) fn first_exited(&mut self, at: BootNs, owner: ContainerKey, key: TaskKey, status: ExitStatus) {
        if let Some(container) = self.containers.get_mut(&owner) {
            container.forget_old_request(at);
        }
        if self.containers.get(&owner).is_some_and(|container| container.stop.is_none()) {
            let Some(container) = self.containers.get_mut(&owner) else { return };
            let reason = container.take_candidate(|Attempt { receipt: candidate, reraised, .. }| {
                let asked_for_it = matches!(candidate.role, Role::Runtime | Role::Host) || !candidate.signal.is_crash();
                let died_of_it = status.signal() == Some(candidate.signal) && asked_for_it;
                let asked = [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP].contains(&candidate.signal);
                let soon = at.ms_since(candidate.at) <= limits::REASON_MS;
                let reached = candidate.outcome != Outcome::Dropped && candidate.outcome != Outcome::Ignored;
                died_of_it || (status.signal().is_none() && asked && soon && (reached || reraised.is_some()))
            });
            self.open(owner, reason, None, at);
        }
        let Some(container) = self.containers.get_mut(&owner) else { return };
        if let Some(stop) = &mut container.stop
            && stop.first == Some(key)
            && stop.exit.is_none()
        {
            stop.exit = Some((at, status));
        }
    }

    /// A process is gone and nobody saw it exit. If it was a container's first one, that is an end, too; what is known of
    /// its reason is the last signal that could be it.
    pub(super) fn vanished(&mut self, at: BootNs, owner: ContainerKey, key: TaskKey) {
        let Some(container) = self.containers.get_mut(&owner) else { return };
        container.loss = Some(at);
        if container.first != Some(key) {
            return;
        }
        if container.stop.is_none() {
            let reason = container.take_candidate(|candidate| at.ms_since(candidate.receipt.at) <= limits::REASON_MS);
            self.open(owner, reason, None, at);
        }
        if let Some(stop) = self.containers.get_mut(&owner).and_then(|container| container.stop.as_mut()) {
            stop.vanished = stop.exit.is_none();
        }
    }

    /// A stop begins.
    fn open(&mut self, owner: ContainerKey, request: Option<Attempt>, kill: Option<Kill>, now: BootNs) {
        self.announce(now, owner);
        let pod = self.containers.get(&owner).and_then(|container| container.pod);
        let pod_started = pod.and_then(|pod| self.pod_stop(pod, now)).map(|stop| stop.started);
        // a sandbox ends with its pod: that is no news
        let Some(container) = self.containers.get_mut(&owner).filter(|container| !container.is_sandbox()) else {
            return;
        };
        let first = container.first;
        let sign = request.as_ref().map_or(now, |request| request.receipt.at);
        let pre_stop = match (&request, &kill) {
            (Some(request), _) => container.hook_before(request.receipt.at, pod_started),
            (None, None) => container.hook_at_exit(now),
            (None, Some(_)) => None,
        };
        let started = pre_stop.as_ref().map_or(sign, |pre_stop| pre_stop.started);
        let patience = match &request {
            Some(request) if request.sender.role == Role::Runtime => limits::ABANDON_RUNTIME_MS,
            _ => container.grace_ms().unwrap_or(limits::GRACE_UNKNOWN_MS).saturating_add(limits::ABANDON_SLACK_MS),
        };
        container.settled = true;
        container.stop =
            Some(Stop { first, started, request, kill, pre_stop, exit: None, vanished: false, children: Vec::new() });
        container.candidate = None;
        let children: Vec<_> = self
            .processes
            .of(owner)
            .filter(|process| process.is_live())
            .filter(|process| Some(process.parent.key()) == first)
            .map(super::process::Process::key)
            .collect();
        if let Some(stop) = self.containers.get_mut(&owner).and_then(|container| container.stop.as_mut()) {
            stop.children = children;
        }
        self.remind(now.plus_ms(patience), Timer::Abandon(owner, started));
        self.pod_stop_begins(owner, now);
        if let Some(termination) = self.termination(owner, now) {
            self.news(now, News::Stopping(Box::new(termination)));
        }
    }

    /// A stop signal that led to nothing: neither an exit nor SIGKILL followed.
    pub(super) fn abandon_due(&mut self, due: BootNs, owner: ContainerKey, started: BootNs) {
        let Some(container) = self.containers.get_mut(&owner) else { return };
        let idle = container
            .stop
            .as_ref()
            .is_some_and(|stop| stop.started == started && stop.exit.is_none() && stop.kill.is_none());
        if !idle {
            return;
        }
        let Some(stop) = container.stop.take() else { return };
        container.candidate.clone_from(&stop.request);
        if let Some(Attempt { receipt, reraised, .. }) = stop.request
            && (receipt.outcome == Outcome::Dropped || reraised.is_some())
        {
            self.dropped_outside_a_stop(due, owner, &receipt);
        }
    }
}

/// Whether a signal to a first process is a request to stop from the moment it is sent. Others may turn out to be
/// one when the process exits or is killed.
fn asks_to_stop(configured: Option<Signal>, receipt: &Receipt) -> bool {
    matches!(receipt.role, Role::Runtime | Role::Host)
        && (receipt.signal == Signal::TERM || Some(receipt.signal) == configured)
}

impl Attempt {
    /// Whether a signal may be what the handler of this one raised at its own process.
    fn is_repeated_by(&self, receipt: &Receipt) -> bool {
        receipt.role == Role::Own && self.receipt.signal == receipt.signal
    }

    /// Another signal came to the process.
    fn followed_by(&mut self, receipt: &Receipt) {
        if self.is_repeated_by(receipt) && receipt.outcome == Outcome::Dropped {
            self.was_reraised(receipt.at);
        }
    }
}

impl Container {
    /// A stop signal of long ago that nothing came of is no reason for an exit now: a reload, for some programs.
    fn forget_old_request(&mut self, now: BootNs) {
        let patience = limits::EXIT_AFTER_MS.max(self.grace_ms().unwrap_or(0).saturating_add(limits::ABANDON_SLACK_MS));
        let old = self.stop.as_ref().is_some_and(|stop| {
            let reached = stop.signal().is_some_and(|signal| signal.outcome != Outcome::Dropped);
            stop.kill.is_none() && reached && now.ms_since(stop.started) > patience
        });
        if old {
            self.stop = None;
        }
    }

    /// A signal of long ago is no reason for an end any more: who has ended since need not be remembered for it.
    pub(super) fn forget_old_candidate(&mut self, now: BootNs) {
        let patience = limits::EXIT_AFTER_MS.max(self.grace_ms().unwrap_or(0).saturating_add(limits::ABANDON_SLACK_MS));
        if self.candidate.as_ref().is_some_and(|candidate| now.ms_since(candidate.receipt.at) > patience) {
            self.candidate = None;
            if self.stop.is_none() {
                self.departed.retain(|process| Some(process.key()) == self.first);
            }
        }
    }

    /// Takes the candidate if it fits: it becomes the stop signal.
    fn take_candidate(&mut self, fits: impl Fn(&Attempt) -> bool) -> Option<Attempt> {
        self.candidate.take().filter(fits)
    }
}
