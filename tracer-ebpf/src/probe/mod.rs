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

/// The attributes and the shape every raw tracepoint program shares: it runs `$body` and returns 0.
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
