//! tracer: what the kernel did with your container's stop signal.
//!
//! One stream, one fold, many views: everything the tool knows enters as an [`event::Event`], the
//! [`model::Node`] folds events into processes, terminations and verdicts, and the views only read it.
//!
//! Dependencies point one way: `commands` → {`tui`, `agent`} → {`live`, `kubernetes`, `otlp`} →
//! {`probe`, `container`, `stream`, `output`} → `model` → `event` → `tracer-common`.

pub mod agent;
pub mod audit;
mod causes;
pub mod check;
pub mod clock;
pub mod commands;
pub mod container;
pub mod demo;
pub mod doctor;
pub mod event;
#[doc(hidden)]
pub mod fuzzing;
mod https;
pub mod kubernetes;
pub mod live;
pub mod manual;
pub mod memory;
pub mod model;
pub mod otlp;
pub mod output;
pub mod printable;
pub mod probe;
pub mod sandbox;
pub mod signal;
pub mod stream;
pub mod tui;
