//! Every bound of what is done with the Kubernetes API. `docs/kubernetes.md` quotes these.

use std::time::Duration;

/// A token or the certificates may be as long as this, bytes.
pub(super) const GIVEN_BYTES: u64 = 1 << 20;

/// A request that has an end has one within this time.
pub(super) const ANSWER_TIME: Duration = Duration::from_secs(10);
/// An answer to a request that makes or changes one object, bytes.
pub(super) const ANSWER_BYTES: usize = 256 << 10;

/// Changes that wait to be told; what does not fit is counted.
pub(super) const QUEUE: usize = 1_024;
/// An Event is tried this often …
pub(super) const TRIES: u32 = 8;
/// … with this time between the first two tries, then twice that, …
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(500);
/// … but no more than this, whatever the server asks for.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// While others wait, an Event that is not taken is tried no longer than this …
pub(super) const WHILE_OTHERS_WAIT: Duration = Duration::from_secs(15);
/// … and whether others do is looked at so often.
pub(super) const LOOK_FOR_OTHERS: Duration = Duration::from_secs(1);
/// After the server said that we may not, it is asked again: permission may come late, and a quota has room again.
pub(super) const REFUSED_FOR: Duration = Duration::from_mins(5);
/// After the server did not know the token, it is asked again: tokens are renewed, and a server that starts knows nobody …
pub(super) const FIRST_STRANGER_WAIT: Duration = Duration::from_secs(5);
/// … later each time, up to this.
pub(super) const LONGEST_STRANGER_WAIT: Duration = Duration::from_mins(1);
/// At the end there is this long for what waits.
pub(super) const LAST: Duration = Duration::from_millis(300);

/// The longest note that the API takes, bytes.
pub(super) const NOTE_BYTES: usize = 1_024;
/// The longest name of who tells it that the API takes, bytes: names of nodes may be longer.
pub(super) const INSTANCE_BYTES: usize = 128;
/// The longest name of an object, and of a pod in it so that the rest has room.
pub(super) const NAME_BYTES: usize = 253;
/// The same again within this time after the last is counted, and no Event of its own.
pub(super) const SERIES_MS: u64 = 600_000;
/// A pod may have this many Events at once …
pub(super) const BURST: u32 = 25;
/// … and one more after each such time.
pub(super) const REFILL_MS: u64 = 300_000;
/// Pods and series that are remembered for that; namespaces in which we may not.
pub(super) const REMEMBERED: usize = 4_096;

/// Pods of this node that are known at once.
pub(super) const PODS: usize = 4_096;
/// A list of all pods, bytes, and the time for it.
pub(super) const LIST_BYTES: usize = 64 << 20;
pub(super) const LIST_TIME: Duration = Duration::from_secs(10);
/// One pod, bytes: the API's own store holds no larger ones.
pub(super) const LINE_BYTES: usize = 2 << 20;
/// The API is asked to end a watch after this time, and a watch that goes on longer hangs.
pub(super) const WATCH_TIME: Duration = Duration::from_mins(4);
/// A watch that ends sooner is not begun again at once.
pub(super) const SHORT_WATCH: Duration = Duration::from_secs(5);
/// The longest wait before an API that does not answer is asked for pods again.
pub(super) const LONGEST_WATCH_WAIT: Duration = Duration::from_mins(1);
/// So many failures in a row are told.
pub(super) const SILENT_AFTER: u32 = 3;
/// What was told of pods and not yet taken in.
pub(super) const TOLD: usize = 64;
