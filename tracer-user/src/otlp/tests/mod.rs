//! Traces of recorded ends, and the way to a collector.

mod encrypted;
mod recorded;
mod sending;
mod stand_in;
