#![expect(unsafe_code, reason = "looks at records as bytes, which user space does not")]
//! Padding has no value: it would carry what was on the kernel's stack, and reading it is undefined. Only Miri tells it from a
//! field, so that these are for `cargo xtask miri` alone.

use core::{mem, slice};

use crate::*;

/// Reads every byte of one.
fn every_byte<T: Copy>() {
    // SAFETY: whatever is named below is made of integers, for which zero is a value.
    let value: T = unsafe { mem::zeroed() };
    // SAFETY: as many bytes as it has. Whether each has a value is the question.
    let bytes = unsafe { slice::from_raw_parts((&raw const value).cast::<u8>(), size_of::<T>()) };
    assert!(bytes.iter().all(|&byte| byte == 0));
}

macro_rules! no_padding {
    ($($name:ident: $type:ty,)+) => { $(#[test] fn $name() { every_byte::<$type>(); })+ };
}

no_padding! {
    header: Header,
    task_ref: TaskRef,
    signal: SignalRecord,
    ancestor: Ancestor,
    foreign_signal: ForeignSignalRecord,
    deliver: DeliverRecord,
    exit: ExitRecord,
    fork: ForkRecord,
    exec: ExecRecord,
    free: FreeRecord,
    cgroup: CgroupRecord,
    join: JoinRecord,
    oom: OomRecord,
    task: TaskRecord,
    thread: ThreadRecord,
    actions: ActionsRecord,
    offsets: Offsets,
    tracked_cgroup: TrackedCgroup,
}
