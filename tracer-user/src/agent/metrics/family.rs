//! Series by their labels, with an end: beyond a number of them whatever is new is counted together.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::limits;

/// What labels that may be anything are where there are too many series.
pub(super) const OTHER: &str = "other";

/// Values of labels, in the order of the family's names.
pub(super) type Labels = Arc<[String]>;

/// Series of one name.
#[derive(Clone, Debug, Default)]
pub(super) struct Family<T> {
    series: BTreeMap<Labels, T>,
}

impl<T: Default> Family<T> {
    /// The series with these labels: those from a list of ours, and those that come from strangers, which are `other` when
    /// there are too many series already.
    pub(super) fn of(&mut self, known: &[&str], strange: &[&str]) -> &mut T {
        let labels: Labels = known.iter().chain(strange).map(|&value| value.to_owned()).collect();
        if self.series.len() < limits::SERIES || self.series.contains_key(&labels) {
            return self.series.entry(labels).or_default();
        }
        let other = strange.iter().map(|_| &OTHER);
        self.series.entry(known.iter().chain(other).map(|&value| value.to_owned()).collect()).or_default()
    }

    /// All of them, sorted by their labels.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[String], &T)> {
        self.series.iter().map(|(labels, value)| (&**labels, value))
    }
}

/// A distribution over buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Histogram {
    /// Of each bucket by itself, that above the last bound included; empty until something is observed.
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    pub(super) fn observe(&mut self, bounds: &[f64], value: f64) {
        self.counts.resize(bounds.len() + 1, 0);
        self.counts[bounds.partition_point(|bound| *bound < value)] += 1;
        self.sum += value;
    }

    pub(super) const fn sum(&self) -> f64 {
        self.sum
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Upper bounds, infinity being the last, with what is in each bucket.
    pub(super) fn buckets(&self, bounds: &[f64]) -> Vec<(f64, u64)> {
        let bounds = bounds.iter().copied().chain([f64::INFINITY]);
        bounds.zip(self.counts.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_series_are_counted_together() {
        let mut family = Family::<u64>::default();
        for number in 0..limits::SERIES + 500 {
            *family.of(&["too-slow"], &["shop", &format!("web-{number}")]) += 1;
        }
        // one that is known goes on to be counted by itself
        *family.of(&["too-slow"], &["shop", "web-0"]) += 1;
        assert_eq!(family.iter().count(), limits::SERIES + 1);
        let value = |workload: &str| family.iter().find(|(labels, _)| labels[2] == workload).map(|(_, value)| *value);
        assert_eq!((value("web-0"), value(OTHER)), (Some(2), Some(500)));
        assert_eq!(family.iter().map(|(_, value)| value).sum::<u64>(), limits::SERIES as u64 + 501);
    }

    #[test]
    fn a_value_at_a_bound_is_below_it() {
        let mut histogram = Histogram::default();
        for value in [0.05, 0.1, 0.5, 7.0] {
            histogram.observe(&[0.1, 1.0], value);
        }
        assert_eq!(histogram.buckets(&[0.1, 1.0]), [(0.1, 2), (1.0, 1), (f64::INFINITY, 1)]);
        assert_eq!(histogram.count(), 4);
        assert!((histogram.sum() - 7.65).abs() < 1e-9);
    }
}
