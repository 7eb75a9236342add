//! From names of kernel structures to the [`Offsets`] that the programs get.

use thiserror::Error;
use tracer_common::{Offsets, features};

use super::btf::{Btf, BtfError, Named};
use super::settings::{CgroupV1, Settings};

/// The kernel is not what the programs were written for.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum KernelMismatch {
    /// Its type information could not be read.
    #[error("cannot read the kernel's type information: {0}")]
    Btf(#[from] BtfError),
    /// It has no such member, by none of the names we know.
    #[error("this kernel's struct {structure} has no member {members}: it is older or newer than tracer knows")]
    Member {
        /// Structure.
        structure: &'static str,
        /// The names tried.
        members: String,
    },
    /// It has no such structure.
    #[error("this kernel has no struct {structure}: it is older or newer than tracer knows")]
    Structure {
        /// Structure.
        structure: &'static str,
    },
    /// It has no such cgroup v1 controller.
    #[error("this kernel has no cgroup controller {controller}: choose one that /proc/cgroups lists")]
    Controller {
        /// The controller asked for.
        controller: String,
    },
    /// A tracepoint is not there.
    #[error("this kernel has no tracepoint {name}: it was built without it (needs {config})")]
    Tracepoint {
        /// Its name.
        name: &'static str,
        /// The configuration that brings it.
        config: &'static str,
    },
    /// A tracepoint has other arguments than those we know.
    #[error("this kernel's tracepoint {name} has {found} arguments, tracer knows it with {known}")]
    Arguments {
        /// Its name.
        name: &'static str,
        /// How many it has.
        found: usize,
        /// How many we know it with.
        known: &'static str,
    },
}

/// What we know about a tracepoint.
struct Tracepoint {
    name: &'static str,
    typedef: &'static str,
    config: &'static str,
    /// Numbers of arguments it has had.
    arguments: std::ops::RangeInclusive<usize>,
    known: &'static str,
}

const SIGNAL_GENERATE: Tracepoint = Tracepoint {
    name: "signal_generate",
    typedef: "btf_trace_signal_generate",
    config: "CONFIG_TRACEPOINTS",
    arguments: 5..=5,
    known: "5",
};
const SIGNAL_DELIVER: Tracepoint = Tracepoint {
    name: "signal_deliver",
    typedef: "btf_trace_signal_deliver",
    config: "CONFIG_TRACEPOINTS",
    arguments: 3..=3,
    known: "3",
};
const EXIT: Tracepoint = Tracepoint {
    name: "sched_process_exit",
    typedef: "btf_trace_sched_process_exit",
    config: "CONFIG_TRACEPOINTS",
    arguments: 1..=2,
    known: "1 or 2",
};
const FORK: Tracepoint = Tracepoint {
    name: "sched_process_fork",
    typedef: "btf_trace_sched_process_fork",
    config: "CONFIG_TRACEPOINTS",
    arguments: 2..=2,
    known: "2",
};
const EXEC: Tracepoint = Tracepoint {
    name: "sched_process_exec",
    typedef: "btf_trace_sched_process_exec",
    config: "CONFIG_TRACEPOINTS",
    arguments: 3..=3,
    known: "3",
};
const FREE: Tracepoint = Tracepoint {
    name: "sched_process_free",
    typedef: "btf_trace_sched_process_free",
    config: "CONFIG_TRACEPOINTS",
    arguments: 1..=1,
    known: "1",
};
const MKDIR: Tracepoint = Tracepoint {
    name: "cgroup_mkdir",
    typedef: "btf_trace_cgroup_mkdir",
    config: "CONFIG_CGROUPS",
    arguments: 2..=2,
    known: "2",
};
const RMDIR: Tracepoint = Tracepoint {
    name: "cgroup_rmdir",
    typedef: "btf_trace_cgroup_rmdir",
    config: "CONFIG_CGROUPS",
    arguments: 2..=2,
    known: "2",
};
const ATTACH: Tracepoint = Tracepoint {
    name: "cgroup_attach_task",
    typedef: "btf_trace_cgroup_attach_task",
    config: "CONFIG_CGROUPS",
    arguments: 4..=4,
    known: "4",
};
const VICTIM: Tracepoint = Tracepoint {
    name: "mark_victim",
    typedef: "btf_trace_mark_victim",
    config: "CONFIG_TRACEPOINTS",
    arguments: 1..=2,
    known: "1 or 2",
};
const TRACEPOINTS: [&Tracepoint; 10] =
    [&SIGNAL_GENERATE, &SIGNAL_DELIVER, &EXIT, &FORK, &EXEC, &FREE, &MKDIR, &RMDIR, &ATTACH, &VICTIM];

/// Names of the tracepoints we attach to, which are those of the programs as well.
pub(super) fn tracepoints() -> impl Iterator<Item = &'static str> {
    TRACEPOINTS.iter().map(|tracepoint| tracepoint.name)
}

const STRUCTURES: [&str; 13] = [
    "task_struct",
    "signal_struct",
    "sighand_struct",
    "k_sigaction",
    "kernel_siginfo",
    "pid",
    "upid",
    "css_set",
    "cgroup_subsys_state",
    "cgroup",
    "cgroup_root",
    "kernfs_node",
    "linux_binprm",
];
const SUBSYSTEMS: &str = "cgroup_subsys_id";

/// What iterators over tasks attach to.
const ITERATOR: &str = "bpf_iter_task";

/// What there is to know of the running kernel.
pub(super) struct Found {
    pub(super) offsets: Offsets,
    /// BTF that has what programs attach to by number, and nothing else.
    pub(super) numbers: Vec<u8>,
}

/// Finds everything the programs need in the bytes of `/sys/kernel/btf/vmlinux`, and sets the switches.
///
/// # Errors
/// When something is not there, by its name.
pub(super) fn find(btf: &[u8], settings: &Settings) -> Result<Found, KernelMismatch> {
    let mut wanted = Vec::from(STRUCTURES);
    wanted.extend([SUBSYSTEMS, ITERATOR]);
    wanted.extend(TRACEPOINTS.iter().map(|tracepoint| tracepoint.typedef));
    let btf = Btf::parse(btf, &wanted)?;
    let mut offsets = members(&btf)?;
    offsets.features = switches(settings) | tracepoint_features(&btf)?;
    if let Some(chosen) = &settings.cgroup_v1 {
        offsets.v1_hierarchy = chosen.hierarchy;
        offsets.v1_subsys = subsystem(&btf, chosen)?;
    }
    let mut attached_by_number = vec![(ITERATOR, Named::Function)];
    attached_by_number.extend(TRACEPOINTS.map(|tracepoint| (tracepoint.typedef, Named::Typedef)));
    Ok(Found { offsets, numbers: btf.numbers(&attached_by_number) })
}

fn members(btf: &Btf<'_>) -> Result<Offsets, KernelMismatch> {
    let member = |structure, names: &[&str]| {
        names
            .iter()
            .find_map(|name| btf.offset(structure, name))
            .ok_or_else(|| KernelMismatch::Member { structure, members: names.join(" or ") })
    };
    let size = |structure| btf.size(structure).ok_or(KernelMismatch::Structure { structure });
    let numbers = member("pid", &["numbers"])?;
    Ok(Offsets {
        features: 0,
        v1_hierarchy: 0,
        v1_subsys: 0,
        task_pid: member("task_struct", &["pid"])?,
        task_tgid: member("task_struct", &["tgid"])?,
        task_group_leader: member("task_struct", &["group_leader"])?,
        task_real_parent: member("task_struct", &["real_parent"])?,
        task_start_boottime: member("task_struct", &["start_boottime", "real_start_time"])?,
        task_comm: member("task_struct", &["comm"])?,
        task_flags: member("task_struct", &["flags"])?,
        task_ptrace: member("task_struct", &["ptrace"])?,
        task_exit_state: member("task_struct", &["exit_state"])?,
        task_exit_code: member("task_struct", &["exit_code"])?,
        task_exit_signal: member("task_struct", &["exit_signal"])?,
        task_thread_pid: member("task_struct", &["thread_pid"])?,
        task_cgroups: member("task_struct", &["cgroups"])?,
        task_signal: member("task_struct", &["signal"])?,
        task_sighand: member("task_struct", &["sighand"])?,
        task_blocked: member("task_struct", &["blocked"])?,
        task_real_blocked: member("task_struct", &["real_blocked"])?,
        task_pending: member("task_struct", &["pending.signal"])?,
        // for typed programs alone: of a kernel without it the verifier refuses them, and the others do
        signal_curr_target: btf.offset("signal_struct", "curr_target").unwrap_or(0),
        signal_live: member("signal_struct", &["live"])?,
        signal_flags: member("signal_struct", &["flags"])?,
        signal_group_exit_code: member("signal_struct", &["group_exit_code"])?,
        signal_shared_pending: member("signal_struct", &["shared_pending.signal"])?,
        sighand_action: member("sighand_struct", &["action"])?,
        action_size: size("k_sigaction")?,
        action_handler: member("k_sigaction", &["sa.sa_handler"])?,
        action_flags: member("k_sigaction", &["sa.sa_flags"])?,
        siginfo_code: member("kernel_siginfo", &["si_code"])?,
        pid_level: member("pid", &["level"])?,
        pid_numbers: numbers,
        upid_size: size("upid")?,
        upid_nr: member("upid", &["nr"])?,
        css_set_dfl_cgrp: member("css_set", &["dfl_cgrp"])?,
        css_cgroup: member("cgroup_subsys_state", &["cgroup"])?,
        css_parent: member("cgroup_subsys_state", &["parent"])?,
        cgroup_self: member("cgroup", &["self"])?,
        cgroup_kn: member("cgroup", &["kn"])?,
        cgroup_root: member("cgroup", &["root"])?,
        root_hierarchy_id: member("cgroup_root", &["hierarchy_id"])?,
        kernfs_id: member("kernfs_node", &["id"])?,
        bprm_filename: member("linux_binprm", &["filename"])?,
        bprm_interp: member("linux_binprm", &["interp"])?,
        pid_numbers_flexible: u32::from(size("pid")? <= numbers),
        pad: 0,
    })
}

fn switches(settings: &Settings) -> u64 {
    let Settings { all_signals, ring_bytes: _, pids, log, cgroup_v1, try_new_cgroups, typed: _ } = settings;
    [
        (*all_signals, features::ALL_SIGNALS),
        (*pids, features::PIDS),
        (*log, features::LOG),
        (cgroup_v1.is_some(), features::CGROUP_V1),
        (*try_new_cgroups, features::TRY_NEW_CGROUPS),
    ]
    .into_iter()
    .filter_map(|(on, bit)| on.then_some(bit))
    .sum()
}

/// Checks every tracepoint's arguments, and tells which form those have that changed over time.
fn tracepoint_features(btf: &Btf<'_>) -> Result<u64, KernelMismatch> {
    let mut bits = 0;
    for tracepoint in TRACEPOINTS {
        let &Tracepoint { name, typedef, config, ref arguments, known } = tracepoint;
        let found = btf.tracepoint(typedef).ok_or(KernelMismatch::Tracepoint { name, config })?;
        let count = found.pointers.len();
        if !arguments.contains(&count) {
            return Err(KernelMismatch::Arguments { name, found: count, known });
        }
        if name == EXIT.name && count == 2 {
            bits |= features::EXIT_GROUP_DEAD;
        }
        if name == VICTIM.name && found.pointers.first() == Some(&true) {
            bits |= features::OOM_TASK;
        }
    }
    Ok(bits)
}

/// Where the chosen controller's pointer is in a `css_set`.
fn subsystem(btf: &Btf<'_>, chosen: &CgroupV1) -> Result<u32, KernelMismatch> {
    const POINTER: u32 = 8;
    // the block device controller kept its old name in v1
    let name = if chosen.controller == "blkio" { "io" } else { &chosen.controller };
    let index = btf
        .enumerator(SUBSYSTEMS, &format!("{name}_cgrp_id"))
        .ok_or_else(|| KernelMismatch::Controller { controller: chosen.controller.clone() })?;
    let array = btf
        .offset("css_set", "subsys")
        .ok_or_else(|| KernelMismatch::Member { structure: "css_set", members: "subsys".to_owned() })?;
    Ok(array + index * POINTER)
}

#[cfg(test)]
#[path = "offsets_tests.rs"]
mod tests;
