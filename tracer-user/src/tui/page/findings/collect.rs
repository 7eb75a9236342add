//! What there is to find: conditions and terminations that went wrong, each told once.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use crate::event::BootNs;
use crate::model::{
    Cause, Condition, ConditionKind, ContainerRef, ExitStatus, Figure, HintKind, Process, Termination, Verdict,
};
use crate::signal::Signal;
use crate::tui::scene::Scene;

/// Something found; what is found again and again is one.
#[derive(Clone, Debug)]
pub(super) struct Finding<'a> {
    pub(super) id: FindingId,
    pub(super) what: What<'a>,
    /// When it was told last.
    pub(super) at: BootNs,
    /// It still is so.
    pub(super) present: bool,
    /// How often it was told.
    pub(super) times: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What<'a> {
    Condition(BootNs, &'a Condition),
    Ending(&'a Arc<Termination>),
}

/// What makes two findings the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct FindingId {
    container: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// With the process or the signal it is about.
    Condition(ConditionKind, u64),
    Ending(Verdict, Option<Cause>),
}

/// What comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    /// What is so now, then the newest.
    #[default]
    Newest,
    /// The worst, then the newest.
    Worst,
}

impl Order {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Newest => Self::Worst,
            Self::Worst => Self::Newest,
        }
    }

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Newest => "newest first",
            Self::Worst => "worst first",
        }
    }
}

impl Finding<'_> {
    pub(super) fn container(&self) -> Option<&ContainerRef> {
        match self.what {
            What::Condition(_, condition) => condition.container.as_ref(),
            What::Ending(termination) => Some(&termination.container),
        }
    }

    /// 0 for a remark, 3 for what loses work.
    pub(super) fn weight(&self) -> u8 {
        match self.what {
            What::Condition(_, condition) => match condition.kind {
                ConditionKind::Stuck => 3,
                ConditionKind::Zombies | ConditionKind::RespawnLoop | ConditionKind::OrphanExit => 2,
                ConditionKind::DroppedSignal => 1,
            },
            What::Ending(termination) => match termination.verdict {
                // somebody wanted that: docker kill, docker rm -f
                Verdict::Killed if termination.cause == Some(Cause::NeverSignalled) => 1,
                Verdict::SigtermDropped
                | Verdict::SigtermIgnored
                | Verdict::SigtermBlocked
                | Verdict::NotForwarded
                | Verdict::OomKilled
                | Verdict::Killed
                | Verdict::Crashed => 3,
                Verdict::TooSlow => 2,
                Verdict::DefaultAction | Verdict::Exited => 1,
                Verdict::Graceful => 0,
            },
        }
    }

    pub(super) fn is_bad(&self) -> bool {
        self.weight() == 3
    }
}

/// Whether there is anything to find in how it ended.
fn is_worth_telling(termination: &Termination) -> bool {
    match termination.verdict {
        // a worker that gets the signal twice may quit at once, and what an exec left behind was killed
        Verdict::Graceful => {
            termination.hints.iter().any(|hint| matches!(hint.kind, HintKind::LeftBehind | HintKind::Twice))
        }
        Verdict::Exited => termination.exit.and_then(ExitStatus::code) != Some(0),
        _ => true,
    }
}

/// The worst that is known of a container, by its place; what is wrong comes before an end that is as bad.
pub(super) fn worst(findings: &[Finding<'_>], container: &str) -> Option<usize> {
    let of =
        findings.iter().enumerate().filter(|(_, finding)| finding.container().is_some_and(|of| of.id == container));
    let badness = |finding: &Finding<'_>| (finding.weight(), matches!(finding.what, What::Condition(..)));
    of.max_by_key(|(index, finding)| (badness(finding), Reverse(*index))).map(|(index, _)| index)
}

/// All of them.
pub(super) fn all<'a>(scene: &Scene<'a>, order: Order) -> Vec<Finding<'a>> {
    let mut known: HashMap<FindingId, usize> = HashMap::new();
    let mut findings: Vec<Finding<'a>> = Vec::new();
    let mut add = |finding: Finding<'a>| {
        // both lists are told from the newest on
        if let Some(&index) = known.get(&finding.id) {
            findings[index].times += 1;
        } else {
            known.insert(finding.id.clone(), findings.len());
            findings.push(finding);
        }
    };
    for (at, condition) in scene.node.conditions().rev() {
        let Some(container) = &condition.container else { continue };
        if scene.shows(container) {
            let kind = Kind::Condition(condition.kind, subject(condition));
            let id = FindingId { container: container.id.clone(), kind };
            let present = is_present(condition, container, scene);
            add(Finding { id, what: What::Condition(at, condition), at, present, times: 1 });
        }
    }
    for termination in scene.node.terminations().rev() {
        let container = &termination.container;
        let known = scene.node.container_by_id(&container.id);
        let sandbox = known.is_some_and(|(_, container)| container.is_sandbox());
        if scene.shows(container) && !sandbox && is_worth_telling(termination) {
            let id = FindingId {
                container: container.id.clone(),
                kind: Kind::Ending(termination.verdict, termination.cause),
            };
            let at = termination.ended.unwrap_or(termination.started);
            add(Finding { id, what: What::Ending(termination), at, present: false, times: 1 });
        }
    }
    match order {
        Order::Newest => findings.sort_by_key(|finding| (!finding.present, Reverse(finding.at))),
        Order::Worst => {
            findings.sort_by_key(|finding| (Reverse(finding.weight()), !finding.present, Reverse(finding.at)));
        }
    }
    findings
}

/// What a condition is about, where a container can have several of the kind: a process or a signal.
fn subject(condition: &Condition) -> u64 {
    let figure = |name: &str| condition.figures.iter().find(|(figure, _)| *figure == name).map(|(_, figure)| figure);
    match (condition.kind, figure("pid"), figure("signal")) {
        (ConditionKind::Stuck, Some(Figure::Number(pid)), _) => *pid,
        (ConditionKind::DroppedSignal, _, Some(Figure::Text(name))) => {
            name.parse::<Signal>().map_or(0, |signal| u64::from(signal.number()))
        }
        _ => 0,
    }
}

/// Whether it still is as it was told.
fn is_present(condition: &Condition, container: &ContainerRef, scene: &Scene<'_>) -> bool {
    let Some((_, container)) = scene.node.container_by_id(&container.id).filter(|(_, found)| found.gone.is_none())
    else {
        return false;
    };
    match condition.kind {
        ConditionKind::Zombies => container.zombies > 0,
        ConditionKind::Stuck => {
            let pid = u32::try_from(subject(condition)).unwrap_or(0);
            scene.node.processes().by_pid(pid).is_some_and(|process| process.stuck_told && process.is_live())
        }
        // what makes it so is still there
        ConditionKind::RespawnLoop | ConditionKind::OrphanExit | ConditionKind::DroppedSignal => {
            container.first.and_then(|first| scene.node.processes().get(first)).is_some_and(Process::is_live)
        }
    }
}
