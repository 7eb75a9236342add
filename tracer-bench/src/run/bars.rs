//! The bars: what the figures must not miss.

use super::report::{Bar, Report};
use super::{idle, memory, signals, startup, storm};

/// An untracked target's signal costs at most so many floors.
const UNTRACKED: f64 = 1.5;
/// A streamed one.
const STREAMED: f64 = 4.0;
/// And is so many times cheaper than the cheapest peer that prints.
const CHEAPER: f64 = 20.0;
/// Until attached, ms.
const STARTUP_MS: f64 = 100.0;
/// With 500 containers, MiB.
const MEMORY_MIB: f64 = 20.0;

/// Judges those whose figures are there.
pub(super) fn judge(report: &Report) -> Vec<Bar> {
    let signal = |of: &str| report.median(signals::MEASURE, of);
    let mut bars = Vec::new();
    let mut bar = |what: String, found: Option<(String, bool)>| {
        if let Some((found, met)) = found {
            bars.push(Bar { what, found, met });
        }
    };
    let floor = signal(signals::FLOOR);
    let times = |of: &str, floor: Option<f64>, limit: f64| {
        let (figure, floor) = (signal(of)?, floor?);
        let times = figure / floor;
        Some((format!("{times:.2} times: {figure:.0} ns, the floor {floor:.0} ns"), times <= limit))
    };
    bar(format!("untracked: at most {UNTRACKED} times the floor"), times(signals::UNTRACKED, floor, UNTRACKED));
    bar(format!("streamed: at most {STREAMED} times the floor"), times(signals::STREAMED, floor, STREAMED));
    for (measure, when) in [(signals::ALONE, "one at a time"), (signals::MEASURE, "in bursts")] {
        let printing = report.rows.iter().filter(|row| row.measure == measure && row.note == signals::PRINTS);
        let cheapest = printing.min_by(|one, two| one.spread.median.total_cmp(&two.spread.median));
        bar(
            format!("streamed: at least {CHEAPER} times cheaper than the cheapest peer that prints, {when}"),
            cheapest.zip(report.median(measure, signals::STREAMED)).map(|(peer, own)| {
                let times = peer.spread.median / own;
                let found = format!("{times:.1} times: {} {:.0} ns, tracer {own:.0} ns", peer.of, peer.spread.median);
                (found, times >= CHEAPER)
            }),
        );
    }
    for of in [storm::FOLDED, storm::AGENT] {
        bar(
            format!("no loss at the highest rate that one core can send, {of}"),
            report.median(storm::LOST, of).map(|lost| (format!("{lost:.0} lost"), lost == 0.0)),
        );
    }
    bar(
        format!("start-up under {STARTUP_MS} ms"),
        report.median(startup::MEASURE, startup::TRACER).map(|ms| (format!("{ms:.0} ms"), ms < STARTUP_MS)),
    );
    for of in [memory::LIVE, memory::AGENT] {
        bar(
            format!("under {MEMORY_MIB} MiB with 500 containers and 10,000 processes, {of}"),
            report.median(memory::MOST, of).map(|mib| (format!("{mib:.1} MiB"), mib < MEMORY_MIB)),
        );
    }
    bar(
        "no wake-up when nothing happens to tracked containers".to_owned(),
        report.median(idle::MEASURE, idle::TRACER).map(|wakeups| (format!("{wakeups:.0}"), wakeups == 0.0)),
    );
    bars
}
