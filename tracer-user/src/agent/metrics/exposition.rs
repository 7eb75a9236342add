//! A snapshot as Prometheus reads it.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet, prometheus_text, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::counts::{DURATIONS, SHARES};
use super::family::{Family, Histogram};
use super::process::Process;
use super::seen;
use super::snapshot::Snapshot;

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Prometheus' own, which everybody understands.
    Prometheus,
    /// `OpenMetrics` 1.0.
    OpenMetrics,
}

impl Format {
    /// The one that somebody likes best, as an `Accept` header tells.
    pub(super) fn liked(accept: &str) -> Self {
        let mut best = (Self::Prometheus, 0.0);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let format = match parts.next() {
                Some("application/openmetrics-text") => Self::OpenMetrics,
                Some("text/plain" | "text/*" | "*/*") => Self::Prometheus,
                _ => continue,
            };
            let parameter = |name: &str| parts.clone().find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            if format == Self::OpenMetrics && parameter("version").is_some_and(|version| version != "1.0.0") {
                continue;
            }
            let quality = parameter("q").map_or(1.0, |quality| quality.parse().unwrap_or(0.0));
            if quality > best.1 {
                best = (format, quality);
            }
        }
        best.0
    }

    /// What it is called in HTTP.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// All of a snapshot, in a format.
pub(super) fn write(snapshot: Snapshot, process: Option<Process>, format: Format) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Shown { snapshot, process }));
    let mut written = String::with_capacity(16 << 10);
    match format {
        Format::Prometheus => prometheus_text::encode(&mut written, &registry)?,
        Format::OpenMetrics => text::encode(&mut written, &registry)?,
    }
    Ok(written)
}

#[derive(Debug)]
struct Shown {
    snapshot: Snapshot,
    process: Option<Process>,
}

/// Names of labels, with their values.
type Pairs<'a> = Vec<(&'static str, &'a str)>;

/// The encoder, with shorthands.
struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    fn family(&mut self, name: &'static str, help: &str, kind: MetricType) -> Result<MetricEncoder<'_>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, kind)
    }

    fn counter(&mut self, name: &'static str, help: &str, value: &impl EncodeCounterValue) -> fmt::Result {
        self.family(name, help, MetricType::Counter)?.encode_counter::<NoLabelSet, _, u64>(value, None)
    }

    fn gauge(&mut self, name: &'static str, help: &str, value: &impl EncodeGaugeValue) -> fmt::Result {
        self.family(name, help, MetricType::Gauge)?.encode_gauge(value)
    }

    fn counters<'a>(
        &mut self,
        name: &'static str,
        help: &str,
        series: impl IntoIterator<Item = (Pairs<'a>, u64)>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Counter)?;
        for (labels, value) in series {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    fn gauges<'a, T: EncodeGaugeValue>(
        &mut self,
        name: &'static str,
        help: &str,
        series: impl IntoIterator<Item = (Pairs<'a>, T)>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Gauge)?;
        for (labels, value) in series {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn histograms(
        &mut self,
        name: &'static str,
        help: &str,
        (bounds, names): (&[f64], &[&'static str]),
        series: &Family<Histogram>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Histogram)?;
        for (labels, histogram) in series.iter() {
            let buckets = histogram.buckets(bounds);
            let labels = pairs(names, labels);
            let mut one = family.encode_family(&labels)?;
            one.encode_histogram::<NoLabelSet>(histogram.sum(), histogram.count(), &buckets, None)?;
        }
        Ok(())
    }
}

fn pairs<'a>(names: &[&'static str], values: &'a [String]) -> Pairs<'a> {
    names.iter().copied().zip(values.iter().map(String::as_str)).collect()
}

/// Series of a family whose labels are these, and those of containers; the last one, the pod, only where it is wanted.
fn counted<'a>(known: &[&'static str], family: &'a Family<u64>) -> Vec<(Pairs<'a>, u64)> {
    let names = [known, &["namespace", "workload", "pod"]].concat();
    family.iter().map(|(labels, count)| (pairs(&names, labels), *count)).collect()
}

impl Collector for Shown {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut to = Writer(encoder);
        self.counts(&mut to)?;
        self.containers(&mut to)?;
        self.agent(&mut to)?;
        self.process(&mut to)
    }
}

impl Shown {
    fn counts(&self, to: &mut Writer<'_>) -> fmt::Result {
        let counts = &self.snapshot.counts;
        to.counters(
            "tracer_terminations",
            "Ends of containers, by verdict and cause (docs/verdicts.md).",
            counted(&["verdict", "cause"], &counts.terminations),
        )?;
        to.histograms(
            "tracer_shutdown_duration_seconds",
            "From the first sign that a container is to stop to its last process.",
            (&DURATIONS, &["verdict", "namespace"]),
            &counts.durations,
        )?;
        to.histograms(
            "tracer_grace_period_used_ratio",
            "Share of the grace period that a stop used; 1 is all of it.",
            (&SHARES, &["namespace"]),
            &counts.shares,
        )?;
        to.counters(
            "tracer_dropped_signals",
            "Signals that the kernel dropped because the first process of a container has no handler for them.",
            counted(&["signal"], &counts.dropped),
        )?;
        to.counters(
            "tracer_conditions",
            "Conditions that were told (docs/conditions.md).",
            counted(&["condition"], &counts.conditions),
        )
    }

    fn containers(&self, to: &mut Writer<'_>) -> fmt::Result {
        let gauges = self.snapshot.gauges();
        let named = |labels| pairs(&["namespace", "workload", "container", "pod"], labels);
        let ill = || gauges.iter().filter(|(_, one)| one.zombies > 0);
        let pids = || gauges.iter().filter_map(|(labels, one)| Some((labels, one.pids?)));
        to.gauges(
            "tracer_zombies",
            "Zombies older than a second in a container.",
            ill().map(|(labels, one)| (named(labels), one.zombies)),
        )?;
        to.gauges(
            "tracer_zombie_oldest_age_seconds",
            "Age of the oldest zombie in a container.",
            ill().map(|(labels, one)| (named(labels), one.oldest)),
        )?;
        to.gauges(
            "tracer_pids_current",
            "Processes and threads in a container, zombies included (pids.current).",
            pids().map(|(labels, (current, _))| (named(labels), current)),
        )?;
        to.gauges(
            "tracer_pids_max",
            "How many processes and threads a container may have (pids.max), where that is limited.",
            pids().filter_map(|(labels, (_, max))| Some((named(labels), max?))),
        )?;
        to.gauge("tracer_containers", "Containers that are traced.", &self.snapshot.containers.len())
    }

    fn agent(&self, to: &mut Writer<'_>) -> fmt::Result {
        let own = &self.snapshot.own;
        let kinds = |(kind, count)| (vec![("kind", kind)], count);
        to.counters("tracer_events", "Events that were taken in.", own.seen.iter().map(kinds))?;
        to.counters(
            "tracer_events_lost",
            "Records that did not fit into the kernel's ring or could not be used.",
            seen::lost(&self.snapshot.lost).into_iter().map(kinds),
        )?;
        to.counter("tracer_wakeups", "How often the loop woke up.", &own.wakeups)?;
        to.gauge(
            "tracer_ring_fill_ratio",
            "How full the kernel's ring was at the most in the last 30 to 60 s; 1 is full.",
            &own.ring_fill,
        )?;
        to.gauge("tracer_clients", "Clients that are attached.", &own.clients)?;
        to.counter(
            "tracer_client_events_missed",
            "Events that clients and recordings missed because they were slow.",
            &own.missed,
        )?;
        to.gauge("tracer_history_terminations", "Terminations that are remembered.", &own.terminations)?;
        to.gauge("tracer_history_bytes", "Memory for the events that are remembered.", &own.bytes)?;
        let exported = own.traces.iter().flat_map(|traces| [("sent", traces.sent), ("dropped", traces.lost)]);
        to.counters(
            "tracer_otlp_terminations",
            "Terminations that a collector of traces took, and those that none took and that wait no longer.",
            exported.map(|(result, count)| (vec![("result", result)], count)),
        )?;
        let labels = [("version", env!("CARGO_PKG_VERSION")), ("kernel", &own.kernel)];
        let help = "What this is, and on which kernel.";
        to.family("tracer_build", help, MetricType::Info)?.encode_info(&labels)
    }

    fn process(&self, to: &mut Writer<'_>) -> fmt::Result {
        let Some(process) = self.process else { return Ok(()) };
        to.counter("process_cpu_seconds", "Processor time that the agent used.", &process.cpu_s)?;
        to.gauge("process_resident_memory_bytes", "Memory that the agent has.", &process.resident)?;
        to.gauge("process_start_time_seconds", "When the agent began, since 1970.", &process.started_s)
    }
}
