//! When a frame is drawn: soon after something changed, never too often, and never for nothing. Pure: time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// Time between frames: 30 a second at most.
pub(super) const FRAME: Duration = Duration::from_nanos(33_333_334);
/// A terminal that is behind is looked at again after this time.
const BEHIND: Duration = Duration::from_millis(100);
/// Something is said for this long.
const NOTICE: Duration = Duration::from_secs(6);

/// What is due, and when.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// When the next frame is to be drawn, if one is.
    frame: Option<Instant>,
    /// When the last one was drawn.
    drawn: Option<Instant>,
    /// When something will look another way by itself.
    wake: Option<Instant>,
    /// When what is being said has been said.
    hush: Option<Instant>,
}

impl Pace {
    /// Whether a frame is to be drawn soon.
    pub(super) const fn is_scheduled(&self) -> bool {
        self.frame.is_some()
    }

    /// Something changed: a frame is to be drawn as soon as one may be.
    pub(super) fn schedule(&mut self, now: Instant) {
        let earliest = self.drawn.map_or(now, |drawn| drawn + FRAME);
        self.frame.get_or_insert(earliest.max(now));
    }

    /// When to look again, if nothing comes. Never, when nothing is going on.
    pub(super) fn due(&self) -> Option<Instant> {
        [self.frame, self.wake, self.hush].into_iter().flatten().min()
    }

    /// What is said next is said for its whole time.
    pub(super) const fn say(&mut self) {
        self.hush = None;
    }

    /// Whether what is being said has been said; told once.
    pub(super) fn is_said(&mut self, now: Instant) -> bool {
        let said = self.hush.is_some_and(|hush| hush <= now);
        if said {
            self.hush = None;
            self.schedule(now);
        }
        said
    }

    /// Whether something is being said.
    pub(super) const fn is_saying(&self) -> bool {
        self.hush.is_some()
    }

    /// Whether to draw now, on a terminal that has taken the frame before, or (`behind`) has not.
    pub(super) fn draws(&mut self, now: Instant, behind: bool) -> bool {
        if self.wake.is_some_and(|wake| wake <= now) {
            self.wake = None;
            self.schedule(now);
        }
        let due = self.frame.is_some_and(|frame| frame <= now);
        if due && behind {
            self.frame = Some(now + BEHIND);
        }
        due && !behind
    }

    /// A frame was drawn. It will look another way by itself in this time, and it says something.
    pub(super) fn drew(&mut self, now: Instant, changes_in: Option<Duration>, says: bool) {
        self.frame = None;
        self.drawn = Some(now);
        self.wake = changes_in.map(|time| now + time.max(FRAME));
        self.hush = says.then(|| self.hush.unwrap_or(now + NOTICE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Something changes a thousand times a second for ten seconds.
    #[test]
    fn thirty_a_second_at_most_however_much_happens() {
        let begun = Instant::now();
        let (mut pace, mut drawn) = (Pace::default(), Vec::new());
        for ms in 0..10_000 {
            let now = begun + MS * ms;
            pace.schedule(now);
            if pace.draws(now, false) {
                pace.drew(now, Some(MS), false);
                drawn.push(now);
            }
        }
        assert!((280..=300).contains(&drawn.len()), "{}", drawn.len());
        for (n, frame) in drawn.iter().enumerate() {
            let in_a_second = drawn[n..].iter().take_while(|other| **other < *frame + MS * 1_000).count();
            assert!(in_a_second <= 30, "{in_a_second}");
        }
    }

    #[test]
    fn nothing_is_drawn_and_nobody_is_woken_while_nothing_happens() {
        let begun = Instant::now();
        let mut pace = Pace::default();
        pace.schedule(begun);
        assert!(pace.draws(begun, false));
        pace.drew(begun, None, false);
        assert_eq!(pace.due(), None, "it sleeps without a timer");
        assert!((1..100_000).all(|ms| !pace.draws(begun + MS * ms, false)));
        // what comes then is drawn at once
        let later = begun + MS * 100_000;
        pace.schedule(later);
        assert_eq!(pace.due(), Some(later));
        assert!(pace.draws(later, false));
    }

    #[test]
    fn a_terminal_that_is_behind_costs_frames_and_what_is_said_is_said_long_enough() {
        let begun = Instant::now();
        let mut pace = Pace::default();
        pace.schedule(begun);
        assert!(!pace.draws(begun, true));
        assert!(!pace.draws(begun + MS * 50, false), "it is looked at again later");
        assert!(pace.draws(begun + MS * 100, false));
        pace.drew(begun + MS * 100, None, true);
        assert!(pace.is_saying() && !pace.is_said(begun + MS * 6_000));
        assert_eq!(pace.due(), Some(begun + MS * 6_100));
        assert!(pace.is_said(begun + MS * 6_100) && !pace.is_saying());
        assert!(pace.draws(begun + MS * 6_100, false), "the line is drawn without it");
    }
}
