//! Puts a termination together: the facts, the verdict, the processes, the sentences.

use std::collections::HashMap;
use std::sync::Arc;

use crate::event::{BootNs, TaskKey};
use crate::signal::Signal;

use super::change::{Grace, Received, Termination, TerminationProcess};
use super::container::{Container, Stop};
use super::explain::{self, Story};
use super::grace::{Patience, PodClock, patience};
use super::limits;
use super::names::{Cause, Outcome, Role};
use super::node::Node;
use super::pod::PodStop;
use super::process::{ContainerKey, Place, Process, Receipt};
use super::program::Program;
use super::signals::ASKING;
use super::verdict::{BelowFact, Facts, Reraise, StopFact, fate, judge};

impl Node {
    /// The grace period of a stop that goes on, and what of it is used by `now`: without the rest of a termination, which
    /// takes more to put together.
    #[must_use]
    pub fn grace(&self, owner: ContainerKey, now: BootNs) -> Option<Grace> {
        let container = self.containers.get(&owner)?;
        let stop = container.stop.as_ref()?;
        let pod_stop = container.pod.and_then(|pod| self.pod_stop(pod, now));
        let until = stop.exit.map_or(now, |(at, _)| at);
        Some(patience(container, stop, pod_clock(pod_stop, stop), until).grace)
    }

    /// The termination of a container as it stands now: complete when its stop is over.
    #[must_use]
    pub fn termination(&self, owner: ContainerKey, now: BootNs) -> Option<Termination> {
        let container = self.containers.get(&owner)?;
        let stop = container.stop.as_ref()?;
        let places = self.places(owner, container, stop);
        let members = self.members(owner, container, stop, &places);
        let first = stop.first.and_then(|first| members.iter().find(|member| member.key() == first)).copied();
        let taker = stop.request.as_ref().map(|request| &request.taker);
        let program = match (taker, first) {
            (Some(taker), _) => Program::of(taker.comm.as_str(), taker.exe.as_deref()),
            (None, Some(first)) => Program::of(first.comm().as_str(), first.exe.as_deref()),
            (None, None) => Program::Other,
        };
        let exit_at = stop.exit.map(|(at, _)| at);
        let pod_stop = container.pod.and_then(|pod| self.pod_stop(pod, now));
        let patience = patience(container, stop, pod_clock(pod_stop, stop), exit_at.unwrap_or(now));
        let facts = facts(container, stop, &members, &places, program, &patience);
        let others: Vec<_> = self.going_on(owner).collect();
        let (verdict, cause) = judge(&facts);
        let certain = is_certain(container, stop);
        // of what was not all seen nobody can say "never"
        let cause = cause.filter(|&cause| certain || cause != Cause::NeverSignalled);
        let told = self.tell_members(stop, &members, &places);
        let signal = stop.signal();
        let mut termination = Termination {
            container: container.name.clone(),
            verdict,
            cause,
            certain,
            stop_signal: signal.map(|signal| signal.signal),
            outcome: signal.map(|signal| signal.outcome),
            taken: signal.is_some_and(|signal| signal.taken),
            sender: stop.sender().cloned(),
            kill: stop.kill.clone(),
            started: stop.started,
            pod_started: pod_stop.filter(|_| others.is_empty()).map(|stop| stop.started),
            exited: exit_at,
            ended: None,
            deletion: self.deleted(container, stop),
            owner: self.owner(container).cloned(),
            grace: patience.grace.clone(),
            exit: stop.exit.map(|(_, status)| status),
            processes: told,
            pre_stop: patience.hook.clone(),
            hints: Vec::new(),
            explanation: String::new(),
            fix: None,
        };
        let story = Story {
            termination: &termination,
            facts: &facts,
            members: &members,
            places: &places,
            signal,
            container,
            patience: &patience,
            others: &others,
            taker: taker.map(|taker| taker.comm),
            last_child: self.last_child(owner, container, stop),
        };
        let (explanation, fix, hints) = (explain::what(&story), explain::fix(&story), explain::hints(&story));
        termination.explanation = explanation;
        termination.fix = fix;
        termination.hints = hints;
        Some(termination)
    }

    /// Where each process of a container stands, those that are gone included.
    fn places(&self, owner: ContainerKey, container: &Container, stop: &Stop) -> HashMap<TaskKey, Place> {
        let mut known: HashMap<TaskKey, &Process> =
            container.departed.iter().map(|process| (process.key(), process)).collect();
        known.extend(self.processes.of(owner).map(|process| (process.key(), process)));
        let place = |key: TaskKey| {
            let mut depth = 0;
            let mut current = key;
            loop {
                if Some(current) == stop.first {
                    return Place::Below(depth);
                }
                let Some(process) = known.get(&current) else { return Place::Outside };
                match process.place {
                    Place::Below(below) => return Place::Below(depth + below),
                    Place::Outside => return Place::Outside,
                    Place::Unknown if process.joined.is_some() || depth > 10_000 => return Place::Outside,
                    Place::Unknown => (current, depth) = (process.parent.key(), depth + 1),
                }
            }
        };
        known.keys().map(|&key| (key, place(key))).collect()
    }

    /// Processes that were there at some time since the first sign; the first one first, then by tree and start.
    fn members<'a>(
        &'a self,
        owner: ContainerKey,
        container: &'a Container,
        stop: &Stop,
        places: &HashMap<TaskKey, Place>,
    ) -> Vec<&'a Process> {
        let there = |process: &&Process| {
            let since = process.exit.is_none_or(|(exited, _)| exited >= stop.started);
            Some(process.key()) == stop.first || (since && !process.is_setup())
        };
        let mut members: Vec<_> = container.departed.iter().chain(self.processes.of(owner)).filter(there).collect();
        // a tree in preorder: each process sorts by the starts of its ancestors, eldest first
        let by_key: HashMap<TaskKey, &Process> = members.iter().map(|process| (process.key(), *process)).collect();
        let lineage = |process: &Process| {
            let mut line = vec![process.key()];
            let mut parent = process.parent.key();
            while let Some(next) = by_key.get(&parent) {
                if line.len() > 64 || Some(line[line.len() - 1]) == stop.first {
                    break;
                }
                line.push(parent);
                parent = next.parent.key();
            }
            line.reverse();
            line.into_iter().map(|key| (key.start, key.pid)).collect::<Vec<_>>()
        };
        members.sort_by_cached_key(|process| {
            let outside = !matches!(places.get(&process.key()), Some(Place::Below(_)));
            (Some(process.key()) != stop.first, outside, lineage(process))
        });
        members
    }

    /// The child of the first process that ended last before it.
    fn last_child<'a>(&'a self, owner: ContainerKey, container: &'a Container, stop: &Stop) -> Option<&'a Process> {
        let (gone, _) = stop.exit?;
        let ended = |process: &&Process| process.exit.is_some_and(|(at, _)| at <= gone);
        let of_first = |process: &&Process| Some(process.parent.key()) == stop.first && !process.is_setup();
        let all = container.departed.iter().chain(self.processes.of(owner));
        all.filter(of_first).filter(ended).max_by_key(|process| process.exit.map(|(at, _)| at))
    }

    fn tell_members(
        &self,
        stop: &Stop,
        members: &[&Process],
        places: &HashMap<TaskKey, Place>,
    ) -> Vec<TerminationProcess> {
        members
            .iter()
            .take(limits::PROCESSES_TOLD)
            .map(|process| TerminationProcess {
                process: self.process_party(process),
                depth: match places.get(&process.key()) {
                    Some(Place::Below(depth)) => Some(*depth),
                    _ => None,
                },
                received: process.received.iter().filter(|r| concerns(r, process, stop)).map(received).collect(),
                exit: process.exit.map(|(_, status)| status),
                exited: process.exit.map(|(at, _)| at),
            })
            .collect()
    }
}

/// Signals since the first sign; and the one that a process died of, which is just before it when nobody asked for a stop.
fn concerns(receipt: &Receipt, process: &Process, stop: &Stop) -> bool {
    let died_of = process.exit.and_then(|(_, status)| status.signal());
    receipt.at >= stop.started || (receipt.outcome == Outcome::Default && Some(receipt.signal) == died_of)
}

fn received(receipt: &Receipt) -> Received {
    Received {
        signal: receipt.signal,
        at: receipt.at,
        sender: receipt.sender.clone(),
        role: receipt.role,
        outcome: receipt.outcome,
        taken: receipt.taken,
    }
}

/// Nothing was lost, and nothing happened before anybody looked, that could have changed the verdict.
fn is_certain(container: &Container, stop: &Stop) -> bool {
    !may_have_been_asked_before(container, stop)
        && container.loss.is_none_or(|loss| {
            let reason_known = stop.request.is_some();
            let memory = if reason_known { limits::LOSS_HEALED_MS } else { limits::LOSS_MEMORY_MS };
            loss < stop.started && stop.started.ms_since(loss) > memory
        })
}

/// Tracing began in the middle of a stop, perhaps: of a SIGKILL alone nobody knows whether it is the end of a grace period that
/// began before.
fn may_have_been_asked_before(container: &Container, stop: &Stop) -> bool {
    let (None, Some(kill), Some(late)) = (&stop.request, &stop.kill, container.late) else { return false };
    matches!(kill.sender.role, Role::Runtime | Role::Host)
        && stop.first.is_none_or(|first| first.start < late.0)
        && kill.at.ms_since(late) <= container.grace_ms().unwrap_or(0).max(limits::LOSS_MEMORY_MS)
}

/// What the pod's stop means for the grace period of one of its containers.
fn pod_clock(pod_stop: Option<&PodStop>, stop: &Stop) -> PodClock {
    let ended = |end: &Arc<Termination>, signal: BootNs| end.exited.or(end.ended).is_some_and(|end| end <= signal);
    PodClock {
        started: pod_stop.map(|pod| pod.started),
        after_others: pod_stop
            .zip(stop.signal())
            .is_some_and(|(pod, signal)| pod.ended.iter().any(|end| ended(end, signal.at))),
    }
}

fn facts(
    container: &Container,
    stop: &Stop,
    members: &[&Process],
    places: &HashMap<TaskKey, Place>,
    program: Program,
    patience: &Patience,
) -> Facts {
    let first = stop.first;
    let kill_at = stop.kill.as_ref().map(|kill| kill.at);
    let below = members
        .iter()
        .filter(|process| Some(process.key()) != first && matches!(places.get(&process.key()), Some(Place::Below(_))))
        .filter(|process| !Program::is_helper(process.comm().as_str()))
        .map(|process| BelowFact {
            asked: asked_to_end(process, stop),
            later: started_after(process, stop),
            on_its_way: is_on_its_way(process, members, stop),
            killed: was_killed(process),
            waited_for: stop.children.contains(&process.key())
                && kill_at.is_some_and(|kill| process.exit.is_none_or(|(exited, _)| exited >= kill)),
        })
        .collect();
    let first_oom = members.iter().any(|process| Some(process.key()) == first && process.oom);
    let killed = stop.exit.and_then(|(_, status)| status.signal()) == Some(Signal::KILL);
    let oom_below = members.iter().any(|process| process.oom);
    // a child was chosen, and whoever waited for it gave up
    let gave_up = stop.request.is_none()
        && stop.exit.is_some_and(|(at, status)| {
            let chosen = container.oom.as_ref().is_some_and(|(then, _)| at.ms_since(*then) <= limits::OOM_REASON_MS);
            status.code().is_some_and(|code| code != 0) && chosen
        });
    let hook_ms = patience.hook.as_ref().map(|hook| hook.used_ms);
    // what was configured counts: when a hook overstays, kubelet adds its minimum, and that is what is observed
    let configured = container.grace_ms().or(patience.grace.budget_ms);
    Facts {
        stop: stop.signal().map(|signal| StopFact {
            signal: signal.signal,
            fate: fate(signal.outcome, signal.taken),
            late: signal.dropped_late,
            reraised: stop.request.as_ref().and_then(|request| request.reraised).map(|(first, last)| Reraise {
                at_once: first.ms_since(signal.at) < limits::RERAISE_MS,
                at_last: stop.exit.is_some_and(|(at, _)| at.ms_since(last) <= limits::RERAISE_MS),
            }),
            // after a loss nobody knows
            kept: signal.outcome == Outcome::Caught && !signal.delivered && is_certain(container, stop),
            raised_itself_ms: members
                .iter()
                .filter(|process| Some(process.key()) == first)
                .flat_map(|process| &process.received)
                .find(|r| r.signal == signal.signal && r.role == Role::Own && r.at >= signal.at)
                .map(|r| r.at.ms_since(signal.at)),
        }),
        oom_victim: container.oom.as_ref().map(|(_, party)| party.clone()).filter(|_| gave_up),
        kill: stop.kill.as_ref().map(|kill| kill.sender.role),
        exit: stop.exit.map(|(_, status)| status),
        // memory.oom.group kills all: each of them is a victim, the first process may be told last
        oom: (first_oom && (killed || stop.exit.is_none()))
            || (killed && oom_below && stop.request.is_none())
            || gave_up,
        acted: acted(stop, members),
        below,
        program,
        caught: container.caught,
        pre_stop_used_it_all: hook_ms
            .zip(configured)
            .is_some_and(|(used, budget)| used.saturating_mul(10) >= budget.saturating_mul(9)),
    }
}

/// Whether the first process did something since the stop signal: sent a signal to others, or started one. A shell that waits
/// for its foreground child does neither.
fn acted(stop: &Stop, members: &[&Process]) -> bool {
    let (Some(first), Some(signal)) = (stop.first, stop.signal()) else { return false };
    let sent = |r: &Receipt| r.sender.pid == first.pid && r.role == Role::Inside && r.at >= signal.at;
    members.iter().filter(|process| process.key() != first).any(|process| {
        process.received.iter().any(sent) || (process.parent.key() == first && started_after(process, stop))
    })
}

fn started_after(process: &Process, stop: &Stop) -> bool {
    stop.signal().is_some_and(|signal| process.task.start > signal.at.0)
}

/// Whether the signal may have been on its way to a process: its parent, below the first one, got it shortly before that
/// exited, and was killed with it. runsv, below runsvdir, may or may not have come to pass it on by then.
fn is_on_its_way(process: &Process, members: &[&Process], stop: &Stop) -> bool {
    let (Some(signal), Some((exited, _))) = (stop.signal(), stop.exit) else { return false };
    let parent = process.parent.key();
    if Some(parent) == stop.first || stop.kill.is_some() {
        return false;
    }
    let asks = |r: &Receipt| {
        let meant = r.signal == signal.signal || ASKING.contains(&r.signal);
        meant && r.at >= signal.at && r.at <= exited && exited.ms_since(r.at) < limits::ON_ITS_WAY_MS
    };
    let acts = |r: &Receipt| asks(r) && matches!(r.outcome, Outcome::Caught | Outcome::Blocked);
    members.iter().any(|member| member.key() == parent && was_killed(member) && member.received.iter().any(acts))
}

/// Whether a process died by a SIGKILL that nobody of its own container sent: a supervisor that ends its child is in order.
fn was_killed(process: &Process) -> bool {
    let by_its_own = process
        .received
        .iter()
        .rfind(|receipt| receipt.signal == Signal::KILL)
        .is_some_and(|receipt| matches!(receipt.role, Role::Inside | Role::Own));
    !by_its_own && process.exit.is_some_and(|(_, status)| status.signal() == Some(Signal::KILL))
}

/// Whether a process got the stop signal or another one that asks it to end, since the stop began.
pub(super) fn asked_to_end(process: &Process, stop: &Stop) -> bool {
    let Some(signal) = stop.signal() else { return false };
    process.received.iter().any(|receipt| {
        receipt.at >= signal.at
            && receipt.outcome != Outcome::Noise
            && (receipt.signal == signal.signal || ASKING.contains(&receipt.signal))
    })
}
