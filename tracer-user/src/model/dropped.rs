//! Signals that a first process has no handler for, outside a stop.

use crate::event::{BootNs, Comm};
use crate::signal::Signal;

use super::change::{Condition, Figure};
use super::container::Container;
use super::explain::{Fault, fix_for, what_runs};
use super::limits;
use super::names::{Cause, ConditionKind, Outcome, Role, Verdict};
use super::node::Node;
use super::process::{ContainerKey, Process, Receipt};
use super::program::{Program, are_several};

/// A signal that was dropped, by whom.
#[derive(Clone, Debug)]
pub(super) struct Dropped {
    signal: Signal,
    sender: Comm,
    times: u64,
    told: u64,
}

impl Container {
    /// Counts it; returns how often that came, when it is worth telling.
    fn count_dropped(&mut self, signal: Signal, sender: Comm) -> Option<u64> {
        let found = self.dropped.iter().position(|dropped| dropped.signal == signal && dropped.sender == sender);
        let index = found.unwrap_or_else(|| {
            if self.dropped.len() == limits::DROPPED_KEPT {
                self.dropped.remove(0);
            }
            self.dropped.push(Dropped { signal, sender, times: 0, told: 0 });
            self.dropped.len() - 1
        });
        let dropped = &mut self.dropped[index];
        dropped.times += 1;
        let due = dropped.told == 0 || dropped.times >= dropped.told.saturating_mul(limits::DROPPED_AGAIN);
        if due {
            dropped.told = dropped.times;
        }
        due.then_some(dropped.times)
    }
}

impl Node {
    /// A signal was dropped at a first process and no stop is going on.
    pub(super) fn dropped_outside_a_stop(&mut self, at: BootNs, owner: ContainerKey, receipt: &Receipt) {
        let (signal, sender) = (receipt.signal, &receipt.sender);
        let Some(container) = self.containers.get_mut(&owner).filter(|container| !container.is_sandbox()) else {
            return;
        };
        let Some(times) = container.count_dropped(signal, sender.comm) else { return };
        let Some(container) = self.containers.get(&owner) else { return };
        let Some(first) = container.first.and_then(|first| self.processes.get(first)) else { return };
        let comm = first.comm();
        let stops = container.stop_signal().unwrap_or(Signal::TERM) == signal;
        let prospect = if stops {
            format!(" It will do the same with {signal} when the container is stopped.")
        } else {
            String::new()
        };
        let who = match (receipt.role, sender.ns_pid) {
            (Role::Kernel, _) => from_kernel(signal).to_owned(),
            (Role::Inside, Some(ns_pid)) => format!("{} (pid {ns_pid} in the container)", sender.comm),
            _ => format!("{} (pid {})", sender.comm, sender.pid),
        };
        let so_far = if times > 1 { format!(", for the {times}th time") } else { String::new() };
        let (explanation, fix) = if matches!(signal, Signal::KILL | Signal::STOP) {
            (
                format!(
                    "{who} sent {signal} to {comm}, PID 1 of its own pid namespace{so_far}, and the kernel dropped it: from inside, not even {signal} reaches an init."
                ),
                "Stop the container from outside (docker stop, kubectl delete pod), or let PID 1 end by itself."
                    .to_owned(),
            )
        } else {
            (
                format!(
                    "{who} sent {signal} to {comm} (PID 1){so_far}, {}, so the kernel dropped it.{prospect}",
                    if receipt.outcome == Outcome::Dropped {
                        "which has no handler for it"
                    } else {
                        "whose handler only set the default action again and raised it at itself"
                    }
                ),
                self.advice_on_drop(container, first, receipt).unwrap_or_default(),
            )
        };
        let condition = Condition {
            kind: ConditionKind::DroppedSignal,
            container: Some(container.name.clone()),
            explanation,
            fix: Some(fix),
            figures: vec![
                ("signal", Figure::Text(signal.to_string())),
                ("sender_pid", Figure::Number(u64::from(sender.pid))),
                ("sender_comm", Figure::Text(sender.comm.to_string())),
                ("target_pid", Figure::Number(u64::from(first.task.pid))),
                ("times", Figure::Number(times)),
            ],
        };
        self.tell_condition(at, condition);
    }

    /// The same advice as for a stop that ends like that, where somebody may have meant to stop it.
    fn advice_on_drop(&self, container: &Container, first: &Process, receipt: &Receipt) -> Option<String> {
        let signal = receipt.signal;
        if !asks_to_stop(signal, container.stop_signal()) {
            return Some(format!(
                "Send {signal} to the process that handles it; or let that one be PID 1 (exec PROGRAM in the script, or the exec form in the Dockerfile)."
            ));
        }
        let comm = first.comm().to_string();
        let program = Program::of(&comm, first.exe.as_deref());
        let called = format!("{comm} (PID 1)");
        let live = |parent| -> Vec<&Process> {
            let children = self.processes.children_of(parent).into_iter();
            children.filter_map(|key| self.processes.get(key)).filter(|child| child.is_live()).collect()
        };
        let children: Vec<_> =
            live(first.key()).into_iter().map(|child| (child.comm(), child.exe.as_deref())).collect();
        let several = program.is_shell() && are_several(children.iter().map(|(comm, exe)| (comm.as_str(), *exe)));
        let below = what_runs(first.key(), live).filter(|_| program.is_shell());
        // one that reached a handler is told here because that raised it again
        let cause = if receipt.outcome == Outcome::Dropped { Cause::NoHandler } else { Cause::HandlerReraised };
        let fault = Fault::new(Verdict::SigtermDropped, Some(cause), program, Some(signal), &called)
            .with_below(below.as_deref())
            .with_several(several)
            .with_pod(container.pod.is_some());
        fix_for(&fault)
    }
}

/// Whether one sends it to stop a container; others are orders to reload, to reopen logs, and the like.
fn asks_to_stop(signal: Signal, configured: Option<Signal>) -> bool {
    configured == Some(signal) || matches!(signal, Signal::TERM | Signal::INT | Signal::QUIT)
}

/// Who is behind a signal that the kernel made: whatever ran at that moment has nothing to do with it.
fn from_kernel(signal: Signal) -> &'static str {
    match signal {
        Signal::INT => "The terminal (Ctrl-C)",
        Signal::QUIT => "The terminal (Ctrl-\\)",
        Signal::HUP => "The terminal, which was closed,",
        _ if signal.default_is_stop() => "The terminal",
        _ => "The kernel",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_to_reload_is_none_to_stop() {
        for (signal, configured, stops) in [
            (Signal::HUP, Some(Signal::TERM), false),
            (Signal::USR1, None, false),
            (Signal::HUP, Some(Signal::HUP), true),
            (Signal::TERM, Some(Signal::QUIT), true),
            (Signal::INT, None, true),
        ] {
            assert_eq!(asks_to_stop(signal, configured), stops, "{signal} {configured:?}");
        }
    }

    #[test]
    fn the_same_again_is_told_each_time_there_are_ten_times_as_many() {
        let mut container = Container::new("x");
        let told: Vec<_> =
            (1..=150).filter_map(|_| container.count_dropped(Signal::HUP, Comm::from("logrotate"))).collect();
        assert_eq!(told, [1, 10, 100]);
        assert_eq!(container.count_dropped(Signal::USR1, Comm::from("logrotate")), Some(1), "another signal is news");
        assert_eq!(container.count_dropped(Signal::HUP, Comm::from("kill")), Some(1), "so is another sender");
        for n in 0..1_000 {
            container.count_dropped(Signal::HUP, Comm::from(n.to_string().as_str()));
        }
        assert_eq!(container.dropped.len(), limits::DROPPED_KEPT);
    }
}
