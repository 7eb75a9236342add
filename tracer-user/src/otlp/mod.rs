//! The end of a container as a trace, for whoever collects traces (Jaeger, Tempo, an OpenTelemetry Collector): OTLP over
//! HTTP, in protobuf.
//!
//! [`trace`] is pure: a termination in, spans out. The [`Exporter`] has a thread of its own; the tracing thread puts what
//! ended into a [`Queue`] and never waits.

mod attributes;
mod client;
mod endpoint;
mod exporter;
mod ids;
mod journal;
pub mod limits;
pub mod proto;
mod queue;
mod resource;
mod retry;
mod spans;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use endpoint::{Endpoint, header, pair};
pub use exporter::{Exporter, Summary, Target};
pub use queue::Queue;
pub use spans::{Ending, trace};
