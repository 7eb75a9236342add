//! The live view: a terminal UI over the model, for live tracing and for replay.
//!
//! ```text
//! terminal input ─► Input ─► App ─► Effect ─► the loop that does I/O (run)
//!        Change, Node ─► Scene ─► render ─► frame
//! ```
//!
//! Architecture invariant: [`app::App`] and the pages are pure. They take an [`input::Input`] and give back an
//! [`input::Effect`]; they render from one [`scene::Scene`] and do no I/O, ask no clock and take no lock. Only
//! `run` and `terminal` touch the world.

mod choice;
mod draw;
pub mod export;
pub mod input;
pub mod page;
pub mod scene;
pub mod theme;

#[cfg(test)]
mod testing;
