//! Every bound of the agent in one place. `docs/agent.md` quotes these.

use std::time::Duration;

/// How much is remembered: what can be configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Terminations.
    pub terminations: usize,
    /// Bytes of events. Containers that are there are remembered even if they alone take more, and then a quarter of it is
    /// left for what ended.
    pub bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { terminations: 512, bytes: 64 << 20 }
    }
}

/// Events of a container that is there, until those are left out that nobody needs …
pub const LIFE_EVENTS: usize = 2_048;
/// … but not the last ones.
pub const LIFE_TAIL: usize = 512;
/// Events before the first sign of a stop that are kept with its end.
pub const END_TAIL: usize = 64;
/// Events that are kept with a condition.
pub const CONDITION_TAIL: usize = 256;
/// Events of a stop that goes on; with more the older half is thinned, and the verdict of whoever attaches is uncertain.
pub const STOP_EVENTS: usize = 16_384;
/// Pods of which the last word of the API of Kubernetes is kept.
pub const PODS: usize = 1_024;
/// Losses that are kept apart, with their numbers.
pub const LOSSES: usize = 64;
/// Times of losses.
pub const MARKS: usize = 256;
/// A loss this long before a stop may matter for its verdict, ms: the longest that the model looks back.
pub const LOSS_MEMORY_MS: u64 = 60_000;
/// The end of a container may be told this long after it is gone, ms.
pub const FADING_MS: u64 = 10_000;

/// Clients at once, recordings not counted.
pub const CLIENTS: usize = 16;
/// Events that wait for a client; with more they are thinned, and the client is told what is missing.
pub const QUEUE_EVENTS: usize = 32_768;
/// A client has this long to say who it is …
pub const GREETING_TIME: Duration = Duration::from_secs(5);
/// … in so many bytes.
pub const GREETING_BYTES: usize = 4_096;
/// A client that takes nothing for this long is cut off.
pub const STALLED: Duration = Duration::from_secs(20);
/// Bytes that are written to a client at once.
pub const CHUNK: usize = 64 << 10;
/// Series of one metric, by their labels; what comes later is counted as `other`.
pub const SERIES: usize = 2_000;
/// Connections for metrics at once; with another one the oldest of the address that has the most is ended.
pub const METRICS_CONNECTIONS: usize = 64;
/// Whoever connects for metrics has this long to say what it wants.
pub const METRICS_REQUEST_TIME: Duration = Duration::from_secs(2);
/// Such a connection is ended after this time, whatever it is about.
pub const METRICS_TIME: Duration = Duration::from_secs(10);
/// The tracing thread has this long to say how it stands.
pub const METRICS_PATIENCE: Duration = Duration::from_secs(5);
/// What it said is good for this long.
pub const METRICS_REUSE: Duration = Duration::from_millis(100);
/// Bytes of a request, with its headers.
pub const METRICS_REQUEST_BYTES: usize = 8_192;
/// After a recording could not be written it is tried again this much later.
pub const DISK_RETRY: Duration = Duration::from_secs(10);
