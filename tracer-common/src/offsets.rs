//! Where the running kernel keeps the members our programs read: found by user space in the kernel's BTF and set
//! before load, since Rust has no CO-RE relocations.

/// Byte offsets of members of kernel structures, and the switches that are fixed at load.
///
/// All of it is read-only data for the programs: the verifier sees constants and removes what is switched off.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    /// Bits of [`crate::features`].
    pub features: u64,
    /// `hierarchy_id` of the chosen cgroup v1 hierarchy, if [`crate::features::CGROUP_V1`].
    pub v1_hierarchy: u32,
    /// `css_set.subsys[i]` of the chosen cgroup v1 controller, if [`crate::features::CGROUP_V1`].
    pub v1_subsys: u32,

    /// `task_struct.pid`
    pub task_pid: u32,
    /// `task_struct.tgid`
    pub task_tgid: u32,
    /// `task_struct.group_leader`
    pub task_group_leader: u32,
    /// `task_struct.real_parent`
    pub task_real_parent: u32,
    /// `task_struct.start_boottime` (`real_start_time` before 5.5)
    pub task_start_boottime: u32,
    /// `task_struct.comm`
    pub task_comm: u32,
    /// `task_struct.flags`
    pub task_flags: u32,
    /// `task_struct.ptrace`
    pub task_ptrace: u32,
    /// `task_struct.exit_state`
    pub task_exit_state: u32,
    /// `task_struct.exit_code`
    pub task_exit_code: u32,
    /// `task_struct.exit_signal`
    pub task_exit_signal: u32,
    /// `task_struct.thread_pid`
    pub task_thread_pid: u32,
    /// `task_struct.cgroups`
    pub task_cgroups: u32,
    /// `task_struct.signal`
    pub task_signal: u32,
    /// `task_struct.sighand`
    pub task_sighand: u32,
    /// `task_struct.blocked`
    pub task_blocked: u32,
    /// `task_struct.real_blocked`
    pub task_real_blocked: u32,
    /// `task_struct.pending.signal`
    pub task_pending: u32,

    /// `signal_struct.curr_target`; 0 where there is none, which is another member and no pointer.
    pub signal_curr_target: u32,
    /// `signal_struct.live`
    pub signal_live: u32,
    /// `signal_struct.flags`
    pub signal_flags: u32,
    /// `signal_struct.group_exit_code`
    pub signal_group_exit_code: u32,
    /// `signal_struct.shared_pending.signal`
    pub signal_shared_pending: u32,

    /// `sighand_struct.action`
    pub sighand_action: u32,
    /// `sizeof(struct k_sigaction)`
    pub action_size: u32,
    /// `k_sigaction.sa.sa_handler`
    pub action_handler: u32,
    /// `k_sigaction.sa.sa_flags`
    pub action_flags: u32,

    /// `kernel_siginfo.si_code`
    pub siginfo_code: u32,

    /// `pid.level`
    pub pid_level: u32,
    /// `pid.numbers`
    pub pid_numbers: u32,
    /// `sizeof(struct upid)`
    pub upid_size: u32,
    /// `upid.nr`
    pub upid_nr: u32,

    /// `css_set.dfl_cgrp`
    pub css_set_dfl_cgrp: u32,
    /// `cgroup_subsys_state.cgroup`
    pub css_cgroup: u32,
    /// `cgroup_subsys_state.parent`
    pub css_parent: u32,
    /// `cgroup.self`
    pub cgroup_self: u32,
    /// `cgroup.kn`
    pub cgroup_kn: u32,
    /// `cgroup.root`
    pub cgroup_root: u32,
    /// `cgroup_root.hierarchy_id`
    pub root_hierarchy_id: u32,
    /// `kernfs_node.id`
    pub kernfs_id: u32,

    /// `linux_binprm.filename`
    pub bprm_filename: u32,
    /// `linux_binprm.interp`
    pub bprm_interp: u32,
    /// Whether `pid.numbers` is a flexible array (since 6.5), 0 or 1: of one that says it has a single element, typed
    /// programs may load no other.
    pub pid_numbers_flexible: u32,
    /// Fills the last eight bytes up; zero.
    pub pad: u32,
}

const _: () = assert!(size_of::<Offsets>() == 16 + 44 * 4);
