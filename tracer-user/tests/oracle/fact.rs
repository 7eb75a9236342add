//! What happened, in the same words whoever told it, and the comparison of two who tell.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What kind of thing happened to a thread or, for all but signals, to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A signal was generated for a thread.
    Generate,
    /// A thread took a signal.
    Deliver,
    /// A process was made.
    Fork,
    /// A process runs a new program.
    Exec,
    /// The last thread of a process exits.
    Exit,
    /// A process was reaped.
    Reaped,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    /// Microseconds since boot.
    pub(crate) at: u64,
    /// Kind.
    pub(crate) kind: Kind,
    /// Host tid of the thread it happened to.
    pub(crate) tid: u32,
    /// All that both sides know of it.
    pub(crate) what: String,
}

/// The kernel's lock on the target orders what happens to it, so both must tell the same, in the same order, about each
/// thread; and at the same time, but for what can happen to a virtual machine between two programs on one tracepoint.
const SKEW_US: u64 = 200_000;
/// Differences that are worth printing.
const SHOWN: usize = 5;
/// Facts around a difference that are printed.
const AROUND: usize = 3;

/// How many facts of each kind were compared, and how far apart the two were in time.
#[derive(Debug)]
pub(crate) struct Agreement {
    /// Facts compared.
    pub(crate) counts: BTreeMap<Kind, usize>,
    /// The largest difference in time, microseconds.
    pub(crate) skew: u64,
}

impl Agreement {
    /// Facts of one kind.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.counts.get(&kind).copied().unwrap_or_default()
    }
}

/// Compares one to one; panics with the first differences when anything is missing, invented, changed or out of order.
#[track_caller]
pub(crate) fn compare(who: &str, kernel: &[Fact], told: &[Fact]) -> Agreement {
    let (kernel_by, told_by) = (by_thread(kernel), by_thread(told));
    let mut differences = Vec::new();
    let mut agreement = Agreement { counts: BTreeMap::new(), skew: 0 };
    let keys: std::collections::BTreeSet<_> = kernel_by.keys().chain(told_by.keys()).copied().collect();
    for key in keys {
        let left = kernel_by.get(&key).map_or(&[][..], Vec::as_slice);
        let right = told_by.get(&key).map_or(&[][..], Vec::as_slice);
        *agreement.counts.entry(key.0).or_default() += left.len();
        let same = |(left, right): (&&Fact, &&Fact)| left.what == right.what && left.at.abs_diff(right.at) <= SKEW_US;
        let agreeing = left.iter().zip(right).take_while(|&pair| same(pair)).count();
        let skews = left.iter().zip(right).take(agreeing).map(|(left, right)| left.at.abs_diff(right.at));
        agreement.skew = agreement.skew.max(skews.max().unwrap_or_default());
        if agreeing < left.len().max(right.len()) {
            let at = left.get(agreeing).or(right.get(agreeing)).map_or(0, |fact| fact.at);
            differences.push((at, key, agreeing, left, right));
        }
    }
    differences.sort_by_key(|(at, ..)| *at);
    let mut text = String::new();
    for (_, (kind, tid), place, left, right) in differences.iter().take(SHOWN) {
        let around = place.saturating_sub(AROUND);
        let show = |facts: &[&Fact]| -> String {
            let part = facts.iter().enumerate().skip(around).take(2 * AROUND);
            let lines: Vec<_> = part.map(|(n, fact)| format!("\n      {n}: {} {}", fact.at, fact.what)).collect();
            lines.concat()
        };
        let (of, others) = (left.len(), right.len());
        write!(
            text,
            "\n  {kind:?} {tid}, number {place}:\n    kernel ({of}):{}\n    {who} ({others}):{}",
            show(left),
            show(right)
        )
        .expect("memory");
    }
    assert!(differences.is_empty(), "kernel and {who} differ about {} threads:{text}", differences.len());
    agreement
}

fn by_thread(facts: &[Fact]) -> BTreeMap<(Kind, u32), Vec<&Fact>> {
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for fact in facts {
        all.entry((fact.kind, fact.tid)).or_default().push(fact);
    }
    all
}
