//! What is counted as it becomes known: ends, drops, conditions.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::model::{Change, Condition, ContainerName, ContainerRef, News, Outcome, Termination};

use super::super::sinks::Sink;
use super::family::{Family, Histogram};
use super::workload::workload;

/// Upper bounds of the times that stops took, s.
pub(super) const DURATIONS: [f64; 12] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0];
/// Upper bounds of the used shares of grace periods.
pub(super) const SHARES: [f64; 8] = [0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0, 1.1];

/// Everything that only grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// Series have a label with the name of the pod, too.
    pub(super) pod_names: bool,
    pub(super) terminations: Family<u64>,
    pub(super) durations: Family<Histogram>,
    pub(super) shares: Family<Histogram>,
    pub(super) dropped: Family<u64>,
    pub(super) conditions: Family<u64>,
}

impl Counts {
    pub(super) fn take(&mut self, change: &Change) {
        match &change.news {
            News::Termination(end) => self.ended(end),
            News::Condition(condition) => self.condition(condition),
            News::Signal(news) if is_dropped(change) => {
                self.dropped(&news.signal.to_string(), news.container.as_ref());
            }
            News::Deliver(news) if is_dropped(change) => {
                self.dropped(&news.signal.to_string(), news.container.as_ref());
            }
            _ => {}
        }
    }

    fn ended(&mut self, end: &Termination) {
        let cause = end.cause.map_or("", |cause| cause.slug());
        let known = [end.verdict.slug(), cause];
        *Self::count(&mut self.terminations, self.pod_names, &known, Some(&end.container)) += 1;
        let (namespace, _) = workload(&end.container);
        // what ended by itself was not shut down
        if (end.stop_signal.is_some() || end.kill.is_some() || end.pre_stop.is_some())
            && let Some(ended) = end.ended
        {
            let took = Duration::from_nanos(ended.since(end.started)).as_secs_f64();
            self.durations.of(&[end.verdict.slug()], &[&namespace]).observe(&DURATIONS, took);
        }
        let budget = end.grace.budget_ms.filter(|budget| *budget > 0);
        if let Some(budget) = budget.filter(|_| end.stop_signal.is_some() || end.pre_stop.is_some()) {
            let ms = |ms| Duration::from_millis(ms).as_secs_f64();
            self.shares.of(&[], &[&namespace]).observe(&SHARES, ms(end.grace.used_ms) / ms(budget));
        }
    }

    fn condition(&mut self, condition: &Condition) {
        let known = [condition.kind.slug()];
        *Self::count(&mut self.conditions, self.pod_names, &known, condition.container.as_ref()) += 1;
    }

    fn dropped(&mut self, signal: &str, container: Option<&ContainerRef>) {
        *Self::count(&mut self.dropped, self.pod_names, &[signal], container) += 1;
    }

    fn count<'a>(
        family: &'a mut Family<u64>,
        pod_names: bool,
        known: &[&str],
        container: Option<&ContainerRef>,
    ) -> &'a mut u64 {
        let nobody = ContainerName::default();
        let container = container.map_or(&nobody, |container| &**container);
        let (namespace, workload) = workload(container);
        let pod = pod_label(container);
        let strange = [namespace.as_str(), &workload, &pod];
        family.of(known, &strange[..if pod_names { 3 } else { 2 }])
    }
}

/// The name of a container's pod, safe to print.
pub(super) fn pod_label(container: &ContainerName) -> String {
    container.pod.as_ref().map_or_else(String::new, |pod| crate::printable::text(&pod.name).into_owned())
}

/// Whether a signal to an init came to nothing, when it was sent or when it was taken from the queue.
fn is_dropped(change: &Change) -> bool {
    match &change.news {
        News::Signal(news) => news.outcome == Outcome::Dropped && news.target.is_init,
        News::Deliver(news) => news.dropped && news.target.is_init,
        _ => false,
    }
}

/// Counts what becomes known.
pub(super) struct Counting(pub(super) Rc<RefCell<Counts>>);

impl Sink for Counting {
    fn wants(&self, change: &Change) -> bool {
        matches!(change.news, News::Termination(_) | News::Condition(_)) || is_dropped(change)
    }

    fn take(&mut self, changes: &[Change]) {
        let mut counts = self.0.borrow_mut();
        for change in changes {
            counts.take(change);
        }
    }
}
