//! Traces of recorded ends, and the way to a collector.

mod recorded;
mod sending;
mod stand_in;
