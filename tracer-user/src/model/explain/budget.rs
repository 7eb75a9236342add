//! What became of the grace period: the preStop hook's share, a late start, another period than the one configured.

use crate::signal::Signal;

use super::super::change::{ExitStatus, PreStop};
use super::super::grace::{Reading, is_minimum};
use super::super::limits;
use super::super::names::{Cause, HookKind, Role, Verdict};
use super::super::words::{period, seconds};
use super::{Story, ended};

impl HookKind {
    /// As the pod's specification spells it.
    #[must_use]
    pub const fn in_pod_spec(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::HttpGet => "httpGet",
            Self::TcpSocket => "tcpSocket",
            Self::Sleep => "sleep",
        }
    }
}

/// Sentences that follow what happened, each with a space before it.
pub(super) fn budget(story: &Story<'_>) -> String {
    let sentences = [hook(story), late(story), reading(story), static_pod(story), deletion(story)];
    sentences.into_iter().flatten().fold(String::new(), |text, sentence| text + " " + &sentence)
}

/// It took long from the request to delete the pod until something came of it.
fn deletion(story: &Story<'_>) -> Option<String> {
    let termination = story.termination;
    // of two clocks that do not agree nobody knows how long it took
    let deletion = termination.deletion.filter(|deletion| !deletion.imprecise)?;
    let took = termination.started.ms_since(deletion.requested);
    let seconds = took / 1_000;
    let killed = termination.kill.as_ref().map(|_| Signal::KILL);
    // what ended by itself was not told to stop
    let began = match (&termination.pre_stop, termination.stop_signal.or(killed)) {
        (Some(_), _) => "the preStop hook began".to_owned(),
        (None, Some(signal)) => format!("{signal} was sent"),
        (None, None) => return None,
    };
    (took >= limits::DELETION_SLOW_MS)
        .then(|| format!("The deletion of its pod had been asked for {seconds} s (± 1 s) before {began}."))
}

/// What the hook took.
fn hook(story: &Story<'_>) -> Option<String> {
    let hook = story.termination.pre_stop.as_ref()?;
    let Some(signal) = story.signal else { return Some(ended_by_hook(story, hook)) };
    if story.termination.cause == Some(Cause::PreStopUsedItAll) {
        return None; // that is what happened
    }
    let took = seconds(hook.used_ms);
    let of = hook.of_ms.map_or_else(String::new, |budget| format!(" of the {}", period(budget)));
    Some(match (&hook.process, hook.kind) {
        (Some(process), _) => {
            let end = match hook.exit {
                _ if hook.ended.is_none_or(|ended| ended > signal.at) => " and had not ended then".to_owned(),
                Some(status) if status.raw != 0 => format!(" and {}", ended(status)),
                _ => String::new(),
            };
            format!("Before that its preStop hook ({}) ran {took}{of}{end}.", process.comm)
        }
        (None, HookKind::Sleep) => format!("Before that kubelet kept its preStop sleep, {took}{of}."),
        (None, kind) => format!(
            "Before that the {} preStop hook, which kubelet calls itself, took about {took}{of}.",
            kind.in_pod_spec()
        ),
    })
}

/// It exited while the hook ran, or because of it.
fn ended_by_hook(story: &Story<'_>, hook: &PreStop) -> String {
    let name = hook.process.as_ref().map_or_else(String::new, |process| format!(" ({})", process.comm));
    let exited = story.termination.exited.unwrap_or(hook.started);
    let when = match hook.ended {
        Some(ended) if ended < exited => {
            format!("{} after its preStop hook{name} had ended", seconds(exited.ms_since(ended)))
        }
        _ => format!("while its preStop hook{name} ran, {} after that began", seconds(exited.ms_since(hook.started))),
    };
    format!("This was {when}: kubelet had begun to stop it and had sent no stop signal yet.")
}

/// Told to stop later than its pod.
fn late(story: &Story<'_>) -> Option<String> {
    let late = story.patience.late_ms?;
    let left = story.container.grace_ms().map(|budget| match budget.saturating_sub(late) {
        0 => format!(", with nothing of the {} left", period(budget)),
        left => format!(", with {} of the {} left", seconds(left), period(budget)),
    });
    Some(format!(
        "It was told to stop {} after its pod, when others of it had ended{}: sidecars stop last, and the grace period is the whole pod's.",
        seconds(late),
        left.unwrap_or_default()
    ))
}

fn reading(story: &Story<'_>) -> Option<String> {
    match story.patience.reading {
        Reading::Plain => None,
        Reading::Minimum => {
            let budget = story.container.grace_ms().map(period)?;
            Some(format!(
                "The grace period of {budget} was as good as over before the stop signal; kubelet gives 2 s even then."
            ))
        }
        Reading::Other { gave_ms, configured_ms } => {
            let configured = match story.termination_source() {
                Some("default") => format!("the {} that are the default", period(configured_ms)),
                _ => format!("the {} configured", period(configured_ms)),
            };
            Some(format!(
                "The runtime gave it {}, not {configured}: {}.",
                seconds(gave_ms),
                asked_by(story, gave_ms, configured_ms)
            ))
        }
        Reading::OtherOrHook { gave_ms, configured_ms } => {
            let kind = story.container.unseen_hook().map(super::super::hook::kind)?;
            Some(format!(
                "The runtime gave it {} of the {} configured: the {} preStop hook, which kubelet calls itself, used up the rest, or another grace period was asked for ({}).",
                seconds(gave_ms),
                period(configured_ms),
                kind.in_pod_spec(),
                asked_by(story, gave_ms, configured_ms)
            ))
        }
    }
}

/// Who asks for another grace period than the one configured.
fn asked_by(story: &Story<'_>, gave_ms: u64, configured_ms: u64) -> String {
    let runtime = story.container.described.as_ref().and_then(|described| described.runtime.as_deref());
    if story.container.pod.is_none() {
        return match runtime {
            Some("podman") => "podman stop -t",
            Some("docker") | None => "docker stop -t",
            Some(_) => "whoever asked for the stop named another",
        }
        .to_owned();
    }
    let shorter = gave_ms < configured_ms;
    match (shorter, story.others.is_empty()) {
        (true, _) if is_minimum(gave_ms) => {
            "2 s is kubelet's minimum, which kubectl delete --force and --grace-period=1 get, an eviction, and a node that shuts down".to_owned()
        }
        (true, true) => "kubectl delete --grace-period, --force, or a node shutdown; or a failed probe has a terminationGracePeriodSeconds of its own".to_owned(),
        (true, false) => "the probe that failed may have a terminationGracePeriodSeconds of its own".to_owned(),
        (false, _) => "kubectl delete --grace-period".to_owned(),
    }
}

fn static_pod(story: &Story<'_>) -> Option<String> {
    let by_runtime = story.termination.sender.as_ref().is_some_and(|sender| sender.role == Role::Runtime);
    let place = story.static_source().filter(|_| by_runtime && story.termination.verdict != Verdict::OomKilled)?;
    Some(format!(
        "Its pod is a static one, from {place}: kubectl delete removes only its mirror, so its manifest was changed or taken away, or a probe failed."
    ))
}

impl Story<'_> {
    /// Who told the grace period that is configured.
    fn termination_source(&self) -> Option<&str> {
        self.container.described.as_ref().and_then(|described| described.grace_source.as_deref())
    }

    /// Where a static pod comes from.
    pub(super) fn static_source(&self) -> Option<&'static str> {
        match self.container.described.as_ref()?.pod_source.as_deref()? {
            "file" => Some("a file on the node"),
            "http" => Some("a URL that kubelet reads"),
            _ => None,
        }
    }

    /// Whether a hook failed, and how: it ended before the stop signal.
    pub(super) fn failed_hook(&self) -> Option<(&PreStop, ExitStatus)> {
        let hook = self.termination.pre_stop.as_ref()?;
        let before = hook.ended.is_some_and(|ended| self.signal.is_some_and(|signal| ended <= signal.at));
        hook.exit.filter(|status| before && status.raw != 0).map(|status| (hook, status))
    }
}
