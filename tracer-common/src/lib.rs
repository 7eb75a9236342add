//! The wire format between the kernel programs and user space: records, their numbers, nothing else.
//!
//! Architecture invariant: no logic lives here. Every record is `repr(C)`, of fixed size and without implicit
//! padding; the size assertions below make a change of layout a compile error. User space decodes the bytes
//! field by field (`tracer-user/src/probe/decode.rs`) and never transmutes them.
//!
//! Units: every time is nanoseconds of `CLOCK_BOOTTIME`; every pid is the host's unless its name says `ns_`.
#![no_std]

#[cfg(all(test, miri))]
mod layout_tests;
pub mod offsets;
pub mod record;
pub mod settings;

pub use offsets::Offsets;
pub use record::*;
pub use settings::*;
