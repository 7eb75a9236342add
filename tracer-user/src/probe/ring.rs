#![expect(unsafe_code, reason = "registers and polls the descriptor of the ring, which it owns")]
//! The ring buffer: when to look, and reading it.
//!
//! The kernel rings only when the wake word says so (see [`tracer_common::wake`]), and disarms it as it rings:
//! - while records come, user space drains on a timer with the word at `HALF_FULL`, which it sets *before* it
//!   drains: what is committed later rings if it is urgent, what was committed earlier is drained;
//! - after an interval without records, it sets the word to `NEXT`, looks again (a record that is being written counts),
//!   and sleeps without a timer until the kernel rings.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use aya::maps::{Array, Map, MapData, RingBuf};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};
use tracer_common::{map, wake};

use super::decode::{self, Record};
use super::error::ProbeError;
use super::peak::Peak;
use crate::clock::boot_now;

/// The kernel's records, on their way to whoever owns this.
pub struct Ring {
    source: AsyncFd<Owned>,
    wake: Array<MapData, u64>,
    interval: Duration,
    /// When to drain next unless the kernel rings; `None` while it is quiet.
    next: Option<Instant>,
    /// The kernel has been told to ring at the next record, and has not done so.
    asleep: bool,
    /// The last drain ran out of its budget.
    more: bool,
    undecodable: u64,
    peak: Peak,
}

/// The ring, whose descriptor stays the same as long as this lives.
struct Owned(RingBuf<MapData>);

impl AsRawFd for Owned {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// What a drain did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Records taken, undecodable ones included.
    pub taken: usize,
    /// The budget ran out: there may be more.
    pub more: bool,
}

impl Ring {
    pub(super) fn new(ring: Map, wake: Array<MapData, u64>, interval: Duration) -> Result<Self, ProbeError> {
        let ring =
            RingBuf::try_from(ring).map_err(|cause| ProbeError::MapAccess { name: map::RING, what: "map", cause })?;
        // SAFETY: `Owned` owns the map and so its descriptor, never replaces it, and is dropped after its registration.
        let source = unsafe { AsyncFd::register_with_interest(Owned(ring), Interest::READABLE) }
            .map_err(|error| ProbeError::Io { what: "poll the ring buffer", cause: error.into() })?;
        let next = Some(Instant::now());
        Ok(Self { source, wake, interval, next, asleep: false, more: false, undecodable: 0, peak: Peak::default() })
    }

    /// Waits until draining is worth while: the kernel rang, or it is time. Safe to cancel.
    ///
    /// # Errors
    /// When the wake word cannot be written or the descriptor fails.
    pub async fn readable(&mut self) -> Result<(), ProbeError> {
        if self.more {
            return Ok(());
        }
        if let Some(next) = self.next {
            tokio::select! {
                biased;
                guard = self.source.readable() => guard.map_err(poll_error)?.clear_ready(),
                () = sleep_until(next) => {}
            }
            return Ok(());
        }
        if !self.asleep {
            self.arm(wake::NEXT)?;
            self.asleep = true;
            if self.has_data()? {
                self.asleep = false;
                return Ok(());
            }
        }
        self.source.readable().await.map_err(poll_error)?.clear_ready();
        self.asleep = false;
        Ok(())
    }

    /// Takes up to `budget` records. Undecodable ones are counted ([`Ring::take_undecodable`]) and passed over.
    ///
    /// # Errors
    /// When the wake word cannot be written.
    pub fn drain(&mut self, budget: usize, mut each: impl FnMut(Record)) -> Result<Drained, ProbeError> {
        if !self.more {
            self.arm(wake::HALF_FULL)?;
            self.asleep = false;
        }
        self.peak.look(boot_now());
        let mut taken = 0;
        while taken < budget {
            let Some(item) = self.source.get_mut().0.next() else { break };
            let bytes = item.len();
            let record = decode::record(&item);
            // its room is the kernel's again before anybody acts on it
            drop(item);
            taken += 1;
            match record {
                Ok(record) => {
                    self.peak.found(record.at(), bytes);
                    each(record);
                }
                Err(_undecodable) => self.undecodable += 1,
            }
        }
        self.more = taken == budget;
        if !self.more {
            self.peak.emptied();
        }
        self.next = (taken > 0).then(|| Instant::now() + self.interval);
        Ok(Drained { taken, more: self.more })
    }

    /// The most bytes that were in the ring when it was looked at, in the last half minute or more.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.peak.most(boot_now())
    }

    /// Records that could not be decoded since the last call.
    pub fn take_undecodable(&mut self) -> u64 {
        std::mem::take(&mut self.undecodable)
    }

    fn arm(&mut self, when: u64) -> Result<(), ProbeError> {
        self.wake.set(0, when, 0).map_err(|cause| ProbeError::MapAccess { name: map::WAKE, what: "write", cause })?;
        // pairs with the full barrier of a commit: either we see the record or its writer sees the word
        fence(Ordering::SeqCst);
        Ok(())
    }

    /// Whether anything is in the ring, also what is still being written: `ringbuf_map_poll_kern` compares positions.
    fn has_data(&self) -> Result<bool, ProbeError> {
        let mut poll = libc::pollfd { fd: self.source.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid pollfd, and the descriptor is ours.
        let ready = unsafe { libc::poll(&raw mut poll, 1, 0) };
        match ready {
            0 => Ok(false),
            1.. => Ok(true),
            _ => Err(poll_error(io::Error::last_os_error())),
        }
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").field("interval", &self.interval).field("next", &self.next).finish_non_exhaustive()
    }
}

fn poll_error(cause: io::Error) -> ProbeError {
    ProbeError::Io { what: "poll the ring buffer", cause }
}
