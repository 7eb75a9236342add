//! Every bound of the export in one place. `docs/otlp.md` quotes these.

use std::time::Duration;

/// Characters of a name, an id, an image.
pub const NAME: usize = 255;
/// Characters of an explanation, of advice.
pub const PROSE: usize = 2_048;

/// Terminations that wait to be sent; with more the oldest are dropped.
pub const QUEUE: usize = 512;
/// Processes of these and signals to them, together; likewise.
pub const QUEUE_WEIGHT: usize = 131_072;
/// Containers whose image is remembered.
pub const IMAGES: usize = 4_096;

/// Others that end at the same time are waited for this long, so that a pod's containers are sent together.
pub const GATHER: Duration = Duration::from_millis(500);
/// Terminations in one request …
pub const BATCH: usize = 64;
/// … and bytes; a single termination may be longer.
pub const BATCH_BYTES: usize = 1 << 20;
/// A request, from the look-up of the name to the last byte of the answer.
pub const REQUEST_TIME: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read.
pub const ANSWER: usize = 64 << 10;
/// Characters of an answer that are logged.
pub const COMPLAINT: usize = 300;
/// The first wait before a request is sent again; each one is twice as long, and a random part less.
pub const BACKOFF: Duration = Duration::from_secs(1);
/// The longest wait.
pub const BACKOFF_MAX: Duration = Duration::from_mins(1);
/// The longest wait that a collector may ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_mins(5);
/// At the end of the agent, for what has not been sent.
pub const LAST_WORDS: Duration = Duration::from_millis(400);
