//! What time it is: asked at the edges only, never by the model.

use crate::event::BootNs;
use crate::output::Clock;

/// Nanoseconds since boot, suspend included: the time of events.
#[must_use]
pub fn boot_now() -> BootNs {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    BootNs(nanoseconds(now))
}

/// From time since boot to the time on the wall, as it is now.
#[must_use]
pub fn wall_clock() -> Clock {
    // whoever is made to wait between the two looks is wrong by that long: of some, the quickest is right
    let looks = (0..5).map(|_| {
        let before = boot_now().0;
        let wall = nanoseconds(rustix::time::clock_gettime(rustix::time::ClockId::Realtime));
        (boot_now().0.saturating_sub(before), i128::from(wall) - i128::from(before))
    });
    let (_, offset) = looks.min_by_key(|(took, _)| *took).unwrap_or_default();
    Clock { boot_to_wall_ns: i64::try_from(offset).unwrap_or(0) }
}

fn nanoseconds(time: rustix::time::Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}
