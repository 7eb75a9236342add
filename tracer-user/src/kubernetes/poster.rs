//! Tells the API what became known, one Event after the other, with patience that has an end.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use crate::live::{boot_now, wall_clock};
use crate::model::Change;
use crate::output::Clock;

use super::aggregate::{Aggregate, Step};
use super::answer::Fate;
use super::backoff::Backoff;
use super::event::{Note, SeriesPatch};
use super::http::{Api, Ask, JSON, MERGE_PATCH};
use super::limits;

/// Where one is not to be told, and until when.
#[derive(Debug, Default)]
struct Refused {
    /// Whoever we are.
    all: Option<Instant>,
    /// By namespace.
    places: HashMap<String, Instant>,
    /// That we may not was said.
    told: bool,
    /// That we are not known was said.
    told_stranger: bool,
}

/// What is done with what became known.
pub(super) struct Poster {
    api: Api,
    /// The name of this node, or what stands for it.
    instance: String,
    aggregate: Aggregate,
    refused: Refused,
    /// How long to wait when we are not known.
    stranger: Backoff,
    /// Counts the times that somebody asked to try again.
    asked: watch::Receiver<u64>,
    /// It was said that the API does not answer.
    told_silent: bool,
    /// It was said that there is too much to tell of some pods.
    told_spared: bool,
}

impl Poster {
    pub(super) fn new(api: Api, instance: String, asked: watch::Receiver<u64>) -> Self {
        Self {
            api,
            instance,
            aggregate: Aggregate::default(),
            refused: Refused::default(),
            stranger: Backoff::new(limits::FIRST_STRANGER_WAIT, limits::LONGEST_STRANGER_WAIT),
            asked,
            told_silent: false,
            told_spared: false,
        }
    }

    /// Takes what comes until nothing will.
    pub(super) async fn run(mut self, mut changes: mpsc::Receiver<Change>) {
        while let Some(change) = changes.recv().await {
            if let Some(note) = Note::of(&change) {
                self.tell(&note, || !changes.is_empty()).await;
            }
        }
    }

    /// Tells it, with less patience when others wait to be told.
    async fn tell(&mut self, note: &Note, others: impl Fn() -> bool) {
        if self.asked.has_changed().unwrap_or(false) {
            self.asked.mark_unchanged();
            self.refused = Refused::default();
        }
        if self.refused.holds(&note.pod.namespace) {
            return;
        }
        let now = boot_now();
        let mut step = self.aggregate.step(note, now);
        if step == Step::Spare {
            if !self.told_spared {
                self.told_spared = true;
                log::info!(
                    "pod {}/{} has more to tell than Kubernetes wants to hear: {} Events at once, then one in {} min; \
                     what is more is left out, here and of other pods",
                    note.pod.namespace,
                    note.pod.name,
                    limits::BURST,
                    limits::REFILL_MS / 60_000
                );
            }
            return;
        }
        let begun = Instant::now();
        let mut backoff = Backoff::new(limits::FIRST_WAIT, limits::LONGEST_WAIT);
        // a name is one and the same however often it is tried
        let (clock, mut salt) = (wall_clock(), 0);
        loop {
            let (name, count, ask) = self.request(note, &step, clock, salt);
            let fate = match self.api.ask(&ask, limits::ANSWER_BYTES, limits::ANSWER_TIME).await {
                Ok(answer) => Fate::of(&answer),
                Err(trouble) => Fate::Later(None, trouble.to_string()),
            };
            match fate {
                // what was tried before may have been done, and only the answer was missing
                Fate::Taken if backoff.tries() == 0 && salt < u64::from(limits::TRIES) => salt += 1,
                Fate::Done | Fate::Taken => {
                    self.aggregate.told(note, &name, count, now);
                    self.stranger.reset();
                    let was_unknown = std::mem::take(&mut self.refused.told_stranger);
                    if std::mem::take(&mut self.told_silent) || was_unknown {
                        log::info!("Kubernetes takes Events again");
                    }
                    return log::debug!("Event {}/{name}: {}", note.pod.namespace, note.words.reason);
                }
                Fate::Later(after, why) => {
                    if backoff.tries() + 1 >= limits::TRIES {
                        return self.gives_up(&why);
                    }
                    if !has_waited(backoff.wait(after), begun + limits::WHILE_OTHERS_WAIT, &others).await {
                        return self.gives_up(&why);
                    }
                }
                // it expired, or somebody deleted it
                Fate::Gone if step != Step::Make => {
                    self.aggregate.is_gone(note);
                    step = Step::Make;
                }
                // too old is said in a watch only
                Fate::Gone | Fate::TooOld => return,
                Fate::Forbidden(why) => return self.is_forbidden(&note.pod.namespace, &why),
                Fate::Stranger(why) => return self.is_stranger(&why),
                Fate::Wrong(why) => {
                    return log::warn!("Kubernetes did not take the Event {} on a pod: {why}", note.words.reason);
                }
            }
        }
    }

    /// What to ask for a step: the name of the Event, how often it has happened by then, and the request.
    fn request(&self, note: &Note, step: &Step, clock: Clock, salt: u64) -> (String, u32, Ask) {
        let place = format!("/apis/events.k8s.io/v1/namespaces/{}/events", note.pod.namespace);
        let json = |value: serde_json::Result<Vec<u8>>| Bytes::from(value.unwrap_or_default());
        match step {
            Step::Count { name, count } => {
                let body = json(serde_json::to_vec(&SeriesPatch::new(*count, note.at, clock)));
                let target = format!("{place}/{name}");
                (
                    name.clone(),
                    *count,
                    Ask { method: Method::PATCH, target, accept: JSON, body: Some((MERGE_PATCH, body)) },
                )
            }
            Step::Make | Step::Spare => {
                let name = note.name(clock, salt);
                let body = json(serde_json::to_vec(&note.object(&name, &self.instance, clock)));
                let ask = Ask { method: Method::POST, target: place, accept: JSON, body: Some((JSON, body)) };
                (name, 1, ask)
            }
        }
    }

    fn gives_up(&mut self, why: &str) {
        if !self.told_silent {
            self.told_silent = true;
            log::warn!("Kubernetes does not take Events, and what is to be told is lost until it does: {why}");
        }
    }

    fn is_forbidden(&mut self, namespace: &str, why: &str) {
        if !self.refused.told {
            self.refused.told = true;
            log::warn!("{}", forbidden(namespace, why));
        }
        let until = Instant::now() + limits::REFUSED_FOR;
        if self.refused.places.len() >= limits::REMEMBERED {
            self.refused.places.retain(|_, until| *until > Instant::now());
        }
        if self.refused.places.len() < limits::REMEMBERED {
            self.refused.places.insert(namespace.to_owned(), until);
        }
    }

    fn is_stranger(&mut self, why: &str) {
        if !self.refused.told_stranger {
            self.refused.told_stranger = true;
            log::warn!(
                "no Kubernetes Events: the API does not know the token of this pod: {why}. Asked again within seconds, at \
                 last every minute, and on SIGHUP"
            );
        }
        self.refused.all = Some(Instant::now() + self.stranger.wait(None));
    }
}

/// Waits that long; `false` as soon as others wait and the wait would go on after `last`.
async fn has_waited(wait: Duration, last: Instant, others: impl Fn() -> bool) -> bool {
    let until = Instant::now() + wait;
    loop {
        if until > last && others() {
            return false;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        sleep(left.min(limits::LOOK_FOR_OTHERS)).await;
    }
}

/// What is said when we may not: a quota is also one, and then no permission helps.
fn forbidden(namespace: &str, why: &str) -> String {
    let help = if why.contains("exceeded quota") {
        "the namespace's quota has no room for them"
    } else {
        "what is needed is to create and patch events of events.k8s.io"
    };
    format!(
        "no Kubernetes Events in namespace {namespace}: {why}; {help}. Asked again in 5 min and on SIGHUP, and not said of \
         other namespaces"
    )
}

impl Refused {
    /// Whether it is not yet time to ask again.
    fn holds(&self, namespace: &str) -> bool {
        let now = Instant::now();
        let holds = |until: Option<&Instant>| until.is_some_and(|until| *until > now);
        holds(self.all.as_ref()) || holds(self.places.get(namespace))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn one_that_is_not_taken_gives_way_to_others() {
        let (minute, last) = (Duration::from_mins(1), Instant::now() + limits::WHILE_OTHERS_WAIT);
        let begun = Instant::now();
        // there is somebody, and there would be no end of it
        assert!(!has_waited(minute, last, || true).await);
        // somebody comes while it waits
        let looked = Cell::new(0);
        let second_time = || {
            looked.set(looked.get() + 1);
            looked.get() > 1
        };
        assert!(!has_waited(minute, last, second_time).await);
        assert_eq!(looked.get(), 2, "it does not go on after that");
        // a short wait is waited for, and a long one of which nobody hears
        assert!(has_waited(Duration::from_millis(1), last, || true).await);
        assert!(has_waited(Duration::from_millis(1), begun, || false).await);
    }

    #[test]
    fn a_quota_is_told_from_a_missing_permission() {
        let quota =
            r#"403: events.events.k8s.io "web.1" is forbidden: exceeded quota: objects, requested: count/events=1"#;
        let said = forbidden("shop", quota);
        assert!(said.contains(quota) && said.contains("no room") && !said.contains("what is needed"), "{said}");
        let said = forbidden("shop", "403: events.events.k8s.io is forbidden: User \"x\" cannot create resource");
        assert!(said.contains("cannot create resource; what is needed is to create and patch events"), "{said}");
        assert!(said.contains("in 5 min") && limits::REFUSED_FOR == Duration::from_mins(5), "{said}");
    }
}
