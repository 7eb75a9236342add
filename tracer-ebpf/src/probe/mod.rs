//! The programs, one file per tracepoint.

mod cgroup_attach_task;
mod cgroup_mkdir;
mod cgroup_rmdir;
mod iter_task;
mod iter_thread;
mod mark_victim;
mod sched_process_exec;
mod sched_process_exit;
mod sched_process_fork;
mod sched_process_free;
mod signal_deliver;
mod signal_generate;

use aya_ebpf::{
    Argument, EbpfContext,
    programs::{BtfTracePointContext, RawTracePointContext},
};

use crate::kernel::{Addr, Pointer, Typed};

/// What a program on a tracepoint is called with, where the verifier knows the arguments' types and where it does not.
pub(crate) trait Context: EbpfContext {
    /// How kernel memory is read there.
    type Pointer: Pointer;

    /// An argument that is a number.
    fn number<T: Argument>(&self, index: usize) -> T;

    /// An argument that always points at the structure that the prototype names.
    fn pointer(&self, index: usize) -> Self::Pointer;

    /// An argument that may be no pointer at all. Not to be compared with null: of a typed one the verifier may be sure that it
    /// is none.
    fn address(&self, index: usize) -> Addr;

    /// The `task_struct` that runs now.
    fn current() -> Self::Pointer;
}

impl Context for RawTracePointContext {
    type Pointer = Addr;

    #[inline(always)]
    fn number<T: Argument>(&self, index: usize) -> T {
        self.arg(index)
    }

    #[inline(always)]
    fn pointer(&self, index: usize) -> Addr {
        self.address(index)
    }

    #[inline(always)]
    fn address(&self, index: usize) -> Addr {
        Addr::new(self.arg(index))
    }

    #[inline(always)]
    fn current() -> Addr {
        Addr::current()
    }
}

impl Context for BtfTracePointContext {
    type Pointer = Typed;

    #[inline(always)]
    fn number<T: Argument>(&self, index: usize) -> T {
        self.arg(index)
    }

    #[inline(always)]
    fn pointer(&self, index: usize) -> Typed {
        Typed::new(self.arg(index))
    }

    #[inline(always)]
    fn address(&self, index: usize) -> Addr {
        Addr::new(self.arg(index))
    }

    #[inline(always)]
    fn current() -> Typed {
        Typed::current()
    }
}

/// A program in two: a typed one, and one with helpers for kernels that refuse that. Both run `$body` and return 0.
///
/// Only for tracepoints whose arguments are tasks that are not reaped yet: a typed program follows their pointers as the kernel
/// itself does. Whoever runs may have been, so that its parents are found by helper.
macro_rules! tracepoint {
    ($(#[$doc:meta])* $point:literal: $name:ident, $typed:ident($ctx:ident) $body:block) => {
        $(#[$doc])*
        #[aya_ebpf::macros::raw_tracepoint]
        fn $name(ctx: aya_ebpf::programs::RawTracePointContext) -> u32 {
            run(&ctx);
            0
        }

        $(#[$doc])*
        #[aya_ebpf::macros::btf_tracepoint(function = $point)]
        fn $typed(ctx: aya_ebpf::programs::BtfTracePointContext) -> u32 {
            run(&ctx);
            0
        }

        #[inline(always)]
        fn run<C: $crate::probe::Context>($ctx: &C) $body
    };
}
use tracepoint;

/// The attributes and the shape every program that is a raw tracepoint only shares: it runs `$body` and returns 0.
macro_rules! raw_tracepoint {
    ($(#[$doc:meta])* $name:ident($ctx:ident) $body:block) => {
        $(#[$doc])*
        #[aya_ebpf::macros::raw_tracepoint]
        fn $name($ctx: aya_ebpf::programs::RawTracePointContext) -> u32 {
            run(&$ctx);
            0
        }

        #[inline(always)]
        fn run($ctx: &aya_ebpf::programs::RawTracePointContext) $body
    };
}
use raw_tracepoint;

/// Tells user space through aya-log what is wrong here. Without [`tracer_common::features::LOG`] the verifier removes it.
macro_rules! diagnose {
    ($ctx:expr, $($message:tt)+) => {
        if $crate::kernel::enabled(tracer_common::features::LOG) {
            aya_log_ebpf::warn!($ctx, $($message)+);
        }
    };
}
use diagnose;
