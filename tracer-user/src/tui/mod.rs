//! The live view: a terminal UI over the model, for live tracing and for replay.
//!
//! ```text
//! terminal input ─► Input ─► App ─► Effect ─► the loop that does I/O (run)
//!        Change, Node ─► Scene ─► render ─► frame
//! ```
//!
//! Architecture invariant: [`app::App`] and the pages are pure. They take an [`input::Input`] and give back an
//! [`input::Effect`]; they render from one [`scene::Scene`] and do no I/O, ask no clock and take no lock. Only
//! [`run`], [`replay`], [`screen`] and [`terminal`] touch the world.

pub mod app;
mod choice;
mod draw;
pub mod export;
mod inbox;
pub mod input;
pub mod keys;
pub mod list;
pub mod notices;
mod pace;
pub mod page;
pub mod replay;
pub mod run;
pub mod scene;
pub mod screen;
pub mod still;
pub mod svg;
pub mod terminal;
pub mod theme;
pub mod typing;

#[cfg(test)]
mod bench;
#[cfg(test)]
mod stand;
#[cfg(test)]
mod testing;
