//! What is told as an Event, and by which words. `docs/kubernetes.md` shows this table, by test.

use crate::model::{ConditionKind, Verdict};

/// Whoever is told this should look.
pub(super) const TYPE: &str = "Warning";

/// By which words something is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// In CamelCase, as reasons are.
    pub(super) reason: &'static str,
    /// What was being done when it happened.
    pub(super) action: &'static str,
}

const fn stopping(reason: &'static str) -> Words {
    Words { reason, action: "Stopping" }
}

const fn running(reason: &'static str) -> Words {
    Words { reason, action: "Running" }
}

/// For the end of a container; `None` where nothing is wrong, or kubelet says it already.
pub(super) const fn of_verdict(verdict: Verdict) -> Option<Words> {
    Some(match verdict {
        Verdict::SigtermDropped => stopping("SigtermDropped"),
        Verdict::SigtermIgnored => stopping("SigtermIgnored"),
        Verdict::SigtermBlocked => stopping("SigtermBlocked"),
        Verdict::NotForwarded => stopping("SigtermNotForwarded"),
        Verdict::TooSlow => stopping("GracePeriodExceeded"),
        Verdict::OomKilled => running("OomKilled"),
        Verdict::Killed => running("KilledWithoutWarning"),
        Verdict::Crashed => running("Crashed"),
        Verdict::Graceful | Verdict::DefaultAction | Verdict::Exited => return None,
    })
}

/// For what is wrong while a container runs.
pub(super) const fn of_condition(kind: ConditionKind) -> Words {
    match kind {
        ConditionKind::Zombies => running("ZombiesAccumulating"),
        ConditionKind::Stuck => stopping("ProcessStuck"),
        ConditionKind::RespawnLoop => running("ProcessRespawning"),
        ConditionKind::OrphanExit => running("OrphanExiting"),
        ConditionKind::DroppedSignal => running("SignalDropped"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn all() -> impl Iterator<Item = (&'static str, Option<Words>)> {
        let verdicts = Verdict::ALL.iter().map(|verdict| (verdict.slug(), of_verdict(*verdict)));
        verdicts.chain(ConditionKind::ALL.iter().map(|kind| (kind.slug(), Some(of_condition(*kind)))))
    }

    #[test]
    fn reasons_are_camel_case_and_each_means_one_thing() {
        let reasons: Vec<_> = all().filter_map(|(_, words)| Some(words?.reason)).collect();
        assert_eq!(reasons.iter().collect::<HashSet<_>>().len(), reasons.len());
        for reason in reasons {
            let first = reason.chars().next().is_some_and(|c| c.is_ascii_uppercase());
            assert!(first && reason.len() <= 128 && reason.chars().all(|c| c.is_ascii_alphanumeric()), "{reason}");
        }
    }

    #[test]
    fn the_documentation_has_this_table() {
        let table: String = all()
            .map(|(slug, words)| match words {
                Some(words) => {
                    let Words { reason, action } = words;
                    format!("| `{slug}` | {TYPE} | `{reason}` | `{action}` |\n")
                }
                None => format!("| `{slug}` | none | | |\n"),
            })
            .collect();
        let page = include_str!("../../../docs/kubernetes.md");
        assert!(page.contains(&table), "docs/kubernetes.md should have\n{table}");
    }
}
