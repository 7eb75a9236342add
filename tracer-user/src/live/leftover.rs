//! What is read from the ring when there is no time left to take it in: it is counted, and told as lost.

use crate::event::{Event, Lost, What};

/// The events as losses. What the kernel did not tell needs no counting: at the end nobody asks for it any more.
pub(super) fn count(events: &[Event]) -> Lost {
    let mut lost = Lost::default();
    for Event(_, what) in events {
        match what {
            What::Signal(_) => lost.signal += 1,
            What::Deliver(_) => lost.deliver += 1,
            What::Exit(_) => lost.exit += 1,
            What::Fork(_) => lost.fork += 1,
            What::Exec(_) => lost.exec += 1,
            What::Reaped(_) => lost.reaped += 1,
            What::Joined(_) => lost.joined += 1,
            What::OomVictim(_) => lost.oom += 1,
            What::Cgroup(_) | What::CgroupGone(_) => lost.cgroup += 1,
            What::Lost(more) => lost = lost.plus(more),
            What::Process(_)
            | What::Pending(_)
            | What::State(_)
            | What::Described(_)
            | What::Pod(_)
            | What::Dismissed(_)
            | What::CgroupFigures(_)
            | What::Foreseen(_)
            | What::Counted(_)
            | What::Tick {} => {}
        }
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::BootNs;

    #[test]
    fn losses_add_up_and_what_is_nobodys_loss_does_not_count() {
        let told = Lost { signal: 3, untracked: 1, ..Lost::default() };
        let events = [What::Tick {}, What::Lost(told), What::Lost(told)].map(|what| Event(BootNs(1), what));
        assert_eq!(count(&events), Lost { signal: 6, untracked: 2, ..Lost::default() });
    }
}
