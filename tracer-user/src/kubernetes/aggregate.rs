//! The same again is counted, and a pod that has too much to tell is heard less: what client-go's event correlator does. Pure.

use std::collections::HashMap;
use std::hash::Hash;

use crate::event::BootNs;

use super::event::Note;
use super::limits;

/// What makes two notes the same: the pod's uid, the container, the reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    uid: String,
    container: String,
    reason: &'static str,
}

impl Key {
    fn of(note: &Note) -> Self {
        Self { uid: note.pod.uid.clone(), container: note.pod.container.clone(), reason: note.words.reason }
    }
}

/// What to do with a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Make an Event of it.
    Make,
    /// It is there already, by this name: now it has happened so often.
    Count {
        /// Of the Event.
        name: String,
        /// How often, this time included.
        count: u32,
    },
    /// This pod was heard often enough.
    Spare,
}

/// An Event that was made.
#[derive(Clone, Debug)]
struct Made {
    name: String,
    count: u32,
    last: BootNs,
}

/// What a pod has left.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: u32,
    /// Since when the next one is on its way.
    since: BootNs,
}

/// What was made, and how much each pod has left.
#[derive(Debug, Default)]
pub(super) struct Aggregate {
    made: HashMap<Key, Made>,
    buckets: HashMap<String, Bucket>,
}

impl Aggregate {
    /// What to do with a note at this time. Costs the pod one of its tokens.
    pub(super) fn step(&mut self, note: &Note, now: BootNs) -> Step {
        if !self.spend(&note.pod.uid, now) {
            return Step::Spare;
        }
        match self.made.get(&Key::of(note)) {
            Some(made) if now.ms_since(made.last) <= limits::SERIES_MS => {
                Step::Count { name: made.name.clone(), count: made.count.saturating_add(1) }
            }
            _ => Step::Make,
        }
    }

    /// The Event that a note is told by is there, by this name, and tells of so many.
    pub(super) fn told(&mut self, note: &Note, name: &str, count: u32, now: BootNs) {
        make_room(&mut self.made, |made| made.last, now, limits::SERIES_MS);
        self.made.insert(Key::of(note), Made { name: name.to_owned(), count, last: now });
    }

    /// The Event that there was is there no more.
    pub(super) fn is_gone(&mut self, note: &Note) {
        self.made.remove(&Key::of(note));
    }

    fn spend(&mut self, uid: &str, now: BootNs) -> bool {
        if !self.buckets.contains_key(uid) {
            let full = u64::from(limits::BURST) * limits::REFILL_MS;
            make_room(&mut self.buckets, |bucket| bucket.since, now, full);
            self.buckets.insert(uid.to_owned(), Bucket { tokens: limits::BURST, since: now });
        }
        let Some(bucket) = self.buckets.get_mut(uid) else { return false };
        let earned = now.ms_since(bucket.since) / limits::REFILL_MS;
        bucket.since = BootNs(bucket.since.0.saturating_add(earned.saturating_mul(limits::REFILL_MS * 1_000_000)));
        let tokens = u64::from(bucket.tokens).saturating_add(earned).min(u64::from(limits::BURST));
        bucket.tokens = u32::try_from(tokens).unwrap_or(limits::BURST);
        if bucket.tokens == limits::BURST {
            bucket.since = now;
        }
        match bucket.tokens.checked_sub(1) {
            Some(left) => {
                bucket.tokens = left;
                true
            }
            None => false,
        }
    }
}

/// Forgets what is older than `ms` when there is no room for one more, and if that does not help the oldest.
fn make_room<K: Clone + Eq + Hash, V>(map: &mut HashMap<K, V>, last: impl Fn(&V) -> BootNs, now: BootNs, ms: u64) {
    if map.len() < limits::REMEMBERED {
        return;
    }
    map.retain(|_, value| now.ms_since(last(value)) <= ms);
    if map.len() >= limits::REMEMBERED
        && let Some(oldest) = map.iter().min_by_key(|(_, value)| last(value)).map(|(key, _)| key.clone())
    {
        map.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::Pod;
    use super::super::reasons;
    use super::*;
    use crate::model::{ConditionKind, Verdict};

    fn at(seconds: u64) -> BootNs {
        BootNs(seconds * 1_000_000_000)
    }

    fn note(uid: &str, container: &str) -> Note {
        let pod = Pod {
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            uid: uid.to_owned(),
            container: container.to_owned(),
        };
        let words = reasons::of_verdict(Verdict::SigtermDropped).expect("it is told");
        Note { at: at(0), pod, words, text: String::new() }
    }

    #[test]
    fn the_same_within_ten_minutes_of_the_last_is_counted() {
        let mut aggregate = Aggregate::default();
        let web = note("1", "app");
        assert_eq!(aggregate.step(&web, at(0)), Step::Make);
        // nothing is counted that was never made
        assert_eq!(aggregate.step(&web, at(1)), Step::Make);
        aggregate.told(&web, "web.1", 1, at(1));
        let counted = |count| Step::Count { name: "web.1".to_owned(), count };
        assert_eq!(aggregate.step(&web, at(601)), counted(2));
        aggregate.told(&web, "web.1", 2, at(601));
        assert_eq!(aggregate.step(&web, at(1_201)), counted(3));
        // another container, another pod, another reason
        let words = reasons::of_condition(ConditionKind::Zombies);
        for other in [note("1", "sidecar"), note("2", "app"), Note { words, ..note("1", "app") }] {
            assert_eq!(aggregate.step(&other, at(1_201)), Step::Make);
        }
        aggregate.told(&web, "web.1", 3, at(1_201));
        assert_eq!(aggregate.step(&web, at(1_802)), Step::Make);
        aggregate.told(&web, "web.2", 1, at(1_802));
        aggregate.is_gone(&web);
        assert_eq!(aggregate.step(&web, at(1_803)), Step::Make);
    }

    #[test]
    fn a_pod_is_heard_25_times_and_then_once_in_five_minutes() {
        let mut aggregate = Aggregate::default();
        let web = note("1", "app");
        let mut heard = |seconds| aggregate.step(&web, at(seconds)) != Step::Spare;
        assert_eq!((0..40).filter(|_| heard(0)).count(), 25);
        assert!(!heard(299));
        assert!(heard(300) && !heard(300) && !heard(599) && heard(600));
        // a long silence fills it again, and no more than that
        assert_eq!((0..40).filter(|_| heard(1_000_000)).count(), 25);
        assert!(aggregate.step(&note("2", "app"), at(0)) == Step::Make);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        const MANY: u64 = limits::REMEMBERED as u64 + 300;
        let mut aggregate = Aggregate::default();
        for n in 0..MANY {
            let pod = note(&n.to_string(), "app");
            // all at once: nothing is old enough to be forgotten for that
            assert_eq!(aggregate.step(&pod, at(1)), Step::Make);
            aggregate.told(&pod, "name", 1, BootNs(at(1).0 + n));
            assert!(aggregate.made.len() <= limits::REMEMBERED && aggregate.buckets.len() <= limits::REMEMBERED);
        }
        let last = note(&(MANY - 1).to_string(), "app");
        assert!(matches!(aggregate.step(&last, at(2)), Step::Count { count: 2, .. }));
    }
}
