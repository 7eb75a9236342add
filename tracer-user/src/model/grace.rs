//! The grace period: what was granted, what had been used of it before anything could be seen, and what was given instead.
//!
//! kubelet counts from the moment it begins with a container: it runs the preStop hook, lets a sidecar wait for the
//! others, takes both from the grace period, and gives what is left to the runtime, two seconds at least
//! (<https://github.com/kubernetes/kubernetes/blob/v1.31.0/pkg/kubelet/kuberuntime/kuberuntime_container.go>, `killContainer`).

use crate::event::{BootNs, Hook};

use super::change::{Grace, PreStop};
use super::container::{Container, Stop};
use super::hook;
use super::limits;
use super::names::Role;

/// What is known of the pod's stop when one of its containers is judged.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PodClock {
    /// First sign in the pod, if its stop goes on.
    pub(super) started: Option<BootNs>,
    /// Another container of the pod had ended in this stop before this one got its stop signal.
    pub(super) after_others: bool,
}

/// How the runtime's patience is to be read.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    pub(super) grace: Grace,
    /// The preStop hook: seen, or worked out.
    pub(super) hook: Option<PreStop>,
    pub(super) reading: Reading,
    /// How long after its pod's first sign it was told, because it had to wait for others, ms.
    pub(super) late_ms: Option<u64>,
}

/// What the time until SIGKILL says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Nothing of interest.
    Plain,
    /// The time was up before the stop signal, and kubelet gave its minimum.
    Minimum,
    /// Somebody asked for another grace period.
    Other {
        /// What it was, ms.
        gave_ms: u64,
        /// What is configured, ms.
        configured_ms: u64,
    },
    /// The same, or a hook that nobody could see used up the rest.
    OtherOrHook {
        /// What was left, ms.
        gave_ms: u64,
        /// What is configured, ms.
        configured_ms: u64,
    },
}

/// Reads the grace period of a stop that lasted, or has lasted, until `until`.
pub(super) fn patience(container: &Container, stop: &Stop, pod: PodClock, until: BootNs) -> Patience {
    let told = container.grace_ms();
    let signal = stop.signal().map(|signal| signal.at);
    let by_runtime = stop.request.as_ref().is_some_and(|request| request.sender.role == Role::Runtime);
    let killed = stop.kill.as_ref().filter(|kill| stop.request.is_some() && kill.sender.role == Role::Runtime);
    // what the runtime gave the container itself
    let gave = killed.zip(signal).map(|(kill, signal)| kill.at.ms_since(signal));

    let late = signal.zip(pod.started).map(|(signal, started)| (started, signal.ms_since(started)));
    let late = late.filter(|(_, late)| by_runtime && *late >= limits::TOLD_LATE_MS);
    let unseen = container.unseen_hook().filter(|_| by_runtime && stop.pre_stop.is_none());
    let began = unseen.zip(signal).and_then(|(hook, signal)| match late {
        Some((pod, _)) => Some(pod),
        None => hidden_start(hook, signal, told, gave),
    });
    let hook = match (unseen, began) {
        (Some(hook), Some(started)) => Some(PreStop {
            kind: hook::kind(hook),
            process: None,
            started,
            ended: signal,
            exit: None,
            of_ms: told,
            used_ms: 0,
        }),
        _ => stop.pre_stop.clone(),
    };
    // kubelet waits no longer for a hook than the grace period
    let hook = hook.map(|hook| {
        let waited_until = signal.unwrap_or(until);
        let used_ms = hook.ended.map_or(waited_until, |ended| ended.min(waited_until)).ms_since(hook.started);
        PreStop { used_ms, ..hook }
    });
    let waited = late.filter(|_| pod.after_others && unseen.is_none());
    let from =
        [began, waited.map(|(pod, _)| pod)].into_iter().flatten().min().unwrap_or(stop.started).min(stop.started);

    let seen = killed.map(|kill| kill.at.ms_since(from));
    let used_up = signal.is_some_and(|signal| signal > from) && gave.is_some_and(is_minimum);
    let other = told.zip(seen).filter(|(told, seen)| told.abs_diff(*seen) > limits::BUDGET_TOLERANCE_MS);
    // what somebody else asked for, the runtime owes no grace period
    let reading = match other.filter(|_| by_runtime) {
        None => Reading::Plain,
        Some((told, seen)) if used_up && seen.saturating_add(limits::BUDGET_TOLERANCE_MS) > told => Reading::Minimum,
        Some((configured_ms, gave_ms)) => {
            let hidden = matches!(unseen, Some(Hook::HttpGet | Hook::TcpSocket)) && hook.is_none();
            if hidden && gave_ms < configured_ms {
                Reading::OtherOrHook { gave_ms, configured_ms }
            } else {
                Reading::Other { gave_ms, configured_ms }
            }
        }
    };
    let source = container.described.as_ref().and_then(|described| described.grace_source.clone());
    let (budget_ms, source) = match (told, seen) {
        (Some(_), Some(seen)) if other.is_some() => (Some(seen), Some("observed".into())),
        (Some(told), _) => (Some(told), source),
        (None, Some(seen)) => (Some(seen), Some("observed".into())),
        (None, None) => (None, None),
    };
    Patience {
        grace: Grace { budget_ms, source, used_ms: until.ms_since(from), since: from },
        hook,
        reading,
        late_ms: waited.map(|(_, late)| late),
    }
}

/// When a hook that leaves no process began: kubelet's sleep is as long as it says; of a request only SIGKILL tells,
/// which comes when the grace period is over.
fn hidden_start(hook: &Hook, signal: BootNs, told: Option<u64>, gave: Option<u64>) -> Option<BootNs> {
    let took = match hook {
        Hook::Sleep { seconds } => {
            let asked = seconds.saturating_mul(1_000);
            let took = told.map_or(asked, |told| asked.min(told));
            // a forced delete runs no hook: its minimum comes before the time is up
            let total = gave.map(|gave| (gave, gave.saturating_add(took).saturating_add(limits::BUDGET_TOLERANCE_MS)));
            let forced = total.zip(told).is_some_and(|((gave, total), told)| is_minimum(gave) && total < told);
            Some(took).filter(|_| !forced)?
        }
        Hook::HttpGet | Hook::TcpSocket => {
            let (told, gave) = (told?, gave?);
            // the minimum may be all that was asked for
            let short = gave.saturating_add(limits::BUDGET_TOLERANCE_MS) < told && !is_minimum(gave);
            told.checked_sub(gave).filter(|_| short)?
        }
        Hook::Exec { .. } => return None,
    };
    Some(BootNs(signal.0.saturating_sub(took.saturating_mul(1_000_000))))
}

/// Whether a time is the least that kubelet gives.
pub(super) const fn is_minimum(ms: u64) -> bool {
    ms.abs_diff(limits::GRACE_LEAST_MS) <= limits::BUDGET_TOLERANCE_MS
}
