//! How full the ring was. The kernel does not tell; but whatever was written before we looked and is read after was in it then.

use crate::event::BootNs;

/// A maximum is known for this long at least, and for twice this long at most, ms.
const PERIOD_MS: u64 = 30_000;

/// How much was in the ring.
#[derive(Debug, Default)]
pub(super) struct Peak {
    /// When it was looked at, while what was in it then is being read, and how many bytes that were so far.
    look: Option<(BootNs, u64)>,
    /// The most of this period and of the one before.
    most: (u64, u64),
    /// When this period began.
    since: BootNs,
}

impl Peak {
    /// Somebody begins to read.
    pub(super) fn look(&mut self, now: BootNs) {
        self.look.get_or_insert((now, 0));
    }

    /// A record of this time, with so many bytes; the kernel puts a header before it, and keeps to multiples of 8.
    pub(super) fn found(&mut self, at: BootNs, bytes: usize) {
        match &mut self.look {
            Some((looked, found)) if at <= *looked => *found += (bytes as u64 + 8).next_multiple_of(8),
            // it came later, and so do those after it
            Some(_) => self.emptied(),
            None => {}
        }
    }

    /// What was in it has been read.
    pub(super) fn emptied(&mut self) {
        let Some((now, found)) = self.look.take() else { return };
        match now.ms_since(self.since) / PERIOD_MS {
            0 => {}
            1 => (self.most, self.since) = ((0, self.most.0), now),
            _ => (self.most, self.since) = ((0, 0), now),
        }
        self.most.0 = self.most.0.max(found);
    }

    /// The most of the last period, or of somewhat more.
    pub(super) fn most(&self, now: BootNs) -> u64 {
        match now.ms_since(self.since) / PERIOD_MS {
            0 => self.most.0.max(self.most.1),
            1 => self.most.0,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> BootNs {
        BootNs(0).plus_ms(1_000_000 + ms)
    }

    /// So many records were there when somebody looked.
    fn read(peak: &mut Peak, ms: u64, records: usize) {
        peak.look(at(ms));
        (0..records).for_each(|_| peak.found(at(ms), 93));
        peak.emptied();
    }

    #[test]
    fn what_was_there_when_somebody_looked_counts_and_what_came_later_does_not() {
        let mut peak = Peak::default();
        peak.look(at(100));
        (0..50).for_each(|_| peak.found(at(90), 93));
        // it is not empty yet, and is read on
        peak.look(at(150));
        (0..50).for_each(|_| peak.found(at(100), 93));
        (0..1_000).for_each(|_| peak.found(at(101), 93));
        assert_eq!(peak.most(at(200)), 10_400);
    }

    #[test]
    fn the_most_is_known_for_a_while() {
        let mut peak = Peak::default();
        read(&mut peak, 0, 100);
        read(&mut peak, 20_000, 1);
        assert_eq!(peak.most(at(29_000)), 10_400);
        assert_eq!(peak.most(at(50_000)), 10_400, "nothing came since");
        read(&mut peak, 31_000, 1);
        assert_eq!(peak.most(at(60_000)), 10_400);
        read(&mut peak, 65_000, 1);
        assert_eq!(peak.most(at(66_000)), 104);
        assert_eq!(peak.most(at(1_000_000)), 0);
    }
}
