//! A process runs a new program. Runs in its context, after the other threads are gone.
//!
//! ```c
//! TP_PROTO(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)
//! ```
//! <https://github.com/torvalds/linux/blob/v6.18/include/trace/events/sched.h>

use tracer_common::{ExecRecord, kind};

use crate::{
    cgroup::{Place, is_wanted},
    kernel::{Addr, Pointer, at},
    output::{Urgency, emit},
    probe::raw_tracepoint,
    task,
};

raw_tracepoint! {
    /// `sched_process_exec`
    sched_process_exec(ctx) {
        let execing = Addr::new(ctx.arg(0));
        let place = Place::of(execing);
        if !is_wanted(execing, &place) {
            return;
        }
        emit(kind::EXEC, |record: &mut ExecRecord| {
            task::describe(execing, place.key, &mut record.task);
            task::describe_parent(execing, &mut record.parent);
            // a name that cannot be read stays empty, and user space shows comm alone
            let program = Addr::new(ctx.arg(2));
            let (filename, interpreter) = (program.follow(at!(bprm_filename)), program.follow(at!(bprm_interp)));
            let _: Option<u32> = filename.copy_string(&mut record.filename);
            // both are one string unless a script names another file to run it, which a handler of formats does as well:
            // https://github.com/torvalds/linux/blob/v6.18/fs/binfmt_script.c
            if interpreter != filename {
                let _: Option<u32> = interpreter.copy_string(&mut record.interpreter);
            }
            Urgency::Later
        });
    }
}
