//! What is remembered of a first process's children, for the conditions that need more than one of them.

use std::collections::VecDeque;

use crate::event::{BootNs, Comm};

/// Failing children of a first process, the last few.
#[derive(Clone, Debug, Default)]
pub(super) struct Respawn {
    pub(super) failures: VecDeque<(BootNs, Comm, u32)>,
    pub(super) reported: usize,
}

/// Children of a PID 1 that ended by themselves at once.
#[derive(Clone, Debug, Default)]
pub(super) struct Orphans {
    pub(super) exits: Vec<(Comm, u32, u64)>,
    pub(super) last_fork: BootNs,
    pub(super) reported: bool,
}
