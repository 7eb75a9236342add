#![expect(unsafe_code, reason = "aya asks for a promise that values are plain bytes")]
//! The types that cross the map system calls as bytes. The wrappers exist because neither the types nor the trait
//! are of this crate.

use tracer_common::{Offsets, TrackedCgroup};

/// [`TrackedCgroup`] as a map value.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(super) struct TrackedValue(pub(super) TrackedCgroup);

// SAFETY: repr(C), integers only, no implicit padding (its size is asserted in tracer-common).
unsafe impl aya::Pod for TrackedValue {}

/// [`Offsets`] as the value of a global.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(super) struct OffsetsValue(pub(super) Offsets);

// SAFETY: as above.
unsafe impl aya::Pod for OffsetsValue {}
