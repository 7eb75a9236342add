//! A termination as a trace: one span for the whole, below it one for the preStop hook, one for the grace period and one for
//! each process. Pure.

use std::sync::Arc;

use super::attributes::{self, Attributes};
use super::ids::{self, SpanId, TraceId};
use super::proto::{
    Event, FLAG_SAMPLED, InstrumentationScope, KIND_INTERNAL, ResourceSpans, STATUS_ERROR, STATUS_OK, ScopeSpans, Span,
    Status,
};
use super::{proto, resource};
use crate::event::{BootNs, Deletion};
use crate::model::{Deleted, ExitStatus, Party, PreStop, Received, Sender, Termination, TerminationProcess, Verdict};
use crate::output::{Clock, exit_words};
use crate::signal::Signal;

/// The end of a container, with what is known of the container beside it.
#[derive(Clone, Debug)]
pub struct Ending {
    /// What was told.
    pub termination: Arc<Termination>,
    /// The container's image, as its runtime names it.
    pub image: Option<String>,
}

/// The trace of an end. `common` are attributes of this machine (`host.name`, …).
#[must_use]
pub fn trace(ending: &Ending, clock: Clock, common: &[(String, String)]) -> ResourceSpans {
    let Ending { termination, image } = ending;
    let container = &*termination.container;
    let mut writer = Writer::new(termination, clock);
    if let Some(deletion) = &termination.deletion {
        writer.deletion(*deletion);
    }
    if let Some(hook) = &termination.pre_stop {
        writer.pre_stop(hook);
    }
    // an end that nobody asked for has no grace period
    if termination.stop_signal.is_some() || termination.pre_stop.is_some() {
        writer.grace();
    }
    for process in termination.processes.iter().filter(|process| !is_hook(termination, process)) {
        writer.process(process);
    }
    ResourceSpans {
        resource: Some(proto::Resource {
            attributes: resource::resource(container, termination.owner.as_ref(), image.as_deref(), common).into_vec(),
        }),
        scope_spans: vec![ScopeSpans {
            scope: Some(InstrumentationScope {
                name: "tracer".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            }),
            spans: writer.finish(),
        }],
        schema_url: resource::SCHEMA.to_owned(),
    }
}

/// The hook has a span already.
fn is_hook(termination: &Termination, process: &TerminationProcess) -> bool {
    termination.pre_stop.as_ref().is_some_and(|hook| hook.is(&process.process))
}

/// Collects the spans of a termination.
struct Writer<'a> {
    termination: &'a Termination,
    clock: Clock,
    trace: TraceId,
    root: SpanId,
    children: Vec<Span>,
    /// From the first to the last that is told.
    extent: (BootNs, BootNs),
}

impl<'a> Writer<'a> {
    fn new(termination: &'a Termination, clock: Clock) -> Self {
        let trace = ids::trace(&termination.container.id, termination.started);
        let started = termination.started;
        let ended = termination.ended.or(termination.exited).unwrap_or(started).max(started);
        Self {
            termination,
            clock,
            trace,
            root: ids::span(&trace, &[b"stop"]),
            children: Vec::new(),
            extent: (started, ended),
        }
    }

    /// What has not ended by the end of all is told as if it had then.
    fn end(&self) -> BootNs {
        self.termination.ended.or(self.termination.exited).unwrap_or(self.extent.1)
    }

    fn child(&mut self, id: SpanId, name: String, from: BootNs, to: BootNs, told: Told) {
        let to = to.max(from);
        self.extent = (self.extent.0.min(from), self.extent.1.max(to));
        self.children.push(self.span(id, name, from, to, told));
    }

    fn span(&self, id: SpanId, name: String, from: BootNs, to: BootNs, told: Told) -> Span {
        let parent = if id == self.root { Vec::new() } else { self.root.to_vec() };
        let mut events = told.events;
        events.sort_by_key(|event| event.time_unix_nano);
        Span {
            trace_id: self.trace.to_vec(),
            span_id: id.to_vec(),
            parent_span_id: parent,
            name,
            kind: KIND_INTERNAL,
            start_time_unix_nano: self.wall(from),
            end_time_unix_nano: self.wall(to),
            attributes: told.attributes.into_vec(),
            events,
            status: told.status,
            flags: FLAG_SAMPLED,
        }
    }

    /// ns since 1970.
    fn wall(&self, at: BootNs) -> u64 {
        let nanos = i128::from(self.clock.boot_to_wall_ns) + i128::from(at.0);
        u64::try_from(nanos.max(0)).unwrap_or(u64::MAX)
    }

    /// From the request to delete the pod to the first sign.
    fn deletion(&mut self, deletion: Deleted) {
        let Deleted { requested, grace_ms, until_signal_ms, imprecise } = deletion;
        let mut told = Told::default();
        told.attributes.seconds("tracer.deletion.grace_s", grace_ms);
        if !imprecise {
            told.attributes.seconds("tracer.deletion.precision_s", Deletion::PRECISION_MS);
        }
        if let Some(until) = until_signal_ms {
            told.attributes.seconds("tracer.deletion.until_signal_s", until);
        }
        // the API's clock may be ahead of ours
        let from = requested.min(self.termination.started);
        let id = ids::span(&self.trace, &[b"deletion"]);
        self.child(id, "pod deletion requested".to_owned(), from, self.termination.started, told);
    }

    fn pre_stop(&mut self, hook: &PreStop) {
        let mut told = Told::default();
        told.attributes.text("tracer.pre_stop.hook", hook.kind.slug());
        told.attributes.seconds("tracer.pre_stop.used_s", hook.used_ms);
        if let Some(of) = hook.of_ms {
            told.attributes.seconds("tracer.grace.budget_s", of);
        }
        if let Some(party) = &hook.process {
            told.party(party);
        }
        if let Some(exit) = hook.exit {
            told.exit(exit);
            if exit.code() != Some(0) {
                told.status = Some(error(format!("the preStop hook failed: {}", exit_words(exit))));
            }
        }
        let process = self.termination.processes.iter().find(|process| hook.is(&process.process));
        for received in process.iter().flat_map(|process| &process.received).filter(|received| received.matters()) {
            told.events.push(self.received(received));
        }
        let id = ids::span(&self.trace, &[b"preStop"]);
        let name = format!("preStop {}", hook.kind.in_pod_spec());
        self.child(id, name, hook.started, hook.ended.unwrap_or(self.end()), told);
    }

    fn grace(&mut self) {
        let grace = &self.termination.grace;
        let from = self.termination.counted_from();
        let to = self.termination.exited.unwrap_or(self.end());
        let mut told = Told::default();
        told.grace(self.termination);
        let over = grace.budget_ms.map(|budget| BootNs(from.0.saturating_add(budget.saturating_mul(1_000_000))));
        if let Some(over) = over.filter(|over| *over <= to) {
            told.events.push(self.event(over, "grace period over".to_owned(), Attributes::default()));
            told.status = Some(error("the grace period was used up".to_owned()));
        }
        let id = ids::span(&self.trace, &[b"grace"]);
        self.child(id, "grace period".to_owned(), from, to, told);
    }

    /// From its first signal to its exit; of one that got none, from when it could have got one.
    fn process(&mut self, process: &TerminationProcess) {
        let TerminationProcess { process: party, depth, received, exit, exited } = process;
        let mattered: Vec<_> = received.iter().filter(|received| received.matters()).collect();
        let mut told = Told::default();
        told.party(party);
        if let Some(stop) = self.termination.stop_signal {
            told.attributes.flag("tracer.got_stop_signal", mattered.iter().any(|received| received.signal == stop));
        }
        match depth {
            Some(depth) => told.attributes.number("tracer.depth", *depth),
            None => told.attributes.flag("tracer.from_exec", true),
        }
        if let Some(exit) = exit {
            told.exit(*exit);
            let by_force = exit.signal().is_some_and(|signal| signal == Signal::KILL || signal.is_crash());
            if by_force && self.termination.verdict != Verdict::Graceful {
                told.status = Some(error(exit_words(*exit)));
            }
        } else if exited.is_none() {
            told.attributes.flag("tracer.exit.unknown", true);
        }
        told.events.extend(mattered.iter().map(|received| self.received(received)));
        let first = mattered.iter().map(|received| received.at).min();
        let from = first.unwrap_or_else(|| self.termination.started.max(BootNs(party.start)));
        let id = ids::span(&self.trace, &[b"process", &party.pid.to_be_bytes(), &party.start.to_be_bytes()]);
        let pid_1 = if party.is_init { " (PID 1)" } else { "" };
        let name = format!("{}{pid_1}", attributes::comm(party.comm));
        self.child(id, name, from, exited.unwrap_or(self.end()), told);
    }

    fn received(&self, received: &Received) -> Event {
        let Received { signal, at, sender, role, outcome, taken } = received;
        let mut told = Attributes::default();
        told.text("tracer.signal", &signal.to_string());
        told.text("tracer.outcome", outcome.slug());
        if *taken {
            told.flag("tracer.taken", true);
        }
        told.text("tracer.sender", &attributes::comm(sender.comm));
        told.number("tracer.sender.pid", sender.pid);
        told.text("tracer.sender.role", role.slug());
        let then = if *taken { ", then taken" } else { "" };
        self.event(*at, format!("{signal} {outcome}{then}"), told)
    }

    fn event(&self, at: BootNs, name: String, attributes: Attributes) -> Event {
        Event { time_unix_nano: self.wall(at), name, attributes: attributes.into_vec() }
    }

    /// All spans, the root first.
    fn finish(mut self) -> Vec<Span> {
        let (from, to) = self.extent;
        let name = attributes::name(&format!("stop {}", self.termination.container.own()));
        let root = self.span(self.root, name, from, to, whole(self.termination));
        self.children.insert(0, root);
        self.children
    }
}

/// What a span says beside its times.
#[derive(Default)]
struct Told {
    attributes: Attributes,
    events: Vec<Event>,
    status: Option<Status>,
}

impl Told {
    fn party(&mut self, party: &Party) {
        self.attributes.number("process.pid", party.pid);
        if let Some(ns_pid) = party.ns_pid {
            self.attributes.number("process.vpid", ns_pid);
        }
        self.attributes.text("process.executable.name", &attributes::comm(party.comm));
    }

    fn exit(&mut self, exit: ExitStatus) {
        if let Some(code) = exit.code() {
            self.attributes.number("process.exit.code", code);
        }
        if let Some(signal) = exit.signal() {
            self.attributes.text("tracer.exit.signal", &signal.to_string());
        }
    }

    fn grace(&mut self, termination: &Termination) {
        let grace = &termination.grace;
        if let Some(budget) = grace.budget_ms {
            self.attributes.seconds("tracer.grace.budget_s", budget);
        }
        self.attributes.text("tracer.grace.source", grace.source.as_deref().unwrap_or_default());
        self.attributes.seconds("tracer.grace.used_s", grace.used_ms);
    }

    fn sender(&mut self, key: &str, sender: &Sender) {
        let Sender { party, role, ancestors } = sender;
        self.attributes.text(key, &attributes::comm(party.comm));
        self.attributes.number(&format!("{key}.pid"), party.pid);
        self.attributes.text(&format!("{key}.role"), role.slug());
        let ancestors: Vec<_> = ancestors.iter().map(|ancestor| attributes::comm(ancestor.comm)).collect();
        self.attributes.texts(&format!("{key}.ancestors"), ancestors.iter().map(String::as_str));
        if let Some(container) = &party.container {
            self.attributes.text(&format!("{key}.container"), &container.friendly());
        }
    }
}

/// What the root says.
fn whole(termination: &Termination) -> Told {
    let mut told = Told::default();
    told.attributes.text("tracer.verdict", termination.verdict.slug());
    told.attributes.text("tracer.cause", termination.cause.map_or("", |cause| cause.slug()));
    told.attributes.flag("tracer.certain", termination.certain);
    told.attributes.prose("tracer.explanation", &termination.explanation);
    told.attributes.prose("tracer.fix", termination.fix.as_deref().unwrap_or_default());
    told.attributes.texts("tracer.hints", termination.hints.iter().map(|hint| hint.kind.slug()));
    if let Some(signal) = termination.stop_signal {
        told.attributes.text("tracer.stop_signal", &signal.to_string());
    }
    told.attributes.text("tracer.outcome", termination.outcome.map_or("", |outcome| outcome.slug()));
    if termination.taken {
        told.attributes.flag("tracer.taken", true);
    }
    if let Some(sender) = &termination.sender {
        told.sender("tracer.sender", sender);
    }
    if let Some(kill) = &termination.kill {
        told.sender("tracer.kill.sender", &kill.sender);
    }
    if termination.stop_signal.is_some() || termination.pre_stop.is_some() {
        told.grace(termination);
    }
    if let Some(first) = termination.processes.iter().find(|process| process.depth == Some(0)) {
        told.party(&first.process);
    }
    if let Some(exit) = termination.exit {
        told.exit(exit);
    }
    told.status = status(termination);
    told
}

/// A job that is done is no error; whatever else is not graceful is one.
fn status(termination: &Termination) -> Option<Status> {
    match termination.verdict {
        Verdict::Graceful => Some(Status { message: String::new(), code: STATUS_OK }),
        Verdict::Exited if termination.exit.and_then(ExitStatus::code) == Some(0) => None,
        _ => Some(error(attributes::prose(&termination.explanation))),
    }
}

const fn error(message: String) -> Status {
    Status { message, code: STATUS_ERROR }
}
