#![expect(unsafe_code, reason = "an iterator's context is a structure of pointers that the verifier types")]
//! The snapshot: one record per process of the host, zombies included, written to whoever reads the iterator's file.
//!
//! ```c
//! struct bpf_iter__task { struct bpf_iter_meta *meta; struct task_struct *task; };
//! ```
//! <https://github.com/torvalds/linux/blob/v6.18/kernel/bpf/task_iter.c>

use core::{ffi::c_void, ptr};

use aya_ebpf::{bindings::seq_file, helpers::generated::bpf_seq_write};
use tracer_common::TaskRecord;

use crate::{
    cgroup::{Place, v1_key, v2_key},
    kernel::{Addr, at},
    masks, output, task,
};

#[repr(C)]
pub(super) struct Context {
    pub(super) meta: *const Meta,
    pub(super) task: *const c_void,
}

#[repr(C)]
pub(super) struct Meta {
    pub(super) seq: *mut seq_file,
}

/// `iter/task`; a null task ends the list.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
extern "C" fn iter_task(ctx: *const Context) -> u32 {
    // SAFETY: the verifier knows the context's layout and allows reading these pointers.
    let (meta, task) = unsafe { ((*ctx).meta, (*ctx).task) };
    if task.is_null() {
        return 0;
    }
    let task = Addr::new(task as u64);
    if !task::is_leader(task) {
        return 0;
    }
    let Some(record) = masks::task_record() else { return 0 };
    fill(task, record);
    // SAFETY: `meta` is never null; `record` is as long as said. A full buffer makes the kernel call again.
    #[expect(clippy::cast_possible_truncation, reason = "176")]
    unsafe {
        bpf_seq_write((*meta).seq, ptr::from_ref(record).cast(), size_of::<TaskRecord>() as u32);
    }
    0
}

#[inline(always)]
fn fill(task: Addr, record: &mut TaskRecord) {
    *record = TaskRecord::default();
    output::begin_task(record);
    task::describe(task, Place::of(task).key, &mut record.task);
    task::describe_parent(task, &mut record.parent);
    record.cgroup_v2 = v2_key(task);
    record.cgroup_v1 = v1_key(task);
    record.exit_state = task.get(at!(task_exit_state)).unwrap_or(0);
    if record.exit_state != 0 {
        record.status = task::wait_status(task);
    }
    record.live = task::live(task);
    let (blocked, real_blocked) = task::blocked(task);
    record.blocked = blocked | real_blocked;
    record.pending = task::pending(task);
    if let Some((caught, ignored)) = masks::read(task, masks::ITER) {
        record.caught = caught;
        record.ignored = ignored;
    }
}
