#![expect(unsafe_code, reason = "the scratch memory is reached by pointer")]
//! The sets of caught and ignored signals, as `SigCgt` and `SigIgn` in `/proc/PID/status` show them.

use aya_ebpf::{macros::map, maps::PerCpuArray};
use tracer_common::{Action, ActionsRecord, TaskRecord};

use crate::kernel::{Addr, Pointer, at, is_nonzero};

/// Memory that would not fit on the 512-byte stack.
#[repr(C)]
#[derive(Clone, Copy)]
struct Scratch {
    actions: [Action; 64],
    task: TaskRecord,
    survey: ActionsRecord,
}

/// Slot of signal programs, which run with interrupts off.
pub(crate) const SIGNAL: u32 = 0;
/// Slot of the task iterator, which a signal program may interrupt.
pub(crate) const ITER: u32 = 1;

#[map]
static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(2, 0);

/// Whether the kernel's actions are laid out as ours.
#[inline(always)]
fn is_known_layout() -> bool {
    at!(action_size) as usize == size_of::<Action>() && at!(action_handler) == 0 && at!(action_flags) == 8
}

/// `(caught, ignored)` of a task's process.
#[inline(always)]
pub(crate) fn read(task: Addr, slot: u32) -> Option<(u64, u64)> {
    if !is_known_layout() {
        // user space would have told; nothing is better than a wrong set
        return None;
    }
    let sighand = task.follow(at!(task_sighand));
    let scratch = SCRATCH.get_ptr_mut(slot)?;
    // SAFETY: this CPU's entry, and only one program uses the slot at a time.
    let actions = unsafe { &mut (*scratch).actions };
    if !sighand.copy(at!(sighand_action), actions) {
        return None;
    }
    let mut caught = 0;
    let mut ignored = 0;
    for (signal, &[handler, ..]) in actions.iter().enumerate() {
        // SIG_DFL and SIG_IGN are 0 and 1, and everything else is an address
        let function = is_nonzero(handler >> 1);
        caught |= function << signal;
        ignored |= (is_nonzero(handler) ^ function) << signal;
    }
    Some((caught, ignored))
}

/// Memory for one record of the snapshot.
#[inline(always)]
pub(crate) fn task_record() -> Option<&'static mut TaskRecord> {
    let scratch = SCRATCH.get_ptr_mut(ITER)?;
    // SAFETY: this CPU's entry; the iterator alone uses the slot, and not from an interrupt.
    Some(unsafe { &mut (*scratch).task })
}

/// Memory for one record of the survey, with the actions of a task's process in it; the rest is the caller's to fill.
#[inline(always)]
pub(crate) fn actions_record(task: Addr) -> Option<&'static mut ActionsRecord> {
    if !is_known_layout() {
        return None;
    }
    let scratch = SCRATCH.get_ptr_mut(ITER)?;
    // SAFETY: this CPU's entry; the iterators alone use the slot, one at a time, and not from an interrupt.
    let record = unsafe { &mut (*scratch).survey };
    let sighand = task.follow(at!(task_sighand));
    if sighand.copy(at!(sighand_action), &mut record.actions) { Some(record) } else { None }
}
