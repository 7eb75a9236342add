#![expect(unsafe_code, reason = "the only place that writes to the ring and to the words beside it")]
//! Writing records: the ring, the doorbell, and the count of what did not fit.

use aya_ebpf::{
    bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP, BPF_RB_RING_SIZE},
    helpers::{bpf_get_smp_processor_id, bpf_ktime_get_boot_ns},
    macros::map,
    maps::{Array, PerCpuArray, RingBuf},
};
use tracer_common::{
    CgroupRecord, DeliverRecord, ExecRecord, ExitRecord, ForeignSignalRecord, ForkRecord, FreeRecord, Header,
    JoinRecord, OomRecord, RING_BYTES, SignalRecord, TaskRecord, loss, wake,
};

#[map]
static RING: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);

#[map]
static WAKE: Array<u64> = Array::with_max_entries(1, 0);

#[map]
static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(loss::COUNT, 0);

/// Whether somebody waits for a record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// It can wait until user space next looks.
    Later,
    /// A person watches for this.
    Now,
}

impl Urgency {
    /// `Now` if so.
    #[inline(always)]
    pub(crate) const fn now_if(urgent: bool) -> Self {
        if urgent { Self::Now } else { Self::Later }
    }
}

/// A record: integers only, so that zeroed memory is one.
///
/// # Safety
/// Implemented by `repr(C)` structures of integers that begin with a [`Header`], aligned to at most 8.
pub(crate) unsafe trait Record: 'static {
    /// Where losses are counted.
    const LOSS: u32;
}

macro_rules! records {
    ($($record:ty => $loss:expr),+ $(,)?) => {
        $(
            // SAFETY: see its definition in tracer-common.
            unsafe impl Record for $record {
                const LOSS: u32 = $loss;
            }
        )+
    };
}

records! {
    SignalRecord => loss::SIGNAL,
    ForeignSignalRecord => loss::SIGNAL,
    DeliverRecord => loss::DELIVER,
    ExitRecord => loss::EXIT,
    ForkRecord => loss::FORK,
    ExecRecord => loss::EXEC,
    FreeRecord => loss::FREE,
    CgroupRecord => loss::CGROUP,
    JoinRecord => loss::JOIN,
    OomRecord => loss::OOM,
}

/// The header of a record made now.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "CPU numbers fit into 16 bits, records into a page")]
pub(crate) fn header<T>(kind: u16) -> Header {
    // SAFETY: takes nothing, reads the clock.
    let time = unsafe { bpf_ktime_get_boot_ns() };
    Header { time, kind, cpu: cpu(), len: size_of::<T>() as u32 }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "CPU numbers fit into 16 bits")]
fn cpu() -> u16 {
    // SAFETY: takes nothing.
    unsafe { bpf_get_smp_processor_id() as u16 }
}

/// Writes a record of `kind` to the ring, filled in by `fill`, or counts that it did not fit.
#[inline(always)]
pub(crate) fn emit<T: Record>(kind: u16, fill: impl FnOnce(&mut T) -> Urgency) {
    let Some(mut entry) = RING.reserve::<T>(0) else {
        count_loss(T::LOSS);
        return;
    };
    const { assert!(size_of::<T>().is_multiple_of(8) && align_of::<T>() == 8) };
    // SAFETY: the entry has room for a `T` which, by the trait's contract, zeroes are, and begins with a header.
    let record = unsafe {
        // Word by word: for a large record the compiler would call memset, which goes byte by byte, and an old verifier
        // follows it for tens of thousands of instructions.
        let words = entry.as_mut_ptr().cast::<u64>();
        for index in 0..size_of::<T>() / 8 {
            words.add(index).write_volatile(0);
        }
        entry.as_mut_ptr().cast::<Header>().write(header::<T>(kind));
        entry.assume_init_mut()
    };
    let urgency = fill(record);
    if must_ring(urgency) {
        entry.submit(u64::from(BPF_RB_FORCE_WAKEUP));
        return;
    }
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
    // User space may have armed the word and looked at the ring between our look at the word and the commit: then it
    // saw nothing, and goes to sleep. The commit was a full barrier, so a second look settles it.
    if must_ring(urgency) {
        match RING.reserve::<u64>(0) {
            Some(nothing) => nothing.discard(u64::from(BPF_RB_FORCE_WAKEUP)),
            None => arm(wake::NEXT),
        }
    }
}

/// Fills a snapshot's record in place.
#[inline(always)]
pub(crate) fn begin_task(record: &mut TaskRecord) {
    record.header = header::<TaskRecord>(tracer_common::kind::TASK);
}

/// Whether to wake user space; then the word is disarmed, so that one arming causes one wake-up.
#[inline(always)]
fn must_ring(urgency: Urgency) -> bool {
    let Some(word) = WAKE.get_ptr(0) else { return false };
    // SAFETY: a valid pointer into the map; volatile since user space writes it.
    let ring = match unsafe { word.read_volatile() } {
        wake::NEXT => true,
        wake::HALF_FULL => {
            urgency == Urgency::Now
                || RING.query(u64::from(BPF_RB_AVAIL_DATA)) > RING.query(u64::from(BPF_RB_RING_SIZE)) / 2
        }
        _ => false,
    };
    if ring {
        arm(wake::NEVER);
    }
    ring
}

#[inline(always)]
fn arm(value: u64) {
    if let Some(word) = WAKE.get_ptr_mut(0) {
        // SAFETY: as in `must_ring`.
        unsafe { word.write_volatile(value) };
    }
}

/// Counts a record that did not fit, or a cgroup that could not be tracked.
#[inline(always)]
pub(crate) fn count_loss(index: u32) {
    if let Some(counter) = LOST.get_ptr_mut(index) {
        // SAFETY: a valid pointer to this CPU's counter; atomic, since an interrupt may count in between.
        unsafe { crate::kernel::count_one(counter) };
    }
}
