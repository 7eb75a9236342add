//! The stream of events on its way: recordings.

/// Version of the recording format. It changes whenever the shape of an event does.
pub const FORMAT: u32 = 1;
