//! What a process sent on to others of its container: what a supervisor or an init forwards.

use std::collections::HashMap;

use crate::event::BootNs;
use crate::model::{Party, Role, Termination};
use crate::signal::Signal;

/// Signals that each process sent on to others of its container, by the sender, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct PassedOn(HashMap<(u32, u64), Vec<(BootNs, Signal)>>);

impl PassedOn {
    /// Collects them.
    pub(crate) fn of(termination: &Termination) -> Self {
        let mut senders: HashMap<_, Vec<_>> = HashMap::new();
        // what was sent to the first process was not passed on
        for received in termination.processes.iter().skip(1).flat_map(|process| &process.received) {
            let counts = received.role == Role::Inside && received.signal != Signal::KILL;
            if counts && received.matters() {
                let sent = senders.entry((received.sender.pid, received.sender.start)).or_default();
                sent.push((received.at, received.signal));
            }
        }
        for sent in senders.values_mut() {
            sent.sort_by_key(|(at, _)| *at);
        }
        Self(senders)
    }

    /// What this process sent on.
    pub(crate) fn by(&self, process: &Party) -> &[(BootNs, Signal)] {
        self.0.get(&(process.pid, process.start)).map_or(&[], Vec::as_slice)
    }
}
