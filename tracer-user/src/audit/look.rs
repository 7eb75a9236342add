//! One look at the processes of containers: through the kernel's own structures, or through `/proc` where the kernel
//! does not let us.

mod kernel;
mod proc;

pub(super) use proc::waits_for;

use std::collections::HashMap;

use crate::clock::boot_now;
use crate::container::hierarchy::Hierarchies;
use crate::event::{BootNs, CgroupId, TaskKey};
use crate::probe::{Actions, CgroupV1, ProbeError, Survey};
use crate::signal::SignalSet;

use super::places::Place;
use super::subject::{Sight, Thread};

/// How we look.
#[derive(Debug)]
pub(super) enum Eyes {
    /// With the task iterators.
    Kernel(Box<Survey>),
    /// With `/proc`.
    Proc,
}

/// What a look shows.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// When.
    pub(super) at: BootNs,
    /// The processes of each container, by its id.
    pub(super) members: HashMap<String, Vec<Seen>>,
    /// Names of parents that are in no container.
    pub(super) strangers: HashMap<u32, String>,
}

/// A process that was seen.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(super) struct Seen {
    pub(super) key: TaskKey,
    pub(super) parent: u32,
    pub(super) ns_pid: Option<u32>,
    pub(super) comm: String,
    pub(super) init: bool,
    pub(super) traced: bool,
    pub(super) ending: bool,
    pub(super) zombie: bool,
    pub(super) signals: Signals,
}

/// What it does with signals.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Signals {
    pub(super) caught: SignalSet,
    pub(super) ignored: SignalSet,
    pub(super) pending: SignalSet,
    pub(super) actions: Option<Actions>,
    /// The leader first.
    pub(super) threads: Vec<Thread>,
}

impl Eyes {
    /// Opens them; if only `/proc` can be looked at, why.
    pub(super) fn open(hierarchies: &Hierarchies) -> (Self, Option<ProbeError>) {
        let v1 = hierarchies.v1.as_ref();
        let v1 = v1.map(|v1| CgroupV1 { controller: v1.controller.to_owned(), hierarchy: v1.hierarchy_id });
        match Survey::load(v1) {
            Ok(survey) => (Self::Kernel(Box::new(survey)), None),
            Err(error) => (Self::Proc, Some(error)),
        }
    }

    /// Where what they see is from.
    pub(super) const fn sight(&self) -> Sight {
        match self {
            Self::Kernel(_) => Sight::Kernel,
            Self::Proc => Sight::Proc,
        }
    }

    /// Looks at the processes in these places.
    pub(super) fn look(&mut self, hierarchies: &Hierarchies, places: &[Place]) -> Result<Look, ProbeError> {
        let at = boot_now();
        match self {
            Self::Kernel(survey) => Ok(kernel::look(at, survey.look()?, &by_cgroup(places))),
            Self::Proc => Ok(proc::look(at, hierarchies, places)),
        }
    }
}

fn by_cgroup(places: &[Place]) -> HashMap<CgroupId, &str> {
    places.iter().flat_map(|place| place.cgroups.iter().map(|cgroup| (cgroup.id, place.id.as_str()))).collect()
}
