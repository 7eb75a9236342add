#![expect(unsafe_code, reason = "an iterator's context is a structure of pointers that the verifier types")]
//! The survey: one record per thread of the host, and one with all handlers per process, written to whoever reads the
//! iterator's file. For `tracer audit`, which attaches nothing.
//!
//! ```c
//! struct bpf_iter__task { struct bpf_iter_meta *meta; struct task_struct *task; };
//! ```
//! <https://github.com/torvalds/linux/blob/v6.18/kernel/bpf/task_iter.c>

use core::ptr;

use aya_ebpf::{bindings::seq_file, helpers::generated::bpf_seq_write};
use tracer_common::{ActionsRecord, TaskRef, ThreadRecord, kind, task_flags};

use super::iter_task::Context;
use crate::{kernel::Addr, masks, output, task};

/// `iter/task`; a null task ends the list.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
extern "C" fn iter_thread(ctx: *const Context) -> u32 {
    // SAFETY: the verifier knows the context's layout and allows reading these pointers.
    let (meta, task) = unsafe { ((*ctx).meta, (*ctx).task) };
    if task.is_null() {
        return 0;
    }
    let task = Addr::new(task as u64);
    let thread = describe(task);
    if thread.flags & task_flags::KTHREAD != 0 {
        return 0;
    }
    // SAFETY: `meta` is never null.
    let seq = unsafe { (*meta).seq };
    write(seq, &thread);
    if task::is_leader(task)
        && let Some(record) = masks::actions_record(task)
    {
        record.header = output::header::<ActionsRecord>(kind::ACTIONS);
        record.tgid = thread.tgid;
        record.pad = 0;
        record.start = thread.start;
        write(seq, record);
    }
    0
}

#[inline(always)]
fn describe(task: Addr) -> ThreadRecord {
    let mut who = TaskRef::default();
    task::describe(task, 0, &mut who);
    let (blocked, real_blocked) = task::blocked(task);
    let (pending, shared_pending) = task::pending_apart(task);
    ThreadRecord {
        header: output::header::<ThreadRecord>(kind::THREAD),
        tgid: who.tgid,
        tid: who.tid,
        start: who.start,
        blocked,
        real_blocked,
        pending,
        shared_pending,
        flags: who.flags,
        pad: 0,
    }
}

/// A full buffer makes the kernel call the program again for the same task.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "at most 2080")]
fn write<T>(seq: *mut seq_file, record: &T) {
    // SAFETY: `record` is as long as said, and made of integers without padding.
    unsafe {
        bpf_seq_write(seq, ptr::from_ref(record).cast(), size_of::<T>() as u32);
    }
}
